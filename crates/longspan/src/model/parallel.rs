//! The division of work among threads: the only file of the model that knows them.
//!
//! Rows are cut into blocks, which may cross the borders of sequences. Where there are fewer blocks than threads, the
//! weights of a block are cut into columns. No output depends on the cut (see `longspan_kernels`), so both may follow the
//! number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// The most rows of a block, up to what fills a tile: few enough that the middle of a feed-forward stays in the L2 cache.
const ROWS_MAX: usize = 192;

/// With fewer rows, reading the weights would take longer than using them.
const ROWS_MIN: usize = 96;

/// How a batch is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Rows of a block: (blocks).
    pub blocks: Vec<Range<usize>>,
    /// Into how many parts the columns of weights are cut.
    pub columns: usize,
}

impl Partition {
    /// Cuts `tokens` rows for the threads of the current pool. Tiles have `tile` rows.
    pub fn new(tokens: usize, tile: usize) -> Self {
        Self::among(tokens, tile, rayon::current_num_threads())
    }

    /// Cuts `tokens` rows into blocks that do not depend on the number of threads, so that sums over blocks do not either.
    pub fn fixed(tokens: usize) -> Self {
        Self { blocks: ranges(tokens, tokens.div_ceil(ROWS_MAX), ROWS_MAX), columns: 1 }
    }

    fn among(tokens: usize, tile: usize, threads: usize) -> Self {
        let even = tokens.div_ceil(ROWS_MAX).next_multiple_of(threads);
        let count = even.min(tokens / ROWS_MIN).max(1);
        let rows = tokens.div_ceil(count).next_multiple_of(tile).max(tile);
        let blocks: Vec<_> = (0..tokens).step_by(rows).map(|start| start..tokens.min(start + rows)).collect();
        let columns = threads.div_ceil(count);
        Self { blocks, columns }
    }
}

/// Cuts `0..n` into at most `parts` ranges of about one size, all but the last multiples of `step`.
pub(crate) fn ranges(n: usize, parts: usize, step: usize) -> Vec<Range<usize>> {
    let size = n.div_ceil(parts.max(1)).next_multiple_of(step).max(step);
    (0..n).step_by(size).map(|start| start..n.min(start + size)).collect()
}

/// Into how many parts the queries of each of `heads` heads are cut: none has more than `size`, and there are enough for
/// all threads.
pub(crate) fn query_parts(queries: usize, size: usize, heads: usize) -> usize {
    queries.div_ceil(size).max((2 * rayon::current_num_threads()).div_ceil(heads))
}

/// Workspaces that threads borrow and return, so that none is allocated twice.
#[derive(Debug)]
pub(crate) struct WorkspacePool<T>(Mutex<Vec<T>>);

impl<T> WorkspacePool<T> {
    /// An empty pool.
    pub fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Runs `f` with a workspace that nobody else uses, made by `new` where none is free.
    pub fn with<R>(&self, new: impl FnOnce() -> T, f: impl FnOnce(&mut T) -> R) -> R {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = free.unwrap_or_else(new);
        let result = f(&mut workspace);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        result
    }
}

/// Takes the first `count` numbers off a buffer.
pub(crate) fn take<'x, T>(rest: &mut &'x mut [T], count: usize) -> &'x mut [T] {
    let len = rest.len();
    rest.split_off_mut(..count).unwrap_or_else(|| panic!("{count} numbers of {len}"))
}

/// Cuts `x`, rows of `columns` numbers, into the rows of each of `blocks`, which follow each other.
pub(crate) fn split_rows<'b, 'x, T>(
    blocks: &'b [Range<usize>],
    mut x: &'x mut [T],
    columns: usize,
) -> Vec<(&'b Range<usize>, &'x mut [T])> {
    blocks.iter().map(|block| (block, take(&mut x, block.len() * columns))).collect()
}

/// Runs `f` for each piece of work on all threads and collects the results in order.
pub(crate) fn par_run<W: Send, R: Send>(work: Vec<W>, f: impl Fn(W) -> R + Sync) -> Vec<R> {
    work.into_par_iter().with_max_len(1).map(&f).collect()
}

/// Runs `f` for each of `parts` on all threads and collects the results in order.
pub(crate) fn par_map<P: Sync, R: Send>(parts: &[P], f: impl Fn(&P) -> R + Sync) -> Vec<R> {
    parts.par_iter().with_max_len(1).map(&f).collect()
}

/// Enters the thread pool once for a whole pass.
pub(crate) fn in_pool<R: Send>(pass: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| pass())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_row_once() {
        for tokens in [0, 1, 95, 96, 97, 191, 192, 193, 500, 4096, 10_880] {
            for (threads, tile) in [(1, 12), (2, 12), (3, 6), (16, 32)] {
                let partition = Partition::among(tokens, tile, threads);
                let mut next = 0;
                for block in &partition.blocks {
                    assert_eq!(block.start, next, "{tokens} rows, {threads} threads");
                    assert!(!block.is_empty() && block.len() < ROWS_MAX + tile, "{block:?}");
                    next = block.end;
                }
                assert_eq!(next, tokens);
                assert!(
                    tokens == 0 || partition.columns == 1 || partition.blocks.len() * partition.columns >= threads,
                    "{partition:?}"
                );
            }
        }
    }

    #[test]
    fn ranges_cover_everything_once() {
        for (n, parts, step) in [(0, 2, 32), (2, 2, 32), (768, 2, 32), (100, 3, 32), (3072, 8, 384), (1000, 7, 1)] {
            let ranges = ranges(n, parts, step);
            assert!(ranges.len() <= parts);
            assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), n);
            assert!(ranges.iter().all(|range| range.start % step == 0));
        }
    }
}
