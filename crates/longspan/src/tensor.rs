//! Tensors as checkpoints store them: shape, number format and bytes.

use std::fmt;
use std::str::FromStr;

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
    /// Whole numbers from -127 to 127, for matrices alone: each row has a scale in f32, by which its numbers are multiplied.
    Int8,
}

impl DType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::BF16, Self::Int8];

    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F16 | DType::BF16 => 2,
            DType::Int8 => 1,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::Int8 => "int8",
        })
    }
}

impl FromStr for DType {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|dtype| dtype.to_string() == name);
        found.ok_or_else(|| format!("expected one of {}", Self::ALL.map(|dtype| dtype.to_string()).join(", ")))
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
    /// The scales of the rows of [`DType::Int8`], little endian f32: (N). Empty for other formats.
    pub scales: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// Row `i` of a matrix: (N, K) → (K).
    ///
    /// # Panics
    /// If the tensor is not a matrix or has no such row.
    pub fn row(&self, i: usize) -> TensorView<'a> {
        assert_eq!(self.shape.len(), 2, "rows of a tensor of shape {:?}", self.shape);
        let bytes = self.shape[1] * self.dtype.bytes();
        let scale = if self.scales.is_empty() { 0..0 } else { 4 * i..4 * (i + 1) };
        TensorView {
            dtype: self.dtype,
            shape: vec![self.shape[1]],
            data: &self.data[i * bytes..(i + 1) * bytes],
            scales: &self.scales[scale],
        }
    }

    /// Converts every number to f32, which is exact but for [`DType::Int8`], whose products are rounded.
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
            DType::Int8 => {
                let (scales, _) = self.scales.as_chunks::<4>();
                let columns = (count / scales.len().max(1)).max(1);
                for ((out, row), scale) in out.chunks_mut(columns).zip(self.data.chunks(columns)).zip(scales) {
                    let scale = f32::from_le_bytes(*scale);
                    widen(row, out, |[byte]| f32::from(byte as i8) * scale);
                }
            }
        }
    }
}

fn widen<const N: usize>(data: &[u8], out: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    let (chunks, _) = data.as_chunks::<N>();
    for (value, bytes) in out.iter_mut().zip(chunks) {
        *value = number(*bytes);
    }
}
