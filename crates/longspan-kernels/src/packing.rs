//! Groups in lines of 64 bytes, the storage of packed operands; and the conversion of rows to groups and back.

use std::ops::{Deref, DerefMut, Range};

use rten_simd::Isa as Token;

use crate::arithmetic::{Arithmetic, Precision};
use crate::format::{FormatOp, LINE, NumberFormat, Scale};
use crate::matrix::{Matrix, MatrixMut};

/// Groups, aligned to 64 bytes: no row of a tile crosses the border of a cache line.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedGroups(Vec<CacheLine>);

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([i32; LINE]);

impl PackedGroups {
    /// Makes room for `count` groups and leaves their content as it is.
    pub fn resize(&mut self, count: usize) {
        self.0.resize(count.div_ceil(LINE), CacheLine([0; LINE]));
    }
}

impl Deref for PackedGroups {
    type Target = [i32];

    fn deref(&self) -> &[i32] {
        // SAFETY: a `CacheLine` is 16 groups without padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }
}

impl DerefMut for PackedGroups {
    fn deref_mut(&mut self) -> &mut [i32] {
        // SAFETY: as in `deref`; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

/// Checks that a part of the reduced index begins where a line begins, and in int8 also begins and ends at a block.
///
/// # Panics
/// If it does not.
pub(crate) fn check_k(arithmetic: Arithmetic, k: &Range<usize>, all: usize) {
    assert!(k.start <= k.end && k.end <= all, "{k:?} of a reduced size of {all}");
    let unit =
        if arithmetic.precision == Precision::Int8 { arithmetic.k_block() } else { arithmetic.numbers_per_line() };
    assert_eq!(k.start % unit, 0, "{k:?} does not begin at a multiple of {unit}");
    if arithmetic.precision == Precision::Int8 {
        assert!(k.end == all || k.end.is_multiple_of(unit), "{k:?} ends within a block of {unit}");
    }
}

/// Pairs the bf16 of two rows: a group of `out` holds the numbers that both rows have in one column.
///
/// - `low`, `high`: (N / 2)
/// - `out`: (N) or more
#[inline(always)]
pub(crate) fn pair_rows(low: &[i32], high: &[i32], out: &mut [i32]) {
    for ((out, &low), &high) in out.as_chunks_mut::<2>().0.iter_mut().zip(low).zip(high) {
        let (low, high) = (low as u32, high as u32);
        *out = [(low & 0xffff | high << 16) as i32, (low >> 16 | high & 0xffff_0000) as i32];
    }
}

/// Converts rows of numbers to rows of groups.
///
/// - `x`: (M, N), N a multiple of the numbers in a group
/// - `out`: (M, N / group)
///
/// # Panics
/// In int8, whose rows need scales.
pub fn encode(arithmetic: Arithmetic, x: Matrix<'_>, out: &mut MatrixMut<'_, i32>) {
    assert_ne!(arithmetic.precision, Precision::Int8, "rows in int8 need scales");
    assert_eq!(x.columns(), out.columns() * arithmetic.group(), "columns of numbers and of groups");
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
    fn eval<I: Token, F: NumberFormat<I>>(self, isa: I, format: F) {
        for i in 0..self.x.rows() {
            format.encode(isa, self.x.row(i), Scale::NONE, self.out.row_mut(i));
        }
    }
}

/// Converts rows of groups back to numbers, the inverse of [`encode`].
///
/// - `x`: (M, N / group)
/// - `out`: (M, N)
///
/// # Panics
/// In int8, whose rows need scales.
pub fn decode(arithmetic: Arithmetic, x: Matrix<'_, i32>, out: &mut MatrixMut<'_>) {
    assert_ne!(arithmetic.precision, Precision::Int8, "rows in int8 need scales");
    assert_eq!(out.columns(), x.columns() * arithmetic.group(), "columns of numbers and of groups");
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
    fn eval<I: Token, F: NumberFormat<I>>(self, _: I, _: F) {
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
