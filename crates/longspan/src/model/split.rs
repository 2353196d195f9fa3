//! The one place that divides work among threads.
//!
//! Rows are cut into blocks, which may cross the borders of sequences; where there are fewer blocks than threads, a
//! block's weights are cut into columns. What an output becomes does not depend on the cut (see `longspan_kernels`), so
//! both may follow the number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Rows of a block, at most and but for what fills a tile: so few that the middle of a feed-forward stays in the second
/// cache.
const ROWS_MAX: usize = 192;

/// Fewer rows would spend more time on reading weights than on using them.
const ROWS_MIN: usize = 96;

/// The cut of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    /// Rows of a block: (blocks).
    pub blocks: Vec<Range<usize>>,
    /// Into how many parts the columns of weights are cut.
    pub columns: usize,
}

impl Split {
    /// That of `tokens` rows, for the threads of the pool that this runs in. Tiles have `tile` rows.
    pub fn new(tokens: usize, tile: usize) -> Self {
        Self::among(tokens, tile, rayon::current_num_threads())
    }

    /// One whose sums over blocks do not depend on the number of threads.
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

/// Into how many parts the queries of each of `heads` heads are cut, of which none has more than `size`: enough for all
/// threads.
pub(crate) fn parts(queries: usize, size: usize, heads: usize) -> usize {
    queries.div_ceil(size).max((2 * rayon::current_num_threads()).div_ceil(heads))
}

/// Working memory that threads take and give back, so that none is allocated twice.
#[derive(Debug, Default)]
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// Without any yet.
    pub fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Runs `f` with a piece that nobody else uses, made by `new` where none is free.
    pub fn with<R>(&self, new: impl FnOnce() -> T, f: impl FnOnce(&mut T) -> R) -> R {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut piece = free.unwrap_or_else(new);
        let result = f(&mut piece);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        result
    }
}

/// Runs `f` for each of `parts`, which follow each other in `x`, on all threads. A part has `size(part)` numbers.
pub(crate) fn for_each<P: Sync, T: Send>(
    parts: &[P],
    x: &mut [T],
    size: impl Fn(&P) -> usize,
    f: impl Fn(&P, &mut [T]) + Sync,
) {
    run(parts.iter().zip(cut(parts, x, size)).collect(), |(part, own)| f(part, own));
}

/// Cuts `x` into the numbers of each of `parts`, which follow each other and have `size(part)`; into nothing for each
/// where `x` is empty.
pub(crate) fn cut<'x, P, T>(parts: &[P], x: &'x mut [T], size: impl Fn(&P) -> usize) -> Vec<&'x mut [T]> {
    let is_empty = x.is_empty();
    let mut rest = x;
    let own = parts.iter().map(|part| {
        let (own, after) = std::mem::take(&mut rest).split_at_mut(if is_empty { 0 } else { size(part) });
        rest = after;
        own
    });
    own.collect()
}

/// Runs `f` for each piece of work on all threads and collects the results in order.
pub(crate) fn run<W: Send, R: Send>(work: Vec<W>, f: impl Fn(W) -> R + Sync) -> Vec<R> {
    work.into_par_iter().with_max_len(1).map(&f).collect()
}

/// Runs `f` for each of `parts` on all threads and collects the results in order.
pub(crate) fn map<P: Sync, R: Send>(parts: &[P], f: impl Fn(&P) -> R + Sync) -> Vec<R> {
    parts.par_iter().with_max_len(1).map(&f).collect()
}

/// Enters the thread pool once for a whole pass.
pub(crate) fn enter<R: Send>(pass: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| pass())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_row_once() {
        for tokens in [0, 1, 95, 96, 97, 191, 192, 193, 500, 4096, 10_880] {
            for (threads, tile) in [(1, 12), (2, 12), (3, 6), (16, 32)] {
                let split = Split::among(tokens, tile, threads);
                let mut next = 0;
                for block in &split.blocks {
                    assert_eq!(block.start, next, "{tokens} rows, {threads} threads");
                    assert!(!block.is_empty() && block.len() < ROWS_MAX + tile, "{block:?}");
                    next = block.end;
                }
                assert_eq!(next, tokens);
                assert!(
                    tokens == 0 || split.columns == 1 || split.blocks.len() * split.columns >= threads,
                    "{split:?}"
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
