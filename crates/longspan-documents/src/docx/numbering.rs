//! The numbers of lists and headings, which no text of the file holds: each is computed from the paragraphs before it.

use std::collections::{HashMap, HashSet};

use crate::xml::{XmlError, XmlWalk};
use crate::{Limits, numerals};

use super::namespaces::NAMESPACES;
use super::styles::{is_on, value};

/// Levels of a list.
const LEVELS: usize = 9;

/// What stands before the items of bulleted lists whose own sign is a picture or a character of a symbol font.
const BULLET: &str = "•";

/// The lists of a document and their numbers so far.
#[derive(Default)]
pub(super) struct Numbering {
    lists: HashMap<String, NumberedList>,
    templates: HashMap<String, ListTemplate>,
    /// The template that a style of lists stands for.
    by_list_style: HashMap<String, String>,
    /// The last number of each level, by template: lists of one template count on.
    counts: HashMap<String, [Option<u32>; LEVELS]>,
    /// Levels of lists that began with a number of their own.
    begun: HashSet<(String, usize)>,
}

/// `w:num`: a template, and what is different in this list.
#[derive(Default)]
struct NumberedList {
    template: String,
    starts: [Option<u32>; LEVELS],
    levels: [Option<ListLevel>; LEVELS],
}

/// `w:abstractNum`.
#[derive(Default)]
struct ListTemplate {
    levels: [Option<ListLevel>; LEVELS],
    /// The style of lists whose template this one stands for.
    stands_for: Option<String>,
}

#[derive(Clone)]
struct ListLevel {
    start: u32,
    format: String,
    /// `%1.%2`, where the numbers of levels stand.
    text: String,
    /// It begins anew after the levels up to this one; 0 is never.
    begins_after: Option<usize>,
    /// All numbers are written in digits.
    is_legal: bool,
    is_followed: bool,
    /// The style of paragraphs that have this level.
    style: Option<String>,
}

impl Numbering {
    pub fn read(xml: &str, limits: &Limits) -> Result<Self, XmlError> {
        let (mut numbering, mut walk) = (Self::default(), XmlWalk::new(xml, &NAMESPACES, limits));
        while walk.start_within(1)? {
            match walk.name() {
                ("w", "abstractNum") => numbering.read_template(&mut walk)?,
                ("w", "num") => numbering.read_list(&mut walk)?,
                _ => {}
            }
        }
        Ok(numbering)
    }

    fn read_template(&mut self, xml: &mut XmlWalk) -> Result<(), XmlError> {
        let id = xml.attribute("w", "abstractNumId").map(String::from).unwrap_or_default();
        let (mut template, depth) = (ListTemplate::default(), xml.depth());
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "lvl") => read_level(xml, &mut template.levels)?,
                ("w", "numStyleLink") => template.stands_for = value(xml),
                ("w", "styleLink") => {
                    let style = value(xml).unwrap_or_default();
                    self.by_list_style.insert(style, id.clone());
                }
                _ => {}
            }
        }
        self.templates.insert(id, template);
        Ok(())
    }

    fn read_list(&mut self, xml: &mut XmlWalk) -> Result<(), XmlError> {
        let id = xml.attribute("w", "numId").map(String::from).unwrap_or_default();
        let (mut list, mut level, depth) = (NumberedList::default(), None, xml.depth());
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "abstractNumId") => list.template = value(xml).unwrap_or_default(),
                ("w", "lvlOverride") => level = xml.number("w", "ilvl").filter(|&level: &usize| level < LEVELS),
                ("w", "startOverride") => {
                    if let Some(level) = level {
                        list.starts[level] = xml.number("w", "val");
                    }
                }
                ("w", "lvl") => read_level(xml, &mut list.levels)?,
                _ => {}
            }
        }
        self.lists.insert(id, list);
        Ok(())
    }

    /// Counts a paragraph and gives the number before it, with the space behind it; none where it has none.
    ///
    /// - `level`: of the paragraph, if it says so
    /// - `style`: of the paragraph, which may have a level of its own
    pub fn count(&mut self, list_id: &str, level: Option<usize>, style: Option<&str>) -> Option<String> {
        let list = self.lists.get(list_id)?;
        let mut template_id = &list.template;
        let mut template = self.templates.get(template_id)?;
        if let Some(id) = template.stands_for.as_ref().and_then(|style| self.by_list_style.get(style)) {
            (template_id, template) = (id, self.templates.get(id)?);
        }
        let level_of = |level: usize| list.levels[level].as_ref().or(template.levels[level].as_ref());
        let has_style = |level: &usize| level_of(*level).is_some_and(|level| level.style.as_deref() == style);
        let by_style = style.and_then(|_| (0..LEVELS).find(has_style));
        let level = level.or(by_style).unwrap_or(0).min(LEVELS - 1);
        let own = level_of(level)?;

        let counts = self.counts.entry(template_id.clone()).or_default();
        let begins = list.starts[level].filter(|_| self.begun.insert((list_id.to_owned(), level)));
        let next = counts[level].map_or(own.start, |last| last.saturating_add(1));
        counts[level] = Some(begins.unwrap_or(next));
        for (deeper, count) in counts.iter_mut().enumerate().skip(level + 1) {
            let begins_after = level_of(deeper).and_then(|level| level.begins_after);
            if begins_after.is_none_or(|after| level < after) {
                *count = None;
            }
        }
        let number = |at: usize| {
            let level = level_of(at)?;
            let number = counts[at].unwrap_or(level.start);
            Some(written(number, if own.is_legal { "decimal" } else { &level.format }))
        };
        let text = match own.format.as_str() {
            "bullet" => bullet(&own.text).to_owned(),
            _ => filled(&own.text, number),
        };
        let space = if own.is_followed { " " } else { "" };
        (!text.trim().is_empty()).then(|| format!("{}{space}", text.trim()))
    }
}

