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

use longspan_kernels::{CHUNK, Keys, Matrix, MatrixMut, Queries, Sight, Start, Tiles, attend, encode, product};

use super::encoder::{Pass, linear};
use super::split;
use super::weights::{GlobalHead, Layer};

/// Tokens whose hidden states are packed together.
const TOKENS: usize = 4 * CHUNK;

/// Replaces the rows of global tokens.
///
/// - `x`: (T, C)
/// - `attended`: by sequence (H, T, D)
pub(crate) fn global_attention(pass: &Pass<'_>, layer: &Layer, x: &[f32], attended: &mut [f32]) {
    let (c, d) = (pass.model.config.hidden_size, pass.model.config.head_size());
    let batch = pass.batch;
    let all: Vec<usize> =
        (0..batch.sequences()).flat_map(|s| batch.globals(s).iter().map(move |&i| batch.range(s).start + i)).collect(); // (G of all sequences)
    if all.is_empty() {
        return;
    }
    let mut input = Tiles::new(pass.model.computing.attention);
    input.encode_with(all.len(), c, |i, row| row.copy_from_slice(&x[all[i] * c..][..c]));
    let queries = split::map(&layer.global, |head| {
        let mut queries = vec![0.0; all.len() * d]; // (G, D)
        linear(&head.query, input.all(), 0..d, &mut MatrixMut::new(&mut queries, d));
        queries
    });
    let mut first = 0;
    let (mut absorbed, mut plain) = (Vec::new(), Vec::new());
    for sequence in 0..batch.sequences() {
        let count = batch.globals(sequence).len();
        let own = Own { sequence, rows: first..first + count };
        match count {
            0 => {}
            _ if count <= d => absorbed.push(own),
            _ => plain.push(own),
        }
        first += count;
    }
    let mut out = vec![0.0; layer.global.len() * all.len() * d]; // (H, G, D)
    if !absorbed.is_empty() {
        attend_absorbed(pass, layer, x, &queries, &absorbed, &mut out);
    }
    for own in &plain {
        attend_plain(pass, layer, x, &queries, own, &mut out);
    }
    for (head, out) in out.chunks_exact(all.len() * d).enumerate() {
        for (&token, out) in all.iter().zip(out.chunks_exact(d)) {
            let sequence = batch.range(pass.sequence_of[token]);
            let row = sequence.start * c + (head * sequence.len() + token - sequence.start) * d;
            attended[row..row + d].copy_from_slice(out);
        }
    }
}

/// The global tokens of one sequence.
struct Own {
    sequence: usize,
    /// Where they stand among those of all sequences.
    rows: std::ops::Range<usize>,
}

