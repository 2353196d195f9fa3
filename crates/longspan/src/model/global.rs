//! Attention of the global tokens over all tokens of their sequence, by the global projections.
//!
//! ```text
//! plain:     k[j] = x[j]·Wk,  v[j] = x[j]·Wv + bv          for every token j
//!            out  = softmax(q·k[j]) over j, times v[j]
//! absorbed:  r    = q·Wkᵀ                                  for every global token
//!            out  = (softmax(r·x[j]) over j, times x[j])·Wv + bv
//! ```
//!
//! Both give the same: a score q·(x·Wk) is (q·Wkᵀ)·x, and weights that sum to 1 pass through Wv. Absorbed, nothing is
//! projected for tokens that are not global; a query becomes C wide instead of D, so it pays while there are no more
//! global tokens than a head is wide. Which form is used depends on the sequence alone.

use std::ops::Range;

use longspan_kernels::{
    KEY_CHUNK, Keys, Matrix, MatrixMut, Queries, Start, Tiles, Visibility, attend, encode, product,
};

use super::encoder::{Pass, linear};
use super::split;
use super::weights::Layer;

/// Tokens whose hidden states are packed together.
const TOKENS: usize = 4 * KEY_CHUNK;

/// Global attention in one layer.
struct Globals<'a> {
    pass: &'a Pass<'a>,
    layer: &'a Layer,
    x: &'a [f32],           // (T, C)
    rows: Vec<usize>,       // of the global tokens of all sequences: (G)
    queries: Vec<Vec<f32>>, // by head: (G, D)
}

/// The global tokens of one sequence.
struct Own {
    sequence: usize,
    /// Where they stand among those of all sequences.
    globals: Range<usize>,
}

