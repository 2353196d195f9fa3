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

mod backward;

use std::ops::Range;

use longspan_kernels::{
    Arithmetic, Matrix, MatrixMut, Start, Tiles, TilesPart, add_layer_norm, drop_row, encode, gelu, layer_norm, product,
};

pub(crate) use backward::{LayerGradients, backward};

use super::attention::local_attention;
use super::embeddings::Embeddings;
use super::global::global_attention;
use super::global_training::{self, KeptGlobals};
use super::split::{self, Pool, Split};
use super::times::{Phase, Times};
use super::trainable::Dropout;
use super::weights::{LayerTraining, Linear, Network, Norm};
use super::{Batch, embeddings};
use crate::random;

/// Columns of the middle of a feed-forward, and of queries, keys and values, that are computed at once. It is a whole
/// number of int8's blocks of the reduced index, so that scales do not depend on it.
const PIECE: usize = 384;

/// One pass of a batch.
pub(crate) struct Pass<'a> {
    pub model: &'a Network,
    pub embeddings: &'a Embeddings<'a>,
    pub batch: &'a Batch,
    pub split: Split,
    pub dropout: Dropout,
    /// The layers of a model in training; empty in inference.
    pub training: &'a [LayerTraining],
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
    /// Another piece, on the way back.
    other: Vec<f32>,
}

/// What a layer keeps for the way back. In inference all but the projections are empty, and those serve every layer.
#[derive(Debug, Default)]
pub(crate) struct KeptLayer {
    pub input: Vec<i32>, // (T, C / group)
    /// Those that [`Pass::projections`] counts.
    pub projections: Vec<i32>, // (T, P · C / group); in inference too
    pub log_sums: Vec<f32>, // by sequence (H, T)
    pub attended: Vec<i32>, // (T, C / group)
    pub attention_sum: Vec<f32>, // (T, C), before its layer norm
    pub middle: Vec<i32>, // (T, F / group), before GELU
    pub output_sum: Vec<f32>, // (T, C), before its layer norm
    pub globals: KeptGlobals,
}

impl KeptLayer {
    /// Room for what a pass keeps, in the memory of passes before.
    fn resize(&mut self, pass: &Pass<'_>, keeps: bool) {
        let (t, config, computing) = (pass.batch.tokens(), &pass.model.config, pass.model.computing);
        let (c, h, f) = (config.hidden_size, config.num_attention_heads, config.intermediate_size);
        let (group, kept) = (computing.linear.group(), if keeps { t } else { 0 });
        self.projections.resize(t * pass.projections() * c / computing.attention.group(), 0);
        let inputs = if pass.training.is_empty() { 0 } else { t };
        self.input.resize(inputs * c / group, 0);
        self.log_sums.resize(kept * h, 0.0);
        self.attended.resize(kept * c / group, 0);
        self.attention_sum.resize(kept * c, 0.0);
        self.middle.resize(kept * f / group, 0);
        self.output_sum.resize(kept * c, 0.0);
    }
}

/// What a pass keeps for the way back.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// All of them, or one, into which they are computed again.
    pub layers: Vec<KeptLayer>,
    /// Inputs of the layers where they are computed again: (T, C) each.
    pub inputs: Vec<Vec<f32>>,
    /// The last hidden states: (T, C).
    pub last: Vec<f32>,
}

/// The last hidden states of a batch: (T, C).
pub(crate) fn forward(pass: &Pass<'_>) -> Vec<f32> {
    let mut x = pass.embed();
    let mut attended = vec![0.0; x.len()]; // by sequence (H, T, D)
    let mut kept = KeptLayer::default();
    for layer in 0..pass.model.weights.layers.len() {
        pass.layer(layer, &mut x, &mut attended, &mut kept, false);
    }
    x
}

/// The same, with what the way back needs; of layers from `first` on.
pub(crate) fn forward_kept(pass: &Pass<'_>, first: usize, recompute: bool, kept: &mut Kept) {
    let mut x = pass.embed();
    let mut attended = vec![0.0; x.len()]; // by sequence (H, T, D)
    let layers = pass.model.weights.layers.len();
    let trained = layers - first;
    kept.layers.resize_with(if recompute { 1 } else { trained.max(1) }, KeptLayer::default);
    kept.inputs.resize_with(if recompute { trained } else { 0 }, Vec::new);
    for layer in 0..layers {
        // Layers that are not trained keep nothing: they share the memory of the first one that does.
        let place = layer.saturating_sub(first);
        if recompute && layer >= first {
            kept.inputs[place].clone_from(&x);
        }
        let keeps = layer >= first && !recompute;
        pass.layer(layer, &mut x, &mut attended, &mut kept.layers[if recompute { 0 } else { place }], keeps);
    }
    kept.last = x;
}

