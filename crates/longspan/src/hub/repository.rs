//! Names of models and revisions, with the rules of the hub and of git.

use std::fmt;

use crate::error::HubFault;
use crate::{Error, Result};

/// A model on the hub: `ORG/NAME`, or `ORG/NAME@REVISION` for a branch, tag or commit. The hub's first models have names
/// without an organisation, such as `roberta-base`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `ORG/NAME`, or `NAME`.
    pub id: String,
    /// Branch, tag or commit; `main` by default.
    pub revision: String,
}

impl Repository {
    /// Parses `ORG/NAME` or `NAME`, with or without `@REVISION`.
    ///
    /// # Errors
    /// [`Error::Hub`] for a name or revision that the hub cannot have. Both become parts of paths, so they are checked.
    ///
    /// ```
    /// use longspan::hub::Repository;
    ///
    /// let repository = Repository::parse("allenai/longformer-base-4096@refs/pr/3")?;
    /// assert_eq!(repository.id, "allenai/longformer-base-4096");
    /// assert_eq!(repository.revision, "refs/pr/3");
    /// assert_eq!(Repository::parse("allenai/longformer-base-4096")?.revision, "main");
    /// # Ok::<(), longspan::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
        let repository = Repository { id: id.to_owned(), revision: revision.to_owned() };
        if !id.split('/').all(is_name) || id.split('/').count() > 2 || id.ends_with(".git") {
            let message = "a model is named ORG/NAME or ORG/NAME@REVISION".to_owned();
            return Err(repository.error(HubFault::Name, message));
        }
        if !revision.split('/').all(is_revision_part) {
            return Err(repository.error(HubFault::Name, format!("{revision:?} is not a branch, tag or commit")));
        }
        Ok(repository)
    }

    /// Whether the revision is a commit, which never changes.
    pub(super) fn is_commit(&self) -> bool {
        is_commit(&self.revision)
    }

    pub(super) fn error(&self, fault: HubFault, message: String) -> Error {
        Error::Hub { repository: self.to_string(), fault, message }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if self.revision == "main" { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// The hub's rule for names of users and models.
fn is_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    (1..=96).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.contains("--")
        && !name.contains("..")
}

/// git's rule for names of branches and tags, a little stricter.
fn is_revision_part(part: &str) -> bool {
    let allowed = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
    allowed && (1..=128).contains(&part.len()) && !part.starts_with('.') && !part.contains("..")
}

pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
