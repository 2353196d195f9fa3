//! The bytes of a large file, of weights or of tokens, mapped into memory or embedded in the program.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::{Deref, Range};
use std::path::Path;

use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;

use crate::{Error, Result};

/// The largest page size of supported machines, a multiple of all others.
#[cfg(unix)]
const PAGE_BYTES_MAX: usize = 1 << 16;

/// The content of a whole file as a slice.
pub(crate) enum FileBytes {
    /// Pages of the file, which the system loads as they are read.
    Mapped(Mmap),
    /// Embedded in the program.
    Borrowed(&'static [u8]),
}

impl FileBytes {
    /// Maps a file of `folder`, or returns `None` if it does not exist.
    #[expect(unsafe_code, reason = "the memory map of a large file: the one exception outside the kernels")]
    pub(crate) fn map(folder: &Path, path: &Path) -> Result<Option<Self>> {
        let Some(file) = open_file(folder, path)? else { return Ok(None) };
        // SAFETY: `Mmap` requires that nobody changes the file while it is mapped, which no program can check. The map
        // is private and read-only, and its bytes are read only as numbers and text, in ranges that are checked against
        // the length of the map, so a change of the file leads to other numbers. If the file shrinks, the process ends
        // with SIGBUS, like every program that maps files. Tools that save checkpoints, and the hub's cache, write a
        // new file and rename it; files of tokens are renamed when they are complete.
        let map = unsafe { Mmap::map(&file) };
        map.map(|map| Some(FileBytes::Mapped(map))).map_err(Error::read(path))
    }

    /// Lets the system drop the pages within `range`. They are loaded from the file again if they are read again.
    #[expect(unsafe_code, reason = "the memory map of a large file: the one exception outside the kernels")]
    pub(super) fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let FileBytes::Mapped(map) = self {
            // Pages that also hold bytes outside the range are kept, because another thread may read them.
            let (from, to) =
                (range.start.next_multiple_of(PAGE_BYTES_MAX), range.end / PAGE_BYTES_MAX * PAGE_BYTES_MAX);
            if from < to {
                // SAFETY: the map is read-only and backed by the file, so dropped pages are loaded again unchanged. If
                // the system refuses, it keeps the pages, which does no harm.
                let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
            }
        }
        #[cfg(not(unix))]
        let _ = range;
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            FileBytes::Mapped(map) => map,
            FileBytes::Borrowed(bytes) => bytes,
        }
    }
}

/// Checks that a path is not that of a pipe, which might be waited for without end, or of a device, which might have no end.
pub(super) fn check_plain(path: &Path) -> io::Result<()> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a plain file"));
    }
    Ok(())
}

/// Opens a file that nobody named, so that it must be a plain one.
pub(crate) fn open_plain_to_read(path: &Path) -> io::Result<File> {
    check_plain(path)?;
    File::open(path)
}

/// Opens a plain file of `folder`. Returns `None` if the folder lacks the file, and an error if the folder does not exist.
pub(super) fn open_file(folder: &Path, path: &Path) -> Result<Option<File>> {
    match open_plain_to_read(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => match folder.metadata() {
            Ok(_) => Ok(None),
            Err(source) => Err(Error::read(folder)(source)),
        },
        Err(source) => Err(Error::read(path)(source)),
    }
}
