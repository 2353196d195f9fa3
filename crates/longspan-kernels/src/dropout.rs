//! Dropout: sets random numbers to zero and scales the others, so that the mean stays the same.
//!
//! ```text
//! x[j] = if random(key, j) < share { 0 } else { x[j] / (1 - share) }
//! ```
//!
//! `random` is a function of the row's key and the column, so that the backward pass drops the same numbers as the
//! forward pass without storing a mask. It is the finalizer of MurmurHash3 of `key + j * 0x9e3779b9`: its upper 24 bits
//! are the digits of a fraction.

use rten_simd::{Isa as Token, SimdOp};

use crate::isa::Isa;

/// Applies dropout to one row.
///
/// - `x`: (C)
/// - `share`: the probability that a number is dropped, at least 0 and below 1
pub fn drop_row(isa: Isa, x: &mut [f32], key: u64, share: f32) {
    assert!((0.0..1.0).contains(&share), "dropout with a share of {share}");
    if share > 0.0 {
        isa.run(DropRow { x, key: (key ^ key >> 32) as u32, share });
    }
}

struct DropRow<'a> {
    x: &'a mut [f32],
    key: u32,
    share: f32,
}

impl SimdOp for DropRow<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(self, _: I) {
        let limit = (self.share * (1 << 24) as f32) as u32;
        let scale = 1.0 / (1.0 - limit as f32 / (1 << 24) as f32);
        // The compiler vectorises this plain loop.
        for (j, x) in self.x.iter_mut().enumerate() {
            let mut h = self.key.wrapping_add((j as u32).wrapping_mul(0x9e37_79b9));
            h = (h ^ h >> 16).wrapping_mul(0x85eb_ca6b);
            h = (h ^ h >> 13).wrapping_mul(0xc2b2_ae35);
            h ^= h >> 16;
            *x = if h >> 8 < limit { 0.0 } else { *x * scale };
        }
    }
}
