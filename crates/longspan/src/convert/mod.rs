//! Conversion of a short checkpoint into a long one.
//!
//! The method is that of the authors of Longformer (arXiv 2004.05150, section 5): the rows of the position table are
//! repeated until there are enough, and global attention starts as a copy of local attention. Where every window covers
//! the whole input, that is on up to half a window and one token, the long model therefore equals the short one, whichever
//! tokens are global. This is measured before anything is kept.
//!
//! ```text
//! source       the short model: sizes, names, head
//! weights      the weights of the long model
//! oracle       the short model in plain f64 loops
//! comparison   the largest difference between the two
//! ```

mod comparison;
mod oracle;
mod source;
mod weights;

use std::borrow::Cow;
use std::path::Path;

use half::f16;

pub use comparison::Comparison;

use crate::checkpoint::{
    CONFIG, DraftFolder, LONGSPAN, README, Source, Tensors, WEIGHTS, write_checkpoint_with, write_safetensors,
    write_whole,
};
use crate::config::{Config, ModelKind, wrong};
use crate::error::counted;
use crate::model::{Parameter, Parameters, Task, TensorNames};
use crate::tensor::DType;
use crate::tokenizer::{PairFiles, Tokenizer};
use crate::{Error, Result};
use source::ShortModel;

/// Options of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertOptions {
    /// The longest input, in tokens. By default 4,096; a Longformer keeps its own.
    pub max_tokens: Option<usize>,
    /// The two-sided width of the windows, one for all layers or one per layer. By default 512; a Longformer keeps its own.
    pub attention_window: Option<Vec<usize>>,
    /// The source is a Longformer whose `config.json` has one-sided widths, as in the authors' original code.
    pub one_sided_windows: bool,
    /// The number format of the weights. By default f32. The others round, after the comparison with the source; transformers
    /// reads all but [`DType::Int8`].
    pub store: DType,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self { max_tokens: None, attention_window: None, one_sided_windows: false, store: DType::F32 }
    }
}

/// The result of a conversion.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// Type of the source: `bert`, `roberta`, `xlm-roberta`, `camembert`, `distilbert`, `electra`, or `longformer` whatever it
    /// was made of.
    pub model_type: String,
    /// The longest input of the source, in tokens.
    pub source_max_tokens: usize,
    /// Sizes of the long model.
    pub config: Config,
    /// Its head.
    pub task: Task,
    /// Number of its weights.
    pub parameters: usize,
    /// Modules of the source that it has no place for.
    pub left_out: Vec<String>,
    /// Whether the tokenizer of the source joined question and document in another form.
    pub pairs_changed: bool,
    /// How far it differs from its source.
    pub comparison: Comparison,
}

const MAX_TOKENS: usize = 4096;
const ATTENTION_WINDOW: usize = 512;
/// The position table of a large model then has 4 GiB.
const MAX_TOKENS_MAX: usize = 1 << 20;

/// Makes a long checkpoint from a short one, in a new or empty folder: `model.safetensors` under the names of
/// Hugging Face's Longformer, `config.json`, `tokenizer.json` and `tokenizer_config.json`. A Longformer gets current names,
/// two-sided windows, positions that start after that of the padding, and the requested number of positions, and keeps its
/// `longspan.json` and its model card. If the folder has the very result already, it is made again and compared.
///
/// # Errors
/// [`Error::ModelType`] for an unsupported source, [`Error::Format`], [`Error::MissingTensor`] or [`Error::TensorShape`] for a
/// source that contradicts itself or whose encoder has more than a Longformer's, [`Error::Option`], [`Error::Write`], and [`Error::Conversion`] when the outputs of the two
/// models differ. Nothing is kept then.
pub fn convert(source: &Source, folder: &Path, options: &ConvertOptions) -> Result<Conversion> {
    let short = ShortModel::read(source, options.one_sided_windows)?;
    let tensors = Tensors::open(source)?;
    let mut tokenizer = Tokenizer::load(|name| source.read(name))?;
    let config = long_config(&short, &tokenizer, options)?;
    let names = TensorNames::find(short.config.kind, &tensors)?;
    let task = short.find_task(&names, &tensors)?;
    let config = Config { architecture: Some(task.architecture(config.kind)), ..config };
    let config = match task {
        Task::SequenceClassification | Task::TokenClassification => config,
        _ => Config { labels: Vec::new(), num_labels: 2, ..config },
    };
    tokenizer.fit(&config)?;
    let files = PairFiles::make(|name| source.read(name), config.type_vocab_size > 1, config.max_tokens())?;

    // A run may have been killed after it had moved the last file, the weights.
    let same_config = |found: Option<Cow<'_, [u8]>>| found.as_deref() == Some(config.to_json().as_bytes());
    let may_be_made =
        folder.join(WEIGHTS[0].file).is_file() && Source::Folder(folder.into()).read(CONFIG).is_ok_and(same_config);
    let draft = if may_be_made { DraftFolder::begin_again(folder)? } else { DraftFolder::begin(folder)? };
    let (comparison, parameters, left_out) = draft.fill(|folder| {
        let (parameters, left_out) = weights::lengthen(&short, task, &names, &tensors, &config)?;
        let beside =
            [("tokenizer.json", &files.tokenizer_json), ("tokenizer_config.json", &files.tokenizer_config_json)];
        write_checkpoint_with(folder, &config, &parameters.tensors(), &beside)?;
        for name in [LONGSPAN, README].into_iter().filter(|_| short.config.is_long) {
            if let Some(content) = source.read(name)? {
                write_whole(&folder.join(name), &content)?;
            }
        }
        let count = parameters.list().iter().map(Parameter::count).sum();
        drop(parameters); // the comparison reads what is on disk
        let long = Source::Folder(folder.into());
        let comparison = comparison::compare(&short.keys, &tensors, &config, task, &long)?;
        if options.store != DType::F32 {
            store(folder, &config, task, options.store)?;
        }
        Ok((comparison, count, left_out))
    })?;
    Ok(Conversion {
        model_type: short.model_type().into(),
        source_max_tokens: short.config.max_tokens(),
        config,
        task,
        parameters,
        left_out,
        pairs_changed: files.pairs_changed,
        comparison,
    })
}

