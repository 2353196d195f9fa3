//! What training reads beside the weights of inference: projections of global attention in their plain form, and the
//! matrices of the way back, from the gradients of outputs to those of inputs.

use longspan_kernels::{Arithmetic, Panels};

use super::{Computing, Linear, Loader, scale_of_queries};
use crate::config::Config;
use crate::model::parameters::{WORDS, layer_name};
use crate::model::split;

/// Of the head of masked language modelling.
pub(crate) struct MaskedLmTraining {
    pub dense_back: Panels, // (C, C)
    /// The word embeddings, with rows of zeros up to whole groups: (V, C).
    pub decoder_back: Panels,
}

impl MaskedLmTraining {
    pub fn pack(loader: &Loader<'_>, config: &Config, arithmetic: Arithmetic) -> Self {
        let (c, v) = (config.hidden_size, config.vocab_size);
        let (dense, words) = (loader.matrix("lm_head.dense.weight"), loader.matrix(WORDS));
        let width = v.next_multiple_of(arithmetic.group());
        let word = |i: usize, row: &mut [f32]| if i < v { words.row(i, row) } else { row.fill(0.0) };
        Self {
            dense_back: Panels::from_rows(arithmetic, c, c, |i, row| dense.row(i, row)),
            decoder_back: Panels::from_rows(arithmetic, width, c, word),
        }
    }
}

/// Of one layer. On the way back queries are not scaled.
pub(crate) struct LayerTraining {
    pub index: usize,
    /// What queries are multiplied with: 1/√D.
    pub query_scale: f32,
    pub global_query: Linear, // (C, C), scaled
    /// Side by side; keys have no bias.
    pub global_key_value: Linear, // (C, 2C)
    pub global_query_back: Panels, // (C, C)
    /// Query, key, value, global key, global value.
    pub projections_back: Panels, // (5C, C)
    pub attention_output_back: Panels, // (C, C)
    pub intermediate_back: Panels, // (F, C)
    pub output_back: Panels,  // (C, F)
}

impl LayerTraining {
    /// Of all layers.
    pub fn pack_all(loader: &Loader<'_>, config: &Config, computing: Computing) -> Vec<Self> {
        let indices: Vec<usize> = (0..config.num_hidden_layers).collect();
        split::map(&indices, |&index| Self::pack(loader, index, config, computing.linear))
    }

    fn pack(loader: &Loader<'_>, index: usize, config: &Config, arithmetic: Arithmetic) -> Self {
        let c = config.hidden_size;
        let name = |part: &str| format!("{}.{part}", layer_name(index));
        let projection = |projection: &str| name(&format!("attention.self.{projection}"));
        // A weight is (N, K): its rows are those of the operand that takes N gradients to K.
        let back = |part: &str| {
            let weight = format!("{part}.weight");
            let ((n, k), rows) = (loader.size(&weight), loader.matrix(&weight));
            Panels::from_rows(arithmetic, n, k, |i, row| rows.row(i, row))
        };
        let all = ["query", "key", "value", "key_global", "value_global"];
        let rows = all.map(|part| loader.matrix(&format!("{}.weight", projection(part))));
        let query_scale = scale_of_queries(config);
        let [query, key, value] = ["query_global", "key_global", "value_global"].map(projection);
        let mut global_key_value = loader.linears(arithmetic, &[(&key, 1.0), (&value, 1.0)]);
        global_key_value.bias[..c].fill(0.0);
        Self {
            index,
            query_scale,
            global_query: loader.linears(arithmetic, &[(&query, query_scale)]),
            global_key_value,
            global_query_back: back(&query),
            projections_back: Panels::from_rows(arithmetic, 5 * c, c, |i, row| rows[i / c].row(i % c, row)),
            attention_output_back: back(&name("attention.output.dense")),
            intermediate_back: back(&name("intermediate.dense")),
            output_back: back(&name("output.dense")),
        }
    }
}
