//! A stored tensor: its shape, its type and its bytes, wherever they lie.

use half::{bf16, f16};

/// The number formats that checkpoints are stored in.
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
    /// Size of one number in bytes.
    pub fn bytes(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F16 | DType::BF16 => 2,
        }
    }
}

/// A tensor as it stands in a checkpoint: row-major, little endian, not aligned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorView<'a> {
    /// Number format.
    pub dtype: DType,
    /// Sizes, the slowest first; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.product() * dtype.bytes()` bytes.
    pub data: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// Row `i` of a matrix: (N, K) → (K).
    ///
    /// # Panics
    /// If the tensor is no matrix or has no such row.
    pub fn row(&self, i: usize) -> TensorView<'a> {
        assert_eq!(self.shape.len(), 2, "rows of a tensor of shape {:?}", self.shape);
        let bytes = self.shape[1] * self.dtype.bytes();
        TensorView { dtype: self.dtype, shape: vec![self.shape[1]], data: &self.data[i * bytes..(i + 1) * bytes] }
    }

    /// Widens every number to f32, exactly.
    ///
    /// # Panics
    /// If `out` has another length than the tensor.
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
