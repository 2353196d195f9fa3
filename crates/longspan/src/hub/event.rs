//! What a fetch is asked to do, and what it reports.

/// What happens during a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// A file is downloaded.
    Download(DownloadProgress<'a>),
    /// A line for the user: what the fetch waits for, or why something is downloaded again.
    Notice(&'a str),
}

/// Progress of the download of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadProgress<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Bytes on disk, including those of an earlier, interrupted download.
    pub bytes_done: u64,
    /// Length of the file.
    pub bytes_total: u64,
}

/// What a fetch does with files that are in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachedFiles {
    /// It uses them.
    #[default]
    Keep,
    /// It compares them with their lengths and, where the hub sends them, their SHA-256, and downloads damaged ones
    /// again.
    Check,
    /// It downloads all of them again.
    Replace,
}
