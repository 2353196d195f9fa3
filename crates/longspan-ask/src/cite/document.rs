//! A document in which quotations are looked for.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use longspan_cite::{Reason, TextLayout};

use super::citation::{CitedPassage, GivenQuotation};
use crate::{BlockKind, Content, Place, Warning};

/// So many pages of one name are looked at.
const SAME_NAME_MAX: usize = 16;

/// A document that was read.
pub(super) struct ReadDocument {
    pub name: String,
    pub id: Option<Arc<str>>,
    pub content: Content,
    pub layout: TextLayout,
    /// The bytes of its pages, by their names; none if no author named a page.
    pub pages: HashMap<String, Vec<Range<usize>>>,
    /// Numbers of the quotations whose search was given up.
    pub given_up: BTreeSet<usize>,
}

impl ReadDocument {
    pub fn bytes(&self) -> usize {
        self.content.text().len() + self.content.map_bytes()
    }

    pub fn is_named_by(&self, given: &GivenQuotation) -> bool {
        given.document.as_deref().is_some_and(|named| is_called(&self.name, named))
    }

    /// The bytes of the page that the author of a quotation named.
    pub fn named(&self, given: &GivenQuotation) -> &[Range<usize>] {
        given.page.as_ref().and_then(|page| self.pages.get(page)).map_or(&[], Vec::as_slice)
    }

    pub fn passage(&self, bytes: Range<usize>, reasons: Vec<Reason>, given: &GivenQuotation) -> CitedPassage {
        let is_on = |page: &Range<usize>| page.start < bytes.end && bytes.start < page.end;
        let is_there = (given.document.is_none() || self.is_named_by(given))
            && (given.page.is_none() || self.named(given).iter().any(is_on));
        CitedPassage {
            document: self.name.clone(),
            document_id: self.id.clone(),
            format: self.content.format(),
            text: self.content.text()[bytes.clone()].to_owned(),
            boxes: self.content.boxes(bytes.clone()),
            is_where_named: (given.document.is_some() || given.page.is_some()).then_some(is_there),
            place: self.content.place(bytes),
            reasons,
        }
    }
}

/// The bytes of the pages of a document, by their numbers and by what is printed for these.
pub(super) fn pages_by_name(content: &Content) -> HashMap<String, Vec<Range<usize>>> {
    let mut pages: HashMap<String, Vec<Range<usize>>> = HashMap::new();
    let starts = content.pages().iter().map(|page| page.start as usize);
    let ends = starts.clone().skip(1).chain([content.text().len()]);
    for (index, (start, end)) in starts.zip(ends).enumerate() {
        let (number, label) = ((index + 1).to_string(), content.pages()[index].label.as_deref());
        for name in label.filter(|label| *label != number).into_iter().chain([number.as_str()]) {
            let known = pages.entry(name.to_owned()).or_default();
            if known.len() < SAME_NAME_MAX {
                known.push(start..end);
            }
        }
    }
    pages
}

/// Whether a document is called so: by its path, its file name, or that without its extension.
pub(super) fn is_called(document: &str, named: &str) -> bool {
    let path = Path::new(document);
    let is =
        |name: Option<&std::ffi::OsStr>| name.is_some_and(|name| name.to_string_lossy().eq_ignore_ascii_case(named));
    document.eq_ignore_ascii_case(named) || is(path.file_name()) || is(path.file_stem())
}

/// Whether a warning says that some of the document was not read.
pub(super) fn is_unread(warning: &Warning) -> bool {
    match warning {
        Warning::NoText { .. } | Warning::Unmapped { .. } | Warning::Repaired(_) => true,
        Warning::GuessedEncoding { has_errors, .. } => *has_errors,
        _ => false,
    }
}

/// What stands beside the text of a document, or within it as the marks of notes do.
pub(super) fn layout(content: &Content) -> TextLayout {
    let (blocks, text) = (content.blocks(), content.text());
    if blocks.is_empty() {
        return TextLayout::of_plain(text);
    }
    let mut furniture: Vec<Range<usize>> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let start = block.start as usize;
        let end = blocks.get(index + 1).map_or(text.len(), |next| next.start as usize);
        let is_beside = matches!(block.kind, BlockKind::Furniture | BlockKind::Note | BlockKind::Caption);
        if start < end && (is_beside || is_page_number(content, start..end)) {
            furniture.push(start..end);
        }
    }
    // A mark within furniture is a part of it.
    let is_apart = |mark: &Range<usize>| {
        let next = furniture.partition_point(|beside| beside.end <= mark.start);
        furniture.get(next).is_none_or(|beside| mark.end <= beside.start)
    };
    let marks: Vec<Range<usize>> = content.note_marks().into_iter().filter(is_apart).collect();
    furniture.extend(marks);
    furniture.sort_by_key(|beside| beside.start);
    TextLayout { furniture, joins: content.hyphens_taken() }
}

/// Whether a block is nothing but the number of its page.
fn is_page_number(content: &Content, bytes: Range<usize>) -> bool {
    let text = content.text()[bytes.clone()].trim();
    if text.is_empty() || text.len() > 8 || content.pages().is_empty() {
        return false;
    }
    let Place { page, page_label, .. } = content.place(bytes);
    page.is_some_and(|page| page.to_string() == text) || page_label.as_deref() == Some(text)
}

#[cfg(test)]
mod tests {
    use longspan_documents::Hints;

    use crate::{CitationRun, GivenQuotation, Limits};

    /// The status of a quotation of a document, which is read by its name.
    fn status(name: &str, document: &str, quote: &str) -> &'static str {
        let hints = Hints { name: Some(name.into()), ..Hints::default() };
        let content = longspan_documents::read(document.as_bytes(), &hints, &Limits::default()).unwrap();
        let mut run = CitationRun::new(vec![GivenQuotation::new("", quote)]).unwrap();
        run.read(name, &content);
        run.finish().0[0].status.name()
    }

    #[test]
    fn marks_of_notes_may_be_left_out_and_powers_may_not() {
        let page = "<p>The seller shall pay the price<sup>1</sup> to the buyer<sup>[2]</sup>, for 10<sup>6</sup> of 5 \
            m<sup>2</sup> each.<p>[1] The price in the list.<aside>Of the seller<sup>3</sup> alone</aside>";
        let notes = "The seller shall pay the price[^1] to the buyer.\n\n[^1]: The price in the list.";
        for (name, document, quote, expected) in [
            ("a.html", page, "shall pay the price to the buyer, for", "normalised"),
            ("a.html", page, "shall pay the price¹ to the buyer[2], for", "exact"),
            ("a.html", page, "for 10⁶ of 5 m² each", "exact"),
            ("a.html", page, "for 106 of 5 m² each", "altered"),
            ("a.html", page, "for 10 of 5 m² each", "altered"),
            ("a.html", page, "for 10⁶ of 5 m each", "altered"),
            ("a.html", page, "Of the seller³ alone", "exact"),
            ("a.md", notes, "shall pay the price to the buyer", "normalised"),
            ("a.md", notes, "shall pay the price[1] to the buyer", "exact"),
            ("a.md", notes, "shall pay the price[2] to the buyer", "altered"),
        ] {
            assert_eq!(status(name, document, quote), expected, "{quote}");
        }
    }

    #[test]
    fn an_endless_comment_leaves_a_document_unread() {
        let page = "<p>The contract text of the seller. <!-- note -> <p>Clause 2: the buyer shall pay in May";
        assert_eq!(status("a.html", page, "Clause 2: the buyer shall pay in May"), "unchecked");
    }
}
