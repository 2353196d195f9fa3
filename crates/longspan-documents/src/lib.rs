//! The bytes of a file as text, and a map from the text back to the file: characters, UTF-16 units, lines, pages,
//! headings, places on the page. This crate knows no model, opens no file and starts no process.
//!
//! ```text
//! read         bytes → content: what format they are of, and its reader
//! detect       what format bytes are of, by the bytes first, then by the name
//! docx         DOCX
//! odt          ODT
//! epub         EPUB, by way of HTML
//! flow         paragraphs of office documents → blocks
//! left_out     what an office document has beside its text
//! numerals     numbers as lists write them
//! shift        raised and lowered text → the characters that Unicode has for it
//! xml          a bounded walk through XML
//! container    the parts of a zip container
//! markdown     Markdown, by way of the writer of HTML
//! html         HTML and XHTML
//! csv          cells of a table that is a text
//! pdf          PDF: interpreted by hayro, laid out here
//! plain        text as it is
//! binary       what reading gave, as bytes for another process
//! builder      what the reader of a format writes into; it makes the content
//! content      the text and its map
//! note_mark    marks of notes within the text
//! map          what the map consists of: pages, blocks, words on a page, runs of the source
//! line         a text as one bounded line, as titles and messages have it
//! format       the formats, and by which bytes and names they are known
//! unpack       bytes plain or packed with gzip
//! encoding     the encodings of a text
//! warning      what a reader should know about a text that was read
//! error        why bytes cannot be read
//! limits       how much is read
//! ```
//!
//! ```
//! use longspan_documents::{Hints, Limits, read};
//!
//! let content = read("Costs\u{c}It ran in 1911.".as_bytes(), &Hints::default(), &Limits::default())?;
//! let place = content.place(6..8);
//! assert_eq!((&content.text()[place.bytes], place.page), ("It", Some(2)));
//! # Ok::<(), longspan_documents::ReadError>(())
//! ```

#![forbid(unsafe_code)]

mod csv;
mod error;
mod format;
mod limits;
mod line;
mod map;
mod note_mark;
mod shift;
mod unpack;
mod warning;

mod content;
mod detect;
mod encoding;

mod builder;

mod plain;

mod html;

mod markdown;

mod container;
mod flow;
mod left_out;
mod numerals;
mod xml;

mod docx;
mod epub;
mod odt;

mod pdf;

mod read;

mod binary;

pub use binary::{decode, encode};
pub use content::{Content, Place};
pub use error::ReadError;
pub use format::{Format, UnreadFormat};
pub use limits::Limits;
pub use map::{Block, BlockKind, Page, PageBox, PageSize, PictureSize, TextDirection};
pub use read::{Hints, START_BYTES, draw, is_plain, read, read_from, read_text};
pub use unpack::GzipReader;
pub use warning::Warning;
