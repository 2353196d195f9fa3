//! A model in training: its parameters in f32, packed for the way forth and for the way back.

use super::embeddings::Embeddings;
use super::encoder::{self, Kept, LayerGradients, Pass};
use super::split::{self, Split};
use super::times::Times;
use super::weights::{Computing, LayerTraining, Loader, Weights};
use super::{Batch, Logits, Network, Parameters, Precision, Task, current_isa, heads};
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

/// A question-answering model whose parameters change.
///
/// Products are computed in f32 or bf16; parameters, sums, norms, softmax and gradients are f32. Gradients of weights do
/// not depend on the number of threads.
pub struct Trainee {
    network: Network,
    layers: Vec<LayerTraining>,
    parameters: Parameters,
    frozen_layers: usize,
    recompute: bool,
}

/// What one pass keeps from the way forth for the way back, in memory that the next one uses again.
#[derive(Debug, Default)]
pub struct TrainingPass {
    kept: Kept,
    returning: LayerGradients,
    dropout: Option<Dropout>,
}

impl Trainee {
    /// Packs parameters.
    ///
    /// # Errors
    /// [`Error::Option`] for a task or a precision that is not trained, and when `LONGSPAN_ISA` names an instruction set
    /// that this machine lacks.
    pub fn new(config: Config, task: Task, precision: Precision, parameters: Parameters) -> Result<Self> {
        if task != Task::QuestionAnswering {
            return Err(Error::Option(format!("training of {task:?}: question answering alone is trained")));
        }
        if precision == Precision::Int8 {
            return Err(Error::Option("precision int8: training computes in f32 or bf16".into()));
        }
        let computing = Computing::training(current_isa()?, precision, &config);
        let loader = Loader::of(&parameters);
        let (weights, layers) = pack(&loader, &config, task, computing);
        let network = Network { config, task, computing, weights };
        Ok(Self { network, layers, parameters, frozen_layers: 0, recompute: false })
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
        // Their memory serves the new ones.
        self.layers.clear();
        self.network.weights.layers.clear();
        let Network { config, task, computing, .. } = &self.network;
        let packed = pack(&Loader::of(&self.parameters), config, *task, *computing);
        (self.network.weights, self.layers) = packed;
    }

    /// The logits, (T, 2), and in `pass` what the way back needs.
    ///
    /// # Panics
    /// As [`Model::hidden_states`](super::Model::hidden_states).
    pub fn forward(&self, batch: &Batch, dropout: Dropout, pass: &mut TrainingPass) -> Logits {
        pass.dropout = Some(dropout);
        split::enter(|| {
            let (times, embeddings) = (Times::default(), Embeddings::of(&self.parameters));
            encoder::forward_kept(
                &self.pass(batch, dropout, &embeddings, &times),
                self.frozen_layers,
                self.recompute,
                &mut pass.kept,
            );
            heads::forward(&self.network, batch, &pass.kept.last)
        })
    }

    /// Adds the gradients of all parameters that are trained.
    ///
    /// - `pass`: of [`Trainee::forward`] over the same batch; once
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
            let (times, embeddings) = (Times::default(), Embeddings::of(&self.parameters));
            let both = (&self.parameters, &mut *gradients);
            let dx = heads::per_token_backward(&kept.last, dlogits, both, "qa_outputs");
            let pass = self.pass(batch, dropout, &embeddings, &times);
            encoder::backward(&pass, (kept, returning), self.frozen_layers, dx, gradients);
        });
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
        (pass.dropout, pass.training) = (dropout, &self.layers);
        pass
    }
}

fn pack(loader: &Loader<'_>, config: &Config, task: Task, computing: Computing) -> (Weights, Vec<LayerTraining>) {
    let layers = || LayerTraining::pack_all(loader, config, computing);
    split::enter(|| rayon::join(|| Weights::pack(loader, config, task, computing, 0..0), layers))
}
