//! The quotations in a text or in Markdown: what stands between quotation marks, and block quotes.

use std::mem::take;
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::fold::{is_quotation_mark, is_unspaced};
use crate::html::{HtmlPiece, each_piece, is_block_element};
use crate::marks::quoted;
use crate::meaning::is_last_word;
use crate::words::is_modal;

/// A quotation, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotedText {
    /// What is quoted, without the marks around it.
    pub text: String,
    /// Its bytes in the text that was searched, without the marks.
    pub bytes: Range<usize>,
}

/// The quotations of a plain text in which each paragraph ends at a blank line. Lines that begin with `>` are block quotes.
///
/// - `words_min`: quotations of fewer words are left out, but for block quotes
///
/// ```
/// use longspan_cite::quotations_of_text;
///
/// let found = quotations_of_text("It says “no answer at all” and 'so called' „gar keine Antwort“.", 3);
/// let texts: Vec<&str> = found.iter().map(|quoted| quoted.text.as_str()).collect();
/// assert_eq!(texts, ["no answer at all", "gar keine Antwort"]);
/// ```
pub fn quotations_of_text(text: &str, words_min: usize) -> Vec<QuotedText> {
    let mut quotations = QuotationList { words_min, ..QuotationList::default() };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let bare = line.trim_start();
        let is_block = bare.starts_with('>');
        if bare.trim().is_empty() || is_block != (quotations.block_quotes > 0) {
            quotations.end_block();
            quotations.block_quotes = usize::from(is_block);
        }
        let inner = if is_block { bare.trim_start_matches(['>', ' ']) } else { line };
        if inner.trim().is_empty() {
            quotations.end_paragraph();
        }
        quotations.paragraph.text.push(inner, start + line.len() - inner.len());
    }
    quotations.end_paragraph();
    quotations.found
}

/// The quotations of a text in Markdown and in the HTML within it, not those in code.
///
/// - `words_min`: quotations of fewer words are left out, but for block quotes
pub fn quotations_of_markdown(text: &str, words_min: usize) -> Vec<QuotedText> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_GFM;
    let mut quotations = QuotationList { words_min, ..QuotationList::default() };
    let mut html = MappedText::default();
    let mut is_code = false;
    for (event, bytes) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            // A block quote with a kind is a note of the author.
            Event::Start(Tag::BlockQuote(kind)) => {
                quotations.end_block();
                quotations.block_quotes += usize::from(kind.is_none());
            }
            Event::End(TagEnd::BlockQuote(kind)) => {
                quotations.end_block();
                quotations.block_quotes -= usize::from(kind.is_none());
            }
            Event::Start(Tag::CodeBlock(_)) => is_code = true,
            Event::End(TagEnd::CodeBlock) => is_code = false,
            Event::Start(Tag::HtmlBlock) => quotations.end_paragraph(),
            Event::Html(piece) => html.push_event(&piece, bytes, text),
            Event::End(TagEnd::HtmlBlock) => {
                quotations.push_html(&take(&mut html));
                quotations.end_paragraph();
            }
            Event::InlineHtml(piece) => {
                html.push_event(&piece, bytes, text);
                quotations.push_html(&take(&mut html));
            }
            Event::Start(tag) if is_block(&tag) => quotations.end_paragraph(),
            Event::End(tag) if is_block_end(tag) => quotations.end_paragraph(),
            Event::Text(piece) if !is_code => quotations.paragraph.text.push_event(&piece, bytes, text),
            Event::Code(piece) => quotations.paragraph.push_code(&piece, bytes),
            Event::SoftBreak | Event::HardBreak => quotations.paragraph.text.push_as("\n", bytes),
            _ => {}
        }
    }
    quotations.end_paragraph();
    quotations.found
}

fn is_block(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Paragraph | Tag::Heading { .. } | Tag::Item | Tag::TableCell | Tag::FootnoteDefinition(_))
}

fn is_block_end(tag: TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::TableCell | TagEnd::FootnoteDefinition
    )
}

/// The quotations that were found, and what the next ones depend on.
#[derive(Default)]
struct QuotationList {
    words_min: usize,
    found: Vec<QuotedText>,
    paragraph: QuotedParagraph,
    /// Block quotes around the paragraph: those of Markdown or plain text, and elements of HTML.
    block_quotes: usize,
    block_elements: usize,
    before: BlockQuoteBefore,
}

/// The paragraphs of block quotes before a paragraph, with nothing else between.
#[derive(Default)]
struct BlockQuoteBefore {
    has_words: bool,
    has_dash: bool,
    /// Whether the last of them is in the same block quote.
    is_same: bool,
    /// Of the last of them, if its last line was taken for the source: how many quotations there were before it, and all
    /// of it.
    with_source: Option<(usize, QuotedText)>,
}

