//! Arguments of `longspan text`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::DocumentArgs;

/// Arguments of `longspan text`.
#[derive(Debug, Args)]
pub struct TextArgs {
    /// The document; standard input when there is none, or for `-`
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true, value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Print what is known of the text as one JSON object: format, title, pages, blocks
    #[arg(long)]
    pub json: bool,
    /// Read the files that the program that started this one sends on standard input, for `longspan_ask::ReadingProcess`
    #[arg(long, hide = true)]
    pub pipe: bool,
    /// How its file is read.
    #[command(flatten)]
    pub document: DocumentArgs,
}
