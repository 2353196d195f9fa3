//! Hostile input: what a stranger may give to Longspan, tried by the million.
//!
//! A target is a function that reads bytes as one kind of file, uses what it has read, and asserts what must hold for
//! any bytes: no panic, an error that fits in one line, offsets that are exact, memory within a budget. A case is what a
//! target is tried with: a file, or several with [`case::SEPARATOR`] between them.
//!
//! ```text
//! trial        one target, one case: what was wrong, if anything
//! seeds        the cases to start from: golden files, small texts, and cases that once found a fault
//! mutate       a case → another one: bytes, numbers, JSON, members of archives
//! mend         the checksums of a changed file, so that it is read beyond them
//! targets      what is tried
//! case         the files of a case
//! ```
//!
//! `tests/corpus.rs` tries all seeds and some mutations. `fuzz/run` builds the binary `fuzz`, which gives the same
//! functions to libFuzzer, and runs each target for its share of a time.

#![forbid(unsafe_code)]

pub mod case;

pub mod targets;

pub mod mend;
pub mod mutate;
pub mod seeds;

pub mod trial;
