//! What the styles of paragraphs, of text within them and of lists say.

use std::collections::HashMap;

use crate::shift::BaselineShift;
use crate::xml::{XmlError, XmlWalk};
use crate::{Limits, numerals};

use super::namespaces::NAMESPACES;

/// Levels of a list.
pub(super) const LEVELS: usize = 10;

/// So many styles may be based on each other.
const CHAIN_MAX: usize = 32;

/// The styles of a document, by name.
#[derive(Default)]
pub(super) struct OdtStyles {
    paragraphs: HashMap<String, ParagraphStyle>,
    texts: HashMap<String, TextStyle>,
    lists: HashMap<String, ListStyle>,
    /// The numbers of headings.
    pub outline: ListStyle,
    /// The language of the text, as a BCP 47 tag.
    pub language: Option<String>,
}

/// A style of lists, by level.
pub(super) type ListStyle = [Option<LevelStyle>; LEVELS];

/// What a style of paragraphs says.
#[derive(Debug, Default, Clone)]
pub(super) struct ParagraphStyle {
    parent: Option<String>,
    /// Its own name, in lower case, where it is not made for one paragraph.
    name: Option<String>,
    /// The style of its list; empty is none.
    pub list: Option<String>,
    pub breaks_before: Option<bool>,
    pub breaks_after: Option<bool>,
    pub outline_level: Option<u8>,
    pub is_caption: bool,
    pub is_code: bool,
    pub is_title: bool,
    is_hidden: Option<bool>,
}

/// What a style of text within a paragraph says.
#[derive(Debug, Default, Clone)]
pub(super) struct TextStyle {
    parent: Option<String>,
    is_hidden: Option<bool>,
    /// `None` within is the baseline.
    pub shift: Option<Option<BaselineShift>>,
}

impl TextStyle {
    /// Adds what properties of text say, of which the start tag was read.
    fn read(&mut self, xml: &XmlWalk) {
        if let Some(display) = xml.attribute("text", "display") {
            self.is_hidden = Some(display == "none");
        }
        if let Some(position) = xml.attribute("style", "text-position") {
            // `super`, `sub`, or a share of the size of the font, which is negative below the baseline.
            let first = position.split_whitespace().next().unwrap_or_default();
            let share: f32 = first.trim_end_matches('%').parse().unwrap_or(0.0);
            self.shift = Some(match first {
                "super" => Some(BaselineShift::Raised),
                "sub" => Some(BaselineShift::Lowered),
                _ if share > 0.0 => Some(BaselineShift::Raised),
                _ if share < 0.0 => Some(BaselineShift::Lowered),
                _ => None,
            });
        }
    }

    pub fn is_hidden(&self) -> bool {
        self.is_hidden == Some(true)
    }
}

impl ParagraphStyle {
    pub fn is_hidden(&self) -> bool {
        self.is_hidden == Some(true)
    }
}

/// What stands before the items of a level.
#[derive(Debug, Clone)]
pub(super) struct LevelStyle {
    /// `1`, `a`, `A`, `i`, `I`, or nothing.
    format: String,
    /// After `z`, `aa` and `bb` instead of `aa` and `ab`.
    repeats_letters: bool,
    prefix: String,
    suffix: String,
    pub start: u32,
    /// How many levels are shown, up to this one.
    shown_levels: usize,
    bullet: Option<String>,
}

