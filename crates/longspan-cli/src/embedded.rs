//! The model inside the program: the files of `models/embedded`, byte for byte.
//!
//! Another model is put in by replacing that folder. It has the layout of any checkpoint with a `tokenizer.json`, and
//! its `longspan.json` may be `{}`. The files stay where the operating system maps them: nothing is copied.

use longspan::checkpoint::Source;

/// The checkpoint.
pub const SOURCE: Source = Source::Memory(FILES);

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded/", $name)))),*]
    };
}

const FILES: &[(&str, &[u8])] = files![
    "README.md",
    "config.json",
    "longspan.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
];
