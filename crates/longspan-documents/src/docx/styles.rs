//! What a paragraph or a run is, by its own properties and by those of its style and the styles that this one is based on.

use std::collections::HashMap;

use crate::Limits;
use crate::map::BlockKind;
use crate::shift::BaselineShift;
use crate::xml::{XmlError, XmlWalk};

use super::namespaces::NAMESPACES;

/// So many styles may be based on each other.
const CHAIN_MAX: usize = 32;

/// The styles of paragraphs and of runs.
#[derive(Default)]
pub(super) struct DocxStyles {
    by_id: HashMap<String, Style>,
    /// The style of a paragraph that names none.
    default: Option<String>,
    /// The language of the text, as a BCP 47 tag.
    pub language: Option<String>,
}

struct Style {
    /// Word's own name, in lower case: the id may be translated.
    name: String,
    based_on: Option<String>,
    properties: ParagraphProperties,
}

/// What the properties of a paragraph or of a style say.
#[derive(Debug, Default, Clone)]
pub(super) struct ParagraphProperties {
    pub style: Option<String>,
    /// The list that numbers it; `0` is none.
    pub list: Option<String>,
    pub list_level: Option<usize>,
    /// From 0; 9 is running text.
    pub outline_level: Option<u8>,
    pub begins_page: Option<bool>,
    /// Its end was deleted, or it is a large first letter: the next paragraph goes on with it.
    pub goes_on: bool,
    /// A section ends with it.
    pub ends_section: bool,
    /// What its style says of its runs.
    pub run: RunProperties,
}

/// What the properties of a run or of a style say.
#[derive(Debug, Default, Clone)]
pub(super) struct RunProperties {
    style: Option<String>,
    is_hidden: Option<bool>,
    /// `None` within is the baseline.
    shift: Option<Option<BaselineShift>>,
}

/// What a run is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RunStyle {
    pub is_hidden: bool,
    pub shift: Option<BaselineShift>,
}

impl RunProperties {
    /// Reads the element that was begun last.
    pub fn read(xml: &mut XmlWalk) -> Result<Self, XmlError> {
        let (mut found, depth) = (Self::default(), xml.depth());
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "rStyle") => found.style = value(xml),
                ("w", "vanish") => found.is_hidden = Some(is_on(xml)),
                ("w", "vertAlign") => {
                    found.shift = Some(match value(xml).as_deref() {
                        Some("superscript") => Some(BaselineShift::Raised),
                        Some("subscript") => Some(BaselineShift::Lowered),
                        _ => None,
                    });
                }
                ("w", "rPrChange") => xml.skip()?,
                _ => {}
            }
        }
        Ok(found)
    }

    /// Fills what is not said here with what is said there.
    fn or(&mut self, other: &Self) {
        self.is_hidden = self.is_hidden.or(other.is_hidden);
        self.shift = self.shift.or(other.shift);
    }
}

impl ParagraphProperties {
    /// Reads the element that was begun last.
    pub fn read(xml: &mut XmlWalk) -> Result<Self, XmlError> {
        let (mut found, depth) = (Self::default(), xml.depth());
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "pStyle") => found.style = value(xml),
                ("w", "numId") => found.list = value(xml),
                ("w", "ilvl") => found.list_level = xml.number("w", "val"),
                ("w", "outlineLvl") => found.outline_level = xml.number("w", "val"),
                ("w", "pageBreakBefore") => found.begins_page = Some(is_on(xml)),
                ("w", "del" | "moveFrom") => found.goes_on = true,
                ("w", "framePr") => found.goes_on |= xml.attribute("w", "dropCap").is_some_and(|kind| kind != "none"),
                ("w", "pPrChange" | "rPrChange" | "numberingChange") => xml.skip()?,
                ("w", "sectPr") => {
                    found.ends_section = true;
                    xml.skip()?;
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Fills what is not said here with what is said there.
    fn or(&mut self, other: &Self) {
        if self.list.is_none() {
            self.list.clone_from(&other.list);
        }
        self.list_level = self.list_level.or(other.list_level);
        self.outline_level = self.outline_level.or(other.outline_level);
        self.begins_page = self.begins_page.or(other.begins_page);
        self.run.or(&other.run);
    }
}

impl DocxStyles {
    pub fn read(xml: &str, limits: &Limits) -> Result<Self, XmlError> {
        let (mut styles, mut walk) = (Self::default(), XmlWalk::new(xml, &NAMESPACES, limits));
        while walk.start_within(1)? {
            match walk.name() {
                ("w", "docDefaults") => styles.language = language(&mut walk)?,
                ("w", "style") => styles.read_style(&mut walk)?,
                _ => {}
            }
        }
        Ok(styles)
    }

