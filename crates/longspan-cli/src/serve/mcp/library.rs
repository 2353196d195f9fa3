//! The documents that tools are asked about: those of the server, by id or name, or the files under the roots, by name.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

use longspan_ask::text::quoted;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::body::BodyShare;
use super::super::documents::{self, Upload};
use super::super::error::HttpError;
use super::super::state::{ServerPhase, ServerState, WorkLength};
use super::super::store::HeldDocument;
use super::roots::{DocumentRoots, RootFile, RootFiles};
use crate::lines::read_to_limit;
use crate::terminal::hints::io_message;

/// So many documents are listed at once.
const LISTED_MAX: usize = 100;
const UNKNOWN_HINT: &str = "list_documents names them all";

/// Where documents come from.
pub enum DocumentLibrary {
    /// From the store of the server: whoever reaches it has uploaded them, or they are of its folder.
    Store,
    /// From files under these roots; what was read of them is kept in the store.
    Roots(Arc<DocumentRoots>),
}

/// The documents that can be opened.
pub struct DocumentNames {
    /// Their names or ids.
    pub names: Vec<String>,
    /// Why a folder cannot be searched: there may be more documents in it.
    pub errors: Vec<String>,
}

/// Documents by their names.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "DocumentList")]
pub struct DocumentListObject {
    /// At most 100 of them.
    pub documents: Vec<ListedDocument>,
    /// How many there are.
    pub documents_count: usize,
    /// The `cursor` that gives the next ones; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub next_cursor: Option<String>,
}

/// A document. Most is known only of one that was read.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ListedDocument {
    /// Its name, which other tools take.
    pub document: String,
    /// Its id, which other tools take too; absent if it was not read yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub document_id: Option<String>,
    /// The format that it was read from, such as `pdf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub format: Option<String>,
    /// The title that the file states.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub title: Option<String>,
    /// How many pages it has; absent if it has no pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub pages: Option<usize>,
    /// Tokens of its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub tokens: Option<usize>,
    /// Unicode scalar values of its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub characters: Option<usize>,
}

impl DocumentLibrary {
    /// The document of a name or an id. A file is read, unless it was and has not changed since.
    ///
    /// # Errors
    /// `unknown_document`, and those of reading.
    pub async fn open(&self, state: &Arc<ServerState>, name: &str) -> Result<Arc<HeldDocument>, HttpError> {
        let Self::Roots(roots) = self else { return named(state, name) };
        state.reaches(ServerPhase::Ready).await; // documents are tokenized
        let (own, roots, asked) = (state.clone(), roots.clone(), name.to_owned());
        let upload = state
            .block_on(WorkLength::Long, move || roots.find(&asked).map(|file| read(&own, file)).transpose())
            .await?;
        let Some(upload) = upload else {
            let unknown = || HttpError::new("unknown_document", format!("{}: no such document", quoted(name)));
            return state.store.get(name).map_err(|_| unknown().with_hint(UNKNOWN_HINT));
        };
        let (held, is_new) = documents::document_of(state, upload).await?;
        if is_new {
            state.store.replace(&held);
        }
        Ok(held)
    }

    /// Every name that can be opened, and what cannot be searched. It may walk through folders.
    pub fn names(&self, state: &ServerState) -> DocumentNames {
        match self {
            Self::Store => {
                let names = state.store.all().iter().map(|held| held.id().to_owned()).collect();
                DocumentNames { names, errors: Vec::new() }
            }
            Self::Roots(roots) => {
                let RootFiles { files, errors } = roots.files();
                DocumentNames { names: files.into_iter().map(|file| file.name).collect(), errors }
            }
        }
    }

    /// What a document is called for as long as it is there. A server may have two of one name; a file that changes is another
    /// document, with another id.
    pub fn key<'a>(&self, listed: &'a ListedDocument) -> &'a str {
        match self {
            Self::Store => listed.document_id.as_deref().unwrap_or(&listed.document),
            Self::Roots(_) => &listed.document,
        }
    }

    /// The documents behind a cursor.
    pub fn list(&self, state: &ServerState, cursor: Option<&str>) -> DocumentListObject {
        let held = state.store.all();
        let listed = |held: &Arc<HeldDocument>| ListedDocument::of(held);
        let mut all: Vec<(String, ListedDocument)> = match self {
            // Two documents may have one name.
            Self::Store => {
                held.iter().map(|held| (format!("{}/{}", held.document.name(), held.id()), listed(held))).collect()
            }
            Self::Roots(roots) => {
                let read: HashMap<&str, _> = held.iter().map(|held| (held.document.name(), held)).collect();
                let entry = |RootFile { name, .. }| {
                    let known = read.get(name.as_str()).map(|held| ListedDocument::of(held));
                    (name.clone(), known.unwrap_or(ListedDocument { document: name, ..ListedDocument::default() }))
                };
                roots.files().files.into_iter().map(entry).collect()
            }
        };
        let documents_count = all.len();
        all.sort_by(|a, b| a.0.cmp(&b.0)); // as cursors compare
        let mut behind = all.into_iter().filter(|(key, _)| cursor.is_none_or(|cursor| key.as_str() > cursor));
        let page: Vec<_> = behind.by_ref().take(LISTED_MAX).collect();
        let next_cursor = behind.next().and_then(|_| page.last().map(|(key, _)| key.clone()));
        DocumentListObject {
            documents: page.into_iter().map(|(_, listed)| listed).collect(),
            documents_count,
            next_cursor,
        }
    }
}

impl ListedDocument {
    fn of(held: &HeldDocument) -> Self {
        let object = held.object();
        Self {
            document: object.name.to_owned(),
            document_id: Some(object.document_id.to_owned()),
            format: Some(object.format.to_owned()),
            title: object.title.map(str::to_owned),
            pages: object.pages,
            tokens: Some(object.tokens),
            characters: Some(object.characters),
        }
    }
}

/// A document of the server by its id, or by its name if only one has that.
fn named(state: &ServerState, name: &str) -> Result<Arc<HeldDocument>, HttpError> {
    state.store.get(name).or_else(|unknown| {
        let mut named: Vec<_> = state.store.all().into_iter().filter(|held| held.document.name() == name).collect();
        match named.len() {
            0 => Err(unknown.with_hint(UNKNOWN_HINT)),
            1 => state.store.get(named.remove(0).id()), // it counts as used now
            several => {
                let message = format!("{several} documents are called {}", quoted(name));
                Err(HttpError::new("unknown_document", message).with_hint("name it by its document_id"))
            }
        }
    })
}

/// The bytes of a file.
fn read(state: &ServerState, file: RootFile) -> Result<Upload, HttpError> {
    let RootFile { name, path } = file;
    let bytes = File::open(&path).and_then(|file| read_to_limit(file, state.limits.max_upload));
    let bytes = bytes.map_err(|error| {
        let error_type = if error.kind() == ErrorKind::FileTooLarge { "too_large" } else { "unreadable" };
        HttpError::new(error_type, format!("{}: {}", quoted(&name), io_message(&error)))
    })?;
    let (password, share) = (state.sources.password.clone(), BodyShare::default());
    Ok(Upload { bytes: bytes.into(), name, format: None, password, share })
}
