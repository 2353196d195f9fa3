//! Tensors as the readers of both formats describe them.

use std::ops::Range;

use crate::tensor::DType;

/// A tensor as a file describes it.
pub(super) struct StoredTensor {
    pub format: NumberFormat,
    pub shape: Vec<usize>,
    pub data: TensorData,
}

/// What the numbers of a tensor are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NumberFormat {
    Float(DType),
    /// One that the model never asks for, by safetensors' name: `position_ids` are I64.
    Other(String),
}

/// Where the numbers of a tensor are.
pub(super) enum TensorData {
    /// In the file, in order; checked against its length.
    Range(Range<usize>),
    /// In the file out of order (a transposed view, say), so put in order here.
    Copy(Vec<u8>),
}
