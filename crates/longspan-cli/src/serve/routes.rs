//! The table of routes, and the router that is made of it.

use std::any::Any;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use longspan_ask::{ContentObject, PageTextObject};
use schemars::JsonSchema;
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use super::ask::{self, AnswersObject, AskRequest};
use super::body::json_response;
use super::cite::{self, CitationsObject, CiteRequest};
use super::documents::{self, DocumentsObject};
use super::error::HttpError;
use super::openapi::{self, RouteAnswer, RouteBody, RouteEntry, schema};
use super::state::{InfoObject, ServerPhase, ServerState};
use super::store::DocumentObject;
use super::tasks::{self, TaskAnswers, TaskRequest};
use super::{access, mcp, page};

/// Whether the server is ready.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Health")]
struct HealthObject {
    /// `ready`.
    status: &'static str,
}

const UPLOAD_ERRORS: &[&str] = &[
    "option",
    "slow_body",
    "too_large",
    "document_too_long",
    "unknown_format",
    "empty_document",
    "no_text",
    "password_required",
    "wrong_password",
    "encrypted",
    "unreadable",
    "loading",
    "draining",
];

const ASK_ERRORS: &[&str] = &[
    "option",
    "unknown_document",
    "slow_body",
    "too_large",
    "document_too_long",
    "too_many_pairs",
    "empty_question",
    "question_too_long",
    "empty_document",
    "loading",
    "draining",
];

/// Every route but the files that the page loads.
pub static ROUTES: [RouteEntry; 17] = [
    RouteEntry {
        method: "POST",
        path: "/v1/documents",
        summary: "Upload a file, to ask it any number of questions: 200 if the server has it already",
        query: &[
            ("name", "string", "its name, by which its format may be known"),
            ("format", "string", "its format, such as `text`"),
        ],
        takes: RouteBody::File,
        gives: &[
            (200, RouteAnswer::Json(schema::<DocumentObject<'static>>)),
            (201, RouteAnswer::Json(schema::<DocumentObject<'static>>)),
        ],
        errors: UPLOAD_ERRORS,
        handler: || post(documents::upload),
    },
    RouteEntry {
        method: "GET",
        path: "/v1/documents",
        summary: "All documents",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Json(schema::<DocumentsObject<'static>>))],
        errors: &[],
        handler: || get(documents::list),
    },
    RouteEntry {
        method: "GET",
        path: "/v1/documents/{document_id}",
        summary: "A document",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Json(schema::<DocumentObject<'static>>))],
        errors: &["unknown_document"],
        handler: || get(documents::get),
    },
    RouteEntry {
        method: "DELETE",
        path: "/v1/documents/{document_id}",
        summary: "Forget a document",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(204, RouteAnswer::Nothing)],
        errors: &["unknown_document", "read_only"],
        handler: || delete(documents::delete),
    },
    RouteEntry {
        method: "GET",
        path: "/v1/documents/{document_id}/text",
        summary: "The text of a document, which offsets refer to",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Other("text/plain"))],
        errors: &["unknown_document"],
        handler: || get(documents::text),
    },
    RouteEntry {
        method: "GET",
        path: "/v1/documents/{document_id}/map",
        summary: "The map of the text: pages, headings, tables, as `longspan text --json` prints it",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Json(schema::<ContentObject<'static>>))],
        errors: &["unknown_document"],
        handler: || get(documents::map),
    },
    RouteEntry {
        method: "GET",
        path: "/v1/documents/{document_id}/pages/{page}",
        summary: "A page: `N` its size, lines and words, `N.png` its picture, if it can be drawn",
        query: &[("width", "integer", "of the picture, in pixels; 1200 by default")],
        takes: RouteBody::Nothing,
        gives: &[
            (200, RouteAnswer::Json(schema::<PageTextObject<'static>>)),
            (200, RouteAnswer::Other("image/png")),
            (304, RouteAnswer::Nothing),
        ],
        errors: &["option", "unknown_document", "unreadable", "draining"],
        handler: || get(documents::page),
    },
    RouteEntry {
        method: "POST",
        path: "/v1/ask",
        summary: "Ask documents or a text one or several questions",
        query: &[],
        takes: RouteBody::Json(schema::<AskRequest>),
        gives: &[(200, RouteAnswer::Events(schema::<AnswersObject<'static>>))],
        errors: ASK_ERRORS,
        handler: || post(ask::ask),
    },
    RouteEntry {
        method: "POST",
        path: "/v1/cite",
        summary: "Check quotations against documents, word for word",
        query: &[],
        takes: RouteBody::Json(schema::<CiteRequest>),
        gives: &[(200, RouteAnswer::Json(schema::<CitationsObject<'static>>))],
        errors: &["option", "unknown_document", "slow_body", "too_large", "draining"],
        handler: || post(cite::cite),
    },
    RouteEntry {
        method: "POST",
        path: "/mcp",
        summary: "The Model Context Protocol: tools that ask, check, read and list the documents",
        query: &[],
        takes: RouteBody::Json(mcp::message_schema),
        gives: &[
            (200, RouteAnswer::Json(mcp::message_schema)),
            (200, RouteAnswer::Other("text/event-stream")),
            (202, RouteAnswer::Nothing),
        ],
        errors: &["slow_body", "too_large", "loading", "draining"],
        handler: || post(mcp::answer),
    },
    RouteEntry {
        method: "POST",
        path: "/question-answering",
        summary: "The task of Hugging Face's clients",
        query: &[],
        takes: RouteBody::Json(schema::<TaskRequest>),
        gives: &[(200, RouteAnswer::Json(schema::<TaskAnswers>))],
        errors: ASK_ERRORS,
        handler: || post(tasks::answer),
    },
    RouteEntry {
        method: "POST",
        path: page::PATH,
        summary: "The same, where clients post that have the address of the server alone",
        query: &[],
        takes: RouteBody::Json(schema::<TaskRequest>),
        gives: &[(200, RouteAnswer::Json(schema::<TaskAnswers>))],
        errors: ASK_ERRORS,
        handler: || post(tasks::answer),
    },
    RouteEntry {
        method: "GET",
        path: page::PATH,
        summary: "The page",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Other("text/html")), (304, RouteAnswer::Nothing)],
        errors: &[],
        handler: || get(page::file),
    },
    RouteEntry {
        method: "GET",
        path: "/v1/info",
        summary: "The model, its settings and the limits of requests",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Json(schema::<InfoObject>))],
        errors: &["loading"],
        handler: || get(info),
    },
    RouteEntry {
        method: "GET",
        path: "/health",
        summary: "Whether the server is ready; it needs no key",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Json(schema::<HealthObject>))],
        errors: &["loading", "draining"],
        handler: || get(health),
    },
    RouteEntry {
        method: "GET",
        path: "/metrics",
        summary: "What the server counts, for Prometheus",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Other("application/openmetrics-text"))],
        errors: &[],
        handler: || get(metrics),
    },
    RouteEntry {
        method: "GET",
        path: "/openapi.json",
        summary: "This description",
        query: &[],
        takes: RouteBody::Nothing,
        gives: &[(200, RouteAnswer::Other("application/json"))],
        errors: &[],
        handler: || get(description),
    },
];

/// The router.
pub fn router(state: &Arc<ServerState>) -> Router {
    let mut router = Router::new();
    for route in &ROUTES {
        router = router.route(route.path, (route.handler)());
    }
    for (path, ..) in page::FILES.iter().filter(|(path, ..)| *path != page::PATH) {
        router = router.route(path, get(page::file));
    }
    let nothing = || async { HttpError::new("not_found", "there is nothing at this path") };
    let method = || async { HttpError::new("method", "this path has other methods: see Allow") };
    let router = router
        .fallback(nothing)
        .method_not_allowed_fallback(method)
        .layer(axum::extract::DefaultBodyLimit::disable()) // `body::read` has the limits
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| {
            HttpError::new("internal", "the request has failed: this is a bug").into_response()
        }))
        .layer(from_fn_with_state(state.clone(), access::surround))
        .with_state(state.clone());
    // The option has checked them.
    let origins: Vec<HeaderValue> =
        state.access.allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() { router } else { router.layer(cors(origins)) }
}

fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    let own = ["x-document-password", "mcp-protocol-version", "mcp-method", "mcp-name"].map(HeaderName::from_static);
    let taken: Vec<HeaderName> = own.into_iter().chain([header::AUTHORIZATION, header::CONTENT_TYPE]).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(taken)
        .expose_headers([header::RETRY_AFTER, HeaderName::from_static("x-request-id")])
}

async fn health(State(state): State<Arc<ServerState>>) -> Result<Response, HttpError> {
    let phase = *state.phase.borrow();
    match phase {
        ServerPhase::Ready => Ok(json_response(HealthObject { status: "ready" })),
        ServerPhase::Loading => Err(HttpError::new("loading", "the model is being loaded")),
        ServerPhase::Draining | ServerPhase::Ended => Err(HttpError::new("draining", "the server ends")),
    }
}

async fn info(State(state): State<Arc<ServerState>>) -> Result<Response, HttpError> {
    Ok(json_response(&state.model()?.info))
}

async fn metrics(State(state): State<Arc<ServerState>>) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], state.metrics.text()).into_response()
}

