//! What a reader should know about a text that was read.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Something that a person should know who relies on the text. Its `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Warning {
    /// These pages have pictures and no text, as scans have: ranges of page numbers, from 1.
    NoText {
        /// The pages.
        pages: Vec<RangeInclusive<usize>>,
        /// Pages of the document.
        of: usize,
    },
    /// Some characters are unknown, because fonts do not say what their glyphs mean. They are U+FFFD in the text. White space
    /// does not count.
    Unmapped {
        /// How many.
        characters: usize,
        /// Characters of the text.
        of: usize,
    },
    /// The file is damaged, and was read as far as it could be repaired.
    Repaired(String),
    /// The encoding of the text was guessed.
    GuessedEncoding {
        /// Its name in the WHATWG's Encoding Standard.
        name: Cow<'static, str>,
        /// Whether some bytes have no meaning in it; they are U+FFFD in the text.
        has_errors: bool,
    },
    /// Text that is not shown on the page, as under the picture of a scanned page, is part of the text.
    Hidden {
        /// How many characters.
        characters: usize,
    },
    /// Something that the file has is no part of the text or of its map. In words, for people.
    LeftOut(Cow<'static, str>),
    /// The file has changes that were tracked: the text is that after all of them.
    TrackedChanges {
        /// Deletions that are not part of the text.
        deletions: usize,
        /// Insertions that are.
        insertions: usize,
    },
}

impl Warning {
    /// That this many characters of a text are unknown, if any are.
    pub(crate) fn unmapped(characters: usize, text: &str) -> Option<Self> {
        let of = || text.chars().filter(|c| !c.is_whitespace()).count();
        (characters > 0).then(|| Self::Unmapped { characters, of: of() })
    }

    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoText { .. } => "no_text",
            Self::Unmapped { .. } => "unmapped",
            Self::Repaired(_) => "repaired",
            Self::GuessedEncoding { .. } => "guessed_encoding",
            Self::Hidden { .. } => "hidden",
            Self::LeftOut(_) => "left_out",
            Self::TrackedChanges { .. } => "tracked_changes",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoText { pages, of } => {
                let ranges = pages.iter().map(|pages| match (*pages.start(), *pages.end()) {
                    (first, last) if first == last => first.to_string(),
                    (first, last) => format!("{first}–{last}"),
                });
                let count: usize = pages.iter().map(|pages| pages.end() - pages.start() + 1).sum();
                let ranges = ranges.collect::<Vec<_>>().join(", ");
                let have = if count == 1 { "page has no text" } else { "pages have no text" };
                write!(f, "{count} of {of} {have}, as scans have: {ranges}")
            }
            Self::Unmapped { characters, of } => {
                write!(f, "{characters} of {of} characters are unknown: the fonts do not say what they mean")
            }
            Self::Repaired(what) => write!(f, "the file is damaged, and was read as far as it could be: {what}"),
            Self::GuessedEncoding { name, has_errors: false } => write!(f, "the text was read as {name}, a guess"),
            Self::GuessedEncoding { name, has_errors: true } => {
                write!(f, "the text was read as {name}, a guess; some bytes have no meaning in it")
            }
            Self::Hidden { characters } => write!(f, "{characters} characters of the text are not shown on the page"),
            Self::LeftOut(what) => write!(f, "left out: {what}"),
            Self::TrackedChanges { deletions, insertions } => {
                let deletions = counted(*deletions, "deletion is", "deletions are");
                let insertions = counted(*insertions, "insertion is", "insertions are");
                write!(f, "tracked changes: {deletions} left out, {insertions} in the text")
            }
        }
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
