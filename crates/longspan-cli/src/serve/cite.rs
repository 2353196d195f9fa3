//! `POST /v1/cite`: quotations checked against documents, as `longspan cite` checks them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use longspan_ask::{CitationObject, CitationRun, GivenQuotation};
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

fn checked(state: &ServerState, request: CiteRequest) -> Result<Response, HttpError> {
    let held: Vec<Arc<HeldDocument>> = match &request.documents {
        DocumentChoice::Ids(ids) => ids.iter().map(|id| state.store.get(id)).collect::<Result<_, _>>()?,
        DocumentChoice::Word(EveryDocument::All) => state.store.all(),
    };
    if held.is_empty() {
        return Err(HttpError::new("unknown_document", "no document is named, or the server has none"));
    }
    let given = match (request.text, request.quotes) {
        (Some(text), None) => GivenQuotation::of_markdown(&text, request.min_words.unwrap_or(WORDS_MIN)),
        (None, Some(quotes)) => {
            (1..).zip(quotes).map(|(number, quote)| GivenQuotation::new(number.to_string(), quote)).collect()
        }
        _ => return Err(HttpError::new("malformed", "expected one of `text` and `quotes`")),
    };
    let mut run = CitationRun::new(given).map_err(|error| HttpError::new("too_large", error.to_string()))?;
    for document in &held {
        run.read(document.document.name(), document.document.content());
    }
    let (citations, checked) = run.finish();
    let quotations = citations.iter().map(|citation| CitationObject::new(citation, &checked)).collect();
    Ok(json_response(CitationsObject { quotations }))
}
