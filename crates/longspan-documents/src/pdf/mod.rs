//! PDF: the bytes of a file → text with pages, blocks and words on the page. Hayro interprets the file; the layout is ours.
//!
//! ```text
//! open         encryption, damage, and what streams unpack to
//! streams      the streams as the bytes show them; pictures are taken out
//! scales       what streams unpack to
//! damage       what is repaired in silence
//! unread       what the text lacks
//! glyphs       what the interpreter draws → glyphs on the page
//! pieces       glyphs → words → pieces: words beside each other
//! line_numbers numbers of lines in a margin
//! furniture    pieces that stand at the same place on many pages
//! columns      pieces → columns in the order of reading
//! lines        columns → printed lines
//! tables       lines → rows and cells
//! blocks       lines → paragraphs, headings, items of lists
//! write        blocks → the text and its map
//! bidi         lines that run from right to left
//! labels       what is printed for the numbers of pages
//! draw         pictures of pages
//! ```

mod budget;
mod damage;
mod open;
mod scales;
mod streams;
mod strings;
mod unread;

mod glyphs;
mod pieces;

mod bidi;

mod columns;
mod furniture;
mod line_numbers;
mod lines;
mod marker;
mod tables;

mod blocks;
mod draw;
mod labels;
mod write;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::{Dict, String as PdfString};
use hayro_interpret::hayro_syntax::page::Page;
use hayro_interpret::kurbo::Rect;
use hayro_interpret::{
    Context, InterpreterCache, InterpreterSettings, InterpreterWarning, TransformExt, interpret_page,
};

use self::budget::Budget;
pub(crate) use self::draw::draw;
use self::furniture::PageFrame;
use self::glyphs::{Collector, TextGlyph};
use self::lines::{PrintStyle, PrintedLine};
use self::open::FileDamage;
use self::pieces::TextPiece;
use self::strings::text_string;
use self::write::PrintedPage;
use crate::builder::Builder;
use crate::map::PageSize;
use crate::{Content, Format, Limits, ReadError, Warning};

/// Reads a PDF document.
///
/// # Errors
/// When it is encrypted, damaged beyond repair, has no text, or goes over a limit. Where hayro's code is over a limit, it
/// unwinds with the error.
pub(crate) fn read(bytes: Vec<u8>, password: Option<&str>, limits: &Limits) -> Result<Content, ReadError> {
    let budget = Budget::new(limits);
    let (pdf, damage) = open::open(bytes, password, limits, &budget)?;
    read_pages(&pdf, damage, budget, limits)
}

/// A page as it was interpreted.
struct PagePieces {
    size: PageSize,
    /// The pieces of each angle, that of most of the text first.
    frames: Vec<(i16, Vec<TextPiece>)>,
    has_pictures: bool,
}

fn read_pages(pdf: &Pdf, mut damage: FileDamage, budget: Budget<'_>, limits: &Limits) -> Result<Content, ReadError> {
    let number = pdf.pages().len();
    if number > limits.pages_max {
        return Err(ReadError::TooMany { what: "pages".into(), limit: limits.pages_max as u64 });
    }
    let mut collector = Collector::new(budget, glyphs::has_unicode_codes(pdf));
    let (mut pages, has_bad_fonts) = interpreted(pdf, &mut collector);
    if has_bad_fonts {
        damage.repaired.push("some of its fonts cannot be read, so that their text may be wrong".into());
    }
    let without_text: Vec<usize> =
        (0..number).filter(|&page| pages[page].has_pictures && !has_text(&pages[page])).collect();
    if pages.iter().all(|page| !has_text(page)) && !without_text.is_empty() {
        return Err(ReadError::NoText { pages: number });
    }
    mark_furniture(&mut pages);
    let sizes: Vec<PageSize> = pages.iter().map(|page| page.size).collect();
    let lines: Vec<Vec<PrintedLine>> = pages
        .into_iter()
        .map(|page| {
            collector.budget.look();
            page_lines(page, &collector.budget)
        })
        .collect();
    let style = PrintStyle::of(lines.iter().flatten(), std::mem::take(&mut collector.inks));
    let labels = labels::labels(pdf, number);
    let mut pages: Vec<PrintedPage> = Vec::new();
    for ((lines, size), label) in lines.into_iter().zip(sizes).zip(labels) {
        collector.budget.look();
        pages.push(PrintedPage { label, size, blocks: blocks::blocks(&lines, &style, &collector.budget) });
    }
    blocks::rank(pages.iter_mut().flat_map(|page| &mut page.blocks));
    let mut builder = Builder::new(Format::Pdf, limits);
    write::write(&pages, &mut builder);
    let mut warnings = warnings(&pages, &without_text, builder.text());
    if builder.text().trim().is_empty() && !damage.lost.is_empty() {
        return Err(ReadError::Damaged { format: Format::Pdf, what: damage.lost.join("; ") });
    }
    let damage = [damage.repaired, damage.lost].concat();
    if !damage.is_empty() {
        warnings.push(Warning::Repaired(damage.join("; ")));
    }
    warnings.extend(unread::warnings(pdf));
    let parts = builder.parts();
    parts.warnings = warnings;
    parts.title = pdf
        .metadata()
        .title
        .as_deref()
        .map(text_string)
        .map(|title| title.trim().to_owned())
        .filter(|title| !title.is_empty());
    parts.language = language(pdf);
    builder.finish()
}

