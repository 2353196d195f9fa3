//! Every operation in plain f64 loops: slow and obvious, the oracle of all tests.

use crate::activation::Activation;

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

/// An activation.
pub fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => 0.5 * x * (1.0 + tanh_argument(x).tanh()),
        Activation::Relu => x.max(0.0),
    }
}

fn tanh_argument(x: f64) -> f64 {
    std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044715 * x.powi(3))
}

/// Softmax of one row.
pub fn softmax(row: &mut [f64]) {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|x| *x = (*x - max).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}

/// The cross-entropy of a row of logits, in nats, and its gradient: (N).
pub fn cross_entropy(row: &[f64], target: usize) -> (f64, Vec<f64>) {
    let mut p = row.to_vec();
    softmax(&mut p);
    let loss = -p[target].ln();
    p[target] -= 1.0;
    (loss, p)
}

/// Whether the local query of token `i` sees the key of token `j`.
pub fn sees(i: usize, j: usize, globals: &[usize], one_sided_window: usize) -> bool {
    globals.contains(&j) || i.abs_diff(j) <= one_sided_window
}

/// The attention weights of one query of one head over all T keys. Keys for which `sees` is false have the weight 0.
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

/// The gradients of [`layer_norm`].
pub struct LayerNormGradients {
    /// Of its input: (T, C).
    pub dx: Vec<f64>,
    /// Of its weight: (C).
    pub dweight: Vec<f64>,
    /// Of its bias: (C).
    pub dbias: Vec<f64>,
}

/// The backward pass of [`layer_norm`].
///
/// - `x`, `dout`: (T, C)
pub fn layer_norm_backward(x: &[f64], weight: &[f64], eps: f64, dout: &[f64]) -> LayerNormGradients {
    let c = weight.len();
    let (mut dx, mut dweight, mut dbias) = (Vec::with_capacity(x.len()), vec![0.0; c], vec![0.0; c]);
    for (x, dout) in x.chunks_exact(c).zip(dout.chunks_exact(c)) {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / c as f64;
        let centred: Vec<f64> = x.iter().map(|value| value - mean(x)).collect();
        let scale = 1.0 / (dot(&centred, &centred) / c as f64 + eps).sqrt();
        let z: Vec<f64> = centred.iter().map(|value| value * scale).collect();
        let g: Vec<f64> = dout.iter().zip(weight).map(|(d, w)| d * w).collect();
        let along = dot(&g, &z) / c as f64;
        for j in 0..c {
            dx.push((g[j] - mean(&g) - z[j] * along) * scale);
            dweight[j] += dout[j] * z[j];
            dbias[j] += dout[j];
        }
    }
    LayerNormGradients { dx, dweight, dbias }
}

/// The derivative of [`activate`].
pub fn activate_backward(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Gelu => {
            let below = 0.5 * (1.0 + libm::erf(x / std::f64::consts::SQRT_2));
            below + x * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
        }
        Activation::GeluTanh => {
            let tanh = tanh_argument(x).tanh();
            let inner = std::f64::consts::FRAC_2_PI.sqrt() * (1.0 + 3.0 * 0.044715 * x * x);
            0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner
        }
        Activation::Relu => f64::from(u8::from(x > 0.0)),
    }
}

/// Queries, keys and values of one head, or their gradients: (T, D) each.
pub struct AttentionRows {
    /// Queries, scaled by 1/√D.
    pub queries: Vec<f64>,
    /// Keys.
    pub keys: Vec<f64>,
    /// Values.
    pub values: Vec<f64>,
}

/// The gradients of queries, keys and values. Query i sees the keys j for which `sees(i, j)`.
///
/// - `d`: D
/// - `dout`: (T, D)
pub fn attention_backward(
    AttentionRows { queries, keys, values }: &AttentionRows,
    d: usize,
    sees: impl Fn(usize, usize) -> bool,
    dout: &[f64],
) -> AttentionRows {
    let [mut dqueries, mut dkeys, mut dvalues] = [queries, keys, values].map(|x| vec![0.0; x.len()]);
    for (i, (query, dout)) in queries.chunks_exact(d).zip(dout.chunks_exact(d)).enumerate() {
        let p = attention_row(query, keys, |j| sees(i, j));
        let dp: Vec<f64> = values.chunks_exact(d).map(|value| dot(dout, value)).collect();
        let delta = dot(&p, &dp);
        for (j, (p, dp)) in p.iter().zip(dp).enumerate() {
            let dscore = p * (dp - delta);
            for n in 0..d {
                dqueries[i * d + n] += dscore * keys[j * d + n];
                dkeys[j * d + n] += dscore * query[n];
                dvalues[j * d + n] += p * dout[n];
            }
        }
    }
    AttentionRows { queries: dqueries, keys: dkeys, values: dvalues }
}
