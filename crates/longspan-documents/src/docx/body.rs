//! The body of a document, its notes, heads and feet: paragraphs and tables → blocks.

use std::collections::HashMap;

use crate::builder::Builder;
use crate::flow::{FlowParagraph, MARK, MARK_END, PAGE, Spot, write_furniture, write_notes};
use crate::left_out::LeftOut;
use crate::map::BlockKind;
use crate::xml::{XmlError, XmlWalk};
use crate::{Format, Limits, Warning};

use super::fields::OpenFields;
use super::namespaces::NAMESPACES;
use super::numbering::Numbering;
use super::pages::{PageFacts, PageLayout, Pages, is_page_break, note_number};
use super::styles::{DocxStyles, ParagraphProperties, RunProperties, RunStyle, is_on};
use super::symbols;

/// Reads text into blocks.
pub(super) struct DocxBody<'d> {
    styles: &'d DocxStyles,
    numbering: Numbering,
    limits: &'d Limits,
    builder: Builder,
    pages: Pages<'d>,
    /// The texts of notes that were not yet referenced.
    notes: HashMap<(NoteKind, String), String>,
    /// Footnotes and endnotes so far.
    note_counts: [u32; 2],
    /// Notes that were referenced, and stand behind the paragraph or table.
    waiting: Vec<String>,
    /// A paragraph with which the next one goes on.
    begun: Option<FlowParagraph>,
    fields: OpenFields,
    /// Depths of alternatives of which one was taken.
    chosen: Vec<usize>,
    /// What the style of the paragraph says of its runs.
    of_paragraph: RunProperties,
    run: RunStyle,
    left_out: LeftOut,
    deletions: usize,
    insertions: usize,
    /// Characters of symbol fonts that are not known.
    unmapped: usize,
    shown_furniture: Vec<String>,
}

/// What a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NoteKind {
    /// A footnote.
    Foot,
    /// An endnote.
    End,
}

impl<'d> DocxBody<'d> {
    pub fn new(styles: &'d DocxStyles, numbering: Numbering, layout: &'d PageLayout, limits: &'d Limits) -> Self {
        Self {
            styles,
            numbering,
            limits,
            builder: Builder::new(Format::Docx, limits),
            pages: Pages::new(layout),
            notes: HashMap::new(),
            note_counts: [0; 2],
            waiting: Vec::new(),
            begun: None,
            fields: OpenFields::default(),
            chosen: Vec::new(),
            of_paragraph: RunProperties::default(),
            run: RunStyle::default(),
            left_out: LeftOut::default(),
            deletions: 0,
            insertions: 0,
            unmapped: 0,
            shown_furniture: Vec::new(),
        }
    }

    /// Reads the notes of one kind; those that are referenced later stand there.
    pub fn notes(&mut self, xml: &str, kind: NoteKind) -> Result<(), XmlError> {
        let mut walk = XmlWalk::new(xml, &NAMESPACES, self.limits);
        while walk.start_within(1)? {
            let ("w", "footnote" | "endnote") = walk.name() else { continue };
            let id = walk.attribute("w", "id").map(String::from).unwrap_or_default();
            if walk.attribute("w", "type").is_some_and(|kind| kind != "normal") {
                walk.skip()?; // the line above notes
                continue;
            }
            let start = self.builder.text().len();
            self.begin_part();
            self.blocks(&mut walk, &mut Spot::of(BlockKind::Note))?;
            let text = self.builder.text()[start..].trim().to_owned();
            self.notes.insert((kind, id), text);
        }
        Ok(())
    }

    /// Takes note of comments, which are no text.
    pub fn leave_out_comments(&mut self, count: usize) {
        self.left_out.comments += count;
    }

    /// Begins the text, which goes into this builder.
    pub fn begin(&mut self, builder: Builder) {
        self.builder = builder;
        if self.pages.are_known() {
            begin_page(&mut self.builder, self.pages.first());
        }
    }

    /// Forgets what is open: no field, alternative or paragraph goes on from one part in another.
    fn begin_part(&mut self) {
        self.end_fields();
        (self.begun, self.run) = (None, RunStyle::default());
        self.chosen.clear();
    }

