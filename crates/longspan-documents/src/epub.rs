//! EPUB. The container names the package, the package names the chapters in their order, and each of them is a page of
//! HTML. A chapter without a heading has that of the table of contents.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::builder::{Builder, language_tag};
use crate::container::{self, Container, resolved};
use crate::encoding::Decoded;
use crate::html::{self, HtmlOptions};
use crate::line::{excerpt, line};
use crate::map::BlockKind;
use crate::xml::{XmlError, XmlWalk};
use crate::{Content, Format, Limits, ReadError, Warning};

const NAMESPACES: [(&str, &str); 9] = [
    ("urn:oasis:names:tc:opendocument:xmlns:container", "container"),
    ("http://www.idpf.org/2007/opf", "opf"),
    ("http://openebook.org/namespaces/oeb-package/1.0/", "opf"), // of EPUB's forerunner
    ("http://purl.org/dc/elements/1.1/", "dc"),
    ("http://www.daisy.org/z3986/2005/ncx/", "ncx"),
    ("http://www.w3.org/1999/xhtml", "html"),
    ("http://www.idpf.org/2007/ops", "ops"),
    ("http://www.w3.org/2000/svg", "svg"),
    ("http://www.w3.org/2001/04/xmlenc#", "enc"),
];

const FORMAT: Format = Format::Epub;
const SVG: &str = "image/svg+xml";

/// What fonts are made unreadable with, which leaves the text alone.
const FONT_OBFUSCATIONS: [&str; 2] = ["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"];

/// The highest level of a heading from the table of contents.
const LEVEL_MAX: u8 = 6;

/// So many items may stand in for each other.
const FALLBACKS_MAX: usize = 16;

/// Reads an EPUB book.
///
/// # Errors
/// When it is damaged, encrypted or none, has no text, or goes over a limit.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Content, ReadError> {
    let mut book = Book { container: Container::open(bytes, FORMAT, limits)?, limits };
    let encrypted = book.container.optional("META-INF/encryption.xml", |xml| encrypted_parts(xml, limits))?;
    let encrypted = encrypted.unwrap_or_default();
    let name = book.required("META-INF/container.xml", |xml| package_name(xml, limits))?;
    let damaged = |what: &str| ReadError::Damaged { format: FORMAT, what: what.into() };
    let name = name.ok_or_else(|| damaged("META-INF/container.xml names no package"))?;
    let package = book.required(&name, |xml| EpubPackage::read(xml, limits))?;
    if package.spine.is_empty() {
        return Err(damaged("its package names no chapters"));
    }
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let contents = book.contents(&package, folder)?;

    let mut builder = Builder::new(FORMAT, limits);
    builder.parts().language = package.language.as_deref().and_then(language_tag);
    let (mut lost, mut pictures) = (Vec::new(), 0);
    let options = HtmlOptions { is_xml: true, has_runs: false, has_pages: true };
    for id in &package.spine {
        let Some(item) = package.readable(id) else {
            lost.push(id.clone());
            continue;
        };
        let name = part_name(folder, &item.href);
        if encrypted.contains(&name) {
            return Err(ReadError::Encrypted("its text is protected by DRM, which is not read".into()));
        }
        match book.chapter(item, &name)? {
            None => lost.push(name),
            Some(Chapter::Page(page)) => {
                if let Some((title, level)) = contents.titles.get(&name).filter(|_| !has_heading(&page.text)) {
                    builder.block(BlockKind::Heading(*level));
                    builder.add(title);
                }
                html::write(page, options, limits, &mut builder)?;
            }
            Some(Chapter::Drawing(texts)) => {
                for text in texts {
                    builder.block(BlockKind::Paragraph);
                    builder.add(&text);
                }
            }
            Some(Chapter::Picture) => pictures += 1,
        }
    }
    if let Some(first) = lost.first() {
        let first = excerpt(first);
        builder.warn(Warning::Repaired(match lost.len() {
            1 => format!("its chapter {first} is missing or damaged"),
            count => format!("{count} of its chapters are missing or damaged, first {first}"),
        }));
    }
    if pictures > 0 {
        builder.warn(Warning::LeftOut(match pictures {
            1 => "a chapter that is a picture".into(),
            count => format!("{count} chapters that are pictures").into(),
        }));
    }
    builder.parts().title = package.title; // that of a chapter is none of the book
    book.container.warnings.into_iter().for_each(|warning| builder.warn(warning));
    builder.finish()
}

/// The parts of a book.
struct Book<'a> {
    container: Container<'a>,
    limits: &'a Limits,
}

/// What a chapter is.
enum Chapter {
    /// A page of HTML.
    Page(Decoded),
    /// SVG: its texts.
    Drawing(Vec<String>),
    /// What has no text.
    Picture,
}

