//! Quotations proven against the text that they are said to be from, word for word, with their place. This crate knows no
//! model, opens no file and writes to no terminal; it builds for `wasm32-unknown-unknown`.
//!
//! ```text
//! check        quotations and a text → what the text says of each
//! extract      the quotations in a text or in Markdown
//! html         the texts and tags of HTML within Markdown
//! marks        what stands between quotation marks
//! region       the region of a text that is nearest to a quotation
//! edits        what was changed, and what each change is
//! find         where a text has a quotation
//! align        the alignment of words
//! quotation    a quotation: its parts, and the keys by which it is found
//! units        tokens joined to words and numbers
//! compare      a quotation beside a text, sign by sign
//! meaning      what no elision and no bracket may hide
//! joints       where a word or a number goes on behind a sign
//! layout       what stands beside a plain text
//! fold         a text as tokens that compare equal where texts differ only in form
//! words        words that change what a sentence means
//! ```
//!
//! The text is folded once, with a map back. The rarest words of a quotation seed candidates, and a quotation is proven only
//! if every sign of it was compared with a passage. The folding keeps what tells numbers and words apart: `5'` is not `5"`, and
//! `3--5` not `3-5`. No passage begins or ends within a word or a number, brackets replace nothing, and no elision hides a
//! negation but with all of its sentence. What is not proven is aligned with the regions that have most of its words (seed and extend).

#![forbid(unsafe_code)]

mod fold;
mod words;

mod html;
mod joints;
mod layout;
mod marks;
mod meaning;

mod compare;
mod units;

mod align;
mod quotation;

mod edits;
mod find;

mod region;

mod check;
mod extract;

pub use check::{
    CitationCheck, CiteError, Finding, Nearest, PASSAGES_MAX, Passage, QUOTATION_BYTES_MAX, QUOTATIONS_BYTES_MAX,
    QUOTATIONS_MAX, QuotationFault, TEXT_BYTES_MAX,
};
pub use compare::Reason;
pub use edits::{Edit, EditKind};
pub use extract::{QuotedText, quotations_of_markdown, quotations_of_text};
pub use fold::TextLayout;
