//! C (M, N) = A (M, K) · B (K, N) + start.
//!
//! ```text
//! for i in 0..M, j in 0..N:
//!     c[i][j] = start[i][j]
//!     for k in 0..K:  c[i][j] = a[i][k] * b[k][j] + c[i][j]
//! ```
//!
//! Departures, none of which makes a result depend on how the caller divides a product:
//! 1. A and B are packed in groups of 32 bits ([`Tiles`](crate::Tiles), [`Panels`](crate::Panels)): one instruction
//!    adds the 1, 2 or 4 products of a group.
//! 2. K is cut into blocks ([`Arithmetic::k_block`](crate::Arithmetic::k_block)), so that the block of a panel of B
//!    stays in the first-level cache while it is multiplied by all slabs of A. Each block continues the sums of the
//!    previous one.
//! 3. A tile of R rows by two vectors stays in registers for all k of a block: an output is one chain of sums over k.
//! 4. Rows that do not fill a tile use tiles of fewer rows. Columns beyond N are computed but not stored.
//! 5. In int8 the sum over a block of K is an exact integer. It is scaled and added to C once per block.
//! 6. `vectors` has the loops for vector registers, `amx` those for the tiles of AMX, in the same blocks of K.

#[cfg(target_arch = "x86_64")]
mod amx;
mod block;
mod vectors;

use crate::matrix::MatrixMut;
use crate::panels::PanelsPart;
use crate::tiles::TilesPart;

use block::KBlock;
pub use block::Start;
use vectors::Tiled;

/// C = A·B + start.
///
/// - `a`: (M, K)
/// - `b`: (K, N)
/// - `out`: C (M, N)
///
/// # Panics
/// If sizes differ, K is 0, or the operands are packed for different arithmetic.
pub fn product(a: TilesPart<'_>, b: PanelsPart<'_>, start: Start<'_>, out: &mut MatrixMut<'_>) {
    let arithmetic = a.arithmetic();
    assert_eq!(arithmetic, b.arithmetic(), "A and B were packed for different arithmetic");
    assert_eq!(a.k(), b.k(), "A has {} columns, B {} rows", a.k(), b.k());
    assert!(a.k() > 0, "a product over nothing");
    assert_eq!(a.rows(), out.rows(), "A has {} rows, C {}", a.rows(), out.rows());
    assert_eq!(b.n(), out.columns(), "B has {} columns, C {}", b.n(), out.columns());
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), b.n(), "a bias of {} for {} columns", bias.len(), b.n());
    }
    let mut start = start;
    let mut from = 0;
    loop {
        let to = a.k().min(from + arithmetic.k_block());
        let block = KBlock { a: &a, b: &b, start, k: from..to };
        match arithmetic.tile_rows() {
            #[cfg(target_arch = "x86_64")]
            32 => amx::product(block, out),
            6 => arithmetic.run(Tiled::<6> { block, out }),
            12 => arithmetic.run(Tiled::<12> { block, out }),
            rows => unreachable!("tiles of {rows} rows"),
        }
        if to == a.k() {
            return;
        }
        start = Start::Out;
        from = to;
    }
}