/// Writes the weights of a converted model again, in another format.
fn store(folder: &Path, config: &Config, task: Task, dtype: DType) -> Result<()> {
    let weights = Parameters::load(config, task, &Tensors::open(&Source::Folder(folder.into()))?, 0)?;
    let largest = weights.values().iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
    if dtype == DType::F16 && !f16::from_f32(largest).is_finite() {
        return Err(Error::option(
            "store",
            format!("f16: the weights have a number of {largest}, f16 ends at {}", f16::MAX),
        ));
    }
    write_safetensors(&folder.join(WEIGHTS[0].file), dtype, &weights.tensors(), &[])
}

/// The sizes of the long model.
fn long_config(short: &ShortModel, tokenizer: &Tokenizer, options: &ConvertOptions) -> Result<Config> {
    let (own, is_long) = (short.config.max_tokens(), short.config.is_long);
    let max_tokens = options.max_tokens.unwrap_or(if is_long { own } else { MAX_TOKENS });
    if max_tokens == 0 || max_tokens > MAX_TOKENS_MAX {
        return Err(Error::option("max_tokens", format!("{max_tokens}: expected 1 to {MAX_TOKENS_MAX}")));
    }
    if is_long && max_tokens < own {
        let message = format!("{max_tokens}: the model has positions for {} already", counted(own, "token"));
        return Err(Error::option("max_tokens", message));
    }
    // Positions start after it, so that it would claim rows of the position table.
    let (pad, tokens) = (short.config.pad_token_id, short.config.vocab_size);
    if pad >= tokens {
        return Err(wrong(format!("pad_token_id {pad}: the model has {}", counted(tokens, "token"))));
    }
    let layers = short.config.num_hidden_layers;
    let attention_window = match (&options.attention_window, is_long) {
        (None, true) => short.config.attention_window.clone(),
        (Some(_), true) => {
            let own = &short.config.attention_window;
            let message = format!("cannot be chosen: the model is a Longformer with windows {own:?}");
            return Err(Error::option("attention_window", message));
        }
        (None, false) => vec![ATTENTION_WINDOW; layers],
        (Some(windows), false) => check_windows(windows, layers)?,
    };
    Ok(Config {
        kind: ModelKind::LONGFORMER,
        is_long: true,
        max_position_embeddings: max_tokens + short.config.pad_token_id + 1,
        // DistilBERT has no types of tokens, so that every token has a row of zeros.
        type_vocab_size: short.config.type_vocab_size.max(1),
        attention_window,
        bos_token_id: tokenizer.cls_token_id as usize,
        eos_token_id: tokenizer.sep_token_id as usize,
        sep_token_id: tokenizer.sep_token_id as usize,
        tokenizer_class: None, // that of its new `tokenizer_config.json` counts
        ..short.config.clone()
    })
}

fn check_windows(windows: &[usize], layers: usize) -> Result<Vec<usize>> {
    if let Some(window) = windows.iter().find(|&&window| window == 0 || window % 2 != 0 || window > 2 * MAX_TOKENS_MAX)
    {
        let message = format!("{window}: expected an even, positive number of tokens");
        return Err(Error::option("attention_window", message));
    }
    match windows {
        [window] => Ok(vec![*window; layers]),
        _ if windows.len() == layers => Ok(windows.to_vec()),
        _ => {
            let (numbers, layers) = (counted(windows.len(), "number"), counted(layers, "layer"));
            Err(Error::option("attention_window", format!("has {numbers}, the model has {layers}")))
        }
    }
}
