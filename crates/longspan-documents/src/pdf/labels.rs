//! The labels of pages, such as `iv` or `A-3` (ISO 32000-2, 12.4.2).

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::{Array, Dict, Name, Object, String as PdfString};

use super::strings::text_string;
use crate::numerals;

/// Nodes of the tree of labels that are looked at.
const NODES_MAX: usize = 10_000;
/// A label has at most so many characters.
const LABEL_MAX: usize = 200;

/// How pages from one on are numbered.
struct LabelRange {
    first_page: usize,
    prefix: String,
    style: Option<u8>,
    start: u32,
}

/// The label of each page, if the file has any.
pub(super) fn labels(pdf: &Pdf, pages: usize) -> Vec<Option<String>> {
    let mut ranges = ranges(pdf).unwrap_or_default();
    ranges.sort_by_key(|range| range.first_page);
    let label = |page: usize| {
        let after = ranges.partition_point(|range| range.first_page <= page);
        let range = ranges.get(after.checked_sub(1)?)?;
        let number = range.start.saturating_add((page - range.first_page) as u32);
        let label = format!("{}{}", range.prefix, range.style.map_or(String::new(), |style| numeral(style, number)));
        (!label.is_empty()).then_some(label)
    };
    (0..pages).map(label).collect()
}

fn ranges(pdf: &Pdf) -> Option<Vec<LabelRange>> {
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id())?;
    let mut nodes = vec![catalog.get::<Dict<'_>>(b"PageLabels")?];
    let mut ranges = Vec::new();
    let mut looked_at = 0;
    while let Some(node) = nodes.pop() {
        looked_at += 1;
        if looked_at + nodes.len() > NODES_MAX {
            break;
        }
        if let Some(kids) = node.get::<Array<'_>>(b"Kids") {
            nodes.extend(kids.iter::<Dict<'_>>().take(NODES_MAX));
        }
        let numbers = node.get::<Array<'_>>(b"Nums");
        let mut numbers = numbers.iter().flat_map(|numbers| numbers.iter::<Object<'_>>()).take(2 * NODES_MAX);
        while let (Some(page), Some(label)) = (numbers.next(), numbers.next()) {
            let (Some(page), Some(label)) = (page.into_number(), label.into_dict()) else { continue };
            let prefix = label.get::<PdfString<'_>>(b"P").map(|text| text_string(text.as_bytes()));
            ranges.push(LabelRange {
                first_page: usize::try_from(page.as_i64()).unwrap_or(usize::MAX),
                prefix: prefix.unwrap_or_default().chars().filter(|c| !c.is_control()).take(LABEL_MAX).collect(),
                style: label.get::<Name<'_>>(b"S").and_then(|style| style.first().copied()),
                start: label.get::<u32>(b"St").unwrap_or(1),
            });
        }
    }
    Some(ranges)
}

/// A number in a style of numbering.
fn numeral(style: u8, number: u32) -> String {
    match style {
        b'D' => number.to_string(),
        _ if number == 0 => String::new(),
        b'R' => numerals::roman(number).to_uppercase(),
        b'r' => numerals::roman(number),
        b'A' => numerals::repeated_letter(number).to_uppercase(),
        b'a' => numerals::repeated_letter(number),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerals() {
        for (style, number, text) in [
            (b'D', 12, "12"),
            (b'r', 4, "iv"),
            (b'R', 1999, "MCMXCIX"),
            (b'r', 0, ""),
            (b'r', u32::MAX, "4294967295"),
            (b'A', 1, "A"),
            (b'a', 26, "z"),
            (b'a', 28, "bb"),
            (b'a', 0, ""),
            (b'a', u32::MAX, "4294967295"),
            (b'x', 1, ""),
        ] {
            assert_eq!(numeral(style, number), text);
        }
    }
}
