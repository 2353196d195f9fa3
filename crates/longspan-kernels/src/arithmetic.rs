//! How products are computed: the precision, the instruction set, the sizes of tiles and blocks that follow from both,
//! and the dispatch of an operation to its format.

use std::fmt;
use std::str::FromStr;

#[cfg(target_arch = "x86_64")]
use crate::avx512;
use crate::format::{Bf16Format, F32Format, FormatOp, Int8Format, LINE, WithFormat};
use crate::isa::Isa;

/// The format of the numbers that are multiplied; sums, norms, softmax and GELU are f32 in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Single precision.
    F32,
    /// The upper half of an f32: 8 bits of precision.
    Bf16,
    /// Bytes: weights scaled by output, inputs by row and block of the reduced index.
    Int8,
}

impl Precision {
    const ALL: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

    /// The format that is fast and exact enough on an instruction set: bf16 where it has instructions for that, else
    /// f32.
    pub fn best(isa: Isa) -> Precision {
        if isa >= Isa::Avx512Bf16 { Precision::Bf16 } else { Precision::F32 }
    }

    /// Numbers in a group.
    pub(crate) fn group(self) -> usize {
        match self {
            Precision::F32 => 1,
            Precision::Bf16 => 2,
            Precision::Int8 => 4,
        }
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

/// A name that is none of a [`Precision`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPrecision(
    /// The name as it was given.
    pub String,
);

impl fmt::Display for UnknownPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "precision `{}`: expected f32, bf16 or int8", self.0)
    }
}

impl std::error::Error for UnknownPrecision {}

/// How products are computed: in which format, on which instruction set. Operands are packed for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arithmetic {
    /// Instruction set.
    pub isa: Isa,
    /// Format.
    pub precision: Precision,
}

impl Arithmetic {
    /// Rows of a tile of A that are multiplied together: two tiles of AMX, or what fills the vector registers.
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
        self.precision.group()
    }

    /// Numbers of A that a line of 64 bytes holds; the reduced index is padded to whole lines.
    pub fn step(self) -> usize {
        LINE * self.precision.group()
    }

    /// How much of the reduced index is used together. In int8, inputs have one scale for each such block.
    pub fn k_block(self) -> usize {
        match self.precision {
            Precision::F32 => 256,
            Precision::Bf16 => 768,
            Precision::Int8 => 384,
        }
    }

    /// Runs `op` on the numbers of this format.
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
