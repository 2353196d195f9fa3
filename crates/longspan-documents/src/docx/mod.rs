//! DOCX. The main part is found through the relationships of the package; what is read is the document after all tracked
//! changes, with the numbers of its lists, its notes where they are referenced, and the heads and feet of its pages.
//!
//! ```text
//! body         paragraphs and tables → blocks
//! fields       fields, of which the result is shown
//! math         equations as one line of text
//! pages        where Word last broke pages, and the numbers that it printed
//! numbering    numbers of lists and headings
//! styles       which paragraphs are headings
//! symbols      characters of symbol fonts
//! namespaces   the namespaces of its XML
//! ```

mod namespaces;

mod numbering;
mod styles;
mod symbols;

mod fields;
mod pages;

mod body;
mod math;

use std::collections::{HashMap, HashSet};

use crate::builder::{Builder, language_tag};
use crate::container::{Container, resolved};
use crate::xml::{XmlError, XmlWalk};
use crate::{Content, Format, Limits, ReadError};

use body::{DocxBody, NoteKind};
use namespaces::NAMESPACES;
use numbering::Numbering;
use pages::PageLayout;
use styles::DocxStyles;

const FORMAT: Format = Format::Docx;

/// Reads a DOCX document.
///
/// # Errors
/// When it is damaged, encrypted or none, has no text, or goes over a limit.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Content, ReadError> {
    let mut package = DocxPackage { container: Container::open(bytes, FORMAT, limits)?, limits };
    let of_package = package.relations("")?;
    let main_name = of_package.of_kind("officeDocument").next().unwrap_or("word/document.xml").to_owned();
    let main = package.container.required(&main_name)?;
    let relations = package.relations(&main_name)?;
    let styles = package.optional(&relations, "styles", |xml| DocxStyles::read(xml, limits))?.unwrap_or_default();
    let numbering = package.optional(&relations, "numbering", |xml| Numbering::read(xml, limits))?.unwrap_or_default();
    let layout = PageLayout::read(&main, limits).map_err(|error| failed(&main_name, &error))?;

    let mut body = DocxBody::new(&styles, numbering, &layout, limits);
    for (kind, note_kind) in [("footnotes", NoteKind::Foot), ("endnotes", NoteKind::End)] {
        package.optional(&relations, kind, |xml| body.notes(xml, note_kind))?;
    }
    if let Some(count) = package.optional(&relations, "comments", |xml| comments(xml, limits))? {
        body.leave_out_comments(count);
    }
    body.begin(Builder::new(FORMAT, limits));
    for name in unique(layout.heads().filter_map(|id| relations.with_id(id))) {
        package.container.optional(name, |xml| body.furniture(xml))?;
    }
    body.main(&main).map_err(|error| failed(&main_name, &error))?;
    drop(main);
    for name in unique(layout.feet().filter_map(|id| relations.with_id(id))) {
        package.container.optional(name, |xml| body.furniture(xml))?;
    }

    let properties = package.optional(&of_package, "core-properties", |xml| CoreProperties::read(xml, limits))?;
    let CoreProperties { title, language } = properties.unwrap_or_default();
    let mut builder = body.finish();
    let parts = builder.parts();
    parts.title = title;
    parts.language = language.as_deref().and_then(language_tag).or(styles.language);
    package.container.warnings.into_iter().for_each(|warning| builder.warn(warning));
    builder.finish()
}

/// The parts of a document and what links them.
struct DocxPackage<'a> {
    container: Container<'a>,
    limits: &'a Limits,
}

/// What a part refers to.
#[derive(Default)]
struct Relations {
    /// The last word of the kind, and the name of the part.
    targets: Vec<(String, String)>,
    by_id: HashMap<String, usize>,
}

impl Relations {
    fn of_kind<'r>(&'r self, kind: &'r str) -> impl Iterator<Item = &'r str> {
        self.targets.iter().filter(move |(found, _)| found == kind).map(|(_, name)| name.as_str())
    }

    fn with_id(&self, id: &str) -> Option<&str> {
        self.by_id.get(id).map(|&at| self.targets[at].1.as_str())
    }
}

impl DocxPackage<'_> {
    /// What a part refers to; the package itself is the empty name.
    fn relations(&mut self, of: &str) -> Result<Relations, ReadError> {
        let (folder, file) = of.rsplit_once('/').unwrap_or(("", of));
        let name = format!("{folder}/_rels/{file}.rels");
        let limits = self.limits;
        let found = self.container.optional(name.trim_start_matches('/'), |xml| {
            let (mut relations, mut walk) = (Relations::default(), XmlWalk::new(xml, &NAMESPACES, limits));
            while walk.start_within(1)? {
                let ("rel", "Relationship") = walk.name() else { continue };
                let attribute = |name| walk.attribute("", name).unwrap_or_default();
                if attribute("TargetMode") == "External" {
                    continue;
                }
                let kind = attribute("Type").rsplit('/').next().unwrap_or_default().to_owned();
                relations.by_id.insert(attribute("Id").into(), relations.targets.len());
                relations.targets.push((kind, resolved(folder, &attribute("Target"))));
            }
            Ok(relations)
        });
        Ok(found?.unwrap_or_default())
    }

    /// Reads the first part of a kind that another part refers to.
    fn optional<T>(
        &mut self,
        relations: &Relations,
        kind: &str,
        read: impl FnOnce(&str) -> Result<T, XmlError>,
    ) -> Result<Option<T>, ReadError> {
        relations.of_kind(kind).next().map_or(Ok(None), |name| self.container.optional(name, read))
    }
}

/// How many comments there are.
fn comments(xml: &str, limits: &Limits) -> Result<usize, XmlError> {
    let (mut count, mut walk) = (0, XmlWalk::new(xml, &NAMESPACES, limits));
    while walk.start_within(1)? {
        count += usize::from(walk.name() == ("w", "comment"));
    }
    Ok(count)
}

/// Each of the names once, in their order: many sections share a head.
fn unique<'n>(names: impl Iterator<Item = &'n str>) -> impl Iterator<Item = &'n str> {
    let mut seen = HashSet::new();
    names.filter(move |name| seen.insert(*name))
}

fn failed(name: &str, error: &XmlError) -> ReadError {
    error.of_part(FORMAT, name)
}

/// What the package says of its document.
#[derive(Default)]
struct CoreProperties {
    title: Option<String>,
    language: Option<String>,
}

impl CoreProperties {
    fn read(xml: &str, limits: &Limits) -> Result<Self, XmlError> {
        let (mut found, mut walk) = (Self::default(), XmlWalk::new(xml, &NAMESPACES, limits));
        while walk.start_within(1)? {
            let place = match walk.name() {
                ("dc", "title") => &mut found.title,
                ("dc", "language") => &mut found.language,
                _ => continue,
            };
            *place = Some(walk.text()?);
        }
        Ok(found)
    }
}
