//! The source in plain f64 loops, written from its own definition: full attention, its own positions and names.
//!
//! This file shares nothing with the conversion but `config.json` and the tensors as they are stored. What it needs, it
//! reads from these as transformers does, so that the two cannot share a mistake.
//!
//! BERT: Devlin et al., arXiv 1810.04805. RoBERTa, whose positions start after that of the padding: Liu et al., arXiv
//! 1907.11692. DistilBERT, which has no types of tokens and names of its own: Sanh et al., arXiv 1910.01108. A Longformer
//! is such a model too on inputs that its windows cover whole, except that queries with global
//! attention have their own projections.

use rayon::prelude::*;

use longspan_kernels::{Activation, reference as kernels};
use serde_json::{Map, Value};

use crate::checkpoint::Tensors;
use crate::model::{Sequence, Task};
use crate::tensor::TensorView;
use crate::{Error, Result};

/// Rows that are multiplied by a weight together, while it is in the cache.
const ROWS: usize = 16;

/// Name of the table of words, after the prefix of the encoder.
const WORDS: &str = "embeddings.word_embeddings.weight";

/// Names of the layers after the prefix of the encoder, and of the parts of a layer after its number.
struct LayerNames {
    layers: &'static str,
    /// Query, key and value.
    projections: [&'static str; 3],
    attention_output: &'static str,
    attention_norm: &'static str,
    intermediate: &'static str,
    output: &'static str,
    output_norm: &'static str,
}

const LAYER_NAMES: LayerNames = LayerNames {
    layers: "encoder.layer.",
    projections: ["attention.self.query", "attention.self.key", "attention.self.value"],
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
};

const DISTILBERT_LAYER_NAMES: LayerNames = LayerNames {
    layers: "transformer.layer.",
    projections: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    intermediate: "ffn.lin1",
    output: "ffn.lin2",
    output_norm: "output_layer_norm",
};

/// The source of a conversion.
pub(super) struct Oracle<'a> {
    tensors: &'a Tensors,
    /// Prefix of the names of the encoder.
    prefix: &'a str,
    /// What wrappers put before all names, heads included.
    wrapper: &'a str,
    /// Whether the class is one of BERT's, which have their own positions and names of heads.
    is_bert: bool,
    is_distilbert: bool,
    /// Row of the position table for the first token, where no token is padding.
    first_position: usize,
    heads: usize,
    eps: f64,
    activation: Activation,
}

/// An input, and how many positions later than the first it begins.
pub(super) type Placed<'a> = (Sequence<'a>, usize);

impl<'a> Oracle<'a> {
    /// - `keys`: the content of `config.json`
    pub fn new(keys: &Map<String, Value>, tensors: &'a Tensors) -> Result<Self> {
        let model_type = keys.get("model_type").and_then(Value::as_str);
        let class = model_type.or_else(|| keys.get("architectures")?.get(0)?.as_str());
        let class = class.unwrap_or_default().to_lowercase();
        let is_distilbert = class.starts_with("distilbert");
        let is_bert = is_distilbert || class.starts_with("bert") || class.starts_with("electra");
        let [heads, activation] = match is_distilbert {
            true => ["n_heads", "activation"],
            false => ["num_attention_heads", "hidden_act"],
        };
        let eps = keys.get("layer_norm_eps").and_then(Value::as_f64).filter(|_| !is_distilbert);
        let whole = |key: &str, usual: u64| keys.get(key).and_then(Value::as_u64).unwrap_or(usual) as usize;
        let prefix = tensors.names().find_map(|name| name.strip_suffix(WORDS));
        let prefix = prefix.ok_or_else(|| Error::MissingTensor { name: WORDS.into() })?;
        let models = ["roberta.", "longformer.", "electra.", "distilbert.", "bert."];
        let model = models.into_iter().find_map(|model| prefix.strip_suffix(model));
        Ok(Self {
            tensors,
            prefix,
            wrapper: model.unwrap_or(prefix),
            is_bert,
            is_distilbert,
            first_position: if is_bert { 0 } else { whole("pad_token_id", 1) + 1 },
            heads: whole(heads, 12),
            activation: match keys.get(activation).and_then(Value::as_str) {
                None | Some("gelu" | "gelu_python") => Activation::Gelu,
                Some("relu") => Activation::Relu,
                Some(_) => Activation::GeluTanh,
            },
            eps: eps.unwrap_or(1e-12),
        })
    }

