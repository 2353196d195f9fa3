//! The bytes of a large file, of weights or of tokens: mapped into memory, or in memory already.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::{Deref, Range};
use std::path::Path;

use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;

use crate::{Error, Result};

/// The largest page of a machine that this runs on; smaller ones divide it.
#[cfg(unix)]
const PAGE_BYTES_MAX: usize = 1 << 16;

/// A whole file, as a slice.
pub(crate) enum FileBytes {
    /// Pages of the file, brought in as they are read.
    Mapped(Mmap),
    /// Part of the program.
    Borrowed(&'static [u8]),
}

impl FileBytes {
    /// Maps a file of `folder`; `None` where there is no such file.
    #[expect(unsafe_code, reason = "the memory map of a large file: the one exception outside the kernels")]
    pub(crate) fn map(folder: &Path, path: &Path) -> Result<Option<Self>> {
        let Some(file) = open_file(folder, path)? else { return Ok(None) };
        // SAFETY: `Mmap` asks that nobody changes the file while it is mapped, which no program can check. The map is
        // private and read-only, and its bytes are only ever read as numbers and text whose ranges were checked
        // against the length of the map, so a change shows as other numbers. A file that shrinks ends the process
        // with SIGBUS, as it does in every reader that maps. Tools that save checkpoints, and the hub's cache,
        // write a new file and rename it; files of tokens are renamed when they are whole.
        let map = unsafe { Mmap::map(&file) };
        map.map(|map| Some(FileBytes::Mapped(map))).map_err(Error::read(path))
    }

    /// Lets the system take back the pages within `range`: they come from the file again should they be read again.
    #[expect(unsafe_code, reason = "the memory map of a large file: the one exception outside the kernels")]
    pub(super) fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let FileBytes::Mapped(map) = self {
            // Pages that hold neighbours too are kept: their readers may be at work.
            let (from, to) =
                (range.start.next_multiple_of(PAGE_BYTES_MAX), range.end / PAGE_BYTES_MAX * PAGE_BYTES_MAX);
            if from < to {
                // SAFETY: the map is read-only and backed by the file, so pages that are dropped come back as they were.
                // A system that refuses keeps them, which is as good.
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

/// Opens a file of `folder`; `None` where the folder has no such file, an error where there is no such folder.
pub(super) fn open_file(folder: &Path, path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => match folder.metadata() {
            Ok(_) => Ok(None),
            Err(source) => Err(Error::read(folder)(source)),
        },
        Err(source) => Err(Error::read(path)(source)),
    }
}
