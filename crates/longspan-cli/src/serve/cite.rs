//! `POST /v1/cite`: quotations checked against documents, as `longspan cite` checks them. The tools of agents check them
//! with the same steps: one document after the other, so that a client that leaves stops the work between two of them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use longspan_ask::{CheckedDocuments, Citation, CitationObject, CitationRun, GivenQuotation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ask::{DocumentChoice, EveryDocument};
use super::body::{self, BodyShare, json_response};
use super::error::HttpError;
use super::state::{ServerState, WorkLength};
use super::store::{HeldDocument, without_repeats};
use crate::cli::QUOTATION_WORDS_MIN;

/// Quotations and the documents that they are checked against.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct CiteRequest {
    /// A text, plain or Markdown, whose quotations are checked; this or `quotes`.
    pub text: Option<String>,
    /// Quotations without marks around them.
    pub quotes: Option<Vec<String>>,
    /// Words of the shortest quotation that is taken from a text; 3 by default.
    pub min_words: Option<usize>,
    /// The documents.
    pub documents: DocumentChoice,
}

/// The quotations in the order in which they were given, each with what the documents say of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Citations")]
pub struct CitationsObject<'a> {
    /// As `longspan cite --json` prints them.
    quotations: Vec<CitationObject<'a>>,
}

/// Quotations that are being checked.
pub struct CitationWork {
    /// What was found so far.
    pub run: CitationRun,
    /// The memory of the body that has them.
    _share: BodyShare,
}

/// Checks the quotations of a request.
pub async fn cite(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, HttpError> {
    state
        .in_time(async {
            let (request, share): (CiteRequest, _) = body::json(request.into_body(), &state).await?;
            let CiteRequest { text, quotes, min_words, documents } = request;
            let held = match documents {
                DocumentChoice::Ids(ids) => ids.iter().map(|id| state.store.get(id)).collect::<Result<_, _>>()?,
                DocumentChoice::Word(EveryDocument::All) => state.store.use_all(),
            };
            if held.is_empty() {
                return Err(HttpError::new("unknown_document", "no document is named, or the server has none"));
            }
            let mut work = begun(&state, text, quotes, min_words, share).await?;
            for document in without_repeats(held) {
                work = read(&state, work, document).await?;
            }
            let mut is_done = false;
            while !is_done {
                (work, is_done) = nearest_found(&state, work).await?;
            }
            let written = move || {
                let (citations, checked) = work.run.finish();
                Ok(json_response(CitationsObject::new(&citations, &checked)))
            };
            state.block_on(WorkLength::Long, written).await
        })
        .await
}

/// Takes the quotations of a text, or those that are given.
///
/// # Errors
/// `malformed`, `option`, `too_large`.
pub async fn begun(
    state: &ServerState,
    text: Option<String>,
    quotes: Option<Vec<String>>,
    min_words: Option<usize>,
    share: BodyShare,
) -> Result<CitationWork, HttpError> {
    let run = move || {
        let given = given(text, quotes, min_words)?;
        let run = CitationRun::new(given).map_err(|error| HttpError::new("too_large", error.to_string()))?;
        Ok(CitationWork { run, _share: share })
    };
    state.block_on(WorkLength::Long, run).await
}

/// Looks for the quotations in a document.
///
/// # Errors
/// `internal`.
pub async fn read(
    state: &ServerState,
    mut work: CitationWork,
    held: Arc<HeldDocument>,
) -> Result<CitationWork, HttpError> {
    let read = move || {
        work.run.read_with_id(held.document.name(), held.document.id(), held.document.content());
        Ok(work)
    };
    state.block_on(WorkLength::Long, read).await
}

/// Looks in the next document for what comes nearest to the quotations that none has; also whether that was done in all.
///
/// # Errors
/// `internal`.
pub async fn nearest_found(state: &ServerState, mut work: CitationWork) -> Result<(CitationWork, bool), HttpError> {
    let next = move || {
        let has_waited = work.run.find_nearest_in_next();
        Ok((work, !has_waited))
    };
    state.block_on(WorkLength::Long, next).await
}

fn given(
    text: Option<String>,
    quotes: Option<Vec<String>>,
    min_words: Option<usize>,
) -> Result<Vec<GivenQuotation>, HttpError> {
    let words_min = min_words.unwrap_or(QUOTATION_WORDS_MIN);
    if words_min == 0 {
        return Err(HttpError::new("option", "`min_words`: 0: expected 1 or more"));
    }
    match (text, quotes) {
        (Some(text), None) => Ok(GivenQuotation::of_markdown(&text, words_min)),
        (None, Some(quotes)) => {
            Ok((1..).zip(quotes).map(|(number, quote)| GivenQuotation::new(number.to_string(), quote)).collect())
        }
        _ => Err(HttpError::new("malformed", "expected one of `text` and `quotes`")),
    }
}

impl<'a> CitationsObject<'a> {
    /// The objects of quotations.
    pub fn new(citations: &'a [Citation], checked: &'a CheckedDocuments) -> Self {
        Self { quotations: citations.iter().map(|citation| CitationObject::new(citation, checked)).collect() }
    }
}
