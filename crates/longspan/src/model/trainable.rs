//! A model in training: its parameters in f32, packed for the way forth and for the way back.

use super::cpu::current_isa;
use super::embeddings::Embeddings;
use super::encoder::{self, Kept, LayerGradients, Pass};
use super::masked_lm::{self, Back, Masked};
use super::split::{self, Split};
use super::times::Times;
use super::weights::{Computing, LayerTraining, Loader, MaskedLmTraining, Network, Weights};
use super::{Batch, Logits, Parameters, Precision, Task, heads};
use crate::config::Config;
use crate::{Error, Result};

/// Which hidden numbers a pass drops: a function of the seed and their place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Share of the numbers: at least 0, below 1.
    pub share: f32,
    /// That of the step.
    pub seed: u64,
    /// Sequences of the step before those of the pass.
    pub first_sequence: usize,
}

impl Dropout {
    /// None of them.
    pub const NONE: Dropout = Dropout { share: 0.0, seed: 0, first_sequence: 0 };
}

/// A model whose parameters change: for question answering, or for masked language modelling.
///
/// Products are computed in f32 or bf16; parameters, sums, norms, softmax and gradients are f32. Gradients of weights do
/// not depend on the number of threads.
pub struct TrainableModel {
    network: Network,
    packed: Packed,
    parameters: Parameters,
    frozen_layers: usize,
    recompute: bool,
}

/// What is packed for training alone.
#[derive(Default)]
struct Packed {
    layers: Vec<LayerTraining>,
    masked_lm: Option<MaskedLmTraining>,
}

/// What one pass keeps from the way forth for the way back, in memory that the next one uses again.
#[derive(Debug, Default)]
pub struct TrainingPass {
    kept: Kept,
    returning: LayerGradients,
    dropout: Option<Dropout>,
}

impl TrainableModel {
    /// Packs parameters.
    ///
    /// # Errors
    /// [`Error::Option`] for a task or a precision that is not trained, [`Error::InstructionSet`].
    pub fn new(config: Config, task: Task, precision: Precision, parameters: Parameters) -> Result<Self> {
        if !matches!(task, Task::QuestionAnswering | Task::MaskedLm) {
            let message = format!("{task:?}: only question answering and masked language modelling are trained");
            return Err(Error::option("task", message));
        }
        if precision == Precision::Int8 {
            return Err(Error::option("precision", "int8: training computes in f32 or bf16"));
        }
        let computing = Computing::training(current_isa()?, precision, &config);
        let loader = Loader::of(&parameters);
        let (weights, packed) = pack(&loader, &config, task, computing);
        let network = Network { config, task, computing, weights };
        Ok(Self { network, packed, parameters, frozen_layers: 0, recompute: false })
    }

    /// The same, but that the embeddings and the lowest layers stay as they are, where `count` is not 0: their gradients
    /// are not computed.
    #[must_use]
    pub fn with_frozen_layers(self, count: usize) -> Self {
        Self { frozen_layers: count, ..self }
    }

    /// The same, but that a pass keeps only the inputs of layers, and computes the rest again on the way back: it takes a
    /// third longer, and memory for the inputs and one layer.
    #[must_use]
    pub fn with_recomputation(self) -> Self {
        Self { recompute: true, ..self }
    }

    /// Sizes of the model.
    pub fn config(&self) -> &Config {
        &self.network.config
    }

    /// The parameters as they are.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Changes the parameters, and packs them anew.
    pub fn update(&mut self, change: impl FnOnce(&mut Parameters) + Send) {
        change(&mut self.parameters);
        // Before there are new ones: so their memory is free for them.
        self.packed = Packed::default();
        self.network.weights.layers.clear();
        let Network { config, task, computing, .. } = &self.network;
        let packed = pack(&Loader::of(&self.parameters), config, *task, *computing);
        (self.network.weights, self.packed) = packed;
    }

    /// The logits of question answering, (T, 2), and in `pass` what the way back needs.
    ///
    /// # Panics
    /// As [`Model::hidden_states`](super::Model::hidden_states), and for another task.
    pub fn forward(&self, batch: &Batch, dropout: Dropout, pass: &mut TrainingPass) -> Logits {
        assert_eq!(self.network.task, Task::QuestionAnswering, "logits of all tokens");
        pass.dropout = Some(dropout);
        split::enter(|| {
            self.encode(batch, dropout, &mut pass.kept);
            heads::forward(&self.network, batch, &pass.kept.last)
        })
    }

