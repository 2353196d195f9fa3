//! What the documents so far say of a quotation, and what follows.

use std::cmp::Ordering;

use longspan_cite::{Finding, PASSAGES_MAX, QuotationFault};

use super::citation::{Citation, CitationStatus, CitedEdit, CitedPassage, GivenQuotation, UnreadDocument};
use super::document::{ReadDocument, is_called};

/// What the documents so far say of a quotation.
#[derive(Default)]
pub(super) struct State {
    exact: Vec<CitedPassage>,
    normalised: Vec<CitedPassage>,
    pub count: usize,
    altered: Option<AlteredPassage>,
    nearest: Option<(CitedPassage, f64)>,
    /// Documents in which the search was given up.
    given_up: Vec<String>,
    /// Whether the document that the author named was read.
    pub is_named_read: bool,
    pub fault: Option<QuotationFault>,
}

struct AlteredPassage {
    passage: CitedPassage,
    agreement: f64,
    edits: Vec<CitedEdit>,
    /// Whether another document has one that is as near and differs.
    is_rivalled: bool,
    is_named: bool,
}

impl State {
    /// Takes what a document says of a quotation.
    pub fn take(&mut self, finding: Finding, given: &GivenQuotation, document: &ReadDocument) {
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
                let of_document = |edit| CitedEdit::new(edit, &given.quote, &document.content);
                let edits = edits.into_iter().map(of_document).collect();
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

    /// Keeps a passage if it is the nearest so far, and returns whether it is.
    fn near(&mut self, passage: CitedPassage, agreement: f64) -> bool {
        let is_nearest = self.nearest.as_ref().is_none_or(|(_, known)| agreement > *known);
        if is_nearest {
            self.nearest = Some((passage, agreement));
        }
        is_nearest
    }

    pub fn citation(mut self, given: GivenQuotation, unread: &[UnreadDocument]) -> Citation {
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
            (citation.status, citation.count) = (CitationStatus::Altered, 1);
            (citation.passages, citation.edits) = (vec![altered.passage], altered.edits);
        } else {
            if !is_all_read {
                citation.status = CitationStatus::Unchecked;
            }
            if let Some(AlteredPassage { passage, agreement, edits, .. }) = self.altered.take()
                && self.near(passage, agreement)
                && !is_all_read
            {
                citation.edits = edits;
            }
            citation.nearest = self.nearest;
        }
        citation.is_where_named = citation.passages.first().and_then(|first| first.is_where_named);
        citation
    }
}

/// Whether nothing is missing of the document that the author named.
fn is_named_read_whole(named: &GivenQuotation, unread: &[UnreadDocument], given_up: &[String]) -> bool {
    let mut missing = unread.iter().map(|unread| &unread.document).chain(given_up);
    named.document.as_deref().is_some_and(|named| !missing.any(|document| is_called(document, named)))
}
