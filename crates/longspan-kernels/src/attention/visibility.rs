//! Which keys the queries of a block see.

use std::ops::Range;

/// Keys in a chunk: a multiple of the rows of every tile and of the numbers in every line.
pub const KEY_CHUNK: usize = 192;

/// Which keys the queries of a block see.
#[derive(Debug, Clone, Copy)]
pub enum Visibility<'a> {
    /// All keys.
    All,
    /// The keys of their windows.
    Window {
        /// Position of the first query.
        query: usize,
        /// Position of the first key: a multiple of [`KEY_CHUNK`].
        key: usize,
        /// Number of neighbours that a token sees on each side.
        one_sided_window: usize,
        /// Ascending positions of keys that no query sees: those of global tokens, which are attended to separately.
        masked: &'a [usize],
    },
}

impl Visibility<'_> {
    /// The range of those of `n` keys that at least one of `count` queries sees, apart from masked keys.
    pub(super) fn reach(self, count: usize, n: usize) -> Range<usize> {
        match self {
            Visibility::All => 0..n,
            Visibility::Window { query, key, one_sided_window: w, .. } => {
                assert_eq!(key % KEY_CHUNK, 0, "the first key's position {key} begins no chunk");
                query.saturating_sub(w).max(key) - key..n.min((query + count + w).saturating_sub(key))
            }
        }
    }

    /// The visibility for queries that begin `count` later.
    pub(super) fn for_later_query(self, count: usize) -> Self {
        match self {
            Visibility::All => Visibility::All,
            Visibility::Window { query, key, one_sided_window, masked } => {
                Visibility::Window { query: query + count, key, one_sided_window, masked }
            }
        }
    }
}

/// Replaces scores by −∞ if the query does not see the key.
///
/// - `scores`: (keys from `first` on, width)
pub(super) fn mask_scores(scores: &mut [f32], width: usize, count: usize, visibility: Visibility<'_>, first: usize) {
    let Visibility::Window { query, key, one_sided_window: w, masked } = visibility else { return };
    let position = key + first;
    let keys = scores.len() / width;
    // Between these positions every query sees every key.
    let all_from = (query + count).saturating_sub(w + 1).saturating_sub(position).min(keys);
    let all_to = (query + w + 1).saturating_sub(position).clamp(all_from, keys);
    for i in (0..all_from).chain(all_to..keys) {
        let j = position + i;
        let row = &mut scores[i * width..(i + 1) * width];
        // Query i of the block sees key j if query + i + w >= j and query + i <= j + w.
        let from = j.saturating_sub(w + query).min(count);
        let to = (j + w + 1).saturating_sub(query).min(count);
        row[..from].fill(f32::NEG_INFINITY);
        row[to..count].fill(f32::NEG_INFINITY);
    }
    let from = masked.partition_point(|&j| j < position);
    for &j in masked[from..].iter().take_while(|&&j| j < position + keys) {
        scores[(j - position) * width..][..width].fill(f32::NEG_INFINITY);
    }
}
