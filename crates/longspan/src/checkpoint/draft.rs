//! A folder that is filled at once, so that a run that was killed never leaves one that looks complete, nor one that the
//! next run refuses.
//!
//! Files are written into a subfolder, the draft, and moved out of it at the end, the weights last. A file in the draft is
//! locked while a run fills the folder, and lists what is moved, with checksums. So the next run knows what a killed one has
//! left, and removes nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::bytes::{check_plain, open_plain_to_read};
use super::files::{is_at, lock};
use super::source::{Source, WEIGHTS};
use crate::{Error, Result};

/// The subfolder for files until all of them are complete.
const DRAFT: &str = ".longspan-unfinished";
/// The locked file in it: a line of [`listed`] for each file that is moved.
const MOVED: &str = "moved";
/// The most that is read of it; with a thousand shards it has a hundredth.
const MOVED_BYTES_MAX: u64 = 4 << 20;

/// A folder that this run alone may fill. Dropped unfilled, it is left as it was found, without what a killed run had left.
pub struct DraftFolder {
    folder: PathBuf,
    /// Whether this run made it.
    is_new: bool,
    /// Whether it has files already: then the run must make the very same ones.
    has_files: bool,
    is_filled: bool,
    moved: File,
}

/// Whether a folder can be filled: it does not exist, is empty, or holds only what a killed run has left.
///
/// # Errors
/// [`Error::Read`] if it cannot be listed.
pub fn is_free(folder: &Path) -> Result<bool> {
    let failed = Error::read(folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        entries => entries.map_err(failed)?,
    };
    let left = left_files(folder);
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        if name != DRAFT && !left.iter().any(|left| name == **left) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The names of the files that a killed run may have moved out of its draft.
fn left_files(folder: &Path) -> Vec<String> {
    let (path, mut lines) = (folder.join(DRAFT).join(MOVED), String::new());
    let read = open_plain_to_read(&path).and_then(|file| file.take(MOVED_BYTES_MAX).read_to_string(&mut lines));
    if read.is_err() {
        return Vec::new();
    }
    let left = |line: &str| {
        let (_, name) = line.split_once(' ')?;
        let is_file = Path::new(name).file_name()? == name && folder.join(name).is_file();
        (is_file && listed(folder, name).ok()? == line).then(|| name.to_owned())
    };
    lines.lines().filter_map(left).collect()
}

/// The CRC-32 of a file, and its name.
fn listed(folder: &Path, name: &str) -> Result<String> {
    let mut sum = crc32fast::Hasher::new();
    Source::Folder(folder.to_owned()).each_piece(name, &mut |piece| {
        sum.update(piece);
        Ok(())
    })?;
    Ok(format!("{:08x} {name}", sum.finalize()))
}

impl DraftFolder {
    /// Makes the folder if it is missing, and locks it.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it holds other files, [`Error::InUse`] if another run is filling it, [`Error::Write`].
    pub fn begin(folder: &Path) -> Result<Self> {
        if is_free(folder)? { Self::lock(folder, false) } else { Err(not_empty(folder)) }
    }

    /// Locks a folder that may have the files which the run would make, for instance those of a run that was killed after it
    /// had moved the last of them. [`DraftFolder::fill`] makes them again, and succeeds if they are the same.
    ///
    /// # Errors
    /// Those of [`DraftFolder::begin`], but not that it holds other files: [`DraftFolder::fill`] has it.
    pub fn begin_again(folder: &Path) -> Result<Self> {
        Self::lock(folder, true)
    }

    fn lock(folder: &Path, may_have_files: bool) -> Result<Self> {
        let is_new = !folder.exists();
        let draft = folder.join(DRAFT);
        fs::create_dir_all(&draft).map_err(Error::write(folder))?;
        let path = draft.join(MOVED);
        let open = |()| OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let moved = match check_plain(&path).and_then(open) {
            // Another run has just ended.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::InUse { path: folder.to_owned() });
            }
            moved => moved.map_err(Error::write(&path))?,
        };
        Self::with_file(folder, is_new, may_have_files, moved)
    }

    /// Locks a folder by the file that was opened in its draft.
    fn with_file(folder: &Path, is_new: bool, may_have_files: bool, moved: File) -> Result<Self> {
        // Only who holds the lock removes the file. Another run may have done so since it was opened, and then this lock is
        // worth nothing: a third run may have made the file anew.
        if !lock(&moved) || !is_at(&moved, &folder.join(DRAFT).join(MOVED)) {
            return Err(Error::InUse { path: folder.to_owned() });
        }
        // Another run may have ended before the lock, too.
        let has_files = !is_free(folder)?;
        if has_files && !may_have_files {
            if moved.metadata().is_ok_and(|moved| moved.len() == 0) {
                remove_draft(folder); // nothing in the folder is of a killed run
            }
            return Err(not_empty(folder));
        }
        let begun = Self { folder: folder.to_owned(), is_new, has_files, is_filled: false, moved };
        begun.clear().and_then(|()| begun.moved.set_len(0)).map_err(Error::write(folder))?;
        Ok(begun)
    }

    /// Lets `fill` write files into the draft, and moves them into the folder if it succeeds.
    ///
    /// # Errors
    /// [`Error::Write`], the error of `fill`, and [`Error::Conflict`] if the folder has other files. Nothing is kept then.
    pub fn fill<T>(mut self, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let draft = self.folder.join(DRAFT);
        let made = fill(&draft)?;
        let failed = Error::write(&self.folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&draft).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string().ok().filter(|name| name != MOVED));
        }
        names.sort_by_key(|name| WEIGHTS.iter().any(|weights| weights.file == name));
        let lines: Vec<String> = names.iter().map(|name| listed(&draft, name)).collect::<Result<_>>()?;
        if self.has_files {
            let is_there = |(name, line): (&String, &String)| listed(&self.folder, name).is_ok_and(|own| own == *line);
            let are_there = names.iter().zip(&lines).all(is_there);
            let message = "the folder is not empty, and its files are not those that this run makes".into();
            let conflict = || Error::Conflict { path: self.folder.clone(), message };
            return are_there.then_some(made).ok_or_else(conflict);
        }
        let lines = lines.join("\n") + "\n";
        self.moved.write_all(lines.as_bytes()).and_then(|()| self.moved.sync_all()).map_err(failed)?;
        for name in &names {
            fs::rename(draft.join(name), self.folder.join(name)).map_err(failed)?;
        }
        self.is_filled = true;
        Ok(made)
    }

    /// Removes what a run has left, except for the locked file.
    fn clear(&self) -> io::Result<()> {
        if !self.has_files {
            for name in left_files(&self.folder) {
                let _ = fs::remove_file(self.folder.join(name)); // it may still be in the draft
            }
        }
        clear_draft(&self.folder)
    }
}

