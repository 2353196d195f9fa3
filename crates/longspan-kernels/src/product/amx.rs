//! Products on the tiles of AMX: 16 rows of 64 bytes each.
//!
//! ```text
//! for each slab of 32 rows of A:                  one panel of 32 columns of B stays in the first-level cache
//!     c00 c01 c10 c11 = start                     (16, 16) each
//!     for each line of the block of K:
//!         a0 a1 = 32 rows of the slab             (16, 16 groups) each
//!         b0 b1 = 16 groups of the panel          (16 groups, 16 columns) each
//!         c00 += a0·b0   c01 += a0·b1   c11 += a1·b1   c10 += a1·b0
//!     store c00 c01 c10 c11
//! ```
//!
//! The intrinsics of AMX are unstable in Rust, so the code uses `asm!`. One block of assembly configures the tiles,
//! runs all loops and releases the tiles, so that no tile state exists outside it.
//!
//! 1. Tiles are always whole. A slab or panel with rows beyond M or columns beyond N is computed in an [`Edge`], from
//!    which the existing outputs are copied.
//! 2. A bias is loaded as a tile whose rows have a stride of 0.
//! 3. In int8 the sums are integers: they are stored in a buffer, from which vectors scale them and add them to C.
//! 4. A tile of the next line is loaded right after the last product that reads its predecessor is issued, so that
//!    loads and products overlap. Loads of A hint that the data is not needed again soon (`tileloaddt1`), which leaves
//!    the panel in the first-level cache.

#[cfg(all(test, target_os = "linux"))]
mod emulator;

use std::arch::asm;
use std::ops::Range;

use rten_simd::{Isa as Token, SimdOp};

use super::block::{KBlock, Start, scaled};
use crate::arithmetic::Precision;
use crate::format::LINE;
use crate::isa::{Isa, has_amx};
use crate::matrix::MatrixMut;

/// Rows of a slab, columns of a panel.
const SIDE: usize = 32;

/// A product over one block of K.
///
/// # Panics
/// If the machine lacks AMX.
pub(crate) fn product(block: KBlock<'_>, out: &mut MatrixMut<'_>) {
    assert!(has_amx() || cfg!(test), "this machine has no amx");
    // SAFETY: checked above; the tests of this file install an emulator.
    unsafe { multiply(&block, out) }
}

/// # Safety
/// The CPU must have AMX, and the system must permit it.
unsafe fn multiply(block: &KBlock<'_>, out: &mut MatrixMut<'_>) {
    let m = block.a.rows();
    let whole = m / SIDE * SIDE;
    let int8 = block.arithmetic().precision == Precision::Int8;
    for p in 0..block.b.panels() {
        let columns = block.b.panel_columns(p);
        if int8 {
            // SAFETY: the caller guarantees AMX.
            unsafe { multiply_int8(block, out, p, &columns) };
            continue;
        }
        if columns.len() < SIDE || whole < m {
            let first = if columns.len() < SIDE { 0 } else { whole };
            // SAFETY: the caller guarantees AMX.
            unsafe { multiply_edge(block, out, p, &columns, first..m) };
        }
        if columns.len() == SIDE && whole > 0 {
            let stride = out.stride();
            let at = out.rows_mut(0..whole, &columns).as_mut_ptr();
            let (from, from_stride) = match block.start {
                Start::Zero => (std::ptr::null(), 0),
                Start::Bias(bias) => (bias[columns.clone()].as_ptr(), 0),
                Start::Out => (at.cast_const(), stride),
            };
            let tiles = Slabs { first: 0, slabs: whole / SIDE, panel: p, from, from_stride };
            // SAFETY: the caller guarantees AMX; `at` points to the rows of whole slabs with this `stride`, and `from`
            // is null or points to 32 numbers for each of them.
            unsafe { run(block, tiles, at, stride) };
        }
    }
}

/// A buffer for the outputs of one slab and one panel, some of which are beyond M or N.
#[repr(C, align(64))]
struct Edge([f32; SIDE * SIDE]);

