//! The Hugging Face hub and its cache on disk.

use std::path::PathBuf;

use crate::Result;

/// A model on the hub: `ORG/NAME`, with `@REVISION` (branch, tag or commit) where one is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `ORG/NAME`.
    pub id: String,
    /// Branch, tag or commit; `main` by default.
    pub revision: String,
}

/// Brings the files of a model into the cache and returns the folder (a snapshot) that holds them.
pub fn fetch(_repository: &Repository, _offline: bool) -> Result<PathBuf> {
    todo!()
}

impl Repository {
    /// Reads `ORG/NAME[@REVISION]`.
    pub fn parse(_name: &str) -> Result<Self> {
        todo!()
    }
}
