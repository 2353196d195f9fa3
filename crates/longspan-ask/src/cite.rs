//! Quotations checked against documents: each with its status and its places over all documents.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use longspan_cite::{
    CitationCheck, CiteError, Edit, Finding, PASSAGES_MAX, QuotationFault, QuotedText, Reason, TEXT_BYTES_MAX,
    TextLayout, quotations_of_markdown, quotations_of_text,
};

use crate::{BlockKind, Content, Format, PageBox, Place, Warning};

/// Bytes of documents, with their maps, that are kept until all were searched for the quotations themselves: what comes nearest
/// is looked for only where no document has a quotation.
const WAITING_BYTES_MAX: usize = 1 << 26;
/// So many pages of one name are looked at.
const SAME_NAME_MAX: usize = 16;

/// A quotation that is to be checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GivenQuotation {
    /// What its author calls it.
    pub id: String,
    /// The words, without marks around them.
    pub quote: String,
    /// Where it stands in the text that quotes, in characters.
    pub characters: Option<Range<usize>>,
    /// The document that it is said to be from: a path, a file name, or that without its extension.
    pub document: Option<String>,
    /// The page that it is said to be on: its number, or what is printed for it.
    pub page: Option<String>,
}

impl GivenQuotation {
    /// A quotation of which nothing more is known.
    pub fn new(id: impl Into<String>, quote: impl Into<String>) -> Self {
        Self { id: id.into(), quote: quote.into(), ..Self::default() }
    }

    /// The quotations of a plain text of at least so many words, numbered from 1, with their places in it.
    pub fn of_text(text: &str, words_min: usize) -> Vec<Self> {
        Self::numbered(text, quotations_of_text(text, words_min))
    }

    /// The same of a text in Markdown: its block quotes are quotations too, its code is not searched.
    pub fn of_markdown(text: &str, words_min: usize) -> Vec<Self> {
        Self::numbered(text, quotations_of_markdown(text, words_min))
    }

    fn numbered(text: &str, found: Vec<QuotedText>) -> Vec<Self> {
        let content = Content::plain(text);
        let given = (1usize..).zip(found).map(|(number, QuotedText { text, bytes, .. })| {
            let characters = Some(content.place(bytes).characters);
            Self { characters, ..Self::new(number.to_string(), text) }
        });
        given.collect()
    }
}

/// What is known of a quotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CitationStatus {
    /// A document has it, letter for letter.
    Exact,
    /// A document has it in another form: what differs is named.
    Normalised,
    /// A passage is surely meant, and the quotation changes it. Everything was read, or all of the document that the author
    /// named, which has the passage.
    Altered,
    /// Everything was read, and no document has it.
    NotFound,
    /// No document has it that was read, and something was not read; or it cannot be looked for.
    Unchecked,
}

impl CitationStatus {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [Self::Exact, Self::Normalised, Self::Altered, Self::NotFound, Self::Unchecked];

    /// Its name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Normalised => "normalised",
            Self::Altered => "altered",
            Self::NotFound => "not_found",
            Self::Unchecked => "unchecked",
        }
    }
}

/// A passage of a document.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CitedPassage {
    /// Name of the document.
    pub document: String,
    /// The id of the document, if it has one.
    pub document_id: Option<Arc<str>>,
    /// The format that it was read from.
    pub format: Format,
    /// The passage, as it stands in the text of the document.
    pub text: String,
    /// Where it is.
    pub place: Place,
    /// Where it is printed.
    pub boxes: Vec<PageBox>,
    /// In what the quotation differs from it in form; none if it is the same letter for letter.
    pub reasons: Vec<Reason>,
    /// Whether it is in the document and, some of it at least, on the page that the author named; `None` if none was named.
    pub is_where_named: Option<bool>,
}

