//! What the implementations of a product share: a block of the reduced index, what its outputs start from, and the
//! scaling of int8 sums.

use std::ops::Range;

use rten_simd::ops::{BitOps, NumOps, ToFloat};
use rten_simd::{Isa as Token, Simd};

use crate::arithmetic::Arithmetic;
use crate::panels::PanelsPart;
use crate::tiles::TilesPart;

/// What the outputs of a product start from.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Zero.
    Zero,
    /// A bias for each column: (N).
    Bias(&'a [f32]),
    /// What `out` holds already.
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

    /// Lines of the block.
    pub fn steps(&self) -> Range<usize> {
        let step = self.arithmetic().step();
        self.k.start / step..self.k.end.div_ceil(step)
    }
}

/// start + (x − zero · sums of the bytes of B) · scale of the row · scales of the columns.
///
/// - `x`: sums, whole numbers by their bits
/// - `start`: the bias is that of the panel's columns
/// - `out`: what the row holds already
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
