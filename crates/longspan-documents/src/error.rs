//! Why bytes cannot be read.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::unpack::CUT;
use crate::{Format, UnreadFormat};

/// Why bytes cannot be read as a document. Its `Display` is one line that does not name the document.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ReadError {
    /// The input could not be read.
    #[error("{0}")]
    Io(#[serde(with = "io_error")] Arc<io::Error>),
    /// The text is longer than the limit.
    #[error("longer than {text_bytes_max} bytes, the most that is read")]
    TooLong {
        /// The limit.
        text_bytes_max: u64,
    },
    /// A count is beyond its limit.
    #[error("more than {limit} {what}, the most that is read")]
    TooMany {
        /// What is counted, in the plural.
        what: Cow<'static, str>,
        /// The limit.
        limit: u64,
    },
    /// Its reader needed more memory than a child process for it may have.
    #[error("reading it took more than {} MiB of memory", bytes_max >> 20)]
    TooMuchMemory {
        /// The limit.
        bytes_max: u64,
    },
    /// It took longer than the limit.
    #[error("reading it took more than {} s", .0.as_secs_f64())]
    TooSlow(Duration),
    /// It is packed far too well for a document.
    #[error("{0}")]
    PackedTooWell(#[serde(with = "io_error")] Arc<io::Error>),
    /// The gzip data end too early.
    #[error("{}", CUT)]
    GzipCut,
    /// The gzip data are damaged.
    #[error("{0}")]
    GzipDamaged(#[serde(with = "io_error")] Arc<io::Error>),
    /// It is a file of a format that is not read.
    #[error("{0}, which is not read")]
    Format(UnreadFormat),
    /// It is not of the format that was asked for.
    #[error("not {}", .0.with_article())]
    NotOfFormat(Format),
    /// A file of a format that is read, but damaged beyond repair.
    #[error("{} that cannot be read: {what}", format.with_article())]
    Damaged {
        /// The format.
        format: Format,
        /// What is wrong, in words.
        what: String,
    },
    /// It is encrypted, and no password was given.
    #[error("encrypted: it needs a password")]
    PasswordRequired,
    /// It is encrypted with another password.
    #[error("encrypted: the password is wrong")]
    PasswordWrong,
    /// It is encrypted with another password, or with this one in an encoding that is not read: a password with letters beyond
    /// ASCII opens only files that are encrypted with AES-256.
    #[error("encrypted: the password is wrong, or has letters beyond ASCII that are not read in such a file")]
    PasswordNotAscii,
    /// It is encrypted in a way that is not read, such as DRM.
    #[error("encrypted: {0}")]
    Encrypted(String),
    /// It has pages, but none has text.
    #[error("{}", if *.pages == 1 { "its only page has no text: it is a picture, as scans are".into() } else { format!("none of its {pages} pages has text: they are pictures, as scans are") })]
    NoText {
        /// Its pages.
        pages: usize,
    },
    /// It has more than one NUL in 4 KiB, or a NUL and bytes that are no UTF-8.
    #[error("a binary file: {} at byte {offset}{}", if *.nuls == 1 { "NUL".into() } else { format!("{nuls} NULs, the first") }, of(*.unpacked))]
    Binary {
        /// How many NULs.
        nuls: usize,
        /// Where the first one is.
        offset: usize,
        /// Whether the offset counts in the unpacked text.
        unpacked: bool,
    },
    /// It is UTF-8 with bytes that do not belong there.
    #[error("invalid UTF-8 at byte {offset}{}, in line {line}", of(*.unpacked))]
    Encoding {
        /// Where.
        offset: usize,
        /// Its line, from 1.
        line: usize,
        /// Whether it ends within a character, and nothing else is wrong.
        is_cut: bool,
        /// Whether the offset counts in the unpacked text.
        unpacked: bool,
    },
    /// It is text of another encoding, as it seems, where only UTF-8 is read.
    #[error("text in {0}, where UTF-8 is expected")]
    NotUtf8(Cow<'static, str>),
    /// It has no text.
    #[error("empty")]
    Empty,
    /// It has white space alone.
    #[error("empty but for white space")]
    Blank,
    /// Its reader failed in a way that it should not.
    #[error("its reader failed: {0}")]
    Failed(String),
}

impl ReadError {
    /// The same error, whose offset counts in the unpacked text.
    pub(crate) fn of_unpacked(mut self) -> Self {
        if let Self::Binary { unpacked, .. } | Self::Encoding { unpacked, .. } = &mut self {
            *unpacked = true;
        }
        self
    }
}

fn of(unpacked: bool) -> &'static str {
    if unpacked { " of the unpacked text" } else { "" }
}

impl ReadError {
    /// A stable code for programs: `unreadable`, also of a file that takes too much to read, `unknown_format`, `too_large`,
    /// `password_required`, `wrong_password`, `encrypted`, `no_text` or `empty_document`.
    pub fn code(&self) -> &'static str {
        use ReadError::*;
        match self {
            Io(_) | GzipCut | GzipDamaged(_) | Damaged { .. } | Failed(_) => "unreadable",
            TooMany { .. } | TooMuchMemory { .. } | TooSlow(_) | PackedTooWell(_) => "unreadable",
            Format(_) | NotOfFormat(_) | Binary { .. } | Encoding { .. } | NotUtf8(_) => "unknown_format",
            TooLong { .. } => "too_large",
            PasswordRequired => "password_required",
            PasswordWrong | PasswordNotAscii => "wrong_password",
            Encrypted(_) => "encrypted",
            NoText { .. } => "no_text",
            Empty | Blank => "empty_document",
        }
    }
}

/// An error of the operating system crosses to another process as its message.
mod io_error {
    use std::io;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(error: &io::Error, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(error)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<io::Error>, D::Error> {
        Ok(Arc::new(io::Error::other(String::deserialize(deserializer)?)))
    }
}