/// A quotation with what is known of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Citation {
    /// The quotation.
    pub given: GivenQuotation,
    /// What is known of it.
    pub status: CitationStatus,
    /// Passages that have it, those that are the same letter for letter first, at most ten; of an altered one, the passage
    /// that is meant.
    pub passages: Vec<CitedPassage>,
    /// How many passages have it.
    pub count: usize,
    /// What it changes, changes of the meaning first; none unless it is altered.
    pub edits: Vec<Edit>,
    /// What comes nearest to a quotation that was not found, and the share of its words, by their length, that this has.
    pub nearest: Option<(CitedPassage, f64)>,
    /// Whether the first passage is in the document and on the page that the author named; absent if there is no passage, or
    /// none was named.
    pub is_where_named: Option<bool>,
    /// Why it could not be looked for; `None` if it was.
    pub fault: Option<QuotationFault>,
}

/// A document, or a part of one, that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadDocument {
    /// Name of the document.
    pub document: String,
    /// What was not read, and why.
    pub reason: String,
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedDocuments {
    /// Documents that were read.
    pub documents: usize,
    /// Their pages, of those that have pages.
    pub pages: usize,
    /// What was not read.
    pub unread: Vec<UnreadDocument>,
}

/// Quotations that are checked against one document after the other.
///
/// ```
/// use longspan_ask::{CitationRun, CitationStatus, Content, GivenQuotation};
///
/// let given = ["ran in 1911", "ran in 1912"].map(|quote| GivenQuotation::new("", quote));
/// let mut run = CitationRun::new(given.into())?;
/// run.read("pump.txt", &Content::plain("The pump ran\nin 1911."));
/// let (citations, checked) = run.finish();
/// assert_eq!(citations[0].status, CitationStatus::Normalised); // a line end
/// assert_eq!((citations[1].status, citations[1].edits[0].to.as_str()), (CitationStatus::Altered, "1911"));
/// assert_eq!(checked.documents, 1);
/// # Ok::<(), longspan_ask::CiteError>(())
/// ```
pub struct CitationRun {
    given: Vec<GivenQuotation>,
    check: CitationCheck,
    states: Vec<State>,
    checked: CheckedDocuments,
    /// Documents that were not searched for what comes nearest, their bytes, and how many these may be.
    waiting: VecDeque<ReadDocument>,
    waiting_bytes: usize,
    waiting_bytes_max: usize,
}

/// A document that was read.
struct ReadDocument {
    name: String,
    id: Option<Arc<str>>,
    content: Content,
    layout: TextLayout,
    /// The bytes of its pages, by their names; none if no author named a page.
    pages: HashMap<String, Vec<Range<usize>>>,
    /// Numbers of the quotations whose search was given up.
    given_up: BTreeSet<usize>,
}

/// What the documents so far say of a quotation.
#[derive(Default)]
struct State {
    exact: Vec<CitedPassage>,
    normalised: Vec<CitedPassage>,
    count: usize,
    altered: Option<AlteredPassage>,
    nearest: Option<(CitedPassage, f64)>,
    /// Documents in which the search was given up.
    given_up: Vec<String>,
    /// Whether the document that the author named was read.
    is_named_read: bool,
    fault: Option<QuotationFault>,
}

struct AlteredPassage {
    passage: CitedPassage,
    agreement: f64,
    edits: Vec<Edit>,
    /// Whether another document has one that is as near and differs.
    is_rivalled: bool,
    is_named: bool,
}

impl CitationRun {
    /// Takes the quotations.
    ///
    /// # Errors
    /// Those of [`CitationCheck::new`].
    pub fn new(mut given: Vec<GivenQuotation>) -> Result<Self, CiteError> {
        for one in &mut given {
            // Places of edits count from the first word.
            one.quote = one.quote.trim().to_owned();
        }
        let quotes: Vec<&str> = given.iter().map(|given| given.quote.as_str()).collect();
        let check = CitationCheck::new(&quotes)?;
        let states = given.iter().map(|_| State::default()).collect();
        Ok(Self {
            given,
            check,
            states,
            checked: CheckedDocuments::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_bytes_max: WAITING_BYTES_MAX,
        })
    }

