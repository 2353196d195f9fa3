//! The numbers of lists and headings, which no text of the file holds: each is computed from the paragraphs before it.

use std::collections::HashMap;

use crate::xml::XmlWalk;

use super::styles::{LEVELS, ListStyle, OdtStyles, marker};

/// The lists of a document and their numbers so far.
#[derive(Default)]
pub(super) struct Lists {
    /// The last number of each level, for each list.
    counts: Vec<[Option<u32>; LEVELS]>,
    by_id: HashMap<String, usize>,
    /// The last list with a style.
    by_style: HashMap<String, usize>,
    /// The last numbers of headings.
    outline: [Option<u32>; LEVELS],
}

/// A list that is open.
#[derive(Clone)]
pub(super) struct OpenList {
    list: usize,
    style: String,
    /// From 0.
    level: usize,
    /// Whether the next paragraph is numbered: the first one of an item.
    pub begins_item: bool,
    /// The number of the item, if it says so.
    pub start: Option<u32>,
}

impl Lists {
    /// Opens the list of which the start tag was read.
    pub fn open(&mut self, xml: &XmlWalk, outer: Option<&OpenList>) -> OpenList {
        let attribute = |name| xml.attribute("text", name).map(String::from);
        let style = attribute("style-name").or(outer.map(|outer| outer.style.clone())).unwrap_or_default();
        if let Some(outer) = outer {
            let level = (outer.level + 1).min(LEVELS - 1);
            return OpenList { list: outer.list, style, level, begins_item: false, start: None };
        }
        let continued = attribute("continue-list").and_then(|id| self.by_id.get(&id).copied());
        let continues = attribute("continue-numbering").is_some_and(|value| value == "true");
        let last = continues.then(|| self.by_style.get(&style).copied()).flatten();
        let list = continued.or(last).unwrap_or_else(|| {
            self.counts.push([None; LEVELS]);
            self.counts.len() - 1
        });
        if let Some(id) = xml.attribute("xml", "id").or_else(|| xml.attribute("text", "id")) {
            self.by_id.insert(id.into_owned(), list);
        }
        self.by_style.insert(style.clone(), list);
        OpenList { list, style, level: 0, begins_item: false, start: None }
    }

    /// Counts an item and gives its number.
    ///
    /// - `style`: of the list that the paragraph names, for lists that name none
    pub fn count(&mut self, open: &OpenList, style: Option<&str>, styles: &OdtStyles) -> Option<String> {
        let name = if open.style.is_empty() { style.unwrap_or_default() } else { &open.style };
        let style = styles.list(name)?;
        let counts = self.counts.get_mut(open.list)?;
        step(style, open.level, open.start, counts);
        marker(style, open.level, counts)
    }

    /// Counts a heading of a level from 0 and gives its number.
    pub fn count_heading(&mut self, level: usize, start: Option<u32>, outline: &ListStyle) -> Option<String> {
        let level = level.min(LEVELS - 1);
        step(outline, level, start, &mut self.outline);
        marker(outline, level, &self.outline)
    }
}

/// Counts one on a level; the levels below it begin anew.
fn step(style: &ListStyle, level: usize, start: Option<u32>, counts: &mut [Option<u32>; LEVELS]) {
    let first = style[level].as_ref().map_or(1, |style| style.start);
    counts[level] = Some(start.unwrap_or_else(|| counts[level].map_or(first, |last| last.saturating_add(1))));
    counts[level + 1..].fill(None);
}
