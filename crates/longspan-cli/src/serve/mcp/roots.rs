//! Files that may be read: those that the command line names, and those in the folders that it names. No path and no link
//! leads to another one.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use longspan_ask::text::quoted;

use crate::cli::FolderArgs;
use crate::data::documents;
use crate::data::gathered::GatheredFiles;
use crate::terminal::hints::{io_fault, io_message};

/// The files and folders that were named.
pub struct DocumentRoots(Vec<DocumentRoot>);

struct DocumentRoot {
    /// As it was given.
    given: PathBuf,
    /// Without links.
    real: PathBuf,
    is_folder: bool,
}

/// A file that may be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RootFile {
    /// Its name in every output: the path of its root as it was given, and below that the path to the file.
    pub name: String,
    /// Where it is, without links.
    pub path: PathBuf,
}

/// What is under the roots.
#[derive(Debug, Default)]
pub struct RootFiles {
    /// Every file, by its name: not hidden ones, nor those that git ignores.
    pub files: Vec<RootFile>,
    /// Why a root, or a folder below one, cannot be searched.
    pub errors: Vec<String>,
}

impl DocumentRoots {
    /// The roots of these paths.
    ///
    /// # Errors
    /// When there is nothing at a path.
    pub fn new(paths: &[PathBuf]) -> Result<Self> {
        let root = |given: &PathBuf| {
            let hint = "name files, and folders whose files may be read";
            let real = given.canonicalize().map_err(|error| io_fault(given, &error, hint))?;
            Ok(DocumentRoot { given: given.clone(), is_folder: real.is_dir(), real })
        };
        paths.iter().map(root).collect::<Result<_>>().map(Self)
    }

    /// Whether nothing was named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file of a name: one that [`DocumentRoots::files`] has, or else a path below a root, or an absolute path. `None` if
    /// there is none, or none that may be read: whoever asks does not learn which.
    pub fn find(&self, name: &str) -> Option<RootFile> {
        let path = Path::new(name);
        let named = |root: &DocumentRoot| match path.strip_prefix(&root.given) {
            Ok(rest) => root.file(rest),
            Err(_) if root.is_current() => root.file(path),
            Err(_) => None,
        };
        // A name that is no UTF-8 is written otherwise than the path.
        let written = || name.contains("\\x").then(|| self.files().files)?.into_iter().find(|file| file.name == name);
        let below = |root: &DocumentRoot| match () {
            () if path.is_absolute() => root.file(path.canonicalize().ok()?.strip_prefix(&root.real).ok()?),
            () if root.is_folder => root.file(path),
            () => None,
        };
        self.0.iter().find_map(named).or_else(written).or_else(|| self.0.iter().find_map(below))
    }

    /// Every file.
    pub fn files(&self) -> RootFiles {
        let every = FolderArgs { recursive: true, glob: Vec::new() };
        let (mut files, mut errors) = (BTreeSet::new(), Vec::new());
        for root in &self.0 {
            if let Err(error) = root.given.metadata() {
                errors.push(format!("{}: {}", quoted(&documents::name(&root.given)), io_message(&error)));
                continue;
            }
            // A folder without files is no fault.
            let found = GatheredFiles::new(std::slice::from_ref(&root.given), &every, None).unwrap_or_default();
            files.extend(found.paths.iter().filter_map(|path| root.file(path.strip_prefix(&root.given).ok()?)));
            errors.extend(found.errors.iter().map(ToString::to_string));
        }
        RootFiles { files: files.into_iter().collect(), errors }
    }
}

impl DocumentRoot {
    /// Whether it is the current folder, whose name the names of its files lack.
    fn is_current(&self) -> bool {
        self.given == Path::new(".")
    }

