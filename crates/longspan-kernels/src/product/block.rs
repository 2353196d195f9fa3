//! A product over one block of the reduced index, and the scaling of its int8 sums.

use std::ops::Range;

use rten_simd::ops::{BitOps, NumOps, ToFloat};
use rten_simd::{Isa as Token, Simd};

use crate::arithmetic::Arithmetic;
use crate::panels::PanelsPart;
use crate::tiles::TilesPart;

/// The values to which a product is added.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Zero.
    Zero,
    /// A bias for each column: (N).
    Bias(&'a [f32]),
    /// The values that `out` holds.
    Out,
}

/// A product over one block of K.
pub(crate) struct KBlock<'a> {
    pub a: &'a TilesPart<'a>,
    pub b: &'a PanelsPart<'a>,
    pub start: Start<'a>,
    pub k: Range<usize>,
}

impl KBlock<'_> {
    pub fn arithmetic(&self) -> Arithmetic {
        self.a.arithmetic()
    }

    /// The lines of the block.
    pub fn lines(&self) -> Range<usize> {
        let per_line = self.arithmetic().numbers_per_line();
        self.k.start / per_line..self.k.end.div_ceil(per_line)
    }
}

/// start + (x − zero · sums of the bytes of B) · scale of the row · scales of the columns, for the int8 sums of one
/// row.
///
/// - `x`: sums, i32 as the bits of f32
/// - `start`: a bias is that of the panel's columns
/// - `out`: the values of the row for [`Start::Out`]
#[inline(always)]
pub(crate) fn scaled<I: Token>(
    isa: I,
    x: [I::F32; 2],
    start: Start<'_>,
    out: &[f32],
    block: &KBlock<'_>,
    panel: usize,
    row: usize,
) -> [I::F32; 2] {
    let ops = isa.f32();
    let lanes = ops.len();
    let start = match start {
        Start::Zero => [ops.zero(); 2],
        Start::Bias(bias) => [ops.load(bias), ops.load(&bias[lanes..])],
        Start::Out => [ops.load(out), ops.load(&out[lanes..])],
    };
    let ints = isa.i32();
    let x = [ints.to_float(x[0].reinterpret_cast::<I::I32>()), ints.to_float(x[1].reinterpret_cast::<I::I32>())];
    let own = block.a.scales(block.k.start)[row];
    let (scales, sums) = block.b.scales(panel, block.k.start);
    let (scale, zero) = (ops.splat(own.scale), ops.splat(-own.zero));
    let low = ops.mul(ops.mul_add(zero, ops.load(sums), x[0]), scale);
    let high = ops.mul(ops.mul_add(zero, ops.load(&sums[lanes..]), x[1]), scale);
    [ops.mul_add(low, ops.load(scales), start[0]), ops.mul_add(high, ops.load(&scales[lanes..]), start[1])]
}
