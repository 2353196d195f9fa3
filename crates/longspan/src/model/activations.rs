//! Activations: what the layers of a training pass save for the backward pass. And their gradients.
//!
//! Inference saves nothing. The next pass reuses all buffers.

use std::ops::Range;

use super::gradients::PackedFactors;
use super::parallel::take;
use super::parameters::layer_name;
use super::pass::Pass;
use super::training_weights::LayerTrainingWeights;

/// Activations of one layer.
#[derive(Debug, Default)]
pub(crate) struct LayerActivations {
    pub input: Vec<i32>,       // (T, C / group)
    pub projections: Vec<i32>, // (T, P · C / group)
    pub log_sums: Vec<f32>,    // by sequence (H, T)
    pub globals: GlobalActivations,
    pub attended: Vec<i32>,          // (T, C / group)
    pub attention_sum: Vec<f32>,     // (T, C), before its layer norm
    pub before_activation: Vec<i32>, // (T, F / group)
    pub output_sum: Vec<f32>,        // (T, C), before its layer norm
}

/// Activations of global attention in one layer.
#[derive(Debug, Default)]
pub(crate) struct GlobalActivations {
    pub queries: Vec<i32>,  // (G, C / group), scaled
    pub log_sums: Vec<f32>, // by sequence (H, G)
}

/// Activations of all layers.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    /// One for each trained layer; in recomputation one that all layers use in turn.
    pub layers: Vec<LayerActivations>,
    /// The inputs of the trained layers, in recomputation only: (T, C) each.
    pub inputs: Vec<Vec<f32>>,
    /// The last hidden states: (T, C).
    pub last: Vec<f32>,
}

/// Buffers that every layer overwrites.
#[derive(Debug)]
pub(crate) struct LayerScratch {
    pub projections: Vec<i32>, // (T, P · C / group)
    pub attended: Vec<f32>,    // by sequence (H, T, D)
}

impl LayerScratch {
    pub fn new(pass: &Pass<'_>) -> Self {
        Self { projections: Vec::new(), attended: vec![0.0; pass.batch.tokens() * pass.model.config.hidden_size] }
    }
}

/// What a pass of inference computes in. Allocate it outside the thread pool: malloc of glibc keeps memory for the thread
/// that allocated it, and any thread of the pool may run a pass, so that in time each would keep as much.
#[derive(Debug)]
pub(crate) struct PassBuffers {
    pub x: Vec<f32>, // zero: (T, C)
    pub scratch: LayerScratch,
}

impl PassBuffers {
    pub fn new(pass: &Pass<'_>) -> Self {
        let (tokens, c) = (pass.batch.tokens(), pass.model.config.hidden_size);
        let projections = Vec::with_capacity(tokens * pass.projection_groups());
        Self { x: vec![0.0; tokens * c], scratch: LayerScratch { projections, ..LayerScratch::new(pass) } }
    }
}

/// A block of rows of hidden states, for the steps after attention.
pub(crate) struct RowBlock<'a> {
    pub rows: Range<usize>,
    pub x: &'a mut [f32], // (rows, C)
    pub saved: Option<SavedRows<'a>>,
}

/// The same rows of the activations that these steps save.
pub(crate) struct SavedRows<'a> {
    pub attended: &'a mut [i32],          // (rows, C / group)
    pub attention_sum: &'a mut [f32],     // (rows, C)
    pub before_activation: &'a mut [i32], // (rows, F / group)
    pub output_sum: &'a mut [f32],        // (rows, C)
}

impl LayerActivations {
    /// Makes room for the activations of a pass.
    pub fn resize(&mut self, pass: &Pass<'_>) {
        let (t, config, group) = (pass.batch.tokens(), &pass.model.config, pass.model.computing.linear.group());
        let (c, h, f) = (config.hidden_size, config.num_attention_heads, config.intermediate_size);
        self.input.resize(t * c / group, 0);
        self.log_sums.resize(t * h, 0.0);
        self.attended.resize(t * c / group, 0);
        self.attention_sum.resize(t * c, 0.0);
        self.before_activation.resize(t * f / group, 0);
        self.output_sum.resize(t * c, 0.0);
    }
}

