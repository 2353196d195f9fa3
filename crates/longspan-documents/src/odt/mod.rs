//! ODT. What is read is the document after all tracked changes, with the numbers of its lists and headings, and its notes
//! where they are referenced.
//!
//! ```text
//! body         paragraphs and tables → blocks
//! lists        the numbers of lists and headings
//! namespaces   the namespaces of its XML
//! styles       what the styles of paragraphs and lists say
//! ```

mod namespaces;
mod styles;

mod lists;

mod body;

use crate::builder::Builder;
use crate::container::{self, Container};
use crate::detect::is_container;
use crate::xml::{XmlError, XmlWalk};
use crate::{Content, Format, Limits, ReadError};

use body::OdtBody;
use namespaces::NAMESPACES;
use styles::OdtStyles;

const FORMAT: Format = Format::Odt;
const CONTENT: &str = "content.xml";
const STYLES: &str = "styles.xml";

/// Reads an ODT document: a package of parts, or one file of XML (FODT) that has what they have.
///
/// # Errors
/// When it is damaged, encrypted or none, has no text, or goes over a limit.
pub(crate) fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Content, ReadError> {
    if !is_container(&bytes, None) {
        let damaged = |what: String| ReadError::Damaged { format: FORMAT, what };
        let xml = container::decoded(bytes).ok_or_else(|| damaged("it is neither UTF-8 nor UTF-16".into()))?;
        let xml = xml.trim_start_matches('\u{feff}');
        let failed = |error: XmlError| match error.of_part(FORMAT, "") {
            ReadError::Damaged { .. } => damaged(error.to_string()),
            error => error,
        };
        let mut part = |_: &str, read: ReadPart<'_>| read(xml).map_err(failed);
        return written(xml, &failed, &mut part, limits)?.finish();
    }
    let mut container = Container::open(&bytes, FORMAT, limits)?;
    if container.optional("META-INF/manifest.xml", |xml| is_encrypted(xml, limits))? == Some(true) {
        return Err(ReadError::Encrypted("ODT with a password is not read".into()));
    }
    let content = container.required(CONTENT)?;
    let failed = |error: XmlError| error.of_part(FORMAT, CONTENT);
    let mut part = |name: &str, read: ReadPart<'_>| container.optional(name, read).map(drop);
    let mut builder = written(&content, &failed, &mut part, limits)?;
    container.warnings.into_iter().for_each(|warning| builder.warn(warning));
    builder.finish()
}

/// Takes what is wanted from the XML of a part.
type ReadPart<'a> = &'a mut dyn FnMut(&str) -> Result<(), XmlError>;

/// Writes a document.
///
/// - `content`: the XML with the text
/// - `failed`: the error of the document when that XML is damaged
/// - `part`: reads another part by its name, if it is there
fn written(
    content: &str,
    failed: &dyn Fn(XmlError) -> ReadError,
    part: &mut dyn FnMut(&str, ReadPart<'_>) -> Result<(), ReadError>,
    limits: &Limits,
) -> Result<Builder, ReadError> {
    let (mut styles, mut title) = (OdtStyles::default(), None);
    part(STYLES, &mut |xml| styles.read(xml, limits))?;
    styles.read(content, limits).map_err(failed)?;
    part("meta.xml", &mut |xml| {
        title = stated_title(xml, limits)?;
        Ok(())
    })?;

    // Without marks of the layout, only some pages would be known.
    let has_pages = content.contains("soft-page-break");
    let mut body = OdtBody::new(&styles, has_pages, limits);
    part(STYLES, &mut |xml| body.furniture(xml, "header"))?;
    body.main(content).map_err(failed)?;
    part(STYLES, &mut |xml| body.furniture(xml, "footer"))?;

    let mut builder = body.finish();
    builder.parts().title = title;
    builder.parts().language = styles.language;
    Ok(builder)
}

/// Whether the manifest says that parts are encrypted.
fn is_encrypted(manifest: &str, limits: &Limits) -> Result<bool, XmlError> {
    let mut walk = XmlWalk::new(manifest, &NAMESPACES, limits);
    while walk.start_within(1)? {
        if walk.name() == ("manifest", "encryption-data") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The title that the metadata state.
fn stated_title(meta: &str, limits: &Limits) -> Result<Option<String>, XmlError> {
    let mut walk = XmlWalk::new(meta, &NAMESPACES, limits);
    while walk.start_within(1)? {
        if walk.name() == ("dc", "title") {
            return walk.text().map(Some);
        }
    }
    Ok(None)
}
