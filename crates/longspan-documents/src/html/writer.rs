//! The elements of a page as blocks of text: what a browser shows, in the order of the source.

use std::ops::Range;

use super::elements::{VOID, is_block, is_hidden, is_note, is_note_reference, is_page_break, page_label};
use super::hidden::{Hidden, is_never_shown, is_ruby_text};
use super::label::label;
use super::shifted::ShiftedElement;
use super::table::CellGrid;
use super::tokens::Attributes;
use crate::builder::{Builder, language_tag};
use crate::line::excerpt;
use crate::map::BlockKind;
use crate::{ReadError, Warning};

/// An element that says what the text in it is.
struct OpenElement {
    name: Box<str>,
    kind: ElementKind,
}

enum ElementKind {
    /// What stands beside the text: `nav`, `aside`, and the `footer` of a page.
    Furniture,
    /// The `header` of a page, with furniture around the heading.
    Header,
    /// A part of a page with headers and footers of its own.
    Section,
    Note,
    Heading(u8),
    Pre,
    Caption,
    /// With its numbers if it has some, and their style.
    List(Option<ListNumber>, char),
    Item,
    Table(CellGrid),
    Cell {
        row: u32,
        column: u16,
        has_text: bool,
    },
}

/// The numbers of a list.
struct ListNumber {
    /// That of its next item.
    next: i64,
    step: i64,
}

/// A mark of a page break that has not ended, and the label that its attributes state.
struct OpenPageBreak {
    name: Box<str>,
    label: Option<String>,
}

/// What stands between two words, and its source.
type Space = (char, Option<Range<usize>>);

/// Writes elements and texts into a builder.
pub(crate) struct Writer<'a> {
    builder: &'a mut Builder,
    depth_max: usize,
    is_too_deep: bool,
    has_pages: bool,
    /// The elements around the text, the outermost first: those alone that change what it is.
    open: Vec<OpenElement>,
    hidden: Option<Hidden>,
    /// The title, while it is read.
    title: Option<String>,
    /// Whether a block has begun.
    in_block: bool,
    /// What precedes the next word of the block, if there is one.
    spaces: Vec<Space>,
    /// What stands before the first word of the next block of a list's item: its number.
    label: Option<String>,
    /// The outermost element around the text that is raised or lowered.
    shifted: Option<ShiftedElement>,
    page_break: Option<OpenPageBreak>,
    /// Quotations within the text that are open.
    quotes: usize,
    /// Where the text of the last link to a place in a page begins. Such links lead to notes.
    link_start: Option<usize>,
}

impl<'a> Writer<'a> {
    /// - `depth_max`: elements within elements, of those that say what their text is
    /// - `has_pages`: whether marks of page breaks begin pages
    pub fn new(builder: &'a mut Builder, depth_max: usize, has_pages: bool) -> Self {
        Self {
            builder,
            depth_max,
            is_too_deep: false,
            has_pages,
            open: Vec::new(),
            hidden: None,
            title: None,
            in_block: false,
            spaces: Vec::new(),
            label: None,
            shifted: None,
            page_break: None,
            quotes: 0,
            link_start: None,
        }
    }

    /// Whether more can be written.
    pub fn goes_on(&self) -> bool {
        !self.is_too_deep
    }

    /// Ends what is open.
    ///
    /// # Errors
    /// When elements lie too deep within each other.
    pub fn finish(mut self) -> Result<(), ReadError> {
        if self.is_too_deep {
            return Err(ReadError::TooMany { what: "elements within elements".into(), limit: self.depth_max as u64 });
        }
        self.close_to(0);
        self.end_shifted();
        self.end_page_break(None);
        let title = self.title.as_ref().map(|_| "title");
        if let Some(name) = title.or(self.hidden.as_ref().map(Hidden::name)) {
            let what = format!("the element `{}` has no end, and what follows it is not shown", excerpt(name));
            self.builder.warn(Warning::Repaired(what));
        }
        Ok(())
    }

