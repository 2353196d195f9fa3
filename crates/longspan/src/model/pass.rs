//! One pass of a batch through the model: what every step of it reads, and the workspaces of its threads.

use std::ops::Range;

use longspan_kernels::{Arithmetic, Tiles, drop_row};

use super::batch::{ALL_PROJECTIONS, LOCAL_PROJECTIONS};
use super::parallel::{Partition, WorkspacePool, split_rows};
use super::phase_times::PhaseTimes;
use super::tables::EmbeddingTables;
use super::training_weights::TrainingWeights;
use super::weights::Network;
use super::{Batch, Dropout};

/// A pass of a batch.
pub(crate) struct Pass<'a> {
    pub model: &'a Network,
    pub tables: &'a EmbeddingTables<'a>,
    pub batch: &'a Batch,
    /// `None` in inference.
    pub training: Option<TrainingMode<'a>>,
    pub partition: Partition,
    /// The sequence of each token: (T).
    pub sequence_of: Vec<usize>,
    pub times: PhaseTimes,
    workspaces: WorkspacePool<Workspace>,
}

/// What a pass of training has and one of inference has not.
#[derive(Clone, Copy)]
pub(crate) struct TrainingMode<'a> {
    pub weights: &'a TrainingWeights,
    pub dropout: Dropout,
    /// The number of lowest layers that have no gradients; unless it is 0, the embeddings have none either.
    pub frozen_layers: usize,
    /// Whether layers save only their inputs, and run again in the backward pass.
    pub recompute: bool,
}

/// The working memory of one thread.
pub(crate) struct Workspace {
    /// A block of rows as left operand.
    pub input: Tiles,
    /// A piece of the middle of a feed-forward as left operand.
    pub middle: Tiles,
    /// A piece of outputs: (rows, PIECE).
    pub piece: Vec<f32>,
    /// What is added to the residual: (rows, C).
    pub update: Vec<f32>,
    /// Another piece, in the backward pass.
    pub other: Vec<f32>,
}

impl Workspace {
    fn new(arithmetic: Arithmetic) -> Self {
        let tiles = || Tiles::new(arithmetic);
        Self { input: tiles(), middle: tiles(), piece: Vec::new(), update: Vec::new(), other: Vec::new() }
    }
}

impl<'a> Pass<'a> {
    /// In training the blocks, and so sums over them, do not depend on the number of threads.
    pub fn new(
        model: &'a Network,
        tables: &'a EmbeddingTables<'a>,
        batch: &'a Batch,
        training: Option<TrainingMode<'a>>,
    ) -> Self {
        let partition = match training {
            None => Partition::new(batch.tokens(), model.computing.linear.tile_rows()),
            Some(_) => Partition::fixed(batch.tokens()),
        };
        let sequence_of = (0..batch.sequences()).flat_map(|s| std::iter::repeat_n(s, batch.range(s).len())).collect();
        let (times, workspaces) = (PhaseTimes::default(), WorkspacePool::new());
        Self { model, tables, batch, training, partition, sequence_of, times, workspaces }
    }

    /// P, the number of projections of C numbers of each token: query, key and value, and in training, if any token is
    /// global, global key and value.
    pub fn projections(&self) -> usize {
        let has_globals = || (0..self.batch.sequences()).any(|s| !self.globals(s).is_empty());
        if self.training.is_some() && has_globals() { ALL_PROJECTIONS } else { LOCAL_PROJECTIONS }
    }

    /// The groups of numbers of all projections of a token: P · C / group.
    pub fn projection_groups(&self) -> usize {
        self.projections() * self.model.config.hidden_size / self.model.computing.attention.group()
    }

    /// Positions in sequence `s` with global attention, ascending: none where the model has none.
    pub fn globals(&self, s: usize) -> &'a [usize] {
        if self.model.config.is_long { self.batch.globals(s) } else { &[] }
    }

    /// Cuts rows of `columns` numbers into the blocks of the pass.
    pub fn split_rows<'x, T>(&'x self, x: &'x mut [T], columns: usize) -> Vec<(&'x Range<usize>, &'x mut [T])> {
        split_rows(&self.partition.blocks, x, columns)
    }

    /// Drops numbers of rows of the batch: `nn.Dropout`.
    ///
    /// - `site`: as [`Dropout::key`] has it
    /// - `x`: (rows, C), or (rows, E) for the embeddings
    pub fn apply_dropout(&self, site: usize, rows: &Range<usize>, x: &mut [f32]) {
        let dropout = self.training.map_or(Dropout::NONE, |training| training.dropout);
        if dropout.share == 0.0 {
            return;
        }
        for (t, row) in rows.clone().zip(x.chunks_exact_mut(x.len() / rows.len())) {
            let sequence = self.sequence_of[t];
            let key = dropout.key(site, sequence, t - self.batch.range(sequence).start);
            drop_row(self.model.isa(), row, key, dropout.share);
        }
    }

    /// Runs `f` with a workspace that no other thread uses.
    pub fn with_workspace<R>(&self, f: impl FnOnce(&mut Workspace) -> R) -> R {
        self.workspaces.with(|| Workspace::new(self.model.computing.linear), f)
    }
}
