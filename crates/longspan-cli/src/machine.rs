//! The instruction set and the cores of this machine.

pub mod products;

use longspan_kernels::Isa;

/// The instruction set in use.
pub fn instruction_set() -> longspan::Result<Isa> {
    Isa::current().map_err(longspan::Error::InstructionSet)
}

/// The number of cores that the program may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
