//! Quotations that are checked against documents.

use longspan_ask::{CitationObject, CitationRun, GivenQuotation};
use pyo3::prelude::*;

use crate::document::NativeDocument;
use crate::errors::of_option;
use crate::watch::without_gil;

/// A quotation as it was given: its id, its words, the document and the page that it is said to be from.
type Quote = (String, String, Option<String>, Option<String>);

/// Checks the quotations of a text, or quotations themselves: a list of the JSON of citations.
///
/// - `unread`: documents that could not be read, and why
#[pyfunction]
pub fn cite(
    py: Python<'_>,
    text: Option<String>,
    quotes: Vec<Quote>,
    documents: Vec<Bound<'_, NativeDocument>>,
    unread: Vec<(String, String)>,
    min_words: usize,
) -> PyResult<Vec<String>> {
    let documents: Vec<_> =
        documents.iter().map(Bound::get).map(|one| (one.name.clone(), one.content.clone())).collect();
    let checked = without_gil(py, move || {
        let given = match text {
            Some(text) => GivenQuotation::of_markdown(&text, min_words),
            None => quotes.into_iter().map(given).collect(),
        };
        let mut run = CitationRun::new(given)?;
        documents.iter().for_each(|(name, content)| run.read(name, content));
        unread.iter().for_each(|(name, reason)| run.unread(name, reason));
        let (citations, checked) = run.finish();
        let json = |citation| {
            serde_json::to_string(&CitationObject::new(citation, &checked)).expect("an object of plain values")
        };
        Ok::<_, longspan_ask::CiteError>(citations.iter().map(json).collect())
    })?;
    checked.map_err(|error| of_option(py, &error.to_string()))
}

fn given((id, quote, document, page): Quote) -> GivenQuotation {
    let mut given = GivenQuotation::new(id, quote);
    (given.document, given.page) = (document, page);
    given
}
