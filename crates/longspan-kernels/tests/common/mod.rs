//! Shared by the tests of kernels.

use std::ops::Range;

use longspan_kernels::Activation;

/// The distance from 1 to the next f32.
pub const ULP: f64 = 1.0 / (1 << 23) as f64;

/// Every activation.
pub const ACTIVATIONS: [Activation; 3] = [Activation::Gelu, Activation::GeluTanh, Activation::Relu];

/// (tokens, head size, one-sided window, masked keys, queries)
pub type Band = (usize, usize, usize, &'static [usize], Range<usize>);

/// Numbers between -1 and 1, a function of the seed (xorshift).
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// The numbers in f64.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}