    /// Ends the fields that have no end.
    fn end_fields(&mut self) {
        self.left_out.of_fields += std::mem::take(&mut self.fields).finish();
    }

    /// Reads the head or foot of pages, if another one did not say the same.
    pub fn furniture(&mut self, xml: &str) -> Result<(), XmlError> {
        let text = std::mem::replace(&mut self.builder, Builder::new(Format::Docx, self.limits));
        let read = self.paragraphs_of_furniture(xml);
        let furniture = std::mem::replace(&mut self.builder, text);
        read?;
        write_furniture(furniture.text(), &mut self.shown_furniture, &mut self.builder);
        Ok(())
    }

    fn paragraphs_of_furniture(&mut self, xml: &str) -> Result<(), XmlError> {
        let mut walk = XmlWalk::new(xml, &NAMESPACES, self.limits);
        while walk.start_within(1)? {
            if let ("w", "hdr" | "ftr") = walk.name() {
                self.begin_part();
                self.blocks(&mut walk, &mut Spot::of(BlockKind::Furniture))?;
            }
        }
        Ok(())
    }

    /// Reads the main part.
    pub fn main(&mut self, xml: &str) -> Result<(), XmlError> {
        let mut walk = XmlWalk::new(xml, &NAMESPACES, self.limits);
        self.pages.begin();
        while walk.start_within(1)? {
            if let ("w", "body") = walk.name() {
                self.begin_part();
                self.blocks(&mut walk, &mut Spot::running())?;
            }
        }
        self.end_notes();
        Ok(())
    }

    /// The builder with all that was read, and the warnings about it.
    pub fn finish(mut self) -> Builder {
        self.end_fields();
        let Self { deletions, insertions, .. } = self;
        let unmapped = Warning::unmapped(self.unmapped, self.builder.text());
        if deletions + insertions > 0 {
            self.builder.warn(Warning::TrackedChanges { deletions, insertions });
        }
        unmapped.into_iter().for_each(|warning| self.builder.warn(warning));
        self.left_out.warn(&mut self.builder);
        self.builder
    }

