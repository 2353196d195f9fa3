//! Arguments of `longspan convert`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use longspan::convert::ConvertOptions;
use longspan::tensor::DType;

use super::common::{ModelArgs, ThreadsArgs};
use super::values::count;

/// Arguments of `longspan convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The model: a folder, ORG/NAME[@REVISION] on the Hugging Face hub, or `embedded`
    #[arg(value_name = "SRC", value_hint = clap::ValueHint::DirPath)]
    source: OsString,
    /// The folder of the converted model: new or empty, or with the same model already
    #[arg(value_name = "OUT", value_hint = clap::ValueHint::DirPath)]
    pub out: PathBuf,
    /// Longest input, in tokens [default: 4096; a Longformer keeps what it has]
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    max_tokens: Option<usize>,
    /// Tokens that a token attends to, half of them on either side; one even number, or a comma list with one for each layer
    /// [default: 512; a Longformer keeps its own]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = count, allow_hyphen_values = true)]
    attention_window: Vec<usize>,
    /// SRC is a Longformer whose config.json has one-sided windows: double them
    #[arg(long)]
    one_sided_windows: bool,
    /// The number format of the weights: f32, f16, bf16 or int8, a byte for a number of a matrix, which transformers does not
    /// read
    #[arg(long, value_name = "FORMAT", default_value = "f32")]
    store: DType,
    /// Use no network: a model of the hub must be in the cache
    #[arg(long)]
    offline: bool,
    /// What it computes on.
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

impl ConvertArgs {
    /// The source model.
    pub fn source(&self) -> ModelArgs {
        ModelArgs { model: Some(self.source.clone()), offline: self.offline }
    }

    /// The conversion's options.
    pub fn options(&self) -> ConvertOptions {
        let windows = &self.attention_window;
        ConvertOptions {
            max_tokens: self.max_tokens,
            attention_window: (!windows.is_empty()).then(|| windows.clone()),
            one_sided_windows: self.one_sided_windows,
            store: self.store,
        }
    }
}
