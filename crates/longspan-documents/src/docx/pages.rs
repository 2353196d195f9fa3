//! Where Word last broke pages, and the numbers that it printed on them. A first walk through the main part finds the
//! sections, since each stands behind its text.

use crate::map::PageSize;
use crate::xml::{XmlError, XmlWalk};
use crate::{Limits, numerals};

use super::namespaces::NAMESPACES;
use super::numbering::written;
use super::styles::{is_on, value};

/// The pages and sections of a document.
#[derive(Default)]
pub(super) struct PageLayout {
    sections: Vec<PageSection>,
    /// Whether Word marked the pages that it laid out.
    is_laid_out: bool,
    /// Whether some pages are broken by hand.
    has_page_breaks: bool,
}

#[derive(Default)]
struct PageSection {
    /// Relations to the heads and feet of its pages.
    heads: Vec<FurnitureReference>,
    feet: Vec<FurnitureReference>,
    /// Whether its first page has its own head and foot.
    has_title_page: bool,
    is_continuous: bool,
    first_number: Option<u32>,
    number_format: Option<String>,
    size: Option<PageSize>,
}

/// A head or foot.
struct FurnitureReference {
    /// `default`, `first` or `even`: the pages that have it.
    pages: String,
    relation: String,
}

impl PageLayout {
    pub fn read(main: &str, limits: &Limits) -> Result<Self, XmlError> {
        let (mut layout, mut walk) = (Self::default(), XmlWalk::new(main, &NAMESPACES, limits));
        while walk.start_within(1)? {
            match walk.name() {
                ("w", "lastRenderedPageBreak") => layout.is_laid_out = true,
                ("w", "br") => layout.has_page_breaks |= is_page_break(&walk),
                ("w", "pPrChange" | "sectPrChange") => walk.skip()?,
                ("w", "sectPr") => layout.sections.push(PageSection::read(&mut walk)?),
                _ => {}
            }
        }
        Ok(layout)
    }

    /// Relations to the heads of its pages.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().flat_map(|section| section.shown(&section.heads))
    }

    /// Relations to the feet of its pages.
    pub fn feet(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().flat_map(|section| section.shown(&section.feet))
    }
}

impl PageSection {
    /// Of heads or feet, those that some page has.
    fn shown<'s>(&'s self, list: &'s [FurnitureReference]) -> impl Iterator<Item = &'s str> {
        let shown = list.iter().filter(|reference| self.has_title_page || reference.pages != "first");
        shown.map(|reference| reference.relation.as_str())
    }

    /// Reads `w:sectPr`.
    fn read(xml: &mut XmlWalk) -> Result<Self, XmlError> {
        let (mut section, depth) = (Self::default(), xml.depth());
        while xml.start_within(depth)? {
            let reference = || {
                let pages = xml.attribute("w", "type").unwrap_or_default().into_owned();
                xml.attribute("r", "id").map(|id| FurnitureReference { pages, relation: id.into_owned() })
            };
            match xml.name() {
                ("w", "headerReference") => section.heads.extend(reference()),
                ("w", "footerReference") => section.feet.extend(reference()),
                ("w", "titlePg") => section.has_title_page = is_on(xml),
                ("w", "type") => {
                    section.is_continuous = value(xml).is_some_and(|kind| kind == "continuous" || kind == "nextColumn");
                }
                ("w", "pgNumType") => {
                    section.first_number = xml.number("w", "start");
                    section.number_format = xml.attribute("w", "fmt").map(String::from);
                }
                ("w", "pgSz") => {
                    // Twentieths of a point.
                    let points = |name| xml.number::<f32>("w", name).map(|twentieths| twentieths / 20.0);
                    let size = points("w").zip(points("h"));
                    section.size = size.map(|(width, height)| PageSize { width, height });
                }
                ("w", "sectPrChange") => xml.skip()?,
                _ => {}
            }
        }
        Ok(section)
    }
}

