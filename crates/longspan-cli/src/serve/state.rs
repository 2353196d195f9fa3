//! What all requests share.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

use longspan::Reader;
use longspan_ask::{NamedDocument, SourceOptions};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use super::engine::ServeEngine;
use super::error::HttpError;
use super::metrics::ServeMetrics;
use super::store::DocumentStore;
use crate::cli::{HttpLimitArgs, WorkLimitArgs};

/// The life of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerPhase {
    /// The model is being loaded.
    Loading,
    /// Ready.
    Ready,
    /// It was told to end: what was accepted is answered.
    Draining,
    /// The time for that is over.
    Ended,
}

/// Who may ask.
pub struct AccessRules {
    /// SHA-256 of the key, if there is one.
    pub key_digest: Option<[u8; 32]>,
    /// The address that is listened on.
    pub host: IpAddr,
    /// Further names in the Host header.
    pub allowed_hosts: Vec<String>,
    /// Sites whose pages may ask.
    pub allowed_origins: Vec<String>,
}

impl AccessRules {
    /// For a server that nobody connects to.
    pub fn closed() -> Self {
        let host = Ipv4Addr::LOCALHOST.into();
        Self { key_digest: None, host, allowed_hosts: Vec::new(), allowed_origins: Vec::new() }
    }
}

/// The model, once it is loaded.
pub struct ServedModel {
    /// The model.
    pub reader: Arc<Reader>,
    /// The thread that runs it.
    pub engine: ServeEngine,
    /// What is said of it.
    pub info: InfoObject,
}

/// What the server says of itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Info")]
pub struct InfoObject {
    /// Version of the program.
    pub version: &'static str,
    /// Name of the model.
    pub model: String,
    /// Numbers that it computes with: `f32`, `bf16` or `int8`.
    pub precision: String,
    /// The instruction set that it computes with.
    pub instruction_set: String,
    /// Tokens of its longest input.
    pub max_tokens: usize,
    /// The null odds above which there is no answer, unless a request says otherwise.
    pub threshold: f64,
    /// The thresholds that `abstain` names; none, if none were fitted to the model.
    pub abstain: BTreeMap<&'static str, f64>,
    /// Tokens of the longest answer, unless a request says otherwise.
    pub max_answer_length: usize,
    /// The data on which scores were made probabilities; absent if they are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibrated_on: Option<String>,
    /// The formats of documents that are read.
    pub formats: Vec<&'static str>,
    /// Whether requests need a key.
    pub needs_key: bool,
    /// What is beyond these is refused.
    pub limits: LimitsObject,
}

/// Limits, with the names of the options.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Limits")]
pub struct LimitsObject {
    /// Bytes of the body of a request.
    pub max_body: u64,
    /// Bytes of a file.
    pub max_upload: u64,
    /// Tokens of a document.
    pub max_document_tokens: usize,
    /// Questions times documents of a request.
    pub max_pairs: usize,
    /// Tokens of work that may wait.
    pub max_queued_tokens: usize,
    /// Spans of an answer.
    pub top_k: usize,
    /// Seconds of a request.
    pub request_timeout: f64,
    /// Seconds after which a document that is not used goes.
    pub cache_ttl: f64,
}

/// What all requests share.
pub struct ServerState {
    /// How much documents and their questions may take.
    pub limits: WorkLimitArgs,
    /// How much requests over HTTP may take, besides.
    pub http_limits: HttpLimitArgs,
    /// Who may ask.
    pub access: AccessRules,
    /// How files are read.
    pub sources: SourceOptions,
    /// The documents.
    pub store: DocumentStore,
    /// What is counted.
    pub metrics: Arc<ServeMetrics>,
    /// The model, once it is loaded.
    pub model: OnceLock<ServedModel>,
    /// The phase, and who waits for the next one.
    pub phase: watch::Sender<ServerPhase>,
    /// Requests at once.
    pub requests: Arc<Semaphore>,
    /// Files that are read, and texts that are tokenized, at once: as many as cores.
    readers: Semaphore,
}

impl ServerState {
    /// A server that loads its model.
    pub fn new(limits: WorkLimitArgs, http_limits: HttpLimitArgs, access: AccessRules, sources: SourceOptions) -> Self {
        let metrics = Arc::new(ServeMetrics::new());
        Self {
            store: DocumentStore::new(limits.cache_bytes, limits.cache_ttl, metrics.clone()),
            requests: Arc::new(Semaphore::new(http_limits.max_concurrent_requests)),
            readers: Semaphore::new(available_parallelism().map_or(1, usize::from)),
            phase: watch::Sender::new(ServerPhase::Loading),
            model: OnceLock::new(),
            limits,
            http_limits,
            access,
            sources,
            metrics,
        }
    }

    /// The model.
    ///
    /// # Errors
    /// `loading`.
    pub fn model(&self) -> Result<&ServedModel, HttpError> {
        self.model.get().ok_or_else(|| HttpError::new("loading", "the model is being loaded"))
    }

    /// Goes to a later phase; stays if it is already there.
    pub fn advance(&self, phase: ServerPhase) {
        self.phase.send_if_modified(|current| {
            let is_later = phase > *current;
            *current = phase.max(*current);
            is_later
        });
    }

    /// Waits for a phase, or a later one.
    pub async fn reaches(&self, phase: ServerPhase) {
        // The sender lives as long as this.
        let _ = self.phase.subscribe().wait_for(|current| *current >= phase).await;
    }

    /// Runs work that keeps a core busy, outside the threads of requests, when its turn comes.
    ///
    /// # Errors
    /// Those of `work`, and `internal` after a panic in it.
    pub async fn block_on<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HttpError> + Send + 'static,
    ) -> Result<T, HttpError> {
        let _permit = self.readers.acquire().await; // the semaphore is never closed
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|_| Err(HttpError::new("internal", "the request has failed: this is a bug")))
    }

    /// What comes out of work, unless the request takes too long, or the server has no more time.
    ///
    /// # Errors
    /// `deadline`, `draining`, and its own.
    pub async fn in_time<T>(&self, work: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
        let time = self.limits.request_timeout;
        tokio::select! {
            done = work => done,
            () = tokio::time::sleep(time) => {
                Err(HttpError::new("deadline", format!("the request took longer than {} s", time.as_secs_f64())))
            }
            () = self.reaches(ServerPhase::Ended) => Err(HttpError::new("draining", "the server ends")),
        }
    }

    /// Checks that a document is not too long.
    ///
    /// # Errors
    /// `document_too_long`.
    pub fn check_length(&self, document: &NamedDocument) -> Result<(), HttpError> {
        let (tokens, tokens_max) = (document.tokens(), self.limits.max_document_tokens);
        if tokens <= tokens_max {
            return Ok(());
        }
        let message = format!("the document has {tokens} tokens, at most {tokens_max} are taken");
        Err(HttpError::new("document_too_long", message).with_hint("split it, and ask the parts"))
    }
}
