//! Dropout of hidden states.

use crate::random;

/// Which hidden numbers a pass drops: a function of the seed and their place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Share of the numbers: at least 0, below 1.
    pub share: f32,
    /// The seed of the step.
    pub seed: u64,
    /// Sequences of the step before those of the pass.
    pub first_sequence: usize,
}

impl Dropout {
    /// Drops nothing.
    pub const NONE: Dropout = Dropout { share: 0.0, seed: 0, first_sequence: 0 };

    /// The key of the numbers that are dropped from one row of hidden states.
    ///
    /// - `site`: 0 for the embeddings; of layer l, 2l + 1 after attention and 2l + 2 after the feed-forward
    pub(crate) fn key(&self, site: usize, sequence: usize, position: usize) -> u64 {
        random::number(self.seed, &[site as u64, (self.first_sequence + sequence) as u64, position as u64])
    }
}
