//! `POST /mcp`: the protocol over HTTP. Each request stands alone, and no session is kept: there is nothing that a client
//! could leave behind, and one that leaves ends its work.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::http::header;
use axum::response::Response;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use schemars::generate::SchemaGenerator;
use schemars::{Schema, json_schema};

use super::super::access::RequestRecord;
use super::super::body::{self, ReceivedBody};
use super::super::error::HttpError;
use super::super::state::ServerState;
use super::library::DocumentLibrary;
use super::service::McpService;

/// Silence on a stream is broken by a comment so often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The longest message of an error of the transport.
const ERROR_BYTES_MAX: usize = 1 << 12;

/// Answers a message.
pub async fn answer(
    State(state): State<Arc<ServerState>>,
    Extension(record): Extension<Arc<RequestRecord>>,
    request: Request,
) -> Result<Response, HttpError> {
    state.model()?;
    let (parts, body) = request.into_parts();
    let ReceivedBody { bytes, share: _share } = body::read(body, state.http_limits.max_body, &state).await?;
    // Names of hosts and sites were checked before.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_sse_retry(None)
        .with_max_request_body_bytes(bytes.len())
        .disable_allowed_hosts();
    let service = McpService { state, library: Arc::new(DocumentLibrary::Store), record: Some(record) };
    let transport =
        StreamableHttpService::new(move || Ok(service.clone()), Arc::new(NeverSessionManager::default()), config);
    let response = transport.handle(Request::from_parts(parts, Body::from(bytes))).await.map(Body::new);
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json || response.status().is_success() {
        return Ok(response);
    }
    let error_type = if response.status().is_server_error() { "internal" } else { "malformed" };
    let message = to_bytes(response.into_body(), ERROR_BYTES_MAX).await.unwrap_or_default();
    Err(HttpError::new(error_type, longspan_ask::text::one_line(&String::from_utf8_lossy(&message))))
}

/// A message of the protocol, in the description of the API.
pub fn message_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "A message of the Model Context Protocol: JSON-RPC 2.0.",
        "required": ["jsonrpc"],
        "properties": {"jsonrpc": {"const": "2.0"}, "method": {"type": "string"}, "params": {"type": "object"}},
    })
}
