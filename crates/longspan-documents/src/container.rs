//! Zip containers, in which DOCX, ODT and EPUB keep their parts. What is unpacked is counted while it is read: the sizes
//! that headers state mean nothing here.

use std::collections::HashMap;
use std::io::{Cursor, Error, ErrorKind, Read};
use std::sync::Arc;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::line::excerpt;
use crate::xml::XmlError;
use crate::{Format, Limits, ReadError, Warning};

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
    /// What could not be read of the parts that a text can do without.
    pub warnings: Vec<Warning>,
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
        let warnings = Vec::new();
        Ok(Self { archive, numbers, format, unpacked_bytes_max, unpacked: 0, limit_is_ratio, warnings })
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

    /// The text of a part, whose bytes are UTF-8, or UTF-16 with a byte-order mark; none if it is not there.
    ///
    /// # Errors
    /// Those of [`Container::part`], and when it is of another encoding.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, ReadError> {
        let what = || format!("its part {} is neither UTF-8 nor UTF-16", excerpt(name));
        let Some(bytes) = self.part(name)? else { return Ok(None) };
        decoded(bytes).ok_or_else(|| ReadError::Damaged { format: self.format, what: what() }).map(Some)
    }

    /// The text of a part that must be there.
    ///
    /// # Errors
    /// Those of [`Container::text`], and when it is missing.
    pub fn required(&mut self, name: &str) -> Result<String, ReadError> {
        let what = || format!("its part {} is missing", excerpt(name));
        self.text(name)?.ok_or_else(|| ReadError::Damaged { format: self.format, what: what() })
    }

    /// Reads a part that the text can do without; none if it is not there, or is damaged, which is a warning.
    ///
    /// # Errors
    /// When it goes over a limit or is encrypted.
    pub fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, XmlError>,
    ) -> Result<Option<T>, ReadError> {
        let format = self.format;
        let of_part = |xml: String| read(&xml).map_err(|error| error.of_part(format, name));
        match self.text(name).and_then(|xml| xml.map(of_part).transpose()) {
            Err(ReadError::Damaged { what, .. }) => {
                self.warnings.push(Warning::Repaired(what));
                Ok(None)
            }
            read => read,
        }
    }

    fn too_large(&self) -> ReadError {
        let limit = self.unpacked_bytes_max;
        let message = match self.limit_is_ratio {
            true => format!("its parts unpack to more than {limit} bytes, the most that is read for its size"),
            false => format!("its parts unpack to more than {limit} bytes, the most that is read"),
        };
        ReadError::PackedTooWell(Arc::new(Error::new(ErrorKind::FileTooLarge, message)))
    }
}

/// The name by which a part is found. Some programs write backslashes.
fn key(name: &str) -> String {
    name.trim_start_matches('/').replace('\\', "/").to_lowercase()
}

/// The text of UTF-8, or of UTF-16 with a byte-order mark; none of other bytes.
pub(crate) fn decoded(bytes: Vec<u8>) -> Option<String> {
    let units = |of: fn([u8; 2]) -> u16| bytes[2..].as_chunks().0.iter().map(|&unit| of(unit)).collect::<Vec<u16>>();
    match bytes.get(..2) {
        Some(b"\xff\xfe") => String::from_utf16(&units(u16::from_le_bytes)).ok(),
        Some(b"\xfe\xff") => String::from_utf16(&units(u16::from_be_bytes)).ok(),
        _ => String::from_utf8(bytes).ok(),
    }
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
