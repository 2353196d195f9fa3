//! Copies and checksums of the files of a checkpoint; and writing a file atomically.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::bytes::{open_file, open_plain_to_read};
use super::shards::ShardIndex;
use super::source::{FILES, LONGSPAN, README, SENTENCEPIECE, Source, TOKENIZER, WEIGHTS, find};
use crate::{Error, Result};

impl Source {
    /// Copies the checkpoint into a folder, which is created if it is missing. Each file is replaced atomically, so a
    /// checkpoint can be copied onto itself.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if the checkpoint has no weights, [`Error::Read`] and [`Error::Write`].
    pub fn copy_to(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(Error::write(folder))?;
        for name in self.files()? {
            let path = folder.join(&name);
            write_whole_with(&path, |out| {
                self.each_piece(&name, &mut |piece| out.write_all(piece).map_err(Error::write(&path)))
            })?;
        }
        Ok(())
    }

    /// CRC-32 of all files except the model card and Longspan's settings: a fingerprint of the model.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if the checkpoint has no weights, and [`Error::Read`].
    pub fn checksum(&self) -> Result<u32> {
        let mut sum = crc32fast::Hasher::new();
        for name in self.files()?.iter().filter(|name| *name != README && *name != LONGSPAN) {
            sum.update(name.as_bytes());
            self.each_piece(name, &mut |piece| {
                sum.update(piece);
                Ok(())
            })?;
        }
        Ok(sum.finalize())
    }

    /// CRC-32 of the files of the tokenizer: a fingerprint of the tokens that it makes.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn tokenizer_checksum(&self) -> Result<u32> {
        let mut sum = crc32fast::Hasher::new();
        for name in TOKENIZER {
            let content = self.read(name)?;
            // Sums of files that are older than these two stay as they are.
            if content.is_some() || !SENTENCEPIECE.contains(&name) {
                sum.update(name.as_bytes());
                sum.update(&content.unwrap_or_default());
            }
        }
        Ok(sum.finalize())
    }

    /// The names of all files, including the shards of the weights.
    fn files(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for name in FILES {
            if self.has(name)? {
                names.push(name.to_owned());
            }
        }
        for weights in &WEIGHTS {
            if !self.has(weights.file)? {
                continue;
            }
            names.push(weights.file.to_owned());
            if weights.sharded {
                let index = self.read(weights.file)?.unwrap_or_default();
                let index = ShardIndex::parse(&index).map_err(|message| self.format_error(weights.file, message))?;
                names.extend(index.shards().into_iter().map(str::to_owned));
            }
            return Ok(names);
        }
        Err(self.lacks_weights())
    }

    fn has(&self, name: &str) -> Result<bool> {
        match self {
            Source::Memory(files) => Ok(find(files, name).is_some()),
            Source::Folder(folder) => Ok(open_file(folder, &folder.join(name))?.is_some()),
        }
    }

    /// Calls `take` with the content of a file, piece by piece.
    pub(super) fn each_piece(&self, name: &str, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let folder = match self {
            Source::Memory(files) => return take(find(files, name).unwrap_or_default()),
            Source::Folder(folder) => folder,
        };
        let path = folder.join(name);
        let failed = Error::read(&path);
        let mut file = open_plain_to_read(&path).map_err(failed)?;
        let mut piece = vec![0; 1 << 20];
        loop {
            match file.read(&mut piece).map_err(failed)? {
                0 => return Ok(()),
                length => take(&piece[..length])?,
            }
        }
    }
}

/// Writes a file under a temporary name, syncs it, and renames it, so that at any time either the old or the new file
/// exists, complete. An old file keeps its permissions; an old link is replaced, not followed.
///
/// # Errors
/// [`Error::Write`].
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    write_whole_with(path, |out| out.write_all(content).map_err(Error::write(path))).map(drop)
}

