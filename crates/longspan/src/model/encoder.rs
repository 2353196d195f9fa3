//! Embeddings and layers: token ids → the last hidden states.
//!
//! ```text
//! x = LN(word[id] + position[i] + token_type[type])
//! for each layer:
//!     q, k, v = x·Wq/√D, x·Wk, x·Wv
//!     a = attention(q, k, v), each token over its window and the global tokens
//!     a[i] = attention(x[i]·Wq_global/√D, x·Wk_global, x·Wv_global) over all tokens, for each global token i
//!     x = LN(a·Wo + x)
//!     x = LN(gelu(x·Wi)·Wf + x)
//! ```
//!
//! Shapes and rules are those of Beltagy et al., "Longformer" (arXiv 2004.05150), section 3, in the post-LN block of BERT.
//! A layer has three parallel steps: the projections; the packing of each head's keys and values; and, block by block
//! of rows, everything from attention to the end of the layer.

use longspan_kernels::{
    BandAttention, Isa, Matrix, MatrixMut, Panels, Scratch, Start, add_layer_norm, band_attention, full_attention,
    gelu, layer_norm, product,
};

use super::split::{self, Block, Workspace};
use super::weights::{Layer, Linear, Norm};
use super::{Batch, Model, batch};

/// The last hidden states of a batch: (T, C).
pub(crate) fn forward(model: &Model, batch: &Batch) -> Vec<f32> {
    let blocks = split::blocks(batch);
    let mut x = embed(model, batch, &blocks); // (T, C)
    let mut qkv = vec![0.0; 3 * x.len()]; // (T, 3C)
    for (layer, &window) in model.weights.layers.iter().zip(&model.config.attention_window) {
        let pass = Pass { model, batch, layer, one_sided_window: window / 2 };
        pass.forward(&blocks, &mut x, &mut qkv);
    }
    x
}

fn embed(model: &Model, batch: &Batch, blocks: &[Block]) -> Vec<f32> {
    let (config, table) = (&model.config, &model.weights.embeddings);
    let c = config.hidden_size;
    let mut x = vec![0.0; batch.tokens() * c]; // (T, C)
    let mut positions = Vec::with_capacity(batch.tokens()); // (T)
    for sequence in 0..batch.sequences() {
        let range = batch.range(sequence);
        let (t, most) = (range.len(), config.max_tokens());
        assert!(t <= most, "a sequence of {t} tokens, the model has positions for {most}");
        positions.extend(batch::positions(&batch.ids[range], config.pad_token_id));
    }
    split::for_each_block(blocks, &mut x, c, |block, rows, _| {
        for (row, t) in rows.chunks_exact_mut(c).zip(block.rows.clone()) {
            let id = batch.ids[t] as usize;
            assert!(id < config.vocab_size, "token id {id}, the model has {}", config.vocab_size);
            let token_type = (batch.token_type_ids[t] as usize).min(config.type_vocab_size - 1);
            let word = &table.words[id * c..][..c];
            let position = &table.positions[positions[t] * c..][..c];
            let token_type = &table.token_types[token_type * c..][..c];
            for (((x, w), p), y) in row.iter_mut().zip(word).zip(position).zip(token_type) {
                *x = w + p + y;
            }
        }
        layer_norm(model.isa, rows, &table.norm.weight, &table.norm.bias, config.layer_norm_eps);
    });
    x
}

/// One layer over one batch.
struct Pass<'a> {
    model: &'a Model,
    batch: &'a Batch,
    layer: &'a Layer,
    one_sided_window: usize,
}

/// Keys and values of one head of one sequence.
struct HeadPanels {
    keys: Panels,          // (D, T)
    values: Panels,        // (T, D)
    global_keys: Panels,   // (D, G)
    global_values: Panels, // (G, D)
}

