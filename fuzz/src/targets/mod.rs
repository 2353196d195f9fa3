//! What is tried: a function for each kind of file.

mod checks;

mod citations;
mod data;
mod hub;
mod models;
mod office;
mod pages;
mod settings;
mod tokenizers;
mod weights;

pub(crate) use data::DATASET;
pub(crate) use models::{saved_state, tiny_model};

/// Bytes read as one kind of file, or as several.
pub struct FuzzTarget {
    /// Its name, for the command line.
    pub name: &'static str,
    /// Files of a case, at most.
    pub files: usize,
    /// Its part of the time of a run: quick targets, and those that meet the files of strangers first, have more.
    pub share: u32,
    /// Length of a case, at most.
    pub bytes_max: usize,
    /// Returns whether the case was taken: read without an error. Panics if something does not hold.
    pub run: fn(&[u8]) -> bool,
}

const fn target(name: &'static str, files: usize, share: u32, bytes_max: usize, run: fn(&[u8]) -> bool) -> FuzzTarget {
    FuzzTarget { name, files, share, bytes_max, run }
}

/// All targets.
pub const TARGETS: [FuzzTarget; 25] = [
    target("safetensors", 1, 8, 1 << 16, weights::safetensors),
    target("pickle", 1, 16, 1 << 16, weights::pickle),
    target("index", 1, 4, 1 << 15, weights::index),
    target("tokenizer_json", 3, 16, 1 << 14, tokenizers::tokenizer_json),
    target("vocab_txt", 4, 6, 1 << 13, tokenizers::vocab_txt),
    target("vocab_json", 5, 6, 1 << 13, tokenizers::vocab_json),
    target("pieces", 4, 6, 1 << 15, tokenizers::pieces),
    target("config", 1, 6, 1 << 13, settings::config),
    target("settings", 1, 4, 1 << 12, settings::reader_settings),
    target("squad", 1, 10, 1 << 15, data::squad),
    target("predictions", 2, 5, 1 << 13, data::predictions),
    target("teacher_answers", 2, 5, 1 << 13, data::teacher_answers),
    target("document", 1, 6, 1 << 15, data::document),
    target("html", 1, 8, 1 << 14, data::html),
    target("xhtml", 1, 4, 1 << 14, data::xhtml),
    target("markdown", 1, 6, 1 << 14, data::markdown),
    target("table", 1, 2, 1 << 13, data::table),
    target("office", 1, 12, 1 << 15, office::read),
    target("pdf", 1, 8, 1 << 13, pages::pdf),
    target("cite", 2, 8, 1 << 12, citations::cite),
    target("token_file", 1, 5, 1 << 13, data::token_file),
    target("hub", 16, 3, 1 << 14, hub::fetch),
    target("state", 1, 2, 1 << 18, models::state),
    target("reader", 4, 3, 1 << 11, models::reader),
    target("convert", 2, 2, 1 << 12, models::convert),
];

/// The target with this name.
pub fn named(name: &str) -> Option<&'static FuzzTarget> {
    TARGETS.iter().find(|target| target.name == name)
}