impl<'a> Pass<'a> {
    pub fn new(
        model: &'a Network,
        embeddings: &'a Embeddings<'a>,
        batch: &'a Batch,
        split: Split,
        times: &'a Times,
    ) -> Self {
        let sequence_of = (0..batch.sequences()).flat_map(|s| std::iter::repeat_n(s, batch.range(s).len())).collect();
        Self {
            model,
            embeddings,
            batch,
            split,
            dropout: Dropout::NONE,
            training: &[],
            sequence_of,
            times,
            workspaces: Pool::new(),
        }
    }

    /// The first hidden states: (T, C).
    fn embed(&self) -> Vec<f32> {
        self.times.count(Phase::Embeddings, rayon::current_num_threads(), || embeddings::embed(self))
    }

    /// One layer.
    ///
    /// - `x`: (T, C)
    /// - `attended`: by sequence (H, T, D), working memory
    pub fn layer(&self, index: usize, x: &mut [f32], attended: &mut [f32], kept: &mut KeptLayer, keeps: bool) {
        let (layer, config) = (&self.model.weights.layers[index], &self.model.config);
        let (c, computing, times) = (config.hidden_size, self.model.computing, self.times);
        let (group, groups) = (computing.linear.group(), self.projections() * c / computing.attention.group());
        // Some phases use all threads within, others run once for each block, which has as many as its weights have parts.
        let (threads, block_threads) = (rayon::current_num_threads(), self.split.columns);
        kept.resize(self, keeps);
        let blocks = &self.split.blocks;
        let work = blocks.iter().zip(self.cut(&mut kept.projections, groups)).zip(self.cut(&mut kept.input, c / group));
        split::run(work.collect(), |((block, out), input)| {
            times.count(Phase::Projections, block_threads, || {
                self.with_workspace(|workspace| {
                    workspace.encode_input(self.rows(x, block), input);
                    self.project(&layer.query_key_value, 0, out, workspace);
                    if self.projections() > 3 {
                        self.project(&self.training[index].global_key_value, 3 * c, out, workspace);
                    }
                });
            });
        });
        let projections = Matrix::new(&kept.projections, groups);
        local_attention(self, projections, index, attended, &mut kept.log_sums);
        times.count(Phase::GlobalAttention, threads, || match self.training.get(index) {
            None => global_attention(self, layer, x, attended),
            Some(layer) => {
                let input = Matrix::new(&kept.input, c / group);
                global_training::forward(self, layer, input, projections, attended, &mut kept.globals);
            }
        });
        let work = blocks.iter().zip(self.cut(x, c)).zip(self.cut(&mut kept.attended, c / group));
        let sums = self.cut(&mut kept.attention_sum, c).into_iter().zip(self.cut(&mut kept.output_sum, c));
        let work = work.zip(self.cut(&mut kept.middle, config.intermediate_size / group)).zip(sums);
        split::run(work.collect(), |((((block, x), rows), middle), (attention_sum, output_sum))| {
            self.with_workspace(|workspace| {
                times.count(Phase::AttentionOutput, block_threads, || {
                    workspace.gather(self, attended, block, rows);
                    self.attention_output(index, block, x, attention_sum, workspace);
                });
                let kept = (middle, output_sum);
                times.count(Phase::FeedForward, block_threads, || self.feed_forward(index, block, x, kept, workspace));
            });
        });
    }

    /// P, how many projections of C numbers each token has; in inference global attention is made without its own.
    pub fn projections(&self) -> usize {
        if self.training.is_empty() { 3 } else { self.batch.projections() }
    }

