//! What is written as JSON, and its JSON Schema.
//!
//! ```text
//! answers      the answer of one document to one question
//! citations    a quotation that was checked
//! pages        a page of it: its lines and words
//! contents     a document as it was read: its pages, blocks and warnings
//! ```

mod contents;

mod pages;

mod answers;

mod citations;

pub use answers::{AnswerObject, BoxObject, CandidateObject, Reference, SentenceObject};
pub use citations::{CheckedObject, CitationObject, EditObject, NamedObject, PassageObject, UnreadObject};
pub use contents::{BlockObject, ContentObject, PageObject, SourceObject, WarningObject};
pub use pages::{LineObject, PageTextObject, WordObject};