impl Book<'_> {
    fn required<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, XmlError>) -> Result<T, ReadError> {
        read(&self.container.required(name)?).map_err(|error| error.of_part(FORMAT, name))
    }

    /// A chapter; none if it is missing or damaged.
    fn chapter(&mut self, item: &ManifestItem, name: &str) -> Result<Option<Chapter>, ReadError> {
        if item.is_picture() {
            return Ok(Some(Chapter::Picture));
        }
        let bytes = match self.container.part(name) {
            Err(ReadError::Damaged { .. }) => None,
            read => read?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        if item.media_type == SVG {
            let texts = container::decoded(bytes).and_then(|xml| texts_of_svg(&xml, self.limits).ok());
            return Ok(texts.map(|texts| if texts.is_empty() { Chapter::Picture } else { Chapter::Drawing(texts) }));
        }
        // Other kinds of files, such as PDF, are binary.
        Ok(html::decoded(&bytes).ok().map(Chapter::Page))
    }

    /// The table of contents, in the form of EPUB 3 or else of EPUB 2.
    fn contents(&mut self, package: &EpubPackage, folder: &str) -> Result<Contents, ReadError> {
        let limits = self.limits;
        let mut contents = Contents::default();
        let nav = package.items.values().find(|item| item.is_nav);
        let ncx = package.ncx.as_ref().and_then(|id| package.items.get(id));
        let forms: [(_, ReadContents); 2] = [(nav, Contents::read_nav), (ncx, Contents::read_ncx)];
        for (item, read) in forms {
            let Some(item) = item.filter(|_| contents.titles.is_empty()) else { continue };
            let name = part_name(folder, &item.href);
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            let walk = |xml: &str| read(&mut contents, &mut XmlWalk::new(xml, &NAMESPACES, limits), &folder);
            self.container.optional(&name, walk)?;
        }
        Ok(contents)
    }
}

/// The texts of a drawing.
fn texts_of_svg(xml: &str, limits: &Limits) -> Result<Vec<String>, XmlError> {
    let (mut texts, mut walk) = (Vec::new(), XmlWalk::new(xml, &NAMESPACES, limits));
    while walk.start_within(1)? {
        match walk.name() {
            ("svg", "text" | "foreignObject") => texts.extend(one_line(&walk.text()?)),
            ("svg", "defs" | "metadata" | "style" | "script") => walk.skip()?,
            _ => {}
        }
    }
    Ok(texts)
}

type ReadContents = fn(&mut Contents, &mut XmlWalk, &str) -> Result<(), XmlError>;

/// The names of the encrypted parts, but for fonts that are only made unreadable.
fn encrypted_parts(xml: &str, limits: &Limits) -> Result<HashSet<String>, XmlError> {
    let (mut names, mut walk) = (HashSet::new(), XmlWalk::new(xml, &NAMESPACES, limits));
    while walk.start_within(1)? {
        if walk.name() != ("enc", "EncryptedData") {
            continue;
        }
        let (depth, mut algorithm) = (walk.depth(), None);
        while walk.start_within(depth)? {
            match walk.name() {
                ("enc", "EncryptionMethod") if algorithm.is_none() => {
                    algorithm = walk.attribute("", "Algorithm").map(String::from);
                }
                ("enc", "CipherReference")
                    if !algorithm.as_deref().is_some_and(|of| FONT_OBFUSCATIONS.contains(&of)) =>
                {
                    names.extend(walk.attribute("", "URI").map(|name| part_name("", &name)));
                }
                _ => {}
            }
        }
    }
    Ok(names)
}

/// The name of the package that the container holds.
fn package_name(xml: &str, limits: &Limits) -> Result<Option<String>, XmlError> {
    let (mut first, mut walk) = (None, XmlWalk::new(xml, &NAMESPACES, limits));
    while walk.start_within(1)? {
        if walk.name() == ("container", "rootfile")
            && let Some(name) = walk.attribute("", "full-path").map(|name| part_name("", &name))
            && !name.is_empty()
        {
            let kind = walk.attribute("", "media-type");
            if kind.is_none_or(|kind| kind == "application/oebps-package+xml") {
                return Ok(Some(name));
            }
            first.get_or_insert(name);
        }
    }
    Ok(first)
}

/// What a book consists of.
#[derive(Default)]
struct EpubPackage {
    title: Option<String>,
    language: Option<String>,
    items: HashMap<String, ManifestItem>,
    /// Ids of the chapters in their order.
    spine: Vec<String>,
    /// Id of the table of contents of EPUB 2.
    ncx: Option<String>,
}

struct ManifestItem {
    href: String,
    media_type: String,
    /// Whether it is the table of contents of EPUB 3.
    is_nav: bool,
    /// Id of the item that stands in for it.
    fallback: Option<String>,
}

impl ManifestItem {
    fn is_picture(&self) -> bool {
        self.media_type.starts_with("image/") && self.media_type != SVG
    }

    /// Whether it is text by its type.
    fn is_page(&self) -> bool {
        matches!(self.media_type.as_str(), "application/xhtml+xml" | "text/html" | "text/x-oeb1-document" | SVG)
    }
}

