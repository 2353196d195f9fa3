//! The model on the CPU: the instruction set that it runs on, and the phases of a pass.

use std::time::Duration;

use longspan_kernels::{Isa, Precision};

use super::batch::Batch;
use super::embeddings::Embeddings;
use super::encoder::{self, Pass};
use super::heads::{self, Logits, Task};
use super::masked_lm::{self, Masked};
use super::split::{self, Split};
use super::times::{Phase, Times};
use super::weights::{Computing, Loader, Network};
use crate::config::Config;
use crate::{Error, Result};

/// A model whose weights are packed for one instruction set. [`Model::cpu`](super::Model::cpu) gives it.
pub struct CpuModel {
    pub(super) network: Network,
    embeddings: Embeddings<'static>,
}

impl CpuModel {
    pub(super) fn pack(loader: &Loader<'_>, config: Config, task: Task, computing: Computing) -> Self {
        split::enter(|| Self {
            embeddings: Embeddings::pack(loader, computing.linear.precision),
            network: Network::pack(loader, config, task, computing),
        })
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
        split::enter(|| {
            let times = Times::default();
            let hidden = self.encode(batch, &times);
            let threads = rayon::current_num_threads();
            let logits = times.count(Phase::Head, threads, || heads::forward(&self.network, batch, &hidden));
            (logits, times.all())
        })
    }

    pub(super) fn hidden_states(&self, batch: &Batch) -> Vec<f32> {
        split::enter(|| self.encode(batch, &Times::default()))
    }

    pub(super) fn masked_lm_losses(&self, batch: &Batch, masked: &Masked) -> Vec<f32> {
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

pub(super) fn current_isa() -> Result<Isa> {
    Isa::current().map_err(Error::InstructionSet)
}
