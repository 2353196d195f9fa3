//! The numeric kernels of Longspan: matrix products, band attention, layer norm, softmax, GELU, dropout; forward and
//! backward.
//!
//! A kernel knows slices and sizes, no model and no file, and runs on one thread over the range that it is given. An
//! [`Arithmetic`] says in which number format and on which instruction set. Row kernels and the product's tile are
//! written once, over a token that proves that the instruction set is there (`rten-simd`), and so are safe code; `avx512`
//! and `amx` reach the instructions that it lacks.
//!
//! **Order of sums.** The order in which the terms of an output are added depends on the reduced size and the arithmetic
//! alone, never on how the work was split, on the number of rows, or on what else was computed beside it. Row kernels
//! give a number its lane by its index.
//!
//! A module imports only from modules on lower floors. `product` and `attention` are folders, whose files are named in
//! the order in which they import each other:
//!
//! | floor | module | content |
//! |---|---|---|
//! | 0 | `isa` | what the CPU can do, and the dispatch of an operation to an instruction set |
//! | 0 | `matrix` | views of row-major matrices |
//! | 0 | `format` | f32, bf16 and int8 in groups of 32 bits |
//! | 0 | [`reference`](mod@reference) | every operation in plain f64 loops: the oracle of all tests |
//! | 1 | `avx512` | the formats bf16 and int8 on the instructions of AVX-512 that multiply them |
//! | 1 | `row_ops` | layer norm, GELU and cross-entropy of rows, forward and backward |
//! | 1 | `dropout` | sets random numbers of a row to zero |
//! | 2 | `arithmetic` | precision and instruction set, and the dispatch of an operation to its format |
//! | 3 | `packing` | groups in lines of 64 bytes |
//! | 4 | `tiles`, `panels` | the packed operands of a product, A and B |
//! | 5 | `product` | C = A·B + start; `block`, then `vectors` and `amx` |
//! | 6 | `attention` | softmax-weighted sums in one pass; `visibility`, then `forward` and `backward` |
//!
//! Legend of the letters in shapes: T tokens, C hidden, H heads, D head size, F intermediate, W one-sided window,
//! G global tokens; M, N, K rows, columns and reduced size of a product; R rows of a tile.

mod arithmetic;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dropout;
mod format;
mod isa;
mod matrix;
mod packing;
mod panels;
mod product;
mod row_ops;
mod tiles;

pub mod reference;

pub use arithmetic::{Arithmetic, Precision, UnknownPrecision};
pub use attention::{
    BackwardInputs, BackwardKeys, BackwardQueries, KEY_CHUNK, Keys, QUERY_BLOCK, Queries, Visibility, attend,
    attend_backward,
};
pub use dropout::drop_row;
pub use isa::{Isa, UnknownIsa};
pub use matrix::{Matrix, MatrixMut};
pub use packing::{decode, encode};
pub use panels::{Panels, PanelsPart};
pub use product::{Start, product};
pub use row_ops::{add_layer_norm, add_rows, cross_entropy, gelu, gelu_backward, layer_norm, layer_norm_backward};
pub use tiles::{Tiles, TilesPart};
