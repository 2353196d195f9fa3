//! `longspan fetch`: brings a model of the Hugging Face hub into the cache.

use anyhow::{Context, Result};

use crate::cli::FetchArgs;
use crate::model;
use crate::terminal;

/// Runs the command: prints the folder that holds the files.
pub fn run(args: &FetchArgs) -> Result<()> {
    let folder = model::from_hub(&args.repository, args.offline)?;
    terminal::print(format!("{}\n", folder.display()).as_bytes()).context("standard output")
}
