//! The model on the CPU: the instruction set that it runs on, and the phases of a pass.

use std::time::Duration;

use longspan_kernels::{Isa, Precision};

use super::activations::PassBuffers;
use super::loader::Loader;
use super::parallel::in_pool;
use super::pass::Pass;
use super::tables::EmbeddingTables;
use super::weights::{Computing, GlobalWeights, Network};
use super::{Batch, Logits, Masked, Phase, Task, encoder, heads, masked_lm};
use crate::config::Config;
use crate::{Error, Result};

/// A model whose weights are packed for one instruction set: see [`Model::cpu`](super::Model::cpu).
pub struct CpuModel {
    pub(super) network: Network,
    tables: EmbeddingTables<'static>,
}

impl CpuModel {
    pub(super) fn pack(loader: &Loader<'_>, config: Config, task: Task, precision: Precision) -> Result<Self> {
        let computing = Computing::new(current_isa()?, precision, &config);
        Ok(in_pool(|| Self {
            tables: EmbeddingTables::pack(loader, precision, &config),
            network: Network::pack(loader, config, task, computing, GlobalWeights::inference),
        }))
    }

    /// The instruction set that the model runs on.
    pub fn isa(&self) -> Isa {
        self.network.isa()
    }

    /// The logits, and the time that each phase took, summed over the threads.
    ///
    /// # Panics
    /// As [`Model::hidden_states`](super::Model::hidden_states).
    pub fn timed_logits(&self, batch: &Batch) -> (Logits, [(Phase, Duration); Phase::ALL.len()]) {
        let pass = Pass::new(&self.network, &self.tables, batch, None);
        let buffers = PassBuffers::new(&pass);
        in_pool(|| {
            let (hidden, threads) = (encoder::forward(&pass, buffers), rayon::current_num_threads());
            let logits = pass.times.count(Phase::Head, threads, || heads::forward(&self.network, batch, &hidden));
            (logits, pass.times.all())
        })
    }

    pub(super) fn hidden_states(&self, batch: &Batch) -> Vec<f32> {
        let pass = Pass::new(&self.network, &self.tables, batch, None);
        let buffers = PassBuffers::new(&pass);
        in_pool(|| encoder::forward(&pass, buffers))
    }

    pub(super) fn masked_lm_losses(&self, batch: &Batch, masked: &Masked) -> Vec<f32> {
        let hidden = self.hidden_states(batch);
        in_pool(|| masked_lm::losses(&self.network, &hidden, masked, None))
    }
}

/// The precision that is fast and exact enough on this machine.
///
/// # Errors
/// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
pub fn best_precision() -> Result<Precision> {
    Ok(Precision::best(current_isa()?))
}

pub(super) fn current_isa() -> Result<Isa> {
    Isa::current().map_err(Error::InstructionSet)
}
