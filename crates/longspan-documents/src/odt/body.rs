//! The body of a document, its notes, heads and feet: paragraphs and tables → blocks.

use crate::builder::Builder;
use crate::flow::{FlowParagraph, MARK, MARK_END, PAGE, Spot, write_furniture, write_notes};
use crate::left_out::LeftOut;
use crate::map::BlockKind;
use crate::shift::BaselineShift;
use crate::xml::{XmlError, XmlEvent, XmlWalk};
use crate::{Format, Limits, Warning};

use super::lists::{Lists, OpenList};
use super::namespaces::NAMESPACES;
use super::styles::{OdtStyles, ParagraphStyle};

/// The most spaces that one element stands for.
const SPACES_MAX: usize = 256;

/// Reads text into blocks.
pub(super) struct OdtBody<'d> {
    styles: &'d OdtStyles,
    limits: &'d Limits,
    builder: Builder,
    lists: Lists,
    has_pages: bool,
    /// Whether there is text before: the first page is not begun again.
    has_text: bool,
    /// A paragraph ended that breaks the page behind it.
    breaks_page: bool,
    /// Notes that were referenced, and stand behind the paragraph or table.
    waiting: Vec<String>,
    deletions: usize,
    insertions: usize,
    left_out: LeftOut,
    shown_furniture: Vec<String>,
}

impl<'d> OdtBody<'d> {
    pub fn new(styles: &'d OdtStyles, has_pages: bool, limits: &'d Limits) -> Self {
        let mut builder = Builder::new(Format::Odt, limits);
        if has_pages {
            builder.page(None, None);
        }
        Self {
            styles,
            limits,
            builder,
            lists: Lists::default(),
            has_pages,
            has_text: false,
            breaks_page: false,
            waiting: Vec::new(),
            deletions: 0,
            insertions: 0,
            left_out: LeftOut::default(),
            shown_furniture: Vec::new(),
        }
    }

    /// Reads the heads or feet of pages from the part with the styles.
    ///
    /// - `kind`: `header` or `footer`
    pub fn furniture(&mut self, styles: &str, kind: &str) -> Result<(), XmlError> {
        let mut walk = XmlWalk::new(styles, &NAMESPACES, self.limits);
        while walk.start_within(1)? {
            let ("style", name) = walk.name() else { continue };
            if name.split('-').next() == Some(kind) && name != "header-style" && name != "footer-style" {
                let text = self.aside(&mut walk, BlockKind::Furniture)?;
                write_furniture(&text, &mut self.shown_furniture, &mut self.builder);
            }
        }
        Ok(())
    }

    /// Reads the part with the content.
    pub fn main(&mut self, content: &str) -> Result<(), XmlError> {
        let mut walk = XmlWalk::new(content, &NAMESPACES, self.limits);
        while walk.start_within(1)? {
            if walk.name() == ("office", "text") {
                self.blocks(&mut walk, &mut Spot::running(), None)?;
            }
        }
        write_notes(&mut self.waiting, &mut self.builder);
        Ok(())
    }

    /// The builder with all that was read, and the warnings about it.
    pub fn finish(mut self) -> Builder {
        let Self { deletions, insertions, .. } = self;
        if deletions + insertions > 0 {
            self.builder.warn(Warning::TrackedChanges { deletions, insertions });
        }
        self.left_out.warn(&mut self.builder);
        self.builder
    }

    /// Reads the text of the element that was begun last for another place.
    fn aside(&mut self, xml: &mut XmlWalk, kind: BlockKind) -> Result<String, XmlError> {
        let builder = std::mem::replace(&mut self.builder, Builder::new(Format::Odt, self.limits));
        let read = self.blocks(xml, &mut Spot::of(kind), None);
        let aside = std::mem::replace(&mut self.builder, builder);
        read.map(|()| aside.text().trim().to_owned())
    }

    /// Reads the paragraphs, lists and tables of the element that was begun last.
    fn blocks(&mut self, xml: &mut XmlWalk, spot: &mut Spot, mut list: Option<OpenList>) -> Result<(), XmlError> {
        let depth = xml.depth();
        while xml.start_within(depth)? {
            if !self.block(xml, spot, &mut list)? {
                self.other(xml, spot)?;
            }
        }
        Ok(())
    }

