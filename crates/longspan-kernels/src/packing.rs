//! Groups in lines of 64 bytes: how numbers stand in packed operands, and in rows that wait to be packed.

use std::ops::{Deref, DerefMut, Range};

use rten_simd::Isa as Token;

use crate::arithmetic::{Arithmetic, Precision};
use crate::format::{Format, FormatOp, LINE, Scale};
use crate::matrix::{Matrix, MatrixMut};

/// Groups, aligned to lines of 64 bytes: a row of a tile never crosses one.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedGroups(Vec<CacheLine>);

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([i32; LINE]);

impl PackedGroups {
    /// Makes room for `count` groups; what is in them is left as it is.
    pub fn resize(&mut self, count: usize) {
        self.0.resize(count.div_ceil(LINE), CacheLine([0; LINE]));
    }
}

impl Deref for PackedGroups {
    type Target = [i32];

    fn deref(&self) -> &[i32] {
        // SAFETY: a `CacheLine` is 16 groups without padding between or after them.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }
}

impl DerefMut for PackedGroups {
    fn deref_mut(&mut self) -> &mut [i32] {
        // SAFETY: as for `deref`; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

/// A part of the reduced index begins where a line begins, and in int8 where a scale does.
pub(crate) fn check_k(arithmetic: Arithmetic, k: &Range<usize>, all: usize) {
    assert!(k.start <= k.end && k.end <= all, "{k:?} of a reduced size of {all}");
    let step = if arithmetic.precision == Precision::Int8 { arithmetic.k_block() } else { arithmetic.step() };
    assert_eq!(k.start % step, 0, "{k:?} begins no {step}");
    if arithmetic.precision == Precision::Int8 {
        assert!(k.end == all || k.end.is_multiple_of(step), "{k:?} ends within a block of {step}");
    }
}

/// Groups of two bf16 of two rows become groups of what stands one above the other.
///
/// - `low`, `high`: (N / 2)
/// - `out`: (N) at least
#[inline(always)]
pub(crate) fn pair(low: &[i32], high: &[i32], out: &mut [i32]) {
    for ((out, &low), &high) in out.as_chunks_mut::<2>().0.iter_mut().zip(low).zip(high) {
        let (low, high) = (low as u32, high as u32);
        *out = [(low & 0xffff | high << 16) as i32, (low >> 16 | high & 0xffff_0000) as i32];
    }
}

/// Writes rows of numbers as rows of groups.
///
/// - `x`: (M, N), N a multiple of the group
/// - `out`: (M, N / group)
///
/// # Panics
/// In int8, whose rows need scales.
pub fn encode(arithmetic: Arithmetic, x: Matrix<'_>, out: &mut MatrixMut<'_, i32>) {
    assert_ne!(arithmetic.precision, Precision::Int8, "rows in int8 need scales");
    assert_eq!(x.columns(), out.columns() * arithmetic.precision.group(), "columns of numbers and of groups");
    assert_eq!(x.rows(), out.rows(), "rows of numbers and of groups");
    arithmetic.run(EncodeRows { x, out });
}

struct EncodeRows<'a, 'o> {
    x: Matrix<'a>,
    out: &'a mut MatrixMut<'o, i32>,
}

impl FormatOp for EncodeRows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: Format<I>>(self, isa: I, format: F) {
        for i in 0..self.x.rows() {
            format.encode(isa, self.x.row(i), Scale::NONE, self.out.row_mut(i));
        }
    }
}

/// Widens rows of groups to numbers: what [`encode`] made.
///
/// - `x`: (M, N / group)
/// - `out`: (M, N)
///
/// # Panics
/// In int8, whose rows need scales.
pub fn decode(arithmetic: Arithmetic, x: Matrix<'_, i32>, out: &mut MatrixMut<'_>) {
    assert_ne!(arithmetic.precision, Precision::Int8, "rows in int8 need scales");
    assert_eq!(out.columns(), x.columns() * arithmetic.precision.group(), "columns of numbers and of groups");
    assert_eq!(x.rows(), out.rows(), "rows of numbers and of groups");
    arithmetic.run(DecodeRows { x, out });
}

struct DecodeRows<'a, 'o> {
    x: Matrix<'a, i32>,
    out: &'a mut MatrixMut<'o>,
}

impl FormatOp for DecodeRows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: Format<I>>(self, _: I, _: F) {
        for i in 0..self.x.rows() {
            let (groups, out) = (self.x.row(i), self.out.row_mut(i));
            if F::GROUP == 1 {
                for (out, &group) in out.iter_mut().zip(groups) {
                    *out = f32::from_bits(group as u32);
                }
            } else {
                for (out, &group) in out.as_chunks_mut::<2>().0.iter_mut().zip(groups) {
                    *out = [f32::from_bits((group as u32) << 16), f32::from_bits(group as u32 & 0xffff_0000)];
                }
            }
        }
    }
}