async fn description() -> Response {
    static DESCRIPTION: LazyLock<String> = LazyLock::new(|| openapi::document(&ROUTES).to_string());
    let kind = HeaderValue::from_static("application/json");
    (StatusCode::OK, [(header::CONTENT_TYPE, kind)], DESCRIPTION.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::error::ERRORS;
    use super::*;

    #[test]
    fn every_route_is_described_and_every_error_belongs_to_one() {
        let document = openapi::document(&ROUTES);
        let mut described = BTreeSet::new();
        for route in &ROUTES {
            let operation = &document["paths"][route.path][route.method.to_lowercase()];
            assert_eq!(operation["summary"], route.summary);
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                assert_ne!(response["description"], "", "{} {status}", route.path);
                described
                    .extend(response["description"].as_str().unwrap().split('`').skip(1).step_by(2).map(str::to_owned));
            }
            assert!(route.errors.iter().all(|error| ERRORS.iter().any(|(listed, ..)| listed == error)));
        }
        // Those of paths that are none.
        described.extend(["not_found", "method"].map(str::to_owned));
        for (error_type, ..) in ERRORS {
            assert!(described.contains(error_type), "no route has `{error_type}`");
        }
    }

    #[test]
    fn every_reference_of_the_description_has_its_schema() {
        let document = openapi::document(&ROUTES);
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
        let references: BTreeSet<&str> = references.collect();
        assert!(references.len() > 10, "{references:?}");
        assert!(references.iter().all(|reference| document.pointer(reference).is_some()), "{references:?}");
    }
}
