//! The numeric kernels of Longspan: matrix products, band attention, layer norm, softmax, GELU and dropout, forward and
//! backward.
//!
//! A kernel knows slices and sizes, but no model and no file, and runs on one thread over the range that it is given.
//! An [`Arithmetic`] selects the number format and the instruction set. Most kernels are safe code, written once for
//! all instruction sets: a token of `rten-simd` proves that the CPU has the instructions. `avx512` and `product/amx`
//! add instructions that `rten-simd` lacks.
//!
//! **Order of sums.** The order in which the terms of an output are added depends only on the reduced size and the
//! arithmetic, never on how the work is divided, on the number of rows, or on other outputs. In row kernels the lane of
//! a number is given by its index.
//!
//! A module imports only from modules on lower floors. `product` and `attention` are folders, whose files are named in
//! the order in which they import each other:
//!
//! | floor | module | content |
//! |---|---|---|
//! | 0 | `isa` | what the CPU can do, and the dispatch of an operation to an instruction set |
//! | 0 | `matrix` | views of row-major matrices |
//! | 0 | `format` | f32, bf16 and int8 in groups of 32 bits |
//! | 0 | `activation` | the activations that models have |
//! | 1 | `avx512` | the formats bf16 and int8 on the instructions of AVX-512 that multiply them |
//! | 1 | `row_ops` | layer norm, activations and cross-entropy of rows, forward and backward |
//! | 1 | `dropout` | sets random numbers of a row to zero |
//! | 1 | [`reference`](mod@reference) | every operation in plain f64 loops: the oracle of all tests |
//! | 2 | `arithmetic` | precision and instruction set, and the dispatch of an operation to its format |
//! | 3 | `packing` | groups in lines of 64 bytes |
//! | 4 | `tiles`, `panels` | the packed operands of a product, A and B |
//! | 5 | `product` | C = A·B + start; `block`, then `vectors` and `amx` |
//! | 6 | `attention` | softmax-weighted sums in one pass; `visibility`, then `forward` and `backward` |
//!
//! Letters in shapes: T tokens, C hidden size, H heads, D head size, F intermediate size, W one-sided window, G global
//! tokens; M, N, K rows, columns and reduced size of a product; R rows of a tile; `group` the numbers in a group of 32
//! bits.

mod activation;
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

pub use activation::Activation;
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
pub use row_ops::{
    NormGradients, activate, activate_backward, add_layer_norm, add_rows, cross_entropy, layer_norm,
    layer_norm_backward,
};
pub use tiles::{Tiles, TilesPart};
