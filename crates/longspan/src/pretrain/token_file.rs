//! Documents as token ids in a file, so that text of any size is tokenized once and never held in memory.
//!
//! ```text
//! magic (16 bytes)    bytes of an id, 2 or 4 (u32)    length of the identity (u32)    identity
//! for each document:  tokens (u64)    characters (u64)    ids    checksum of these (u32)
//! at the end:         u64::MAX        checksum of the head and of the checksums of the documents (u32)
//! ```
//!
//! All numbers are little-endian. Documents are appended to a file with another name; one that was broken off is gone on with
//! after its last whole document, which its checksum shows.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::checkpoint::FileBytes;
use crate::tokenizer::Tokenizer;
use crate::{Error, FormatKind, Result};

const MAGIC: &[u8; 16] = b"longspan tokens\n";
/// In place of a number of tokens: there is no further document.
const END: u64 = u64::MAX;
/// The longest identity.
const IDENTITY_BYTES_MAX: usize = 4096;
/// The amount of text tokenized at a time, approximately.
const GROUP_BYTES: usize = 4 << 20;

/// Tokenized documents.
pub struct TokenFile {
    bytes: FileBytes,
    head: TokenFileHeader,
    documents: Vec<StoredDocument>,
    checksum: u32,
}

/// An amount of tokenized text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokenized {
    /// Documents.
    pub documents: usize,
    /// Their tokens.
    pub tokens: usize,
    /// Their characters.
    pub characters: usize,
}

/// The header of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TokenFileHeader {
    /// Bytes of an id.
    width: usize,
    identity: String,
}

/// The place of a document in the file.
#[derive(Debug, Clone, Copy)]
struct StoredDocument {
    /// First byte of its ids.
    at: usize,
    tokens: usize,
    characters: usize,
}

/// The content of a file that may be incomplete.
struct ScannedFile {
    head: TokenFileHeader,
    documents: Vec<StoredDocument>,
    /// The end of the last complete document.
    end: usize,
    /// Checksum of the header and the documents.
    sum: crc32fast::Hasher,
    /// The checksum at the end, if the file is complete.
    checksum: Option<u32>,
}

impl TokenFile {
    /// Tokenizes documents into a file, or opens the existing file.
    ///
    /// - `identity`: names the text and the tokenizer: a file with another one is refused
    /// - `documents`: all of them, always in the same order
    /// - `on_progress`: receives the amount done
    ///
    /// # Errors
    /// [`Error::Conflict`] for a file of another identity, [`Error::NoData`] for documents without a token; the errors of `documents`;
    /// [`Error::Write`], after which the next call goes on.
    pub fn build<E: From<Error>>(
        path: &Path,
        identity: &str,
        tokenizer: &Tokenizer,
        documents: impl Iterator<Item = std::result::Result<String, E>>,
        on_progress: &mut dyn FnMut(Tokenized),
    ) -> std::result::Result<Self, E> {
        let head = TokenFileHeader {
            width: if tokenizer.vocab_size <= 1 << 16 { 2 } else { 4 },
            identity: identity.chars().take(IDENTITY_BYTES_MAX / 4).collect(),
        };
        if !path.exists() {
            let mut part = path.as_os_str().to_owned();
            part.push(".part");
            let part = PathBuf::from(part);
            let mut writer = TokenFileWriter::open(&part, &head)?;
            on_progress(writer.done);
            let mut documents = documents.skip(writer.done.documents);
            loop {
                let group = group(&mut documents)?;
                if group.is_empty() {
                    break;
                }
                let tokens: Vec<_> = group.par_iter().map(|text| tokenizer.encode(text)).collect::<Result<_>>()?;
                for (text, tokens) in group.iter().zip(tokens) {
                    writer.add(&tokens.ids, text.chars().count())?;
                }
                writer.flush()?;
                on_progress(writer.done);
            }
            if writer.done.tokens == 0 {
                return Err(no_token(&part).into());
            }
            writer.finish(path)?;
        }
        let file = Self::open(path)?;
        if file.head != head {
            let message = "it holds other text, or tokens of another tokenizer";
            return Err(Error::Conflict { path: path.to_owned(), message: message.into() }.into());
        }
        Ok(file)
    }

