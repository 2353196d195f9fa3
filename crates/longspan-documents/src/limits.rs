//! How much is read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most that is read of one file. What is beyond a limit is an error, never a shorter text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// The longest text, in bytes of UTF-8. Default: 1 GiB.
    pub text_bytes_max: u64,
    /// What the parts of a packed format (DOCX, ODT, EPUB) or the streams of a PDF but its pictures may unpack to in all, in
    /// bytes. Default: 512 MiB.
    pub unpacked_bytes_max: u64,
    /// Unpacked bytes of a zip container for each of its bytes, beyond 64 MB. Default: 1,000.
    pub ratio_max: u64,
    /// Parts of a zip container. Default: 4,096.
    pub parts_max: usize,
    /// Elements within elements. Default: 256.
    pub depth_max: usize,
    /// Pages of a PDF. Default: 20,000.
    pub pages_max: usize,
    /// Glyphs of a PDF. Default: 10 million.
    pub glyphs_max: usize,
    /// The longest time of the reader of PDF, which looks at the clock whenever something is drawn and for each line. Other
    /// readers take a time that depends on the length of the file alone; a process that reads is to be stopped from outside.
    /// Default: 60 s.
    pub time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes_max: 1 << 30,
            unpacked_bytes_max: 512 << 20,
            ratio_max: 1000,
            parts_max: 4096,
            depth_max: 256,
            pages_max: 20_000,
            glyphs_max: 10_000_000,
            time_max: Duration::from_secs(60),
        }
    }
}
