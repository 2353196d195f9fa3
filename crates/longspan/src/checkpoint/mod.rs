//! Checkpoints: the files of a model, from a folder or from memory, and their tensors.
//!
//! Weights are read where they lie: files are memory-mapped, and a [`TensorView`] is a piece of the map. Two formats
//! are known, safetensors and torch's pickles, each whole or in shards. Reading never executes anything, and what is
//! allocated is bounded by constants and by the length of the file, never by a size that the file merely claims:
//!
//! | what | at most |
//! |---|---|
//! | a file that is read whole ([`Source::read`]) | 64 MiB |
//! | the header of a safetensors file | 32 MiB |
//! | shards of one checkpoint | 1,024 |
//! | a pickle | 16 MiB, 2^20 objects |
//! | copies of tensors that are stored out of order | as many bytes as the file has |

mod bytes;
mod files;
mod foreign;
mod pickle;
mod safetensors;
mod torch;
mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub(crate) use self::bytes::Bytes;
pub use self::files::write_whole;
pub use self::write::{NamedTensor, fill_folder, write_checkpoint, write_checkpoint_with, write_safetensors};
use crate::config::Config;
use crate::tensor::{DType, TensorView};
use crate::{Error, FormatKind, Result};

/// The longest file that is read whole: the largest `tokenizer.json` in use has a quarter of it.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The most shards that one index may name.
const SHARDS_MAX: usize = 1024;

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
pub(crate) const WEIGHTS: [Weights; 4] = [
    Weights { file: "model.safetensors", sharded: false },
    Weights { file: "model.safetensors.index.json", sharded: true },
    Weights { file: "pytorch_model.bin", sharded: false },
    Weights { file: "pytorch_model.bin.index.json", sharded: true },
];

/// [`WEIGHTS`] in words.
pub(crate) const WEIGHTS_WANTED: &str = "weights: `model.safetensors` or `pytorch_model.bin`, whole or with an index";

