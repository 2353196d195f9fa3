//! The same model in plain f64 loops: the oracle of the tests, and the way to see hidden states and attention.
//!
//! It follows the definitions literally and is slow: time and memory grow with the square of the length, and an input of
//! 4,096 tokens of the base size takes minutes and gigabytes.

use longspan_kernels::{Activation, reference as kernels};

use super::loader::Loader;
use super::parameters::{PROJECTION, layer_name};
use super::{Batch, Sequence, Task};
use crate::Result;
use crate::checkpoint::Tensors;
use crate::config::Config;

/// Hidden states, attention and logits of one sequence.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The embeddings, then the output of each layer: (L + 1), (T, C).
    pub hidden_states: Vec<Vec<f64>>,
    /// For each layer the weight that query i of each head gives to key j: (L), (H, T, T). Rows sum to 1. The rows of global tokens
    /// are those of their global queries.
    pub attentions: Vec<Vec<f64>>,
    /// The output of the head; the shape of [`Logits`](super::Logits) for a batch of one.
    pub logits: Vec<f64>,
}

/// A model whose inside can be seen, with unpacked weights in f64.
pub struct ReferenceModel<'a> {
    config: Config,
    task: Task,
    parameters: Loader<'a>,
}

impl<'a> ReferenceModel<'a> {
    /// Finds the weights of a checkpoint.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` asks for.
    pub fn load(config: Config, task: Task, tensors: &'a Tensors) -> Result<Self> {
        let parameters = Loader::new(&config, task, tensors)?;
        Ok(Self { config, task, parameters })
    }

    /// Runs one sequence.
    pub fn trace(&self, sequence: Sequence<'_>) -> Trace {
        let mut hidden_states = vec![self.embed(sequence)];
        let globals = if self.config.is_long { sequence.globals } else { &[] };
        let mut attentions = Vec::new();
        for (layer, &window) in self.config.attention_window.iter().enumerate() {
            let name = layer_name(self.config.group_of_layer(layer));
            let x = &hidden_states[layer];
            let (attended, attention) = self.attention(&name, x, globals, window / 2);
            let mut x = self.add(&self.linear(&format!("{name}.attention.output.dense"), &attended), x);
            self.norm(&format!("{name}.attention.output.LayerNorm"), &mut x);
            let mut middle = self.linear(&format!("{name}.intermediate.dense"), &x);
            middle.iter_mut().for_each(|x| *x = kernels::activate(self.config.hidden_act, *x));
            let mut x = self.add(&self.linear(&format!("{name}.output.dense"), &middle), &x);
            self.norm(&format!("{name}.output.LayerNorm"), &mut x);
            hidden_states.push(x);
            attentions.push(attention);
        }
        let logits = self.head(&hidden_states[self.config.num_hidden_layers]);
        Trace { hidden_states, attentions, logits }
    }

    fn embed(&self, sequence: Sequence<'_>) -> Vec<f64> {
        let (config, e) = (&self.config, self.config.embedding_size);
        let table = |table: &str| self.read(&format!("longformer.embeddings.{table}_embeddings.weight"));
        let (words, positions) = (table("word"), table("position"));
        let types = if config.type_vocab_size > 0 { table("token_type") } else { vec![0.0; e] };
        let mut x = Vec::with_capacity(sequence.ids.len() * e); // (T, E)
        let rows: Vec<usize> = Batch::of(sequence).positions(0, config).collect();
        for (i, (&id, position)) in sequence.ids.iter().zip(rows).enumerate() {
            let token_type = sequence.token_type_ids.map_or(0, |types| types[i] as usize);
            let token_type = token_type.min(config.type_vocab_size.saturating_sub(1));
            x.extend(
                (0..e).map(|j| words[id as usize * e + j] + positions[position * e + j] + types[token_type * e + j]),
            );
        }
        self.norm("longformer.embeddings.LayerNorm", &mut x);
        if config.has_projection() { self.linear(PROJECTION, &x) } else { x }
    }

    /// The attention of a layer before its output projection, (T, C), and its probabilities, (H, T, T).
    fn attention(&self, layer: &str, x: &[f64], globals: &[usize], one_sided_window: usize) -> (Vec<f64>, Vec<f64>) {
        let (c, d) = (self.config.hidden_size, self.config.head_size());
        let t = x.len() / c;
        let project = |name: &str| self.linear(&format!("{layer}.attention.self.{name}"), x);
        let [q, k, v] = ["query", "key", "value"].map(project);
        let [q_global, k_global, v_global] = match self.config.is_long {
            true => ["query_global", "key_global", "value_global"].map(project),
            false => [const { Vec::new() }; 3],
        };
        let scale = 1.0 / (d as f64).sqrt();
        let mut out = vec![0.0; t * c]; // (T, C)
        let mut probabilities = Vec::with_capacity(self.config.num_attention_heads * t * t); // (H, T, T)
        for head in 0..self.config.num_attention_heads {
            let own = |m: &[f64]| m.chunks_exact(c).flat_map(|row| &row[head * d..][..d]).copied().collect::<Vec<_>>();
            let (q, k, v) = (own(&q), own(&k), own(&v));
            let (q_global, k_global, v_global) = (own(&q_global), own(&k_global), own(&v_global));
            for i in 0..t {
                let is_global = globals.contains(&i);
                let (q, k, v) = if is_global { (&q_global, &k_global, &v_global) } else { (&q, &k, &v) };
                let query: Vec<f64> = q[i * d..][..d].iter().map(|x| x * scale).collect();
                let sees = |j| is_global || kernels::sees(i, j, globals, one_sided_window);
                let row = kernels::attention_row(&query, k, sees);
                out[i * c + head * d..][..d].copy_from_slice(&kernels::weighted_sum(&row, v));
                probabilities.extend(row);
            }
        }
        (out, probabilities)
    }

    /// - `x`: (T, C)
    fn head(&self, x: &[f64]) -> Vec<f64> {
        let first = &x[..self.config.hidden_size];
        match self.task {
            Task::Encoder => Vec::new(),
            Task::QuestionAnswering => self.linear("qa_outputs", x),
            Task::TokenClassification => self.linear("classifier", x),
            Task::MaskedLm => {
                let mut x = self.linear("lm_head.dense", x);
                x.iter_mut().for_each(|x| *x = kernels::activate(Activation::Gelu, *x));
                self.norm("lm_head.layer_norm", &mut x);
                let words = self.read("longformer.embeddings.word_embeddings.weight");
                kernels::linear(&x, &words, &self.read("lm_head.bias"))
            }
            Task::SequenceClassification => self.linear("classifier.out_proj", &self.tanh("classifier.dense", first)),
            Task::MultipleChoice => self.linear("classifier", &self.tanh("longformer.pooler.dense", first)),
        }
    }

    fn tanh(&self, name: &str, x: &[f64]) -> Vec<f64> {
        self.linear(name, x).into_iter().map(f64::tanh).collect()
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        kernels::linear(x, &self.read(&format!("{name}.weight")), &self.read(&format!("{name}.bias")))
    }

    fn norm(&self, name: &str, x: &mut [f64]) {
        let (weight, bias) = (self.read(&format!("{name}.weight")), self.read(&format!("{name}.bias")));
        kernels::layer_norm(x, &weight, &bias, self.config.layer_norm_eps.into());
    }

    fn add(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| a + b).collect()
    }

    fn read(&self, name: &str) -> Vec<f64> {
        self.parameters.read(name).into_iter().map(f64::from).collect()
    }
}
