//! The one place that divides work among threads.
//!
//! Rows are cut into blocks that never cross the border of a sequence. What a row becomes does not depend on the cut
//! (see `longspan_kernels`), so the size of a block may follow the number of threads.

use std::ops::Range;

use longspan_kernels::Scratch;
use rayon::prelude::*;

use super::Batch;

/// Rows of a block at most: a multiple of every tile, few enough for the middle of a feed-forward to stay in L2.
const ROWS_MAX: usize = 48;

/// Rows of one sequence that are worked on together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The sequence.
    pub sequence: usize,
    /// Rows of the batch.
    pub rows: Range<usize>,
    /// Position of the first of them in the sequence.
    pub first: usize,
}

/// All blocks of a batch, in order: together they hold every row once.
pub(crate) fn blocks(batch: &Batch) -> Vec<Block> {
    let share = batch.tokens().div_ceil(rayon::current_num_threads()).next_multiple_of(12).min(ROWS_MAX);
    let mut blocks = Vec::new();
    for sequence in 0..batch.sequences() {
        let range = batch.range(sequence);
        for start in range.clone().step_by(share) {
            let rows = start..range.end.min(start + share);
            blocks.push(Block { sequence, rows, first: start - range.start });
        }
    }
    blocks
}

/// Runs `f` for every block on its rows of `x` (T, columns), on all threads.
pub(crate) fn for_each_block(
    blocks: &[Block],
    x: &mut [f32],
    columns: usize,
    f: impl Fn(&Block, &mut [f32], &mut Workspace) + Sync,
) {
    let mut rest = x;
    let mut work = Vec::with_capacity(blocks.len());
    for block in blocks {
        let (rows, after) = rest.split_at_mut(block.rows.len() * columns);
        work.push((block, rows));
        rest = after;
    }
    work.into_par_iter().for_each_init(Workspace::default, |workspace, (block, rows)| f(block, rows, workspace));
}

/// Runs `f` for every number below `count`, on all threads, and collects the results in order.
pub(crate) fn map<R: Send>(count: usize, f: impl Fn(usize, &mut Workspace) -> R + Sync) -> Vec<R> {
    (0..count).into_par_iter().map_init(Workspace::default, |workspace, i| f(i, workspace)).collect()
}

/// Enters the thread pool once for a whole pass.
pub(crate) fn enter<R: Send>(pass: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| pass())
}

/// Working memory of one thread while it works off a part of the blocks.
#[derive(Default)]
pub(crate) struct Workspace {
    /// That of the kernels.
    pub scratch: Scratch,
    /// The attention of a block before its output projection: (rows, C).
    pub attended: Vec<f32>,
    /// The middle of a block's feed-forward: (rows, F).
    pub middle: Vec<f32>,
    /// What is added to the residual: (rows, C).
    pub update: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sequence;

    #[test]
    fn blocks_cover_every_row_once_and_cross_no_border() {
        let mut batch = Batch::new();
        for length in [1, 47, 48, 49, 200, 12, 3] {
            batch.push(Sequence { ids: &vec![0; length], token_type_ids: &[], globals: &[] });
        }
        let mut next = 0;
        for block in blocks(&batch) {
            let range = batch.range(block.sequence);
            assert_eq!(block.rows.start, next);
            assert_eq!(block.first, next - range.start);
            assert!(!block.rows.is_empty() && block.rows.end <= range.end);
            next = block.rows.end;
        }
        assert_eq!(next, batch.tokens());
    }
}