    /// The start of an element.
    ///
    /// - `is_whole`: whether it ends here too
    pub fn start(&mut self, name: &str, attributes: &Attributes, is_whole: bool) {
        let is_void = is_whole || VOID.contains(&name);
        if let Some(hidden) = &mut self.hidden {
            if hidden.goes_on_after_start(name, is_void) {
                return;
            }
            self.hidden = None;
        }
        if name == "html" {
            self.language(attributes);
        }
        if self.has_pages && is_page_break(attributes) {
            self.end_page_break(None);
            let label = attributes.get("title").or(attributes.get("aria-label")).map(str::to_owned);
            self.page_break = Some(OpenPageBreak { name: name.into(), label });
            if is_void {
                self.end_page_break(None);
            }
        }
        if name == "title" && self.builder.parts().title.is_none() && !is_void {
            self.title = Some(String::new());
            return;
        }
        if is_block(name) {
            self.end_block();
        }
        if !is_void && (is_never_shown(name) || is_ruby_text(name) || is_hidden(attributes)) {
            self.end_page_break(None); // its number is not shown
            self.hidden = Some(Hidden::new(name));
            return;
        }
        match name {
            "br" => self.line_break(None),
            "q" if !is_void => self.begin_quote(),
            _ if is_void => {}
            _ => {
                self.begin_shifted(name, attributes);
                self.structure(name, attributes);
            }
        }
    }

    /// The start of an element whose text may be raised or lowered.
    fn begin_shifted(&mut self, name: &str, attributes: &Attributes) {
        if name == "a" {
            let is_of_page = attributes.get("href").is_some_and(|href| href.contains('#'));
            self.link_start = is_of_page.then_some(self.builder.text().len());
        }
        let link_text = self.link_start.and_then(|start| self.builder.text().get(start..));
        let is_link = link_text.is_some_and(|text| text.trim().is_empty());
        let is_reference = is_note_reference(attributes);
        match &mut self.shifted {
            Some(shifted) => shifted.begin_inner(name, is_reference, is_link),
            None => self.shifted = ShiftedElement::of(name, attributes, is_reference, is_link),
        }
    }

    /// Writes the quotation mark of `q`: one of two strokes, and one of one stroke within a quotation.
    fn begin_quote(&mut self) {
        self.word(if self.quotes.is_multiple_of(2) { "“" } else { "‘" }, None);
        self.quotes += 1;
    }

    fn end_quote(&mut self) {
        if self.quotes > 0 {
            self.quotes -= 1;
            self.spaces.clear();
            self.word(if self.quotes.is_multiple_of(2) { "”" } else { "’" }, None);
        }
    }

    fn end_shifted(&mut self) {
        if let Some(shifted) = self.shifted.take() {
            shifted.finish(self.builder);
        }
    }

