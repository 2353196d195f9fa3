//! Longspan answers questions about long documents: it returns the exact span of the text that answers, or 'no answer'.
//!
//! Data flows one way: text → tokens with byte offsets → windows → [`model::Batch`] → start and end logits →
//! spans under one normalisation over all windows → perhaps a verification window around the best span → [`Answer`].
//!
//! ```
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
//! // A folder, or a model on the Hugging Face hub such as "mrm8488/longformer-base-4096-finetuned-squadv2".
//! let reader = longspan::Reader::open(folder)?;
//! let text = "The Shuttleworth locomotive was built in Lincoln. It first ran in 1848.";
//! let answer = reader.answer("Where was the locomotive built?", text)?;
//! assert_eq!(answer.best().map(|span| span.text(text)), Some("Lincoln"));
//! assert!(reader.answer("Who painted the ceiling?", text)?.best().is_none());
//! # Ok::<(), longspan::Error>(())
//! ```
//!
//! The modules form floors, and each imports only from the floors below it:
//!
//! ```text
//!  4  pretrain  →  train  →  evaluate          convert
//!  3  reader (windows, spans, answers)      squad
//!  2  model (parameters, layers: Batch → Logits)
//!  1  tokenizer       checkpoint  ←  hub
//!  0  error         json         tensor         random         prefetch   →   config
//! ```
//!
//! Within a floor, `hub` imports `checkpoint`, which lists the files of a checkpoint, `train` imports `evaluate`, which chooses the
//! best weights, and `pretrain` imports `train`, which has the loop of every run.
//!
//! Offsets are bytes of the UTF-8 text. Nothing here needs an async runtime or a terminal, and only the hub needs a network.
//!
//! All parallel work runs on the current `rayon` pool: inside `ThreadPool::install` that pool, elsewhere the global one. One
//! worker is enough: a call that waits on a worker runs other jobs of the pool meanwhile, so do not hold a lock across it.
//!
//! The memory map of a checkpoint or a token file is the only `unsafe` code here; all other modules deny it.

#![deny(unsafe_code)]

pub mod config;
pub mod error;
mod json;
mod prefetch;
pub mod random;
pub mod tensor;

pub mod checkpoint;
pub mod hub;
pub mod tokenizer;

pub mod model;

pub mod reader;
pub mod squad;

pub mod convert;
pub mod evaluate;
pub mod pretrain;
pub mod train;

pub use error::{Error, ErrorKind, FormatKind, Result};
pub use model::{Precision, best_precision};
pub use reader::{
    Abstain, Answer, Document, DocumentReading, GlobalAttention, Question, ReadOptions, ReadProgress, Reader, Span,
    SpanList,
};

/// The Rust block of README.md is a doc test; it asks the embedded model.
#[cfg(all(doctest, feature = "embedded"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
