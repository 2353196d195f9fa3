//! The numeric kernels of Longspan: matrix products, band attention, layer norm, softmax, GELU.
//!
//! A kernel knows slices and sizes, no model and no file; it runs on one thread over the range that it is given,
//! and the first argument says on which instruction set ([`Isa`]). Row kernels and the product's tile are written
//! once, over a token that proves that the instruction set is there (`rten-simd`), and so are safe code.
//!
//! **Order of sums.** Every output of a product is one chain of multiply-adds in the order of the reduced index, and
//! row kernels assign numbers to lanes by their index alone. A result therefore depends on the reduced size and the
//! instruction set, never on how the work was split, on the number of rows, or on what else was computed beside it.
//!
//! | file | what |
//! |---|---|
//! | `isa` | what the CPU can do, and the dispatch to it |
//! | `matrix` | views of row-major matrices, and the packed operand of a product |
//! | `product` | C = A·B + bias in f32 |
//! | `rows` | layer norm, softmax, GELU over rows |
//! | `attention` | one head of band or full attention for a block of queries |
//! | [`reference`](mod@reference) | every operation in plain f64 loops: the oracle of all tests |
//!
//! Legend of the letters in shapes: T tokens, C hidden, H heads, D head size, F intermediate, W one-sided window,
//! G global tokens; M, N, K rows, columns and reduced size of a product.

mod attention;
mod isa;
mod matrix;
mod product;
mod rows;

pub mod reference;

pub use attention::{BandAttention, band_attention, full_attention};
pub use isa::{Isa, UnknownIsa};
pub use matrix::{Matrix, MatrixMut, Panels, PanelsPart};
pub use product::{Scratch, Start, product};
pub use rows::{add_layer_norm, gelu, layer_norm, softmax};
