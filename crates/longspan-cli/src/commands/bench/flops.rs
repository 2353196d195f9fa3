//! The multiplications and additions of a pass: those of linear layers and attention, as the model computes them.
//!
//! A product (M, K) · (K, N) counts 2·M·K·N. A query and a key that it sees count 2·D for the score and 2·D for the
//! weighted value. Norms, softmax and GELU are not counted.

use longspan::config::Config;

/// A batch of inputs of one length.
#[derive(Debug, Clone, Copy)]
pub struct BatchSize {
    /// S: number of inputs.
    pub sequences: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// G: how many of them, the first ones, are global.
    pub globals: usize,
}

/// Floating-point operations of one pass of a model for question answering.
pub fn flop(config: &Config, input: &BatchSize) -> f64 {
    let BatchSize { sequences, tokens, globals } = *input;
    let (c, f, t) = (config.hidden_size as f64, config.intermediate_size as f64, tokens as f64);
    let linear = 2.0 * t * c * (4.0 * c + 2.0 * f);
    let projection = if config.has_projection() { 2.0 * t * c * config.embedding_size as f64 } else { 0.0 };
    let local = |window: &usize| 4.0 * c * pairs(tokens, globals, window / 2) as f64;
    let layers: f64 = config.attention_window.iter().map(|window| linear + local(window) + global(config, input)).sum();
    let head = 2.0 * t * c * 2.0;
    sequences as f64 * (projection + layers + head)
}

/// How many keys all queries of an input see together: those of their windows that are not global, and the global ones.
/// A global token is computed as a query like any other before global attention replaces it.
fn pairs(tokens: usize, globals: usize, one_sided_window: usize) -> usize {
    let seen = |i: usize| {
        let window = i.saturating_sub(one_sided_window).max(globals)..tokens.min(i + one_sided_window + 1);
        window.len() + globals
    };
    (0..tokens).map(seen).sum()
}

/// Global attention of one layer in one input: absorbed while there are no more global tokens than a head is wide.
fn global(config: &Config, &BatchSize { tokens, globals, .. }: &BatchSize) -> f64 {
    let (c, h, t, g) = (config.hidden_size as f64, config.num_attention_heads as f64, tokens as f64, globals as f64);
    let queries = 2.0 * g * c * c;
    if globals == 0 {
        0.0
    } else if globals <= config.head_size() {
        let (absorbed_keys, values) = (2.0 * g * c * c, 2.0 * g * c * c);
        queries + absorbed_keys + values + 4.0 * g * h * t * c
    } else {
        let keys_and_values = 2.0 * 2.0 * t * c * c;
        queries + keys_and_values + 4.0 * g * t * c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 layers of different windows, hidden size 8 in 2 heads.
    fn config() -> Config {
        let json = r#"{"model_type":"longformer","vocab_size":10,"hidden_size":8,"num_hidden_layers":3,
            "num_attention_heads":2,"intermediate_size":12,"max_position_embeddings":66,"attention_window":[2,6,64]}"#;
        Config::from_json(json.as_bytes()).unwrap()
    }

    /// The same, one multiply-add after the other.
    fn counted(config: &Config, input: &BatchSize) -> u64 {
        let (c, f, heads) = (config.hidden_size, config.intermediate_size, config.num_attention_heads);
        let (d, t, g) = (config.head_size(), input.tokens, input.globals);
        let product = |m: usize, n: usize, k: usize| (m * n * k) as u64;
        let mut sum = 0;
        for window in &config.attention_window {
            sum += 4 * product(t, c, c) + product(t, f, c) + product(t, c, f);
            for _ in 0..heads {
                for query in 0..t {
                    for key in 0..t {
                        let seen = key < g || query.abs_diff(key) <= window / 2;
                        sum += if seen { product(1, 1, d) + product(1, d, 1) } else { 0 };
                    }
                }
                sum += product(g, d, c); // queries
                if g <= d {
                    sum += product(g, c, d) + product(g, d, c); // queries over hidden states, values of the means
                } else {
                    sum += 2 * product(t, d, c); // keys and values
                }
                let width = if g <= d { c } else { d };
                for _query in 0..g {
                    for _key in 0..t {
                        sum += product(1, 1, width) + product(1, width, 1);
                    }
                }
            }
        }
        2 * input.sequences as u64 * (sum + product(t, 2, c))
    }

    #[test]
    fn operations_are_those_of_plain_loops() {
        let config = config();
        for tokens in [1, 2, 3, 7, 40, 64] {
            for globals in [0, 1, 4, 5, 12] {
                let input = BatchSize { sequences: 3, tokens, globals: globals.min(tokens) };
                let counted = counted(&config, &input);
                assert_eq!(flop(&config, &input), counted as f64, "{input:?}");
            }
        }
    }
}
