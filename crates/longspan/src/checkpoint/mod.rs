//! Checkpoints: the files of a model, from a folder or from memory, and their tensors.
//!
//! Weights are read in place: files are memory-mapped, and a [`TensorView`](crate::tensor::TensorView) is a slice of
//! the map. There are two formats, safetensors and torch's pickles, each in one file or in shards. Reading never
//! executes anything. Allocations are bounded by constants and by the length of the file, never by a size that the file
//! claims: `SECURITY.md` lists the limits.

mod bytes;
mod draft;
#[cfg(feature = "embedded")]
mod embedded;
mod files;
mod pickle;
mod safetensors;
mod shards;
mod sniff;
mod source;
mod stored;
mod tensors;
mod torch;
mod write;

pub(crate) use self::bytes::{FileBytes, open_plain_to_read};
pub use self::draft::{DraftFolder, is_free};
pub use self::files::{temporary_name, write_whole, write_whole_with};
pub(crate) use self::shards::ShardIndex;
pub use self::source::Source;
pub(crate) use self::source::{CONFIG, FILES, LONGSPAN, README, WEIGHTS, WeightsFile, weights_wanted};
pub use self::tensors::Tensors;
pub use self::write::{NamedTensor, write_checkpoint, write_checkpoint_with, write_safetensors};
