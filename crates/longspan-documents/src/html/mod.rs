//! HTML and XHTML, as a browser shows them: headings, paragraphs, lists, tables, code. What a browser does not show is no
//! part of the text; what stands beside the text, such as navigation, is furniture.

mod elements;
mod hidden;
mod label;
mod shifted;
mod table;
mod tokens;
mod writer;

use std::ops::Range;

use encoding_rs::Encoding;

use crate::builder::Builder;
use crate::encoding::{self, Decoded};
use crate::{Content, Format, Limits, ReadError, detect};
use tokens::{HtmlPart, parts};

pub(crate) use hidden::is_never_shown;
pub(crate) use tokens::Attributes;
pub(crate) use writer::Writer;

/// So many bytes may precede the declaration of the encoding; the standard asks for 1024.
const DECLARATION_BYTES: usize = 4096;

/// How HTML is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HtmlOptions {
    /// Whether `<a/>` is a whole element, as in XHTML.
    pub is_xml: bool,
    /// Whether the bytes are those of the file, so that the text has runs of it.
    pub has_runs: bool,
    /// Whether marks of page breaks begin pages, as in books.
    pub has_pages: bool,
}

/// Reads a page.
///
/// - `name`: that of the file
///
/// # Errors
/// Those of [`decoded`] and [`write`], and when it has no text or too much.
pub(crate) fn read(bytes: &[u8], name: Option<&str>, limits: &Limits) -> Result<Content, ReadError> {
    let extension = detect::extension(name);
    let is_xml =
        matches!(extension.as_deref(), Some("xhtml" | "xht")) || bytes.trim_ascii_start().starts_with(b"<?xml");
    let mut builder = Builder::new(Format::Html, limits);
    write(decoded(bytes)?, HtmlOptions { is_xml, has_runs: true, has_pages: false }, limits, &mut builder)?;
    builder.finish()
}

/// A page as text.
///
/// # Errors
/// When it is binary.
pub(crate) fn decoded(bytes: &[u8]) -> Result<Decoded, ReadError> {
    encoding::markup(bytes, declared(bytes))
}

/// Writes a page into a builder: its blocks, and its title, language and warnings where the builder has none.
///
/// # Errors
/// When elements lie too deep within each other.
pub(crate) fn write(
    decoded: Decoded,
    options: HtmlOptions,
    limits: &Limits,
    builder: &mut Builder,
) -> Result<(), ReadError> {
    decoded.warnings.into_iter().for_each(|warning| builder.warn(warning));
    let start = decoded.start.filter(|_| options.has_runs);
    let mut writer = Writer::new(builder, limits.depth_max, options.has_pages);
    write_parts(&decoded.text, start, options.is_xml, &mut writer);
    writer.finish()
}

/// Writes the elements and texts of HTML.
///
/// - `start`: the byte of the file at which it begins, if it stands there as it is
pub(crate) fn write_parts(html: &str, start: Option<usize>, is_xml: bool, writer: &mut Writer<'_>) {
    let mut starts = starts_of_reversed_lists(html, is_xml).into_iter();
    parts(html, is_xml, |part| {
        match part {
            HtmlPart::Start { name: "ol", attributes, is_closed } if is_reversed(&attributes) => {
                let start = starts.next().unwrap_or(1).to_string();
                writer.start("ol", &attributes.with("start", start), is_xml && is_closed);
            }
            HtmlPart::Start { name, attributes, is_closed } => writer.start(name, &attributes, is_xml && is_closed),
            HtmlPart::End(name) => writer.end(name),
            HtmlPart::Text(text, at) => write_text(text, html, at, start, writer),
            HtmlPart::Comment(_) => {}
            HtmlPart::Endless(what) => writer.warn_of_endless(what),
        }
        writer.goes_on()
    });
}

/// Whether a list counts down from the number of its items.
fn is_reversed(attributes: &Attributes) -> bool {
    let start: Option<i64> = attributes.get("start").and_then(|start| start.trim().parse().ok());
    attributes.get("reversed").is_some() && start.is_none()
}

/// The numbers of the first items of lists that count down to 1, in the order of the lists.
fn starts_of_reversed_lists(html: &str, is_xml: bool) -> Vec<u32> {
    let mut counts = Vec::new();
    if !html.as_bytes().windows(REVERSED.len()).any(|bytes| bytes.eq_ignore_ascii_case(REVERSED)) {
        return counts;
    }
    // Of each open list its name, and its index if it counts down.
    let mut open: Vec<(&'static str, Option<usize>)> = Vec::new();
    let list = |name: &str| ["ol", "ul", "menu", "dir"].into_iter().find(|list| *list == name);
    parts(html, is_xml, |part| {
        match part {
            HtmlPart::Start { name: "li", .. } => {
                if let Some(count) = open.last().and_then(|(_, index)| counts.get_mut((*index)?)) {
                    *count += 1;
                }
            }
            HtmlPart::Start { name, attributes, is_closed } => {
                let index = (name == "ol" && is_reversed(&attributes)).then_some(counts.len());
                counts.extend(index.map(|_| 0));
                open.extend(list(name).filter(|_| !(is_xml && is_closed)).map(|name| (name, index)));
            }
            HtmlPart::End(name) => {
                if let Some(at) = open.iter().rposition(|(open, _)| *open == name) {
                    open.truncate(at);
                }
            }
            _ => {}
        }
        open.len() < OPEN_LISTS_MAX
    });
    counts
}

const REVERSED: &[u8] = b"reversed";

/// Lists within lists that are looked at.
const OPEN_LISTS_MAX: usize = 1024;

/// Writes a text that was made of `source[at]`.
///
/// - `start`: the byte of the file at which the source begins, if it stands there as it is
pub(crate) fn write_text(text: &str, source: &str, at: Range<usize>, start: Option<usize>, writer: &mut Writer<'_>) {
    let Some(start) = start else { return writer.text(text, None) };
    let of_file = start + at.start..start + at.end;
    let is_same = matches!(source.get(at), Some(source) if source == text || (source, text) == ("\r", "\n"));
    let first = text.chars().next().map_or(0, char::len_utf8);
    if is_same || of_file.len() != text.len() || first == text.len() {
        return writer.text(text, Some(of_file));
    }
    // An entity as long as the characters that it stands for, which are not its bytes.
    let end = of_file.end;
    writer.text(&text[..first], Some(of_file));
    writer.text(&text[first..], Some(end..end));
}

/// The encoding that a page declares.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_BYTES)]);
    let mut found = None;
    parts(&start, false, |part| {
        let label = match &part {
            HtmlPart::Comment(declaration) if declaration.starts_with("?xml") => value_of(declaration, "encoding"),
            HtmlPart::Start { name: "meta", attributes, .. } => {
                let content = || attributes.get("content").and_then(|content| value_of(content, "charset"));
                attributes.get("charset").or_else(content)
            }
            _ => None,
        };
        found = label.and_then(|label| Encoding::for_label(label.as_bytes()));
        found.is_none() && !matches!(part, HtmlPart::Start { name: "body", .. })
    });
    found
}

/// The value behind a name and `=`, with or without quotes, in a text such as `text/html; charset=utf-8`.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.to_ascii_lowercase().find(name)?;
    let value = text[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) => value[1..].split(quote).next(),
        None => value.split(|c: char| c == ';' || c.is_ascii_whitespace()).next(),
    }
}
