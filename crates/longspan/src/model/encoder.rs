//! Layers: the first hidden states → the last.
//!
//! ```text
//! for each layer:
//!     q, k, v = x·Wq/√D, x·Wk, x·Wv
//!     a = attention(q, k, v), each token over its window and the global tokens          (attention.rs)
//!     a[i] = attention by the global projections over all tokens, for each global token i        (global.rs)
//!     x = LN(a·Wo + x)
//!     x = LN(gelu(x·Wi)·Wf + x)
//! ```
//!
//! Shapes and rules are those of Beltagy et al., "Longformer" (arXiv 2004.05150), section 3, in the post-LN block of BERT.
//! The rows of a block go through a layer's linear part together, its middle in pieces that stay in the cache.

use std::ops::Range;

use longspan_kernels::{Matrix, MatrixMut, Start, Tiles, TilesPart, add_layer_norm, encode, gelu, product};

use super::attention::local_attention;
use super::global::global_attention;
use super::split::{self, Pool, Split};
use super::times::{Phase, Times};
use super::weights::{Layer, Linear};
use super::{Batch, Model, embeddings};

/// Columns of the middle of a feed-forward, and of queries, keys and values, that are computed at once. It is a whole
/// number of blocks of the reduced index, so that scales in int8 do not depend on it.
const PIECE: usize = 384;

/// One pass of a batch.
pub(crate) struct Pass<'a> {
    pub model: &'a Model,
    pub batch: &'a Batch,
    pub split: Split,
    /// The sequence of each token: (T).
    pub sequence_of: Vec<usize>,
    pub times: &'a Times,
    workspaces: Pool<Workspace>,
}

/// Working memory of one thread.
pub(crate) struct Workspace {
    /// A block of rows as left operand.
    input: Tiles,
    /// A piece of the middle of a feed-forward as left operand.
    middle_tiles: Tiles,
    /// A piece of outputs: (rows, PIECE).
    piece: Vec<f32>,
    /// What is added to the residual: (rows, C).
    update: Vec<f32>,
}

/// The last hidden states of a batch: (T, C).
pub(crate) fn forward(model: &Model, batch: &Batch, times: &Times) -> Vec<f32> {
    let sequence_of = (0..batch.sequences()).flat_map(|s| std::iter::repeat_n(s, batch.range(s).len())).collect();
    let split = Split::new(batch.tokens(), model.computing.linear.tile_rows());
    let pass = Pass { model, batch, split, sequence_of, times, workspaces: Pool::new() };
    // Some phases use all threads within, others run once for each block, which has as many as its weights have parts.
    let (threads, block_threads) = (rayon::current_num_threads(), pass.split.columns);
    let mut x = times.count(Phase::Embeddings, threads, || embeddings::embed(&pass)); // (T, C)
    let groups = 3 * model.config.hidden_size / model.computing.attention.group();
    let mut qkv = vec![0; batch.tokens() * groups]; // (T, 3C / group)
    let mut attended = vec![0.0; x.len()]; // by sequence (H, T, D)
    for (layer, &window) in model.weights.layers.iter().zip(&model.config.attention_window) {
        pass.for_each_block(&mut qkv, groups, |block, rows, workspace| {
            times.count(Phase::Projections, block_threads, || {
                workspace.input.encode(pass.rows(&x, &block));
                pass.project(layer, rows, workspace);
            });
        });
        local_attention(&pass, Matrix::new(&qkv, groups), window / 2, &mut attended);
        times.count(Phase::GlobalAttention, threads, || global_attention(&pass, layer, &x, &mut attended));
        pass.for_each_block(&mut x, model.config.hidden_size, |block, x, workspace| {
            times.count(Phase::AttentionOutput, block_threads, || {
                pass.attention_output(layer, &attended, block, x, workspace);
            });
            times.count(Phase::FeedForward, block_threads, || pass.feed_forward(layer, x, workspace));
        });
    }
    x
}

impl<'a> Pass<'a> {
    /// Runs `f` for every block on its rows of `x` (T, columns), on all threads.
    pub fn for_each_block<T: Send>(
        &self,
        x: &mut [T],
        columns: usize,
        f: impl Fn(Range<usize>, &mut [T], &mut Workspace) + Sync,
    ) {
        split::for_each(
            &self.split.blocks,
            x,
            |block| block.len() * columns,
            |block, rows| {
                self.with_workspace(|workspace| f(block.clone(), rows, workspace));
            },
        );
    }

    fn with_workspace<R>(&self, f: impl FnOnce(&mut Workspace) -> R) -> R {
        let new = || {
            let tiles = || Tiles::new(self.model.computing.linear);
            Workspace { input: tiles(), middle_tiles: tiles(), piece: Vec::new(), update: Vec::new() }
        };
        self.workspaces.with(new, f)
    }

