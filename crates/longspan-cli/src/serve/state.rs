//! What all requests share.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use longspan::Reader;
use longspan_ask::text::quoted;
use longspan_ask::{NamedDocument, SourceOptions};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use super::engine::ServeEngine;
use super::error::HttpError;
use super::metrics::ServeMetrics;
use super::store::DocumentStore;
use crate::cli::{HttpLimitArgs, WorkLimitArgs};
use crate::machine::cores;

/// Memory for the bodies of all requests that are not answered yet, or twice the longest one if that is more.
const BODIES_BYTES_MAX: u64 = 256 << 20;
/// Memory for bodies is counted in units of so many bytes.
pub const BODY_UNIT_BYTES: u64 = 1 << 10;
/// The most bytes of texts whose tokens are computed as short work.
const SHORT_BYTES_MAX: usize = 1 << 16;

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

/// How long work keeps a core busy. Short work never waits for long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkLength {
    /// Questions and short texts are tokenized.
    Short,
    /// Files are looked for and read, pages are drawn, quotations are checked, long texts are tokenized.
    Long,
}

impl WorkLength {
    /// Of texts with so many bytes that are tokenized.
    pub fn of_texts(bytes: usize) -> Self {
        if bytes <= SHORT_BYTES_MAX { Self::Short } else { Self::Long }
    }
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
    /// Memory for bodies, in units of `BODY_UNIT_BYTES`.
    pub bodies: Arc<Semaphore>,
    /// Short work at once: as much as cores.
    short_work: Arc<Semaphore>,
    /// Long work at once: as much as cores.
    long_work: Arc<Semaphore>,
}

#[cfg(test)]
impl ServerState {
    /// A server with the limits that are usual, and no model.
    pub fn for_tests() -> Self {
        use clap::Parser;

        use crate::cli::{Cli, Command};
        match Cli::parse_from(["longspan", "mcp"]).command {
            Command::Mcp(args) => Self::new(
                args.limits.clone(),
                HttpLimitArgs::default(),
                AccessRules::closed(),
                SourceOptions::default(),
            ),
            other => panic!("{other:?}"),
        }
    }
}

impl ServerState {
    /// A server that loads its model.
    pub fn new(limits: WorkLimitArgs, http_limits: HttpLimitArgs, access: AccessRules, sources: SourceOptions) -> Self {
        let metrics = Arc::new(ServeMetrics::new());
        let longest = limits.max_upload.max(http_limits.max_body);
        let body_units = BODIES_BYTES_MAX.max(longest.saturating_mul(2)) / BODY_UNIT_BYTES;
        let body_units = usize::try_from(body_units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let cores = cores();
        Self {
            store: DocumentStore::new(limits.cache_bytes, limits.cache_ttl, metrics.clone()),
            requests: Arc::new(Semaphore::new(http_limits.max_concurrent_requests.min(Semaphore::MAX_PERMITS))),
            bodies: Arc::new(Semaphore::new(body_units)),
            short_work: Arc::new(Semaphore::new(cores)),
            long_work: Arc::new(Semaphore::new(cores)),
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

    /// Waits until no request is left, so that the log has all of them.
    pub async fn requests_end(&self) {
        let most = self.http_limits.max_concurrent_requests.min(Semaphore::MAX_PERMITS);
        // The semaphore is never closed.
        let _ = self.requests.acquire_many(u32::try_from(most).unwrap_or(u32::MAX)).await;
    }

    /// Runs work that keeps a core busy, outside the threads of requests, when its turn comes. Work that has begun keeps its
    /// turn to its end, also when nobody waits for it any more: so no more work of each length runs at once than
    /// there are cores.
    ///
    /// # Errors
    /// Those of `work`, and `internal` after a panic in it.
    pub async fn block_on<T: Send + 'static>(
        &self,
        length: WorkLength,
        work: impl FnOnce() -> Result<T, HttpError> + Send + 'static,
    ) -> Result<T, HttpError> {
        let turns = match length {
            WorkLength::Short => &self.short_work,
            WorkLength::Long => &self.long_work,
        };
        let permit = turns.clone().acquire_owned().await; // the semaphore is never closed
        let run = move || {
            let _permit = permit;
            work()
        };
        let done = tokio::task::spawn_blocking(run).await;
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
        let message = format!("{}: {tokens} tokens, at most {tokens_max} are taken", quoted(document.name()));
        Err(HttpError::new("document_too_long", message).with_hint("split it, and ask the parts"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn limits_may_be_as_large_as_their_types() {
        let usual = ServerState::for_tests();
        let limits = WorkLimitArgs { max_upload: u64::MAX, ..usual.limits };
        let requests = HttpLimitArgs { max_body: u64::MAX, max_concurrent_requests: usize::MAX, ..usual.http_limits };
        let state = ServerState::new(limits, requests, AccessRules::closed(), SourceOptions::default());
        assert_eq!(state.bodies.available_permits() as u64, u64::MAX / BODY_UNIT_BYTES);
        assert_eq!(state.requests.available_permits(), Semaphore::MAX_PERMITS);
    }

    #[test]
    fn short_work_passes_long_work_which_keeps_its_turn_to_its_end() {
        let (state, may_end) = (Arc::new(ServerState::for_tests()), Arc::new(AtomicBool::new(false)));
        let cores = state.long_work.available_permits();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let long: Vec<_> = (0..cores)
                .map(|_| {
                    let (state, may_end) = (state.clone(), may_end.clone());
                    let work = move || {
                        while !may_end.load(Ordering::SeqCst) {
                            thread::yield_now();
                        }
                        Ok(())
                    };
                    tokio::spawn(async move { state.block_on(WorkLength::Long, work).await })
                })
                .collect();
            while state.long_work.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(state.block_on(WorkLength::Short, || Ok(7)).await.unwrap(), 7);
            for waiting in long {
                waiting.abort();
                assert!(waiting.await.unwrap_err().is_cancelled());
            }
            assert_eq!(state.long_work.available_permits(), 0);
            may_end.store(true, Ordering::SeqCst);
            while state.long_work.available_permits() < cores {
                tokio::task::yield_now().await;
            }
        });
    }
}