    /// Reads the paragraphs and tables of the element that was begun last. Returns how many columns it spans if it is a cell.
    fn blocks(&mut self, xml: &mut XmlWalk, spot: &mut Spot) -> Result<u32, XmlError> {
        let (depth, mut span, mut is_deleted) = (xml.depth(), 1, false);
        // What waits elsewhere does not go on here.
        let begun_elsewhere = self.begun.take();
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "gridSpan") => span = xml.number("w", "val").unwrap_or(1),
                ("w", "cellDel") => {
                    self.deletions += 1;
                    is_deleted = true;
                }
                ("w", "p" | "tbl") if is_deleted => xml.skip()?,
                ("w", "p") => self.paragraph(xml, spot)?,
                ("w", "tbl") => self.table(xml, spot)?,
                (namespace, name) if self.is_out(namespace, name, xml.depth()) => xml.skip()?,
                _ => {}
            }
        }
        if let Some(paragraph) = self.begun.take() {
            self.emit(paragraph, spot);
        }
        spot.begin_cell(&mut self.builder);
        self.begun = begun_elsewhere;
        Ok(span)
    }

    /// Whether an element at this depth is no part of the text. Counts changes.
    fn is_out(&mut self, namespace: &str, name: &str, depth: usize) -> bool {
        match (namespace, name) {
            ("w", "del" | "moveFrom") => self.deletions += 1,
            ("w", "ins" | "moveTo") => {
                self.insertions += 1;
                return false;
            }
            ("w", "sdtPr" | "sdtEndPr" | "sectPr" | "instrText" | "delInstrText" | "delText" | "rt") => {}
            ("mc", "AlternateContent") => {
                self.chosen.retain(|&chosen| chosen <= depth);
                return false;
            }
            // The first one is taken; a fallback alone is one too.
            ("mc", "Choice" | "Fallback") if !self.chosen.contains(&depth) => {
                self.chosen.push(depth);
                return false;
            }
            ("mc", "Choice" | "Fallback") => {}
            ("w", "altChunk" | "subDoc") => self.left_out.documents += 1,
            ("dgm", "relIds") | ("c", "chart") => self.left_out.drawings += 1,
            _ => return false,
        }
        true
    }

    fn table(&mut self, xml: &mut XmlWalk, spot: &mut Spot) -> Result<(), XmlError> {
        let (depth, mut rows, mut columns) = (xml.depth(), 0_u32, 0_u32);
        let mut is_deleted = false;
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "gridCol") => columns = columns.saturating_add(1),
                // A frame around paragraphs.
                ("w", "tc") if is_deleted => xml.skip()?,
                ("w", "tc") if columns == 1 && spot.is_running() => _ = self.blocks(xml, spot)?,
                ("w", "tr") if columns == 1 && spot.is_running() => is_deleted = false,
                ("w", "trPr") => (_, is_deleted) = self.row_properties(xml)?,
                ("w", "tr") => {
                    let is_outer = spot.is_running();
                    if is_outer {
                        self.pages.begin_row();
                    }
                    let is_shown = self.row(xml, spot, rows)?;
                    rows = rows.saturating_add(is_shown.into());
                }
                ("w", "tblPr" | "tblPrEx" | "tcPr") => xml.skip()?,
                (namespace, name) if self.is_out(namespace, name, xml.depth()) => xml.skip()?,
                _ => {}
            }
        }
        if spot.is_running() {
            self.pages.end_table();
            self.end_notes();
        }
        Ok(())
    }

    /// Reads a row. Returns whether it is shown.
    fn row(&mut self, xml: &mut XmlWalk, outer: &mut Spot, row: u32) -> Result<bool, XmlError> {
        let (depth, mut column, mut is_deleted) = (xml.depth(), 0_u32, false);
        outer.separator = "\n";
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "trPr") => (column, is_deleted) = self.row_properties(xml)?,
                ("w", "tblPrEx") => xml.skip()?,
                ("w", "tc") if is_deleted => xml.skip()?,
                ("w", "tc") if outer.is_running() => {
                    self.pages.begin_cell();
                    let span = self.blocks(xml, &mut Spot::cell(row, column))?;
                    column = column.saturating_add(span);
                }
                ("w", "tc") => {
                    self.blocks(xml, outer)?;
                    outer.separator = "\t";
                }
                (namespace, name) if self.is_out(namespace, name, xml.depth()) => xml.skip()?,
                _ => {}
            }
        }
        outer.separator = "\n";
        Ok(!is_deleted)
    }

    /// Reads the properties of a row: how many columns are before it, and whether it was deleted.
    fn row_properties(&mut self, xml: &mut XmlWalk) -> Result<(u32, bool), XmlError> {
        let (depth, mut column, mut is_deleted) = (xml.depth(), 0, false);
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "gridBefore") => column = xml.number("w", "val").unwrap_or(0),
                ("w", "del") => is_deleted = true,
                ("w", "ins") => self.insertions += 1,
                ("w", "trPrChange") => xml.skip()?,
                _ => {}
            }
        }
        self.deletions += usize::from(is_deleted);
        Ok((column, is_deleted))
    }

    fn paragraph(&mut self, xml: &mut XmlWalk, spot: &mut Spot) -> Result<(), XmlError> {
        let mut properties = ParagraphProperties::default();
        let mut kind = self.begin_paragraph(&mut properties);
        let mut paragraph = self.begun.take().unwrap_or_default();
        let has_begun = !paragraph.text.is_empty();
        let depth = xml.depth();
        while xml.start_within(depth)? {
            match xml.name() {
                ("w", "pPr") => {
                    properties = ParagraphProperties::read(xml)?;
                    kind = self.begin_paragraph(&mut properties);
                    let begins_page = properties.begins_page == Some(true) && spot.is_running();
                    if begins_page && self.pages.are_known() && self.pages.break_by_style() {
                        paragraph.text.push(PAGE);
                    }
                }
                ("w", "txbxContent") => self.text_box(xml, spot)?,
                _ => self.inline_element(xml, spot, &mut paragraph.text)?,
            }
        }
        let is_blank = paragraph.text.trim().is_empty();
        if !(has_begun || properties.goes_on && is_blank) {
            (paragraph.kind, paragraph.marker) = self.counted(&properties, kind);
        }
        let ends_section = properties.ends_section && spot.is_running();
        if properties.goes_on && !ends_section {
            self.begun = Some(paragraph);
            return Ok(());
        }
        self.emit(paragraph, spot);
        if ends_section && self.pages.end_section() && self.pages.are_known() {
            self.pages.break_by_hand();
            begin_page(&mut self.builder, self.pages.next());
        }
        Ok(())
    }

    /// Fills the properties of a paragraph with those of its style, and says what it is.
    fn begin_paragraph(&mut self, properties: &mut ParagraphProperties) -> Option<BlockKind> {
        let kind = self.styles.resolve(properties);
        self.of_paragraph = properties.run.clone();
        self.run = self.styles.run(&RunProperties::default(), &self.of_paragraph);
        kind
    }

    /// What a paragraph is, and its number.
    fn counted(
        &mut self,
        properties: &ParagraphProperties,
        kind: Option<BlockKind>,
    ) -> (Option<BlockKind>, Option<String>) {
        let ParagraphProperties { list, list_level, style, .. } = properties;
        let list = list.as_deref().filter(|&list| list != "0");
        let marker = list.and_then(|list| self.numbering.count(list, *list_level, style.as_deref()));
        (kind.or(marker.is_some().then_some(BlockKind::ListItem)), marker)
    }

    /// Reads the paragraphs of a text box, which stand before that in which it is anchored.
    fn text_box(&mut self, xml: &mut XmlWalk, spot: &mut Spot) -> Result<(), XmlError> {
        let (fields, of_paragraph) = (std::mem::take(&mut self.fields), self.of_paragraph.clone());
        let run = self.run;
        self.blocks(xml, spot)?;
        self.end_fields();
        (self.fields, self.of_paragraph, self.run) = (fields, of_paragraph, run);
        Ok(())
    }

    /// Reads or skips the element of a paragraph that was begun last.
    pub(super) fn inline_element(&mut self, xml: &mut XmlWalk, spot: &Spot, text: &mut String) -> Result<(), XmlError> {
        let (namespace, name) = xml.name();
        if self.is_out(namespace, name, xml.depth()) {
            return xml.skip();
        }
        self.inline(InlineElement::of(namespace, name), xml, spot, text)
    }

    /// Reads an element of a paragraph, of which only the start tag was read.
    fn inline(
        &mut self,
        element: InlineElement,
        xml: &mut XmlWalk,
        spot: &Spot,
        text: &mut String,
    ) -> Result<(), XmlError> {
        match element {
            InlineElement::Run => self.run = self.styles.run(&RunProperties::default(), &self.of_paragraph),
            InlineElement::RunProperties => {
                let properties = RunProperties::read(xml)?;
                self.run = self.styles.run(&properties, &self.of_paragraph);
            }
            InlineElement::Equation => self.math(xml, spot, text)?,
            InlineElement::Text => {
                let found = xml.text()?;
                self.add(&found, text);
            }
            InlineElement::Sign(sign) => self.add(sign, text),
            InlineElement::Space(space) => text.push(space),
            InlineElement::Break if is_page_break(xml) && (spot.is_running() || spot.is_cell()) => {
                text.push(PAGE);
                self.pages.break_by_hand();
            }
            InlineElement::Break => text.push('\n'),
            InlineElement::LayoutBreak if spot.is_running() || spot.is_cell() => {
                if self.pages.break_by_layout() {
                    text.push(PAGE);
                }
            }
            InlineElement::LayoutBreak => {}
            InlineElement::Symbol => {
                let font = xml.attribute("w", "font").unwrap_or_default();
                let code = xml.attribute("w", "char").and_then(|code| u32::from_str_radix(&code, 16).ok());
                let found = code.and_then(|code| symbols::character(&font, code));
                self.unmapped += usize::from(found.is_none());
                let found = found.unwrap_or(char::REPLACEMENT_CHARACTER);
                self.add(found.encode_utf8(&mut [0; 4]), text);
            }
            InlineElement::Reference(kind) => self.reference(kind, xml, text),
            InlineElement::FieldMark => match xml.attribute("w", "fldCharType").as_deref() {
                Some("begin") => {
                    let shown = form_field(xml)?;
                    self.add(&shown, text);
                    self.fields.begin();
                }
                Some("separate") => self.fields.separate(),
                Some("end") => self.fields.end(),
                _ => {}
            },
            InlineElement::Other => {}
        }
        Ok(())
    }

    fn add(&mut self, found: &str, text: &mut String) {
        if found.is_empty() {
            return;
        }
        if self.run.is_hidden {
            self.left_out.hide(found);
            return;
        }
        if !self.fields.shows(found) {
            return;
        }
        self.pages.text();
        let shifted = self.run.shift.map(|shift| shift.written(found));
        let shown = shifted.as_deref().unwrap_or(found).chars().filter(|&c| c != '\u{ad}');
        text.extend(shown.map(|c| if c.is_control() { ' ' } else { c }));
    }

    /// A note is referenced.
    fn reference(&mut self, kind: NoteKind, xml: &XmlWalk, text: &mut String) {
        let id = xml.attribute("w", "id").map(String::from).unwrap_or_default();
        let has_own_mark =
            xml.attribute("w", "customMarkFollows").is_some_and(|value| !matches!(&*value, "0" | "false"));
        let Some(note) = self.notes.remove(&(kind, id)) else { return };
        if has_own_mark {
            self.waiting.push(note);
            return;
        }
        let count = &mut self.note_counts[kind as usize];
        *count += 1;
        let mark = format!("[{}]", note_number(*count, kind == NoteKind::End));
        text.push(MARK);
        self.add(&mark, text);
        text.push(MARK_END);
        self.waiting.push(format!("{mark} {note}"));
    }

    /// Writes a paragraph.
    fn emit(&mut self, paragraph: FlowParagraph, spot: &mut Spot) {
        let pages = &mut self.pages;
        paragraph.write(spot, &mut self.builder, |builder| begin_page(builder, pages.next()));
        if spot.is_running() {
            self.end_notes();
        }
    }

    /// Writes the notes that wait.
    fn end_notes(&mut self) {
        write_notes(&mut self.waiting, &mut self.builder);
    }
}