/// Writes a file like [`write_whole`], but with what `write` writes into it. Returns the file, which is still open, at its
/// end, and locked.
///
/// # Errors
/// [`Error::Write`], [`Error::InUse`] if another process is writing the same file, and those of `write`. The old file is
/// unchanged then.
pub fn write_whole_with(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<File> {
    let failed = Error::write(path);
    let temporary = path.with_file_name(temporary_name(path.file_name().unwrap_or_default()));
    let mut out = locked_anew(path, &temporary)?;
    if let Some(old) = path.symlink_metadata().ok().filter(Metadata::is_file) {
        let _ = out.set_permissions(old.permissions()); // not every file system has them
    }
    let written = write(&mut out).and_then(|()| out.sync_all().map_err(failed));
    let replaced = written.and_then(|()| fs::rename(&temporary, path).map_err(failed));
    if replaced.is_err() {
        // The disk may be full. If removing fails too, the first error is the more helpful one.
        let _ = fs::remove_file(&temporary);
    }
    replaced.map(|()| out)
}

/// Makes the temporary file anew, and locks it. What a killed run left there is removed, also a link or a pipe that others
/// put there, but no file that another process is writing.
fn locked_anew(path: &Path, temporary: &Path) -> Result<File> {
    let in_use = || Error::InUse { path: path.to_owned() };
    if let Ok(left) = temporary.symlink_metadata() {
        let open = || OpenOptions::new().write(true).open(temporary);
        if left.is_file() && open().is_ok_and(|left| !lock(&left)) {
            return Err(in_use());
        }
        fs::remove_file(temporary).map_err(Error::write(temporary))?;
    }
    let made = OpenOptions::new().write(true).create_new(true).open(temporary);
    let out = match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(in_use()),
        made => made.map_err(Error::write(path))?,
    };
    // Another process may have taken it for a file that was left, in the moment before it was locked.
    if lock(&out) && is_at(&out, temporary) { Ok(out) } else { Err(in_use()) }
}

/// Locks a file; false if another process has locked it. Where a file system has no locks, none has.
pub(super) fn lock(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether an open file is the one at a path, not one that was removed there.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    file.metadata().is_ok_and(|own| path.symlink_metadata().is_ok_and(|found| is_same(&own, &found)))
}

#[cfg(unix)]
fn is_same(own: &Metadata, found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (own.dev(), own.ino()) == (found.dev(), found.ino())
}

/// The standard library does not tell the number of a file elsewhere.
#[cfg(not(unix))]
fn is_same(own: &Metadata, found: &Metadata) -> bool {
    own.created().ok() == found.created().ok()
}

/// The longest name that a temporary name repeats: file systems take names of 255 bytes.
const REPEATED_NAME_BYTES_MAX: usize = 240;