impl QuotationList {
    /// Ends the paragraph, and lists its quotations.
    fn end_paragraph(&mut self) {
        let paragraph = take(&mut self.paragraph);
        if paragraph.text.text.trim().is_empty() {
            return;
        }
        if self.block_quotes + self.block_elements > 0 {
            return self.end_of_block_quote(&paragraph);
        }
        self.before = BlockQuoteBefore::default();
        for bytes in quoted(&paragraph.text.text, &paragraph.code) {
            if count_words(&paragraph.text.text[bytes.clone()]) >= self.words_min.max(1) {
                self.found.push(paragraph.quotation(bytes));
            }
        }
    }

    /// Ends the paragraph where a block quote begins or ends.
    fn end_block(&mut self) {
        self.end_paragraph();
        self.before.is_same = false;
    }

    /// The source of a block quote, in its last line behind a dash, is not quoted. Dialogues and lists have dashes too, so
    /// that a line before or behind it with a dash, or more of the block quote, shows that it is none.
    fn end_of_block_quote(&mut self, paragraph: &QuotedParagraph) {
        let text = &paragraph.text.text;
        let whole = text.trim();
        if let Some((count, with_source)) = self.before.with_source.take() {
            if self.before.is_same || begins_with_dash(whole) {
                self.found.truncate(count);
                self.found.push(with_source);
                self.before.has_dash = true;
            } else {
                self.before = BlockQuoteBefore::default();
            }
        }
        let count = self.found.len();
        let (lines, last) = whole.split_at(whole.rfind('\n').map_or(0, |end| end + 1));
        let has_source = (self.before.has_words || count_words(lines) > 0)
            && !self.before.has_dash
            && !lines.lines().any(begins_with_dash)
            && is_source(last);
        let quotation = if has_source { lines } else { whole };
        if count_words(quotation) > 0 {
            self.found.push(paragraph.quotation(without_marks(text, bounds(text, quotation))));
        }
        if has_source {
            self.before.with_source = Some((count, paragraph.quotation(bounds(text, whole))));
        }
        self.before.has_words |= count_words(lines) > 0 || !has_source;
        self.before.has_dash |= !has_source && whole.lines().any(begins_with_dash);
        self.before.is_same = true;
    }

    fn push_html(&mut self, html: &MappedText) {
        each_piece(&html.text, &mut |piece, bytes| {
            let source = || html.source(bytes.start).start..html.source(bytes.end - 1).end;
            match piece {
                HtmlPiece::Text => self.paragraph.text.push_part(html, bytes),
                HtmlPiece::Entity(characters) => self.paragraph.text.push_as(&characters, source()),
                HtmlPiece::Open("q") => self.paragraph.text.push_as("“", source()),
                HtmlPiece::Close("q") => self.paragraph.text.push_as("”", source()),
                HtmlPiece::Open("br") => self.paragraph.text.push_as("\n", source()),
                HtmlPiece::Open("code") => self.paragraph.code_start = Some(self.paragraph.text.text.len()),
                HtmlPiece::Close("code") => self.paragraph.end_code(),
                HtmlPiece::Open("blockquote") => {
                    self.end_block();
                    self.block_elements += 1;
                }
                HtmlPiece::Close("blockquote") => {
                    self.end_block();
                    self.block_elements = self.block_elements.saturating_sub(1);
                }
                HtmlPiece::Open(name) | HtmlPiece::Close(name) if is_block_element(name) => self.end_paragraph(),
                _ => {}
            }
        });
    }
}

/// A paragraph, and what of it is code.
#[derive(Default)]
struct QuotedParagraph {
    text: MappedText,
    /// Bytes of the text that are code.
    code: Vec<Range<usize>>,
    /// Where an element of HTML with code began.
    code_start: Option<usize>,
}

impl QuotedParagraph {
    fn push_code(&mut self, piece: &str, source: Range<usize>) {
        self.code_start = Some(self.text.text.len());
        self.text.push_as(piece, source);
        self.end_code();
    }

    fn end_code(&mut self) {
        self.code.extend(self.code_start.take().map(|start| start..self.text.text.len()));
    }

    fn quotation(&self, bytes: Range<usize>) -> QuotedText {
        let text = self.text.text[bytes].trim();
        let bytes = bounds(&self.text.text, text);
        let source = self.text.source(bytes.start).start..self.text.source(bytes.end.saturating_sub(1)).end;
        QuotedText { text: text.to_owned(), bytes: source.start..source.end.max(source.start) }
    }
}