/// - `queries`: by head (G, D)
/// - `out`: (H, G, D)
fn attend_absorbed(
    pass: &Pass<'_>,
    layer: &Layer,
    x: &[f32],
    queries: &[Vec<f32>],
    sequences: &[Own],
    out: &mut [f32],
) {
    let (c, d, arithmetic) =
        (pass.model.config.hidden_size, pass.model.config.head_size(), pass.model.computing.attention);
    let groups = c / arithmetic.group();
    let encoded = |x: &[f32]| {
        let mut out = vec![0; x.len() / arithmetic.group()];
        encode(arithmetic, Matrix::new(x, c), &mut MatrixMut::new(&mut out, groups));
        out
    };
    let heads: Vec<(&GlobalHead, &Vec<f32>)> = layer.global.iter().zip(queries).collect();
    let wide = split::map(&heads, |(head, queries)| {
        let mut tiles = Tiles::new(arithmetic);
        tiles.encode(Matrix::new(queries, d));
        let mut wide = vec![0.0; tiles.rows() * c]; // (G, C)
        product(tiles.all(), head.absorbed_key.all(), Start::Zero, &mut MatrixMut::new(&mut wide, c));
        encoded(&wide)
    }); // by head (G, C / group)

    // Hidden states are keys and values at once.
    let parts: Vec<(usize, usize)> = sequences
        .iter()
        .enumerate()
        .flat_map(|(s, own)| (0..pass.batch.range(own.sequence).len()).step_by(TOKENS).map(move |from| (s, from)))
        .collect();
    let keys = split::map(&parts, |&(s, from)| {
        let sequence = pass.batch.range(sequences[s].sequence);
        let tokens = sequence.start + from..sequence.end.min(sequence.start + from + TOKENS);
        let groups_of = encoded(&x[tokens.start * c..tokens.end * c]);
        let mut keys = Keys::new(arithmetic);
        keys.set(Matrix::new(&groups_of, groups), Matrix::new(&groups_of, groups));
        keys
    });

    // Queries of all heads of a sequence, in blocks.
    let width = arithmetic.panel_width();
    let blocks: Vec<(usize, usize)> = sequences
        .iter()
        .enumerate()
        .flat_map(|(s, own)| (0..heads.len() * own.rows.len()).step_by(width).map(move |first| (s, first)))
        .collect();
    let seen = split::map(&blocks, |&(s, first)| {
        let count = sequences[s].rows.len();
        let last = (heads.len() * count).min(first + width);
        let rows = (first..last).flat_map(|i| {
            let row = sequences[s].rows.start + i % count;
            &wide[i / count][row * groups..(row + 1) * groups]
        });
        let rows: Vec<i32> = rows.copied().collect(); // (queries, C / group)
        let mut block = Queries::new(arithmetic, c);
        block.set(Matrix::new(&rows, groups));
        for (_, keys) in parts.iter().zip(&keys).filter(|((of, _), _)| *of == s) {
            attend(&mut block, keys, Sight::All);
        }
        let mut out = vec![0.0; (last - first) * c]; // (queries, C)
        block.write(&mut MatrixMut::new(&mut out, c));
        out
    });

    let mut contexts: Vec<&[f32]> = vec![&[]; out.len() / d]; // (H, G), (C)
    let all = contexts.len() / heads.len();
    for (&(s, first), seen) in blocks.iter().zip(&seen) {
        let own = &sequences[s].rows;
        for (i, row) in seen.chunks_exact(c).enumerate() {
            let (head, row_of) = ((first + i) / own.len(), (first + i) % own.len());
            contexts[head * all + own.start + row_of] = row;
        }
    }
    let heads: Vec<usize> = (0..heads.len()).collect();
    split::for_each(
        &heads,
        out,
        |_| all * d,
        |&head, out| {
            let mut tiles = Tiles::new(arithmetic);
            tiles.encode_with(all, c, |i, row| match contexts[head * all + i] {
                [] => row.fill(0.0), // of a sequence that is not absorbed
                context => row.copy_from_slice(context),
            });
            linear(&layer.global[head].value, tiles.all(), 0..d, &mut MatrixMut::new(out, d));
        },
    );
}

/// - `queries`: by head (G, D)
/// - `out`: (H, G, D)
fn attend_plain(pass: &Pass<'_>, layer: &Layer, x: &[f32], queries: &[Vec<f32>], own: &Own, out: &mut [f32]) {
    let (c, d, arithmetic) =
        (pass.model.config.hidden_size, pass.model.config.head_size(), pass.model.computing.attention);
    let groups = d / arithmetic.group();
    let encoded = |x: &[f32]| {
        let mut out = vec![0; x.len() / arithmetic.group()];
        encode(arithmetic, Matrix::new(x, d), &mut MatrixMut::new(&mut out, groups));
        out
    };
    let sequence = pass.batch.range(own.sequence);
    let mut input = Tiles::new(arithmetic);
    input.encode(Matrix::new(&x[sequence.start * c..sequence.end * c], c));
    let heads: Vec<(&GlobalHead, &Vec<f32>)> = layer.global.iter().zip(queries).collect();
    let all = queries[0].len(); // numbers of a head
    let results = split::map(&heads, |(head, queries)| {
        let [mut k, mut v] = [vec![0.0; sequence.len() * d], vec![0.0; sequence.len() * d]]; // (T, D)
        product(input.all(), head.key.all(), Start::Zero, &mut MatrixMut::new(&mut k, d));
        linear(&head.value, input.all(), 0..d, &mut MatrixMut::new(&mut v, d));
        let mut keys = Keys::new(arithmetic);
        keys.set(Matrix::new(&encoded(&k), groups), Matrix::new(&encoded(&v), groups));
        let rows = encoded(&queries[own.rows.start * d..own.rows.end * d]);
        let mut block = Queries::new(arithmetic, d);
        let mut result = vec![0.0; own.rows.len() * d]; // (own G, D)
        let width = block.count_max();
        for (rows, out) in rows.chunks(width * groups).zip(result.chunks_mut(width * d)) {
            block.set(Matrix::new(rows, groups));
            attend(&mut block, &keys, Sight::All);
            block.write(&mut MatrixMut::new(out, d));
        }
        result
    });
    for (out, result) in out.chunks_exact_mut(all).zip(&results) {
        out[own.rows.start * d..own.rows.end * d].copy_from_slice(result);
    }
}