impl EpubPackage {
    fn read(xml: &str, limits: &Limits) -> Result<Self, XmlError> {
        let (mut package, mut walk) = (Self::default(), XmlWalk::new(xml, &NAMESPACES, limits));
        while walk.start_within(1)? {
            // White space around an id is none of it.
            let attribute = |name| walk.attribute("", name).map(|id| id.trim().to_owned()).unwrap_or_default();
            match walk.name() {
                ("dc", "title") => package.title = package.title.take().or(one_line(&walk.text()?)),
                ("dc", "language") => package.language = package.language.take().or(one_line(&walk.text()?)),
                ("opf", "item") => {
                    let is_nav = attribute("properties").split_whitespace().any(|property| property == "nav");
                    let item = ManifestItem {
                        href: attribute("href"),
                        media_type: attribute("media-type"),
                        is_nav,
                        fallback: walk.attribute("", "fallback").map(|id| id.trim().to_owned()),
                    };
                    if item.media_type == "application/x-dtbncx+xml" {
                        package.ncx.get_or_insert(attribute("id"));
                    }
                    package.items.insert(attribute("id"), item);
                }
                ("opf", "spine") => {
                    package.ncx = package.ncx.or(walk.attribute("", "toc").map(|id| id.trim().to_owned()))
                }
                ("opf", "itemref") => package.spine.push(attribute("idref")),
                _ => {}
            }
        }
        Ok(package)
    }

    /// The item of a chapter, or the first one that stands in for it and is text; none if there is no such item.
    fn readable(&self, id: &str) -> Option<&ManifestItem> {
        let first = self.items.get(id)?;
        let mut items = std::iter::successors(Some(first), |item| self.items.get(item.fallback.as_ref()?));
        Some(items.by_ref().take(FALLBACKS_MAX).find(|item| item.is_page()).unwrap_or(first))
    }
}

/// A table of contents.
#[derive(Default)]
struct Contents {
    /// The first title of each part, with its level.
    titles: HashMap<String, (String, u8)>,
}

impl Contents {
    fn add(&mut self, folder: &str, href: &str, title: &str, depth: usize) {
        if let Some(title) = one_line(title) {
            let level = (depth.min(LEVEL_MAX.into()) as u8).max(1);
            self.titles.entry(part_name(folder, href)).or_insert((title, level));
        }
    }

    /// Reads that of EPUB 3.
    fn read_nav(&mut self, xml: &mut XmlWalk, folder: &str) -> Result<(), XmlError> {
        while xml.start_within(1)? {
            let is_contents = |kind: Cow<'_, str>| kind.split_whitespace().any(|kind| kind == "toc");
            if xml.name() != ("html", "nav") || !xml.attribute("ops", "type").is_some_and(is_contents) {
                continue;
            }
            let (depth, mut items) = (xml.depth(), Vec::new());
            while xml.start_within(depth)? {
                match xml.name() {
                    ("html", "li") => {
                        items.retain(|&item| item < xml.depth());
                        items.push(xml.depth());
                    }
                    ("html", "a") => {
                        let href = xml.attribute("", "href").map(String::from).unwrap_or_default();
                        let title = xml.text()?;
                        self.add(folder, &href, &title, items.len());
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Reads that of EPUB 2.
    fn read_ncx(&mut self, xml: &mut XmlWalk, folder: &str) -> Result<(), XmlError> {
        let (mut points, mut title) = (Vec::new(), String::new());
        while xml.start_within(1)? {
            match xml.name() {
                ("ncx", "navPoint") => {
                    points.retain(|&point| point < xml.depth());
                    points.push(xml.depth());
                }
                ("ncx", "text") => title = xml.text()?,
                ("ncx", "content") if !points.is_empty() => {
                    let href = xml.attribute("", "src").map(String::from).unwrap_or_default();
                    self.add(folder, &href, &title, points.len());
                }
                ("ncx", "pageList" | "navList") => xml.skip()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The name of the part that a link from a folder leads to.
fn part_name(folder: &str, href: &str) -> String {
    let path = href.split(['#', '?']).next().unwrap_or_default();
    resolved(folder, &percent_decoded(path))
}

fn percent_decoded(path: &str) -> String {
    let (mut decoded, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code =
            digits.filter(|digits| !digits.starts_with('+')).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|_| byte == b'%') {
            Some(code) => {
                decoded.push(code);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| path.to_owned())
}

/// Whether a chapter has a heading.
fn has_heading(chapter: &str) -> bool {
    let is_heading =
        |tag: &[u8]| matches!(tag, [b'<', b'h' | b'H', b'1'..=b'6', end] if *end == b'>' || end.is_ascii_whitespace());
    chapter.as_bytes().windows(4).any(is_heading)
}

/// A text as one line, if there is one.
fn one_line(text: &str) -> Option<String> {
    let line = line(text, usize::MAX);
    (!line.is_empty()).then_some(line)
}