    /// Looks for the quotations in a document.
    pub fn read(&mut self, document: &str, content: &Content) {
        self.read_with_id(document, None, content);
    }

    /// The same, in a document that has an id perhaps, which its passages state: two documents may have one name.
    pub fn read_with_id(&mut self, document: &str, id: Option<&str>, content: &Content) {
        if content.text().len() > TEXT_BYTES_MAX {
            self.unread(
                document,
                format!("a text of {} bytes, at most {TEXT_BYTES_MAX} are checked", content.text().len()),
            );
            return;
        }
        self.checked.documents += 1;
        self.checked.pages += content.pages().len();
        for warning in content.warnings().iter().filter(|warning| is_unread(warning)) {
            self.unread(document, warning.to_string());
        }
        let are_named = self.given.iter().any(|given| given.page.is_some());
        let mut document = ReadDocument {
            name: document.to_owned(),
            id: id.map(Arc::from),
            content: content.clone(),
            layout: layout(content),
            pages: if are_named { pages_by_name(content) } else { HashMap::new() },
            given_up: BTreeSet::new(),
        };
        let named: Vec<&[Range<usize>]> = self.given.iter().map(|given| document.named(given)).collect();
        let findings = self.check.find_proven(content.text(), &document.layout, &named);
        for (index, finding) in findings.into_iter().enumerate() {
            let (given, state) = (&self.given[index], &mut self.states[index]);
            state.is_named_read |= document.is_named_by(given);
            if finding == Finding::GivenUp {
                document.given_up.insert(index);
            }
            state.take(finding, given, &document);
        }
        self.waiting_bytes += document.bytes();
        self.waiting.push_back(document);
        while self.waiting_bytes > self.waiting_bytes_max {
            self.find_nearest_in_next();
        }
    }

    /// Looks in the next document that waits for what comes nearest to the quotations that none has, and returns whether one
    /// waited. [`CitationRun::finish`] does it for those that are left; who wants to stop in between does it one by one.
    pub fn find_nearest_in_next(&mut self) -> bool {
        let Some(document) = self.waiting.pop_front() else { return false };
        self.waiting_bytes -= document.bytes();
        let is_wanted = |(index, state): (usize, &State)| {
            state.count == 0 && state.fault.is_none() && !document.given_up.contains(&index)
        };
        let are_wanted: Vec<bool> = self.states.iter().enumerate().map(is_wanted).collect();
        for (index, finding) in self.check.find_nearest(document.content.text(), &document.layout, &are_wanted) {
            self.states[index].take(finding, &self.given[index], &document);
        }
        true
    }

    /// Takes note of a document, or a part of one, that cannot be read.
    pub fn unread(&mut self, document: &str, reason: impl Into<String>) {
        self.checked.unread.push(UnreadDocument { document: document.to_owned(), reason: reason.into() });
    }

    /// What is known of each quotation, in their order.
    pub fn finish(mut self) -> (Vec<Citation>, CheckedDocuments) {
        while self.find_nearest_in_next() {}
        let unread = &self.checked.unread;
        let citations = self.given.into_iter().zip(self.states).map(|(given, state)| state.citation(given, unread));
        (citations.collect(), self.checked)
    }
}

impl ReadDocument {
    fn bytes(&self) -> usize {
        self.content.text().len() + self.content.map_bytes()
    }

    fn is_named_by(&self, given: &GivenQuotation) -> bool {
        given.document.as_deref().is_some_and(|named| is_called(&self.name, named))
    }

    /// The bytes of the page that the author of a quotation named.
    fn named(&self, given: &GivenQuotation) -> &[Range<usize>] {
        given.page.as_ref().and_then(|page| self.pages.get(page)).map_or(&[], Vec::as_slice)
    }