    /// Reads the element that was begun last, if it is a paragraph, list or table.
    fn block(&mut self, xml: &mut XmlWalk, spot: &mut Spot, list: &mut Option<OpenList>) -> Result<bool, XmlError> {
        match xml.name() {
            ("text", "p" | "h") => self.paragraph(xml, spot, list)?,
            ("text", "list") => {
                let open = self.lists.open(xml, list.as_ref());
                self.blocks(xml, spot, Some(open))?;
            }
            ("text", "list-item") => {
                let start = xml.number("text", "start-value");
                if let Some(open) = list {
                    (open.begins_item, open.start) = (true, start);
                }
            }
            ("text", "list-header") => {
                if let Some(open) = list {
                    open.begins_item = false;
                }
            }
            ("table", "table") => self.table(xml, spot)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads an element between paragraphs that is none, of which the start tag was read: its content follows, or is left
    /// out.
    fn other(&mut self, xml: &mut XmlWalk, spot: &mut Spot) -> Result<(), XmlError> {
        match xml.name() {
            ("text", "tracked-changes") => self.changes(xml),
            ("text", "index-body") if spot.is_running() => self.blocks(xml, &mut Spot::of(BlockKind::Furniture), None),
            ("text", "soft-page-break") if spot.is_running() => {
                self.builder.page(None, None);
                Ok(())
            }
            ("text", "section") if is_hidden(xml) => self.hide(xml),
            (namespace, name) if self.is_out(namespace, name) => xml.skip(),
            _ => Ok(()),
        }
    }

    /// Passes and counts the hidden text of the element that was begun last.
    fn hide(&mut self, xml: &mut XmlWalk) -> Result<(), XmlError> {
        let text = xml.text()?;
        self.left_out.hide(&text);
        Ok(())
    }

    /// Counts the changes that were tracked. What was deleted stands here alone.
    fn changes(&mut self, xml: &mut XmlWalk) -> Result<(), XmlError> {
        let depth = xml.depth();
        while xml.start_within(depth)? {
            match xml.name() {
                ("text", "deletion") => {
                    self.deletions += 1;
                    xml.skip()?;
                }
                ("text", "insertion") => self.insertions += 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn table(&mut self, xml: &mut XmlWalk, spot: &mut Spot) -> Result<(), XmlError> {
        let (depth, mut rows, mut columns, mut column) = (xml.depth(), 0_u32, 0_u32, 0_u32);
        let is_outer = spot.is_running();
        while xml.start_within(depth)? {
            let repeated = xml.number("table", "number-columns-repeated").unwrap_or(1);
            match xml.name() {
                ("table", "table-column") => columns = columns.saturating_add(repeated),
                ("table", "table-row") => {
                    (rows, column) = (rows.saturating_add(1), 0);
                    spot.separator = "\n";
                }
                // A frame around paragraphs.
                ("table", "table-cell") if is_outer && columns == 1 => self.blocks(xml, spot, None)?,
                ("table", "table-cell") if is_outer => {
                    let mut cell = Spot::cell(rows.saturating_sub(1), column);
                    self.blocks(xml, &mut cell, None)?;
                    cell.begin_cell(&mut self.builder);
                    column = column.saturating_add(repeated);
                }
                ("table", "table-cell") => {
                    self.blocks(xml, spot, None)?;
                    spot.separator = "\t";
                }
                ("table", "covered-table-cell") => {
                    column = column.saturating_add(repeated);
                    xml.skip()?;
                }
                ("text", "soft-page-break") if is_outer => self.builder.page(None, None),
                (namespace, name) if self.is_out(namespace, name) => xml.skip()?,
                _ => {}
            }
        }
        spot.separator = "\n";
        if is_outer {
            write_notes(&mut self.waiting, &mut self.builder);
        }
        Ok(())
    }

    fn paragraph(&mut self, xml: &mut XmlWalk, spot: &mut Spot, list: &mut Option<OpenList>) -> Result<(), XmlError> {
        let style = xml.attribute("text", "style-name").map(|name| self.styles.paragraph(&name)).unwrap_or_default();
        if style.is_hidden() {
            return self.hide(xml);
        }
        let (kind, marker) = self.counted(xml, &style, list);
        let mut text = Collapsed::default();
        let breaks_page = std::mem::take(&mut self.breaks_page) || style.breaks_before == Some(true);
        if breaks_page && self.has_pages && spot.is_running() && self.has_text {
            text.text.push(PAGE);
        }
        self.inline(xml, spot, &mut text)?;
        if text.is_hidden {
            self.left_out.hide(&text.text);
            return Ok(());
        }
        self.breaks_page = style.breaks_after == Some(true);
        self.has_text |= spot.is_running() && !text.text.trim().is_empty();
        let paragraph = FlowParagraph { kind, marker, text: text.text };
        paragraph.write(spot, &mut self.builder, |builder| builder.page(None, None));
        if spot.is_running() {
            write_notes(&mut self.waiting, &mut self.builder);
        }
        Ok(())
    }

    /// What the paragraph is of which the start tag was read, and its number.
    fn counted(
        &mut self,
        xml: &XmlWalk,
        style: &ParagraphStyle,
        list: &mut Option<OpenList>,
    ) -> (Option<BlockKind>, Option<String>) {
        let is_heading = xml.name() == ("text", "h");
        let level = xml.number("text", "outline-level").or(style.outline_level).unwrap_or(1_u8).clamp(1, LEVEL_MAX);
        let mut marker = None;
        if let Some(open) = list.as_mut().filter(|open| open.begins_item) {
            marker = self.lists.count(open, style.list.as_deref(), self.styles);
            open.begins_item = false;
        }
        let is_unnumbered = xml.attribute("text", "is-list-header").is_some_and(|value| value == "true");
        if is_heading && marker.is_none() && !is_unnumbered && style.list.as_deref() != Some("") {
            let start = xml.attribute("text", "restart-numbering").filter(|value| value == "true");
            let start = start.map(|_| xml.number("text", "start-value").unwrap_or(1));
            marker = self.lists.count_heading(usize::from(level) - 1, start, &self.styles.outline);
        }
        let kind = match style {
            _ if is_heading => Some(BlockKind::Heading(level)),
            ParagraphStyle { is_title: true, .. } => Some(BlockKind::Heading(1)),
            ParagraphStyle { is_caption: true, .. } => Some(BlockKind::Caption),
            ParagraphStyle { is_code: true, .. } => Some(BlockKind::Code),
            _ => list.is_some().then_some(BlockKind::ListItem),
        };
        (kind, marker)
    }

    /// Reads the text of a paragraph. Frames in it stand before it.
    fn inline(&mut self, xml: &mut XmlWalk, spot: &mut Spot, text: &mut Collapsed) -> Result<(), XmlError> {
        let depth = xml.depth();
        while let Some(event) = xml.within(depth)? {
            match event {
                XmlEvent::Text => text.add(xml.text_part()),
                XmlEvent::End => {}
                XmlEvent::Start if self.block(xml, spot, &mut None)? => {}
                XmlEvent::Start => match xml.name() {
                    ("text", "s") => text.spaces(xml.number("text", "c").unwrap_or(1)),
                    ("text", "tab") => text.space('\t'),
                    ("text", "line-break") => text.space('\n'),
                    ("text", "soft-page-break") if self.has_pages && (spot.is_running() || spot.is_cell()) => {
                        text.text.push(PAGE);
                    }
                    ("text", "note") => self.note(xml, text)?,
                    ("text", "span") => self.span(xml, spot, text)?,
                    ("text", "hidden-text" | "hidden-paragraph") => self.hidden_field(xml, text)?,
                    (namespace, name) if self.is_out(namespace, name) => xml.skip()?,
                    _ => {}
                },
            }
        }
        Ok(())
    }

    fn span(&mut self, xml: &mut XmlWalk, spot: &mut Spot, text: &mut Collapsed) -> Result<(), XmlError> {
        let style = xml.attribute("text", "style-name").map(|name| self.styles.text(&name)).unwrap_or_default();
        if style.is_hidden() {
            return self.hide(xml);
        }
        let around = text.shift;
        text.shift = style.shift.unwrap_or(around);
        self.inline(xml, spot, text)?;
        text.shift = around;
        Ok(())
    }

    /// Reads a field whose text, or whose whole paragraph, may be hidden.
    fn hidden_field(&mut self, xml: &mut XmlWalk, text: &mut Collapsed) -> Result<(), XmlError> {
        let is_hidden = xml.attribute("text", "is-hidden").is_some_and(|value| value == "true");
        let is_text = xml.name() == ("text", "hidden-text");
        let value = xml.attribute("text", "string-value").map(String::from).unwrap_or_default();
        let content = xml.text()?;
        match (is_hidden, is_text) {
            (true, true) => self.left_out.hide(if content.is_empty() { &value } else { &content }),
            (true, false) => text.is_hidden = true,
            (false, _) => text.add(&content),
        }
        Ok(())
    }

    /// Whether an element is no part of the text. Counts comments and objects.
    fn is_out(&mut self, namespace: &str, name: &str) -> bool {
        match namespace {
            "office" if name == "annotation" => {
                self.left_out.comments += 1;
                true
            }
            "office" => matches!(name, "forms" | "binary-data" | "event-listeners" | "scripts"),
            "text" => matches!(name, "ruby-text" | "tracked-changes") || name.ends_with("-source"),
            "svg" => matches!(name, "title" | "desc"),
            "draw" if matches!(name, "object" | "object-ole") => {
                self.left_out.objects += 1;
                true
            }
            _ => false,
        }
    }

    /// Reads a note, which stands where it is referenced.
    fn note(&mut self, xml: &mut XmlWalk, text: &mut Collapsed) -> Result<(), XmlError> {
        let (depth, mut mark) = (xml.depth(), String::new());
        while xml.start_within(depth)? {
            match xml.name() {
                ("text", "note-citation") => {
                    mark = format!("[{}]", xml.text()?.trim());
                    text.text.push(MARK);
                    text.add(&mark);
                    text.text.push(MARK_END);
                }
                ("text", "note-body") => {
                    let waiting = std::mem::take(&mut self.waiting);
                    let note = self.aside(xml, BlockKind::Note)?;
                    // Notes in notes stand behind them.
                    let inner = std::mem::replace(&mut self.waiting, waiting);
                    self.waiting.push(format!("{mark} {note}"));
                    self.waiting.extend(inner);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether the section that was begun last is hidden.
fn is_hidden(xml: &XmlWalk) -> bool {
    match xml.attribute("text", "display").as_deref() {
        Some("none") => true,
        Some("condition") => xml.attribute("text", "is-hidden").is_some_and(|value| value == "true"),
        _ => false,
    }
}

const LEVEL_MAX: u8 = 10;

/// The text of a paragraph, in which runs of white space are one space.
#[derive(Default)]
struct Collapsed {
    text: String,
    /// Whether the last character is a space that the next one falls into.
    has_space: bool,
    /// Whether it is raised or lowered.
    shift: Option<BaselineShift>,
    /// Whether its paragraph is hidden.
    is_hidden: bool,
}

impl Collapsed {
    fn add(&mut self, part: &str) {
        let shifted = self.shift.map(|shift| shift.written(part));
        for c in shifted.as_deref().unwrap_or(part).chars().filter(|&c| c != '\u{ad}') {
            let is_space = matches!(c, ' ' | '\t' | '\r' | '\n') || c.is_control();
            if !is_space {
                self.text.push(c);
            } else if !self.has_space && !self.text.is_empty() {
                self.text.push(' ');
            }
            self.has_space = is_space;
        }
    }

    fn space(&mut self, c: char) {
        self.text.push(c);
        self.has_space = false;
    }

    fn spaces(&mut self, count: usize) {
        (0..count.min(SPACES_MAX)).for_each(|_| self.space(' '));
    }
}