/// Removes what is in the draft, except for the locked file.
fn clear_draft(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(DRAFT))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != MOVED {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes a draft, while its file is locked. A draft that cannot be removed does no harm: the next run removes it.
fn remove_draft(folder: &Path) {
    let draft = folder.join(DRAFT);
    let _ = clear_draft(folder);
    let _ = fs::remove_file(draft.join(MOVED));
    // From here on another run may make and lock the file anew, so nothing but an empty folder is removed.
    let _ = fs::remove_dir(draft);
}

fn not_empty(folder: &Path) -> Error {
    Error::Conflict { path: folder.to_owned(), message: "the folder is not empty".into() }
}

impl Drop for DraftFolder {
    fn drop(&mut self) {
        if !self.is_filled {
            let _ = self.clear();
        }
        remove_draft(&self.folder);
        if self.is_new && !self.is_filled {
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::write_whole;

    /// What the run writes, in the order in which it is moved.
    const FILES: [&str; 4] = ["config.json", "m-1.safetensors", "vocab.txt", "model.safetensors.index.json"];

    fn write(draft: &Path) -> Result<()> {
        FILES.iter().rev().try_for_each(|name| write_whole(&draft.join(name), name.as_bytes()))
    }

    fn fill(folder: &Path) -> Result<()> {
        DraftFolder::begin(folder)?.fill(write)
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names.into_iter().map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_folder_is_filled_completely_or_not_at_all() {
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path().join("a/out");
        let fails = |folder: &Path| write(folder).and(Err::<(), _>(Error::EmptyDocument));
        let failed = || matches!(DraftFolder::begin(&out).unwrap().fill(fails), Err(Error::EmptyDocument));
        assert!(failed() && !out.exists());
        fs::create_dir_all(&out).unwrap();
        assert!(failed() && names(&out).is_empty());
        // A file that cannot be moved: those before it are taken back.
        let blocked = DraftFolder::begin(&out).unwrap();
        fs::create_dir_all(out.join("vocab.txt/mine")).unwrap();
        assert!(matches!(blocked.fill(write), Err(Error::Write { .. })));
        assert_eq!(names(&out), ["vocab.txt"]);
        fs::remove_dir_all(out.join("vocab.txt")).unwrap();
        fill(&out).unwrap();
        let mut wanted = FILES;
        wanted.sort_unstable();
        assert_eq!(names(&out), wanted);
        let error = fill(&out).unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }) && error.to_string().ends_with("the folder is not empty"));
    }

    #[test]
    fn a_folder_that_was_filled_is_filled_again_by_the_same_files_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path().join("out");
        let again = || DraftFolder::begin_again(&out)?.fill(write);
        again().unwrap();
        fs::write(out.join("notes.txt"), "").unwrap();
        // A run that was killed when it had moved all, and one when it was removing its draft.
        let lines = FILES.map(|name| listed(&out, name).unwrap()).join("\n");
        for lines in [lines.as_str(), ""] {
            fs::create_dir(out.join(DRAFT)).unwrap();
            fs::write(out.join(DRAFT).join(MOVED), lines).unwrap();
            again().unwrap();
        }
        assert_eq!(names(&out).len(), FILES.len() + 1);
        for content in [Some("other"), None] {
            match content {
                Some(content) => fs::write(out.join("vocab.txt"), content).unwrap(),
                None => fs::remove_file(out.join("vocab.txt")).unwrap(),
            }
            let before = names(&out);
            assert!(matches!(again(), Err(Error::Conflict { .. })), "{content:?}");
            assert_eq!(names(&out), before);
        }
    }

    /// A run that was killed before, between and after its moves.
    #[test]
    fn what_a_killed_run_left_is_no_obstacle() {
        for moved in 0..=FILES.len() {
            let temporary = tempfile::tempdir().unwrap();
            let (out, draft) = (temporary.path(), temporary.path().join(DRAFT));
            fs::create_dir(&draft).unwrap();
            write(&draft).unwrap();
            fs::write(draft.join(".model.safetensors.longspan"), "x").unwrap();
            let lines = FILES.map(|name| listed(&draft, name).unwrap());
            fs::write(draft.join(MOVED), lines.join("\n") + "\n00000000 ../mine\n").unwrap();
            for name in &FILES[..moved] {
                fs::rename(draft.join(name), out.join(name)).unwrap();
            }
            assert!(is_free(out).unwrap(), "{moved}");
            fill(out).unwrap();
            assert_eq!(names(out).len(), FILES.len(), "{moved}");
        }
    }

    #[test]
    fn nothing_of_others_is_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path().join("out");
        fs::create_dir_all(out.join(DRAFT)).unwrap();
        let lines = "config.json\n00000001 config.json\n00000000 ../mine\n00000000 /etc/passwd\n..\n";
        fs::write(out.join(DRAFT).join(MOVED), lines).unwrap();
        fs::write(temporary.path().join("mine"), "").unwrap();
        for name in ["notes.txt", "config.json"] {
            fs::write(out.join(name), "").unwrap();
            assert!(!is_free(&out).unwrap(), "{name}");
            assert!(matches!(fill(&out), Err(Error::Conflict { .. })), "{name}");
            assert_eq!(names(&out), [DRAFT, name]);
            fs::remove_file(out.join(name)).unwrap();
        }
        fill(&out).unwrap();
        assert!(temporary.path().join("mine").exists());
    }

    #[test]
    fn one_run_fills_a_folder_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path().join("out");
        let first = DraftFolder::begin(&out).unwrap();
        let error = fill(&out).unwrap_err();
        assert!(error.to_string().ends_with("out`: another run is using it"), "{error}");
        first.fill(write).unwrap();
        // One that saw the folder before it was filled.
        let error = DraftFolder::lock(&out, false).err().expect("it is filled");
        assert!(error.to_string().ends_with("out`: the folder is not empty"), "{error}");
        assert_eq!(names(&out).len(), FILES.len());
    }

    /// The second run opens the file of the first, which ends then. The third makes it anew.
    #[test]
    fn a_lock_of_a_file_that_was_removed_is_none() {
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path();
        let first = DraftFolder::begin(out).unwrap();
        let opened = File::options().write(true).open(out.join(DRAFT).join(MOVED)).unwrap();
        drop(first);
        let third = DraftFolder::begin(out).unwrap();
        let second = DraftFolder::with_file(out, false, false, opened);
        assert!(matches!(second, Err(Error::InUse { .. })));
        assert!(out.join(DRAFT).join(MOVED).exists());
        third.fill(write).unwrap();
        assert_eq!(names(out).len(), FILES.len());
    }

    /// A file of the user came when a run had been killed between its moves: the next run still knows what is its own.
    #[test]
    fn what_a_killed_run_left_beside_a_file_of_others_is_remembered() {
        let temporary = tempfile::tempdir().unwrap();
        let (out, draft) = (temporary.path(), temporary.path().join(DRAFT));
        fs::create_dir(&draft).unwrap();
        write(&draft).unwrap();
        let lines = FILES.map(|name| listed(&draft, name).unwrap()).join("\n") + "\n";
        fs::write(draft.join(MOVED), lines).unwrap();
        fs::rename(draft.join(FILES[0]), out.join(FILES[0])).unwrap();
        fs::write(out.join("notes.txt"), "mine").unwrap();
        // One that saw the folder before the file came, and one that sees it.
        for error in [DraftFolder::lock(out, false).err().expect("it has files"), fill(out).unwrap_err()] {
            assert!(error.to_string().ends_with("the folder is not empty"), "{error}");
        }
        fs::remove_file(out.join("notes.txt")).unwrap();
        fill(out).unwrap();
        assert_eq!(names(out).len(), FILES.len());
    }
}
