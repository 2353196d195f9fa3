//! Files that may be read: those that the command line names, and those in the folders that it names. No path and no link
//! leads to another one.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use crate::cli::FolderArgs;
use crate::data::documents;
use crate::data::gathered::GatheredFiles;
use crate::terminal::hints::io_fault;

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

    /// The file of a name: one that [`DocumentRoots::files`] has, a path below a root, or an absolute path. `None` if there is
    /// none, or none that may be read: whoever asks does not learn which.
    pub fn find(&self, name: &str) -> Option<RootFile> {
        let path = Path::new(name);
        let below = |root: &DocumentRoot| match path.strip_prefix(&root.given) {
            Ok(rest) => Some(rest.to_owned()),
            Err(_) if path.is_absolute() => path.canonicalize().ok()?.strip_prefix(&root.real).ok().map(Path::to_owned),
            Err(_) => Some(path.to_owned()).filter(|_| root.is_folder),
        };
        let found = self.0.iter().find_map(|root| root.file(&below(root)?));
        // A name that is no UTF-8 is written otherwise than the path.
        let is_escaped = name.contains("\\x");
        found.or_else(|| is_escaped.then(|| self.files())?.into_iter().find(|file| file.name == name))
    }

    /// Every file, by its name: not hidden ones, nor those that git ignores.
    pub fn files(&self) -> Vec<RootFile> {
        let every = FolderArgs { recursive: true, glob: Vec::new() };
        let mut files = BTreeSet::new();
        for root in &self.0 {
            // A folder without files is none; what cannot be searched has no documents.
            let found = GatheredFiles::new(std::slice::from_ref(&root.given), &every, None).unwrap_or_default();
            files.extend(found.paths.iter().filter_map(|path| root.file(path.strip_prefix(&root.given).ok()?)));
        }
        files.into_iter().collect()
    }
}

impl DocumentRoot {
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
            rest if self.given == Path::new(".") => rest.to_owned(),
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
        let names: Vec<String> = roots.files().into_iter().map(|file| file.name).collect();
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
    }

    #[test]
    fn a_name_begins_as_its_root_was_given() {
        let roots = DocumentRoots::new(&[".".into(), "src".into()]).unwrap();
        let names: Vec<String> = roots.files().into_iter().map(|file| file.name).collect();
        assert!(names.contains(&"Cargo.toml".into()) && names.contains(&"src/main.rs".into()), "{names:?}");
        assert_eq!(roots.find("src/main.rs"), roots.find("./src/main.rs"));
        let root = DocumentRoots::new(&["../longspan-cli/src".into()]).unwrap();
        let file = root.find("../longspan-cli/src/main.rs").unwrap();
        assert_eq!((root.find("main.rs").unwrap(), file.name.as_str()), (file.clone(), "../longspan-cli/src/main.rs"));
    }
}
