//! The files of a checkpoint, in a folder or in memory.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use super::bytes::{FileBytes, open_file};
use crate::config::Config;
use crate::{Error, FormatKind, Result};

/// The longest file that is read whole, four times the largest `tokenizer.json` in use.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The longest index, and the longest file with settings of a tokenizer, which may list added tokens. JSON needs about ten
/// times its length in memory.
const LIST_BYTES_MAX: u64 = 4 << 20;
/// The longest `config.json` or `longspan.json`.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// The sizes of the model.
pub(crate) const CONFIG: &str = "config.json";
/// The model card, which states the licence.
pub(crate) const README: &str = "README.md";
/// Longspan's own settings of the model.
pub(crate) const LONGSPAN: &str = "longspan.json";
/// The files that may accompany the weights. [`LONGSPAN`] is last: once the hub's cache knows whether it exists, it has
/// looked for all others.
pub(crate) const FILES: [&str; 12] = {
    let [a, b, c, d, e, f, g, h, i] = TOKENIZER;
    [CONFIG, a, b, c, d, e, f, g, h, i, README, LONGSPAN]
};

/// The files of the tokenizer.
pub(crate) const TOKENIZER: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    SENTENCEPIECE[0],
    SENTENCEPIECE[1],
];

/// Those of them that are models of SentencePiece.
pub(super) const SENTENCEPIECE: [&str; 2] = ["sentencepiece.bpe.model", "spiece.model"];

/// The files that may hold the weights. The first that exists is used.
pub(crate) const WEIGHTS: [WeightsFile; 4] = [
    WeightsFile { file: "model.safetensors", sharded: false },
    WeightsFile { file: "model.safetensors.index.json", sharded: true },
    WeightsFile { file: "pytorch_model.bin", sharded: false },
    WeightsFile { file: "pytorch_model.bin.index.json", sharded: true },
];

/// [`WEIGHTS`] as a phrase for messages.
const WEIGHTS_WANTED: &str = "weights: `model.safetensors` or `pytorch_model.bin`, whole or with an index";

/// Weights of other libraries, which are not read, each with a phrase for the message that there are no others.
const OTHER_WEIGHTS: [(&str, &str); 6] = [
    ("tf_model.h5", "weights of torch, only those of TensorFlow (`tf_model.h5`), which are not read"),
    ("flax_model.msgpack", "weights of torch, only those of Flax (`flax_model.msgpack`), which are not read"),
    ("model.onnx", "weights of torch, only a program of ONNX (`model.onnx`), which is not read"),
    ("onnx/model.onnx", "weights of torch, only a program of ONNX (`onnx/model.onnx`), which is not read"),
    ("openvino_model.bin", "weights of torch, only those of OpenVINO (`openvino_model.bin`), which are not read"),
    ("rust_model.ot", "weights of torch, only those of rust-bert (`rust_model.ot`), which are not read"),
];

/// What a checkpoint with these files lacks that has none of [`WEIGHTS`].
pub(crate) fn weights_wanted(has: impl Fn(&str) -> bool) -> &'static str {
    OTHER_WEIGHTS.iter().find(|(file, _)| has(file)).map_or(WEIGHTS_WANTED, |(_, wanted)| wanted)
}

/// One way to store weights.
pub(crate) struct WeightsFile {
    /// Name of the file, or of the index that names the files.
    pub file: &'static str,
    /// Whether the file is an index.
    pub sharded: bool,
}

/// The place of the files of a checkpoint.
#[derive(Debug, Clone)]
pub enum Source {
    /// A folder in Hugging Face's layout.
    Folder(PathBuf),
    /// Files in memory, as (name, content), for programs that embed a model.
    Memory(&'static [(&'static str, &'static [u8])]),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Folder(folder) => folder.display().fmt(f),
            Source::Memory(_) => f.write_str("checkpoint in memory"),
        }
    }
}

