//! The quotations in a text or in Markdown: what stands between quotation marks, and block quotes.

use std::ops::Range;

use pulldown_cmark::{BlockQuoteKind, Event, Options, Parser, Tag, TagEnd};

use crate::fold::is_unspaced;

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
    let mut found = Vec::new();
    let mut paragraph = QuotedParagraph::default();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let bare = line.trim_start();
        let is_block = bare.starts_with('>');
        if bare.trim().is_empty() || is_block != paragraph.is_block_quote {
            paragraph.end(words_min, &mut found);
            paragraph.is_block_quote = is_block;
        }
        let inner = if is_block { bare.trim_start_matches(['>', ' ']) } else { line };
        if inner.trim().is_empty() {
            paragraph.end(words_min, &mut found);
        }
        paragraph.push(inner, start + line.len() - inner.len());
    }
    paragraph.end(words_min, &mut found);
    found
}

/// The quotations of a text in Markdown, not those in code.
///
/// - `words_min`: quotations of fewer words are left out, but for block quotes
pub fn quotations_of_markdown(text: &str, words_min: usize) -> Vec<QuotedText> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_GFM;
    let (mut found, mut paragraph) = (Vec::new(), QuotedParagraph::default());
    let (mut block_quotes, mut notes): (usize, usize) = (0, 0);
    let mut is_code = false;
    for (event, bytes) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::BlockQuote(kind)) => {
                paragraph.end(words_min, &mut found);
                (block_quotes, notes) = (block_quotes + 1, notes + usize::from(is_alert(kind)));
            }
            Event::End(TagEnd::BlockQuote(kind)) => {
                paragraph.end(words_min, &mut found);
                (block_quotes, notes) = (block_quotes - 1, notes - usize::from(is_alert(kind)));
            }
            Event::Start(Tag::CodeBlock(_)) => is_code = true,
            Event::End(TagEnd::CodeBlock) => is_code = false,
            Event::Start(tag) if is_block(&tag) => paragraph.end(words_min, &mut found),
            Event::End(tag) if is_block_end(tag) => paragraph.end(words_min, &mut found),
            Event::Text(piece) if !is_code => {
                // Text that is not the source, such as an entity, has its bytes as a whole.
                if text[bytes.clone()] == *piece {
                    paragraph.push(&piece, bytes.start);
                } else {
                    paragraph.push_as(&piece, bytes);
                }
            }
            Event::Code(piece) => paragraph.push_code(&piece, bytes),
            Event::SoftBreak | Event::HardBreak => paragraph.push_as("\n", bytes),
            _ => {}
        }
        paragraph.is_block_quote = block_quotes > notes;
    }
    paragraph.end(words_min, &mut found);
    found
}

