//! The files of documents: those that are named, and those in folders.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use ignore::overrides::OverrideBuilder;
use ignore::{DirEntry, WalkBuilder};
use longspan_ask::text::quoted;
use longspan_ask::{AskError, Format, ReadError, SourceError, SourceErrorKind, UnreadFormat};

use super::documents;
use crate::cli::FolderArgs;
use crate::terminal::hints::{self, fault};
use crate::terminal::{counted, thousands};

const GLOB_HINT: &str = "a glob is a pattern such as '*.pdf', '!drafts/' or '{a,b}*.txt', in quotes";

/// So many skipped files are named.
pub const SKIPPED_NAMED_MAX: usize = 5;

/// Other extensions of documents than those of formats.
const DOCUMENT_EXTENSIONS: [&str; 4] = ["txt", "csv", "doc", "rtf"];

/// Files in the order in which they are asked.
#[derive(Default)]
pub struct GatheredFiles {
    /// Their paths.
    pub paths: Vec<PathBuf>,
    /// Names of those that were found in folders and not named.
    found: HashSet<String>,
    /// Names of those of them that are no documents.
    skipped: Vec<String>,
    /// What could not be searched.
    pub errors: Vec<anyhow::Error>,
}

impl GatheredFiles {
    /// The files that are given, each once, and in the place of a folder those in it, sorted by their paths, if the
    /// arguments ask for that. A folder stays what it is otherwise, and is an error when it is read.
    ///
    /// - `except`: a file in the folders that is not asked
    ///
    /// # Errors
    /// When a glob cannot be read, or folders have no file.
    pub fn new(given: &[PathBuf], args: &FolderArgs, except: Option<&Path>) -> Result<Self> {
        let (mut files, mut named) = (Self::default(), HashSet::new());
        let except = except.and_then(|path| path.canonicalize().ok());
        for path in given {
            if !args.recursive || !path.is_dir() {
                named.insert(documents::name(path));
                files.paths.push(path.clone());
                continue;
            }
            let before = files.paths.len();
            files.search(path, &args.glob, except.as_deref())?;
            if files.paths.len() == before && files.errors.is_empty() {
                let hint = match args.glob.is_empty() {
                    true => "hidden files and those that git ignores are left out",
                    false => {
                        "hidden files and those that git ignores are left out, and those that --glob does not match"
                    }
                };
                return Err(fault(format!("`{}`: no files in the folder", path.display()), hint));
            }
        }
        if given.len() > 1 {
            files.drop_repeats(&mut named);
        }
        files.found.retain(|name| !named.contains(name));
        Ok(files)
    }

    /// Drops the paths of files that stand before under another path; what was named by one of its paths was named.
    fn drop_repeats(&mut self, named: &mut HashSet<String>) {
        let mut first_names: HashMap<PathBuf, String> = HashMap::new();
        self.paths.retain(|path| {
            if documents::is_stdin(path) {
                return true; // also where a file has this name
            }
            let Ok(real) = path.canonicalize() else { return true };
            let name = documents::name(path);
            let Some(first) = first_names.get(&real) else {
                first_names.insert(real, name);
                return true;
            };
            if named.contains(&name) {
                named.insert(first.clone());
            }
            false
        });
    }

    fn search(&mut self, folder: &Path, globs: &[String], except: Option<&Path>) -> Result<()> {
        let mut wanted = OverrideBuilder::new(folder);
        for glob in globs {
            let bad = |error| fault(format!("--glob `{glob}`: {error}"), GLOB_HINT);
            wanted.add(glob).map_err(bad)?;
        }
        let wanted = wanted.build().map_err(|error| fault(format!("--glob: {error}"), GLOB_HINT))?;
        // The walker's own globs would bring back what git ignores.
        let is_wanted = move |entry: &DirEntry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 0 || !wanted.matched(entry.path(), is_folder).is_ignore()
        };
        for entry in WalkBuilder::new(folder).filter_entry(is_wanted).sort_by_file_path(Ord::cmp).build() {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    let path = entry.into_path();
                    if except.is_none_or(|except| path.canonicalize().ok().as_deref() != Some(except)) {
                        self.found.insert(documents::name(&path));
                        self.paths.push(path);
                    }
                }
                Ok(_) => {}
                Err(error) => self.errors.push(fault(error.to_string(), "check the path, and that you may read it")),
            }
        }
        Ok(())
    }

    /// Whether an error is that of a file in a folder that is no document; its name is kept then.
    pub fn skips(&mut self, error: &AskError) -> bool {
        let AskError::Source(SourceError { kind: SourceErrorKind::Read(read), name }) = error else { return false };
        let skips = is_no_document(read, name) && self.found.contains(name);
        if skips {
            self.skipped.push(name.clone());
        }
        skips
    }

    /// Says on standard error which files were skipped.
    pub fn report_skipped(&self) {
        let count = self.skipped.len();
        if count == 0 {
            return;
        }
        let mut names: Vec<String> = self.skipped.iter().take(SKIPPED_NAMED_MAX).map(|name| quoted(name)).collect();
        if count > names.len() {
            names.push(format!("and {} more", thousands(count - names.len())));
        }
        let (files, names) = (counted(count, "file"), names.join(", "));
        hints::warn(&format!("{files} in folders skipped, empty or of a kind that is not read: {names}"));
    }
}

/// Whether a file that cannot be read is empty, or no document at all. Documents that other programs read are ones that the
/// user would miss, and so are damaged ones.
pub fn is_no_document(error: &ReadError, name: &str) -> bool {
    match error {
        ReadError::Binary { .. } | ReadError::Format(UnreadFormat::Binary) => !is_called_document(name),
        ReadError::Format(format) => !format.is_document(),
        ReadError::NotOfFormat(_) | ReadError::Empty | ReadError::Blank => true,
        _ => false,
    }
}

/// Whether a name is that of a document, packed or not: such a file that has other bytes is a damaged document.
fn is_called_document(name: &str) -> bool {
    let is_of_format = Format::of_name(name).is_some();
    let name = name.to_ascii_lowercase();
    let extension = Path::new(name.strip_suffix(".gz").unwrap_or(&name)).extension();
    is_of_format || extension.is_some_and(|extension| DOCUMENT_EXTENSIONS.iter().any(|known| extension == *known))
}
