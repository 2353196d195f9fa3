//! The tensors of a checkpoint.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::bytes::FileBytes;
use super::shards::ShardIndex;
use super::source::{Source, WEIGHTS};
use super::stored::{StoredTensor, TensorData};
use super::{safetensors, sniff, torch};
use crate::error::unless_it_panics;
use crate::tensor::TensorView;
use crate::{Error, Result};

/// The tensors of a checkpoint, by Hugging Face's names.
///
/// Tensors that share their storage (tied weights) are views of the same bytes. Files are unmapped on drop.
pub struct Tensors {
    files: Vec<FileBytes>,
    tensors: BTreeMap<String, (usize, StoredTensor)>,
}

impl Tensors {
    /// Finds and opens the weights.
    ///
    /// The first of these that exists is used: `model.safetensors`, the shards that `model.safetensors.index.json`
    /// names, `pytorch_model.bin` (in the format of torch 1.6 or the one before), the shards of
    /// `pytorch_model.bin.index.json`.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if none of them exists. [`Error::Format`] if a file is truncated, has another format, or
    /// asks to execute code.
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
        Err(source.lacks_weights())
    }

    /// The tensors of one safetensors file and the metadata of its header, or `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Format`] if it is truncated or has another format, [`Error::Read`] if its folder is missing.
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

    /// A tensor, or `None` if no tensor has this name.
    ///
    /// # Errors
    /// [`Error::TensorType`] if the tensor is not of a [`DType`](crate::tensor::DType), for example if it holds
    /// integers.
    pub fn get(&self, name: &str) -> Result<Option<TensorView<'_>>> {
        let Some((file, stored)) = self.tensors.get(name) else { return Ok(None) };
        let dtype = stored.format.clone().map_err(|found| Error::TensorType { name: name.to_owned(), found })?;
        let data = match &stored.data {
            TensorData::Range(range) => &self.files[*file][range.clone()],
            TensorData::Copy(copy) => copy,
        };
        let scales = &self.files[*file][stored.scales.clone()];
        Ok(Some(TensorView { dtype, shape: stored.shape.clone(), data, scales }))
    }

    /// Lets the system drop the pages of a tensor that is not needed again soon.
    pub(crate) fn release(&self, name: &str) {
        if let Some((file, StoredTensor { data: TensorData::Range(range), .. })) = self.tensors.get(name) {
            self.files[*file].release(range.clone());
        }
    }

    /// Adds the tensors of one file. Returns `false` if it does not exist.
    fn add_file(&mut self, source: &Source, name: &str) -> Result<bool> {
        let Some(content) = source.weights(name)? else { return Ok(false) };
        let is_torch = !name.ends_with(".safetensors");
        let read = || if is_torch { torch::tensors(&content) } else { safetensors::tensors(&content) };
        let stored = unless_it_panics(read)
            .unwrap_or_else(|| Err("damaged: its parts contradict each other".to_owned()))
            .map_err(|message| source.format_error(name, sniff::describe(&content).map_or(message, str::to_owned)))?;
        content.release(0..content.len()); // the checksums of an archive touch every page
        let file = self.files.len();
        self.files.push(content);
        self.tensors.extend(stored.into_iter().map(|(name, stored)| (name, (file, stored))));
        Ok(true)
    }

    fn add_shards(&mut self, source: &Source, index_name: &str, index: &[u8]) -> Result<()> {
        let index = ShardIndex::parse(index).map_err(|message| source.format_error(index_name, message))?;
        for shard in index.shards() {
            if !self.add_file(source, shard)? {
                return Err(source.format_error(index_name, format!("names the shard `{shard}`, which does not exist")));
            }
        }
        for (name, shard) in &index.weight_map {
            if !self.tensors.contains_key(name) {
                let message = format!("lacks the tensor `{name}`, which `{index_name}` assigns to it");
                return Err(source.format_error(shard, message));
            }
        }
        Ok(())
    }
}
