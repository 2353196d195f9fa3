//! What this machine computes with.

pub mod products;

use longspan_kernels::Isa;

/// The instruction set that is used.
pub fn instruction_set() -> longspan::Result<Isa> {
    Isa::current().map_err(longspan::Error::InstructionSet)
}
