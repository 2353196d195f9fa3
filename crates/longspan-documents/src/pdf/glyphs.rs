//! The glyphs of a page: what is drawn, where and how. Hayro's interpreter tells them to a device, the collector.
//!
//! Text may run in any direction. A glyph has its place in a frame that is the page turned by the angle of its text, so that
//! text runs from left to right there. See [`to_page`].

use std::collections::HashMap;

use hayro_interpret::font::{Glyph as Outline, GlyphRun, PositionedGlyph};
use hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::{Dict, Name, Stream, String as PdfString};
use hayro_interpret::kurbo::{Affine, BezPath, PathEl, Point, Rect, Shape, Vec2};
use hayro_interpret::{BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, SoftMask};

use super::budget::Budget;
use super::strings::text_string;
use crate::shift::BaselineShift;

/// Units of a glyph's own coordinates for each em.
const EM: f64 = 1000.0;
/// Text that is turned by less than so many degrees from a side of the page runs along it.
const SKEW_MAX: f64 = 3.0;
/// A glyph's middle may stand so many points outside a clip.
const CLIP_TOLERANCE: f64 = 0.5;
/// Where the middle of a letter is above the baseline, in em.
const MIDDLE: f64 = 0.3;
/// Drawings have so many curves at least. Letters that are drawn have more.
const CURVES_MIN: usize = 100;

/// A glyph in the frame of its angle, in points, y from the top.
#[derive(Debug, Clone)]
pub(super) struct TextGlyph {
    pub text: BfString,
    /// Its left edge.
    pub x: f32,
    /// Its baseline.
    pub y: f32,
    pub width: f32,
    /// The size of its font.
    pub size: f32,
    /// Degrees by which its text is turned clockwise.
    pub angle: i16,
    /// The area of its outline in square em: more in bold type. 0 if it is not known.
    pub ink: f32,
    /// Whether it is not shown.
    pub is_hidden: bool,
    /// Whether the file says that it is no part of the text, as running heads.
    pub is_artifact: bool,
    /// Whether it is raised or lowered beside a larger one.
    pub shift: Option<BaselineShift>,
}

/// A point of the frame of an angle on the page, from its top left corner.
pub(super) fn to_page(x: f32, y: f32, angle: i16) -> (f32, f32) {
    if angle == 0 {
        return (x, y);
    }
    let (sin, cos) = f32::from(angle).to_radians().sin_cos();
    (x * cos - y * sin, x * sin + y * cos)
}

/// Marked content that is open.
struct MarkedContent {
    is_artifact: bool,
    /// The text that stands for all of its glyphs, and how many there were before.
    actual_text: Option<(String, usize)>,
}

/// Collects the glyphs of one page after another.
pub(super) struct Collector<'a> {
    pub budget: Budget<'a>,
    pub glyphs: Vec<TextGlyph>,
    has_image: bool,
    /// Curves that were drawn on the page.
    curves: usize,
    clips: Vec<Rect>,
    marks: Vec<MarkedContent>,
    /// The ink of outlines.
    outlines: HashMap<u128, f32>,
    /// The ink of characters.
    pub inks: Inks,
    /// See [`has_unicode_codes`].
    has_unicode_codes: bool,
}

/// The sum of the ink of a character, and how often it was drawn.
pub(super) type Inks = HashMap<char, (f32, u32)>;

impl<'a> Collector<'a> {
    pub fn new(budget: Budget<'a>, has_unicode_codes: bool) -> Self {
        Self {
            budget,
            has_unicode_codes,
            glyphs: Vec::new(),
            has_image: false,
            curves: 0,
            clips: Vec::new(),
            marks: Vec::new(),
            outlines: HashMap::new(),
            inks: Inks::new(),
        }
    }

    /// Begins a page of a size in points.
    pub fn begin_page(&mut self, width: f64, height: f64) {
        self.glyphs.clear();
        self.marks.clear();
        self.clips = vec![Rect::new(0.0, 0.0, width, height)];
        (self.has_image, self.curves) = (false, 0);
    }

    /// Whether the page has a picture or a drawing, of which ruled lines are none.
    pub fn has_pictures(&self) -> bool {
        self.has_image || self.curves >= CURVES_MIN
    }

    fn clip(&mut self, bounds: Rect) {
        let last = self.clips.last().copied().unwrap_or(bounds);
        self.clips.push(last.intersect(bounds));
    }

    fn is_clipped(&self, at: Point) -> bool {
        let Some(clip) = self.clips.last() else { return false };
        !clip.inflate(CLIP_TOLERANCE, CLIP_TOLERANCE).contains(at)
    }

    fn ink(&mut self, glyph: &PositionedGlyph<'_>) -> f32 {
        let Outline::Outline(glyph) = &**glyph else { return 0.0 };
        let area = || (glyph.outline().area().abs() / (EM * EM)) as f32;
        *self.outlines.entry(glyph.identifier().cache_key()).or_insert_with(area)
    }

