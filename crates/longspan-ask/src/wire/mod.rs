//! What is written as JSON, and its JSON Schema.
//!
//! ```text
//! answers      the answer of one document to one question
//! pages        a page of it: its lines and words
//! contents     a document as it was read: its pages, blocks and warnings
//! ```

mod contents;

mod pages;

mod answers;

pub use answers::{AnswerObject, BoxObject, CandidateObject, Reference, SentenceObject};
pub use contents::{BlockObject, ContentObject, PageObject, WarningObject};
pub use pages::{LineObject, PageTextObject, WordObject};