/// One way to store weights.
pub(crate) struct Weights {
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
        match bytes::open_file(folder, &path)? {
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
    fn weights(&self, name: &str) -> Result<Option<Bytes>> {
        match self {
            Source::Folder(folder) => Bytes::map(folder, &folder.join(name)),
            Source::Memory(files) => Ok(find(files, name).map(Bytes::Borrowed)),
        }
    }

    fn format_error(&self, name: &str, message: String) -> Error {
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

fn find(files: &[(&str, &'static [u8])], name: &str) -> Option<&'static [u8]> {
    files.iter().find(|(file, _)| *file == name).map(|(_, content)| *content)
}

/// The tensors of a checkpoint, by Hugging Face's names.
///
/// Tensors that share their storage (tied weights) are views of the same bytes. Dropping this gives the maps back.
pub struct Tensors {
    files: Vec<Bytes>,
    tensors: BTreeMap<String, (usize, Stored)>,
}

/// A tensor as a file describes it.
struct Stored {
    format: NumberFormat,
    shape: Vec<usize>,
    data: Data,
}

/// What the numbers of a tensor are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NumberFormat {
    Float(DType),
    /// One that the model never asks for, by safetensors' name: `position_ids` are I64.
    Other(String),
}

/// Where the numbers of a tensor are.
enum Data {
    /// In the file, in order; checked against its length.
    Range(Range<usize>),
    /// In the file out of order (a transposed view, say), so put in order here.
    Copy(Vec<u8>),
}

impl Tensors {
    /// Finds and opens the weights.
    ///
    /// They are, in this order: `model.safetensors`, the shards that `model.safetensors.index.json` names,
    /// `pytorch_model.bin` (as torch writes it since 1.6 or as it did before), the shards of
    /// `pytorch_model.bin.index.json`.
    ///
    /// # Errors
    /// [`Error::MissingFile`] where there is none of them; [`Error::Format`], which names the file and what is wrong
    /// with it, where one is truncated, is something else, or asks for code to be run.
    pub fn open(source: &Source) -> Result<Self> {
        let mut opened = Tensors { files: Vec::new(), tensors: BTreeMap::new() };
        for weights in &WEIGHTS {
            if weights.sharded {
                if let Some(index) = source.read(weights.file)? {
                    opened.add_shards(source, weights.file, &index)?;
                    return Ok(opened);
                }
            } else if opened.add_file(source, weights.file)? {
                return Ok(opened);
            }
        }
        Err(Error::MissingFile { checkpoint: source.to_string(), wanted: WEIGHTS_WANTED })
    }

    /// The tensors of one safetensors file, and what its header says of itself; `None` where there is no such file.
    ///
    /// # Errors
    /// [`Error::Format`] where it is truncated or something else, [`Error::Read`] where its folder is missing.
    pub fn open_file(folder: &Path, name: &str) -> Result<Option<(Self, HashMap<String, String>)>> {
        let source = Source::Folder(folder.to_owned());
        let mut opened = Tensors { files: Vec::new(), tensors: BTreeMap::new() };
        if !opened.add_file(&source, name)? {
            return Ok(None);
        }
        let metadata = safetensors::metadata(&opened.files[0]).map_err(|message| source.format_error(name, message))?;
        Ok(Some((opened, metadata)))
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// One tensor, `None` where there is none of that name.
    ///
    /// # Errors
    /// [`Error::TensorType`] where the tensor holds integers, say: such tensors are listed but not read.
    pub fn get(&self, name: &str) -> Result<Option<TensorView<'_>>> {
        let Some((file, stored)) = self.tensors.get(name) else { return Ok(None) };
        let dtype = match &stored.format {
            NumberFormat::Float(dtype) => *dtype,
            NumberFormat::Other(found) => {
                return Err(Error::TensorType { name: name.to_owned(), found: found.clone() });
            }
        };
        let data = match &stored.data {
            Data::Range(range) => &self.files[*file][range.clone()],
            Data::Copy(copy) => copy,
        };
        Ok(Some(TensorView { dtype, shape: stored.shape.clone(), data }))
    }

    /// Says that a tensor was read and will not be read again soon: its pages need not stay in memory.
    pub(crate) fn release(&self, name: &str) {
        if let Some((file, Stored { data: Data::Range(range), .. })) = self.tensors.get(name) {
            self.files[*file].release(range.clone());
        }
    }

    /// Adds the tensors of one file; `false` where there is no such file.
    fn add_file(&mut self, source: &Source, name: &str) -> Result<bool> {
        let Some(content) = source.weights(name)? else { return Ok(false) };
        let read =
            if name.ends_with(".safetensors") { safetensors::tensors(&content) } else { torch::tensors(&content) };
        let stored = read
            .map_err(|message| source.format_error(name, foreign::describe(&content).map_or(message, str::to_owned)))?;
        let file = self.files.len();
        self.files.push(content);
        self.tensors.extend(stored.into_iter().map(|(name, stored)| (name, (file, stored))));
        Ok(true)
    }

    fn add_shards(&mut self, source: &Source, index_name: &str, index: &[u8]) -> Result<()> {
        let index = Index::parse(index).map_err(|message| source.format_error(index_name, message))?;
        for shard in index.shards() {
            if !self.add_file(source, shard)? {
                return Err(source.format_error(index_name, format!("names the shard `{shard}`, which is not there")));
            }
        }
        for (name, shard) in &index.weight_map {
            if !self.tensors.contains_key(name) {
                let message = format!("lacks the tensor `{name}`, which `{index_name}` says is in it");
                return Err(source.format_error(shard, message));
            }
        }
        Ok(())
    }
}

/// The index of a sharded checkpoint.
#[derive(Deserialize)]
pub(crate) struct Index {
    /// Names of tensors to names of files.
    weight_map: BTreeMap<String, String>,
}

impl Index {
    /// Reads an index and checks that it names files beside it and nothing else: names come from afar and become paths.
    pub(crate) fn parse(json: &[u8]) -> std::result::Result<Self, String> {
        let index: Index = serde_json::from_slice(json)
            .map_err(|e| foreign::describe_text(json).map_or_else(|| e.to_string(), str::to_owned))?;
        let shards = index.shards();
        if shards.is_empty() {
            return Err("names no shards".to_owned());
        }
        if shards.len() > SHARDS_MAX {
            return Err(format!("names {} shards, at most {SHARDS_MAX} are read", shards.len()));
        }
        if let Some(shard) = shards.into_iter().find(|shard| !is_plain_file_name(shard)) {
            return Err(format!("names the shard {shard:?}, which is not a plain `.safetensors` or `.bin` file"));
        }
        Ok(index)
    }

    /// The files that hold the tensors, each once.
    pub(crate) fn shards(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }
}

fn is_plain_file_name(name: &str) -> bool {
    let weights = name.ends_with(".safetensors") || name.ends_with(".bin");
    weights && !name.starts_with('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
