//! The number formats of a product.
//!
//! Operands are stored in **groups** of 32 bits: one f32, two bf16 or four bytes that are neighbours along the reduced
//! index. Multiplying a group of A by a group of B adds 1, 2 or 4 products to a sum. So packing, tiles and loops are
//! written once, for groups of any format:
//!
//! | format | a group of A | a group of B | sum |
//! |---|---|---|---|
//! | f32 | 1 f32 | 1 f32 | f32 |
//! | bf16 | 2 bf16 | 2 bf16 | f32 |
//! | int8 | 4 u8 | 4 i8 | i32, exact |

use rten_simd::ops::{BitOps, IntOps, NumOps};
use rten_simd::{Isa as Token, Simd, SimdOp};

/// Groups in a line of 64 bytes, which is also one row of an AMX tile.
pub(crate) const LINE: usize = 16;

/// An operation written once for all formats.
pub(crate) trait FormatOp {
    type Output;

    fn eval<I: Token, F: NumberFormat<I>>(self, isa: I, format: F) -> Self::Output;
}

/// A format on an instruction set.
pub(crate) trait NumberFormat<I: Token>: Copy {
    /// Numbers in a group.
    const GROUP: usize;
    /// Whether sums are i32, which a scale and a zero point turn into f32.
    const INTEGER: bool;

    /// Adds the products of one group of A with each group of a vector of B. Sums of type i32 travel as the bits of
    /// f32.
    fn multiply_add(self, isa: I, a: i32, b: I::I32, sum: I::F32) -> I::F32;

    /// Converts `x`, (groups · GROUP), to groups. `scale` comes from [`scale_of`]; formats without a scale ignore it.
    fn encode(self, isa: I, x: &[f32], scale: Scale, groups: &mut [i32]);

    /// Transposes a square of groups.
    #[inline(always)]
    fn transpose(self, square: &mut [[i32; LINE]; LINE]) {
        let from = *square;
        for (i, row) in square.iter_mut().enumerate() {
            for (out, from) in row.iter_mut().zip(&from) {
                *out = from[i];
            }
        }
    }

    /// Converts each lane to a group: the numbers of both vectors in bf16, that of the first vector in f32.
    fn pair_lanes(self, isa: I, x: [I::F32; 2]) -> I::I32;
}

/// The meaning of a byte q in A: x = (q − zero) · scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub scale: f32,
    pub zero: f32,
}

impl Scale {
    /// For formats without a scale.
    pub const NONE: Scale = Scale { scale: 1.0, zero: 0.0 };
}

/// If no number is larger, all of them become the byte of 0, because 1 / scale must be finite.
pub(crate) const SMALLEST: f32 = 1e-30;

/// The scale that maps the numbers of `x`, and 0, to the range from 0 to 255. It is NaN if a number is infinite or NaN.
///
/// The loops use no closures: the compiler would not apply the caller's instruction set to them.
#[inline(always)]
pub(crate) fn scale_of(x: &[f32]) -> Scale {
    // `nan` sums up 0 · x: 0 for finite numbers, else NaN.
    let (mut min, mut max, mut nan) = ([0.0f32; LINE], [0.0f32; LINE], [0.0f32; LINE]);
    let (whole, rest) = x.as_chunks::<LINE>();
    assert!(rest.is_empty(), "{} numbers fill no lines", x.len());
    for x in whole {
        for i in 0..LINE {
            min[i] = if x[i] < min[i] { x[i] } else { min[i] };
            max[i] = if x[i] > max[i] { x[i] } else { max[i] };
            nan[i] += x[i] * 0.0;
        }
    }
    let (mut lowest, mut highest, mut any_nan) = (0.0, 0.0, 0.0);
    for i in 0..LINE {
        lowest = if min[i] < lowest { min[i] } else { lowest };
        highest = if max[i] > highest { max[i] } else { highest };
        any_nan += nan[i];
    }
    let range = highest - lowest + any_nan;
    let scale = if range < SMALLEST { 1.0 } else { range / 255.0 };
    Scale { scale, zero: (-lowest / scale + 8_388_608.0) - 8_388_608.0 }
}

/// The bits of `x` as bf16, its upper half rounded to nearest even. NaN stays NaN.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    (if x.is_nan() { (bits >> 16) | 0x40 } else { rounded }) as u16
}

/// Groups of one f32.
#[derive(Clone, Copy)]
pub(crate) struct F32Format;

impl<I: Token> NumberFormat<I> for F32Format {
    const GROUP: usize = 1;
    const INTEGER: bool = false;

    #[inline(always)]
    fn multiply_add(self, isa: I, a: i32, b: I::I32, sum: I::F32) -> I::F32 {
        let ops = isa.f32();
        ops.mul_add(ops.splat(f32::from_bits(a as u32)), b.reinterpret_cast::<I::F32>(), sum)
    }

    #[inline(always)]
    fn encode(self, _: I, x: &[f32], _: Scale, groups: &mut [i32]) {
        for (group, x) in groups.iter_mut().zip(x) {
            *group = x.to_bits() as i32;
        }
    }

