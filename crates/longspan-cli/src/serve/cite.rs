//! `POST /v1/cite`: quotations checked against documents, as `longspan cite` checks them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use longspan_ask::{CheckedDocuments, Citation, CitationObject, CitationRun, GivenQuotation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ask::{DocumentChoice, EveryDocument};
use super::body::{self, json_response};
use super::error::HttpError;
use super::state::ServerState;
use super::store::HeldDocument;

/// Words of the shortest quotation that is taken from a text, as `longspan cite` has it.
const WORDS_MIN: usize = 3;

/// Quotations and the documents that they are checked against.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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

/// Checks the quotations of a request.
pub async fn cite(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, HttpError> {
    state
        .in_time(async {
            let request: CiteRequest = body::json(request.into_body(), &state).await?;
            let own = state.clone();
            state.block_on(move || checked(&own, request)).await
        })
        .await
}

/// The quotations of a text, or those that are given.
///
/// # Errors
/// `malformed`.
pub fn given(
    text: Option<String>,
    quotes: Option<Vec<String>>,
    min_words: Option<usize>,
) -> Result<Vec<GivenQuotation>, HttpError> {
    match (text, quotes) {
        (Some(text), None) => Ok(GivenQuotation::of_markdown(&text, min_words.unwrap_or(WORDS_MIN))),
        (None, Some(quotes)) => {
            Ok((1..).zip(quotes).map(|(number, quote)| GivenQuotation::new(number.to_string(), quote)).collect())
        }
        _ => Err(HttpError::new("malformed", "expected one of `text` and `quotes`")),
    }
}

/// Looks for the quotations in a document.
pub fn read(run: &mut CitationRun, held: &HeldDocument) {
    run.read_with_id(held.document.name(), held.document.id(), held.document.content());
}

impl<'a> CitationsObject<'a> {
    /// The objects of quotations.
    pub fn new(citations: &'a [Citation], checked: &'a CheckedDocuments) -> Self {
        Self { quotations: citations.iter().map(|citation| CitationObject::new(citation, checked)).collect() }
    }
}

fn checked(state: &ServerState, request: CiteRequest) -> Result<Response, HttpError> {
    let held: Vec<Arc<HeldDocument>> = match &request.documents {
        DocumentChoice::Ids(ids) => ids.iter().map(|id| state.store.get(id)).collect::<Result<_, _>>()?,
        DocumentChoice::Word(EveryDocument::All) => state.store.all(),
    };
    if held.is_empty() {
        return Err(HttpError::new("unknown_document", "no document is named, or the server has none"));
    }
    let given = given(request.text, request.quotes, request.min_words)?;
    let mut run = CitationRun::new(given).map_err(|error| HttpError::new("too_large", error.to_string()))?;
    for document in &held {
        read(&mut run, document);
    }
    let (citations, checked) = run.finish();
    Ok(json_response(CitationsObject::new(&citations, &checked)))
}