/// Replaces the rows of global tokens.
///
/// - `x`: (T, C)
/// - `attended`: by sequence (H, T, D)
pub(crate) fn global_attention(pass: &Pass<'_>, layer: &Layer, x: &[f32], attended: &mut [f32]) {
    let (c, d) = (pass.model.config.hidden_size, pass.model.config.head_size());
    let batch = pass.batch;
    let (mut rows, mut absorbed, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for sequence in 0..batch.sequences() {
        let own = batch.globals(sequence);
        let globals = rows.len()..rows.len() + own.len();
        rows.extend(own.iter().map(|&i| batch.range(sequence).start + i));
        match own.len() {
            0 => {}
            count if count <= d => absorbed.push(Own { sequence, globals }),
            _ => plain.push(Own { sequence, globals }),
        }
    }
    if rows.is_empty() {
        return;
    }
    let mut input = Tiles::new(pass.model.computing.attention);
    input.encode_with(rows.len(), c, |i, row| row.copy_from_slice(&x[rows[i] * c..][..c]));
    let queries = split::map(&layer.global, |head| {
        let mut queries = vec![0.0; rows.len() * d]; // (G, D)
        linear(&head.query, input.all(), 0..d, &mut MatrixMut::new(&mut queries, d));
        queries
    });
    let globals = Globals { pass, layer, x, rows, queries };
    let mut out = vec![0.0; layer.global.len() * globals.rows.len() * d]; // (H, G, D)
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

impl Globals<'_> {
    /// - `out`: (H, G, D)
    fn attend_absorbed(&self, sequences: &[Own], out: &mut [f32]) {
        if sequences.is_empty() {
            return;
        }
        let (c, d) = (self.pass.model.config.hidden_size, self.pass.model.config.head_size());
        let blocks = self.attend_hidden_states(sequences);
        let all = self.rows.len();
        let mut contexts: Vec<&[f32]> = vec![&[]; self.layer.global.len() * all]; // (H, G), (C)
        for (own, first, seen) in &blocks {
            for (i, row) in (*first..).zip(seen.chunks_exact(c)) {
                let count = own.globals.len();
                contexts[i / count * all + own.globals.start + i % count] = row;
            }
        }
        let heads: Vec<usize> = (0..self.layer.global.len()).collect();
        split::for_each(
            &heads,
            out,
            |_| all * d,
            |&head, out| {
                let mut tiles = Tiles::new(self.pass.model.computing.attention);
                tiles.encode_with(all, c, |i, row| match contexts[head * all + i] {
                    [] => row.fill(0.0), // of a sequence that is not absorbed
                    context => row.copy_from_slice(context),
                });
                linear(&self.layer.global[head].value, tiles.all(), 0..d, &mut MatrixMut::new(out, d));
            },
        );
    }

    /// What the queries of all heads of each sequence make of its hidden states, in blocks: the first query of the block,
    /// counted head by head, and (queries, C).
    fn attend_hidden_states<'s>(&self, sequences: &'s [Own]) -> Vec<(&'s Own, usize, Vec<f32>)> {
        let (c, arithmetic) = (self.pass.model.config.hidden_size, self.pass.model.computing.attention);
        let heads: Vec<usize> = (0..self.layer.global.len()).collect();
        let wide = split::map(&heads, |&head| self.widen(head)); // by head: (G, C / group)
        let starts = |s: usize| (0..self.pass.batch.range(sequences[s].sequence).len()).step_by(TOKENS);
        let parts: Vec<_> = (0..sequences.len()).flat_map(|s| starts(s).map(move |from| (s, from))).collect();
        let keys = split::map(&parts, |&(s, from)| self.hidden_keys(&sequences[s], from));

        let (width, groups) = (arithmetic.panel_width(), c / arithmetic.group());
        let firsts = |s: usize| (0..heads.len() * sequences[s].globals.len()).step_by(width);
        let blocks: Vec<_> = (0..sequences.len()).flat_map(|s| firsts(s).map(move |first| (s, first))).collect();
        split::map(&blocks, |&(s, first)| {
            let own = &sequences[s];
            let count = own.globals.len();
            let queries = first..(heads.len() * count).min(first + width);
            let rows = queries.clone().flat_map(|i| {
                let row = own.globals.start + i % count;
                &wide[i / count][row * groups..(row + 1) * groups]
            });
            let rows: Vec<i32> = rows.copied().collect(); // (queries, C / group)
            let mut block = Queries::new(arithmetic, c);
            block.set(Matrix::new(&rows, groups));
            for (_, keys) in parts.iter().zip(&keys).filter(|((of, _), _)| *of == s) {
                attend(&mut block, keys, Visibility::All);
            }
            let mut out = vec![0.0; queries.len() * c];
            block.write(&mut MatrixMut::new(&mut out, c));
            (own, first, out)
        })
    }

    /// The queries of one head over hidden states: (G, C / group).
    fn widen(&self, head: usize) -> Vec<i32> {
        let (c, d) = (self.pass.model.config.hidden_size, self.pass.model.config.head_size());
        let mut tiles = Tiles::new(self.pass.model.computing.attention);
        tiles.encode(Matrix::new(&self.queries[head], d));
        let mut wide = vec![0.0; tiles.rows() * c]; // (G, C)
        let key = &self.layer.global[head].absorbed_key;
        product(tiles.all(), key.all(), Start::Zero, &mut MatrixMut::new(&mut wide, c));
        self.encoded(&wide, c)
    }

    /// The hidden states of a sequence from a token on, as keys and values at once.
    fn hidden_keys(&self, own: &Own, from: usize) -> Keys {
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
    fn attend_plain(&self, own: &Own, out: &mut [f32]) {
        let arithmetic = self.pass.model.computing.attention;
        let (c, d) = (self.pass.model.config.hidden_size, self.pass.model.config.head_size());
        let groups = d / arithmetic.group();
        let sequence = self.pass.batch.range(own.sequence);
        let mut input = Tiles::new(arithmetic);
        input.encode(Matrix::new(&self.x[sequence.start * c..sequence.end * c], c));
        let heads: Vec<usize> = (0..self.layer.global.len()).collect();
        let all = self.rows.len() * d; // numbers of a head
        split::for_each(
            &heads,
            out,
            |_| all,
            |&head, out| {
                let (weights, queries) = (&self.layer.global[head], &self.queries[head]);
                let [mut k, mut v] = [(); 2].map(|()| vec![0.0; sequence.len() * d]); // (T, D)
                product(input.all(), weights.key.all(), Start::Zero, &mut MatrixMut::new(&mut k, d));
                linear(&weights.value, input.all(), 0..d, &mut MatrixMut::new(&mut v, d));
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
            },
        );
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