    /// Opens a file that [`TokenFile::build`] wrote.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::Format`] where it is not whole.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = map(path)?;
        let wrong = |message| Error::format(path, FormatKind::TokenFile, message);
        let scanned = scan(&bytes).ok_or_else(|| wrong("no file of tokens"))?;
        let ScannedFile { head, documents, sum, checksum, .. } = scanned;
        let checksum = checksum.ok_or_else(|| wrong("it is damaged, or its end is missing"))?;
        if sum.finalize() != checksum {
            return Err(wrong("its checksum is wrong"));
        }
        if documents.iter().all(|document| document.tokens == 0) {
            return Err(no_token(path));
        }
        Ok(Self { bytes, head, documents, checksum })
    }

    /// Its size.
    pub fn size(&self) -> Tokenized {
        let sum = |of: fn(&StoredDocument) -> usize| self.documents.iter().map(of).sum();
        Tokenized {
            documents: self.documents.len(),
            tokens: sum(|document| document.tokens),
            characters: sum(|document| document.characters),
        }
    }

    /// Checksum of its content, including the identity.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The number of tokens of each document, in order.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.documents.iter().map(|document| document.tokens)
    }

    /// Appends tokens of a document to `out`.
    ///
    /// # Panics
    /// If it has no such document or tokens.
    pub fn copy(&self, document: usize, tokens: std::ops::Range<usize>, out: &mut Vec<u32>) {
        let (width, StoredDocument { at, tokens: count, .. }) = (self.head.width, self.documents[document]);
        assert!(tokens.end <= count, "{tokens:?} of {count} tokens");
        let bytes = &self.bytes[at + tokens.start * width..at + tokens.end * width];
        match width {
            2 => out.extend(bytes.as_chunks().0.iter().map(|id| u32::from(u16::from_le_bytes(*id)))),
            _ => out.extend(bytes.as_chunks().0.iter().map(|id| u32::from_le_bytes(*id))),
        }
    }
}

fn no_token(path: &Path) -> Error {
    Error::NoData(format!("`{}`: the text has no token", path.display()))
}

fn map(path: &Path) -> Result<FileBytes> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let missing = || Error::read(path)(std::io::ErrorKind::NotFound.into());
    FileBytes::map(folder, path)?.ok_or_else(missing)
}

/// Texts of about [`GROUP_BYTES`]; at least one, if there are any left.
fn group<E>(
    documents: &mut impl Iterator<Item = std::result::Result<String, E>>,
) -> std::result::Result<Vec<String>, E> {
    let (mut group, mut bytes) = (Vec::new(), 0);
    while bytes < GROUP_BYTES {
        let Some(text) = documents.next() else { break };
        let text = text?;
        bytes += text.len().max(1);
        group.push(text);
    }
    Ok(group)
}

/// Reads the complete documents; `None` if the header is not that of a token file.
fn scan(bytes: &[u8]) -> Option<ScannedFile> {
    let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let short = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let from = MAGIC.len();
    let (width, length) = (short(from)? as usize, short(from + 4)? as usize);
    if !bytes.starts_with(MAGIC) || ![2, 4].contains(&width) || length > IDENTITY_BYTES_MAX {
        return None;
    }
    let identity = bytes.get(from + 8..from + 8 + length)?;
    let head = TokenFileHeader { width, identity: str::from_utf8(identity).ok()?.into() };
    let (mut end, mut documents) = (from + 8 + length, Vec::new());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[..end]);
    let checksum = loop {
        let Some(tokens) = number(end) else { break None };
        if tokens == END {
            break short(end + 8);
        }
        let whole = |characters: u64| {
            let at = end + 16;
            let tokens = usize::try_from(tokens).ok()?;
            let after = at.checked_add(tokens.checked_mul(width)?)?;
            let checksum = short(after)?;
            // No text has more, and so no sum of them overflows.
            let characters = u32::try_from(characters).ok()? as usize;
            let is_whole = crc32fast::hash(&bytes[end..after]) == checksum;
            is_whole.then_some((StoredDocument { at, tokens, characters }, after + 4, checksum))
        };
        let Some((document, after, checksum)) = number(end + 8).and_then(whole) else { break None };
        documents.push(document);
        sum.update(&checksum.to_le_bytes());
        end = after;
    };
    Some(ScannedFile { head, documents, end, sum, checksum })
}

