//! The short model in plain f64 loops, written from its own definition: full attention, its own positions and names.
//!
//! BERT: Devlin et al., arXiv 1810.04805. RoBERTa, whose positions start after that of the padding: Liu et al., arXiv
//! 1907.11692. A Longformer is such a model too on inputs that its windows cover whole, except that queries with global
//! attention have their own projections.

use rayon::prelude::*;

use longspan_kernels::reference as kernels;

use super::source::{ModelKind, ShortModel, get};
use crate::checkpoint::Tensors;
use crate::model::{Sequence, Task};
use crate::{Error, Result};

/// Rows that are multiplied by a weight together, while it is in the cache.
const ROWS: usize = 16;

/// A short model.
pub(super) struct Oracle<'a> {
    pub short: &'a ShortModel,
    pub tensors: &'a Tensors,
}

impl Oracle<'_> {
    /// The last hidden states of each sequence: (S), (T, C).
    pub fn hidden_states(&self, sequences: &[Sequence<'_>]) -> Result<Vec<Vec<f64>>> {
        let mut states = self.embed(sequences)?;
        for layer in 0..self.short.config.num_hidden_layers {
            let layer = self.layer(layer)?;
            for (x, sequence) in states.iter_mut().zip(sequences) {
                *x = layer.forward(x, sequence.globals, self.short.config.num_attention_heads);
            }
        }
        Ok(states)
    }

    /// The logits of the head from the last hidden states of one sequence, (T, C), laid out as in
    /// [`Logits`](crate::model::Logits).
    pub fn logits(&self, x: &[f64]) -> Result<Vec<f64>> {
        let is_bert = self.short.kind == ModelKind::Bert;
        let pooler = format!("{}pooler.dense", self.short.prefix);
        let tanh = |name: &str| -> Result<Vec<f64>> {
            let first = &x[..self.short.config.hidden_size];
            Ok(self.linear(name)?.forward(first).into_iter().map(f64::tanh).collect())
        };
        Ok(match self.short.task {
            Task::Encoder => Vec::new(),
            Task::QuestionAnswering => self.linear("qa_outputs")?.forward(x),
            Task::TokenClassification => self.linear("classifier")?.forward(x),
            Task::MultipleChoice => self.linear("classifier")?.forward(&tanh(&pooler)?),
            Task::SequenceClassification if is_bert => self.linear("classifier")?.forward(&tanh(&pooler)?),
            Task::SequenceClassification => self.linear("classifier.out_proj")?.forward(&tanh("classifier.dense")?),
            Task::MaskedLm => {
                let [dense, norm, bias] = match is_bert {
                    true => ["transform.dense", "transform.LayerNorm", "bias"].map(|n| format!("cls.predictions.{n}")),
                    false => ["dense", "layer_norm", "bias"].map(|n| format!("lm_head.{n}")),
                };
                let mut x = self.linear(&dense)?.forward(x);
                x.iter_mut().for_each(|x| *x = kernels::gelu(*x));
                self.norm(&norm)?.forward(&mut x);
                let words = self.encoder("embeddings.word_embeddings.weight")?;
                OracleLinear { weight: words, bias: self.read(&bias)? }.forward(&x)
            }
        })
    }

    fn embed(&self, sequences: &[Sequence<'_>]) -> Result<Vec<Vec<f64>>> {
        let c = self.short.config.hidden_size;
        let words = self.encoder("embeddings.word_embeddings.weight")?;
        let positions = self.encoder("embeddings.position_embeddings.weight")?;
        let types = self.encoder("embeddings.token_type_embeddings.weight")?;
        let norm = self.norm(&format!("{}embeddings.LayerNorm", self.short.prefix))?;
        // No token is padding, so RoBERTa's positions are consecutive.
        let first = if self.short.kind == ModelKind::Bert { 0 } else { self.short.config.pad_token_id + 1 };
        let embed = |sequence: &Sequence<'_>| {
            let mut x = Vec::with_capacity(sequence.ids.len() * c); // (T, C)
            for (i, &id) in sequence.ids.iter().enumerate() {
                let kind = sequence.token_type_ids.map_or(0, |types| types[i]);
                let rows = (&words[id as usize * c..], &positions[(first + i) * c..], &types[kind as usize * c..]);
                x.extend((0..c).map(|j| rows.0[j] + rows.1[j] + rows.2[j]));
            }
            norm.forward(&mut x);
            x
        };
        Ok(sequences.iter().map(embed).collect())
    }

    fn layer(&self, layer: usize) -> Result<OracleLayer> {
        let name = format!("{}encoder.layer.{layer}", self.short.prefix);
        let projections = |suffix: &str| -> Result<[OracleLinear; 3]> {
            let linear = |part: &str| self.linear(&format!("{name}.attention.self.{part}{suffix}"));
            Ok([linear("query")?, linear("key")?, linear("value")?])
        };
        let is_long = self.short.kind == ModelKind::Longformer;
        Ok(OracleLayer {
            projections: projections("")?,
            global: if is_long { Some(projections("_global")?) } else { None },
            attention_output: self.linear(&format!("{name}.attention.output.dense"))?,
            attention_norm: self.norm(&format!("{name}.attention.output.LayerNorm"))?,
            intermediate: self.linear(&format!("{name}.intermediate.dense"))?,
            output: self.linear(&format!("{name}.output.dense"))?,
            output_norm: self.norm(&format!("{name}.output.LayerNorm"))?,
        })
    }

    fn linear(&self, name: &str) -> Result<OracleLinear> {
        Ok(OracleLinear { weight: self.read(&format!("{name}.weight"))?, bias: self.read(&format!("{name}.bias"))? })
    }

    fn norm(&self, name: &str) -> Result<OracleNorm> {
        let eps = self.short.config.layer_norm_eps.into();
        Ok(OracleNorm { weight: self.read(&format!("{name}.weight"))?, bias: self.read(&format!("{name}.bias"))?, eps })
    }

    fn encoder(&self, name: &str) -> Result<Vec<f64>> {
        self.read(&format!("{}{name}", self.short.prefix))
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        let view = get(self.tensors, name)?.ok_or_else(|| Error::MissingTensor { name: name.into() })?;
        let mut values = vec![0.0; view.shape.iter().product()];
        view.copy_to(&mut values);
        Ok(values.into_iter().map(f64::from).collect())
    }
}

