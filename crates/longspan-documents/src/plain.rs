//! Text as it is: byte-order mark, line ends and all. Form feeds separate its pages.

use std::sync::Arc;

use crate::content::{Content, Parts};
use crate::map::{Block, Page};
use crate::{Format, Warning};

/// Pages of a text, at most: each may be one byte of the text, and takes 32.
const PAGES_MAX: usize = 1 << 20;

impl Content {
    /// The content of a plain text, which stays as it is: byte-order mark, line ends and all. Form feeds separate its pages.
    /// One pass over the text makes the map: a twentieth of its size, and 32 bytes for each page, up to 2^20 pages. If there
    /// are more, it has none, and a warning.
    ///
    /// # Panics
    /// If the text is longer than 4 GiB.
    pub fn plain(text: impl Into<Arc<str>>) -> Self {
        content(text.into(), Vec::new(), Vec::new())
    }
}

/// The content of a text that stays as it is.
///
/// - `blocks`: the cells of a table, none of another text
pub(crate) fn content(text: Arc<str>, blocks: Vec<Block>, mut warnings: Vec<Warning>) -> Content {
    let page = |start: usize| Page { start: start as u32, label: None, size: None };
    // A form feed ends a page, so that the last one begins no further page.
    let end = text.trim_end().len();
    let breaks = text.match_indices('\u{c}').map(|(at, _)| at + 1).filter(|&start| start < end);
    let mut pages: Vec<Page> = [0].into_iter().chain(breaks).take(PAGES_MAX + 1).map(page).collect();
    if pages.len() > PAGES_MAX {
        let what = format!("where its pages are, since there are more than {PAGES_MAX}");
        warnings.push(Warning::LeftOut(what.into()));
    }
    if pages.len() == 1 || pages.len() > PAGES_MAX {
        pages = Vec::new();
    }
    let parts = Parts {
        format: Format::Text,
        title: None,
        language: None,
        warnings,
        pages,
        blocks,
        words: Vec::new(),
        runs: Vec::new(),
        note_marks: Vec::new(),
    };
    Content::new(text, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_form_feeds_is_read() {
        let text = "\u{c}".repeat(PAGES_MAX - 1) + "a";
        let content = Content::plain(text.as_str());
        assert_eq!((content.pages().len(), content.warnings().len()), (PAGES_MAX, 0));
        assert_eq!(content.place(PAGES_MAX - 1..PAGES_MAX).page, Some(PAGES_MAX));
        let content = Content::plain("\u{c}".repeat(PAGES_MAX) + "a");
        assert_eq!((content.pages().len(), content.place(0..1).page), (0, None));
        let message = "left out: where its pages are, since there are more than 1048576";
        assert_eq!(content.warnings()[0].to_string(), message);
    }
}