    /// The file at a path below the root; of a root that is a file, at an empty path.
    fn file(&self, below: &Path) -> Option<RootFile> {
        let is_plain = |part: Component<'_>| matches!(part, Component::CurDir | Component::Normal(_));
        if !below.components().all(is_plain) {
            return None;
        }
        let is_none = below.as_os_str().is_empty();
        let joined = if is_none { self.real.clone() } else { self.real.join(below) };
        let path = joined.canonicalize().ok()?;
        let rest = path.strip_prefix(&self.real).ok()?;
        let is_hidden = |part: Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b".");
        if rest.components().any(is_hidden) || !path.is_file() {
            return None;
        }
        let shown = match rest {
            rest if rest.as_os_str().is_empty() => self.given.clone(),
            rest if self.is_current() => rest.to_owned(),
            rest => self.given.join(rest),
        };
        Some(RootFile { name: documents::name(&shown), path })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nothing_but_what_was_named_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let path = |name: &str| folder.join(name);
        for name in ["in/deep/a.txt", "in/.hidden/b.txt", "in/c.txt", "out/secret.txt", "in-2/d.txt", "one.txt"] {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), name).unwrap();
        }
        #[cfg(unix)]
        for (link, target) in [
            ("in/link.txt", "../out/secret.txt"),
            ("in/folder", "../out"),
            ("in/inner.txt", "deep/a.txt"),
            ("to-in", "in"),
        ] {
            std::os::unix::fs::symlink(target, path(link)).unwrap();
        }
        let name = |below: &str| path(below).display().to_string();
        let roots = DocumentRoots::new(&[path("in"), path("one.txt")]).unwrap();
        let names: Vec<String> = roots.files().files.into_iter().map(|file| file.name).collect();
        assert_eq!(names, [name("in/c.txt"), name("in/deep/a.txt"), name("one.txt")]);
        let found = |asked: &str| roots.find(asked).map(|file| file.path);
        for (asked, file) in [
            ("c.txt", "in/c.txt"),
            ("./deep/./a.txt", "in/deep/a.txt"),
            (&*name("in/c.txt"), "in/c.txt"),
            (&*name("one.txt"), "one.txt"),
        ] {
            assert_eq!(found(asked), Some(path(file)), "{asked}");
        }
        #[cfg(unix)]
        for (asked, file) in [("inner.txt", "in/deep/a.txt"), (&*name("to-in/c.txt"), "in/c.txt")] {
            assert_eq!(found(asked), Some(path(file)), "{asked}");
        }
        for asked in [
            "",
            ".",
            "..",
            "../out/secret.txt",
            "deep/../../out/secret.txt",
            "deep/../c.txt",
            "link.txt",
            "folder/secret.txt",
            ".hidden/b.txt",
            "deep",
            "one.txt",
            "/etc/passwd",
            "c.txt\0",
            "file:///etc/passwd",
            &name("out/secret.txt"),
            &name("in/../out/secret.txt"),
            &name("in-2/d.txt"),
            &name("in/link.txt"),
            &name("in/.hidden/b.txt"),
        ] {
            assert_eq!(found(asked), None, "{asked}");
        }
        assert!(DocumentRoots::new(&[path("nowhere")]).is_err());
        fs::remove_dir_all(path("in")).unwrap();
        assert!(matches!(&roots.files().errors[..], [error] if error.contains(": no such file")));
    }

    #[test]
    fn a_file_that_was_named_comes_before_one_below_another_root() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let path = |name: &str| folder.join(name);
        for name in ["in/deep/a.txt", "in/src/main.rs"] {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), name).unwrap();
        }
        let roots = DocumentRoots::new(&[path("in"), "src/main.rs".into()]).unwrap();
        assert_eq!(roots.find("src/main.rs").unwrap().name, "src/main.rs");
        let roots = DocumentRoots::new(&[path("in"), ".".into()]).unwrap();
        assert_eq!(roots.find("src/main.rs").unwrap().name, "src/main.rs");
        assert_eq!(roots.find("deep/a.txt").unwrap().path, path("in/deep/a.txt"));
    }

    #[test]
    fn a_name_begins_as_its_root_was_given() {
        let roots = DocumentRoots::new(&[".".into(), "src".into()]).unwrap();
        let names: Vec<String> = roots.files().files.into_iter().map(|file| file.name).collect();
        assert!(names.contains(&"Cargo.toml".into()) && names.contains(&"src/main.rs".into()), "{names:?}");
        assert_eq!(roots.find("src/main.rs"), roots.find("./src/main.rs"));
        let root = DocumentRoots::new(&["../longspan-cli/src".into()]).unwrap();
        let file = root.find("../longspan-cli/src/main.rs").unwrap();
        assert_eq!((root.find("main.rs").unwrap(), file.name.as_str()), (file.clone(), "../longspan-cli/src/main.rs"));
    }
}
