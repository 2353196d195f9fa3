//! Folders that the program writes into.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;

use crate::terminal::hints::{fault, io_fault};

/// Makes the folder. An existing one must be empty, so that nothing is overwritten.
pub fn make_new(folder: &Path) -> Result<()> {
    make(folder)?;
    check_empty(folder, "name a new folder; --resume continues an interrupted run")
}

/// Checks that a folder is empty or does not exist.
pub fn check_empty(folder: &Path, hint: &'static str) -> Result<()> {
    check_no_file(folder)?;
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(fault(format!("`{}`: the folder is not empty", folder.display()), hint)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot_write(folder, &error)),
    }
}

/// Makes the folder, unless it exists.
pub fn make(folder: &Path) -> Result<()> {
    check_no_file(folder)?;
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))
}

fn check_no_file(folder: &Path) -> Result<()> {
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

/// The error that a file cannot be written.
pub fn cannot_write(path: &Path, error: &std::io::Error) -> anyhow::Error {
    io_fault(path, error, "check that you may write there and that there is room")
}