    fn read_style(&mut self, xml: &mut XmlWalk) -> Result<(), XmlError> {
        let id = xml.attribute("w", "styleId").map(String::from);
        let kind = xml.attribute("w", "type").map(String::from);
        let is_of_paragraphs = kind.as_deref().is_none_or(|kind| kind == "paragraph");
        let is_of_runs = kind.as_deref() == Some("character");
        let is_default =
            is_of_paragraphs && xml.attribute("w", "default").is_some_and(|value| value == "1" || value == "true");
        let Some(id) = id.filter(|_| is_of_paragraphs || is_of_runs) else { return xml.skip() };
        let mut style = Style { name: String::new(), based_on: None, properties: ParagraphProperties::default() };
        let mut run = RunProperties::default();
        let depth = xml.depth();
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "name") => style.name = value(xml).unwrap_or_default().to_lowercase(),
                ("w", "basedOn") => style.based_on = value(xml),
                ("w", "pPr") => style.properties = ParagraphProperties::read(xml)?,
                ("w", "rPr") => run = RunProperties::read(xml)?,
                ("w", "tblPr" | "tblStylePr") => xml.skip()?,
                _ => {}
            }
        }
        style.properties.run = run;
        if is_default {
            self.default = Some(id.clone());
        }
        self.by_id.insert(id, style);
        Ok(())
    }

    /// Fills the properties of a paragraph with those of its style, and says what it is: none is running text.
    pub fn resolve(&self, properties: &mut ParagraphProperties) -> Option<BlockKind> {
        let first = properties.style.clone().or_else(|| self.default.clone());
        let mut id = first.as_deref();
        let mut by_name = None;
        if let Some(id) = properties.style.as_ref().filter(|id| !self.by_id.contains_key(*id)) {
            by_name = by_style_name(&id.to_lowercase());
        }
        for _ in 0..CHAIN_MAX {
            let Some(style) = id.and_then(|id| self.by_id.get(id)) else { break };
            properties.or(&style.properties);
            by_name = by_name.or_else(|| by_style_name(&style.name));
            id = style.based_on.as_deref();
        }
        match (properties.outline_level, by_name) {
            (Some(level @ 0..9), _) => Some(BlockKind::Heading(level + 1)),
            (Some(_), Some(BlockKind::Heading(_))) => None,
            (_, by_name) => by_name,
        }
    }

    /// What a run is by its own properties, the style that they name, and that of its paragraph.
    ///
    /// - `of_paragraph`: what the style of the paragraph says
    pub fn run(&self, own: &RunProperties, of_paragraph: &RunProperties) -> RunStyle {
        let (mut of_style, mut id) = (RunProperties::default(), own.style.as_deref());
        for _ in 0..CHAIN_MAX {
            let Some(style) = id.and_then(|id| self.by_id.get(id)) else { break };
            of_style.or(&style.properties.run);
            id = style.based_on.as_deref();
        }
        // A switch that both styles turn on is off (ECMA-376, part 1, 17.7.3).
        let by_styles = of_style.is_hidden.unwrap_or(false) != of_paragraph.is_hidden.unwrap_or(false);
        let shift = own.shift.or(of_style.shift).or(of_paragraph.shift);
        RunStyle { is_hidden: own.is_hidden.unwrap_or(by_styles), shift: shift.flatten() }
    }
}

fn by_style_name(name: &str) -> Option<BlockKind> {
    match name {
        "title" => Some(BlockKind::Heading(1)),
        "caption" => Some(BlockKind::Caption),
        "html preformatted" | "source code" | "plain text" | "macro" => Some(BlockKind::Code),
        _ if name.starts_with("toc ") => Some(BlockKind::Furniture),
        _ => {
            let level = name.strip_prefix("heading")?.trim_start().parse().ok()?;
            (1..=9).contains(&level).then_some(BlockKind::Heading(level))
        }
    }
}

/// The language that the defaults of a document name.
fn language(xml: &mut XmlWalk) -> Result<Option<String>, XmlError> {
    let (mut found, depth) = (None, xml.depth());
    while xml.start_within(depth)? {
        if let ("w", "lang") = xml.name() {
            found = value(xml).or(found);
        }
    }
    Ok(found)
}

/// The attribute `w:val` of the element that was begun last.
pub(super) fn value(xml: &XmlWalk) -> Option<String> {
    xml.attribute("w", "val").map(String::from)
}

/// Whether the element that was begun last, a switch, is on.
pub(super) fn is_on(xml: &XmlWalk) -> bool {
    xml.attribute("w", "val").is_none_or(|value| !matches!(&*value, "0" | "false" | "off" | "none"))
}