impl OdtStyles {
    /// Adds those of a part.
    pub fn read(&mut self, xml: &str, limits: &Limits) -> Result<(), XmlError> {
        let mut walk = XmlWalk::new(xml, &NAMESPACES, limits);
        while walk.start_within(1)? {
            match walk.name() {
                ("style", "style" | "default-style") => self.read_style(&mut walk)?,
                ("text", "list-style") => {
                    let name = walk.attribute("style", "name").map(String::from).unwrap_or_default();
                    let levels = read_levels(&mut walk)?;
                    self.lists.insert(name, levels);
                }
                ("text", "outline-style") => self.outline = read_levels(&mut walk)?,
                ("office", "body") => walk.skip()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_style(&mut self, xml: &mut XmlWalk) -> Result<(), XmlError> {
        let attribute = |name| xml.attribute("style", name).map(String::from);
        let name = attribute("name");
        match attribute("family").as_deref() {
            Some("paragraph") => {}
            Some("text") => return self.read_text_style(name, xml),
            _ => return xml.skip(),
        }
        let mut style = ParagraphStyle {
            parent: attribute("parent-style-name"),
            name: attribute("display-name").or(name.clone()).map(|name| name.to_lowercase()),
            list: attribute("list-style-name"),
            outline_level: xml.number("style", "default-outline-level"),
            ..ParagraphStyle::default()
        };
        if attribute("master-page-name").is_some_and(|name| !name.is_empty()) {
            style.breaks_before = Some(true);
        }
        let depth = xml.depth();
        while xml.start_within(depth)? {
            match xml.name() {
                ("style", "paragraph-properties") => {
                    let breaks = |name| xml.attribute("fo", name).map(|value| value == "page");
                    style.breaks_before = style.breaks_before.or(breaks("break-before"));
                    style.breaks_after = breaks("break-after");
                }
                ("style", "text-properties") if name.is_some() => {
                    style.is_hidden = xml.attribute("text", "display").map(|display| display == "none");
                }
                ("style", "text-properties") => {
                    let language = xml.attribute("fo", "language").filter(|language| language != "none");
                    let country = xml.attribute("fo", "country").filter(|country| country != "none");
                    self.language = language.map(|language| match country {
                        Some(country) => format!("{language}-{country}"),
                        None => language.into_owned(),
                    });
                }
                _ => {}
            }
        }
        if let Some(name) = name {
            self.paragraphs.insert(name, style);
        }
        Ok(())
    }

    fn read_text_style(&mut self, name: Option<String>, xml: &mut XmlWalk) -> Result<(), XmlError> {
        let parent = xml.attribute("style", "parent-style-name").map(String::from);
        let (mut style, depth) = (TextStyle { parent, ..TextStyle::default() }, xml.depth());
        while xml.start_within(depth)? {
            if xml.name() == ("style", "text-properties") {
                style.read(xml);
            }
        }
        self.texts.extend(name.map(|name| (name, style)));
        Ok(())
    }

    /// The style of text with this name, with what the styles that it is based on say.
    pub fn text(&self, name: &str) -> TextStyle {
        let (mut found, mut next) = (TextStyle::default(), Some(name));
        for _ in 0..CHAIN_MAX {
            let Some(style) = next.and_then(|name| self.texts.get(name)) else { break };
            found.is_hidden = found.is_hidden.or(style.is_hidden);
            found.shift = found.shift.or(style.shift);
            next = style.parent.as_deref();
        }
        found
    }

    /// The style of paragraphs with this name, with what the styles that it is based on say.
    pub fn paragraph(&self, name: &str) -> ParagraphStyle {
        let (mut found, mut next) = (ParagraphStyle::default(), Some(name));
        for _ in 0..CHAIN_MAX {
            let Some(style) = next.and_then(|name| self.paragraphs.get(name)) else { break };
            if found.list.is_none() {
                found.list.clone_from(&style.list);
            }
            // A paragraph breaks the page by its own style; what that one is based on counts where it says nothing.
            found.breaks_before = found.breaks_before.or(style.breaks_before);
            found.breaks_after = found.breaks_after.or(style.breaks_after);
            found.outline_level = found.outline_level.or(style.outline_level);
            found.is_hidden = found.is_hidden.or(style.is_hidden);
            let style_name = style.name.as_deref().unwrap_or_default();
            found.is_caption |= style_name == "caption";
            found.is_code |= style_name == "preformatted text" || style_name == "source code";
            found.is_title |= style_name == "title";
            next = style.parent.as_deref();
        }
        found
    }

    /// The style of lists with this name.
    pub fn list(&self, name: &str) -> Option<&ListStyle> {
        self.lists.get(name)
    }
}

/// Reads the levels of a style of lists, of which the start tag was read.
fn read_levels(xml: &mut XmlWalk) -> Result<ListStyle, XmlError> {
    let (mut levels, depth) = (ListStyle::default(), xml.depth());
    while xml.start_within(depth)? {
        let ("text", name) = xml.name() else { continue };
        let bullet = xml.attribute("text", "bullet-char").unwrap_or_default().into_owned();
        let is_bullet = matches!(name, "list-level-style-bullet" | "list-level-style-image");
        if !is_bullet && !matches!(name, "list-level-style-number" | "outline-level-style") {
            continue;
        }
        let style = |name| xml.attribute("style", name).map(String::from).unwrap_or_default();
        let level = LevelStyle {
            format: style("num-format"),
            repeats_letters: style("num-letter-sync") == "true",
            prefix: style("num-prefix"),
            suffix: style("num-suffix"),
            start: xml.number("text", "start-value").unwrap_or(1),
            shown_levels: xml.number("text", "display-levels").unwrap_or(1),
            bullet: is_bullet.then_some(bullet),
        };
        let number: Option<usize> = xml.number("text", "level");
        if let Some(place) = number.and_then(|number| levels.get_mut(number.wrapping_sub(1))) {
            *place = Some(level);
        }
    }
    Ok(levels)
}

/// What stands before an item of a level, from 0, with the space behind it; none if there is nothing.
///
/// - `counts`: the number of each level
pub(super) fn marker(style: &ListStyle, level: usize, counts: &[Option<u32>; LEVELS]) -> Option<String> {
    let own = style.get(level)?.as_ref()?;
    if let Some(bullet) = &own.bullet {
        let is_plain = !bullet.is_empty() && bullet.chars().all(|c| !matches!(c, '\u{e000}'..='\u{f8ff}' | '\0'..' '));
        return Some(format!("{} ", if is_plain { bullet.as_str() } else { "•" }));
    }
    if own.format.is_empty() && own.prefix.trim().is_empty() && own.suffix.trim().is_empty() {
        return None;
    }
    let shown = (level + 1).saturating_sub(own.shown_levels.max(1))..=level;
    let numbers = shown.filter_map(|at| {
        let style = style[at].as_ref().filter(|style| style.bullet.is_none())?;
        written(counts[at].unwrap_or(style.start), style)
    });
    let numbers = numbers.collect::<Vec<_>>().join(".");
    let numbers = if own.format.is_empty() { String::new() } else { numbers };
    let marker = format!("{}{numbers}{}", own.prefix, own.suffix);
    Some(format!("{} ", marker.trim()))
}

fn written(number: u32, style: &LevelStyle) -> Option<String> {
    let letters = if style.repeats_letters { numerals::repeated_letter } else { numerals::letters };
    Some(match style.format.as_str() {
        "" => return None,
        "a" => letters(number),
        "A" => letters(number).to_uppercase(),
        "i" => numerals::roman(number),
        "I" => numerals::roman(number).to_uppercase(),
        _ => number.to_string(),
    })
}