/// Cuts hidden states, and the activations that are saved, into the blocks of the pass.
///
/// - `x`: (T, C)
pub(crate) fn row_blocks<'a>(
    pass: &Pass<'_>,
    mut x: &'a mut [f32],
    save: Option<&'a mut LayerActivations>,
) -> Vec<RowBlock<'a>> {
    let (config, group) = (&pass.model.config, pass.model.computing.linear.group());
    let (c, f) = (config.hidden_size, config.intermediate_size);
    assert!(save.is_none() || pass.partition.columns == 1, "activations of weights that are cut into columns");
    let mut all = save.map(|save| SavedRows {
        attended: &mut save.attended,
        attention_sum: &mut save.attention_sum,
        before_activation: &mut save.before_activation,
        output_sum: &mut save.output_sum,
    });
    let block = |rows: &Range<usize>| RowBlock {
        rows: rows.clone(),
        x: take(&mut x, rows.len() * c),
        saved: all.as_mut().map(|all| SavedRows {
            attended: take(&mut all.attended, rows.len() * c / group),
            attention_sum: take(&mut all.attention_sum, rows.len() * c),
            before_activation: take(&mut all.before_activation, rows.len() * f / group),
            output_sum: take(&mut all.output_sum, rows.len() * c),
        }),
    };
    pass.partition.blocks.iter().map(block).collect()
}

/// What the backward pass of a layer reads.
#[derive(Clone, Copy)]
pub(crate) struct BackwardLayer<'a> {
    pub pass: &'a Pass<'a>,
    /// Of the layer.
    pub index: usize,
    /// Its weights, which others may share.
    pub layer: &'a LayerTrainingWeights,
    /// By [`layer`](super::layer::layer).
    pub saved: &'a LayerActivations,
}

impl BackwardLayer<'_> {
    /// The prefix of the names of its parameters.
    pub fn name(&self) -> String {
        layer_name(self.pass.model.config.group_of_layer(self.index))
    }
}

/// Gradients of the activations of one layer. All layers use them in turn.
#[derive(Debug, Default)]
pub(crate) struct ActivationGradients {
    /// `doutput` and `dattention` are gradients of the sums before layer norms, without what dropout dropped.
    pub doutput: Vec<i32>, // (T, C / group)
    pub dattention: Vec<i32>,         // (T, C / group)
    pub dbefore_activation: Vec<i32>, // (T, F / group)
    pub dattended: Vec<i32>,          // (T, C / group), zero for global tokens
    pub deltas: Vec<f32>,             // dattended · attended: (T, H), zero for global tokens
    pub globals: GlobalGradients,
    pub dheads: Vec<i32>,       // by sequence (H, P, T, D / group)
    pub dprojections: Vec<i32>, // (T, P · C / group)
    /// Activations that are computed again: the output of GELU and the input of the feed-forward.
    pub after_activation: Vec<i32>, // (T, F / group)
    pub normed: Vec<i32>,       // (T, C / group)
    pub factors: PackedFactors,
}

/// Gradients of the outputs of global attention.
#[derive(Debug, Default)]
pub(crate) struct GlobalGradients {
    pub dattended: Vec<i32>, // (G, C / group)
    pub deltas: Vec<f32>,    // (G, H)
}

impl ActivationGradients {
    /// Makes room for the gradients of a pass.
    pub fn resize(&mut self, pass: &Pass<'_>) {
        let (t, config, group) = (pass.batch.tokens(), &pass.model.config, pass.model.computing.linear.group());
        let (c, f) = (config.hidden_size, config.intermediate_size);
        for x in [&mut self.doutput, &mut self.normed, &mut self.dattention, &mut self.dattended] {
            x.resize(t * c / group, 0);
        }
        for x in [&mut self.after_activation, &mut self.dbefore_activation] {
            x.resize(t * f / group, 0);
        }
        for x in [&mut self.dprojections, &mut self.dheads] {
            x.resize(t * pass.projections() * c / group, 0);
        }
        self.deltas.resize(t * config.num_attention_heads, 0.0);
    }
}
