//! The time that each phase of a pass takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A part of a pass on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The embedding tables and their layer norm.
    Embeddings,
    /// Queries, keys and values.
    Projections,
    /// Attention within windows and to global tokens.
    LocalAttention,
    /// Attention of global tokens.
    GlobalAttention,
    /// The projection of attention's output, with its layer norm.
    AttentionOutput,
    /// The feed-forward, with its layer norm.
    FeedForward,
    /// The head of the task.
    Head,
}

impl Phase {
    /// All of them, in the order of a pass.
    pub const ALL: [Phase; 7] = [
        Phase::Embeddings,
        Phase::Projections,
        Phase::LocalAttention,
        Phase::GlobalAttention,
        Phase::AttentionOutput,
        Phase::FeedForward,
        Phase::Head,
    ];

    /// The name, in words.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Embeddings => "embeddings",
            Phase::Projections => "projections",
            Phase::LocalAttention => "local attention",
            Phase::GlobalAttention => "global attention",
            Phase::AttentionOutput => "attention output",
            Phase::FeedForward => "feed-forward",
            Phase::Head => "head",
        }
    }
}

/// Time spent in each phase, added over the threads.
#[derive(Debug, Default)]
pub(crate) struct PhaseTimes([AtomicU64; Phase::ALL.len()]); // nanoseconds

impl PhaseTimes {
    /// Runs `f` and counts its time once for each of the `threads` that it works on. A thread that waits for the others
    /// may work on something else meanwhile, which counts too: sums are a little more than the time of the threads.
    pub fn count<R>(&self, phase: Phase, threads: usize, f: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = f();
        let time = started.elapsed().as_nanos() as u64 * threads as u64;
        self.0[phase as usize].fetch_add(time, Ordering::Relaxed);
        result
    }

    /// The times so far.
    pub fn all(&self) -> [(Phase, Duration); Phase::ALL.len()] {
        Phase::ALL.map(|phase| (phase, Duration::from_nanos(self.0[phase as usize].load(Ordering::Relaxed))))
    }
}
