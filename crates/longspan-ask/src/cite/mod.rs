//! Quotations checked against documents: each with its status and its places over all documents.
//!
//! ```text
//! citation     quotations, and what is known of them
//! document     a document that is searched
//! state        what the documents so far say of a quotation
//! ```

mod citation;
mod document;
mod state;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use longspan_cite::{CitationCheck, CiteError, Finding, TEXT_BYTES_MAX};

pub use citation::{
    CheckedDocuments, Citation, CitationStatus, CitedEdit, CitedPassage, GivenQuotation, UnreadDocument,
};
use document::{ReadDocument, is_unread, layout, pages_by_name};
use state::State;

use crate::Content;
use crate::text::quoted;

/// Bytes of documents, with their maps, that are kept until all were searched for the quotations themselves: what comes nearest
/// is looked for only where no document has a quotation.
const WAITING_BYTES_MAX: usize = 1 << 26;

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
            let bytes = content.text().len();
            self.unread(document, &format!("a text of {bytes} bytes, at most {TEXT_BYTES_MAX} are checked"));
            return;
        }
        self.checked.documents += 1;
        self.checked.pages += content.pages().len();
        for warning in content.warnings().iter().filter(|warning| is_unread(warning)) {
            self.unread(document, &warning.to_string());
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
    ///
    /// - `reason`: a message, which may begin with the name of the document, as errors do
    pub fn unread(&mut self, document: &str, reason: &str) {
        let own = reason.strip_prefix(&quoted(document)).and_then(|rest| rest.strip_prefix(": "));
        let reason = own.unwrap_or(reason).to_owned();
        self.checked.unread.push(UnreadDocument { document: document.to_owned(), reason });
    }

    /// What is known of each quotation, in their order.
    pub fn finish(mut self) -> (Vec<Citation>, CheckedDocuments) {
        while self.find_nearest_in_next() {}
        let unread = &self.checked.unread;
        let citations = self.given.into_iter().zip(self.states).map(|(given, state)| state.citation(given, unread));
        (citations.collect(), self.checked)
    }
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
        let (citations, _) = run(&quotes, &[a]);
        assert_eq!((citations[1].count, citations[1].passages.len(), citations[2].count), (1, 1, 0));
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
            quote("The whole ceiling was painted by two who ran", None),
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
            assert_eq!((one.edits.len(), one.edits[0].to.as_str()), (1, "1911"));
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