    /// The longest input, in tokens.
    pub fn max_tokens(&self) -> Result<usize> {
        let rows = self.view(&format!("{}embeddings.position_embeddings.weight", self.prefix))?.shape[0];
        Ok(rows - self.first_position)
    }

    /// The last hidden states of each sequence: (S), (T, C). Positions beyond the last begin again with the first.
    pub fn hidden_states(&self, sequences: &[Placed<'_>]) -> Result<Vec<Vec<f64>>> {
        let mut states = self.embed(sequences)?;
        for layer in 0.. {
            let layer = format!("{}{}{layer}.", self.prefix, self.layer_names().layers);
            if !self.tensors.names().any(|name| name.starts_with(&layer)) {
                break;
            }
            let layer = self.layer(&layer)?;
            for (x, (sequence, _)) in states.iter_mut().zip(sequences) {
                *x = layer.forward(x, sequence.globals, self.heads, self.activation);
            }
        }
        Ok(states)
    }

    /// The logits of the head from the last hidden states of one sequence, (T, C), laid out as in
    /// [`Logits`](crate::model::Logits).
    pub fn logits(&self, task: Task, x: &[f64]) -> Result<Vec<f64>> {
        let pooler = format!("{}pooler.dense", self.prefix);
        let head = |name: &str| format!("{}{name}", self.wrapper);
        let tanh = |name: &str| -> Result<Vec<f64>> {
            let dense = self.linear(name)?;
            let first = &x[..dense.weight.len() / dense.bias.len()];
            Ok(dense.forward(first).into_iter().map(f64::tanh).collect())
        };
        Ok(match task {
            Task::Encoder => Vec::new(),
            Task::QuestionAnswering => self.linear(&head("qa_outputs"))?.forward(x),
            Task::TokenClassification => self.linear(&head("classifier"))?.forward(x),
            Task::MultipleChoice => self.linear(&head("classifier"))?.forward(&tanh(&pooler)?),
            Task::SequenceClassification if self.is_bert => self.linear(&head("classifier"))?.forward(&tanh(&pooler)?),
            Task::SequenceClassification => {
                self.linear(&head("classifier.out_proj"))?.forward(&tanh(&head("classifier.dense"))?)
            }
            Task::MaskedLm => {
                let [dense, norm, bias, decoder] = match self.is_bert {
                    true => ["transform.dense", "transform.LayerNorm", "bias", "decoder.weight"]
                        .map(|name| head(&format!("cls.predictions.{name}"))),
                    false => {
                        ["dense", "layer_norm", "bias", "decoder.weight"].map(|name| head(&format!("lm_head.{name}")))
                    }
                };
                let mut x = self.linear(&dense)?.forward(x);
                x.iter_mut().for_each(|x| *x = kernels::activate(self.activation, *x));
                self.norm(&norm)?.forward(&mut x);
                let is_stored = self.tensors.names().any(|name| name == decoder);
                let weight = if is_stored { self.read(&decoder)? } else { self.encoder(WORDS)? };
                OracleLinear { weight, bias: self.read(&bias)? }.forward(&x)
            }
        })
    }

    fn embed(&self, sequences: &[Placed<'_>]) -> Result<Vec<Vec<f64>>> {
        let words = self.encoder(WORDS)?;
        let positions = self.encoder("embeddings.position_embeddings.weight")?;
        let types = match self.is_distilbert {
            true => None,
            false => Some(self.encoder("embeddings.token_type_embeddings.weight")?),
        };
        let norm = self.norm(&format!("{}embeddings.LayerNorm", self.prefix))?;
        let (c, own) = (norm.bias.len(), self.max_tokens()?);
        let embed = |(sequence, shift): &Placed<'_>| {
            let mut x = Vec::with_capacity(sequence.ids.len() * c); // (T, C)
            for (i, &id) in sequence.ids.iter().enumerate() {
                let kind = sequence.token_type_ids.map_or(0, |types| types[i]);
                let position = self.first_position + (i + shift) % own;
                let (word, position) = (&words[id as usize * c..], &positions[position * c..]);
                let types = types.as_deref().map(|types| &types[kind as usize * c..]);
                x.extend((0..c).map(|j| word[j] + position[j] + types.map_or(0.0, |types| types[j])));
            }
            norm.forward(&mut x);
            x
        };
        Ok(sequences.iter().map(embed).collect())
    }

    fn layer_names(&self) -> &'static LayerNames {
        if self.is_distilbert { &DISTILBERT_LAYER_NAMES } else { &LAYER_NAMES }
    }

