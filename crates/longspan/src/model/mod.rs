//! The model: ragged batch → encoder → head → logits.
//!
//! ```text
//! batch        the sequences, end to end, and which of their tokens are global
//! parameters   the one list of names and shapes, from the config
//! weights      what a pass reads: packed for one instruction set
//! encoder      embeddings and layers
//! heads        what is made of the last hidden states
//! split        the one place that divides work among threads
//! reference    the same model in plain f64 loops, with hidden states and attention
//! ```
//!
//! Legend: T tokens of the batch, C hidden, H heads, D head size, F intermediate, W one-sided window, G global tokens of
//! a sequence, L layers, S sequences, V vocabulary.

mod batch;
mod encoder;
mod heads;
mod parameters;
pub mod reference;
mod split;
mod weights;

pub use batch::{Batch, Sequence};
pub use heads::{Logits, Task};
pub use parameters::{Parameter, parameters};

use longspan_kernels::Isa;

use crate::checkpoint::Tensors;
use crate::config::Config;
use crate::{Error, Result};
use weights::Weights;

/// A Longformer with one head, in f32, ready to run from any thread.
///
/// The seam for devices: token ids go in, logits come out.
///
/// ```
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
/// use longspan::checkpoint::{Source, Tensors};
/// use longspan::model::{Batch, Model, Sequence, Task};
///
/// let source = Source::Folder(folder.into());
/// let model = Model::load(source.config()?, Task::QuestionAnswering, &Tensors::open(&source)?)?;
/// // [CLS] question [SEP][SEP] document [SEP], global attention on [CLS] and the question.
/// let ids = [101, 2073, 2003, 2009, 1029, 102, 102, 2009, 2003, 2182, 102];
/// let batch = Batch::of(Sequence { ids: &ids, token_type_ids: &[], globals: &[0, 1, 2, 3, 4] });
/// let logits = model.logits(&batch);
/// assert_eq!((logits.values.len(), logits.columns), (22, 2));
/// # Ok::<(), longspan::Error>(())
/// ```
pub struct Model {
    config: Config,
    task: Task,
    isa: Isa,
    weights: Weights,
}

impl Model {
    /// Packs the weights of a checkpoint for this machine.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` asks for, or when `LONGSPAN_ISA` names an
    /// instruction set that this machine lacks.
    pub fn load(config: Config, task: Task, tensors: &Tensors) -> Result<Self> {
        let isa = Isa::current().map_err(|e| Error::Option(e.to_string()))?;
        let weights = Weights::load(&config, task, isa, tensors)?;
        Ok(Self { config, task, isa, weights })
    }

    /// Sizes of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Which head it has.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The last hidden states: (T, C).
    ///
    /// # Panics
    /// If the batch has an id outside the vocabulary or a sequence longer than [`Config::max_tokens`].
    pub fn hidden_states(&self, batch: &Batch) -> Vec<f32> {
        split::enter(|| encoder::forward(self, batch))
    }

    /// What the head makes of the batch: see [`Logits`].
    ///
    /// # Panics
    /// As [`Model::hidden_states`].
    pub fn logits(&self, batch: &Batch) -> Logits {
        split::enter(|| heads::forward(self, batch, &encoder::forward(self, batch)))
    }
}
