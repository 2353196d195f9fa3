//! What the reader of a format writes into: text, with the pages, blocks, words and runs of the source as they come.

use std::ops::Range;
use std::sync::Arc;

use crate::content::{Content, Parts};
use crate::line::line;
use crate::map::{Block, BlockKind, Page, PageBox, PageSize, Run, TextDirection, Word};
use crate::{Format, Limits, ReadError, Warning};

/// Characters of the title of a document, and of the label of a page.
const TITLE_CHARACTERS_MAX: usize = 300;
const LABEL_CHARACTERS_MAX: usize = 200;

/// Bytes of the tag of a language: RFC 5646 (section 4.4.1) knows none that is longer.
const LANGUAGE_BYTES_MAX: usize = 35;

/// Warnings of a document. A book may have one for each of its chapters.
const WARNINGS_MAX: usize = 100;

/// Makes a [`Content`] of what it is told, in the order of the text. White space between blocks and pages is its own work:
/// a blank line between blocks, a tab between the cells of a row, a line feed between rows, and a line feed and a form feed
/// between pages. What it adds belongs to the block and the page before it.
pub(crate) struct Builder {
    text: String,
    text_bytes_max: u64,
    parts: Parts,
    /// Whether the text went over its limit: nothing was added since.
    is_full: bool,
}

impl Builder {
    pub fn new(format: Format, limits: &Limits) -> Self {
        let parts = Parts {
            format,
            title: None,
            language: None,
            warnings: Vec::new(),
            pages: Vec::new(),
            blocks: Vec::new(),
            words: Vec::new(),
            runs: Vec::new(),
            note_marks: Vec::new(),
        };
        // Offsets have 32 bits.
        let text_bytes_max = limits.text_bytes_max.min(u32::MAX.into());
        Self { text: String::new(), text_bytes_max, parts, is_full: false }
    }

    /// The text so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The parts so far. Title and language are set there as the file has them: what is none is left out in the end.
    pub fn parts(&mut self) -> &mut Parts {
        &mut self.parts
    }

    /// Adds a warning that was not given yet.
    pub fn warn(&mut self, warning: Warning) {
        let warnings = &mut self.parts.warnings;
        if warnings.contains(&warning) {
            return;
        }
        if warnings.len() < WARNINGS_MAX {
            warnings.push(warning);
        } else {
            warnings[WARNINGS_MAX - 1] = Warning::Repaired("more is damaged than is named here".into());
        }
    }

    /// Begins a page. A block may go on over it.
    pub fn page(&mut self, label: Option<&str>, size: Option<PageSize>) {
        if !self.parts.pages.is_empty() {
            self.add("\n\u{c}");
        }
        // What precedes the first page belongs to it.
        let start = if self.parts.pages.is_empty() { 0 } else { self.here() };
        let label = label.map(|label| line(label, LABEL_CHARACTERS_MAX)).filter(|label| !label.is_empty());
        self.parts.pages.push(Page { start, label: label.map(Arc::from), size });
    }

    /// Begins a block. One without text gives way to the next one, unless it is a cell.
    pub fn block(&mut self, kind: BlockKind) {
        let page = self.parts.pages.last().map_or(0, |page| page.start);
        if let Some(last) = self.parts.blocks.last().copied() {
            let is_cell = matches!(last.kind, BlockKind::Cell { .. });
            let has_text = !self.text[last.start as usize..].trim().is_empty();
            if !has_text && !is_cell {
                self.parts.blocks.pop();
            } else if self.here() > page || (is_cell && last.start >= page) {
                self.add(between(last.kind, kind));
            }
        }
        let start = if self.parts.blocks.is_empty() { 0 } else { self.here() };
        self.parts.blocks.push(Block { start, kind });
    }

    /// Adds text that no bytes of the file stand for.
    pub fn add(&mut self, text: &str) {
        if self.takes(text) {
            // Its place in the file is behind what precedes it. Where nothing does, no run is needed.
            let last = self.parts.runs.last().map(|run| run.source.clone());
            if let Some(last) = last.filter(|last| !last.is_empty()) {
                self.run(last.end..last.end);
            }
            self.text.push_str(text);
        }
    }

    /// Adds text that was made of these bytes of the file. If they are as many, each stands for the one at its place.
    pub fn add_from(&mut self, text: &str, source: Range<usize>) {
        if self.takes(text) {
            let source = source.start as u32..source.end as u32;
            if self.continues(text, &source) {
                self.parts.runs.last_mut().expect("a run that goes on").source.end = source.end;
            } else {
                self.run(source);
            }
            self.text.push_str(text);
        }
    }

