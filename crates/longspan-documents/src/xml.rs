//! A walk through XML, element by element. Names are known by their namespace, whatever prefix a file chooses; elements
//! within elements are bounded; document types are ignored, so that no entity is known but XML's own five and numeric ones.

use std::borrow::Cow;
use std::fmt;

use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceError, QName, ResolveResult};
use quick_xml::reader::NsReader;

use crate::line::excerpt;
use crate::{Format, Limits, ReadError};

/// Declarations of namespaces that hold in one place: for each name, all of them are searched.
const DECLARATIONS_MAX: usize = 128;

/// Namespaces and what the reader of a format calls them. Several may have one name.
pub(crate) type Namespaces = [(&'static str, &'static str)];

/// Walks through XML.
pub(crate) struct XmlWalk<'a> {
    reader: NsReader<&'a [u8]>,
    namespaces: &'static Namespaces,
    /// The element that was begun last, and the name of its namespace.
    element: BytesStart<'a>,
    namespace: &'static str,
    /// The text that was met last.
    text: Cow<'a, str>,
    depth: usize,
    depth_max: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XmlEvent {
    /// An element begins: [`XmlWalk::name`].
    Start,
    /// An element ends.
    End,
    /// Some text, or a part of it: [`XmlWalk::text_part`].
    Text,
}

/// Why XML cannot be read on.
#[derive(Debug)]
pub(crate) enum XmlError {
    /// There are too many elements within elements.
    TooDeep(usize),
    /// Too many declarations of namespaces hold in one place.
    TooManyNamespaces,
    /// It is not well-formed.
    Malformed { what: String, offset: u64 },
}

impl XmlError {
    /// The error of a document whose part this is.
    pub fn of_part(&self, format: Format, name: &str) -> ReadError {
        match *self {
            Self::TooDeep(depth_max) => {
                ReadError::TooMany { what: "elements within elements".into(), limit: depth_max as u64 }
            }
            Self::TooManyNamespaces => {
                ReadError::TooMany { what: "namespaces in one place".into(), limit: DECLARATIONS_MAX as u64 }
            }
            Self::Malformed { .. } => {
                ReadError::Damaged { format, what: format!("its part {}: {self}", excerpt(name)) }
            }
        }
    }
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep(depth_max) => write!(f, "more than {depth_max} elements within elements"),
            Self::TooManyNamespaces => write!(f, "more than {DECLARATIONS_MAX} namespaces in one place"),
            Self::Malformed { what, offset } => write!(f, "its XML is damaged at byte {offset}: {what}"),
        }
    }
}

impl<'a> XmlWalk<'a> {
    pub fn new(xml: &'a str, namespaces: &'static Namespaces, limits: &Limits) -> Self {
        let mut reader = NsReader::from_str(xml);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        reader.resolver_mut().set_max_namespace_bindings(DECLARATIONS_MAX);
        let (element, text) = (BytesStart::new(""), Cow::Borrowed(""));
        Self { reader, namespaces, element, namespace: "", text, depth: 0, depth_max: limits.depth_max }
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// What comes next; none at the end.
    ///
    /// # Errors
    /// When the XML is damaged or too deep.
    pub fn next(&mut self) -> Result<Option<XmlEvent>, XmlError> {
        loop {
            let offset = self.reader.buffer_position();
            let event = self.reader.read_event().map_err(|error| match error {
                quick_xml::Error::Namespace(NamespaceError::TooManyBindings(_)) => XmlError::TooManyNamespaces,
                error => malformed(&error.to_string(), offset),
            })?;
            match event {
                Event::Start(element) => {
                    self.depth += 1;
                    if self.depth > self.depth_max {
                        return Err(XmlError::TooDeep(self.depth_max));
                    }
                    self.element = element;
                    self.namespace = self.namespace_of(self.element.name(), true);
                    return Ok(Some(XmlEvent::Start));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Some(XmlEvent::End));
                }
                Event::Text(text) => self.text = text.xml10_content(),
                Event::CData(text) => self.text = text.xml10_content(),
                Event::GeneralRef(reference) => self.text = character(&reference).into(),
                Event::Eof if self.depth > 0 => return Err(malformed("it ends too early", offset)),
                Event::Eof => return Ok(None),
                _ => continue,
            }
            return Ok(Some(XmlEvent::Text));
        }
    }

