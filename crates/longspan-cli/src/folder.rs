//! Folders that the program writes into.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::Result;
use longspan::Error;
use longspan::checkpoint::{is_free, write_whole};

use crate::terminal::hints::{fault, io_fault};

/// Makes the folder. An existing one must be empty, so that nothing is overwritten.
pub fn make_new(folder: &Path) -> Result<()> {
    make(folder)?;
    check_empty(folder, "name a new folder; --resume continues an interrupted run")
}

/// Checks that a folder is empty or does not exist, apart from what a killed run has left.
pub fn check_empty(folder: &Path, hint: &'static str) -> Result<()> {
    check_no_file(folder)?;
    match is_free(folder)? {
        true => Ok(()),
        false => Err(fault(format!("`{}`: the folder is not empty", folder.display()), hint)),
    }
}

/// Makes the folder, unless it exists.
pub fn make(folder: &Path) -> Result<()> {
    check_no_file(folder)?;
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))
}

/// Checks that there is no file in its place.
pub fn check_no_file(folder: &Path) -> Result<()> {
    if folder.is_file() {
        return Err(fault(format!("`{}`: a file, not a folder", folder.display()), "name a new folder"));
    }
    Ok(())
}

/// Locks a file for as long as it is open, so that two runs do not write into one folder.
pub fn lock(file: &File, path: &Path) -> Result<()> {
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        let message = format!("`{}`: another run is using it", path.display());
        return Err(fault(message, "wait until it has ended, or name another folder"));
    }
    Ok(())
}

/// Checks that files can be written into a folder, before there is anything to write.
pub fn check_writable(folder: &Path) -> Result<()> {
    let path = folder.join(".longspan-was-here");
    let tried = File::create(&path).and_then(|_| fs::remove_file(&path));
    tried.map_err(|error| cannot_write(folder, &error))
}

/// Writes a file, so that at any time either the old or the new one is there.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes).map_err(|error| match error {
        Error::Write { path, source } => cannot_write(&path, &source),
        other => other.into(),
    })
}

/// The error that a file cannot be written.
pub fn cannot_write(path: &Path, error: &std::io::Error) -> anyhow::Error {
    io_fault(path, error, "check that you may write there and that there is room")
}
