//! The native part of the Python package `longspan`: thin bindings to `longspan` and `longspan-ask`. What users see, with
//! its documentation, is in `python/longspan`.
//!
//! ```text
//! module       what Python imports
//! reader       a model that is asked
//! citing       quotations that are checked
//! document     a document, and files that are read
//! options      the options of a question, by their names
//! watch        work without the GIL, which Ctrl-C ends, on threads that a fork does not break
//! figures      SQuAD data and the official figures
//! errors       errors as Python's classes
//! ```
//!
//! Answers, citations and maps cross to Python as the JSON of `longspan-ask`, so they are the objects of the program and of
//! the server.

mod errors;
mod options;
mod watch;

mod document;
mod figures;

mod citing;
mod reader;

mod module;
