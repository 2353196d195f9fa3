//! Attention of the global tokens over all tokens of their sequence, by the global projections, in inference:
//! `LongformerSelfAttention._compute_global_attn_output_from_hidden` in transformers' modeling_longformer.py, which has the
//! plain form.
//!
//! ```text
//! plain:     k[j] = x[j]·Wk,  v[j] = x[j]·Wv + bv          for every token j
//!            out  = softmax(q·k[j]) over j, times v[j]
//! absorbed:  r    = q·Wkᵀ                                  for every global token
//!            out  = (softmax(r·x[j]) over j, times x[j])·Wv + bv
//! ```
//!
//! Both give the same result: a score q·(x·Wk) is (q·Wkᵀ)·x, and weights that sum to 1 commute with Wv. The absorbed form
//! projects nothing for tokens that are not global, but its queries are C wide instead of D. It is used for sequences that
//! have at most D global tokens, so the form depends on the sequence alone.

use std::ops::Range;

use longspan_kernels::{
    KEY_CHUNK, Keys, Matrix, MatrixMut, Queries, Start, Tiles, Visibility, attend, encode, product,
};

use super::parallel::{par_map, par_run};
use super::pass::Pass;
use super::weights::GlobalHeadWeights;

/// Tokens whose hidden states are packed together.
const TOKENS: usize = 4 * KEY_CHUNK;

/// The queries of global attention in one layer, and what they attend to.
struct GlobalQueries<'a> {
    pass: &'a Pass<'a>,
    weights: &'a [GlobalHeadWeights], // (H)
    x: &'a [f32],                     // (T, C)
    /// Rows of the global tokens of all sequences: (G).
    rows: Vec<usize>,
    queries: Vec<Vec<f32>>, // (H), (G, D)
}

/// What some queries of a sequence, counted head by head, receive from hidden states.
struct ContextBlock<'s> {
    tokens: &'s GlobalTokens,
    first: usize,
    contexts: Vec<f32>, // (queries, C)
}

/// The global tokens of one sequence.
struct GlobalTokens {
    sequence: usize,
    /// Their places among the global tokens of all sequences.
    globals: Range<usize>,
}