/// A text with a map to the source.
#[derive(Default)]
struct MappedText {
    text: String,
    /// Where pieces begin in the text, and their bytes in the source.
    pieces: Vec<(usize, Range<usize>)>,
}

impl MappedText {
    fn push(&mut self, piece: &str, source: usize) {
        self.push_as(piece, source..source + piece.len());
    }

    fn push_as(&mut self, piece: &str, source: Range<usize>) {
        self.pieces.push((self.text.len(), source));
        self.text.push_str(piece);
    }

    /// Text that is not the source, such as an entity, has its bytes as a whole.
    fn push_event(&mut self, piece: &str, bytes: Range<usize>, source: &str) {
        if source[bytes.clone()] == *piece {
            self.push(piece, bytes.start);
        } else {
            self.push_as(piece, bytes);
        }
    }

    /// Pushes some bytes of another text.
    fn push_part(&mut self, other: &Self, bytes: Range<usize>) {
        let mut at = bytes.start;
        while at < bytes.end {
            let next = other.pieces.partition_point(|(start, _)| *start <= at);
            let end = other.pieces.get(next).map_or(bytes.end, |(start, _)| bytes.end.min(*start));
            self.push_as(&other.text[at..end], other.source(at).start..other.source(end - 1).end);
            at = end;
        }
    }

    /// The bytes of the source of the character that has a byte of the text.
    fn source(&self, byte: usize) -> Range<usize> {
        let Some(index) = self.pieces.partition_point(|(start, _)| *start <= byte).checked_sub(1) else { return 0..0 };
        let (start, source) = &self.pieces[index];
        let end = self.pieces.get(index + 1).map_or(self.text.len(), |(next, _)| *next);
        if end - start != source.len() {
            return source.clone();
        }
        source.start + byte - start..source.start + byte - start + 1
    }
}

/// Where a part of a text is.
fn bounds(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

fn begins_with_dash(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['—', '–', '―']) || line.starts_with("--")
}

/// Whether a text may be nothing but the source of what is before it: `— the contract, page 4`. What may be a sentence is
/// none.
fn is_source(text: &str) -> bool {
    begins_with_dash(text) && !text.trim().contains('\n') && !has_sentence(text)
}

/// Whether a sentence may end in a text, or a verb such as `shall` is in it.
fn has_sentence(text: &str) -> bool {
    let mut words = text.split_whitespace().map(|word| word.trim_matches(is_mark_beside)).peekable();
    while let Some(word) = words.next() {
        let next = words.peek();
        let ends = match word.strip_suffix('.') {
            Some(word) => next.is_none_or(|next| next.starts_with(char::is_uppercase) && is_last_word(word)),
            None => word.ends_with(['!', '?', '…']) || word.contains(['。', '！', '？', '؟', '।']),
        };
        if ends || is_modal(word.trim_end_matches([',', ';', ':'])) {
            return true;
        }
    }
    false
}

/// Whether a character may stand around a word or a sentence.
fn is_mark_beside(c: char) -> bool {
    is_quotation_mark(c) || matches!(c, '(' | ')' | '[' | ']')
}

/// A block quote without marks around all of it, or around all but its source.
fn without_marks(text: &str, bytes: Range<usize>) -> Range<usize> {
    let part = text[bytes].trim();
    let own = bounds(text, part);
    match quoted(part, &[]).as_slice() {
        [only] if part[..only.start].chars().count() == 1 && is_behind_marks(&part[only.end..]) => {
            own.start + only.start..own.start + only.end
        }
        _ => own,
    }
}

/// Whether a text is a closing mark, and nothing or the source of what is before it: a line behind a dash, brackets such as
/// `(Contract, p. 4)` or `[1][2]`, the number of a note.
fn is_behind_marks(text: &str) -> bool {
    let mut rest = text.chars();
    rest.next();
    let behind = rest.as_str();
    let source = behind.trim_start_matches(['.', ',']).trim();
    let in_brackets = source.trim_end_matches(['.', ',', ';']);
    let is_in = |open: char, close: char| {
        let inner = in_brackets.strip_prefix(open).and_then(|inner| inner.strip_suffix(close));
        inner.is_some_and(|inner| {
            !inner.contains(char::is_alphabetic) || !(inner.contains(close) || has_sentence(inner))
        })
    };
    behind.chars().count() <= 1
        || behind.chars().all(char::is_numeric)
        || is_source(source)
        || is_in('(', ')')
        || is_in('[', ']')
}

