//! Zip containers, in which DOCX, ODT and EPUB keep their parts. What is unpacked is counted while it is read: the sizes
//! that headers state mean nothing here.

use std::collections::HashMap;
use std::io::{Cursor, Error, ErrorKind, Read};
use std::sync::Arc;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::{Format, Limits, ReadError};

/// So much may be unpacked of any container, whatever its ratio.
const FREE_BYTES_MAX: u64 = 64_000_000;

/// The parts of a packed document, by name.
pub(crate) struct Container<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Number of each part in the archive, by its name in lower case: packages of Office do not tell case apart.
    numbers: HashMap<String, usize>,
    format: Format,
    unpacked_bytes_max: u64,
    /// Bytes that were unpacked so far.
    unpacked: u64,
    limit_is_ratio: bool,
}

impl<'a> Container<'a> {
    /// Reads the directory of a container.
    ///
    /// # Errors
    /// When it is damaged or has too many parts.
    pub fn open(bytes: &'a [u8], format: Format, limits: &Limits) -> Result<Self, ReadError> {
        let damaged = |error: ZipError| ReadError::Damaged { format, what: format!("its zip archive: {error}") };
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        if archive.len() > limits.parts_max {
            return Err(ReadError::TooMany { what: "parts".into(), limit: limits.parts_max as u64 });
        }
        let names = archive.file_names_raw().enumerate();
        let numbers = names.map(|(number, name)| (key(&String::from_utf8_lossy(name)), number)).collect();
        let by_ratio = FREE_BYTES_MAX.max(limits.ratio_max.saturating_mul(bytes.len() as u64));
        let limit_is_ratio = by_ratio < limits.unpacked_bytes_max;
        let unpacked_bytes_max = by_ratio.min(limits.unpacked_bytes_max);
        Ok(Self { archive, numbers, format, unpacked_bytes_max, unpacked: 0, limit_is_ratio })
    }

    /// Whether a part is there.
    pub fn has(&self, name: &str) -> bool {
        self.numbers.contains_key(&key(name))
    }

    /// The bytes of a part; none if it is not there.
    ///
    /// # Errors
    /// When it is damaged or encrypted, or when more would be unpacked than is allowed.
    pub fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(&number) = self.numbers.get(&key(name)) else { return Ok(None) };
        let format = self.format;
        let damaged = |what: String| ReadError::Damaged { format, what: format!("its part {}: {what}", excerpt(name)) };
        let part = match self.archive.by_index(number) {
            Ok(part) => part,
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(ReadError::Encrypted(format!("its part {} needs a password of zip", excerpt(name))));
            }
            Err(error) => return Err(damaged(error.to_string())),
        };
        let left = self.unpacked_bytes_max - self.unpacked;
        let mut bytes = Vec::new();
        let read = part.take(left + 1).read_to_end(&mut bytes);
        self.unpacked += (bytes.len() as u64).min(left);
        if bytes.len() as u64 > left {
            return Err(self.too_large());
        }
        read.map_err(|error| damaged(error.to_string()))?;
        Ok(Some(bytes))
    }

    fn too_large(&self) -> ReadError {
        let limit = self.unpacked_bytes_max;
        let why = if self.limit_is_ratio { "for its size " } else { "" };
        let message = format!("its parts unpack to more than {limit} bytes, the most that is read {why}");
        ReadError::PackedTooWell(Arc::new(Error::new(ErrorKind::FileTooLarge, message.trim_end().to_owned())))
    }
}

/// The name by which a part is found. Some programs write backslashes.
fn key(name: &str) -> String {
    name.trim_start_matches('/').replace('\\', "/").to_lowercase()
}

/// The text of a part, whose bytes are UTF-8, or UTF-16 with a byte-order mark.
///
/// # Errors
/// When they are neither.
pub(crate) fn decoded(bytes: Vec<u8>, format: Format, name: &str) -> Result<String, ReadError> {
    let units = |of: fn([u8; 2]) -> u16| bytes[2..].as_chunks().0.iter().map(|&unit| of(unit)).collect::<Vec<u16>>();
    let decoded = match bytes.get(..2) {
        Some(b"\xff\xfe") => String::from_utf16(&units(u16::from_le_bytes)).ok(),
        Some(b"\xfe\xff") => String::from_utf16(&units(u16::from_be_bytes)).ok(),
        _ => String::from_utf8(bytes).ok(),
    };
    let what = || format!("its part {} is neither UTF-8 nor UTF-16", excerpt(name));
    decoded.ok_or_else(|| ReadError::Damaged { format, what: what() })
}

/// The name of a part that is named from within a folder.
pub(crate) fn resolved(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in target.split('/') {
        match name {
            "." | "" => {}
            ".." => _ = names.pop(),
            name => names.push(name),
        }
    }
    names.join("/")
}

/// A name in a message, which is one short line.
pub(crate) fn excerpt(name: &str) -> String {
    name.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
