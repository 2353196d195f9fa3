//! What parent and child send each other.
//!
//! ```text
//! parent → child   u32 length, request; then the file in pieces of u32 length and bytes, up to a piece of length 0
//! child → parent   u64 length, what the reading gave
//! ```
//!
//! Lengths are little-endian.

use std::io::{self, Read};

use longspan_documents::{Hints, Limits, PictureSize};
use serde::{Deserialize, Serialize};

/// The file goes to the child in pieces of so many bytes.
pub(super) const PIECE_BYTES: usize = 1 << 16;

/// What a child is asked to read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReadingRequest {
    /// The picture that is wanted; without one, the text is.
    pub picture: Option<PictureSize>,
    pub hints: Hints,
    pub limits: Limits,
    pub memory_bytes_max: u64,
}

/// So many bytes. They take memory as they come.
pub(super) fn read_piece(input: &mut impl Read, length: u64, length_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if length > length_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "its result is too long"));
    }
    match input.take(length).read_to_end(&mut bytes)? as u64 == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