/// Reads `w:lvl`.
fn read_level(xml: &mut XmlWalk, levels: &mut [Option<ListLevel>; LEVELS]) -> Result<(), XmlError> {
    let number: Option<usize> = xml.number("w", "ilvl");
    let mut found = ListLevel {
        start: 0,
        format: "decimal".into(),
        text: String::new(),
        begins_after: None,
        is_legal: false,
        is_followed: true,
        style: None,
    };
    let depth = xml.depth();
    while xml.start_within(depth)? {
        match xml.name() {
            ("w", "start") => found.start = xml.number("w", "val").unwrap_or(0),
            ("w", "numFmt") => found.format = value(xml).unwrap_or_default(),
            ("w", "lvlText") => found.text = value(xml).unwrap_or_default(),
            ("w", "lvlRestart") => found.begins_after = xml.number("w", "val"),
            ("w", "isLgl") => found.is_legal = is_on(xml),
            ("w", "suff") => found.is_followed = value(xml).is_none_or(|value| value != "nothing"),
            ("w", "pStyle") => found.style = value(xml),
            ("w", "pPr" | "rPr") => xml.skip()?,
            _ => {}
        }
    }
    if let Some(level) = number.and_then(|number| levels.get_mut(number)) {
        *level = Some(found);
    }
    Ok(())
}

/// Text such as `%1.%2` with the numbers of its levels.
fn filled(text: &str, number: impl Fn(usize) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('%') {
        filled += &rest[..at];
        rest = &rest[at + 1..];
        match rest.chars().next().and_then(|digit| digit.to_digit(10)) {
            Some(level @ 1..=9) => {
                filled += &number(level as usize - 1).unwrap_or_default();
                rest = &rest[1..];
            }
            _ => filled.push('%'),
        }
    }
    filled + rest
}

/// The sign of a bulleted list.
fn bullet(text: &str) -> &str {
    let is_plain = |c: char| !matches!(c, '\u{e000}'..='\u{f8ff}') && !c.is_control();
    match text {
        // A circle in Courier New.
        "o" => BULLET,
        "" => "",
        _ if text.chars().all(is_plain) => text,
        _ => BULLET,
    }
}

/// A number in a format of Word.
pub(super) fn written(number: u32, format: &str) -> String {
    match format {
        "upperRoman" => numerals::roman(number).to_uppercase(),
        "lowerRoman" => numerals::roman(number),
        "upperLetter" => numerals::repeated_letter(number).to_uppercase(),
        "lowerLetter" => numerals::repeated_letter(number),
        "ordinal" => numerals::ordinal(number),
        "cardinalText" => numerals::words(number),
        "ordinalText" => numerals::ordinal_words(number),
        "decimalZero" => format!("{number:02}"),
        "numberInDash" => format!("- {number} -"),
        "chineseCounting"
        | "chineseCountingThousand"
        | "japaneseCounting"
        | "ideographDigital"
        | "taiwaneseCounting"
        | "taiwaneseCountingThousand" => numerals::chinese(number),
        "none" | "bullet" => String::new(),
        _ => number.to_string(),
    }
}
