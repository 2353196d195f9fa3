//! Equations as one line of text, with brackets where the printed equation shows by its form what belongs together:
//! `(a+b)/2`, `√(7)`, `∑_(i=1)^n k`.

use crate::flow::Spot;
use crate::shift::BaselineShift;
use crate::xml::{XmlError, XmlWalk};

use super::body::DocxBody;
use super::styles::value;

/// An object of an equation while it is read.
#[derive(Default)]
struct MathObject {
    /// What it consists of, each with the name of its element.
    parts: Vec<(String, String)>,
    /// Signs that it states: around its parts, between them, or before them.
    begin: Option<String>,
    end: Option<String>,
    separator: Option<String>,
    sign: Option<String>,
    /// Whether it is a fraction without a bar.
    has_no_bar: bool,
}

impl DocxBody<'_> {
    /// Reads the equation, or the part of one, that was begun last.
    pub(super) fn math(&mut self, xml: &mut XmlWalk, spot: &Spot, text: &mut String) -> Result<(), XmlError> {
        let depth = xml.depth();
        while xml.start_within(depth)? {
            self.math_element(xml, spot, text)?;
        }
        Ok(())
    }

    fn math_element(&mut self, xml: &mut XmlWalk, spot: &Spot, text: &mut String) -> Result<(), XmlError> {
        match xml.name() {
            ("m", "ctrlPr") => xml.skip(),
            ("m", name) if OBJECTS.contains(&name) => {
                let name = name.to_owned();
                let object = self.math_object(xml, spot)?;
                text.push_str(&object.written(&name));
                Ok(())
            }
            _ => self.inline_element(xml, spot, text),
        }
    }

    fn math_object(&mut self, xml: &mut XmlWalk, spot: &Spot) -> Result<MathObject, XmlError> {
        let (mut object, depth) = (MathObject::default(), xml.depth());
        while xml.start_within(depth)? {
            let stated = || Some(value_of_math(xml));
            match xml.name() {
                ("m", "begChr") => object.begin = stated(),
                ("m", "endChr") => object.end = stated(),
                ("m", "sepChr") => object.separator = stated(),
                ("m", "chr") => object.sign = stated(),
                ("m", "type") => object.has_no_bar = value_of_math(xml) == "noBar",
                ("m", "mr") => object.parts.push(("mr".into(), String::new())),
                ("m", name @ ("e" | "num" | "den" | "sub" | "sup" | "deg" | "lim" | "fName")) => {
                    let (name, mut part) = (name.to_owned(), String::new());
                    self.math(xml, spot, &mut part)?;
                    object.parts.push((name, part));
                }
                _ => {
                    // Text that stands where none should is kept.
                    let mut part = String::new();
                    self.math_element(xml, spot, &mut part)?;
                    if !part.is_empty() {
                        object.parts.push((String::new(), part));
                    }
                }
            }
        }
        Ok(object)
    }
}

/// The elements whose parts belong together by their form.
const OBJECTS: [&str; 14] =
    ["d", "rad", "nary", "f", "sSup", "sSub", "sSubSup", "sPre", "func", "limLow", "limUpp", "m", "eqArr", "groupChr"];

impl MathObject {
    fn written(&self, name: &str) -> String {
        let sign = |sign: &Option<String>, usual: &str| sign.clone().unwrap_or_else(|| usual.into());
        let mut written = match name {
            "d" => sign(&self.begin, "("),
            "nary" => sign(&self.sign, "∫"),
            _ => String::new(),
        };
        let mut has_part = false;
        for (kind, part) in &self.parts {
            match (name, kind.as_str()) {
                ("m", "mr") if has_part => written.push_str("; "),
                (_, "mr") => {}
                ("d", "e") if has_part => written += &(sign(&self.separator, "|") + part),
                ("eqArr", "e") if has_part => written += &format!("; {part}"),
                ("m", "e") if has_part && !written.ends_with("; ") => written += &format!(" {part}"),
                ("rad", "deg") if !part.is_empty() => written += &raised(part),
                ("rad", "e") => written += &format!("√({part})"),
                ("nary" | "func", "e") if !part.is_empty() => written += &format!(" {part}"),
                ("f", "den") => written += &format!("{}{}", if self.has_no_bar { "¦" } else { "/" }, grouped(part)),
                (_, "sub" | "lim") if !part.is_empty() => written += &format!("_{}", grouped(part)),
                (_, "sup") if !part.is_empty() => written += &format!("^{}", grouped(part)),
                ("f", "num") | ("sSup" | "sSub" | "sSubSup", "e") => written += &grouped(part),
                (_, "sub" | "lim" | "sup") => {}
                _ => written += part,
            }
            has_part |= kind == "e";
        }
        if name == "d" {
            written += &sign(&self.end, ")");
        }
        written
    }
}

/// A part of an equation, in brackets unless it is one number, one name or in brackets as it is.
fn grouped(part: &str) -> String {
    let is_number = |c: char| c.is_numeric() || matches!(c, '.' | ',');
    let is_one = part.chars().all(char::is_alphabetic) || part.chars().all(is_number) || part.chars().count() == 1;
    let inner = part.strip_prefix('(').and_then(|part| part.strip_suffix(')'));
    let is_bracketed = inner.is_some_and(|inner| !inner.contains(['(', ')']));
    if is_one || is_bracketed { part.into() } else { format!("({part})") }
}

/// The degree of a root: raised, if all of it can be.
fn raised(part: &str) -> String {
    let raised = BaselineShift::Raised.written(part);
    let is_whole = part.chars().zip(raised.chars()).all(|(own, raised)| own != raised);
    if is_whole { raised } else { format!("^{}", grouped(part)) }
}

/// The attribute `m:val` of the element that was begun last, which is empty if there is none: no sign.
fn value_of_math(xml: &XmlWalk) -> String {
    xml.attribute("m", "val").map(String::from).or_else(|| value(xml)).unwrap_or_default()
}