impl Source {
    /// The content of a file, or `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Read`] if the folder is missing or the file cannot be read. [`Error::Format`] if the file has more than
    /// 64 MiB, since it is meant for configurations and vocabularies, not for weights; 1 MiB of `config.json` and
    /// `longspan.json`, and 4 MiB of an index and of the smaller files of a tokenizer.
    ///
    /// ```
    /// use longspan::checkpoint::Source;
    ///
    /// let source = Source::Memory(&[("config.json", b"{}")]);
    /// assert_eq!(source.read("config.json")?.as_deref(), Some(&b"{}"[..]));
    /// assert_eq!(source.read("vocab.txt")?, None);
    /// # Ok::<(), longspan::Error>(())
    /// ```
    pub fn read(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>> {
        let folder = match self {
            Source::Memory(files) => return Ok(find(files, name).map(Cow::Borrowed)),
            Source::Folder(folder) => folder,
        };
        let path = folder.join(name);
        let bytes_max = bytes_max(name);
        let mut content = Vec::new();
        match open_file(folder, &path)? {
            None => return Ok(None),
            // One byte more than allowed distinguishes a file that is too long from one of the maximum length.
            Some(file) => file.take(bytes_max + 1).read_to_end(&mut content),
        }
        .map_err(Error::read(&path))?;
        if content.len() as u64 > bytes_max {
            return Err(self.format_error(name, format!("longer than {bytes_max} bytes")));
        }
        Ok(Some(Cow::Owned(content)))
    }

    /// Reads `config.json`, the sizes of the model.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if it does not exist, and the errors of [`Config::from_json`].
    pub fn config(&self) -> Result<Config> {
        let missing = || self.lacks("`config.json`");
        Config::from_json(&self.read(CONFIG)?.ok_or_else(missing)?)
    }

    /// A file of weights, mapped or borrowed, or `None` if it does not exist.
    pub(super) fn weights(&self, name: &str) -> Result<Option<FileBytes>> {
        match self {
            Source::Folder(folder) => FileBytes::map(folder, &folder.join(name)),
            Source::Memory(files) => Ok(find(files, name).map(FileBytes::Borrowed)),
        }
    }

    /// The error that the checkpoint lacks weights.
    pub(super) fn lacks_weights(&self) -> Error {
        self.lacks(weights_wanted(|name| match self {
            Source::Folder(folder) => folder.join(name).is_file(),
            Source::Memory(files) => find(files, name).is_some(),
        }))
    }

    /// The error that the checkpoint lacks a file.
    pub(crate) fn lacks(&self, wanted: &'static str) -> Error {
        let checkpoint = match self {
            Source::Folder(folder) => folder.clone(),
            Source::Memory(_) => self.to_string().into(),
        };
        Error::MissingFile { checkpoint, wanted }
    }

    pub(super) fn format_error(&self, name: &str, message: String) -> Error {
        let file = match self {
            Source::Folder(folder) => folder.join(name),
            Source::Memory(_) => name.into(),
        };
        let kind = match name {
            CONFIG => FormatKind::Config,
            LONGSPAN => FormatKind::Settings,
            _ if TOKENIZER.contains(&name) => FormatKind::Tokenizer,
            _ => FormatKind::Weights,
        };
        Error::format(file, kind, message)
    }
}

/// The most bytes that are read of a file.
fn bytes_max(name: &str) -> u64 {
    match name {
        CONFIG | LONGSPAN => SETTINGS_BYTES_MAX,
        "tokenizer_config.json" | "special_tokens_map.json" | "added_tokens.json" => LIST_BYTES_MAX,
        _ if name.ends_with(".index.json") => LIST_BYTES_MAX,
        _ => FILE_BYTES_MAX,
    }
}

pub(super) fn find(files: &[(&str, &'static [u8])], name: &str) -> Option<&'static [u8]> {
    files.iter().find(|(file, _)| *file == name).map(|(_, content)| *content)
}
