//! What this machine computes with.

pub mod products;

use anyhow::Result;
use longspan_kernels::Isa;

use crate::terminal::hints::fault;

/// The instruction set that is used.
pub fn instruction_set() -> Result<Isa> {
    let hint = "the environment variable LONGSPAN_ISA says which one to use: unset it for the fastest";
    Isa::current().map_err(|e| fault(e.to_string(), hint))
}
