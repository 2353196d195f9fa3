//! Folders that the program writes into.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufReader, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use longspan::Error;
use longspan::checkpoint::write_whole;

use crate::lines::next_line;
use crate::terminal::hints::{WRITE_HINT, fault, io_fault};

/// The longest record of a run that is read again.
const RECORD_BYTES_MAX: u64 = 1 << 32;
/// Its longest line.
const RECORD_LINE_BYTES_MAX: u64 = 1 << 24;

const RECORD_HINT: &str = "the file is too long, damaged or that of another program: name another folder";

/// The hint to a folder that is not empty, where a run could be resumed.
pub const RESUME_HINT: &str = "name a new folder; --resume continues an interrupted run";

/// The hint to a file that is there, where a run could be resumed.
pub const RESUME_FILE_HINT: &str = "name a new file; --resume continues an interrupted run";

/// Makes the folder. An existing one must be empty, so that nothing is overwritten.
pub fn make_new(folder: &Path, hint: &'static str) -> Result<()> {
    check_new(folder, hint)?;
    make(folder)
}

/// Checks that a folder is missing or empty, before anything is fetched or computed for it.
pub fn check_new(folder: &Path, hint: &'static str) -> Result<()> {
    check_no_file(folder)?;
    let mut entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| cannot_write(folder, &error))?,
    };
    entries.next().map_or(Ok(()), |_| Err(not_empty(folder, hint)))
}

/// The error that a folder has files.
pub fn not_empty(folder: &Path, hint: &'static str) -> anyhow::Error {
    fault(format!("`{}`: the folder is not empty", folder.display()), hint)
}

/// Makes the folder, unless it exists.
pub fn make(folder: &Path) -> Result<()> {
    check_no_file(folder)?;
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))
}

/// Checks that there is nothing else than a folder in its place, or in that of the folders around it.
pub fn check_no_file(folder: &Path) -> Result<()> {
    let there = folder.ancestors().find(|path| path.symlink_metadata().is_ok());
    let Some(path) = there.filter(|path| !path.is_dir()) else { return Ok(()) };
    let kind = match fs::metadata(path) {
        Err(_) => "a link to nothing",
        Ok(metadata) if metadata.is_file() => "a file",
        Ok(_) => "a device or a pipe",
    };
    Err(fault(format!("`{}`: {kind}, not a folder", path.display()), "name a new folder"))
}

/// Opens a record, to which a run adds lines; makes it if it is missing. It is locked for as long as it is open, so that two
/// runs do not write into one folder. Calls `take` with the number, from 1, and the bytes of each whole line that it has.
/// What follows the last of them was cut off when the run ended, and is removed.
///
/// # Errors
/// When another run is using the file, it cannot be read or written, is no plain file, or is too long; those of `take`.
pub fn open_record(path: &Path, take: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Result<File> {
    let failed = |error: std::io::Error| cannot_write(path, &error);
    let wrong = |what: String| fault(format!("`{}`: {what}", path.display()), RECORD_HINT);
    let file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(failed)?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(Error::InUse { path: path.to_owned() }.into());
    }
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(wrong("not a plain file".into()));
    }
    if metadata.len() > RECORD_BYTES_MAX {
        return Err(wrong(format!("has {} bytes, the most that is read is {RECORD_BYTES_MAX}", metadata.len())));
    }
    let (mut lines, mut line, mut end) = (BufReader::new(&file), Vec::new(), 0);
    for number in 1.. {
        let read = next_line(&mut lines, &mut line, RECORD_LINE_BYTES_MAX);
        let is_whole = read.map_err(|error| wrong(format!("line {number}: {error}")))? && line.ends_with(b"\n");
        if !is_whole {
            break;
        }
        end += line.len() as u64;
        take(number, &line)?;
    }
    file.set_len(end).map_err(failed)?;
    Ok(file)
}

/// Adds lines to a record.
///
/// # Errors
/// When it cannot be written, or would be too long to be opened again.
pub fn add_lines(path: &Path, record: &mut File, lines: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| cannot_write(path, &error);
    let bytes = record.metadata().map_err(failed)?.len() + lines.len() as u64;
    if bytes > RECORD_BYTES_MAX {
        let message = format!(
            "`{}`: full, with the next lines it would have {bytes} bytes, and a run resumes with at most {RECORD_BYTES_MAX}",
            path.display()
        );
        return Err(fault(message, "name another file for the rest; what this one has is complete"));
    }
    record.write_all(lines).map_err(failed)
}

/// Whether a line, with its end, is short enough to be read when a record is opened again.
///
/// # Errors
/// When it is not; then what is wrong with it.
pub fn check_line(line: &[u8]) -> Result<(), String> {
    let bytes = line.len() as u64;
    let message = || format!("a line of {bytes} bytes, and a run resumes with at most {RECORD_LINE_BYTES_MAX}");
    if bytes > RECORD_LINE_BYTES_MAX { Err(message()) } else { Ok(()) }
}

/// Checks that a file which the program reads by itself is a plain one, or missing: a pipe might be waited for without end.
pub fn check_plain(path: &Path) -> Result<()> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(fault(format!("`{}`: not a plain file", path.display()), RECORD_HINT));
    }
    Ok(())
}

/// Checks that files can be written into a folder, before there is anything to write.
pub fn check_writable(folder: &Path) -> Result<()> {
    let path = folder.join(".longspan-was-here");
    let failed = |source| Error::Write { path: folder.to_owned(), source: Arc::new(source) };
    match write_whole(&path, b"").and_then(|()| fs::remove_file(&path).map_err(failed)) {
        // Another run tries at the same time, or has removed it.
        Err(Error::InUse { .. }) => Ok(()),
        Err(Error::Write { source, .. }) if source.kind() == ErrorKind::NotFound && folder.is_dir() => Ok(()),
        Err(Error::Write { source, .. }) => Err(cannot_write(folder, &source)),
        Err(other) => Err(other.into()),
        Ok(()) => Ok(()),
    }
}

/// Writes a file, so that at any time either the old or the new one is there.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    writable(write_whole(path, bytes))
}

/// The result of writing, with an error as the program reports it.
pub fn writable<T>(written: longspan::Result<T>) -> Result<T> {
    written.map_err(|error| match error {
        Error::Write { path, source } => cannot_write(&path, &source),
        other => other.into(),
    })
}

/// The error that a file cannot be written.
pub fn cannot_write(path: &Path, error: &std::io::Error) -> anyhow::Error {
    io_fault(path, error, WRITE_HINT)
}

/// A new process has the files of its parent, and their locks, until its program begins. A test that starts one writes, those
/// that open a file again read.
#[cfg(test)]
pub static PROCESSES: std::sync::RwLock<()> = std::sync::RwLock::new(());