/// Appends to a file.
struct TokenFileWriter {
    path: PathBuf,
    out: BufWriter<File>,
    sum: crc32fast::Hasher,
    width: usize,
    done: Tokenized,
}

impl TokenFileWriter {
    /// Continues the existing file if it has the same header; otherwise starts a new one.
    fn open(path: &Path, head: &TokenFileHeader) -> Result<Self> {
        let failed = Error::write(path);
        let (mut sum, mut done, mut end) = (crc32fast::Hasher::new(), Tokenized::default(), 0);
        if path.exists() {
            let bytes = map(path)?;
            if let Some(scanned) = scan(&bytes).filter(|scanned| scanned.head == *head) {
                (sum, end) = (scanned.sum, scanned.end);
                done.documents = scanned.documents.len();
                done.tokens = scanned.documents.iter().map(|document| document.tokens).sum();
                done.characters = scanned.documents.iter().map(|document| document.characters).sum();
            }
        }
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        file.set_len(end as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        let out = BufWriter::with_capacity(1 << 20, file);
        let mut writer = Self { path: path.to_owned(), out, sum, width: head.width, done };
        if end == 0 {
            let [width, length] = [head.width, head.identity.len()].map(|number| (number as u32).to_le_bytes());
            let head = [&MAGIC[..], &width, &length, head.identity.as_bytes()].concat();
            writer.sum.update(&head);
            writer.put(&head)?;
        }
        Ok(writer)
    }

    fn add(&mut self, ids: &[u32], characters: usize) -> Result<()> {
        let mut bytes = Vec::with_capacity(16 + ids.len() * self.width);
        bytes.extend((ids.len() as u64).to_le_bytes());
        bytes.extend((characters as u64).to_le_bytes());
        ids.iter().for_each(|id| bytes.extend(&id.to_le_bytes()[..self.width]));
        let checksum = crc32fast::hash(&bytes).to_le_bytes();
        bytes.extend(checksum);
        self.sum.update(&checksum);
        self.put(&bytes)?;
        self.done.documents += 1;
        self.done.tokens += ids.len();
        self.done.characters += characters;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::write(&self.path))
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(Error::write(&self.path))
    }