/// Computes slabs of `rows` and one panel, at least one of which is not whole, in an [`Edge`].
///
/// # Safety
/// The CPU must have AMX, and the system must permit it.
unsafe fn multiply_edge(
    block: &KBlock<'_>,
    out: &mut MatrixMut<'_>,
    panel: usize,
    columns: &Range<usize>,
    rows: Range<usize>,
) {
    let mut edge = Edge([0.0; SIDE * SIDE]);
    for first in rows.clone().step_by(SIDE) {
        let count = SIDE.min(rows.end - first);
        for (i, row) in edge.0.chunks_exact_mut(SIDE).take(count).enumerate() {
            match block.start {
                Start::Zero => row.fill(0.0),
                Start::Bias(bias) => row[..columns.len()].copy_from_slice(&bias[columns.clone()]),
                Start::Out => row[..columns.len()].copy_from_slice(&out.row_mut(first + i)[columns.clone()]),
            }
        }
        let at = edge.0.as_mut_ptr();
        let tiles = Slabs { first, slabs: 1, panel, from: at.cast_const(), from_stride: SIDE };
        // SAFETY: the caller guarantees AMX; `edge` holds one slab.
        unsafe { run(block, tiles, at, SIDE) };
        for (i, row) in edge.0.chunks_exact(SIDE).take(count).enumerate() {
            out.row_mut(first + i)[columns.clone()].copy_from_slice(&row[..columns.len()]);
        }
    }
}

/// Computes one panel in int8: some slabs at a time, whose integer sums are stored in a buffer and scaled into `out`.
///
/// # Safety
/// The CPU must have AMX, and the system must permit it.
unsafe fn multiply_int8(block: &KBlock<'_>, out: &mut MatrixMut<'_>, panel: usize, columns: &Range<usize>) {
    /// Slabs whose sums fit into the first-level cache together.
    const SLABS: usize = 4;
    #[repr(C, align(64))]
    struct SlabSums([f32; SLABS * SIDE * SIDE]);
    let mut sums = SlabSums([0.0; SLABS * SIDE * SIDE]);
    let m = block.a.rows();
    for first in (0..m).step_by(SLABS * SIDE) {
        let rows = first..m.min(first + SLABS * SIDE);
        let slabs = rows.len().div_ceil(SIDE);
        let tiles = Slabs { first, slabs, panel, from: std::ptr::null(), from_stride: 0 };
        // SAFETY: the caller guarantees AMX; `sums` holds the slabs.
        unsafe { run(block, tiles, sums.0.as_mut_ptr(), SIDE) };
        Isa::Avx512.run(Scaled { block, sums: &sums.0, rows, panel, columns, out });
    }
}

/// Scales int8 sums, i32 as the bits of f32, and adds them to the start of the outputs.
struct Scaled<'a, 'o> {
    block: &'a KBlock<'a>,
    sums: &'a [f32], // (rows, 32)
    rows: Range<usize>,
    panel: usize,
    columns: &'a Range<usize>,
    out: &'a mut MatrixMut<'o>,
}

impl SimdOp for Scaled<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(self, isa: I) {
        use rten_simd::ops::BitOps;
        let ops = isa.f32();
        let lanes = ops.len();
        let mut padded = [0.0; SIDE];
        let start = match self.block.start {
            Start::Bias(bias) => {
                padded[..self.columns.len()].copy_from_slice(&bias[self.columns.clone()]);
                Start::Bias(&padded)
            }
            other => other,
        };
        for (i, sums) in self.rows.zip(self.sums.chunks_exact(SIDE)) {
            let x = [ops.load(sums), ops.load(&sums[lanes..])];
            let row = &mut self.out.row_mut(i)[self.columns.clone()];
            if row.len() == SIDE {
                let x = scaled(isa, x, start, row, self.block, self.panel, i);
                ops.store(x[0], row);
                ops.store(x[1], &mut row[lanes..]);
                continue;
            }
            let mut edge = [0.0; SIDE];
            edge[..row.len()].copy_from_slice(row);
            let x = scaled(isa, x, start, &edge, self.block, self.panel, i);
            ops.store(x[0], &mut edge);
            ops.store(x[1], &mut edge[lanes..]);
            row.copy_from_slice(&edge[..row.len()]);
        }
    }
}

/// Slabs that are multiplied by one panel.
struct Slabs {
    /// The first row.
    first: usize,
    /// Number of slabs.
    slabs: usize,
    panel: usize,
    /// The values that the outputs start from, or null for zeros.
    from: *const f32,
    /// The distance of their rows.
    from_stride: usize,
}

/// The configuration of the tiles: palette 1, eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    columns_bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = {
    let mut configuration =
        Configuration { palette: 1, start_row: 0, reserved: [0; 14], columns_bytes: [0; 16], rows: [0; 16] };
    let mut tile = 0;
    while tile < 8 {
        configuration.columns_bytes[tile] = 64;
        configuration.rows[tile] = 16;
        tile += 1;
    }
    configuration
};

/// Inputs of the loops for which no registers are left.
#[repr(C)]
struct Loops {
    lines: usize,      // of the block of K
    slab_bytes: usize, // from a slab of A to the next
}