    /// Some rows of hidden states.
    fn rows<'x>(&self, x: &'x [f32], rows: &Range<usize>) -> Matrix<'x> {
        let c = self.model.config.hidden_size;
        Matrix::new(&x[rows.start * c..rows.end * c], c)
    }

    /// Queries, keys and values of the rows in `workspace.input`, as groups: (rows, 3C / group).
    fn project(&self, layer: &Layer, out: &mut [i32], workspace: &mut Workspace) {
        let (input, n) = (workspace.input.all(), layer.query_key_value.bias.len());
        let arithmetic = self.model.computing.attention;
        let (rows, group) = (input.rows(), arithmetic.group());
        let pieces = split::ranges(n, n.div_ceil(PIECE), PIECE);
        let compute = |columns: &Range<usize>, piece: &mut Vec<f32>| {
            piece.resize(rows * columns.len(), 0.0);
            linear(&layer.query_key_value, input.clone(), columns.clone(), &mut MatrixMut::new(piece, columns.len()));
        };
        let mut put = |columns: &Range<usize>, piece: &[f32]| {
            let (at, stride) = (columns.start / group, n / group);
            let mut out = MatrixMut::with_stride(&mut out[at..], stride, columns.len() / group, rows);
            encode(arithmetic, Matrix::new(piece, columns.len()), &mut out);
        };
        if self.split.columns == 1 {
            for columns in &pieces {
                compute(columns, &mut workspace.piece);
                put(columns, &workspace.piece);
            }
            return;
        }
        let computed = split::map(&pieces, |columns| {
            let mut piece = Vec::new();
            compute(columns, &mut piece);
            piece
        });
        pieces.iter().zip(&computed).for_each(|(columns, piece)| put(columns, piece));
    }

    /// x = LN(a·Wo + x)
    ///
    /// - `attended`: by sequence (H, T, D)
    /// - `x`: (rows, C)
    fn attention_output(
        &self,
        layer: &Layer,
        attended: &[f32],
        rows: Range<usize>,
        x: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let (c, d) = (self.model.config.hidden_size, self.model.config.head_size());
        let Workspace { input, update, .. } = workspace;
        input.encode_with(rows.len(), c, |i, row| {
            let sequence = self.batch.range(self.sequence_of[rows.start + i]);
            let attended = &attended[sequence.start * c..sequence.end * c];
            let at = rows.start + i - sequence.start;
            for (head, out) in row.chunks_exact_mut(d).enumerate() {
                out.copy_from_slice(&attended[(head * sequence.len() + at) * d..][..d]);
            }
        });
        update.resize(x.len(), 0.0);
        self.linears(&layer.attention_output.bias, update, |columns, out| {
            linear(&layer.attention_output, input.all(), columns, out);
        });
        let norm = &layer.attention_norm;
        add_layer_norm(self.model.isa(), x, update, &norm.weight, &norm.bias, self.model.config.layer_norm_eps);
    }

    /// x = LN(gelu(x·Wi)·Wf + x)
    ///
    /// - `x`: (rows, C)
    fn feed_forward(&self, layer: &Layer, x: &mut [f32], workspace: &mut Workspace) {
        let (c, isa) = (self.model.config.hidden_size, self.model.isa());
        let Workspace { input, middle_tiles, piece, update } = workspace;
        input.encode(Matrix::new(x, c));
        let f = layer.intermediate.bias.len();
        let pieces = split::ranges(f, f.div_ceil(PIECE), PIECE);
        // gelu(x·Wi), some columns of it.
        let middle = |columns: &Range<usize>, piece: &mut Vec<f32>, tiles: &mut Tiles| {
            piece.resize(input.rows() * columns.len(), 0.0);
            let mut out = MatrixMut::new(piece, columns.len());
            linear(&layer.intermediate, input.all(), columns.clone(), &mut out);
            gelu(isa, piece);
            tiles.encode(Matrix::new(piece, columns.len()));
        };
        // What these columns of the middle add to the output: the first of them begin with the bias.
        let output = |tiles: &Tiles, middle: &Range<usize>, columns: Range<usize>, out: &mut MatrixMut<'_>| {
            let weight = layer.output.panels.part(middle.clone(), columns.clone());
            let start = if middle.start == 0 { Start::Bias(&layer.output.bias[columns]) } else { Start::Out };
            product(tiles.all(), weight, start, out);
        };
        update.resize(x.len(), 0.0);
        if self.split.columns == 1 {
            for columns in &pieces {
                middle(columns, piece, middle_tiles);
                output(middle_tiles, columns, 0..c, &mut MatrixMut::new(update, c));
            }
        } else {
            let middles = split::map(&pieces, |columns| {
                let mut tiles = Tiles::new(self.model.computing.linear);
                middle(columns, &mut Vec::new(), &mut tiles);
                tiles
            });
            self.linears(&layer.output.bias, update, |columns, out| {
                middles.iter().zip(&pieces).for_each(|(tiles, middle)| output(tiles, middle, columns.clone(), out));
            });
        }
        let norm = &layer.output_norm;
        add_layer_norm(isa, x, update, &norm.weight, &norm.bias, self.model.config.layer_norm_eps);
    }

    /// Computes all columns of `out` (rows, N), whose number is that of `bias`: at once, or parts of them on all threads.
    fn linears(&self, bias: &[f32], out: &mut [f32], compute: impl Fn(Range<usize>, &mut MatrixMut<'_>) + Sync) {
        let n = bias.len();
        if self.split.columns == 1 {
            return compute(0..n, &mut MatrixMut::new(out, n));
        }
        let ranges = split::ranges(n, self.split.columns, self.model.computing.linear.panel_width());
        let rows = out.len() / n;
        let parts = split::map(&ranges, |columns| {
            let mut part = vec![0.0; rows * columns.len()]; // (rows, columns)
            compute(columns.clone(), &mut MatrixMut::new(&mut part, columns.len()));
            part
        });
        let blocks = split::ranges(rows, self.split.columns, 1);
        split::for_each(
            &blocks,
            out,
            |block| block.len() * n,
            |block, out| {
                for (i, row) in block.clone().zip(out.chunks_exact_mut(n)) {
                    for (columns, part) in ranges.iter().zip(&parts) {
                        row[columns.clone()].copy_from_slice(&part[i * columns.len()..][..columns.len()]);
                    }
                }
            },
        );
    }
}

/// Some columns of y = x·W + b: (rows, K) → (rows, columns).
pub(crate) fn linear(layer: &Linear, x: TilesPart<'_>, columns: Range<usize>, y: &mut MatrixMut<'_>) {
    let weight = layer.panels.part(0..layer.panels.k(), columns.clone());
    product(x, weight, Start::Bias(&layer.bias[columns]), y);
}