    fn add(&mut self, run: &GlyphRun<'_, '_>, page: Affine, is_hidden: bool) {
        self.budget.look();
        let placed: Vec<PlacedGlyph> = run.glyphs().iter().map(|glyph| PlacedGlyph::new(glyph, page)).collect();
        let stretch = stretch(&placed);
        let size_of_type3 = size_of_type3(run.glyphs(), &placed);
        let is_artifact = self.marks.iter().any(|mark| mark.is_artifact);
        for (glyph, placed) in run.glyphs().iter().zip(&placed) {
            self.budget.glyph();
            let size = size_of_type3.unwrap_or(placed.size);
            let is_vertical = matches!(run.writing_mode(), WritingMode::Vertical);
            let width = if is_vertical { size } else { placed.advance * placed.size * stretch };
            if !placed.is_finite() || size < 0.1 || !(0.0..10_000.0).contains(&width) {
                continue;
            }
            // Vertical text runs down, with the middles of its letters in a line.
            let along = if is_vertical { -placed.up } else { placed.along };
            let (middle, angle) = if is_vertical {
                (placed.origin + placed.along * (0.5 * size) + placed.up * (MIDDLE * size), angle(along))
            } else {
                (placed.origin + placed.along * (0.5 * width) + placed.up * (MIDDLE * size), angle(along))
            };
            if self.is_clipped(middle) {
                continue;
            }
            let (x, y) = to_frame(middle, angle);
            let text = text_of(glyph, self.has_unicode_codes);
            let ink = self.ink(glyph);
            if let BfString::Char(c) = text
                && ink > 0.0
            {
                let (sum, count) = self.inks.entry(c).or_default();
                (*sum, *count) = (*sum + ink, *count + 1);
            }
            self.glyphs.push(TextGlyph {
                text,
                x: (x - 0.5 * width) as f32,
                y: (y + MIDDLE * size) as f32,
                width: width as f32,
                size: size as f32,
                angle,
                ink,
                is_hidden,
                is_artifact,
                shift: None,
            });
        }
    }

    /// Puts a text in the place of the glyphs from `first` on, if they stand on one line.
    fn replace(&mut self, text: &str, first: usize) {
        let glyphs = self.glyphs.get(first..).unwrap_or_default();
        let Some(one) = glyphs.first() else { return };
        let is_line = |other: &TextGlyph| other.angle == one.angle && (other.y - one.y).abs() < 0.5 * one.size;
        if !glyphs.iter().all(is_line) {
            return;
        }
        let characters: Vec<char> = text.chars().collect();
        if characters.len() == glyphs.len() {
            for (glyph, c) in self.glyphs[first..].iter_mut().zip(characters) {
                glyph.text = shown(c);
            }
            return;
        }
        let left = glyphs.iter().map(|glyph| glyph.x).fold(f32::MAX, f32::min);
        let right = glyphs.iter().map(|glyph| glyph.x + glyph.width).fold(f32::MIN, f32::max);
        let share = (right - left) / characters.len().max(1) as f32;
        let pattern = one.clone();
        self.glyphs.truncate(first);
        for (index, c) in characters.into_iter().enumerate() {
            self.budget.glyph();
            let x = left + share * index as f32;
            self.glyphs.push(TextGlyph { text: shown(c), x, width: share, ..pattern.clone() });
        }
    }
}

/// A glyph on the page.
struct PlacedGlyph {
    origin: Point,
    /// Which way its text runs, and which way its letters stand: of length 1.
    along: Vec2,
    up: Vec2,
    size: f64,
    /// In em.
    advance: f64,
    /// Its width divided by its height, where 1 is as its font has it.
    stretch: f64,
}

impl PlacedGlyph {
    fn new(glyph: &PositionedGlyph<'_>, page: Affine) -> Self {
        let to_page = page * glyph.transform();
        let origin = to_page * Point::ZERO;
        let (along, up) = (to_page * Point::new(EM, 0.0) - origin, to_page * Point::new(0.0, EM) - origin);
        let advance = match &**glyph {
            Outline::Outline(glyph) => glyph.advance_width(),
            Outline::Type3(glyph) => glyph.advance_width(),
        };
        let (length, size) = (along.length(), up.length());
        Self {
            origin,
            along: along / length,
            up: up / size,
            size,
            advance: f64::from(advance.unwrap_or(500.0)) / EM,
            stretch: length / size,
        }
    }

    fn is_finite(&self) -> bool {
        // A page has at most 14,400 points, a scale of which few are larger.
        let numbers = [self.origin.x, self.origin.y, self.size, self.advance];
        let directions = [self.along.x, self.along.y, self.up.x, self.up.y];
        numbers.iter().all(|number| number.abs() < 1e6) && directions.iter().all(|number| number.is_finite())
    }
}

/// How much the letters of a run are stretched by the text. Where it is not the same for all, fonts that stand for others
/// are made to fit, letter by letter.
fn stretch(placed: &[PlacedGlyph]) -> f64 {
    let Some(first) = placed.first() else { return 1.0 };
    if placed.iter().all(|glyph| (glyph.stretch - first.stretch).abs() < 0.01) { first.stretch } else { 1.0 }
}

