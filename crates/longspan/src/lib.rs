//! Longspan answers questions about long documents: it returns the exact span of the text that answers,
//! or says that the document has no answer.
//!
//! Data flows one way: text → tokens with byte offsets → windows → [`model::Batch`] → start and end logits →
//! spans under one normalisation over all windows → [`Answer`].
//!
//! The modules stand in floors, and each imports only from the floors below it:
//!
//! ```text
//!  3  reader (windows, spans, abstention)      squad
//!  2  model (parameters, layers: Batch → Logits)
//!  1  tokenizer       checkpoint  ←  hub
//!  0  error           config           tensor
//! ```
//!
//! On one floor, `hub` alone imports a neighbour: which files make up a checkpoint is said once, in `checkpoint`.
//! The memory map of a checkpoint is the only `unsafe` code here; every other module is denied it.

#![deny(unsafe_code)]

pub mod config;
pub mod error;
pub mod tensor;

pub mod checkpoint;
pub mod hub;
pub mod tokenizer;

pub mod model;

pub mod reader;
pub mod squad;

pub use error::{Error, Result};
pub use reader::{Answer, Document, GlobalAttention, ReadOptions, Reader, Span};