    /// What comes next within an element, given the depth below its start tag; none at its end, which is passed.
    ///
    /// # Errors
    /// As [`XmlWalk::next`].
    pub fn within(&mut self, depth: usize) -> Result<Option<XmlEvent>, XmlError> {
        Ok(self.next()?.filter(|&event| event != XmlEvent::End || self.depth >= depth))
    }

    /// Goes to the next start tag within an element, given the depth below its start tag; false at its end, which is passed.
    ///
    /// # Errors
    /// As [`XmlWalk::next`].
    pub fn start_within(&mut self, depth: usize) -> Result<bool, XmlError> {
        loop {
            match self.within(depth)? {
                Some(XmlEvent::Start) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    /// The element that was begun last: the name of its namespace, which is `?` if it is not one of the known ones, and its
    /// own.
    pub fn name(&self) -> (&'static str, &str) {
        (self.namespace, self.element.local_name().into_inner())
    }

    /// The text that was met last.
    pub fn text_part(&self) -> &str {
        &self.text
    }

    /// Passes the rest of the element that was begun last.
    ///
    /// # Errors
    /// As [`XmlWalk::next`].
    pub fn skip(&mut self) -> Result<(), XmlError> {
        let depth = self.depth;
        while self.within(depth)?.is_some() {}
        Ok(())
    }

    /// The text in the element that was begun last, up to its end.
    ///
    /// # Errors
    /// As [`XmlWalk::next`].
    pub fn text(&mut self) -> Result<String, XmlError> {
        let (depth, mut text) = (self.depth, String::new());
        while let Some(event) = self.within(depth)? {
            if event == XmlEvent::Text {
                text += &self.text;
            }
        }
        Ok(text)
    }

    /// An attribute of the element that was begun last. Its namespace has no name if the attribute has no prefix.
    pub fn attribute(&self, namespace: &str, name: &str) -> Option<Cow<'_, str>> {
        let mut attributes = self.element.attributes();
        attributes.with_checks(false);
        let mut found = attributes.flatten().filter(|attribute| attribute.key.local_name().as_ref() == name);
        let value = found.find(|attribute| self.namespace_of(attribute.key, false) == namespace)?.value;
        if !value.contains('&') {
            return Some(value);
        }
        // What XML does not define stays as it is written.
        let unescaped = unescape(&value).map(|value| value.into_owned());
        Some(unescaped.map_or(value, Cow::Owned))
    }

    /// An attribute that is a number.
    pub fn number<N: std::str::FromStr>(&self, namespace: &str, name: &str) -> Option<N> {
        self.attribute(namespace, name)?.trim().parse().ok()
    }

    /// What the namespace of a name is called.
    fn namespace_of(&self, name: QName<'_>, is_element: bool) -> &'static str {
        let (found, _) = self.reader.resolver().resolve(name, is_element);
        let ResolveResult::Bound(Namespace(found)) = found else { return "" };
        self.namespaces.iter().find(|(namespace, _)| *namespace == found).map_or("?", |(_, name)| name)
    }
}

/// The character that a reference stands for. What XML does not define stays as it is written.
fn character(reference: &str) -> String {
    let number = reference.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(number) => u32::from_str_radix(number, 16).ok(),
        None => number.parse().ok(),
    });
    match reference {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ if number.is_some() => {
            return number.and_then(char::from_u32).filter(|&c| c != '\0').unwrap_or('\u{fffd}').to_string();
        }
        _ => return format!("&{reference};"),
    }
    .to_owned()
}

fn malformed(what: &str, offset: u64) -> XmlError {
    XmlError::Malformed { what: excerpt(what), offset }
}
