//! Tensors as checkpoints store them: shape, number format and bytes.

use half::{bf16, f16};

/// The number formats that checkpoints can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DType {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an f32.
    BF16,
}

impl DType {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F16 | DType::BF16 => 2,
        }
    }
}

/// A tensor of a checkpoint: row-major, little endian, not aligned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorView<'a> {
    /// The number format.
    pub dtype: DType,
    /// The sizes of the dimensions, that of the rows first. Empty for a scalar.
    pub shape: Vec<usize>,
    /// The numbers: `shape.product() * dtype.bytes()` bytes.
    pub data: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// Row `i` of a matrix: (N, K) → (K).
    ///
    /// # Panics
    /// If the tensor is not a matrix or has no such row.
    pub fn row(&self, i: usize) -> TensorView<'a> {
        assert_eq!(self.shape.len(), 2, "rows of a tensor of shape {:?}", self.shape);
        let bytes = self.shape[1] * self.dtype.bytes();
        TensorView { dtype: self.dtype, shape: vec![self.shape[1]], data: &self.data[i * bytes..(i + 1) * bytes] }
    }

    /// Converts every number to f32, which is exact.
    ///
    /// # Panics
    /// If the length of `out` is not that of the tensor.
    pub fn copy_to(&self, out: &mut [f32]) {
        let count: usize = self.shape.iter().product();
        assert_eq!(out.len(), count, "buffer of {} for a tensor of {count}", out.len());
        assert_eq!(self.data.len(), count * self.dtype.bytes(), "{} bytes for {count} numbers", self.data.len());
        match self.dtype {
            DType::F32 => widen(self.data, out, f32::from_le_bytes),
            DType::F16 => widen(self.data, out, |b| f16::from_le_bytes(b).to_f32()),
            DType::BF16 => widen(self.data, out, |b| bf16::from_le_bytes(b).to_f32()),
        }
    }
}

fn widen<const N: usize>(data: &[u8], out: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    let (chunks, _) = data.as_chunks::<N>();
    for (value, bytes) in out.iter_mut().zip(chunks) {
        *value = number(*bytes);
    }
}
