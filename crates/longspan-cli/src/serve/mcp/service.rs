//! Requests of the protocol: tools are listed and called, documents are resources too.

use std::sync::Arc;

use longspan_ask::text::quoted;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, Resource, ResourceContents, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::super::access::RequestRecord;
use super::super::error::HttpError;
use super::super::state::{ServerState, WorkLength};
use super::calls::ToolCall;
use super::library::{DocumentLibrary, ListedDocument};
use super::tools::{INSTRUCTIONS, TOOLS};

/// What the address of a document as a resource begins with; its name or id follows, percent-encoded.
const RESOURCE: &str = "longspan://documents/";
/// The longest text that is given as a resource, in bytes.
const RESOURCE_BYTES_MAX: usize = 1 << 20;
const PASSWORD_HINT: &str =
    "`longspan mcp --password-file FILE` has the password of encrypted files; a server takes it with the upload";

/// Answers the requests of a client, or one of them over HTTP.
#[derive(Clone)]
pub struct McpService {
    /// The server.
    pub state: Arc<ServerState>,
    /// Its documents.
    pub library: Arc<DocumentLibrary>,
    /// The request over HTTP, where it is one; its turn among the requests at once ends with this.
    pub record: Option<Arc<RequestRecord>>,
}

impl McpService {
    /// Waits for work, unless it takes too long, or the client gives it up.
    async fn in_time<T>(
        &self,
        context: &RequestContext<RoleServer>,
        work: impl Future<Output = Result<T, HttpError>>,
    ) -> Result<Result<T, HttpError>, ErrorData> {
        tokio::select! {
            biased;
            () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)), // nobody reads it
            done = self.state.in_time(work) => Ok(done),
        }
    }

    async fn resource(&self, uri: &str) -> Result<ResourceContents, HttpError> {
        let unknown = || HttpError::new("unknown_document", format!("{}: no such resource", quoted(uri)));
        let name = uri.strip_prefix(RESOURCE).ok_or_else(unknown)?;
        let name = percent_decode_str(name).decode_utf8().map_err(|_| unknown())?;
        let held = self.library.open(&self.state, &name).await?;
        let text = held.document.content().text();
        if text.len() > RESOURCE_BYTES_MAX {
            let message = format!("the text has {} bytes, a resource has at most {RESOURCE_BYTES_MAX}", text.len());
            return Err(HttpError::new("too_large", message).with_hint("read_document gives it in parts"));
        }
        Ok(ResourceContents::text(text.to_string(), uri))
    }
}

impl ServerHandler for McpService {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let server = Implementation::new("longspan", env!("CARGO_PKG_VERSION")).with_title("Longspan");
        ServerConfig::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(TOOLS.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let token = context.meta.get_progress_token();
        let call = ToolCall {
            state: self.state.clone(),
            library: self.library.clone(),
            record: self.record.clone(),
            progress: token.map(|token| (context.peer.clone(), token)),
        };
        let done = self.in_time(&context, call.run(&request.name, request.arguments.unwrap_or_default())).await?;
        done.or_else(failed).map(CallToolResponse::from)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let (own, library) = (self.state.clone(), self.library.clone());
        let cursor = request.and_then(|request| request.cursor);
        let listing = self.state.block_on(WorkLength::Long, move || Ok(library.list(&own, cursor.as_deref())));
        let list = self.in_time(&context, listing).await?.map_err(protocol_error)?;
        let resources = list.documents.into_iter().map(|listed| resource(self.library.key(&listed), &listed));
        let mut result = ListResourcesResult::with_all_items(resources.collect());
        result.next_cursor = list.next_cursor;
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = self.in_time(&context, self.resource(&request.uri)).await?.map_err(protocol_error)?;
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}

/// A document as a resource, by its key in the library.
fn resource(key: &str, listed: &ListedDocument) -> Resource {
    let uri = format!("{RESOURCE}{}", utf8_percent_encode(key, NON_ALPHANUMERIC));
    let resource = Resource::new(uri, &listed.document).with_mime_type("text/plain");
    match &listed.title {
        Some(title) => resource.with_title(title),
        None => resource,
    }
}

/// What a tool gives in the place of a result, if whoever calls can mend it.
///
/// # Errors
/// In the protocol, if the call is malformed, or the fault is here.
fn failed(error: HttpError) -> Result<CallToolResult, ErrorData> {
    match error.error_type {
        "malformed" | "internal" => Err(protocol_error(error)),
        _ => Ok(CallToolResult::error(vec![ContentBlock::text(told(&error))])),
    }
}

fn protocol_error(error: HttpError) -> ErrorData {
    match error.error_type {
        "unknown_document" => ErrorData::resource_not_found(told(&error), None),
        "internal" => ErrorData::internal_error(told(&error), None),
        _ => ErrorData::invalid_params(told(&error), None),
    }
}

/// An error for people and models: its code, message and hint.
fn told(error: &HttpError) -> String {
    let hint = match error.error_type {
        "password_required" | "wrong_password" => Some(PASSWORD_HINT),
        _ => error.hint,
    };
    let hint = hint.map_or(String::new(), |hint| format!("\nhint: {hint}"));
    format!("{}: {}{hint}", error.error_type, error.message)
}
