//! The formats bf16 and int8 for CPUs whose AVX-512 multiplies them: with `vdpbf16ps` and `vpdpbusd`.
//!
//! As with the tokens of `rten-simd`, a value of type [`Bf16Dot`] or [`Int8Dot`] exists only if the CPU has the
//! instruction.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_permutex2var_epi32, _mm512_permutexvar_epi16, _mm512_setzero_si512, _mm512_storeu_si512,
};
use std::mem::transmute;

use rten_simd::isa::Avx512Isa;
use rten_simd::ops::BitOps;
use rten_simd::{Isa as Token, Simd};

use crate::format::{Bf16Format, FormatOp, NumberFormat, Scale, encode_int8};

/// Vectors of AVX-512.
type F32 = <Avx512Isa as Token>::F32;
type I32 = <Avx512Isa as Token>::I32;

/// Proof that the CPU has AVX512-BF16.
#[derive(Clone, Copy)]
pub(crate) struct Bf16Dot(());

/// Proof that the CPU has AVX512-VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Int8Dot(());

/// Runs `op` on bf16.
///
/// # Panics
/// If the machine lacks AVX512-BF16.
pub(crate) fn run_bf16<Op: FormatOp>(op: Op) -> Op::Output {
    match Avx512Isa::new().filter(|_| is_x86_feature_detected!("avx512bf16")) {
        // SAFETY: the token and the check prove that the CPU has the features of the function.
        Some(isa) => unsafe { with_bf16(isa, op, Bf16Dot(())) },
        None => panic!("this machine has no avx512bf16"),
    }
}

/// Runs `op` on int8.
///
/// # Panics
/// If the machine lacks AVX512-VNNI.
pub(crate) fn run_int8<Op: FormatOp>(op: Op) -> Op::Output {
    match Avx512Isa::new().filter(|_| is_x86_feature_detected!("avx512vnni")) {
        // SAFETY: the token and the check prove that the CPU has the features of the function.
        Some(isa) => unsafe { with_int8(isa, op, Int8Dot(())) },
        None => panic!("this machine has no avx512vnni"),
    }
}

/// # Safety
/// The CPU must have AVX-512 F, VL, BW, DQ and BF16, FMA (which F includes) and F16C.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,f16c,fma")]
unsafe fn with_bf16<Op: FormatOp>(isa: Avx512Isa, op: Op, dot: Bf16Dot) -> Op::Output {
    op.eval(isa, dot)
}

/// # Safety
/// The CPU must have AVX-512 F, VL, BW, DQ and VNNI, FMA (which F includes) and F16C.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,f16c,fma")]
unsafe fn with_int8<Op: FormatOp>(isa: Avx512Isa, op: Op, dot: Int8Dot) -> Op::Output {
    op.eval(isa, dot)
}

impl NumberFormat<Avx512Isa> for Bf16Dot {
    const GROUP: usize = 2;
    const INTEGER: bool = false;

    #[inline(always)]
    fn multiply_add(self, isa: Avx512Isa, a: i32, b: I32, sum: F32) -> F32 {
        let a = isa.i32().splat(a).0;
        // SAFETY: a `Bf16Dot` exists, so the CPU has the instruction; all bit patterns of both 64-byte types are valid.
        unsafe { _mm512_dpbf16_ps(sum.0, transmute::<__m512i, __m512bh>(a), transmute::<__m512i, __m512bh>(b.0)) }
            .into()
    }

    #[inline(always)]
    fn encode(self, isa: Avx512Isa, x: &[f32], scale: Scale, groups: &mut [i32]) {
        let (ops, ints) = (isa.f32(), isa.i32());
        let (lines, rest) = groups.as_chunks_mut::<16>();
        let (whole, x_rest) = x.as_chunks::<32>();
        for (x, line) in whole.iter().zip(lines) {
            ints.store(narrow(self, ops.load(x), ops.load(&x[16..])), line);
        }
        Bf16Format.encode(isa, x_rest, scale, rest);
    }

    #[inline(always)]
    fn transpose(self, square: &mut [[i32; 16]; 16]) {
        // SAFETY: a `Bf16Dot` exists, so the CPU has AVX-512 F; a row has 64 bytes.
        unsafe {
            let (lower, upper) = (_mm512_loadu_si512(LOWER.as_ptr().cast()), _mm512_loadu_si512(UPPER.as_ptr().cast()));
            let mut x = [_mm512_setzero_si512(); 16];
            for (x, row) in x.iter_mut().zip(&*square) {
                *x = _mm512_loadu_si512(row.as_ptr().cast());
            }
            // A perfect shuffle of rows i and i + 8, four times, since 2⁴ = 16 rows, transposes the square.
            for _ in 0..4 {
                let from = x;
                for i in 0..8 {
                    x[2 * i] = _mm512_permutex2var_epi32(from[i], lower, from[i + 8]);
                    x[2 * i + 1] = _mm512_permutex2var_epi32(from[i], upper, from[i + 8]);
                }
            }
            for (x, row) in x.into_iter().zip(square) {
                _mm512_storeu_si512(row.as_mut_ptr().cast(), x);
            }
        }
    }

    #[inline(always)]
    fn pair_lanes(self, _: Avx512Isa, [low, high]: [F32; 2]) -> I32 {
        // Narrowing puts the numbers of `low` before those of `high`; the permutation pairs them lane by lane.
        const ORDER: [i16; 32] = {
            let mut order = [0; 32];
            let mut i = 0;
            while i < 32 {
                order[i] = (i / 2 + i % 2 * 16) as i16;
                i += 1;
            }
            order
        };
        let x = narrow(self, low, high);
        // SAFETY: a `Bf16Dot` exists, so the CPU has AVX-512 F and BW; `ORDER` has 64 bytes.
        unsafe { _mm512_permutexvar_epi16(_mm512_loadu_si512(ORDER.as_ptr().cast()), x.0) }.into()
    }
}

/// The lower halves of two vectors in alternation, and the upper halves. Lanes of the second vector count from 16.
const LOWER: [i32; 16] = interleave_from(0);
const UPPER: [i32; 16] = interleave_from(8);

const fn interleave_from(first: i32) -> [i32; 16] {
    let mut order = [0; 16];
    let mut i = 0;
    while i < 16 {
        order[i] = first + i as i32 / 2 + i as i32 % 2 * 16;
        i += 1;
    }
    order
}

/// Rounds 32 numbers to bf16, those of `low` first.
#[inline(always)]
fn narrow(_: Bf16Dot, low: F32, high: F32) -> I32 {
    // SAFETY: a `Bf16Dot` exists, so the CPU has the instruction; both types have 64 bytes.
    unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high.0, low.0)) }.into()
}

impl NumberFormat<Avx512Isa> for Int8Dot {
    const GROUP: usize = 4;
    const INTEGER: bool = true;

    #[inline(always)]
    fn multiply_add(self, isa: Avx512Isa, a: i32, b: I32, sum: F32) -> F32 {
        let sum = sum.reinterpret_cast::<I32>();
        // SAFETY: an `Int8Dot` exists, so the CPU has the instruction.
        I32::from(unsafe { _mm512_dpbusd_epi32(sum.0, isa.i32().splat(a).0, b.0) }).reinterpret_cast::<F32>()
    }

    #[inline(always)]
    fn encode(self, _: Avx512Isa, x: &[f32], scale: Scale, groups: &mut [i32]) {
        encode_int8(x, scale, groups);
    }

    #[inline(always)]
    fn pair_lanes(self, _: Avx512Isa, _: [F32; 2]) -> I32 {
        unreachable!("attention weights are never int8")
    }
}
