//! HTML as a sequence of tags and texts, each text with the bytes of the source that it was made of.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use html5gum::{DefaultEmitter, Emitter, Error, ForwardingEmitter, HtmlString, Spanned, State, Token, Tokenizer};

/// The attributes of a tag.
#[derive(Debug, Default)]
pub(crate) struct Attributes(BTreeMap<HtmlString, Spanned<HtmlString, usize>>);

impl Attributes {
    /// One attribute.
    pub fn of(name: &str, value: String) -> Self {
        Self(BTreeMap::from([(name.as_bytes().to_vec().into(), value.into_bytes().into())]))
    }

    /// These and another one.
    pub fn with(mut self, name: &str, value: String) -> Self {
        self.0.insert(name.as_bytes().to_vec().into(), value.into_bytes().into());
        self
    }

    /// The value of an attribute, which is empty if it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name.as_bytes()).map(|value| str::from_utf8(value).unwrap_or_default())
    }

    /// The value of a property in the attribute `style`.
    pub fn style(&self, property: &str) -> Option<&str> {
        let rules = self.get("style")?.split(';').filter_map(|rule| rule.split_once(':'));
        let mut values = rules.filter(|(name, _)| name.trim().eq_ignore_ascii_case(property)).map(|(_, value)| value);
        values.next_back().map(str::trim)
    }
}

/// A part of HTML. Names are in lower case.
#[derive(Debug)]
pub(crate) enum HtmlPart<'a> {
    Start {
        name: &'a str,
        attributes: Attributes,
        /// Whether it ends with `/>`.
        is_closed: bool,
    },
    End(&'a str),
    /// With its place in the source. If that has as many bytes, they are the same ones, or a carriage return for a line feed.
    Text(&'a str, Range<usize>),
    /// What stands in `<!--` and `-->`, or in `<` and `>` of an XML declaration.
    Comment(&'a str),
    /// What this is has no end, and all that follows stands in it. It is the last part.
    Endless(&'static str),
}

/// Gives the parts of a page in their order to `each`, until it returns false.
///
/// - `is_xml`: whether `<a/>` is a whole element and CDATA sections are text, as in XHTML
pub(crate) fn parts(html: &str, is_xml: bool, mut each: impl FnMut(HtmlPart<'_>) -> bool) {
    let pieces = Rc::new(RefCell::new(Vec::new()));
    let mut inner = DefaultEmitter::new_with_span();
    inner.naively_switch_states(true);
    let endless = Rc::new(Cell::new(None));
    let emitter =
        Pieces { inner, position: 0, pieces: pieces.clone(), endless: endless.clone(), is_xml, is_closed: false };
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token; // a string has no errors of reading
        let goes_on = match token {
            Token::StartTag(tag) => each(HtmlPart::Start {
                name: name(&tag.name),
                attributes: Attributes(tag.attributes),
                is_closed: tag.self_closing,
            }),
            Token::EndTag(tag) => each(HtmlPart::End(name(&tag.name))),
            Token::String(text) => texts(html, &text, text.span.start..text.span.end, &pieces.take(), |text, at| {
                each(HtmlPart::Text(text, at))
            }),
            Token::Comment(comment) => {
                if comment.span.end >= html.len() && !html.ends_with('>') {
                    endless.set(Some("a comment"));
                }
                each(HtmlPart::Comment(&String::from_utf8_lossy(&comment)))
            }
            Token::Doctype(_) | Token::Error(_) => true,
        };
        if !goes_on {
            return;
        }
    }
    if let Some(what) = endless.get() {
        each(HtmlPart::Endless(what));
    }
}

fn name(name: &[u8]) -> &str {
    str::from_utf8(name).unwrap_or_default()
}

/// A part of a text as the tokenizer found it: a stretch of the source, or a character that stands there as an entity.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Its bytes.
    bytes: usize,
    /// Where it ends in the source.
    end: usize,
}

/// Gives a text in its pieces.
fn texts(
    html: &str,
    text: &[u8],
    at: Range<usize>,
    pieces: &[Piece],
    mut each: impl FnMut(&str, Range<usize>) -> bool,
) -> bool {
    let mut goes_on = true;
    let (mut done, mut from) = (0, at.start);
    let whole: usize = pieces.iter().map(|piece| piece.bytes).sum();
    if whole != text.len() {
        return each(&String::from_utf8_lossy(text), at);
    }
    for piece in pieces {
        let part = &text[done..done + piece.bytes];
        let source = html.as_bytes().get(from..piece.end).unwrap_or_default();
        // The line feed behind a carriage return is dropped: then the piece is the end of its source.
        let from_end = if source.ends_with(part) { piece.end - part.len() } else { from };
        match str::from_utf8(part) {
            Ok(part) => goes_on &= each(part, from_end..piece.end.max(from_end)),
            Err(_) => return each(&String::from_utf8_lossy(&text[done..]), from..at.end.max(from)),
        }
        (done, from) = (done + piece.bytes, piece.end);
    }
    goes_on
}

/// The emitter of whole tokens, which also notes the pieces of texts.
struct Pieces {
    inner: DefaultEmitter<usize>,
    position: usize,
    /// Those of the text that comes next.
    pieces: Rc<RefCell<Vec<Piece>>>,
    /// What has no end.
    endless: Rc<Cell<Option<&'static str>>>,
    is_xml: bool,
    /// Whether the tag that is read ends with `/>`.
    is_closed: bool,
}

impl ForwardingEmitter for Pieces {
    type Token = Token<usize>;

    fn inner(&mut self) -> &mut impl Emitter<Token = Self::Token> {
        &mut self.inner
    }

    fn move_position(&mut self, offset: isize) {
        self.position = self.position.saturating_add_signed(offset);
        Emitter::move_position(&mut self.inner, offset);
    }

    fn emit_string(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.pieces.borrow_mut().push(Piece { bytes: text.len(), end: self.position });
        }
        Emitter::emit_string(&mut self.inner, text);
    }

    /// Other errors lose no text.
    fn emit_error(&mut self, error: Error) {
        let what = match error {
            Error::EofInComment => "a comment",
            Error::EofInTag => "a tag",
            Error::EofInDoctype => "a document type",
            _ => return,
        };
        self.endless.set(Some(what));
    }

    fn init_start_tag(&mut self) {
        self.is_closed = false;
        Emitter::init_start_tag(&mut self.inner);
    }

    fn set_self_closing(&mut self) {
        self.is_closed = true;
        Emitter::set_self_closing(&mut self.inner);
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        let next = Emitter::emit_current_tag(&mut self.inner);
        next.filter(|_| !(self.is_xml && self.is_closed))
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.is_xml
    }
}