fn begin_page(builder: &mut Builder, PageFacts { label, size }: PageFacts) {
    builder.page(label.as_deref(), size);
}

/// The elements that paragraphs consist of.
enum InlineElement {
    Run,
    RunProperties,
    Equation,
    Text,
    Sign(&'static str),
    Space(char),
    Break,
    LayoutBreak,
    Symbol,
    Reference(NoteKind),
    FieldMark,
    Other,
}

impl InlineElement {
    fn of(namespace: &str, name: &str) -> Self {
        match (namespace, name) {
            ("w" | "m", "r") => Self::Run,
            ("w", "rPr") => Self::RunProperties,
            ("m", "oMath") => Self::Equation,
            ("w" | "m" | "a", "t") => Self::Text,
            ("w", "noBreakHyphen") => Self::Sign("-"),
            ("w", "tab" | "ptab") => Self::Space('\t'),
            ("w", "cr") => Self::Space('\n'),
            ("w", "br") => Self::Break,
            ("w", "lastRenderedPageBreak") => Self::LayoutBreak,
            ("w", "sym") => Self::Symbol,
            ("w", "footnoteReference") => Self::Reference(NoteKind::Foot),
            ("w", "endnoteReference") => Self::Reference(NoteKind::End),
            ("w", "fldChar") => Self::FieldMark,
            _ => Self::Other,
        }
    }
}

/// What a field of a form shows, of which the start tag of its first mark was read: the box of a check box, or what is
/// chosen of a list.
fn form_field(xml: &mut XmlWalk) -> Result<String, XmlError> {
    let depth = xml.depth();
    let (mut is_box, mut is_checked, mut choice, mut entries) = (false, false, 0, Vec::new());
    while xml.start_within(depth)? {
        match xml.name() {
            ("w", "checkBox") => is_box = true,
            ("w", "default" | "checked") if is_box => is_checked = is_on(xml),
            ("w", "default" | "result") => choice = xml.number("w", "val").unwrap_or(0),
            ("w", "listEntry") => entries.extend(super::styles::value(xml)),
            _ => {}
        }
    }
    let chosen = entries.into_iter().nth(choice).unwrap_or_default();
    Ok(if is_box { if is_checked { "☒" } else { "☐" }.into() } else { chosen })
}
