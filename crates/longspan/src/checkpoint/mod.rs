//! Checkpoints: the files of a model, from a folder or from memory, and their tensors.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::Result;
use crate::tensor::TensorView;

/// Where the files of a checkpoint lie.
#[derive(Debug, Clone)]
pub enum Source {
    /// A folder in Hugging Face's layout.
    Folder(PathBuf),
    /// Files in memory, as (name, content): a program may carry its model inside.
    Memory(&'static [(&'static str, &'static [u8])]),
}

impl Source {
    /// The content of one file, `None` where there is no such file.
    pub fn read(&self, _name: &str) -> Result<Option<Cow<'static, [u8]>>> {
        todo!()
    }
}

/// The tensors of a checkpoint, by Hugging Face's names.
pub struct Tensors {}

impl Tensors {
    /// Finds and opens the weights: `model.safetensors`, a sharded index, or `pytorch_model.bin`.
    pub fn open(_source: &Source) -> Result<Self> {
        todo!()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// One tensor, `None` where there is none of that name.
    pub fn get(&self, _name: &str) -> Option<TensorView<'_>> {
        todo!()
    }
}
