//! Dropout: numbers become zero by chance, the others larger, so that their mean stays.
//!
//! ```text
//! x[j] = if chance(key, j) < share { 0 } else { x[j] / (1 - share) }
//! ```
//!
//! Chance is a function of a row's key and the column, so that the way back drops what the forward pass dropped without
//! keeping a mask: the finalizer of MurmurHash3 over `key + j * 0x9e3779b9`, whose upper 24 bits are a fraction.

use rten_simd::{Isa as Token, SimdOp};

use crate::isa::Isa;

/// Drops numbers of one row.
///
/// - `x`: (C)
/// - `share`: of the numbers that become zero, at least 0 and below 1
pub fn drop_row(isa: Isa, x: &mut [f32], key: u64, share: f32) {
    assert!((0.0..1.0).contains(&share), "a share of {share} to drop");
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
        // A plain loop, which the compiler turns into vectors.
        for (j, x) in self.x.iter_mut().enumerate() {
            let mut h = self.key.wrapping_add((j as u32).wrapping_mul(0x9e37_79b9));
            h = (h ^ h >> 16).wrapping_mul(0x85eb_ca6b);
            h = (h ^ h >> 13).wrapping_mul(0xc2b2_ae35);
            h ^= h >> 16;
            *x = if h >> 8 < limit { 0.0 } else { *x * scale };
        }
    }
}