    /// Writes the end and renames the file.
    fn finish(mut self, path: &Path) -> Result<()> {
        let sum = self.sum.clone().finalize();
        self.put(&END.to_le_bytes())?;
        self.put(&sum.to_le_bytes())?;
        self.flush()?;
        let synced = self.out.get_ref().sync_all();
        let named = synced.and_then(|()| std::fs::rename(&self.path, path));
        named.map_err(Error::write(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Source;

    fn tokenizer() -> Tokenizer {
        let source = Source::Folder(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded").into());
        Tokenizer::load(|name| source.read(name)).unwrap()
    }

    const TEXTS: [&str; 4] = ["A mill stood here.", "", "The caf\u{e9} has no door.", "One."];

    fn build(path: &Path, identity: &str, count: usize) -> Result<TokenFile> {
        let texts = TEXTS.iter().take(count).map(|text| Ok((*text).to_string()));
        let texts = texts.chain((count < TEXTS.len()).then_some(Err(Error::EmptyDocument)));
        TokenFile::build(path, identity, &tokenizer(), texts, &mut |_| {})
    }

    fn check(file: &TokenFile) {
        let tokenizer = tokenizer();
        for (i, text) in TEXTS.iter().enumerate() {
            let (wanted, mut found) = (tokenizer.encode(text).unwrap().ids, Vec::new());
            file.copy(i, 0..wanted.len(), &mut found);
            assert_eq!(found, wanted);
            assert_eq!(file.lengths().nth(i), Some(wanted.len()));
        }
        let characters = TEXTS.iter().map(|text| text.chars().count()).sum();
        let Tokenized { documents, characters: found, .. } = file.size();
        assert_eq!((documents, found), (4, characters));
    }

    /// Figures of SECURITY.md: of 1,000 flipped bits and 1,000 shorter lengths, none is accepted.
    #[test]
    fn no_damaged_file_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        build(&path, "x", 4).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for trial in 0..1000 {
            let at = crate::random::number(1, &[trial]) as usize % (8 * whole.len());
            let mut flipped = whole.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            for damaged in [&flipped, &whole[..at / 8]] {
                std::fs::write(&path, damaged).unwrap();
                let error = TokenFile::open(&path).err().unwrap_or_else(|| panic!("bit {at} is not missed"));
                assert!(matches!(error, Error::Format { kind: FormatKind::TokenFile, .. }), "{error:?}");
            }
        }
    }

    #[test]
    fn documents_read_back_equal_and_an_incomplete_file_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, path) = (folder.path().join("whole"), folder.path().join("t"));
        let part = folder.path().join("t.part");
        check(&build(&whole, "x", 4).unwrap());
        let wanted = std::fs::read(&whole).unwrap();
        // A file that was truncated at any byte is completed.
        for length in 0..wanted.len() {
            std::fs::write(&part, &wanted[..length]).unwrap();
            check(&build(&path, "x", 4).unwrap());
            assert!(std::fs::read(&path).unwrap() == wanted && !part.exists(), "{length}");
            std::fs::remove_file(&path).unwrap();
        }
        // An error of the texts leaves no file. Zeros at the end of a partial file are discarded.
        assert!(matches!(build(&path, "x", 3), Err(Error::EmptyDocument)));
        assert!(!path.exists());
        std::fs::write(&part, [&wanted[..wanted.len() - 30], &[0; 64]].concat()).unwrap();
        check(&build(&path, "x", 4).unwrap());
        assert!(std::fs::read(&path).unwrap() == wanted);
        std::fs::remove_file(&path).unwrap();
        // A partial file of another identity is discarded.
        std::fs::write(&part, &wanted[..wanted.len() - 20]).unwrap();
        build(&path, "y", 4).unwrap();
        assert!(
            build(&path, "x", 4)
                .err()
                .unwrap()
                .to_string()
                .contains("it holds other text, or tokens of another tokenizer")
        );
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        build(&path, "x", 4).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let fails = |content: &[u8], message: &str| {
            std::fs::write(&path, content).unwrap();
            let error = TokenFile::open(&path).err().unwrap().to_string();
            assert!(error.contains(message), "{error}");
        };
        fails(&whole[..whole.len() - 1], "its end is missing");
        let changed = |at: usize| [&whole[..at], &[whole[at] ^ 1], &whole[at + 1..]].concat();
        fails(&changed(45), "it is damaged");
        fails(&changed(whole.len() - 20), "it is damaged");
        fails(&changed(whole.len() - 1), "its checksum is wrong");
        fails(b"text", "no file of tokens");
        let none = TokenFile::build(
            &folder.path().join("n"),
            "x",
            &tokenizer(),
            [Ok::<_, Error>(String::new())].into_iter(),
            &mut |_| {},
        );
        assert!(none.err().unwrap().to_string().ends_with("the text has no token"));
    }
}