    /// The start of an element that may change what its text is.
    fn structure(&mut self, name: &str, attributes: &Attributes) {
        let role = attributes.get("role").unwrap_or_default();
        let kind = match name {
            _ if is_note(attributes) => ElementKind::Note,
            "header" if !self.is_in_section() => ElementKind::Header,
            "footer" if !self.is_in_section() => ElementKind::Furniture,
            "nav" | "aside" => ElementKind::Furniture,
            _ if matches!(role, "navigation" | "contentinfo" | "complementary") => ElementKind::Furniture,
            _ if role == "banner" => ElementKind::Header,
            "article" | "section" | "main" => ElementKind::Section,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.close_heading();
                ElementKind::Heading(name.as_bytes()[1] - b'0')
            }
            "pre" | "listing" | "xmp" | "plaintext" | "textarea" => ElementKind::Pre,
            "caption" | "figcaption" => ElementKind::Caption,
            "ul" | "menu" | "dir" | "dl" => ElementKind::List(None, '1'),
            "ol" => {
                let next = attributes.get("start").and_then(|start| start.trim().parse().ok()).unwrap_or(1);
                let step = if attributes.get("reversed").is_some() { -1 } else { 1 };
                let style = attributes.get("type").and_then(|style| style.chars().next());
                ElementKind::List(Some(ListNumber { next, step }), style.unwrap_or('1'))
            }
            "li" | "dt" | "dd" => return self.item(name, attributes),
            "table" => ElementKind::Table(CellGrid::default()),
            "tr" => return self.row(),
            "td" | "th" => return self.cell(name, attributes),
            _ => return,
        };
        self.push(name, kind);
    }

    /// The end of an element.
    pub fn end(&mut self, name: &str) {
        if let Some(hidden) = &mut self.hidden {
            match hidden.after_end(name) {
                Some(goes_on) => {
                    if !goes_on {
                        self.hidden = None;
                    }
                    return;
                }
                None => self.hidden = None,
            }
        }
        if name == "title" {
            return self.end_title();
        }
        if self.page_break.as_ref().is_some_and(|open| *open.name == *name) {
            self.end_page_break(None);
        }
        if is_block(name) {
            self.end_block();
        }
        if self.shifted.as_mut().is_some_and(|shifted| shifted.ends_with(name)) {
            self.end_shifted();
        }
        if name == "a" {
            self.link_start = None;
        }
        match name {
            "br" => self.line_break(None),
            "q" => self.end_quote(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.close_heading(),
            "tr" | "td" | "th" => {
                if let Some(table) = self.table() {
                    self.close_to(table + 1);
                }
            }
            _ => {
                // What stands in a cell ends nothing around its table.
                let is_table = name == "table";
                let is_border = |open: &OpenElement| !is_table && matches!(open.kind, ElementKind::Cell { .. });
                let inner = self.open.iter().rposition(is_border).map_or(0, |cell| cell + 1);
                if let Some(at) = self.open[inner..].iter().rposition(|open| &*open.name == name) {
                    self.close_to(inner + at);
                }
            }
        }
    }

    /// Warns of a part of a page that hides all that follows.
    pub fn warn_of_endless(&mut self, what: &str) {
        let what = format!("{what} has no end, and what follows it is not shown");
        self.builder.warn(Warning::Repaired(what));
    }

    /// What stands before the first word of the next block, such as the mark of a note.
    pub fn label(&mut self, label: String) {
        self.label = Some(label);
    }

    /// A text.
    ///
    /// - `source`: its bytes in the file, if they are known. If they are as many, each stands for the one at its place.
    pub fn text(&mut self, text: &str, source: Option<Range<usize>>) {
        if let Some(title) = &mut self.title {
            title.push_str(text);
            return;
        }
        if self.hidden.is_some() || self.is_page_label(text) {
            return;
        }
        let is_exact = source.as_ref().is_some_and(|source| source.len() == text.len());
        let part = |part: Range<usize>| {
            let source = source.clone()?;
            Some(if is_exact { source.start + part.start..source.start + part.end } else { source })
        };
        if self.is_in(|kind| matches!(kind, ElementKind::Pre)) {
            self.preformatted(text, part);
        } else {
            self.flowing(text, part);
        }
    }

    /// A text whose white space counts as one space, as far as it stands between words.
    fn flowing(&mut self, text: &str, source: impl Fn(Range<usize>) -> Option<Range<usize>>) {
        let mut from = 0;
        while from < text.len() {
            let rest = &text[from..];
            let space = rest.find(|c: char| !is_space(c)).unwrap_or(rest.len());
            if space > 0 {
                // The last of several: it stands beside the word that follows, and makes one run with it.
                if self.in_block && self.spaces.is_empty() {
                    let last = rest[..space].chars().next_back().map_or(0, char::len_utf8);
                    self.spaces.push((' ', source(from + space - last..from + space)));
                }
                from += space;
                continue;
            }
            let word = rest.find(|c: char| is_space(c) || c == SOFT_HYPHEN).unwrap_or(rest.len());
            self.word(&rest[..word], source(from..from + word));
            from += word;
            if text[from..].starts_with(SOFT_HYPHEN) {
                from += SOFT_HYPHEN.len_utf8();
            }
        }
    }

    /// A text whose white space counts. Line feeds at its start and end do not.
    fn preformatted(&mut self, text: &str, source: impl Fn(Range<usize>) -> Option<Range<usize>>) {
        let mut from = 0;
        for line in text.split_inclusive('\n') {
            let content = line.strip_suffix('\n').unwrap_or(line);
            let to = from + content.len();
            if content.contains(is_control) {
                self.word(&content.replace(is_control, " "), source(from..to));
            } else {
                self.word(content, source(from..to));
            }
            from += line.len();
            if content.len() < line.len() {
                self.line_break(source(to..to + 1));
            }
        }
    }

    /// A line feed within a block.
    fn line_break(&mut self, source: Option<Range<usize>>) {
        if self.in_block {
            self.spaces.pop_if(|(space, _)| *space == ' ');
            self.spaces.push(('\n', source));
        }
    }

    /// Text that is neither empty nor broken into lines.
    fn word(&mut self, text: &str, source: Option<Range<usize>>) {
        if text.is_empty() {
            return;
        }
        if !self.in_block {
            self.builder.block(self.kind());
            self.in_block = true;
            for open in &mut self.open {
                if let ElementKind::Cell { has_text, .. } = &mut open.kind {
                    *has_text = true;
                }
            }
            if let Some(label) = self.label.take() {
                self.builder.add(&label);
            }
        }
        for (space, source) in std::mem::take(&mut self.spaces) {
            let space = if space == '\n' { "\n" } else { " " };
            match source {
                Some(source) => self.builder.add_from(space, source),
                None => self.builder.add(space),
            }
        }
        match (&mut self.shifted, source) {
            (Some(shifted), source) => shifted.write(text, source, self.builder),
            (None, Some(source)) => self.builder.add_from(text, source),
            (None, None) => self.builder.add(text),
        }
    }

    fn end_block(&mut self) {
        if self.is_in(|kind| matches!(kind, ElementKind::Pre)) {
            // It is one block, whose lines some write as elements.
            if self.spaces.last().is_none_or(|(space, _)| *space != '\n') {
                self.line_break(None);
            }
            return;
        }
        self.end_shifted();
        self.quotes = 0;
        self.in_block = false;
        self.spaces.clear();
    }

    /// What a block of the text here is.
    fn kind(&self) -> BlockKind {
        let mut kind = BlockKind::Paragraph;
        let mut is_furniture = false;
        for open in &self.open {
            kind = match open.kind {
                ElementKind::Note => return BlockKind::Note,
                ElementKind::Furniture => return BlockKind::Furniture,
                ElementKind::Header => {
                    is_furniture = true;
                    kind
                }
                ElementKind::Heading(level) => BlockKind::Heading(level),
                ElementKind::Pre => BlockKind::Code,
                ElementKind::Caption => BlockKind::Caption,
                ElementKind::Item if !matches!(kind, BlockKind::Cell { .. }) => BlockKind::ListItem,
                ElementKind::Cell { row, column, .. } => BlockKind::Cell { row, column },
                ElementKind::Item | ElementKind::Section | ElementKind::List(..) | ElementKind::Table(_) => kind,
            };
        }
        if is_furniture && !matches!(kind, BlockKind::Heading(_)) { BlockKind::Furniture } else { kind }
    }

    fn push(&mut self, name: &str, kind: ElementKind) {
        self.is_too_deep |= self.open.len() >= self.depth_max;
        if !self.is_too_deep {
            self.open.push(OpenElement { name: name.into(), kind });
        }
    }

    /// Ends the innermost elements until so many are open.
    fn close_to(&mut self, count: usize) {
        while self.open.len() > count {
            if let Some(OpenElement { kind: ElementKind::Cell { has_text: false, .. }, .. }) = self.open.last()
                && let kind @ BlockKind::Cell { .. } = self.kind()
            {
                self.builder.block(kind); // an empty one, so that the columns stay
            }
            if matches!(self.open.pop(), Some(OpenElement { kind: ElementKind::Item, .. })) {
                self.label = None;
            }
            self.end_block();
        }
    }

    fn is_in(&self, is: impl Fn(&ElementKind) -> bool) -> bool {
        self.open.iter().any(|open| is(&open.kind))
    }

    fn is_in_section(&self) -> bool {
        self.is_in(|kind| matches!(kind, ElementKind::Section))
    }

    /// Ends a heading, if the text is in one.
    fn close_heading(&mut self) {
        if let Some(at) =
            self.open.iter().rposition(|open| matches!(open.kind, ElementKind::Heading(_) | ElementKind::Cell { .. }))
            && matches!(self.open[at].kind, ElementKind::Heading(_))
        {
            self.close_to(at);
        }
    }

    /// The start of an item, which ends the one before it.
    fn item(&mut self, name: &str, attributes: &Attributes) {
        let around = |open: &OpenElement| {
            matches!(open.kind, ElementKind::Item | ElementKind::List(..) | ElementKind::Cell { .. })
        };
        let around = self.open.iter().rposition(around);
        if let Some(at) = around.filter(|&at| matches!(self.open[at].kind, ElementKind::Item)) {
            self.close_to(at);
        }
        let list = self.open.iter_mut().rev().find_map(|open| match &mut open.kind {
            ElementKind::List(number, style) => Some((number, *style)),
            _ => None,
        });
        // Both stand before the first word, as in `<ol><li><ol><li>`.
        let mut own = self.label.take();
        if let Some((Some(number), style)) = list {
            let value = attributes.get("value").and_then(|value| value.trim().parse().ok());
            let value = value.unwrap_or(number.next);
            number.next = value.saturating_add(number.step);
            own = Some(own.unwrap_or_default() + &label(value, style));
        }
        self.push(name, ElementKind::Item);
        self.label = own;
    }

    /// Index of the table that the text is in.
    fn table(&self) -> Option<usize> {
        self.open.iter().rposition(|open| matches!(open.kind, ElementKind::Table(_)))
    }

    fn row(&mut self) {
        let Some(at) = self.table() else { return };
        self.close_to(at + 1);
        if let ElementKind::Table(table) = &mut self.open[at].kind {
            table.begin_row();
        }
    }

    fn cell(&mut self, name: &str, attributes: &Attributes) {
        let Some(at) = self.table() else { return };
        self.close_to(at + 1);
        let span = |name: &str| attributes.get(name).and_then(|span| span.trim().parse().ok()).unwrap_or(1);
        if let ElementKind::Table(table) = &mut self.open[at].kind {
            let (row, column) = table.cell(span("rowspan"), span("colspan"));
            self.push(name, ElementKind::Cell { row, column, has_text: false });
        }
    }

    fn end_title(&mut self) {
        let Some(title) = self.title.take() else { return };
        if !title.trim().is_empty() {
            self.builder.parts().title = Some(title);
        }
    }

    fn language(&mut self, attributes: &Attributes) {
        let tag = attributes.get("lang").or(attributes.get("xml:lang"));
        let parts = self.builder.parts();
        if parts.language.is_none() {
            parts.language = tag.and_then(language_tag);
        }
    }

    /// Whether a text is the number that the mark of a page break shows. Another text is text behind the mark.
    fn is_page_label(&mut self, text: &str) -> bool {
        if self.page_break.is_none() || text.trim().is_empty() {
            return false;
        }
        let label = page_label(text);
        self.end_page_break(label);
        label.is_some()
    }

    /// Begins the page of a mark that is open. A label that the mark states is better than the one that it shows.
    fn end_page_break(&mut self, shown: Option<&str>) {
        let Some(OpenPageBreak { label, .. }) = self.page_break.take() else { return };
        if !self.builder.parts().pages.is_empty() {
            self.spaces.clear(); // a line feed and a form feed part the pages
        }
        self.builder.page(label.as_deref().or(shown), None);
    }
}

const SOFT_HYPHEN: char = '\u{ad}';

/// Whether a character shows as white space that collapses.
fn is_space(c: char) -> bool {
    c == ' ' || c.is_control()
}

/// Whether a character has no place in text.
fn is_control(c: char) -> bool {
    c.is_control() && c != '\t'
}
