//! Documents asked questions: what every front end of Longspan shares. There is no terminal
//! here, no command line and no async runtime.
//!
//! ```text
//! scheduler    which windows go through the model next, when many askers wait
//! asker        many documents and questions → answers, in one go or step by step
//! wire         answers, citations and contents as JSON objects, and their schemas
//! cite         quotations checked against documents, by `longspan-cite`
//! answer       the answer of one document to one question; ranking
//! snippet      the sentence around an answer
//! error        what is wrong with a document that cannot be asked
//! source       a file, standard input or bytes → content, by `longspan-documents`
//! child        processes that read files, and are stopped when one takes too much memory or time
//! model        what front ends call a model
//! text         text without control characters; errors of the operating system in words
//! ```
//!
//! A program that asks files reads them, asks, and shows what it gets:
//!
//! ```
//! // `folder` has a checkpoint.
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use longspan::{ReadOptions, Reader};
//! use longspan_ask::{AnswerObject, AskEvent, Asker, DocumentSource, SourceOptions, rank};
//!
//! let asker = Asker::new(Arc::new(Reader::open(folder)?), ReadOptions::default());
//! let questions = [asker.question("Who installed the pump?")?];
//! let text = |name: &str, text: &str| DocumentSource::Bytes { name: name.into(), bytes: text.into() };
//! let sources = [
//!     text("bread.txt", "Bread is made from flour."),
//!     text("pump.txt", "The pump was installed in May 1911 by Ada Brown."),
//!     DocumentSource::File("missing.txt".into()),
//! ];
//! let mut answers = Vec::new();
//! let _ = asker.ask_sources(&questions, sources, &SourceOptions::default(), &mut |event| {
//!     match event {
//!         AskEvent::Answer { answer, .. } => answers.push(answer),
//!         AskEvent::Progress(progress) => eprintln!("{} of {} tokens", progress.tokens_done, progress.tokens),
//!         AskEvent::Error { error, .. } => eprintln!("{error}"), // `missing.txt`: no such file
//!         _ => {}
//!     }
//!     ControlFlow::Continue(()) // or Break, to stop: answers that are complete still come
//! });
//! rank(&mut answers);
//! let object = AnswerObject::new(&answers[0], "my model", "f32");
//! assert_eq!((object.document, object.answer, object.line), ("pump.txt", Some("Ada Brown"), Some(1)));
//! assert_eq!(answers[1].best().map(|best| &best.text), None);
//! # Ok::<(), longspan::Error>(())
//! ```
//!
//! A server has a thread that gives the readings of all requests to a [`ReadingScheduler`], and calls its
//! [`step`](ReadingScheduler::step) while there are any. The example `ask_files` shows progress and keeps a time limit.

#![forbid(unsafe_code)]

pub mod text;

mod child;
mod model;

mod source;

mod snippet;

mod answer;
mod cite;
mod wire;

mod error;

mod asker;

mod scheduler;

pub use answer::{Candidate, DocumentAnswer, rank};
pub use asker::{AskEvent, Asker, NamedDocument, OnEvent, PairReading};
pub use child::{ReadingProcess, ReadingStop, StopWhenDropped, serve_parent};
pub use cite::{
    CheckedDocuments, Citation, CitationRun, CitationStatus, CitedEdit, CitedPassage, GivenQuotation, UnreadDocument,
};
pub use error::{AskError, error_code};
pub use longspan_cite::{CiteError, EditKind, QuotationFault, Reason};
pub use longspan_documents::{
    BlockKind, Content, Format, GzipReader, Limits, PageBox, PictureSize, Place, ReadError, UnreadFormat, Warning,
};
pub use model::{could_be_on_hub, embedded_name, model_card};
pub use scheduler::{ReadingScheduler, ReadingWaiter};
pub use snippet::Snippet;
pub use source::{DocumentSource, SourceError, SourceErrorKind, SourceOptions};
pub use wire::{
    AnswerObject, BlockObject, BoxObject, CandidateObject, CheckedObject, CitationObject, ContentObject, EditObject,
    LineObject, NamedObject, PageObject, PageTextObject, PassageObject, Reference, SentenceObject, SourceObject,
    UnreadObject, WarningObject, WordObject,
};
