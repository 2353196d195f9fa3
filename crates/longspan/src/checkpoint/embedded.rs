//! The model inside the library: the files of `models/embedded`, byte for byte.
//!
//! To embed another model, replace that folder. It has the layout of any checkpoint with a `tokenizer.json`, and its
//! `longspan.json` may be `{}`. The files stay where the operating system maps them: nothing is copied.

use super::Source;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded/", $name)))),*]
    };
}

/// A static, so that crates that depend on this one do not read the bytes when they are compiled.
static FILES: &[(&str, &[u8])] = files![
    "README.md",
    "config.json",
    "longspan.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
];

impl Source {
    /// The embedded model. It needs the feature `embedded`.
    pub fn embedded() -> Self {
        Self::Memory(FILES)
    }
}