    /// Cuts rows of `columns` into blocks.
    pub fn cut<'x, T>(&self, x: &'x mut [T], columns: usize) -> Vec<&'x mut [T]> {
        split::cut(&self.split.blocks, x, |block| block.len() * columns)
    }

    /// Drops numbers of rows of the batch: (rows, C). A place of the model is the embeddings, 0, or layer l after its
    /// attention, 2l + 1, or after its feed-forward, 2l + 2.
    pub fn drop(&self, place: usize, rows: &Range<usize>, x: &mut [f32]) {
        let Dropout { share, seed, first_sequence } = self.dropout;
        if share == 0.0 {
            return;
        }
        for (t, row) in rows.clone().zip(x.chunks_exact_mut(self.model.config.hidden_size)) {
            let sequence = self.sequence_of[t];
            let at = t - self.batch.range(sequence).start;
            let key = random::number(seed, &[place as u64, (first_sequence + sequence) as u64, at as u64]);
            drop_row(self.model.isa(), row, key, share);
        }
    }

    /// x = LN(x + update)
    ///
    /// - `x`, `update`: (rows, C)
    /// - `sum`: the same, to keep x + update, or empty
    fn add_norm(&self, x: &mut [f32], update: &[f32], norm: &Norm, sum: &mut [f32]) {
        let (isa, eps) = (self.model.isa(), self.model.config.layer_norm_eps);
        if sum.is_empty() {
            return add_layer_norm(isa, x, update, &norm.weight, &norm.bias, eps);
        }
        for ((sum, x), update) in sum.iter_mut().zip(&mut *x).zip(update) {
            *sum = *x + update;
            *x = *sum;
        }
        layer_norm(isa, x, &norm.weight, &norm.bias, eps);
    }

    /// Runs `f` with working memory that no other thread uses.
    pub fn with_workspace<R>(&self, f: impl FnOnce(&mut Workspace) -> R) -> R {
        let new = || {
            let tiles = || Tiles::new(self.model.computing.linear);
            let [piece, update, other] = [(); 3].map(|()| Vec::new());
            Workspace { input: tiles(), middle_tiles: tiles(), piece, update, other }
        };
        self.workspaces.with(new, f)
    }

    /// Some rows of hidden states.
    pub fn rows<'x>(&self, x: &'x [f32], rows: &Range<usize>) -> Matrix<'x> {
        let c = self.model.config.hidden_size;
        Matrix::new(&x[rows.start * c..rows.end * c], c)
    }

    /// Projections of the rows in `workspace.input`, as groups.
    ///
    /// - `out`: (rows, projections · C / group), of which these begin at column `at`
    fn project(&self, weight: &Linear, at: usize, out: &mut [i32], workspace: &mut Workspace) {
        let (input, n) = (workspace.input.all(), weight.bias.len());
        let (rows, arithmetic) = (input.rows(), self.model.computing.attention);
        let all = self.projections() * self.model.config.hidden_size;
        let pieces = split::ranges(n, n.div_ceil(PIECE), PIECE);
        let compute = |columns: &Range<usize>, piece: &mut Vec<f32>| {
            piece.resize(rows * columns.len(), 0.0);
            linear(weight, input.clone(), columns.clone(), &mut MatrixMut::new(piece, columns.len()));
        };
        let mut put = |columns: &Range<usize>, piece: &[f32]| {
            encode_columns(arithmetic, piece, &(at + columns.start..at + columns.end), out, all);
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

    /// x = LN(a·Wo + x), a being the rows in `workspace.input`.
    ///
    /// - `x`: (rows, C)
    /// - `sum`: (rows, C), or empty
    fn attention_output(
        &self,
        index: usize,
        rows: &Range<usize>,
        x: &mut [f32],
        sum: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let layer = &self.model.weights.layers[index];
        let Workspace { input, update, .. } = workspace;
        update.resize(x.len(), 0.0);
        self.linears(&layer.attention_output.bias, update, |columns, out| {
            linear(&layer.attention_output, input.all(), columns, out);
        });
        self.drop(2 * index + 1, rows, update);
        self.add_norm(x, update, &layer.attention_norm, sum);
    }

    /// x = LN(gelu(x·Wi)·Wf + x)
    ///
    /// - `x`: (rows, C)
    /// - `kept_middle`, `sum`: (rows, F / group) and (rows, C), or empty
    fn feed_forward(
        &self,
        index: usize,
        rows: &Range<usize>,
        x: &mut [f32],
        (kept_middle, sum): (&mut [i32], &mut [f32]),
        workspace: &mut Workspace,
    ) {
        let layer = &self.model.weights.layers[index];
        let (c, isa) = (self.model.config.hidden_size, self.model.isa());
        let Workspace { input, middle_tiles, piece, update, .. } = workspace;
        input.encode(Matrix::new(x, c));
        let f = layer.intermediate.bias.len();
        let pieces = split::ranges(f, f.div_ceil(PIECE), PIECE);
        // gelu(x·Wi), some columns of it.
        let middle = |columns: &Range<usize>, piece: &mut Vec<f32>, tiles: &mut Tiles, kept: &mut [i32]| {
            piece.resize(input.rows() * columns.len(), 0.0);
            let mut out = MatrixMut::new(piece, columns.len());
            linear(&layer.intermediate, input.all(), columns.clone(), &mut out);
            if !kept.is_empty() {
                encode_columns(self.model.computing.linear, piece, columns, kept, f);
            }
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
                middle(columns, piece, middle_tiles, kept_middle);
                output(middle_tiles, columns, 0..c, &mut MatrixMut::new(update, c));
            }
        } else {
            let middles = split::map(&pieces, |columns| {
                let mut tiles = Tiles::new(self.model.computing.linear);
                middle(columns, &mut Vec::new(), &mut tiles, &mut []);
                tiles
            });
            self.linears(&layer.output.bias, update, |columns, out| {
                middles.iter().zip(&pieces).for_each(|(tiles, middle)| output(tiles, middle, columns.clone(), out));
            });
        }
        self.drop(2 * index + 2, rows, update);
        self.add_norm(x, update, &layer.output_norm, sum);
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

impl Workspace {
    /// Rows of hidden states become the left operand; where `kept` is not empty it keeps them as groups.
    ///
    /// - `kept`: (rows, C / group)
    fn encode_input(&mut self, x: Matrix<'_>, kept: &mut [i32]) {
        if kept.is_empty() {
            return self.input.encode(x);
        }
        let groups = kept.len() / x.rows();
        encode(self.input.arithmetic(), x, &mut MatrixMut::new(kept, groups));
        self.input.copy(Matrix::new(kept, groups));
    }

    /// Rows of what attention gave become the left operand: see [`Workspace::encode_input`].
    ///
    /// - `attended`: by sequence (H, T, D)
    fn gather(&mut self, pass: &Pass<'_>, attended: &[f32], rows: &Range<usize>, kept: &mut [i32]) {
        let (c, d) = (pass.model.config.hidden_size, pass.model.config.head_size());
        let fill = |i: usize, row: &mut [f32]| {
            let sequence = pass.batch.range(pass.sequence_of[rows.start + i]);
            let attended = &attended[sequence.start * c..sequence.end * c];
            let at = rows.start + i - sequence.start;
            for (head, out) in row.chunks_exact_mut(d).enumerate() {
                copy(&attended[(head * sequence.len() + at) * d..][..d], out);
            }
        };
        if kept.is_empty() {
            return self.input.encode_with(rows.len(), c, fill);
        }
        self.update.resize(rows.len() * c, 0.0);
        self.update.chunks_exact_mut(c).enumerate().for_each(|(i, row)| fill(i, row));
        let groups = kept.len() / rows.len();
        encode(self.input.arithmetic(), Matrix::new(&self.update, c), &mut MatrixMut::new(kept, groups));
        self.input.copy(Matrix::new(kept, groups));
    }
}

/// Copies a head's numbers of a token: so few that the call of a general copy would cost more than the copy.
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    let ((from, rest), (to, to_rest)) = (from.as_chunks::<16>(), to.as_chunks_mut::<16>());
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    to_rest.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
}

/// Numbers of some columns become groups of rows of N columns.
///
/// - `x`: (rows, columns)
/// - `out`: (rows, N / group)
fn encode_columns(arithmetic: Arithmetic, x: &[f32], columns: &Range<usize>, out: &mut [i32], n: usize) {
    let x = Matrix::new(x, columns.len());
    let (at, stride) = (columns.start / arithmetic.group(), n / arithmetic.group());
    let mut out = MatrixMut::with_stride(&mut out[at..], stride, columns.len() / arithmetic.group(), x.rows());
    encode(arithmetic, x, &mut out);
}

/// Some columns of y = x·W + b: (rows, K) → (rows, columns).
pub(crate) fn linear(layer: &Linear, x: TilesPart<'_>, columns: Range<usize>, y: &mut MatrixMut<'_>) {
    let weight = layer.panels.part(0..layer.panels.k(), columns.clone());
    product(x, weight, Start::Bias(&layer.bias[columns]), y);
}
