//! Text as it is: byte-order mark, line ends and all. Form feeds separate its pages.

use std::sync::Arc;

use crate::content::{Content, Parts};
use crate::map::{Block, Page};
use crate::{Format, Warning};

impl Content {
    /// The content of a plain text, which stays as it is: byte-order mark, line ends and all. Form feeds separate its pages.
    /// One pass over the text makes the map, a twentieth of its size.
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
pub(crate) fn content(text: Arc<str>, blocks: Vec<Block>, warnings: Vec<Warning>) -> Content {
    let page = |start: usize| Page { start: start as u32, label: None, size: None };
    // A form feed ends a page, so that the last one begins no further page.
    let end = text.trim_end().len();
    let breaks = text.match_indices('\u{c}').map(|(at, _)| at + 1).filter(|&start| start < end);
    let mut pages: Vec<Page> = breaks.map(page).collect();
    if !pages.is_empty() {
        pages.insert(0, page(0));
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
    };
    Content::new(text, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_form_feeds_is_read() {
        let text = "\u{c}".repeat(1 << 20) + "a";
        let content = Content::plain(text.as_str());
        assert_eq!(content.pages().len(), (1 << 20) + 1);
        assert_eq!(content.place(1 << 20..(1 << 20) + 1).page, Some((1 << 20) + 1));
    }
}