    /// Adds a word that is printed in a box of the last page. White space behind it is added apart.
    pub fn word(&mut self, text: &str, at: PageBox, direction: TextDirection) {
        if self.takes(text) {
            let PageBox { x, y, width, height, .. } = at;
            self.parts.words.push(Word { start: self.here(), x, y, width, height, direction });
            self.text.push_str(text);
        }
    }

    /// Notes that bytes of the text are the mark of a note.
    pub fn note_mark(&mut self, bytes: Range<usize>) {
        let bytes = bytes.start as u32..bytes.end as u32;
        if !bytes.is_empty() && self.parts.note_marks.last().is_none_or(|last| last.end <= bytes.start) {
            self.parts.note_marks.push(bytes);
        }
    }

    /// The content.
    ///
    /// # Errors
    /// When the text is over its limit, has nothing but white space, or all of it is damaged or was left out.
    pub fn finish(mut self) -> Result<Content, ReadError> {
        if self.is_full {
            return Err(ReadError::TooLong { text_bytes_max: self.text_bytes_max });
        }
        let is_blank = self.text.trim().is_empty();
        let explains = |warning: &&Warning| matches!(warning, Warning::LeftOut(_) | Warning::Repaired(_));
        if let Some(warning) = self.parts.warnings.iter().find(explains).filter(|_| is_blank) {
            let what = format!("it has no text; {warning}");
            return Err(ReadError::Damaged { format: self.parts.format, what });
        }
        if is_blank {
            return Err(if self.text.is_empty() { ReadError::Empty } else { ReadError::Blank });
        }
        let Parts { title, language, .. } = &mut self.parts;
        *title = title.take().map(|title| line(&title, TITLE_CHARACTERS_MAX)).filter(|title| !title.is_empty());
        *language = language.take().and_then(|language| language_tag(&language));
        Ok(Content::new(self.text.into(), self.parts))
    }

    fn here(&self) -> u32 {
        self.text.len() as u32
    }

    fn takes(&mut self, text: &str) -> bool {
        self.is_full |= (self.text.len() + text.len()) as u64 > self.text_bytes_max;
        !self.is_full && !text.is_empty()
    }

    fn run(&mut self, source: Range<u32>) {
        let start = self.here();
        self.parts.runs.push(Run { start, source });
    }

    /// Whether bytes of the file go on where the last run ends, and both stand for themselves: then they are one run.
    fn continues(&self, text: &str, source: &Range<u32>) -> bool {
        let Some(last) = self.parts.runs.last() else { return false };
        let is_same = last.source.len() == (self.here() - last.start) as usize && source.len() == text.len();
        is_same && last.source.end == source.start
    }
}

/// What a file states of its language as a BCP 47 tag, such as `en-GB`. It is none if it is the name of the language.
pub(crate) fn language_tag(language: &str) -> Option<String> {
    let tag = language.trim().replace('_', "-");
    let mut parts = tag.split('-');
    let is_language = parts.next().is_some_and(|first| {
        let is_private = matches!(first, "x" | "X" | "i" | "I") && tag.len() > 2;
        first.bytes().all(|byte| byte.is_ascii_alphabetic()) && (matches!(first.len(), 2 | 3) || is_private)
    });
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_language && tag.len() <= LANGUAGE_BYTES_MAX && parts.all(is_part)).then_some(tag)
}

