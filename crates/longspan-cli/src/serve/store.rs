//! The documents in memory: those that were uploaded, the least recently used of which make room for others, and those of a
//! folder, which stay.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use longspan_ask::{NamedDocument, WarningObject};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::HttpError;
use super::metrics::ServeMetrics;

/// Memory for pictures of pages.
const PICTURE_BYTES_MAX: usize = 64 << 20;
/// Bytes of a token of a document, beside its text.
const TOKEN_BYTES: u64 = 12;
/// The digits of an id.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A document that can be asked.
pub struct HeldDocument {
    /// Its text and tokens, with its name and id.
    pub document: NamedDocument,
    /// The file, for drawing its pages; `None` if it has none that can be drawn.
    pub file: Option<Bytes>,
    /// Its password.
    pub password: Option<String>,
    /// Whether it is one of the folder, which stays.
    pub is_of_folder: bool,
}

impl HeldDocument {
    /// Its id.
    pub fn id(&self) -> &str {
        self.document.id().unwrap_or_default()
    }

    /// The memory that it takes.
    fn bytes(&self) -> u64 {
        let content = self.document.content();
        let file = self.file.as_ref().map_or(0, Bytes::len) as u64;
        let names = self.document.name().len() + self.id().len() + self.password.as_ref().map_or(0, String::len);
        let text = content.text().len() + content.map_bytes() + names + size_of::<Self>();
        text as u64 + TOKEN_BYTES * self.document.tokens() as u64 + file
    }

    /// Its object.
    pub fn object(&self) -> DocumentObject<'_> {
        let content = self.document.content();
        let end = content.text().len();
        DocumentObject {
            document_id: self.id(),
            name: self.document.name(),
            format: content.format().name(),
            title: content.title(),
            pages: Some(content.pages().len()).filter(|pages| *pages > 0),
            has_pictures: self.file.is_some(),
            tokens: self.document.tokens(),
            characters: content.place(end..end).characters.end,
            warnings: WarningObject::all(content.warnings()),
        }
    }
}

/// A document of the server.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "ServedDocument")]
pub struct DocumentObject<'a> {
    /// Names it in requests.
    pub document_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The format that it was read from, such as `pdf`.
    pub format: &'a str,
    /// The title that the file states; absent if it states none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'a str>,
    /// How many pages it has; absent if it has no pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<usize>,
    /// Whether its pages can be drawn.
    pub has_pictures: bool,
    /// Tokens of its text.
    pub tokens: usize,
    /// Unicode scalar values of its text.
    pub characters: usize,
    /// What a reader should know about its text.
    pub warnings: Vec<WarningObject>,
}

/// Everything that a document is made of. The same upload has the same id.
pub struct DocumentKey<'a> {
    /// The bytes of the file.
    pub bytes: &'a [u8],
    /// Its name.
    pub name: &'a str,
    /// The format that the request states.
    pub format: Option<&'a str>,
    /// The password.
    pub password: Option<&'a str>,
}

impl DocumentKey<'_> {
    /// The id: 80 bits of a digest.
    pub fn id(&self) -> String {
        let mut digest = Sha256::new();
        let version = env!("CARGO_PKG_VERSION");
        let parts = [version, self.name, self.format.unwrap_or_default(), self.password.unwrap_or_default()];
        for part in parts.map(str::as_bytes).into_iter().chain([self.bytes]) {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let start: [u8; 16] = std::array::from_fn({
            let digest = digest.finalize();
            move |index| digest[index]
        });
        let bits = u128::from_be_bytes(start);
        let digit = |place: usize| char::from(DIGITS[(bits >> (123 - 5 * place)) as usize & 31]);
        format!("d_{}", (0..16).map(digit).collect::<String>())
    }
}

/// The documents.
pub struct DocumentStore {
    held: Mutex<Held>,
    bytes_max: u64,
    time_to_live: Duration,
    metrics: Arc<ServeMetrics>,
}

#[derive(Default)]
struct Held {
    documents: HashMap<String, (Arc<HeldDocument>, Instant)>,
    /// Of those that may go.
    bytes: u64,
    /// Pictures of pages, the oldest first.
    pictures: VecDeque<(PictureKey, Bytes)>,
    picture_bytes: usize,
}

