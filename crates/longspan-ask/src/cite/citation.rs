//! Quotations as they are given, and what is known of them.

use std::ops::Range;
use std::sync::Arc;

use longspan_cite::{Edit, EditKind, QuotationFault, QuotedText, Reason, quotations_of_markdown, quotations_of_text};

use crate::{Content, Format, PageBox, Place};

/// A quotation that is to be checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GivenQuotation {
    /// What its author calls it.
    pub id: String,
    /// The words, without marks around them.
    pub quote: String,
    /// Where it stands in the text that quotes, in characters.
    pub characters: Option<Range<usize>>,
    /// The line of that text on which it begins, from 1.
    pub line: Option<usize>,
    /// The document that it is said to be from: a path, a file name, or that without its extension.
    pub document: Option<String>,
    /// The page that it is said to be on: its number, or what is printed for it.
    pub page: Option<String>,
}

impl GivenQuotation {
    /// A quotation of which nothing more is known.
    pub fn new(id: impl Into<String>, quote: impl Into<String>) -> Self {
        Self { id: id.into(), quote: quote.into(), ..Self::default() }
    }

    /// The quotations of a plain text of at least so many words, numbered from 1, with their places in it.
    pub fn of_text(text: &str, words_min: usize) -> Vec<Self> {
        Self::numbered(text, quotations_of_text(text, words_min))
    }

    /// The same of a text in Markdown: its block quotes are quotations too, its code is not searched.
    pub fn of_markdown(text: &str, words_min: usize) -> Vec<Self> {
        Self::numbered(text, quotations_of_markdown(text, words_min))
    }

    fn numbered(text: &str, found: Vec<QuotedText>) -> Vec<Self> {
        let content = Content::plain(text);
        let given = (1usize..).zip(found).map(|(number, QuotedText { text, bytes, .. })| {
            let Place { characters, line, .. } = content.place(bytes);
            Self { characters: Some(characters), line: Some(line), ..Self::new(number.to_string(), text) }
        });
        given.collect()
    }
}

/// What is known of a quotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CitationStatus {
    /// A document has it, letter for letter.
    Exact,
    /// A document has it in another form: what differs is named.
    Normalised,
    /// A passage is surely meant, and the quotation changes it. Everything was read, or all of the document that the author
    /// named, which has the passage.
    Altered,
    /// Everything was read, and no document has it.
    NotFound,
    /// No document has it that was read, and something was not read; or it cannot be looked for.
    Unchecked,
}

impl CitationStatus {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [Self::Exact, Self::Normalised, Self::Altered, Self::NotFound, Self::Unchecked];

    /// Its name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Normalised => "normalised",
            Self::Altered => "altered",
            Self::NotFound => "not_found",
            Self::Unchecked => "unchecked",
        }
    }
}

/// A passage of a document.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CitedPassage {
    /// Name of the document.
    pub document: String,
    /// The id of the document, if it has one.
    pub document_id: Option<Arc<str>>,
    /// The format that it was read from.
    pub format: Format,
    /// The passage, as it stands in the text of the document.
    pub text: String,
    /// Where it is.
    pub place: Place,
    /// Where it is printed.
    pub boxes: Vec<PageBox>,
    /// In what the quotation differs from it in form; none if it is the same letter for letter.
    pub reasons: Vec<Reason>,
    /// Whether it is in the document and, some of it at least, on the page that the author named; `None` if none was named.
    pub is_where_named: Option<bool>,
}

/// One change of an altered quotation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CitedEdit {
    /// What it changes.
    pub kind: EditKind,
    /// The words of the quotation, as one line; empty if it lacks words.
    pub from: String,
    /// The words of the document, as one line; empty if the quotation adds words.
    pub to: String,
    /// Characters of the quotation.
    pub quotation: Range<usize>,
    /// Characters of the text of the document.
    pub document: Range<usize>,
}

impl CitedEdit {
    pub(super) fn new(edit: Edit, quote: &str, content: &Content) -> Self {
        let Edit { kind, from, to, quotation, text, .. } = edit;
        let characters = |end: usize| quote[..end].chars().count();
        let quotation = characters(quotation.start)..characters(quotation.end);
        Self { kind, from, to, quotation, document: content.place(text).characters }
    }
}

/// A quotation with what is known of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Citation {
    /// The quotation.
    pub given: GivenQuotation,
    /// What is known of it.
    pub status: CitationStatus,
    /// Passages that have it, those that are the same letter for letter first, at most ten; of an altered one, the passage
    /// that is meant.
    pub passages: Vec<CitedPassage>,
    /// How many passages there are; one of an altered quotation.
    pub count: usize,
    /// What it changes, changes of the meaning first: of an altered one in the passage that is meant, of an unchecked one in
    /// what comes nearest, if the words are surely those. None otherwise.
    pub edits: Vec<CitedEdit>,
    /// What comes nearest to a quotation that was not found, and the share of its words, by their length, that this has.
    pub nearest: Option<(CitedPassage, f64)>,
    /// Whether the first passage is in the document and on the page that the author named; absent if there is no passage, or
    /// none was named.
    pub is_where_named: Option<bool>,
    /// Why it could not be looked for; `None` if it was.
    pub fault: Option<QuotationFault>,
}

/// A document, or a part of one, that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadDocument {
    /// Name of the document.
    pub document: String,
    /// What was not read, and why.
    pub reason: String,
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedDocuments {
    /// Documents that were read.
    pub documents: usize,
    /// Their pages, of those that have pages.
    pub pages: usize,
    /// What was not read.
    pub unread: Vec<UnreadDocument>,
}
