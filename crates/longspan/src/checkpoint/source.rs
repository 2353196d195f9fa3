//! The files of a checkpoint, in a folder or in memory.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use super::bytes::{FileBytes, open_file};
use crate::config::Config;
use crate::{Error, FormatKind, Result};

/// The longest file that is read whole: the largest `tokenizer.json` in use has a quarter of it.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Sizes of the model.
pub(crate) const CONFIG: &str = "config.json";
/// The model card, which states the licence.
pub(crate) const README: &str = "README.md";
/// Longspan's own settings of it.
pub(crate) const LONGSPAN: &str = "longspan.json";
/// The files that may stand beside the weights. [`LONGSPAN`] is the last one: when the
/// hub's cache has settled it, all before it were looked for.
pub(crate) const FILES: [&str; 10] = [
    CONFIG,
    TOKENIZER[0],
    TOKENIZER[1],
    TOKENIZER[2],
    TOKENIZER[3],
    TOKENIZER[4],
    TOKENIZER[5],
    TOKENIZER[6],
    README,
    LONGSPAN,
];

/// Those of them that make the tokenizer.
pub(crate) const TOKENIZER: [&str; 7] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
];

/// The files that may hold the weights: the first that is there is taken.
pub(crate) const WEIGHTS: [WeightsFile; 4] = [
    WeightsFile { file: "model.safetensors", sharded: false },
    WeightsFile { file: "model.safetensors.index.json", sharded: true },
    WeightsFile { file: "pytorch_model.bin", sharded: false },
    WeightsFile { file: "pytorch_model.bin.index.json", sharded: true },
];

/// [`WEIGHTS`] in words.
pub(crate) const WEIGHTS_WANTED: &str = "weights: `model.safetensors` or `pytorch_model.bin`, whole or with an index";

/// One way to store weights.
pub(crate) struct WeightsFile {
    /// Name of the file, or of the index that names the files.
    pub file: &'static str,
    /// Whether it is an index.
    pub sharded: bool,
}

/// Where the files of a checkpoint lie.
#[derive(Debug, Clone)]
pub enum Source {
    /// A folder in Hugging Face's layout.
    Folder(PathBuf),
    /// Files in memory, as (name, content): a program may carry its model inside.
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
    /// The content of one file, `None` where there is no such file.
    ///
    /// # Errors
    /// [`Error::Read`] where the folder is missing or the file cannot be read, [`Error::Format`] where the file has
    /// more than 64 MiB: this is for configurations and vocabularies, not for weights.
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
        let mut content = Vec::new();
        match open_file(folder, &path)? {
            None => return Ok(None),
            // One byte more than is allowed tells a file that is too long from one that just fits.
            Some(file) => file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content),
        }
        .map_err(Error::read(&path))?;
        if content.len() as u64 > FILE_BYTES_MAX {
            return Err(self.format_error(name, format!("longer than {FILE_BYTES_MAX} bytes")));
        }
        Ok(Some(Cow::Owned(content)))
    }

    /// The sizes of the model, from `config.json`.
    ///
    /// # Errors
    /// [`Error::MissingFile`] where there is none, and what [`Config::from_json`] says.
    pub fn config(&self) -> Result<Config> {
        let missing = || Error::MissingFile { checkpoint: self.to_string(), wanted: "`config.json`" };
        Config::from_json(&self.read(CONFIG)?.ok_or_else(missing)?)
    }

    /// One file of weights, mapped or borrowed.
    pub(super) fn weights(&self, name: &str) -> Result<Option<FileBytes>> {
        match self {
            Source::Folder(folder) => FileBytes::map(folder, &folder.join(name)),
            Source::Memory(files) => Ok(find(files, name).map(FileBytes::Borrowed)),
        }
    }

    pub(super) fn format_error(&self, name: &str, message: String) -> Error {
        let file = match self {
            Source::Folder(folder) => folder.join(name).display().to_string(),
            Source::Memory(_) => name.to_owned(),
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

pub(super) fn find(files: &[(&str, &'static [u8])], name: &str) -> Option<&'static [u8]> {
    files.iter().find(|(file, _)| *file == name).map(|(_, content)| *content)
}