/// Which picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureKey {
    /// Of which document.
    pub document_id: String,
    /// Of which page, from 1.
    pub page: usize,
    /// Its width in pixels.
    pub width: u16,
}

impl DocumentStore {
    /// A store without documents.
    pub fn new(bytes_max: u64, time_to_live: Duration, metrics: Arc<ServeMetrics>) -> Self {
        Self { held: Mutex::default(), bytes_max, time_to_live, metrics }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a document. Others that nobody reads make room for it.
    ///
    /// # Errors
    /// `too_large` if it does not fit alone, `overloaded` if all others are being read.
    pub fn add(&self, document: HeldDocument) -> Result<Arc<HeldDocument>, HttpError> {
        let bytes = document.bytes();
        let document = Arc::new(document);
        let mut held = self.lock();
        if !document.is_of_folder {
            if bytes > self.bytes_max {
                let message =
                    format!("the document takes {bytes} bytes of memory, at most {} are kept", self.bytes_max);
                return Err(HttpError::new("too_large", message));
            }
            while held.bytes + bytes > self.bytes_max {
                if !held.remove_oldest() {
                    let retry_after = Some(Duration::from_secs(1));
                    let error = HttpError::new("overloaded", "the memory for documents is full of those that are read");
                    return Err(HttpError { retry_after, ..error });
                }
            }
        }
        held.remove(document.id());
        held.insert(document.clone());
        self.count(&held);
        Ok(document)
    }

    /// The document of an id, or of a name in the folder; it counts as used now.
    ///
    /// # Errors
    /// `unknown_document`.
    pub fn get(&self, id: &str) -> Result<Arc<HeldDocument>, HttpError> {
        let mut held = self.lock();
        if let Some((document, used)) = held.documents.get_mut(id) {
            *used = Instant::now();
            return Ok(document.clone());
        }
        let of_folder = held.documents.values().find(|(held, _)| held.is_of_folder && held.document.name() == id);
        of_folder.map(|(document, _)| document.clone()).ok_or_else(unknown)
    }

    /// All documents, by their names, to list them.
    pub fn all(&self) -> Vec<Arc<HeldDocument>> {
        by_names(self.lock().documents.values().map(|(document, _)| document.clone()))
    }

    /// All documents, by their names; they count as used now.
    pub fn use_all(&self) -> Vec<Arc<HeldDocument>> {
        let (mut held, now) = (self.lock(), Instant::now());
        by_names(held.documents.values_mut().map(|(document, used)| {
            *used = now;
            document.clone()
        }))
    }

    /// Removes what a document of another id was read from the same file before.
    pub fn replace(&self, document: &HeldDocument) {
        let mut held = self.lock();
        let is_older = |(other, _): &(Arc<HeldDocument>, Instant)| {
            other.document.name() == document.document.name() && other.id() != document.id()
        };
        let older = held.documents.values().filter(|held| is_older(held)).map(|(other, _)| other.id().to_owned());
        older.collect::<Vec<_>>().iter().for_each(|id| held.remove(id));
        self.count(&held);
    }

    /// Removes a document. What is asking it goes on.
    ///
    /// # Errors
    /// `unknown_document`, or `read_only` if it is one of the folder.
    pub fn remove(&self, id: &str) -> Result<(), HttpError> {
        let mut held = self.lock();
        let (document, _) = held.documents.get(id).ok_or_else(unknown)?;
        if document.is_of_folder {
            return Err(HttpError::new("read_only", "the document is one of the folder that is served"));
        }
        held.remove(id);
        self.count(&held);
        Ok(())
    }

    /// Removes what was not used for too long and is not read.
    pub fn remove_idle(&self) {
        let mut held = self.lock();
        let is_idle = |(document, used): &(Arc<HeldDocument>, Instant)| {
            !document.is_of_folder && Arc::strong_count(document) == 1 && used.elapsed() > self.time_to_live
        };
        let idle: Vec<String> =
            held.documents.iter().filter(|(_, held)| is_idle(held)).map(|(id, _)| id.clone()).collect();
        idle.iter().for_each(|id| held.remove(id));
        self.count(&held);
    }

    /// A picture that was drawn before.
    pub fn picture(&self, key: &PictureKey) -> Option<Bytes> {
        self.lock().pictures.iter().find(|(drawn, _)| drawn == key).map(|(_, picture)| picture.clone())
    }

    /// Keeps a picture for the next time. The oldest ones make room for it.
    pub fn keep_picture(&self, key: PictureKey, picture: Bytes) {
        let mut held = self.lock();
        held.picture_bytes += picture.len();
        held.pictures.push_back((key, picture));
        while held.picture_bytes > PICTURE_BYTES_MAX {
            let Some((_, oldest)) = held.pictures.pop_front() else { break };
            held.picture_bytes -= oldest.len();
        }
    }

    fn count(&self, held: &Held) {
        self.metrics.set_documents(held.documents.len(), held.bytes);
    }
}

fn by_names(documents: impl Iterator<Item = Arc<HeldDocument>>) -> Vec<Arc<HeldDocument>> {
    let mut all: Vec<_> = documents.collect();
    all.sort_by(|a, b| (a.document.name(), a.id()).cmp(&(b.document.name(), b.id())));
    all
}

/// Each document once, at its first place: an id and a name may stand for the same one.
pub fn without_repeats(mut documents: Vec<Arc<HeldDocument>>) -> Vec<Arc<HeldDocument>> {
    let mut ids = HashSet::new();
    documents.retain(|document| ids.insert(document.id().to_owned()));
    documents
}

fn unknown() -> HttpError {
    let hint = "upload it again: documents that are not used make room for others";
    HttpError::new("unknown_document", "there is no such document").with_hint(hint)
}

impl Held {
    fn insert(&mut self, document: Arc<HeldDocument>) {
        if !document.is_of_folder {
            self.bytes += document.bytes();
        }
        self.documents.insert(document.id().to_owned(), (document, Instant::now()));
    }