    #[inline(always)]
    fn pair_lanes(self, _: I, x: [I::F32; 2]) -> I::I32 {
        x[0].reinterpret_cast::<I::I32>()
    }
}

/// Groups of two bf16 for CPUs without instructions that multiply them: widened to f32, which is exact.
#[derive(Clone, Copy)]
pub(crate) struct Bf16Format;

impl<I: Token> NumberFormat<I> for Bf16Format {
    const GROUP: usize = 2;
    const INTEGER: bool = false;

    #[inline(always)]
    fn multiply_add(self, isa: I, a: i32, b: I::I32, sum: I::F32) -> I::F32 {
        let (ops, ints) = (isa.f32(), isa.i32());
        let low = ints.shift_left::<16>(b).reinterpret_cast::<I::F32>();
        let high = ints.and(b, ints.splat(UPPER)).reinterpret_cast::<I::F32>();
        let sum = ops.mul_add(ops.splat(f32::from_bits((a << 16) as u32)), low, sum);
        ops.mul_add(ops.splat(f32::from_bits((a & UPPER) as u32)), high, sum)
    }

    #[inline(always)]
    fn encode(self, _: I, x: &[f32], _: Scale, groups: &mut [i32]) {
        for (group, x) in groups.iter_mut().zip(x.as_chunks::<2>().0) {
            *group = (u32::from(bf16_bits(x[0])) | u32::from(bf16_bits(x[1])) << 16) as i32;
        }
    }

    #[inline(always)]
    fn pair_lanes(self, isa: I, x: [I::F32; 2]) -> I::I32 {
        let ints = isa.i32();
        // Adding half a unit of the upper half rounds like `bf16_bits`, except for ties. Among attention weights and
        // their gradients, ties are rare.
        let half = ints.splat(0x8000);
        let low = ints.add(x[0].reinterpret_cast::<I::I32>(), half);
        let high = ints.add(x[1].reinterpret_cast::<I::I32>(), half);
        let low = ints.and(ints.shift_right::<16>(low), ints.splat(!UPPER));
        ints.or(low, ints.and(high, ints.splat(UPPER)))
    }
}

/// Mask of the upper half of a group.
const UPPER: i32 = 0xffff_0000_u32 as i32;

/// Groups of four bytes, u8 in A and i8 in B, for CPUs without instructions that multiply them.
#[derive(Clone, Copy)]
pub(crate) struct Int8Format;

impl<I: Token> NumberFormat<I> for Int8Format {
    const GROUP: usize = 4;
    const INTEGER: bool = true;

    #[inline(always)]
    fn multiply_add(self, isa: I, a: i32, b: I::I32, sum: I::F32) -> I::F32 {
        let ints = isa.i32();
        let sum = sum.reinterpret_cast::<I::I32>();
        let a = a.to_le_bytes();
        let (a0, a1, a2, a3) =
            (ints.splat(a[0].into()), ints.splat(a[1].into()), ints.splat(a[2].into()), ints.splat(a[3].into()));
        let sum = ints.mul_add(a0, ints.shift_right::<24>(ints.shift_left::<24>(b)), sum);
        let sum = ints.mul_add(a1, ints.shift_right::<24>(ints.shift_left::<16>(b)), sum);
        let sum = ints.mul_add(a2, ints.shift_right::<24>(ints.shift_left::<8>(b)), sum);
        ints.mul_add(a3, ints.shift_right::<24>(b), sum).reinterpret_cast::<I::F32>()
    }

    #[inline(always)]
    fn encode(self, _: I, x: &[f32], scale: Scale, groups: &mut [i32]) {
        encode_int8(x, scale, groups);
    }

    #[inline(always)]
    fn pair_lanes(self, _: I, _: [I::F32; 2]) -> I::I32 {
        unreachable!("attention weights are never int8")
    }
}

/// Converts numbers to u8 in groups of four.
///
/// Adding 2²³ to a number below 2⁸ rounds it to the nearest even integer, which is then in the lowest bits of the sum.
#[inline(always)]
pub(crate) fn encode_int8(x: &[f32], Scale { scale, zero }: Scale, groups: &mut [i32]) {
    let inverse = 1.0 / scale;
    for (group, x) in groups.iter_mut().zip(x.as_chunks::<4>().0) {
        let mut bytes = 0;
        for (i, x) in x.iter().enumerate() {
            let q = x * inverse + zero;
            let q = if q < 255.0 { q } else { 255.0 };
            let q = if q > 0.0 { q } else { 0.0 };
            bytes |= ((q + 8_388_608.0).to_bits() & 0xff) << (8 * i);
        }
        *group = bytes as i32;
    }
}

/// An operation with its format, as an operation that [`rten_simd`] can dispatch.
pub(crate) struct WithFormat<Op, F>(pub Op, pub F);

macro_rules! impl_simd_op {
    ($($format:ty),*) => {$(
        impl<Op: FormatOp> SimdOp for WithFormat<Op, $format> {
            type Output = Op::Output;

            #[inline(always)]
            fn eval<I: Token>(self, isa: I) -> Op::Output {
                self.0.eval(isa, self.1)
            }
        }
    )*};
}

impl_simd_op!(F32Format, Bf16Format, Int8Format);
