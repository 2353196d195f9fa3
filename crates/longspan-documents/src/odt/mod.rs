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
use crate::container::{Container, decoded, excerpt};
use crate::xml::{XmlError, XmlWalk};
use crate::{Content, Format, Limits, ReadError, Warning};

use body::OdtBody;
use namespaces::NAMESPACES;
use styles::OdtStyles;

const FORMAT: Format = Format::Odt;
const CONTENT: &str = "content.xml";

/// Reads an ODT document.
///
/// # Errors
/// When it is damaged, encrypted or none, has no text, or goes over a limit.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Content, ReadError> {
    let mut container = Container::open(bytes, FORMAT, limits)?;
    let mut warnings = Vec::new();
    if optional(&mut container, "META-INF/manifest.xml", &mut warnings, |xml| is_encrypted(xml, limits))? == Some(true)
    {
        return Err(ReadError::Encrypted("ODT with a password is not read, save it without one".into()));
    }
    let Some(content) = container.part(CONTENT)? else {
        return Err(ReadError::Damaged { format: FORMAT, what: format!("its part {} is missing", excerpt(CONTENT)) });
    };
    let content = decoded(content, FORMAT, CONTENT)?;
    let failed = |error: XmlError| error.of_part(FORMAT, CONTENT);

    let mut styles = OdtStyles::default();
    optional(&mut container, "styles.xml", &mut warnings, |xml| styles.read(xml, limits))?;
    styles.read(&content, limits).map_err(failed)?;
    let title = optional(&mut container, "meta.xml", &mut warnings, |xml| title(xml, limits))?.flatten();

    // Without marks of the layout, only some pages would be known.
    let has_pages = content.contains("soft-page-break");
    let mut body = OdtBody::new(&styles, has_pages, limits);
    optional(&mut container, "styles.xml", &mut warnings, |xml| body.furniture(xml, "header"))?;
    body.main(&content).map_err(failed)?;
    drop(content);
    optional(&mut container, "styles.xml", &mut warnings, |xml| body.furniture(xml, "footer"))?;

    let mut builder: Builder = body.finish();
    let parts = builder.parts();
    parts.title = title;
    parts.language = styles.language;
    parts.warnings.extend(warnings);
    builder.finish()
}

/// Reads a part that the text can do without: that it is damaged is a warning.
fn optional<T>(
    container: &mut Container,
    name: &str,
    warnings: &mut Vec<Warning>,
    read: impl FnOnce(&str) -> Result<T, XmlError>,
) -> Result<Option<T>, ReadError> {
    let part = container.part(name).and_then(|part| part.map(|part| decoded(part, FORMAT, name)).transpose());
    let read =
        part.and_then(|part| part.map(|xml| read(&xml).map_err(|error| error.of_part(FORMAT, name))).transpose());
    match read {
        Err(ReadError::Damaged { what, .. }) => {
            let warning = Warning::Repaired(what);
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
            Ok(None)
        }
        read => read,
    }
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
fn title(meta: &str, limits: &Limits) -> Result<Option<String>, XmlError> {
    let mut walk = XmlWalk::new(meta, &NAMESPACES, limits);
    while walk.start_within(1)? {
        if walk.name() == ("dc", "title") {
            let title = walk.text()?.split_whitespace().collect::<Vec<_>>().join(" ");
            return Ok((!title.is_empty()).then_some(title));
        }
    }
    Ok(None)
}