fn is_alert(kind: Option<BlockQuoteKind>) -> bool {
    kind.is_some()
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

/// The text of a paragraph, with a map to the source.
#[derive(Default)]
struct QuotedParagraph {
    text: String,
    /// Where pieces begin in the text, and their bytes in the source.
    pieces: Vec<(usize, Range<usize>)>,
    /// Bytes of the text that are code.
    code: Vec<Range<usize>>,
    is_block_quote: bool,
}

/// What a mark opens and what closes it.
struct Pair {
    open: char,
    close: &'static [char],
}

/// Marks by what opens a quotation. `'` and `’` are apostrophes too, and are looked at more closely.
const PAIRS: [Pair; 17] = [
    Pair { open: '"', close: &['"'] },
    Pair { open: '“', close: &['”'] },
    Pair { open: '„', close: &['“', '”', '‟'] },
    Pair { open: '‟', close: &['”'] },
    Pair { open: '”', close: &['”'] },
    Pair { open: '«', close: &['»'] },
    Pair { open: '»', close: &['«', '»'] },
    Pair { open: '‹', close: &['›'] },
    Pair { open: '›', close: &['‹', '›'] },
    Pair { open: '‘', close: &['’'] },
    Pair { open: '‚', close: &['‘', '’'] },
    Pair { open: '\'', close: &['\''] },
    Pair { open: '「', close: &['」'] },
    Pair { open: '『', close: &['』'] },
    Pair { open: '〝', close: &['〞', '〟'] },
    Pair { open: '＂', close: &['＂'] },
    Pair { open: '｢', close: &['｣'] },
];

impl QuotedParagraph {
    fn push(&mut self, piece: &str, source: usize) {
        self.push_as(piece, source..source + piece.len());
    }

    fn push_as(&mut self, piece: &str, source: Range<usize>) {
        self.pieces.push((self.text.len(), source));
        self.text.push_str(piece);
    }

    fn push_code(&mut self, piece: &str, source: Range<usize>) {
        let start = self.text.len();
        self.push_as(piece, source);
        self.code.push(start..self.text.len());
    }

    /// Ends the paragraph, and lists its quotations.
    fn end(&mut self, words_min: usize, found: &mut Vec<QuotedText>) {
        let whole = self.text.trim();
        if self.is_block_quote {
            let is_source = whole.starts_with(['—', '–', '―']) || whole.starts_with("--");
            let mut bytes = bounds(&self.text, whole);
            if let Some(source) = source_line(whole) {
                bytes.end = bytes.start + source;
            }
            if !is_source && count_words(&self.text[bytes.clone()]) > 0 {
                self.add(without_marks(&self.text, bytes), found);
            }
        } else {
            for bytes in quoted(&self.text, &self.code) {
                if count_words(&self.text[bytes.clone()]) >= words_min.max(1) {
                    self.add(bytes, found);
                }
            }
        }
        *self = Self { is_block_quote: self.is_block_quote, ..Self::default() };
    }

    fn add(&self, bytes: Range<usize>, found: &mut Vec<QuotedText>) {
        let text = &self.text[bytes.clone()];
        let bytes = bounds(&self.text, text.trim());
        let source = self.source(bytes.start).start..self.source(bytes.end.saturating_sub(1)).end;
        found.push(QuotedText { text: text.trim().to_owned(), bytes: source.start..source.end.max(source.start) });
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

/// Where the last line of a block quote begins, if it names the source: `— the contract, page 4`.
fn source_line(text: &str) -> Option<usize> {
    let start = text.rfind('\n')? + 1;
    let line = text[start..].trim_start();
    (line.starts_with(['—', '–', '―']) || line.starts_with("--")).then_some(start)
}

/// A block quote without marks around all of it.
fn without_marks(text: &str, bytes: Range<usize>) -> Range<usize> {
    let part = text[bytes].trim();
    let own = bounds(text, part);
    match quoted(part, &[]).as_slice() {
        [only] => {
            let before = part[..only.start].chars().count();
            let behind = part[only.end..].chars().count();
            if before == 1 && behind <= 1 { own.start + only.start..own.start + only.end } else { own }
        }
        _ => own,
    }
}

/// What stands between marks in a paragraph, the outer ones of several.
fn quoted(text: &str, code: &[Range<usize>]) -> Vec<Range<usize>> {
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let in_code = |byte: usize| {
        let index = code.partition_point(|code| code.end <= byte);
        code.get(index).is_some_and(|code| code.contains(&byte))
    };
    let closings = Closings::new(&characters, &in_code);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < characters.len() {
        let (byte, c) = characters[at];
        let pair = PAIRS.iter().find(|pair| pair.open == c).filter(|_| !in_code(byte) && opens(&characters, at));
        let Some(pair) = pair else {
            at += 1;
            continue;
        };
        let start = byte + c.len_utf8();
        match closings.behind(at, pair, &characters) {
            Some(end) => {
                found.push(start..characters[end].0);
                at = end + 1;
            }
            // A mark that only opens quotes to the end of the paragraph.
            None if matches!(c, '“' | '„' | '«' | '「' | '『') => {
                found.push(start..text.len());
                break;
            }
            None => at += 1,
        }
    }
    found
}

/// Where marks close, so that each search is short.
struct Closings {
    /// Of each mark, indices of characters, in their order.
    of: Vec<(char, Vec<usize>)>,
}

impl Closings {
    fn new(characters: &[(usize, char)], in_code: &dyn Fn(usize) -> bool) -> Self {
        let mut of: Vec<(char, Vec<usize>)> = Vec::new();
        for close in PAIRS.iter().flat_map(|pair| pair.close) {
            if !of.iter().any(|(known, _)| known == close) {
                of.push((*close, Vec::new()));
            }
        }
        for (index, &(byte, c)) in characters.iter().enumerate() {
            if let Some((_, places)) = of.iter_mut().find(|(close, _)| *close == c)
                && !in_code(byte)
                && closes(characters, index)
            {
                places.push(index);
            }
        }
        Self { of }
    }

    /// The mark that closes what a mark opens. Within it, the same mark may open and close again.
    fn behind(&self, at: usize, pair: &Pair, characters: &[(usize, char)]) -> Option<usize> {
        let next = |from: usize| {
            let places = pair.close.iter().filter_map(|close| {
                let (_, places) = self.of.iter().find(|(known, _)| known == close)?;
                places.get(places.partition_point(|&place| place < from)).copied()
            });
            places.min()
        };
        let mut end = next(at + 1)?;
        let (mut from, mut depth) = (at + 1, 0usize);
        // Marks that open and close differently may stand in each other.
        while !pair.close.contains(&pair.open) && depth < 4 {
            let inner = characters[from..end].iter().filter(|(_, c)| *c == pair.open).count();
            if inner == 0 {
                break;
            }
            let Some(further) = next(end + 1) else { break };
            (from, end, depth) = (end + 1, further, depth + 1);
        }
        Some(end)
    }
}

/// Whether a mark may open a quotation: no letter is before it, and no white space behind it, nor a decade, as in `'90s`.
fn opens(characters: &[(usize, char)], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| characters[before].1);
    let behind = characters.get(at + 1).map(|next| next.1);
    let mark = characters[at].1;
    if matches!(mark, '「' | '『' | '〝' | '｢' | '«' | '„' | '‚') {
        return true; // French puts spaces inside
    }
    let rest = &characters[(at + 1).min(characters.len())..];
    if matches!(mark, '\'' | '‘' | '’') && is_decade(rest) {
        return false;
    }
    let is_free = before.is_none_or(|c| !c.is_alphanumeric() || is_unspaced(c));
    is_free && behind.is_some_and(|c| !c.is_whitespace() || (mark == '»' && c == '\u{a0}'))
}

/// Whether a text begins with a decade without its century: `90s`.
fn is_decade(rest: &[(usize, char)]) -> bool {
    let is = |at: usize, of: fn(&char) -> bool| rest.get(at).is_some_and(|(_, c)| of(c));
    is(0, char::is_ascii_digit) && is(1, |c| *c == '0') && is(2, |c| *c == 's') && !is(3, |c| c.is_alphanumeric())
}

/// Whether a mark may close one: no letter is behind it, and it is no apostrophe.
fn closes(characters: &[(usize, char)], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| characters[before].1);
    let behind = characters.get(at + 1).map(|next| next.1);
    match characters[at].1 {
        '"' | '\'' | '’' | '‘' | '＂' => {
            before.is_some_and(|c| !c.is_whitespace()) && behind.is_none_or(|c| !c.is_alphanumeric() || is_unspaced(c))
        }
        _ => true,
    }
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
    fn places_are_those_of_the_source() {
        let text = "A &amp; B “one **two** &amp; three” c";
        let found = quotations_of_markdown(text, 3);
        assert_eq!(
            (found[0].text.as_str(), &text[found[0].bytes.clone()]),
            ("one two & three", "one **two** &amp; three")
        );
    }
}