fn language(pdf: &Pdf) -> Option<String> {
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id())?;
    let language = text_string(catalog.get::<PdfString<'_>>(b"Lang")?.as_bytes());
    let is_tag = (2..36).contains(&language.len()) && language.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_tag.then_some(language)
}

fn has_text(page: &PagePieces) -> bool {
    page.frames.iter().any(|(_, pieces)| !pieces.is_empty())
}

/// The pieces of all pages, and whether a font could not be read.
fn interpreted(pdf: &Pdf, collector: &mut Collector<'_>) -> (Vec<PagePieces>, bool) {
    let cache = InterpreterCache::new();
    let has_bad_fonts = Arc::new(AtomicBool::new(false));
    let bad_font = has_bad_fonts.clone();
    let sink = move |warning| {
        if matches!(warning, InterpreterWarning::UnsupportedFont) {
            bad_font.store(true, Ordering::Relaxed);
        }
    };
    let settings = InterpreterSettings { warning_sink: Arc::new(sink), ..InterpreterSettings::default() };
    let mut pages = Vec::new();
    for page in pdf.pages().iter() {
        collector.budget.look();
        let (width, height) = page.render_dimensions();
        collector.begin_page(width.into(), height.into());
        interpret(page, pdf, &cache, &settings, collector);
        let mut by_angle: BTreeMap<i16, Vec<TextGlyph>> = BTreeMap::new();
        for glyph in collector.glyphs.drain(..) {
            by_angle.entry(glyph.angle).or_default().push(glyph);
        }
        let mut by_angle: Vec<(i16, Vec<TextGlyph>)> = by_angle.into_iter().collect();
        by_angle.sort_by_key(|(_, glyphs)| std::cmp::Reverse(glyphs.len()));
        let budget = &collector.budget;
        let frames = by_angle.into_iter().map(|(angle, glyphs)| (angle, pieces::pieces(glyphs, budget))).collect();
        let has_pictures = collector.has_pictures();
        pages.push(PagePieces { size: PageSize { width, height }, frames, has_pictures });
    }
    (pages, has_bad_fonts.load(Ordering::Relaxed))
}

fn interpret<'a>(
    page: &Page<'a>,
    pdf: &'a Pdf,
    cache: &InterpreterCache<'a>,
    settings: &InterpreterSettings,
    collector: &mut Collector<'_>,
) {
    let (width, height) = page.render_dimensions();
    let bounds = Rect::new(0.0, 0.0, width.into(), height.into());
    let transform = page.initial_transform(true).to_kurbo();
    let mut context = Context::new(transform, bounds, cache, pdf.xref(), settings.clone());
    interpret_page(page, &mut context, collector);
}

/// Marks running heads, feet and numbers of lines. Where the file calls most of its text that, it is not believed.
fn mark_furniture(pages: &mut [PagePieces]) {
    let all = || pages.iter().flat_map(|page| &page.frames).flat_map(|(_, pieces)| pieces);
    if 2 * all().filter(|piece| piece.is_furniture).count() > all().count() {
        pages
            .iter_mut()
            .flat_map(|page| &mut page.frames)
            .flat_map(|(_, pieces)| pieces)
            .for_each(|piece| piece.is_furniture = false);
    }
    let height = |page: &PageSize, angle: i16| if angle % 180 == 0 { page.height } else { page.width };
    let mut first = Vec::new();
    for page in pages {
        let size = page.size;
        if let Some((angle, pieces)) = page.frames.first_mut() {
            first.push(PageFrame { pieces, height: height(&size, *angle) });
        }
    }
    line_numbers::put_below(&mut first);
    furniture::mark(&mut first);
}

/// The lines of a page in the order of reading, its running head first and its foot last.
fn page_lines(page: PagePieces, budget: &Budget<'_>) -> Vec<PrintedLine> {
    let mut all = Vec::new();
    let mut columns = 0;
    for (angle, pieces) in page.frames {
        let (furniture, body): (Vec<TextPiece>, Vec<TextPiece>) =
            pieces.into_iter().partition(|piece| piece.is_furniture);
        let middle = 0.5
            * (body.iter().map(|piece| piece.y).fold(f32::MAX, f32::min)
                + body.iter().map(|piece| piece.y).fold(f32::MIN, f32::max));
        let (head, foot): (Vec<TextPiece>, Vec<TextPiece>) = furniture.into_iter().partition(|piece| piece.y < middle);
        for column in [vec![head], columns::columns(body, budget), vec![foot]].into_iter().flatten() {
            all.extend(lines::lines(column, angle, columns, budget));
            columns += 1;
        }
    }
    all
}

fn warnings(pages: &[PrintedPage], without_text: &[usize], text: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !without_text.is_empty() {
        warnings.push(Warning::NoText { pages: ranges(without_text), of: pages.len() });
    }
    let unmapped = text.chars().filter(|&c| c == char::REPLACEMENT_CHARACTER).count();
    warnings.extend(Warning::unmapped(unmapped, text));
    let words = pages.iter().flat_map(|page| &page.blocks).flat_map(|block| &block.lines).flatten();
    let characters = words.filter(|word| word.is_hidden).map(|word| word.text.chars().count()).sum();
    if characters > 0 {
        warnings.push(Warning::Hidden { characters });
    }
    warnings
}

/// Numbers of pages, from 1, as ranges.
fn ranges(pages: &[usize]) -> Vec<RangeInclusive<usize>> {
    let runs = pages.chunk_by(|a, b| a + 1 == *b);
    runs.map(|run| run[0] + 1..=run[run.len() - 1] + 1).collect()
}