/// The name under which [`write_whole`] writes a file: one that no user gives a file, and the same in every run, so that the
/// next run replaces what a killed one left.
pub fn temporary_name(file_name: &OsStr) -> OsString {
    let mut name = OsString::from(".");
    if file_name.len() > REPEATED_NAME_BYTES_MAX {
        name.push(format!("{:08x}", crc32fast::hash(file_name.as_encoded_bytes())));
    } else {
        name.push(file_name);
    }
    name.push(".longspan");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Source = Source::Memory(&[("config.json", b"{}"), ("other", b"x"), ("pytorch_model.bin", b"w")]);

    #[test]
    fn the_checksum_of_a_tokenizer_names_models_of_sentencepiece_only_where_they_are() {
        let before =
            "tokenizer.jsontokenizer_config.jsonspecial_tokens_map.jsonadded_tokens.jsonvocab.jsonmerges.txtvocab.txt";
        let words = Source::Memory(&[("vocab.txt", b"a")]);
        assert_eq!(words.tokenizer_checksum().unwrap(), crc32fast::hash(format!("{before}a").as_bytes()));
        let pieces = Source::Memory(&[("spiece.model", b"a")]);
        assert_eq!(pieces.tokenizer_checksum().unwrap(), crc32fast::hash(format!("{before}spiece.modela").as_bytes()));
    }

    #[test]
    fn a_copy_has_the_files_of_the_checkpoint_and_its_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("a/b");
        SMALL.copy_to(&copy).unwrap();
        let mut names: Vec<_> = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "pytorch_model.bin"]);
        let copied = Source::Folder(copy.clone());
        copied.copy_to(&copy).unwrap();
        assert_eq!(copied.checksum().unwrap(), SMALL.checksum().unwrap());
        assert_eq!(copied.checksum().unwrap(), SMALL.checksum().unwrap());
        fs::write(copy.join("README.md"), "card").unwrap();
        assert_eq!(copied.checksum().unwrap(), SMALL.checksum().unwrap());
        write_whole(&copy.join("longspan.json"), b"{}").unwrap();
        assert_eq!(copied.checksum().unwrap(), SMALL.checksum().unwrap());
        write_whole(&copy.join("config.json"), b"{ }").unwrap();
        assert_ne!(copied.checksum().unwrap(), SMALL.checksum().unwrap());
    }

    #[test]
    fn shards_are_files_and_weights_are_required() {
        const INDEX: &[u8] = br#"{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}"#;
        let sharded = Source::Memory(&[("model.safetensors.index.json", INDEX)]);
        let names = ["model.safetensors.index.json", "m-1.safetensors", "m-2.safetensors"];
        assert_eq!(sharded.files().unwrap(), names);
        let none = Source::Memory(&[("config.json", b"{}")]);
        assert!(matches!(none.checksum(), Err(Error::MissingFile { .. })));
    }

    #[test]
    fn the_longest_name_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        for length in [240, 241, 255] {
            let path = folder.path().join("n".repeat(length));
            write_whole(&path, b"x").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"x");
        }
        assert_eq!(names(folder.path()).len(), 3);
        assert_ne!(temporary_name("a".repeat(250).as_ref()), temporary_name("b".repeat(250).as_ref()));
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_of_the_user_beside_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("x.new"), "mine").unwrap();
        fs::write(path(temporary_name("x".as_ref()).to_str().unwrap()), "of a killed run, and longer").unwrap();
        write_whole(&path("x"), b"1").unwrap();
        assert_eq!((fs::read(path("x")).unwrap(), fs::read(path("x.new")).unwrap()), (b"1".into(), b"mine".into()));
        let failed = write_whole_with(&path("x"), |_| Err(Error::EmptyDocument));
        assert!(matches!(failed, Err(Error::EmptyDocument)));
        assert_eq!(fs::read(path("x")).unwrap(), b"1");
        assert_eq!(names(folder.path()), ["x", "x.new"]);
        // A folder that cannot be removed is named.
        let folder = path(temporary_name("x".as_ref()).to_str().unwrap());
        fs::create_dir(&folder).unwrap();
        assert_eq!(write_whole(&path("x"), b"2").unwrap_err().path(), Some(&*folder));
    }

    #[test]
    fn what_another_process_is_writing_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let written = write_whole_with(&path, |out| {
            out.write_all(b"half").unwrap();
            assert!(matches!(write_whole(&path, b"other"), Err(Error::InUse { .. })));
            out.write_all(b" and half").map_err(Error::write(&path))
        });
        assert!(written.is_ok());
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"half and half".into(), vec!["x".into()]));
        drop(written);
        write_whole(&path, b"other").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"other");
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_written_through_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("victim"), "mine").unwrap();
        for link in [OsString::from("x"), temporary_name("x".as_ref())] {
            symlink("victim", folder.path().join(link)).unwrap();
            write_whole(&path("x"), b"1").unwrap();
            assert_eq!(
                (fs::read(path("x")).unwrap(), fs::read(path("victim")).unwrap()),
                (b"1".into(), b"mine".into())
            );
            assert_eq!(names(folder.path()), ["victim", "x"]);
        }
        fs::set_permissions(path("x"), fs::Permissions::from_mode(0o640)).unwrap();
        write_whole(&path("x"), b"2").unwrap();
        assert_eq!(path("x").metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
}