    fn passage(&self, bytes: Range<usize>, reasons: Vec<Reason>, given: &GivenQuotation) -> CitedPassage {
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

impl State {
    /// Takes what a document says of a quotation.
    fn take(&mut self, finding: Finding, given: &GivenQuotation, document: &ReadDocument) {
        match finding {
            Finding::Proven { passages, count, .. } => {
                self.count += count;
                for one in passages {
                    let of = if one.reasons.is_empty() { &mut self.exact } else { &mut self.normalised };
                    // What the author named is kept, wherever it stands in the list.
                    if of.len() < PASSAGES_MAX || given.document.is_some() || given.page.is_some() {
                        of.push(document.passage(one.bytes, one.reasons, given));
                    }
                }
            }
            Finding::Altered { bytes, agreement, edits } => {
                let passage = document.passage(bytes, Vec::new(), given);
                let is_named = document.is_named_by(given);
                self.alter(AlteredPassage { passage, agreement, edits, is_rivalled: false, is_named });
            }
            Finding::NotFound { nearest: Some(nearest) } => {
                self.near(document.passage(nearest.bytes, Vec::new(), given), nearest.agreement);
            }
            Finding::GivenUp => self.given_up.push(document.name.clone()),
            Finding::Faulty(fault) => self.fault = Some(fault),
            _ => {}
        }
    }

    fn alter(&mut self, one: AlteredPassage) {
        let Some(known) = &mut self.altered else {
            self.altered = Some(one);
            return;
        };
        let rank = |one: &AlteredPassage| (one.is_named, one.agreement);
        match rank(&one).partial_cmp(&rank(known)) {
            Some(Ordering::Greater) => self.altered = Some(one),
            Some(Ordering::Equal) => {
                let changes = |one: &AlteredPassage| -> Vec<(String, String)> {
                    one.edits.iter().map(|edit| (edit.from.clone(), edit.to.clone())).collect()
                };
                known.is_rivalled |= changes(known) != changes(&one);
            }
            _ => {}
        }
    }

    /// Whether the quotation was looked for in everything, and in the document that the author named.
    fn is_all_read(&self, given: &GivenQuotation, unread: &[UnreadDocument]) -> bool {
        self.fault.is_none()
            && unread.is_empty()
            && self.given_up.is_empty()
            && (given.document.is_none() || self.is_named_read)
    }

    fn near(&mut self, passage: CitedPassage, agreement: f64) {
        if self.nearest.as_ref().is_none_or(|(_, known)| agreement > *known) {
            self.nearest = Some((passage, agreement));
        }
    }

    fn citation(mut self, given: GivenQuotation, unread: &[UnreadDocument]) -> Citation {
        let is_all_read = self.is_all_read(&given, unread);
        let mut citation = Citation {
            status: CitationStatus::NotFound,
            passages: Vec::new(),
            count: self.count,
            edits: Vec::new(),
            nearest: None,
            is_where_named: None,
            fault: self.fault,
            given,
        };
        let named = citation.given.clone();
        if self.count > 0 {
            citation.status = if self.exact.is_empty() { CitationStatus::Normalised } else { CitationStatus::Exact };
            let is_elsewhere = |passage: &CitedPassage| passage.is_where_named == Some(false);
            [&mut self.exact, &mut self.normalised].into_iter().for_each(|passages| passages.sort_by_key(is_elsewhere));
            // A passage where the author says comes before one that is the same letter for letter.
            let mut passages = [self.exact, self.normalised].concat();
            if passages.first().is_some_and(is_elsewhere) {
                passages.sort_by_key(is_elsewhere);
            }
            passages.truncate(PASSAGES_MAX);
            citation.passages = passages;
        } else if let Some(altered) = self.altered.take_if(|altered| {
            // What was not read may have the quotation as it is.
            !altered.is_rivalled
                && (is_all_read || (altered.is_named && is_named_read_whole(&named, unread, &self.given_up)))
        }) {
            citation.status = CitationStatus::Altered;
            (citation.passages, citation.edits) = (vec![altered.passage], altered.edits);
        } else {
            if !is_all_read {
                citation.status = CitationStatus::Unchecked;
            }
            if let Some(AlteredPassage { passage, agreement, .. }) = self.altered.take() {
                self.near(passage, agreement);
            }
            citation.nearest = self.nearest;
        }
        citation.is_where_named = citation.passages.first().and_then(|first| first.is_where_named);
        citation
    }
}

/// The bytes of the pages of a document, by their numbers and by what is printed for these.
fn pages_by_name(content: &Content) -> HashMap<String, Vec<Range<usize>>> {
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

/// Whether nothing is missing of the document that the author named.
fn is_named_read_whole(named: &GivenQuotation, unread: &[UnreadDocument], given_up: &[String]) -> bool {
    let mut missing = unread.iter().map(|unread| &unread.document).chain(given_up);
    named.document.as_deref().is_some_and(|named| !missing.any(|document| is_called(document, named)))
}

/// Whether a document is called so: by its path, its file name, or that without its extension.
fn is_called(document: &str, named: &str) -> bool {
    let path = Path::new(document);
    let is =
        |name: Option<&std::ffi::OsStr>| name.is_some_and(|name| name.to_string_lossy().eq_ignore_ascii_case(named));
    document.eq_ignore_ascii_case(named) || is(path.file_name()) || is(path.file_stem())
}

/// Whether a warning says that some of the document was not read.
fn is_unread(warning: &Warning) -> bool {
    match warning {
        Warning::NoText { .. } | Warning::Unmapped { .. } | Warning::Repaired(_) => true,
        Warning::GuessedEncoding { has_errors, .. } => *has_errors,
        _ => false,
    }
}

/// What stands beside the text of a document.
fn layout(content: &Content) -> TextLayout {
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
    use super::*;

    fn run(quotes: &[GivenQuotation], documents: &[(&str, &str)]) -> (Vec<Citation>, CheckedDocuments) {
        let mut run = CitationRun::new(quotes.into()).unwrap();
        for (name, text) in documents {
            match *text {
                "" => run.unread(name, "no such file"),
                text => run.read(name, &Content::plain(text)),
            }
        }
        run.finish()
    }

    #[test]
    fn documents_are_taken_together() {
        let quotes = ["it ran in May 1911", "it ran in May 1912", "who painted the whole ceiling"];
        let quotes = quotes.map(|quote| GivenQuotation::new("", quote));
        let statuses = |documents: &[(&str, &str)]| {
            let (citations, _) = run(&quotes, documents);
            citations.iter().map(|citation| citation.status.name()).collect::<Vec<_>>()
        };
        let (a, b, c) =
            (("a", "Then it ran\nin May 1911."), ("b", "Here it ran in May 1911."), ("c", "When it ran in May 1910!"));
        assert_eq!(statuses(&[a]), ["normalised", "altered", "not_found"]);
        assert_eq!(statuses(&[a, b]), ["exact", "altered", "not_found"]);
        assert_eq!(statuses(&[a, c]), ["normalised", "not_found", "not_found"]); // which of the two is meant?
        assert_eq!(statuses(&[a, ("d", "")]), ["normalised", "unchecked", "unchecked"]);
        let (citations, checked) = run(&quotes, &[a, b, ("d", "")]);
        assert_eq!((citations[0].count, citations[0].passages[0].document.as_str()), (2, "b"));
        assert_eq!((checked.documents, checked.unread[0].document.as_str()), (2, "d"));
    }

    #[test]
    fn documents_that_wait_change_nothing() {
        let quote = |text: &str, page: Option<&str>| {
            let mut quote = GivenQuotation::new("", text);
            quote.page = page.map(str::to_owned);
            quote
        };
        let quotes = [
            quote("it ran in May 1911", None),
            quote("it ran in May 1911", Some("2")),
            quote("it ran in May 1912", None),
            quote("who painted the whole ceiling", None),
            quote("the pump has three valves", None),
            quote("…", None),
        ];
        let documents = [
            "The pump has two valves. They painted a ceiling.",
            "Here it ran in May 1910.",
            "The pump has three valves.",
            "Nothing.\u{c}And it ran\nin May 1911.",
            "The whole ceiling was painted by one who ran.",
        ];
        let cited = |waiting_bytes_max: usize| {
            let mut run = CitationRun::new(quotes.clone().into()).unwrap();
            run.waiting_bytes_max = waiting_bytes_max;
            for (name, text) in ('a'..).zip(documents) {
                run.read(&name.to_string(), &Content::plain(text));
                assert!(run.waiting_bytes <= waiting_bytes_max);
            }
            let waiting = run.waiting.len();
            (waiting, format!("{:?}", run.finish().0))
        };
        let (none_waits, at_once) = cited(0);
        let (some_wait, later) = cited(300);
        let (all_wait, at_last) = cited(usize::MAX);
        assert!(none_waits == 0 && (1..5).contains(&some_wait) && all_wait == 5, "{some_wait}");
        assert_eq!([&later, &at_last], [&at_once; 2]);
        for status in ["Normalised", "Altered", "NotFound", "Unchecked"] {
            assert!(at_once.contains(&format!("status: {status}")), "{at_once}");
        }
    }

    #[test]
    fn what_was_not_read_may_have_what_another_document_changes() {
        let mut quote = GivenQuotation::new("", "it ran in May 1912");
        let status = |quote: &GivenQuotation, documents: &[(&str, &str)]| {
            let (citations, _) = run(std::slice::from_ref(quote), documents);
            let one = &citations[0];
            assert_eq!(one.edits.is_empty(), one.status != CitationStatus::Altered);
            assert_eq!(one.nearest.is_some(), one.status == CitationStatus::Unchecked);
            one.status.name()
        };
        let (a, unread) = (("a.txt", "It ran in May 1911."), ("b.txt", ""));
        assert_eq!(status(&quote, &[a]), "altered");
        assert_eq!(status(&quote, &[a, unread]), "unchecked");
        quote.document = Some("a.txt".into());
        assert_eq!(status(&quote, &[a, unread]), "altered");
        assert_eq!(status(&quote, &[a, ("x/a.txt", "")]), "unchecked"); // which of the two is meant?
        quote.document = Some("b.txt".into());
        assert_eq!(status(&quote, &[a, unread]), "unchecked");
        assert_eq!(status(&quote, &[a]), "unchecked");
    }

    #[test]
    fn what_the_author_named_is_checked() {
        let mut quote = GivenQuotation::new("", "it ran in 1911");
        quote.document = Some("A".into());
        quote.page = Some("2".into());
        let check = |quote: &GivenQuotation, text: &str| {
            let (citations, _) = run(std::slice::from_ref(quote), &[("x/a.txt", text)]);
            let page = citations[0].passages.first().and_then(|passage| passage.place.page);
            (citations[0].status.name(), citations[0].is_where_named, page)
        };
        assert_eq!(check(&quote, "it ran in 1911\u{c}and it\nran in 1911."), ("exact", Some(true), Some(2)));
        assert_eq!(check(&quote, "it ran in 1911\u{c}and then."), ("exact", Some(false), Some(1)));
        assert_eq!(check(&quote, "it ran\u{c}in 1911."), ("normalised", Some(true), Some(1))); // over both pages
        quote.page = Some("12".into());
        assert_eq!(check(&quote, &"it ran in 1911\u{c}".repeat(14)), ("exact", Some(true), Some(12)));
        assert_eq!(check(&quote, &"it ran in 1911.\u{c}".repeat(11)), ("exact", Some(false), Some(1)));
        quote.document = Some("b".into());
        assert_eq!(check(&quote, "and it rains too\u{c}and then."), ("unchecked", None, None));
    }
}
