//! Ragged batches: sequences end to end, never padded.

use std::ops::Range;

use crate::config::Config;

/// One input of the model.
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a> {
    /// Token ids, specials included: (T).
    pub ids: &'a [u32],
    /// Token types: (T); `None` if all are 0. A type beyond the table of the model counts as its last one.
    pub token_type_ids: Option<&'a [u32]>,
    /// Positions with global attention, ascending, each once. A model that has none ignores them.
    pub globals: &'a [usize],
}

/// How far the positions of some tokens of a sequence are raised: so training reaches high positions without inputs of that
/// length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PositionShift {
    /// Index of the first of these tokens in the sequence; all after it are raised too.
    pub from: usize,
    /// By how many positions.
    pub by: usize,
}

/// Projections of each token for local attention: query, key and value.
pub(crate) const LOCAL_PROJECTIONS: usize = 3;
/// Projections of each token where global attention is computed in its plain form: after the local ones, global key and
/// global value.
pub(crate) const ALL_PROJECTIONS: usize = PROJECTION_NAMES.len();
/// The names of all projections in a checkpoint, in their order.
pub(crate) const PROJECTION_NAMES: [&str; 5] = ["query", "key", "value", "key_global", "value_global"];

/// Sequences end to end, their boundaries, and the tokens of each that have global attention.
///
/// There is no attention mask: a padding token is left out instead.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub(crate) ids: Vec<u32>,            // (T)
    pub(crate) token_type_ids: Vec<u32>, // (T)
    ends: Vec<usize>,                    // (S)
    globals: Vec<Vec<usize>>,            // (S), (G)
    shifts: Vec<PositionShift>,          // (S)
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of one.
    pub fn of(sequence: Sequence<'_>) -> Self {
        let mut batch = Self::new();
        batch.push(sequence);
        batch
    }

    /// Adds a sequence.
    ///
    /// # Panics
    /// If it is empty, it has another number of token types than of tokens, or its globals are not ascending positions
    /// in it.
    pub fn push(&mut self, sequence: Sequence<'_>) {
        self.push_shifted(sequence, PositionShift::default());
    }

    /// Adds a sequence with raised positions.
    ///
    /// # Panics
    /// As [`Batch::push`].
    pub fn push_shifted(&mut self, sequence: Sequence<'_>, shift: PositionShift) {
        let Sequence { ids, token_type_ids, globals } = sequence;
        let t = ids.len();
        let types = token_type_ids.map_or(t, <[u32]>::len);
        assert!(t > 0, "an empty sequence");
        assert!(types == t, "{types} token types for {t} tokens");
        assert!(globals.windows(2).all(|pair| pair[0] < pair[1]), "global positions must ascend: {globals:?}");
        assert!(globals.last().is_none_or(|&last| last < t), "global positions {globals:?} of {t} tokens");
        self.ids.extend(ids);
        self.token_type_ids.extend(token_type_ids.unwrap_or_default());
        self.token_type_ids.resize(self.ids.len(), 0);
        self.ends.push(self.ids.len());
        self.globals.push(globals.to_vec());
        self.shifts.push(shift);
    }

    /// T: tokens of all sequences.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The id of a token of the batch.
    pub fn id(&self, token: usize) -> u32 {
        self.ids[token]
    }

    /// S: number of sequences.
    pub fn sequences(&self) -> usize {
        self.ends.len()
    }

    /// The tokens of sequence `s` among those of the batch.
    pub fn range(&self, s: usize) -> Range<usize> {
        let start = if s == 0 { 0 } else { self.ends[s - 1] };
        start..self.ends[s]
    }

    /// Positions in sequence `s` with global attention, ascending.
    pub fn globals(&self, s: usize) -> &[usize] {
        &self.globals[s]
    }

    /// Rows of the position table for the tokens of sequence `s`. They count up from the first one. In kinds where that
    /// comes after the padding id, a padding token in between has the row of that id and is not counted:
    /// `create_position_ids_from_input_ids` in transformers' modeling_longformer.py.
    pub(crate) fn positions(&self, s: usize, config: &Config) -> impl Iterator<Item = usize> {
        let PositionShift { from, by } = self.shifts[s];
        let padding = config.kind.positions_after_padding.then_some(config.pad_token_id);
        let mut next = config.first_position();
        self.ids[self.range(s)].iter().enumerate().map(move |(i, &id)| {
            if let Some(padding) = padding.filter(|&padding| id as usize == padding) {
                return padding;
            }
            next += 1;
            next - 1 + if i < from { 0 } else { by }
        })
    }
}
