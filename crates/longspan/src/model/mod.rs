//! The model: ragged batch → encoder → head → logits.
//!
//! ```text
//! batch             sequences, end to end, and which of their tokens are global
//! task              the head, and which tokens are global by default
//! parameters        the one list of names and shapes, from the config
//! loader            their values: of a checkpoint, of a model in training, or random
//! weights           packed for one precision and instruction set; `training_weights` for the backward pass
//! tensor_names      the names of parameters in a checkpoint
//! tables            the embedding tables
//! pass              what the steps of one pass share
//! activations       what a layer saves for the backward pass, and its gradients
//! dropout           which numbers dropout zeroes, a function of the seed and the place
//! embeddings        token ids → the first hidden states
//! layer             one layer, in five steps; `layer_backward` is its backward pass
//! local_attention   over windows and global tokens
//! global_attention  of the global tokens over all; `global_training` has the form of training
//! encoder           all layers
//! heads             last hidden states → logits; `masked_lm` has the loss of masked tokens and its backward pass
//! cpu               the model on the CPU
//! trainable         a model whose parameters change
//! gradients         the gradients of weights: sums over tokens
//! parallel          the one place that divides work among threads
//! phase_times       the time of each phase of a pass
//! reference         the same model in plain f64 loops, with hidden states and attention
//! ```
//!
//! Files do not import each other in circles.
//!
//! Legend: T tokens of the batch, C hidden, E width of the embeddings, H heads, D head size, F intermediate, W one-sided window, G global tokens (of a
//! sequence, or of all where a file states it), L layers, S sequences, V vocabulary, R masked tokens, P projections of a
//! token (`Pass::projections`).

mod activations;
mod batch;
mod cpu;
mod dropout;
mod embeddings;
mod encoder;
mod global_attention;
mod global_training;
mod gradients;
mod heads;
mod layer;
mod layer_backward;
mod loader;
mod local_attention;
mod masked_lm;
mod parallel;
mod parameters;
mod pass;
mod phase_times;
pub mod reference;
mod tables;
mod task;
mod tensor_names;
mod trainable;
mod training_weights;
mod weights;

use std::fmt;

pub use batch::{Batch, PositionShift, Sequence};
pub use cpu::{CpuModel, best_precision};
pub use dropout::Dropout;
pub use heads::Logits;
pub use longspan_kernels::{Isa, Precision};
pub use masked_lm::Masked;
pub(crate) use parameters::WORDS;
pub use parameters::{POSITIONS, Parameter, Parameters, parameters};
pub use phase_times::Phase;
pub use task::Task;
pub(crate) use tensor_names::TensorNames;
pub use trainable::{TrainableModel, TrainingPass};

use crate::Result;
use crate::checkpoint::Tensors;
use crate::config::Config;
use loader::Loader;

/// A Longformer or a short model with one head, ready to run from any thread.
///
/// The seam for devices: token ids go in, logits come out.
///
/// ```
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
/// use longspan::checkpoint::{Source, Tensors};
/// use longspan::model::{Batch, Model, Precision, Sequence, Task};
///
/// let source = Source::Folder(folder.into());
/// let model = Model::load(source.config()?, Task::QuestionAnswering, Precision::F32, &Tensors::open(&source)?)?;
/// // [CLS] question [SEP][SEP] document [SEP], global attention on [CLS] and the question.
/// let ids = [101, 2073, 2003, 2009, 1029, 102, 102, 2009, 2003, 2182, 102];
/// let batch = Batch::of(Sequence { ids: &ids, token_type_ids: None, globals: &[0, 1, 2, 3, 4] });
/// let logits = model.logits(&batch)?;
/// assert_eq!((logits.values.len(), logits.columns), (22, 2));
/// # Ok::<(), longspan::Error>(())
/// ```
pub struct Model {
    cpu: CpuModel,
}

/// What a model runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The CPU, with this instruction set.
    Cpu(Isa),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu(isa) => isa.fmt(f),
        }
    }
}

impl Model {
    /// Packs the weights of a checkpoint for this machine.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` asks for, or when `LONGSPAN_ISA` names an
    /// instruction set that this machine lacks.
    pub fn load(config: Config, task: Task, precision: Precision, tensors: &Tensors) -> Result<Self> {
        let loader = Loader::new(&config, task, tensors)?;
        Ok(Self { cpu: CpuModel::pack(&loader, config, task, precision)? })
    }

    /// Checks what [`Model::load`] finds, and reads none of it.
    pub(crate) fn check(config: &Config, task: Task, tensors: &Tensors) -> Result<()> {
        Loader::new(config, task, tensors).map(drop)
    }

    /// Packs parameters, as they are in training.
    ///
    /// # Errors
    /// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
    pub fn from_parameters(config: Config, task: Task, precision: Precision, parameters: &Parameters) -> Result<Self> {
        Ok(Self { cpu: CpuModel::pack(&Loader::of(parameters), config, task, precision)? })
    }

    /// A model with random weights, for measurements. It is the same for the same sizes.
    ///
    /// # Errors
    /// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
    pub fn random(config: Config, task: Task, precision: Precision) -> Result<Self> {
        let loader = Loader::random(&config, task);
        Ok(Self { cpu: CpuModel::pack(&loader, config, task, precision)? })
    }

    /// Sizes of the model.
    pub fn config(&self) -> &Config {
        &self.cpu.network.config
    }

    /// The task that the head is for.
    pub fn task(&self) -> Task {
        self.cpu.network.task
    }

    /// The precision of the linear layers.
    pub fn precision(&self) -> Precision {
        self.cpu.network.computing.linear.precision
    }

    /// What the model runs on.
    pub fn device(&self) -> Device {
        Device::Cpu(self.cpu.isa())
    }

    /// How many tokens a batch should have: with fewer the device is not busy, with more memory grows and nothing is
    /// gained. On the CPU that is the longest input.
    pub fn batch_tokens(&self) -> usize {
        self.config().max_tokens()
    }

    /// What only the CPU has: the instruction set, and the time of each phase.
    pub fn cpu(&self) -> &CpuModel {
        &self.cpu
    }

    /// The last hidden states: (T, C).
    ///
    /// # Errors
    /// When the device fails. The CPU never does.
    ///
    /// # Panics
    /// If the batch has an id outside the vocabulary or a sequence longer than [`Config::max_tokens`].
    pub fn hidden_states(&self, batch: &Batch) -> Result<Vec<f32>> {
        Ok(self.cpu.hidden_states(batch))
    }

    /// The output of the head: see [`Logits`].
    ///
    /// # Errors
    /// When the device fails. The CPU never does.
    ///
    /// # Panics
    /// As [`Model::hidden_states`].
    pub fn logits(&self, batch: &Batch) -> Result<Logits> {
        Ok(self.cpu.timed_logits(batch).0)
    }

    /// The loss of each masked token in nats, of a model for masked language modelling: (R).
    ///
    /// # Errors
    /// When the device fails. The CPU never does.
    ///
    /// # Panics
    /// As [`Model::hidden_states`]; for another task, and if a masked token is not in the batch or not in the vocabulary.
    pub fn masked_lm_losses(&self, batch: &Batch, masked: &Masked) -> Result<Vec<f32>> {
        Ok(self.cpu.masked_lm_losses(batch, masked))
    }
}