    /// Forward and backward of masked language modelling: the loss of each masked token in nats, (R); the gradients of
    /// their sum are added.
    ///
    /// # Panics
    /// As [`TrainableModel::forward`]; if a masked token is none of the batch or of the vocabulary, or the gradients are those of
    /// another model.
    pub fn masked_lm(
        &self,
        batch: &Batch,
        masked: &Masked,
        dropout: Dropout,
        pass: &mut TrainingPass,
        gradients: &mut Parameters,
    ) -> Vec<f32> {
        let Some(weights) = &self.packed.masked_lm else { panic!("{:?} has no masks", self.network.task) };
        assert_eq!(gradients.list(), self.parameters.list(), "gradients of another model");
        let TrainingPass { kept, returning, .. } = pass;
        split::enter(|| {
            self.encode(batch, dropout, kept);
            let mut dx = vec![0.0; kept.last.len()];
            let with_words = self.frozen_layers == 0;
            let back = Back { weights, dx: &mut dx, gradients: &mut *gradients, with_words };
            let losses = masked_lm::losses(&self.network, &kept.last, masked, Some(back));
            self.encode_backward(batch, dropout, (kept, returning), dx, gradients);
            losses
        })
    }

    /// Adds the gradients of all parameters that are trained.
    ///
    /// - `pass`: of [`TrainableModel::forward`] over the same batch; once
    /// - `dlogits`: (T, 2)
    ///
    /// # Panics
    /// If `pass` kept nothing, or the gradients are those of another batch or model.
    pub fn backward(&self, batch: &Batch, pass: &mut TrainingPass, dlogits: &[f32], gradients: &mut Parameters) {
        let TrainingPass { kept, returning, dropout } = pass;
        let Some(dropout) = dropout.take() else { panic!("a way back without a way forth") };
        let c = self.network.config.hidden_size;
        assert!(
            dlogits.len() == 2 * batch.tokens() && kept.last.len() == batch.tokens() * c,
            "{} gradients and {} hidden numbers for {} tokens",
            dlogits.len(),
            kept.last.len(),
            batch.tokens()
        );
        assert_eq!(gradients.list(), self.parameters.list(), "gradients of another model");
        split::enter(|| {
            let both = (&self.parameters, &mut *gradients);
            let dx = heads::per_token_backward(&kept.last, dlogits, both, "qa_outputs");
            self.encode_backward(batch, dropout, (kept, returning), dx, gradients);
        });
    }

    fn encode(&self, batch: &Batch, dropout: Dropout, kept: &mut Kept) {
        let (times, embeddings) = (Times::default(), Embeddings::of(&self.parameters));
        let pass = self.pass(batch, dropout, &embeddings, &times);
        encoder::forward_kept(&pass, self.frozen_layers, self.recompute, kept);
    }

    /// - `dx`: of the last hidden states, (T, C)
    fn encode_backward(
        &self,
        batch: &Batch,
        dropout: Dropout,
        kept: (&mut Kept, &mut LayerGradients),
        dx: Vec<f32>,
        gradients: &mut Parameters,
    ) {
        let (times, embeddings) = (Times::default(), Embeddings::of(&self.parameters));
        let pass = self.pass(batch, dropout, &embeddings, &times);
        encoder::backward(&pass, kept, self.frozen_layers, dx, gradients);
    }

    fn pass<'a>(
        &'a self,
        batch: &'a Batch,
        dropout: Dropout,
        embeddings: &'a Embeddings<'a>,
        times: &'a Times,
    ) -> Pass<'a> {
        let split = Split::fixed(batch.tokens());
        let mut pass = Pass::new(&self.network, embeddings, batch, split, times);
        (pass.dropout, pass.training) = (dropout, &self.packed.layers);
        pass
    }
}

fn pack(loader: &Loader<'_>, config: &Config, task: Task, computing: Computing) -> (Weights, Packed) {
    let of_head = || (task == Task::MaskedLm).then(|| MaskedLmTraining::pack(loader, config, computing.linear));
    let packed = || Packed { masked_lm: of_head(), layers: LayerTraining::pack_all(loader, config, computing) };
    split::enter(|| rayon::join(|| Weights::pack(loader, config, task, computing, 0..0), packed))
}
