//! `longspan fetch`: brings a model of the Hugging Face hub into the cache, and repairs it there.

use anyhow::{Context, Result};
use longspan::hub::CachedFiles;

use crate::cli::FetchArgs;
use crate::model;
use crate::terminal;

/// Runs the command: prints the folder that holds the files.
pub fn run(args: &FetchArgs) -> Result<()> {
    let cached_files = if args.force { CachedFiles::Replace } else { CachedFiles::Check };
    let folder = model::from_hub(&args.repository, args.offline, cached_files)?;
    terminal::print(&[folder.as_os_str().as_encoded_bytes(), b"\n"].concat()).context("standard output")
}