/// The assembly. `$dot` is the instruction that multiplies two tiles.
macro_rules! multiply_tiles {
    ($dot:literal, $a:expr, $b:expr, $loops:expr, $slabs:expr, $out:expr, $out_stride:expr) => {
        asm!(
            "ldtilecfg [{pa}]",
            "2:",
            "test {from}, {from}",
            "jz 3f",
            "mov {pa}, {from_stride}",
            "shl {pa}, 4",
            "add {pa}, {from}",
            "tileloadd tmm0, [{from} + {from_stride}*1]",
            "tileloadd tmm1, [{from} + {from_stride}*1 + 64]",
            "tileloadd tmm2, [{pa} + {from_stride}*1]",
            "tileloadd tmm3, [{pa} + {from_stride}*1 + 64]",
            "sub {pa}, {from}",
            "lea {from}, [{from} + {pa}*2]",
            "jmp 4f",
            "3:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "4:",
            "mov {pa}, {a}",
            "mov {pb}, {b}",
            "mov {line}, [{loops}]",
            "tileloadd tmm6, [{pb} + {bytes}*2]",
            "tileloaddt1 tmm4, [{pa} + {bytes}*1]",
            "tileloadd tmm7, [{pb} + {bytes}*2 + 64]",
            "tileloaddt1 tmm5, [{pa} + {bytes}*1 + 1024]",
            "dec {line}",
            "jz 6f",
            "5:",
            "add {pa}, 2048",
            "add {pb}, 2048",
            concat!($dot, " tmm0, tmm4, tmm6"),
            concat!($dot, " tmm1, tmm4, tmm7"),
            "tileloaddt1 tmm4, [{pa} + {bytes}*1]",
            concat!($dot, " tmm3, tmm5, tmm7"),
            "tileloadd tmm7, [{pb} + {bytes}*2 + 64]",
            concat!($dot, " tmm2, tmm5, tmm6"),
            "tileloadd tmm6, [{pb} + {bytes}*2]",
            "tileloaddt1 tmm5, [{pa} + {bytes}*1 + 1024]",
            "dec {line}",
            "jnz 5b",
            "6:",
            concat!($dot, " tmm0, tmm4, tmm6"),
            concat!($dot, " tmm1, tmm4, tmm7"),
            concat!($dot, " tmm3, tmm5, tmm7"),
            concat!($dot, " tmm2, tmm5, tmm6"),
            "mov {pa}, {out_stride}",
            "shl {pa}, 4",
            "add {pa}, {out}",
            "tilestored [{out} + {out_stride}*1], tmm0",
            "tilestored [{out} + {out_stride}*1 + 64], tmm1",
            "tilestored [{pa} + {out_stride}*1], tmm2",
            "tilestored [{pa} + {out_stride}*1 + 64], tmm3",
            "sub {pa}, {out}",
            "lea {out}, [{out} + {pa}*2]",
            "add {a}, [{loops} + 8]",
            "dec {slabs}",
            "jnz 2b",
            "tilerelease",
            pa = inout(reg) &raw const CONFIGURATION => _,
            pb = out(reg) _,
            line = out(reg) _,
            a = inout(reg) $a => _,
            b = in(reg) $b,
            bytes = in(reg) 64usize,
            loops = in(reg) &raw const $loops,
            from = inout(reg) $slabs.from => _,
            from_stride = in(reg) $slabs.from_stride * 4,
            out = inout(reg) $out => _,
            out_stride = in(reg) $out_stride * 4,
            slabs = inout(reg) $slabs.slabs => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// Multiplies some slabs by one panel over all lines of a block.
///
/// # Safety
/// The CPU must have AMX, and the system must permit it. In each of `32 · slabs.slabs` rows, 32 numbers must be valid
/// for writes in `out`, whose rows are `out_stride` apart, and for reads in `slabs.from`, unless that is null.
unsafe fn run(block: &KBlock<'_>, slabs: Slabs, out: *mut f32, out_stride: usize) {
    let lines = block.lines();
    if lines.is_empty() || slabs.slabs == 0 {
        return;
    }
    let loops = Loops { lines: lines.len(), slab_bytes: block.a.slab_groups() * 4 };
    let (a, b) = (block.a.slab(slabs.first, &lines), block.b.panel(slabs.panel, &lines));
    assert_eq!(a.len(), lines.len() * SIDE * LINE, "a slab of A");
    assert_eq!(b.len(), lines.len() * LINE * SIDE, "a panel of B");
    // The last slab must exist, too.
    assert_eq!(block.a.slab(slabs.first + (slabs.slabs - 1) * SIDE, &lines).len(), a.len(), "the last slab of A");
    let (a, b) = (a.as_ptr(), b.as_ptr());
    // SAFETY: the asserts above prove the lengths of the slabs and of the panel. The caller guarantees `from`, `out`
    // and the instructions. The tiles are configured before they are used and released at the end.
    unsafe {
        match block.arithmetic().precision {
            Precision::Int8 => multiply_tiles!("tdpbusd", a, b, loops, slabs, out, out_stride),
            _ => multiply_tiles!("tdpbf16ps", a, b, loops, slabs, out, out_stride),
        }
    }
}

/// The tests run the assembly in an emulator if the machine lacks AMX.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use super::emulator;
    use crate::{
        Arithmetic, Isa, Keys, Matrix, MatrixMut, Panels, Precision, Queries, Start, Tiles, Visibility, attend, encode,
        product,
    };

    /// Whether the machine has the vectors with which tiles are compared. Installs the emulator if it lacks AMX.
    fn ready() -> bool {
        let vectors = Isa::Avx512Bf16.is_available();
        match (vectors, Isa::Amx.is_available()) {
            (false, _) => {
                // Written directly, because the test runner would capture `eprintln!`.
                let line = b"not run: amx, because the machine lacks avx512bf16, with which it is compared\n";
                std::io::stderr().write_all(line).unwrap();
            }
            (true, false) => emulator::install(),
            (true, true) => {}
        }
        vectors
    }

    fn numbers(count: usize, factor: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * factor) % 251) as f32 / 125.0 - 1.0).collect()
    }

    fn multiplied(arithmetic: Arithmetic, (m, n, k): (usize, usize, usize), bias: bool) -> Vec<f32> {
        let (x, weight, biases) = (numbers(m * k, 7), numbers(n * k, 11), numbers(n, 13));
        let mut a = Tiles::new(arithmetic);
        a.encode(Matrix::new(&x, k));
        let b = Panels::from_columns(arithmetic, k, n, |j, row| row.copy_from_slice(&weight[j * k..][..k]));
        let stride = n + 3;
        let mut out = vec![f32::NAN; m * stride];
        let start = if bias { Start::Bias(&biases) } else { Start::Zero };
        product(a.all(), b.all(), start, &mut MatrixMut::with_stride(&mut out, stride, n, m));
        if m > 96 && k > 384 {
            // Adds the second block of K once more, to the rows from a common border of slabs on.
            let (rows, k) = (96..m, 384..k);
            let out = &mut out[96 * stride..];
            let mut out = MatrixMut::with_stride(out, stride, n, m - 96);
            product(a.part(rows, k.clone()), b.part(k, 0..n), Start::Out, &mut out);
        }
        out
    }

    #[test]
    fn products_on_tiles_are_those_on_vectors() {
        if !ready() {
            return;
        }
        for sizes in
            [(1, 1, 1), (2, 33, 65), (31, 32, 384), (32, 64, 400), (70, 40, 1100), (130, 40, 500), (150, 32, 64)]
        {
            for precision in [Precision::Bf16, Precision::Int8] {
                for bias in [false, true] {
                    let found = multiplied(Arithmetic { isa: Isa::Amx, precision }, sizes, bias);
                    let expected = multiplied(Arithmetic { isa: Isa::Avx512Bf16, precision }, sizes, bias);
                    // Integers are exact; sums of bf16 are added in another order.
                    let bound = if precision == Precision::Int8 { 0.0 } else { sizes.2 as f32 * 1e-6 };
                    for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
                        let same = (a - b).abs() <= bound || (a.is_nan() && b.is_nan());
                        assert!(same, "{precision} {sizes:?} [{i}]: {a} for {b}");
                    }
                    assert!(!emulator::tiles_in_use());
                }
            }
        }
    }

    #[test]
    fn attention_on_tiles_is_that_on_vectors() {
        if !ready() {
            return;
        }
        let (t, d) = (230, 64);
        let attended = |isa| {
            let arithmetic = Arithmetic { isa, precision: Precision::Bf16 };
            let [q, k, v] = [7, 11, 13].map(|factor| {
                let mut groups = vec![0; t * d / 2];
                encode(arithmetic, Matrix::new(&numbers(t * d, factor), d), &mut MatrixMut::new(&mut groups, d / 2));
                groups
            });
            let mut keys = Keys::new(arithmetic);
            keys.set(Matrix::new(&k, d / 2), Matrix::new(&v, d / 2));
            let mut queries = Queries::new(arithmetic, d);
            queries.set(Matrix::new(&q, d / 2).rows_in(60..85));
            attend(
                &mut queries,
                &keys,
                Visibility::Window { query: 60, key: 0, one_sided_window: 150, masked: &[3, 200] },
            );
            let mut out = vec![f32::NAN; 25 * d];
            queries.write(&mut MatrixMut::new(&mut out, d));
            out
        };
        for (i, (a, b)) in attended(Isa::Amx).iter().zip(attended(Isa::Avx512Bf16)).enumerate() {
            assert!((a - b).abs() < 1e-5, "[{i}]: {a} for {b}");
        }
    }
}
