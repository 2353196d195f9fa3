//! The model: ragged batch → encoder → head → logits.
//!
//! ```text
//! batch        the sequences, end to end, and which of their tokens are global
//! parameters   the one list of names and shapes, from the config
//! weights      what a pass reads: packed for one precision and instruction set
//! embeddings   token ids → the first hidden states
//! encoder      layers
//! attention    over windows and global tokens
//! global       of the global tokens over all; `global_training` has the form and the way back of training
//! heads        what is made of the last hidden states; `masked_lm` has the loss of masked tokens and its way back
//! trainee      a model whose parameters change: forward, backward, and packed anew
//! gradients    sums over tokens: the gradients of weights
//! split        the one place that divides work among threads
//! times        where the time of a pass goes
//! reference    the same model in plain f64 loops, with hidden states and attention
//! ```
//!
//! Legend: T tokens of the batch, C hidden, H heads, D head size, F intermediate, W one-sided window, G global tokens of
//! a sequence, L layers, S sequences, V vocabulary, R tokens hidden by a mask, P projections of a token
//! (`Pass::projections`).

mod attention;
mod batch;
mod embeddings;
mod encoder;
mod global;
mod global_training;
mod gradients;
mod heads;
mod masked_lm;
mod parameters;
pub mod reference;
mod split;
mod times;
mod trainee;
mod weights;

use std::time::Duration;

pub use batch::{Batch, Sequence};
pub use heads::{Logits, Task};
pub use longspan_kernels::{Isa, Precision};
pub use masked_lm::Masked;
pub use parameters::{POSITIONS, Parameter, Parameters, parameters};
pub use times::Phase;
pub use trainee::{Dropout, Trainee, TrainingPass};

use crate::checkpoint::Tensors;
use crate::config::Config;
use crate::{Error, Result};
use embeddings::Embeddings;
use encoder::Pass;
use split::Split;
use times::Times;
use weights::{Computing, Loader, Weights};

/// A Longformer with one head, ready to run from any thread.
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
/// let batch = Batch::of(Sequence { ids: &ids, token_type_ids: &[], globals: &[0, 1, 2, 3, 4] });
/// let logits = model.logits(&batch);
/// assert_eq!((logits.values.len(), logits.columns), (22, 2));
/// # Ok::<(), longspan::Error>(())
/// ```
pub struct Model {
    network: Network,
    embeddings: Embeddings<'static>,
}

/// What a pass reads beside the embeddings.
pub(crate) struct Network {
    config: Config,
    task: Task,
    computing: Computing,
    weights: Weights,
}

impl Network {
    fn pack(loader: &Loader<'_>, config: Config, task: Task, computing: Computing) -> Self {
        let weights = Weights::pack(loader, &config, task, computing, 0..config.num_attention_heads);
        Self { config, task, computing, weights }
    }

    fn isa(&self) -> Isa {
        self.computing.linear.isa
    }
}

impl Model {
    /// Packs the weights of a checkpoint for this machine.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` asks for, or when `LONGSPAN_ISA` names an
    /// instruction set that this machine lacks.
    pub fn load(config: Config, task: Task, precision: Precision, tensors: &Tensors) -> Result<Self> {
        let computing = Computing::new(current_isa()?, precision, &config);
        Ok(Self::pack(&Loader::new(&config, task, tensors)?, config, task, computing))
    }

    /// Packs parameters, as they are in training.
    ///
    /// # Errors
    /// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
    pub fn from_parameters(config: Config, task: Task, precision: Precision, parameters: &Parameters) -> Result<Self> {
        let computing = Computing::new(current_isa()?, precision, &config);
        Ok(Self::pack(&Loader::of(parameters), config, task, computing))
    }

    fn pack(loader: &Loader<'_>, config: Config, task: Task, computing: Computing) -> Self {
        split::enter(|| Self {
            embeddings: Embeddings::pack(loader, computing.linear.precision),
            network: Network::pack(loader, config, task, computing),
        })
    }

    /// A model with random weights, for measurements. It is the same for the same sizes.
    ///
    /// # Errors
    /// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
    pub fn random(config: Config, task: Task, precision: Precision) -> Result<Self> {
        let computing = Computing::new(current_isa()?, precision, &config);
        Ok(Self::pack(&Loader::random(&config, task), config, task, computing))
    }

    /// Sizes of the model.
    pub fn config(&self) -> &Config {
        &self.network.config
    }

    /// Which head it has.
    pub fn task(&self) -> Task {
        self.network.task
    }

    /// What its linear layers are computed in.
    pub fn precision(&self) -> Precision {
        self.network.computing.linear.precision
    }

    /// The instruction set that it runs on.
    pub fn isa(&self) -> Isa {
        self.network.isa()
    }

    /// The last hidden states: (T, C).
    ///
    /// # Panics
    /// If the batch has an id outside the vocabulary or a sequence longer than [`Config::max_tokens`].
    pub fn hidden_states(&self, batch: &Batch) -> Vec<f32> {
        split::enter(|| self.encode(batch, &Times::default()))
    }

    /// What the head makes of the batch: see [`Logits`].
    ///
    /// # Panics
    /// As [`Model::hidden_states`].
    pub fn logits(&self, batch: &Batch) -> Logits {
        self.timed_logits(batch).0
    }

    /// The logits, and the time that was spent on each phase, added over the threads.
    ///
    /// # Panics
    /// As [`Model::hidden_states`].
    pub fn timed_logits(&self, batch: &Batch) -> (Logits, [(Phase, Duration); Phase::ALL.len()]) {
        split::enter(|| {
            let times = Times::default();
            let hidden = self.encode(batch, &times);
            let threads = rayon::current_num_threads();
            let logits = times.count(Phase::Head, threads, || heads::forward(&self.network, batch, &hidden));
            (logits, times.all())
        })
    }

    /// The loss of each masked token in nats, of a model for masked language modelling: (R).
    ///
    /// # Panics
    /// As [`Model::hidden_states`]; for another task, and if a masked token is none of the batch or of the vocabulary.
    pub fn masked_lm_losses(&self, batch: &Batch, masked: &Masked) -> Vec<f32> {
        split::enter(|| masked_lm::losses(&self.network, &self.encode(batch, &Times::default()), masked, None))
    }

    fn encode(&self, batch: &Batch, times: &Times) -> Vec<f32> {
        let split = Split::new(batch.tokens(), self.network.computing.linear.tile_rows());
        encoder::forward(&Pass::new(&self.network, &self.embeddings, batch, split, times))
    }
}

/// The precision that is fast and exact enough on this machine.
///
/// # Errors
/// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
pub fn best_precision() -> Result<Precision> {
    Ok(Precision::best(current_isa()?))
}

fn current_isa() -> Result<Isa> {
    Isa::current().map_err(|e| Error::Option(e.to_string()))
}