    /// - `name`: prefix of the names of the layer
    fn layer(&self, name: &str) -> Result<OracleLayer> {
        let parts = self.layer_names();
        let linear = |part: &str| self.linear(&format!("{name}{part}"));
        let norm = |part: &str| self.norm(&format!("{name}{part}"));
        let projections = |suffix: &str| -> Result<[OracleLinear; 3]> {
            let [query, key, value] = parts.projections.map(|part| linear(&format!("{part}{suffix}")));
            Ok([query?, key?, value?])
        };
        let is_long = self.tensors.names().any(|own| own.starts_with(name) && own.contains("_global."));
        Ok(OracleLayer {
            projections: projections("")?,
            global: if is_long { Some(projections("_global")?) } else { None },
            attention_output: linear(parts.attention_output)?,
            attention_norm: norm(parts.attention_norm)?,
            intermediate: linear(parts.intermediate)?,
            output: linear(parts.output)?,
            output_norm: norm(parts.output_norm)?,
        })
    }

    fn linear(&self, name: &str) -> Result<OracleLinear> {
        Ok(OracleLinear { weight: self.read(&format!("{name}.weight"))?, bias: self.read(&format!("{name}.bias"))? })
    }

    /// Files that were converted from TensorFlow have names of their own.
    fn norm(&self, name: &str) -> Result<OracleNorm> {
        let read = |part, old| self.read(&format!("{name}.{part}")).or_else(|_| self.read(&format!("{name}.{old}")));
        Ok(OracleNorm { weight: read("weight", "gamma")?, bias: read("bias", "beta")?, eps: self.eps })
    }

    fn encoder(&self, name: &str) -> Result<Vec<f64>> {
        self.read(&format!("{}{name}", self.prefix))
    }

    fn view(&self, name: &str) -> Result<TensorView<'a>> {
        self.tensors.get(name)?.ok_or_else(|| Error::MissingTensor { name: name.into() })
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        let view = self.view(name)?;
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
    fn forward(&self, x: &[f64], globals: &[usize], heads: usize, activation: Activation) -> Vec<f64> {
        let mut attended = attention(x, &self.projections, heads); // (T, C)
        if let Some(projections) = &self.global {
            let c = self.attention_norm.weight.len();
            let global = attention(x, projections, heads);
            globals.iter().for_each(|i| attended[i * c..][..c].copy_from_slice(&global[i * c..][..c]));
        }
        let mut x = sum(&self.attention_output.forward(&attended), x);
        self.attention_norm.forward(&mut x);
        let mut middle = self.intermediate.forward(&x); // (T, F)
        middle.par_iter_mut().for_each(|x| *x = kernels::activate(activation, *x));
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
