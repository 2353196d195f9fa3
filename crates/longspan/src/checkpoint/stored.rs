//! Tensors as the readers of safetensors and of pickles return them.

use std::ops::Range;

use crate::tensor::DType;

/// The description of a tensor in a file.
pub(super) struct StoredTensor {
    /// `Err` names a format that the model never needs, as safetensors spells it: `position_ids` are I64.
    pub format: Result<DType, String>,
    pub shape: Vec<usize>,
    pub data: TensorData,
    /// The scales of the rows of [`DType::Int8`], one f32 each; empty for other formats.
    pub scales: Range<usize>,
}

/// The place of the numbers of a tensor.
pub(super) enum TensorData {
    /// Contiguous in the file; checked against its length.
    Range(Range<usize>),
    /// A copy in order, because they are not contiguous in the file; for example, of a transposed view.
    Copy(Vec<u8>),
}
