//! The checksums of a changed file, so that a reader goes on to what comes after them.

use std::collections::BTreeMap;

use crc32fast::{Hasher, hash};
use serde_json::Value;

/// Mends the checksums of a zip archive, a file of tokens or the state of a run. Other files, and those that are too
/// damaged, stay as they are.
pub fn mend(file: &mut [u8]) {
    if file.starts_with(b"PK") {
        mend_zip(file);
    } else if file.starts_with(TOKEN_FILE) {
        mend_tokens(file);
    } else if let Some((at, sum)) = checksum_of_state(file) {
        file[at..at + sum.len()].copy_from_slice(sum.as_bytes());
    }
}

/// The number of N bytes at a place.
fn number<const N: usize>(file: &[u8], at: usize) -> Option<usize> {
    let bytes: [u8; N] = *file.get(at..)?.first_chunk()?;
    usize::try_from(bytes.iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte))).ok()
}

fn set(file: &mut [u8], at: usize, number: u32) {
    if let Some(bytes) = file.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *bytes = number.to_le_bytes();
    }
}

const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// Sets the CRC-32 of each member in both of its headers.
fn mend_zip(file: &mut [u8]) {
    let headers: Vec<usize> = (0..file.len()).filter(|&at| file[at..].starts_with(CENTRAL)).collect();
    for central in headers {
        let member = |file: &[u8]| {
            let (bytes, local) = (number::<4>(file, central + 20)?, number::<4>(file, central + 42)?);
            let lengths = number::<2>(file, local + 26)? + number::<2>(file, local + 28)?;
            let start = local + 30 + lengths;
            let content = file.get(start..start.checked_add(bytes)?)?;
            file.get(local..)?.starts_with(LOCAL).then(|| (local, hash(content)))
        };
        if let Some((local, sum)) = member(file) {
            set(file, central + 16, sum);
            set(file, local + 14, sum);
        }
    }
}

const TOKEN_FILE: &[u8] = b"longspan tokens\n";

/// Sets the checksum of each document, and that of all of them. The format: `longspan::pretrain::TokenFile`.
fn mend_tokens(file: &mut [u8]) {
    let from = TOKEN_FILE.len();
    let (Some(width), Some(identity)) = (number::<4>(file, from), number::<4>(file, from + 4)) else { return };
    let Some(mut at) = identity.checked_add(from + 8).filter(|&at| at <= file.len()) else { return };
    let mut sum = Hasher::new();
    sum.update(&file[..at]);
    while let Some(tokens) = number::<8>(file, at) {
        if tokens == usize::MAX {
            return set(file, at + 8, sum.finalize());
        }
        let end = tokens.checked_mul(width).and_then(|bytes| bytes.checked_add(at + 16));
        let Some(end) = end.filter(|&end| end <= file.len()) else { return };
        let of_document = hash(&file[at..end]);
        set(file, end, of_document);
        sum.update(&of_document.to_le_bytes());
        at = end + 4;
    }
}

/// Where the checksum of a state stands in its header, and what it should be: that of the tensors, each with its name,
/// and of the other entries, each with its length. `None` if this is no state.
fn checksum_of_state(file: &[u8]) -> Option<(usize, String)> {
    const KEY: &[u8] = br#""checksum":""#;
    let end = number::<8>(file, 0)?.checked_add(8)?;
    let header = file.get(8..end)?;
    let at = header.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    header.get(at..at + 8).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    let mut tensors: BTreeMap<String, Value> = serde_json::from_slice(header).ok()?;
    let entries: BTreeMap<String, String> = serde_json::from_value(tensors.remove("__metadata__")?).ok()?;
    let mut sum = Hasher::new();
    for (name, tensor) in &tensors {
        let [from, to] =
            [0, 1].map(|side| tensor["data_offsets"][side].as_u64().and_then(|at| usize::try_from(at).ok()));
        sum.update(name.as_bytes());
        sum.update(file[end..].get(from?..to?)?);
    }
    for text in entries.iter().filter(|(key, _)| *key != "checksum").flat_map(|(key, value)| [key, value]) {
        sum.update(&(text.len() as u64).to_le_bytes());
        sum.update(text.as_bytes());
    }
    Some((8 + at, format!("{:08x}", sum.finalize())))
}