/// Replaces the rows of global tokens.
///
/// - `x`: (T, C)
/// - `attended`: by sequence (H, T, D)
pub(crate) fn forward(pass: &Pass<'_>, weights: &[GlobalHeadWeights], x: &[f32], attended: &mut [f32]) {
    let (c, d) = (pass.model.config.hidden_size, pass.model.config.head_size());
    let batch = pass.batch;
    let (mut rows, mut absorbed, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for sequence in 0..batch.sequences() {
        let own = pass.globals(sequence);
        let globals = rows.len()..rows.len() + own.len();
        rows.extend(own.iter().map(|&i| batch.range(sequence).start + i));
        match own.len() {
            0 => {}
            count if count <= d => absorbed.push(GlobalTokens { sequence, globals }),
            _ => plain.push(GlobalTokens { sequence, globals }),
        }
    }
    if rows.is_empty() {
        return;
    }
    let mut input = Tiles::new(pass.model.computing.attention);
    input.encode_with(rows.len(), c, |i, row| row.copy_from_slice(&x[rows[i] * c..][..c]));
    let queries = par_map(weights, |head| {
        let mut queries = vec![0.0; rows.len() * d]; // (G, D)
        head.query.apply(input.all(), 0..d, &mut MatrixMut::new(&mut queries, d));
        queries
    });
    let globals = GlobalQueries { pass, weights, x, rows, queries };
    let mut out = vec![0.0; weights.len() * globals.rows.len() * d]; // (H, G, D)
    globals.attend_absorbed(&absorbed, &mut out);
    plain.iter().for_each(|own| globals.attend_plain(own, &mut out));
    for (head, out) in out.chunks_exact(globals.rows.len() * d).enumerate() {
        for (&row, out) in globals.rows.iter().zip(out.chunks_exact(d)) {
            let sequence = batch.range(pass.sequence_of[row]);
            let at = sequence.start * c + (head * sequence.len() + row - sequence.start) * d;
            attended[at..at + d].copy_from_slice(out);
        }
    }
}

impl GlobalQueries<'_> {
    /// - `out`: (H, G, D)
    fn attend_absorbed(&self, sequences: &[GlobalTokens], out: &mut [f32]) {
        if sequences.is_empty() {
            return;
        }
        let (c, d) = (self.pass.model.config.hidden_size, self.pass.model.config.head_size());
        let blocks = self.attend_hidden_states(sequences);
        let all = self.rows.len();
        // None for sequences that are not absorbed.
        let mut contexts: Vec<Option<&[f32]>> = vec![None; self.weights.len() * all]; // (H, G), (C)
        for block in &blocks {
            let globals = &block.tokens.globals;
            for (i, row) in (block.first..).zip(block.contexts.chunks_exact(c)) {
                contexts[i / globals.len() * all + globals.start + i % globals.len()] = Some(row);
            }
        }
        par_run(out.chunks_exact_mut(all * d).enumerate().collect(), |(head, out)| {
            let mut tiles = Tiles::new(self.pass.model.computing.attention);
            tiles.encode_with(all, c, |i, row| match contexts[head * all + i] {
                None => row.fill(0.0),
                Some(context) => row.copy_from_slice(context),
            });
            self.weights[head].value.apply(tiles.all(), 0..d, &mut MatrixMut::new(out, d));
        });
    }

    /// Attention of the queries of all heads of each sequence over its hidden states.
    fn attend_hidden_states<'s>(&self, sequences: &'s [GlobalTokens]) -> Vec<ContextBlock<'s>> {
        let (c, arithmetic) = (self.pass.model.config.hidden_size, self.pass.model.computing.attention);
        let heads: Vec<usize> = (0..self.weights.len()).collect();
        let wide = par_map(&heads, |&head| self.widen(head)); // by head: (G, C / group)
        let starts = |s: usize| (0..self.pass.batch.range(sequences[s].sequence).len()).step_by(TOKENS);
        let parts: Vec<_> = (0..sequences.len()).flat_map(|s| starts(s).map(move |from| (s, from))).collect();
        let keys = par_map(&parts, |&(s, from)| self.hidden_keys(&sequences[s], from));

        let (width, groups) = (arithmetic.panel_width(), c / arithmetic.group());
        let firsts = |s: usize| (0..heads.len() * sequences[s].globals.len()).step_by(width);
        let blocks: Vec<_> = (0..sequences.len()).flat_map(|s| firsts(s).map(move |first| (s, first))).collect();
        par_map(&blocks, |&(s, first)| {
            let tokens = &sequences[s];
            let count = tokens.globals.len();
            let queries = first..(heads.len() * count).min(first + width);
            let rows = queries.clone().flat_map(|i| {
                let row = tokens.globals.start + i % count;
                &wide[i / count][row * groups..(row + 1) * groups]
            });
            let rows: Vec<i32> = rows.copied().collect(); // (queries, C / group)
            let mut block = Queries::new(arithmetic, c);
            block.set(Matrix::new(&rows, groups));
            for (_, keys) in parts.iter().zip(&keys).filter(|((of, _), _)| *of == s) {
                attend(&mut block, keys, Visibility::All);
            }
            let mut contexts = vec![0.0; queries.len() * c];
            block.write(&mut MatrixMut::new(&mut contexts, c));
            ContextBlock { tokens, first, contexts }
        })
    }

    /// The queries of one head over hidden states: (G, C / group).
    fn widen(&self, head: usize) -> Vec<i32> {
        let (c, d) = (self.pass.model.config.hidden_size, self.pass.model.config.head_size());
        let mut tiles = Tiles::new(self.pass.model.computing.attention);
        tiles.encode(Matrix::new(&self.queries[head], d));
        let mut wide = vec![0.0; tiles.rows() * c]; // (G, C)
        let key = &self.weights[head].absorbed_key;
        product(tiles.all(), key.all(), Start::Zero, &mut MatrixMut::new(&mut wide, c));
        self.encoded(&wide, c)
    }

    /// The hidden states of a sequence from a token on, as keys and values at once.
    fn hidden_keys(&self, own: &GlobalTokens, from: usize) -> Keys {
        let (c, arithmetic) = (self.pass.model.config.hidden_size, self.pass.model.computing.attention);
        let sequence = self.pass.batch.range(own.sequence);
        let tokens = sequence.start + from..sequence.end.min(sequence.start + from + TOKENS);
        let states = self.encoded(&self.x[tokens.start * c..tokens.end * c], c);
        let states = Matrix::new(&states, c / arithmetic.group());
        let mut keys = Keys::new(arithmetic);
        keys.set(states, states);
        keys
    }

    /// - `out`: (H, G, D)
    fn attend_plain(&self, own: &GlobalTokens, out: &mut [f32]) {
        let arithmetic = self.pass.model.computing.attention;
        let (c, d) = (self.pass.model.config.hidden_size, self.pass.model.config.head_size());
        let groups = d / arithmetic.group();
        let sequence = self.pass.batch.range(own.sequence);
        let mut input = Tiles::new(arithmetic);
        input.encode(Matrix::new(&self.x[sequence.start * c..sequence.end * c], c));
        par_run(out.chunks_exact_mut(self.rows.len() * d).enumerate().collect(), |(head, out)| {
            let (weights, queries) = (&self.weights[head], &self.queries[head]);
            let [mut k, mut v] = [(); 2].map(|()| vec![0.0; sequence.len() * d]); // (T, D)
            product(input.all(), weights.key.all(), Start::Zero, &mut MatrixMut::new(&mut k, d));
            weights.value.apply(input.all(), 0..d, &mut MatrixMut::new(&mut v, d));
            let mut keys = Keys::new(arithmetic);
            let [k, v] = [self.encoded(&k, d), self.encoded(&v, d)];
            keys.set(Matrix::new(&k, groups), Matrix::new(&v, groups));
            let own = own.globals.start * d..own.globals.end * d;
            let rows = self.encoded(&queries[own.clone()], d);
            let mut block = Queries::new(arithmetic, d);
            let width = block.count_max();
            for (rows, out) in rows.chunks(width * groups).zip(out[own].chunks_mut(width * d)) {
                block.set(Matrix::new(rows, groups));
                attend(&mut block, &keys, Visibility::All);
                block.write(&mut MatrixMut::new(out, d));
            }
        });
    }

    /// Rows of `columns` numbers as groups.
    fn encoded(&self, x: &[f32], columns: usize) -> Vec<i32> {
        let arithmetic = self.pass.model.computing.attention;
        let mut out = vec![0; x.len() / arithmetic.group()];
        let mut groups = MatrixMut::new(&mut out, columns / arithmetic.group());
        encode(arithmetic, Matrix::new(x, columns), &mut groups);
        out
    }
}
