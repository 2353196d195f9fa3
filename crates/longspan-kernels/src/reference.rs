//! Every operation in plain f64 loops: slow, obvious, and the oracle of all tests.

/// y = x·Wᵀ + b.
///
/// - `x`: (T, K), `weight`: (N, K), `bias`: (N); returns (T, N)
pub fn linear(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let n = bias.len();
    let k = weight.len() / n;
    let mut out = Vec::with_capacity(x.len() / k * n);
    for x in x.chunks_exact(k) {
        for (weight, bias) in weight.chunks_exact(k).zip(bias) {
            out.push(bias + dot(x, weight));
        }
    }
    out
}

/// Layer norm of each row: (T, C).
pub fn layer_norm(x: &mut [f64], weight: &[f64], bias: &[f64], eps: f64) {
    let c = weight.len();
    for row in x.chunks_exact_mut(c) {
        let mean = row.iter().sum::<f64>() / c as f64;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / c as f64;
        for ((x, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
            *x = (*x - mean) / (variance + eps).sqrt() * weight + bias;
        }
    }
}

/// GELU in its exact form.
pub fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2))
}

/// Softmax of one row.
pub fn softmax(row: &mut [f64]) {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|x| *x = (*x - max).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}

/// Whether the local query of token `i` sees the key of token `j`.
pub fn sees(i: usize, j: usize, globals: &[usize], one_sided_window: usize) -> bool {
    globals.contains(&j) || i.abs_diff(j) <= one_sided_window
}

/// The probabilities that one head's query `i` gives to all T keys; 0 for a key that `sees` refuses.
///
/// - `query`: (D), scaled by 1/√D
/// - `keys`: (T, D)
pub fn attention_row(query: &[f64], keys: &[f64], sees: impl Fn(usize) -> bool) -> Vec<f64> {
    let score = |(j, key)| if sees(j) { dot(query, key) } else { f64::NEG_INFINITY };
    let mut row: Vec<f64> = keys.chunks_exact(query.len()).enumerate().map(score).collect();
    softmax(&mut row);
    row
}

/// The sum of `p[j] v[j]` over j.
///
/// - `probabilities`: (T), `values`: (T, D); returns (D)
pub fn weighted_sum(probabilities: &[f64], values: &[f64]) -> Vec<f64> {
    let d = values.len() / probabilities.len();
    let mut out = vec![0.0; d];
    for (p, value) in probabilities.iter().zip(values.chunks_exact(d)) {
        out.iter_mut().zip(value).for_each(|(out, v)| *out += p * v);
    }
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "a product of {} and {} numbers", a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