/// A font of type 3 may have any em: where that does not fit its letters, they are taken for half an em wide.
fn size_of_type3(glyphs: &[PositionedGlyph<'_>], placed: &[PlacedGlyph]) -> Option<f64> {
    glyphs.first().filter(|glyph| matches!(***glyph, Outline::Type3(_)))?;
    let mean = placed.iter().map(|glyph| glyph.advance).sum::<f64>() / placed.len() as f64;
    (!(0.25..1.3).contains(&mean)).then(|| 2.0 * mean * placed[0].size)
}

/// Degrees clockwise of a direction on the page.
fn angle(along: Vec2) -> i16 {
    let degrees = along.y.atan2(along.x).to_degrees();
    let side = (degrees / 90.0).round() * 90.0;
    let degrees = if (degrees - side).abs() < SKEW_MAX { side } else { degrees.round() };
    (degrees as i16).rem_euclid(360)
}

/// A point of the page in the frame of an angle.
fn to_frame(at: Point, angle: i16) -> (f64, f64) {
    if angle == 0 {
        return (at.x, at.y);
    }
    let (sin, cos) = f64::from(angle).to_radians().sin_cos();
    (at.x * cos + at.y * sin, at.y * cos - at.x * sin)
}

/// Whether the codes of composite fonts are Unicode where no table says what they mean, as TCPDF writes it: all such fonts of
/// the pages have the name of a character map in the place of the table.
pub(super) fn has_unicode_codes(pdf: &Pdf) -> bool {
    let mut fonts = pdf.pages().iter().flat_map(|page| {
        let fonts = &page.resources().fonts;
        fonts.keys().filter_map(|name| fonts.get::<Dict<'_>>(name)).collect::<Vec<_>>()
    });
    let mut has_name = false;
    let is_clear = fonts.all(|font| {
        let is_composite = font.get::<Name<'_>>(b"Subtype").is_some_and(|kind| kind.as_ref() == b"Type0");
        let name = font.get::<Name<'_>>(b"ToUnicode");
        let is_named = name.is_some_and(|name| matches!(name.as_ref(), b"Identity-H" | b"Identity-V"));
        has_name |= is_composite && is_named;
        !is_composite || is_named || font.get::<Stream<'_>>(b"ToUnicode").is_some()
    });
    is_clear && has_name
}

/// The text of a glyph; U+FFFD where neither its font nor its code says it.
fn text_of(glyph: &Outline<'_>, has_unicode_codes: bool) -> BfString {
    match glyph.as_unicode() {
        Some(BfString::Char(char::REPLACEMENT_CHARACTER)) | None => {
            let code = glyph.char_code();
            let is_known = has_unicode_codes || (0x20..0x7f).contains(&code);
            let c = char::from_u32(code).filter(|c| is_known && !c.is_control());
            shown(c.unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        Some(BfString::Char(c)) => shown(c),
        Some(BfString::String(text)) => {
            let mut all = String::new();
            for c in text.chars() {
                match shown(c) {
                    BfString::Char(c) => all.push(c),
                    BfString::String(letters) => all.push_str(&letters),
                }
            }
            BfString::String(all)
        }
    }
}

/// A character as it stands in the text: of a ligature its letters, of a control character a space.
fn shown(c: char) -> BfString {
    let letters = match c {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        c if c.is_control() => return BfString::Char(' '),
        c => return BfString::Char(c),
    };
    BfString::String(letters.into())
}

impl<'a> Device<'a> for Collector<'_> {
    fn draw_path(&mut self, path: &BezPath, _: DrawProps<'a>, _: &DrawMode) {
        self.budget.look();
        let is_curve = |part: &&PathEl| matches!(part, PathEl::QuadTo(..) | PathEl::CurveTo(..));
        self.curves += path.elements().iter().filter(is_curve).count();
    }

    fn draw_rect(&mut self, _: &Rect, _: DrawProps<'a>, _: &DrawMode) {
        self.budget.look();
    }

    fn push_clip_path(&mut self, clip: &ClipPath) {
        self.budget.look();
        self.clip(clip.path.bounding_box());
    }

    fn push_clip_rect(&mut self, clip: &Rect) {
        self.budget.look();
        self.clip(*clip);
    }

    fn pop_clip(&mut self) {
        if self.clips.len() > 1 {
            self.clips.pop();
        }
    }

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {
        self.budget.look();
    }

    fn pop_transparency_group(&mut self) {}

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        self.add(run, props.transform, matches!(mode, DrawMode::Invisible));
    }

    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {
        self.budget.look();
        self.has_image = true;
    }

    fn begin_marked_content(&mut self, tag: &[u8], properties: Option<&Dict<'_>>) {
        self.budget.look();
        let actual_text = properties.and_then(|properties| properties.get::<PdfString<'_>>(b"ActualText"));
        let actual_text = actual_text.map(|text| (text_string(text.as_bytes()), self.glyphs.len()));
        self.marks.push(MarkedContent { is_artifact: tag == b"Artifact", actual_text });
    }

    fn end_marked_content(&mut self) {
        if let Some(MarkedContent { actual_text: Some((text, first)), .. }) = self.marks.pop() {
            self.replace(&text, first);
        }
    }
}