impl Pass<'_> {
    /// - `x`: (T, C), replaced by the output of the layer
    /// - `qkv`: (T, 3C), working memory
    fn forward(&self, blocks: &[Block], x: &mut [f32], qkv: &mut [f32]) {
        let c = self.model.config.hidden_size;
        let hidden = Matrix::new(x, c);
        split::for_each_block(blocks, qkv, 3 * c, |block, rows, workspace| {
            let x = hidden.rows_in(block.rows.clone());
            linear(self.model.isa, &self.layer.query_key_value, x, rows, &mut workspace.scratch);
        });
        let qkv = Matrix::new(qkv, 3 * c);
        let heads = self.model.config.num_attention_heads;
        let panels = split::map(self.batch.sequences() * heads, |i, _| self.pack(qkv, i / heads, i % heads));
        let globals = self.global_attention(blocks, hidden); // by sequence: (G, C)

        split::for_each_block(blocks, x, c, |block, x, workspace| {
            let mut attended = std::mem::take(&mut workspace.attended);
            attended.resize(x.len(), 0.0);
            let panels = &panels[block.sequence * heads..][..heads];
            self.local_attention(block, qkv, panels, &mut attended, &mut workspace.scratch);
            let own = self.batch.globals(block.sequence);
            for (&i, row) in own.iter().zip(globals[block.sequence].chunks_exact(c)) {
                if (block.first..block.first + block.rows.len()).contains(&i) {
                    attended[(i - block.first) * c..][..c].copy_from_slice(row);
                }
            }
            self.finish(x, &attended, workspace);
            workspace.attended = attended;
        });
    }

    /// Keys and values of one head, local projections for all tokens.
    fn pack(&self, qkv: Matrix<'_>, sequence: usize, head: usize) -> HeadPanels {
        let (isa, config) = (self.model.isa, &self.model.config);
        let (c, d) = (config.hidden_size, config.head_size());
        let qkv = qkv.rows_in(self.batch.range(sequence));
        let keys = qkv.columns_in(c + head * d..c + (head + 1) * d);
        let values = qkv.columns_in(2 * c + head * d..2 * c + (head + 1) * d);
        let globals = self.batch.globals(sequence);
        let gather = |m: Matrix<'_>| globals.iter().flat_map(|&i| m.row(i).to_vec()).collect::<Vec<_>>();
        HeadPanels {
            keys: Panels::from_columns(isa, keys),
            values: Panels::from_rows(isa, values),
            global_keys: Panels::from_columns(isa, Matrix::new(&gather(keys), d)),
            global_values: Panels::from_rows(isa, Matrix::new(&gather(values), d)),
        }
    }

    /// What the tokens of a block see in their windows and of the global tokens: (rows, C).
    fn local_attention(
        &self,
        block: &Block,
        qkv: Matrix<'_>,
        panels: &[HeadPanels],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (c, d) = (self.model.config.hidden_size, self.model.config.head_size());
        let queries = qkv.rows_in(block.rows.clone());
        for (head, panels) in panels.iter().enumerate() {
            let seen = BandAttention {
                keys: &panels.keys,
                values: &panels.values,
                global_keys: &panels.global_keys,
                global_values: &panels.global_values,
                globals: self.batch.globals(block.sequence),
                one_sided_window: self.one_sided_window,
            };
            let queries = queries.columns_in(head * d..(head + 1) * d);
            let mut out = MatrixMut::with_stride(&mut out[head * d..], c, d, block.rows.len());
            band_attention(self.model.isa, seen, queries, block.first, &mut out, scratch);
        }
    }

    /// What the global tokens of each sequence see, by the global projections: (S), (G, C).
    fn global_attention(&self, blocks: &[Block], x: Matrix<'_>) -> Vec<Vec<f32>> {
        let (isa, config, batch) = (self.model.isa, &self.model.config, self.batch);
        let (c, d, heads) = (config.hidden_size, config.head_size(), config.num_attention_heads);
        if (0..batch.sequences()).all(|sequence| batch.globals(sequence).is_empty()) {
            return vec![Vec::new(); batch.sequences()];
        }
        let mut kv = vec![0.0; batch.tokens() * 2 * c]; // (T, 2C)
        split::for_each_block(blocks, &mut kv, 2 * c, |block, rows, workspace| {
            if !batch.globals(block.sequence).is_empty() {
                linear(isa, &self.layer.key_value_global, x.rows_in(block.rows.clone()), rows, &mut workspace.scratch);
            }
        });
        let kv = Matrix::new(&kv, 2 * c);
        let queries = split::map(batch.sequences(), |sequence, workspace| {
            let own = x.rows_in(batch.range(sequence));
            let rows: Vec<f32> = batch.globals(sequence).iter().flat_map(|&i| own.row(i)).copied().collect(); // (G, C)
            let mut queries = vec![0.0; rows.len()]; // (G, C)
            linear(isa, &self.layer.query_global, Matrix::new(&rows, c), &mut queries, &mut workspace.scratch);
            queries
        });
        let by_head = split::map(batch.sequences() * heads, |i, workspace| {
            let (sequence, head) = (i / heads, i % heads);
            let mut out = vec![0.0; batch.globals(sequence).len() * d]; // (G, D)
            if !out.is_empty() {
                let kv = kv.rows_in(batch.range(sequence));
                let keys = Panels::from_columns(isa, kv.columns_in(head * d..(head + 1) * d));
                let values = Panels::from_rows(isa, kv.columns_in(c + head * d..c + (head + 1) * d));
                let queries = Matrix::new(&queries[sequence], c).columns_in(head * d..(head + 1) * d);
                let mut rows = MatrixMut::new(&mut out, d);
                full_attention(isa, &keys, &values, queries, &mut rows, &mut workspace.scratch);
            }
            out
        });
        let side_by_side = |heads: &[Vec<f32>]| {
            let rows = 0..heads[0].len() / d;
            rows.flat_map(|i| heads.iter().flat_map(move |head| &head[i * d..(i + 1) * d])).copied().collect()
        };
        by_head.chunks_exact(heads).map(side_by_side).collect()
    }

    /// From the attention of a block of rows to the end of the layer.
    ///
    /// - `x`: (rows, C), replaced
    /// - `attended`: (rows, C)
    fn finish(&self, x: &mut [f32], attended: &[f32], workspace: &mut Workspace) {
        let (isa, config, layer) = (self.model.isa, &self.model.config, self.layer);
        let (c, f, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let Workspace { scratch, middle, update, .. } = workspace;
        update.resize(x.len(), 0.0);
        middle.resize(x.len() / c * f, 0.0);
        linear(isa, &layer.attention_output, Matrix::new(attended, c), update, scratch);
        add_norm(isa, &layer.attention_norm, x, update, eps);
        linear(isa, &layer.intermediate, Matrix::new(x, c), middle, scratch);
        gelu(isa, middle);
        linear(isa, &layer.output, Matrix::new(middle, f), update, scratch);
        add_norm(isa, &layer.output_norm, x, update, eps);
    }
}

/// y = x·W + b: (rows, K) → (rows, N).
pub(crate) fn linear(isa: Isa, layer: &Linear, x: Matrix<'_>, y: &mut [f32], scratch: &mut Scratch) {
    let mut y = MatrixMut::new(y, layer.bias.len());
    product(isa, x, layer.panels.all(), Start::Bias(&layer.bias), &mut y, scratch);
}

fn add_norm(isa: Isa, norm: &Norm, x: &mut [f32], residual: &[f32], eps: f32) {
    add_layer_norm(isa, x, residual, &norm.weight, &norm.bias, eps);
}