/// The words of a text; two characters of a script without spaces count as one.
fn count_words(text: &str) -> usize {
    let unspaced = text.chars().filter(|&c| is_unspaced(c)).count();
    let words = text.split(|c: char| c.is_whitespace() || is_unspaced(c));
    words.filter(|word| word.contains(char::is_alphanumeric)).count() + unspaced.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, words_min: usize, is_markdown: bool, expected: &[&str]) {
        let found =
            if is_markdown { quotations_of_markdown(text, words_min) } else { quotations_of_text(text, words_min) };
        let texts: Vec<&str> = found.iter().map(|quoted| quoted.text.as_str()).collect();
        assert_eq!(texts, expected, "{text:?}");
        for quoted in &found {
            assert!(text.get(quoted.bytes.clone()).is_some(), "{quoted:?}");
            if !is_markdown {
                let there: String = text[quoted.bytes.clone()].chars().filter(|&c| c != '>').collect();
                let squeezed = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!(squeezed(&there), squeezed(&quoted.text));
            }
        }
    }

    #[test]
    fn marks_of_all_languages_quote() {
        for (text, expected) in [
            ("It says \"one two three\" here.", &["one two three"][..]),
            ("“one ‘two three four’ five”", &["one ‘two three four’ five"]),
            (
                "„eins zwei drei“ und »vier fünf sechs« und ‚sieben acht neun‘",
                &["eins zwei drei", "vier fünf sechs", "sieben acht neun"],
            ),
            ("« un deux trois » et «\u{a0}quatre cinq six\u{a0}»", &["un deux trois", "quatre cinq six"]),
            ("”ett två tre” ja ‘one two three’", &["ett två tre", "one two three"]),
            ("他说「这是一个测试」和『今天天气很好』。", &["这是一个测试", "今天天气很好"]),
            ("قال «هذا نص طويل» ثم \"نص آخر هنا\"", &["هذا نص طويل", "نص آخر هنا"]),
            ("The parties' rights, the sellers' duties and it's don't", &[]),
            ("In the '90s and by the parties' rights, ’80s music of the sellers’ time", &[]),
            ("'90 days of it' and '30s or 40s maybe' then", &["90 days of it"]),
            ("a 5\" pipe and 6\" pipe of the 'so-called' kind", &[]),
            ("He said \"one two three.\" 'Four five six' too", &["one two three.", "Four five six"]),
            ("“one two three\n\n“four five six”", &["one two three", "four five six"]),
            ("stray \" mark one two three\n\nnext \"a b c\"", &["a b c"]),
            ("the \"Company\" and \"so called\"", &[]),
            ("“one “two three” four five” six", &["one “two three” four five"]),
            ("> one two three\n> four five\n\n> — the contract", &["one two three\nfour five"]),
        ] {
            check(text, 3, false, expected);
        }
        check("the \"Company\" and 'it'", 1, false, &["Company", "it"]);
    }

    #[test]
    fn markdown_quotes_but_not_in_code() {
        for (text, expected) in [
            ("He said **\"one *two* three\"** and `\"four five six\"`.", &["one two three"][..]),
            (
                "```\n\"one two three\"\n```\n\n    \"four five six\"\n\n&quot;seven eight nine&quot;",
                &["seven eight nine"],
            ),
            ("> “one two three”\n> — p. 4\n\ntext", &["one two three"]),
            (
                "> one two\n>\n> three four\n\n> [!NOTE]\n> \"five six seven\" is said",
                &["one two", "three four", "five six seven"],
            ),
            (
                "- \"one two three\n- four\" five\n\n| \"a b c\" | d |\n|---|---|\n| \"e f g\" | h |",
                &["a b c", "e f g"],
            ),
            ("\"one two\nthree\" and [\"four five six\"](x)", &["one two\nthree", "four five six"]),
        ] {
            check(text, 3, true, expected);
        }
    }

    #[test]
    fn the_source_of_a_block_quote_is_not_quoted_but_all_else_is() {
        for (text, expected) in [
            ("> The seller pays.\n> -- The contract, p. 4", &["The seller pays."][..]),
            ("> The seller pays.\n>\n> — J. R. Smith", &["The seller pays."]),
            ("> a b c\n> — Smith\n\n> d e f\n>\n> — Jones\n\ntext", &["a b c", "d e f"]),
            ("> a b c\n\n> — Smith\n\n> d e f\n\n> — Jones", &["a b c", "d e f"]),
            ("> a b c\n> -- The buyer burns it.", &["a b c\n-- The buyer burns it."]),
            ("> a b c\n> -- the buyer may burn it", &["a b c\n-- the buyer may burn it"]),
            ("> a b c\n> -- Smith. The buyer burns it", &["a b c\n-- Smith. The buyer burns it"]),
            ("> — Oui, dit le pape.\n> — Non, dit la lune", &["— Oui, dit le pape.\n— Non, dit la lune"]),
            ("> — Oui\n>\n> — Non", &["— Oui", "— Non"]),
            ("> Il entra.\n>\n> — Oui\n>\n> — Non", &["Il entra.", "— Oui", "— Non"]),
            ("> Il entra.\n> — Oui\n>\n> Il sortit.", &["Il entra.\n— Oui", "Il sortit."]),
            ("> Il entra.\n\n> — Oui\n\n> — Non", &["Il entra.", "— Oui", "— Non"]),
            ("text\n\n> — Oui", &["— Oui"]),
            ("> \"The seller pays.\" — Contract", &["The seller pays."]),
            ("> \"The seller pays\". (Contract, p. 4).", &["The seller pays"]),
            ("> “The seller pays.” \\[1]\\[2]", &["The seller pays."]),
            ("> \"The seller pays.\"¹²", &["The seller pays."]),
            ("> \"The seller pays.\" — the buyer may burn it", &["\"The seller pays.\" — the buyer may burn it"]),
            ("> \"The seller pays.\" (It burns. He pays)", &["\"The seller pays.\" (It burns. He pays)"]),
            ("> \"The seller pays.\" (4) and burns (it)", &["\"The seller pays.\" (4) and burns (it)"]),
            ("> \"The seller pays\" 30", &["\"The seller pays\" 30"]),
        ] {
            check(text, 3, true, expected);
            check(&text.replace('\\', ""), 3, false, expected);
        }
    }

    #[test]
    fn numbers_of_notes_follow_marks() {
        for (text, expected) in [
            ("\"one two three\"¹ and “four five six”1 and 'seven eight nine'2, ‘ten eleven twelve’³", 4),
            ("\"one two three.\"12 and \"within 30\"¹ or \"four five six\"<sup>1</sup>", 3),
            ("a 5\"2 pipe and a 6\"3 pipe of the 'so-called' kind", 0),
            ("\"the term (\"30 days\") ends\"", 1),
        ] {
            assert_eq!(quotations_of_markdown(text, 2).len(), expected, "{text:?}");
        }
    }

    #[test]
    fn html_within_markdown_quotes() {
        for (text, expected) in [
            ("<div>He says \"one two three\"</div>\n\n\"four five six\"", &["one two three", "four five six"][..]),
            ("<blockquote>one <b>two</b><br>three<footer>— Smith</footer></blockquote>\nx", &["one two\nthree"]),
            ("<blockquote>\n\none *two*\n\n</blockquote>\n\nthree four five", &["one two"]),
            ("> <div class=\"a b c > d\">one\n> two &amp; three</div>", &["one\ntwo & three"]),
            ("<p>&ldquo;one two three&rdquo; <q>four five six</q> &bogus; & < 5", &["one two three", "four five six"]),
            ("say <q>one two three</q> <span title='\"d e f\"'>\"g h i\"</span>", &["one two three", "g h i"]),
            ("<p>R & D <q>one two three</q>; a <code>& \"d e f\"</code>; x", &["one two three"]),
            ("<table><tr><td>\"a b c</td><td>d\" e</td></table>", &[]),
            ("<!-- \"a b c\" --> <p><code>\"d e f\"</code> \"g h i\"", &["g h i"]),
            ("<p><code>\"d e f\"\n\nx <!-- \"g h i\" y", &["d e f", "g h i"]),
        ] {
            check(text, 3, true, expected);
        }
        let text = "<div>\nsay &quot;one <i>two</i>\nthree&quot;</div>";
        let found = quotations_of_markdown(text, 3).remove(0);
        assert_eq!(&text[found.bytes], "one <i>two</i>\nthree");
        // Time is linear in HTML that ends nothing.
        for hostile in ["<!--", "<a \"", "<a \">\" ", "<a '", "</", "&amp", "<code>", "<blockquote>"] {
            quotations_of_markdown(&format!("<p>{}", hostile.repeat(200_000)), 3);
        }
    }

    #[test]
    fn places_are_those_of_the_source() {
        let text = "A &amp; B “one **two** &amp; three” c";
        let found = quotations_of_markdown(text, 3);
        assert_eq!(
            (found[0].text.as_str(), &text[found[0].bytes.clone()]),
            ("one two & three", "one **two** &amp; three")
        );
    }
}
