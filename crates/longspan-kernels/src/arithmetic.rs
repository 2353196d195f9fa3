//! How products are computed: in which precision and on which instruction set, in tiles and blocks of which size; and
//! the dispatch of an operation to its format.

use std::fmt;
use std::str::FromStr;

#[cfg(target_arch = "x86_64")]
use crate::avx512;
use crate::format::{Bf16Format, F32Format, FormatOp, Int8Format, LINE, WithFormat};
use crate::isa::Isa;

/// The format of the numbers that are multiplied. Sums, norms, softmax and GELU are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Single precision.
    F32,
    /// The upper half of an f32: 8 bits of precision.
    Bf16,
    /// Bytes: weights have one scale per output, inputs one per row and block of the reduced index.
    Int8,
}

impl Precision {
    const ALL: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

    /// The fastest precision that is exact enough: bf16 if the instruction set multiplies bf16, else f32.
    pub fn best(isa: Isa) -> Precision {
        if isa >= Isa::Avx512Bf16 { Precision::Bf16 } else { Precision::F32 }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
        })
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        let found = Precision::ALL.into_iter().find(|precision| precision.to_string() == name);
        found.ok_or_else(|| UnknownPrecision(name.to_string()))
    }
}

/// A string that names no [`Precision`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPrecision(
    /// The string.
    pub String,
);

impl fmt::Display for UnknownPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "precision `{}`: expected f32, bf16 or int8", self.0)
    }
}

impl std::error::Error for UnknownPrecision {}

/// How products are computed. Operands are packed for one `Arithmetic` and cannot be used with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arithmetic {
    /// The instruction set.
    pub isa: Isa,
    /// The format of the operands.
    pub precision: Precision,
}

impl Arithmetic {
    /// R: rows of A that are multiplied together.
    ///
    /// Their sums, R rows of two vectors, stay in registers, beside two vectors of B and one number of A. 16 vector
    /// registers have room for R = 6. 32 registers (AVX-512, NEON) would have room for R = 14; the largest R that also
    /// divides the chunks of attention, 192 keys, is 12. AMX has 8 tiles of 16 rows: 2 · 2 of sums, two of A, two of B;
    /// so R = 32.
    pub fn tile_rows(self) -> usize {
        match (self.isa, self.precision) {
            (Isa::Amx, Precision::Bf16 | Precision::Int8) => 32,
            (Isa::Portable | Isa::Avx2, _) => 6,
            _ => 12,
        }
    }

    /// Columns of a panel of B: two vectors of f32.
    pub fn panel_width(self) -> usize {
        2 * self.isa.lanes()
    }

    /// Numbers in a group of 32 bits.
    pub fn group(self) -> usize {
        match self.precision {
            Precision::F32 => 1,
            Precision::Bf16 => 2,
            Precision::Int8 => 4,
        }
    }

    /// Numbers in a line of 64 bytes. The reduced index is padded to whole lines.
    pub fn numbers_per_line(self) -> usize {
        LINE * self.group()
    }

    /// Length of a block of the reduced index. In int8, each row of A has one scale per block.
    ///
    /// One block of a panel of B should stay in the first-level cache while it is multiplied by all rows of A. A panel
    /// of AVX-512 has 32 columns, so a block takes 32 KiB in f32 and 48 KiB in bf16, the first-level cache of CPUs with
    /// AMX. Longer blocks read and write the sums less often, which counts most in bf16, the fastest format. In int8,
    /// shorter blocks make finer scales; 384 divides the hidden sizes 384 and 768, so that no block is shorter.
    pub fn k_block(self) -> usize {
        match self.precision {
            Precision::F32 => 256,
            Precision::Bf16 => 768,
            Precision::Int8 => 384,
        }
    }

    /// Runs `op` on the format of this precision.
    pub(crate) fn run<Op: FormatOp>(self, op: Op) -> Op::Output {
        match self.precision {
            Precision::F32 => self.isa.run(WithFormat(op, F32Format)),
            #[cfg(target_arch = "x86_64")]
            Precision::Bf16 if self.isa >= Isa::Avx512Bf16 => avx512::run_bf16(op),
            Precision::Bf16 => self.isa.run(WithFormat(op, Bf16Format)),
            #[cfg(target_arch = "x86_64")]
            Precision::Int8 if self.isa >= Isa::Avx512Vnni => avx512::run_int8(op),
            Precision::Int8 => self.isa.run(WithFormat(op, Int8Format)),
        }
    }
}