struct OracleLinear {
    weight: Vec<f64>, // (N, K)
    bias: Vec<f64>,   // (N)
}

struct OracleNorm {
    weight: Vec<f64>, // (C)
    bias: Vec<f64>,   // (C)
    eps: f64,
}

struct OracleLayer {
    /// Query, key and value.
    projections: [OracleLinear; 3],
    /// Projections for queries with global attention, if they have their own.
    global: Option<[OracleLinear; 3]>,
    attention_output: OracleLinear,
    attention_norm: OracleNorm,
    intermediate: OracleLinear,
    output: OracleLinear,
    output_norm: OracleNorm,
}

impl OracleLayer {
    /// - `x`: (T, C); returns (T, C)
    fn forward(&self, x: &[f64], globals: &[usize], heads: usize) -> Vec<f64> {
        let mut attended = attention(x, &self.projections, heads); // (T, C)
        if let Some(projections) = &self.global {
            let c = self.attention_norm.weight.len();
            let global = attention(x, projections, heads);
            globals.iter().for_each(|i| attended[i * c..][..c].copy_from_slice(&global[i * c..][..c]));
        }
        let mut x = sum(&self.attention_output.forward(&attended), x);
        self.attention_norm.forward(&mut x);
        let mut middle = self.intermediate.forward(&x); // (T, F)
        middle.par_iter_mut().for_each(|x| *x = kernels::gelu(*x));
        let mut x = sum(&self.output.forward(&middle), &x);
        self.output_norm.forward(&mut x);
        x
    }
}

/// Full attention: every token attends to every token.
///
/// - `x`: (T, C); returns (T, C)
fn attention(x: &[f64], projections: &[OracleLinear; 3], heads: usize) -> Vec<f64> {
    let [q, k, v] = projections.each_ref().map(|projection| projection.forward(x));
    let c = projections[0].bias.len();
    let (t, d) = (x.len() / c, c / heads);
    let own = |m: &[f64], head: usize| m.chunks_exact(c).flat_map(|row| &row[head * d..][..d]).copied().collect();
    let head = |head: usize| {
        let [q, k, v]: [Vec<f64>; 3] = [own(&q, head), own(&k, head), own(&v, head)]; // (T, D)
        let attend = |query: &[f64]| {
            let query: Vec<f64> = query.iter().map(|x| x / (d as f64).sqrt()).collect();
            kernels::weighted_sum(&kernels::attention_row(&query, &k, |_| true), &v)
        };
        q.chunks_exact(d).flat_map(attend).collect::<Vec<f64>>() // (T, D)
    };
    let all: Vec<Vec<f64>> = (0..heads).into_par_iter().map(head).collect(); // (H), (T, D)
    (0..t).flat_map(|i| all.iter().flat_map(move |own| &own[i * d..][..d])).copied().collect()
}

impl OracleLinear {
    /// - `x`: (T, K); returns (T, N)
    fn forward(&self, x: &[f64]) -> Vec<f64> {
        let n = self.bias.len();
        let k = self.weight.len() / n;
        let mut out = vec![0.0; x.len() / k * n];
        out.par_chunks_mut(ROWS * n).zip(x.par_chunks(ROWS * k)).for_each(|(out, x)| {
            for (j, (weight, bias)) in self.weight.chunks_exact(k).zip(&self.bias).enumerate() {
                for (out, x) in out.chunks_exact_mut(n).zip(x.chunks_exact(k)) {
                    out[j] = bias + dot(x, weight);
                }
            }
        });
        out
    }
}

impl OracleNorm {
    fn forward(&self, x: &mut [f64]) {
        kernels::layer_norm(x, &self.weight, &self.bias, self.eps);
    }
}

/// Eight independent sums: a single one would wait for each addition.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    rest + sums.iter().sum::<f64>()
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}