    fn remove(&mut self, id: &str) {
        let Some((document, _)) = self.documents.remove(id) else { return };
        if !document.is_of_folder {
            self.bytes -= document.bytes();
        }
        self.pictures.retain(|(key, _)| key.document_id != id);
        self.picture_bytes = self.pictures.iter().map(|(_, picture)| picture.len()).sum();
    }

    /// Removes the document that was not used for the longest time, of those that nobody reads.
    fn remove_oldest(&mut self) -> bool {
        let may_go = |held: &&(Arc<HeldDocument>, Instant)| !held.0.is_of_folder && Arc::strong_count(&held.0) == 1;
        let oldest = self.documents.values().filter(may_go).min_by_key(|(_, used)| *used);
        let id = oldest.map(|(document, _)| document.id().to_owned());
        id.inspect(|id| self.remove(id)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use longspan::checkpoint::Source;
    use longspan::{Precision, ReadOptions, Reader};
    use longspan_ask::{Asker, Content};

    use super::*;

    /// A store with a document that was not used for a minute, which is too long.
    fn store() -> DocumentStore {
        let reader = Reader::from_source(&Source::embedded(), Precision::F32).unwrap();
        let document = Asker::new(Arc::new(reader), ReadOptions::default()).document("a.txt", Content::plain("bread"));
        let document = document.unwrap().with_id("d_1");
        let store = DocumentStore::new(1 << 20, Duration::from_secs(30), Arc::new(ServeMetrics::new()));
        store.add(HeldDocument { document, file: None, password: None, is_of_folder: false }).unwrap();
        let minute = Duration::from_secs(60);
        store.lock().documents.values_mut().for_each(|(_, used)| *used = used.checked_sub(minute).unwrap());
        store
    }

    #[test]
    fn documents_that_are_asked_all_at_once_are_in_use_and_listed_ones_are_not() {
        let check = |use_it: fn(&DocumentStore), left: usize| {
            let store = store();
            use_it(&store);
            store.remove_idle();
            assert_eq!(store.all().len(), left);
        };
        check(|store| drop(store.all()), 0);
        check(|store| drop(store.use_all()), 1);
        check(|store| drop(store.get("d_1")), 1);
    }

    #[test]
    fn names_and_passwords_take_memory() {
        let store = store();
        let held = store.all().remove(0);
        let name = "a".repeat(500);
        let password = Some("b".repeat(300));
        let document = held.document.clone().with_id(&name);
        let other = HeldDocument { document, file: None, password, is_of_folder: false };
        assert_eq!(other.bytes() - held.bytes(), 500 - 3 + 300);
    }
}