/// The white space between two blocks.
fn between(last: BlockKind, next: BlockKind) -> &'static str {
    match (last, next) {
        (BlockKind::Cell { row, column }, BlockKind::Cell { row: next_row, column: next_column }) => {
            if row == next_row && next_column > column {
                "\t"
            } else if next_row > row {
                "\n"
            } else {
                "\n\n"
            }
        }
        _ => "\n\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BlockKind::*;
    use proptest::prelude::*;

    fn built(build: impl FnOnce(&mut Builder)) -> Result<Content, ReadError> {
        let mut builder = Builder::new(Format::Html, &Limits { text_bytes_max: 100, ..Limits::default() });
        build(&mut builder);
        builder.finish()
    }

    fn span(content: &Content, text: &str) -> Range<usize> {
        let start = content.text().find(text).unwrap();
        start..start + text.len()
    }

    #[test]
    fn blocks_and_pages_are_apart() {
        let content = built(|builder| {
            builder.page(Some("i"), None);
            builder.block(Heading(1));
            builder.add("One");
            builder.block(Heading(2));
            builder.add("Two");
            builder.block(Paragraph); // has no text
            builder.block(Cell { row: 0, column: 0 });
            builder.add("a");
            builder.block(Cell { row: 0, column: 1 }); // has none either
            builder.block(Cell { row: 1, column: 0 });
            builder.add("b");
            builder.page(Some("ii"), None);
            builder.block(Heading(2));
            builder.add("Three");
            builder.block(Paragraph);
            builder.add("It ends.");
        });
        let content = content.unwrap();
        assert_eq!(&**content.text(), "One\n\nTwo\n\na\t\nb\n\u{c}Three\n\nIt ends.");
        let place = |text: &str| {
            let place = content.place(span(&content, text));
            (place.page_label.unwrap().to_string(), place.page_line.unwrap(), place.headings.join("/"))
        };
        assert_eq!(place("One"), ("i".into(), 1, "".into()));
        assert_eq!(place("Two"), ("i".into(), 2, "One".into()));
        assert_eq!(place("b"), ("i".into(), 4, "One/Two".into()));
        assert_eq!(place("Three"), ("ii".into(), 1, "One".into()));
        assert_eq!(place("ends"), ("ii".into(), 2, "One/Three".into()));
        let borders = ["Two", "a", "\nb", "b", "Three", "It"].map(|text| span(&content, text).start);
        assert_eq!(content.borders(), borders);
    }

    #[test]
    fn a_span_has_its_source() {
        let source = "<p>Tom &amp; <b>Jerry</b></p>";
        let content = built(|builder| {
            builder.block(Paragraph);
            builder.add_from("Tom ", 3..7);
            builder.add_from("&", 7..12);
            builder.add_from(" ", 12..13);
            builder.add_from("Jerry", 16..21);
            builder.block(Paragraph);
            builder.add_from("é", 0..0);
        });
        let content = content.unwrap();
        let found = |text: &str| &source[content.place(span(&content, text)).source.unwrap()];
        assert_eq!(found("om"), "om");
        assert_eq!(found("m &"), "m &amp;");
        assert_eq!(found("& Je"), "&amp; <b>Je");
        assert_eq!(found("\n"), "");
    }

    #[test]
    fn a_span_has_a_box_for_each_printed_line() {
        let at = |x: f32, y: f32, width: f32| PageBox { page: 1, x, y, width, height: 10.0 };
        let content = built(|builder| {
            builder.page(None, None);
            builder.block(Paragraph);
            for (text, place) in
                [("The", at(0.0, 0.0, 30.0)), ("com", at(40.0, 1.0, 30.0)), ("pany", at(0.0, 20.0, 40.0))]
            {
                builder.word(text, place, TextDirection::Right);
                builder.add(if text == "The" { " " } else { "" });
            }
            builder.add("\n");
            builder.word("Inc.", at(0.0, 40.0, 40.0), TextDirection::Right);
        });
        let content = content.unwrap();
        let boxes = |text: &str| content.boxes(span(&content, text));
        assert_eq!(boxes("he com"), [PageBox { page: 1, x: 10.0, y: 0.0, width: 60.0, height: 11.0 }]);
        assert_eq!(boxes("compa"), [at(40.0, 1.0, 30.0), at(0.0, 20.0, 20.0)]);
        assert_eq!(boxes("pany\nInc."), [at(0.0, 20.0, 40.0), at(0.0, 40.0, 40.0)]);
        assert_eq!(boxes("\n"), []);
    }

    #[test]
    fn what_a_file_states_is_short() {
        let language = |language: &str| {
            let content = built(|builder| {
                builder.parts().language = Some(language.into());
                builder.add("a");
            });
            content.unwrap().language().map(str::to_owned)
        };
        for (stated, tag) in [
            (" en-GB ", Some("en-GB")),
            ("de_CH", Some("de-CH")),
            ("zh-Hant-TW", Some("zh-Hant-TW")),
            ("gsw", Some("gsw")),
            ("x-pirate", Some("x-pirate")),
            ("English", None),
            ("", None),
            ("x", None),
            ("en-", None),
            ("en GB", None),
            ("e1", None),
            ("en-a-very-long-row-of-parts-of-a-tag-of-one", None),
        ] {
            assert_eq!(language(stated).as_deref(), tag, "{stated:?}");
        }
        let long = "a\n\u{1b}".repeat(1_000_000);
        let content = built(|builder| {
            builder.parts().title = Some(long.clone());
            builder.page(Some(&long), None);
            builder.page(Some(" \n"), None);
            builder.block(Heading(1));
            builder.add("Two words ");
            builder.block(Paragraph);
            builder.add("a");
            (0..1000).for_each(|number| builder.warn(Warning::Repaired((number / 2).to_string())));
        });
        let content = content.unwrap();
        let label = |page: usize| content.pages()[page].label.as_ref().map(|label| label.chars().count());
        assert_eq!(content.title().unwrap().chars().count(), TITLE_CHARACTERS_MAX);
        assert_eq!((label(0), label(1)), (Some(LABEL_CHARACTERS_MAX), None));
        let warnings: Vec<String> = content.warnings().iter().map(Warning::to_string).collect();
        assert_eq!(warnings.len(), WARNINGS_MAX);
        assert!(warnings[98].ends_with(": 98") && warnings[99].ends_with("more is damaged than is named here"));
    }

    proptest! {
        #[test]
        fn the_headings_of_a_place_are_those_above_it(levels in prop::collection::vec(0..5_u8, 1..40)) {
            // 0 is a paragraph. Each block has its number as its text.
            let mut builder = Builder::new(Format::Html, &Limits::default());
            for (number, &level) in levels.iter().enumerate() {
                builder.block(if level == 0 { Paragraph } else { Heading(level) });
                builder.add(&number.to_string());
            }
            let content = builder.finish().unwrap();
            for (own, block) in content.blocks().iter().enumerate() {
                let mut expected = Vec::new();
                let mut above = if levels[own] == 0 { u8::MAX } else { levels[own] };
                for (number, &level) in levels[..own].iter().enumerate().rev() {
                    if (1..above).contains(&level) {
                        above = level;
                        expected.insert(0, number.to_string());
                    }
                }
                let start = block.start as usize;
                prop_assert_eq!(content.place(start..start + 1).headings, expected);
            }
        }
    }

    #[test]
    fn a_part_of_a_word_lies_where_it_is_read() {
        use TextDirection::{Down, Left, Right, Up};
        let at = |x: f32, y: f32, width: f32, height: f32| PageBox { page: 1, x, y, width, height };
        // The boxes of two words of a line, and those of the end of the first one alone and with the start of the second one.
        for (direction, words, parts) in [
            (
                Right,
                [at(0.0, 0.0, 40.0, 9.0), at(50.0, 0.0, 40.0, 9.0)],
                [at(30.0, 0.0, 10.0, 9.0), at(30.0, 0.0, 30.0, 9.0)],
            ),
            (
                Left,
                [at(50.0, 0.0, 40.0, 9.0), at(0.0, 0.0, 40.0, 9.0)],
                [at(50.0, 0.0, 10.0, 9.0), at(30.0, 0.0, 30.0, 9.0)],
            ),
            (
                Down,
                [at(0.0, 0.0, 9.0, 40.0), at(0.0, 50.0, 9.0, 40.0)],
                [at(0.0, 30.0, 9.0, 10.0), at(0.0, 30.0, 9.0, 30.0)],
            ),
            (
                Up,
                [at(0.0, 50.0, 9.0, 40.0), at(0.0, 0.0, 9.0, 40.0)],
                [at(0.0, 50.0, 9.0, 10.0), at(0.0, 30.0, 9.0, 30.0)],
            ),
        ] {
            let content = built(|builder| {
                builder.page(None, None);
                builder.block(Paragraph);
                builder.word("aaab", words[0], direction);
                builder.add(" ");
                builder.word("cddd", words[1], direction);
            });
            let content = content.unwrap();
            let boxes = |text: &str| content.boxes(span(&content, text));
            assert_eq!([boxes("b"), boxes("b c")], parts.map(|part| vec![part]), "{direction:?}");
        }
    }

    #[test]
    fn the_headings_of_a_place_are_short() {
        let mut builder = Builder::new(Format::Html, &Limits::default());
        builder.block(Heading(1));
        builder.add(&"long ".repeat(1_000_000));
        builder.block(Paragraph);
        builder.add("a");
        let content = builder.finish().unwrap();
        let end = content.text().len();
        assert_eq!(content.place(end - 1..end).headings[0].chars().count(), 300);
    }

    #[test]
    fn a_text_over_the_limit_is_an_error_and_never_shorter() {
        let long = built(|builder| (0..200).for_each(|_| builder.add("a")));
        assert!(matches!(long, Err(ReadError::TooLong { text_bytes_max: 100 })));
        assert_eq!(built(|builder| builder.add(&"a".repeat(100))).unwrap().text().len(), 100);
        assert!(matches!(built(|_| ()), Err(ReadError::Empty)));
        assert!(matches!(built(|builder| builder.add(" ")), Err(ReadError::Blank)));
    }
}
