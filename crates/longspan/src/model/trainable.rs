//! A trainable model: f32 parameters, packed once for the forward pass and once, transposed, for the backward pass.

use longspan_kernels::Precision;

use super::activations::{ActivationGradients, Activations};
use super::cpu::current_isa;
use super::loader::Loader;
use super::masked_lm::{self, MaskedLmBackward};
use super::parallel::in_pool;
use super::pass::{Pass, TrainingMode};
use super::tables::EmbeddingTables;
use super::training_weights::TrainingWeights;
use super::weights::{Computing, GlobalWeights, Network};
use super::{Batch, Dropout, Logits, Masked, Parameters, Task, encoder, heads};
use crate::config::Config;
use crate::{Error, Result};

/// A model whose parameters change, for question answering or for masked language modelling.
///
/// Products are computed in f32 or bf16; parameters, sums, norms, softmax and gradients are f32. Gradients of weights do
/// not depend on the number of threads.
pub struct TrainableModel {
    network: Network,
    weights: TrainingWeights,
    parameters: Parameters,
    frozen_layers: usize,
    recompute: bool,
}

/// What a forward pass saves for the backward pass. The next pass reuses the memory.
#[derive(Debug, Default)]
pub struct TrainingPass {
    saved: Activations,
    dacts: ActivationGradients,
    /// The dropout of the last forward pass, until its backward pass.
    dropout: Option<Dropout>,
}

impl TrainableModel {
    /// Packs parameters.
    ///
    /// # Errors
    /// [`Error::Option`] for a task or a precision that cannot be trained, [`Error::InstructionSet`].
    pub fn new(config: Config, task: Task, precision: Precision, parameters: Parameters) -> Result<Self> {
        if !matches!(task, Task::QuestionAnswering | Task::MaskedLm) {
            let message = format!("{task:?}: only question answering and masked language modelling are trained");
            return Err(Error::option("task", message));
        }
        if precision == Precision::Int8 {
            return Err(Error::option("precision", "int8: training computes in f32 or bf16"));
        }
        let computing = Computing::training(current_isa()?, precision, &config);
        let (network, weights) = pack(&parameters, config, task, computing);
        Ok(Self { network, weights, parameters, frozen_layers: 0, recompute: false })
    }

    /// Keeps the embeddings and the lowest layers as they are, where `count` is not 0: their gradients are not computed.
    ///
    /// # Panics
    /// If the model has fewer layers.
    #[must_use]
    pub fn with_frozen_layers(self, count: usize) -> Self {
        let layers = self.network.config.num_hidden_layers;
        assert!(count <= layers, "{count} frozen layers of {layers}");
        Self { frozen_layers: count, ..self }
    }

    /// Saves only the inputs of layers in the forward pass, and computes the rest again in the backward pass: a step takes a
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

    /// Changes the parameters, and packs them again unless `change` fails.
    ///
    /// # Errors
    /// That of `change`; the model is of no use afterwards.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut Parameters) -> Result<R>) -> Result<R> {
        let result = change(&mut self.parameters)?;
        // The old weights make room for the new ones first.
        self.weights = TrainingWeights::default();
        self.network.layers.clear();
        let Network { config, task, computing, .. } = &self.network;
        (self.network, self.weights) = pack(&self.parameters, config.clone(), *task, *computing);
        Ok(result)
    }

    /// The logits of question answering, (T, 2). `pass` keeps what the backward pass needs.
    ///
    /// # Panics
    /// As [`Model::hidden_states`](super::Model::hidden_states), and for another task.
    pub fn forward(&self, batch: &Batch, dropout: Dropout, pass: &mut TrainingPass) -> Logits {
        assert_eq!(self.network.task, Task::QuestionAnswering, "logits of all tokens");
        pass.dropout = Some(dropout);
        self.with_pass(batch, dropout, |own, training| {
            encoder::forward_saving(own, training, &mut pass.saved);
            heads::forward(&self.network, batch, &pass.saved.last)
        })
    }

    /// Forward and backward pass of masked language modelling: the loss of each masked token in nats, (R); the gradients of
    /// their sum are added.
    ///
    /// # Panics
    /// As [`TrainableModel::forward`]; if a masked token is not in the batch or not in the vocabulary, or the gradients are
    /// those of another model.
    pub fn masked_lm(
        &self,
        batch: &Batch,
        masked: &Masked,
        dropout: Dropout,
        pass: &mut TrainingPass,
        gradients: &mut Parameters,
    ) -> Vec<f32> {
        let Some(weights) = &self.weights.lm_head else { panic!("{:?} has no masks", self.network.task) };
        assert_eq!(gradients.list(), self.parameters.list(), "gradients of another model");
        let TrainingPass { saved, dacts, .. } = pass;
        self.with_pass(batch, dropout, |own, training| {
            encoder::forward_saving(own, training, saved);
            let mut dx = vec![0.0; saved.last.len()];
            let with_words = self.frozen_layers == 0;
            let backward = MaskedLmBackward { weights, dx: &mut dx, gradients: &mut *gradients, with_words };
            let losses = masked_lm::losses(&self.network, &saved.last, masked, Some(backward));
            encoder::backward(own, training, saved, dacts, dx, gradients);
            losses
        })
    }

    /// Adds the gradients of all parameters that are trained.
    ///
    /// - `pass`: of [`TrainableModel::forward`] over the same batch; once
    /// - `dlogits`: (T, 2)
    ///
    /// # Panics
    /// If `pass` had no forward pass, or the gradients are those of another batch or model.
    pub fn backward(&self, batch: &Batch, pass: &mut TrainingPass, dlogits: &[f32], gradients: &mut Parameters) {
        let TrainingPass { saved, dacts, dropout } = pass;
        let Some(dropout) = dropout.take() else { panic!("a backward pass without a forward pass") };
        let c = self.network.config.hidden_size;
        assert!(
            dlogits.len() == 2 * batch.tokens() && saved.last.len() == batch.tokens() * c,
            "{} gradients and {} hidden numbers for {} tokens",
            dlogits.len(),
            saved.last.len(),
            batch.tokens()
        );
        assert_eq!(gradients.list(), self.parameters.list(), "gradients of another model");
        self.with_pass(batch, dropout, |own, training| {
            let dx = heads::per_token_backward(&saved.last, dlogits, &self.parameters, gradients, "qa_outputs");
            encoder::backward(own, training, saved, dacts, dx, gradients);
        });
    }

    fn with_pass<R: Send>(
        &self,
        batch: &Batch,
        dropout: Dropout,
        f: impl FnOnce(&Pass<'_>, &TrainingMode<'_>) -> R + Send,
    ) -> R {
        let Self { network, weights, frozen_layers, recompute, .. } = self;
        let tables = EmbeddingTables::of(&self.parameters, &network.config);
        let training = TrainingMode { weights, dropout, frozen_layers: *frozen_layers, recompute: *recompute };
        in_pool(|| f(&Pass::new(network, &tables, batch, Some(training)), &training))
    }
}

fn pack(parameters: &Parameters, config: Config, task: Task, computing: Computing) -> (Network, TrainingWeights) {
    let loader = &Loader::of(parameters);
    let for_backward = config.clone();
    in_pool(|| {
        rayon::join(
            || Network::pack(loader, config, task, computing, GlobalWeights::training),
            || TrainingWeights::pack(loader, &for_backward, task, computing.linear),
        )
    })
}