/// Whether the element that was begun last breaks the page.
pub(super) fn is_page_break(xml: &XmlWalk) -> bool {
    xml.attribute("w", "type").is_some_and(|kind| kind == "page")
}

/// What the number and the size of a page are.
pub(super) struct PageFacts {
    pub label: Option<String>,
    pub size: Option<PageSize>,
}

/// Follows the pages while the text is read.
pub(super) struct Pages<'d> {
    layout: &'d PageLayout,
    section: usize,
    /// The number that is printed on the page.
    number: u32,
    /// Whether the page has no text yet.
    is_blank: bool,
    /// Whether it was begun by hand: Word marks it again where it laid it out.
    is_by_hand: bool,
    /// In a row of a table: page breaks in this cell, and the most in one of the row. Each cell marks the same ones.
    row: Option<(usize, usize)>,
}

impl<'d> Pages<'d> {
    pub fn new(layout: &'d PageLayout) -> Self {
        let first = layout.sections.first().and_then(|section| section.first_number);
        Self { layout, section: 0, number: first.unwrap_or(1), is_blank: true, is_by_hand: false, row: None }
    }

    /// Whether pages are known at all.
    pub fn are_known(&self) -> bool {
        self.layout.is_laid_out || self.layout.has_page_breaks
    }

    /// The text of the pages begins: what came before are their heads.
    pub fn begin(&mut self) {
        (self.is_blank, self.is_by_hand) = (true, false);
    }

    /// The page has text.
    pub fn text(&mut self) {
        (self.is_blank, self.is_by_hand) = (false, false);
    }

    /// A break by hand or by a section.
    pub fn break_by_hand(&mut self) {
        (self.is_blank, self.is_by_hand) = (true, true);
    }

    /// A paragraph that begins a page: whether that is not this one.
    pub fn break_by_style(&mut self) -> bool {
        let is_new = !self.is_blank;
        if is_new {
            self.break_by_hand();
        }
        is_new
    }

    /// A mark of Word's layout: whether a page begins.
    pub fn break_by_layout(&mut self) -> bool {
        let was_by_hand = std::mem::take(&mut self.is_by_hand);
        let is_new = match &mut self.row {
            None => true,
            Some((in_cell, in_row)) => {
                *in_cell += 1;
                let is_new = in_cell > in_row;
                *in_row = (*in_row).max(*in_cell);
                is_new
            }
        };
        self.is_blank |= is_new;
        is_new && !was_by_hand
    }

    pub fn begin_row(&mut self) {
        self.row = Some((0, 0));
    }

    pub fn begin_cell(&mut self) {
        if let Some((in_cell, _)) = &mut self.row {
            *in_cell = 0;
        }
    }

    pub fn end_table(&mut self) {
        self.row = None;
    }

    /// A section ends: whether the next one begins on a new page, as far as the layout is known.
    pub fn end_section(&mut self) -> bool {
        self.section += 1;
        let Some(section) = self.layout.sections.get(self.section) else { return false };
        if let Some(number) = section.first_number {
            // The page that follows counts on from here.
            self.number = number.saturating_sub(u32::from(!section.is_continuous));
        }
        self.layout.is_laid_out && !section.is_continuous
    }

    /// The first page.
    pub fn first(&self) -> PageFacts {
        self.facts()
    }

    /// The page after the last one.
    pub fn next(&mut self) -> PageFacts {
        self.number = self.number.saturating_add(1);
        self.facts()
    }

    fn facts(&self) -> PageFacts {
        let is_numbered = |section: &PageSection| section.first_number.is_some() || section.number_format.is_some();
        let section = self.layout.sections.get(self.section);
        let label = self.layout.sections.iter().any(is_numbered).then(|| {
            let format = section.and_then(|section| section.number_format.as_deref());
            written(self.number, format.unwrap_or("decimal"))
        });
        PageFacts { label, size: section.and_then(|section| section.size) }
    }
}

/// The number of a note, counted from 1.
pub(super) fn note_number(number: u32, is_endnote: bool) -> String {
    if is_endnote { numerals::roman(number) } else { number.to_string() }
}
