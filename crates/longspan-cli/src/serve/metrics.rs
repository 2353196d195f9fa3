//! What the server counts, for Prometheus. Labels come from closed sets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::memory;

type Labels = Vec<(&'static str, String)>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// The counters, each with the name that it has in the output.
pub struct ServeMetrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    request_seconds: Histograms,
    questions: Family<Labels, Counter>,
    /// Tokens that went through the model.
    pub input_tokens: Counter,
    /// Readings that wait for the model or are read by it.
    pub queue_readings: Gauge,
    queue_tokens: Gauge,
    queue_seconds: Histogram,
    pass_tokens: Histogram,
    pass_seconds: Histogram,
    documents: Gauge,
    document_bytes: Gauge,
    document_read_seconds: Histograms,
    document_errors: Family<Labels, Counter>,
    rejected: Family<Labels, Counter>,
    build_info: Family<Labels, Gauge>,
    resident_memory: Gauge,
}

/// What serves.
pub struct BuildFacts<'a> {
    /// Version of the program.
    pub version: &'a str,
    /// Name of the model.
    pub model: &'a str,
    /// Numbers that it computes with.
    pub precision: &'a str,
    /// The instruction set.
    pub instruction_set: &'a str,
}

/// From a millisecond to half an hour.
fn seconds_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 21))
}

/// From 16 tokens to 16 million.
fn tokens_histogram() -> Histogram {
    Histogram::new(exponential_buckets(16.0, 4.0, 11))
}

impl ServeMetrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("longspan");
        let metrics = Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds_histogram as fn() -> Histogram),
            questions: Family::default(),
            input_tokens: Counter::default(),
            queue_readings: Gauge::default(),
            queue_tokens: Gauge::default(),
            queue_seconds: seconds_histogram(),
            pass_tokens: tokens_histogram(),
            pass_seconds: seconds_histogram(),
            documents: Gauge::default(),
            document_bytes: Gauge::default(),
            document_read_seconds: Family::new_with_constructor(seconds_histogram as fn() -> Histogram),
            document_errors: Family::default(),
            rejected: Family::default(),
            build_info: Family::default(),
            resident_memory: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests by route and status", metrics.requests.clone());
        registry.register("request_seconds", "Time of requests by route", metrics.request_seconds.clone());
        registry.register("questions", "Questions asked of a document, by outcome", metrics.questions.clone());
        registry.register("input_tokens", "Tokens that went through the model", metrics.input_tokens.clone());
        registry.register("queue_readings", "Readings that are not done", metrics.queue_readings.clone());
        registry.register("queue_tokens", "Tokens that wait for the model", metrics.queue_tokens.clone());
        registry.register("queue_seconds", "Time until the first pass of a reading", metrics.queue_seconds.clone());
        registry.register("pass_tokens", "Tokens of a pass", metrics.pass_tokens.clone());
        registry.register("pass_seconds", "Time of a pass", metrics.pass_seconds.clone());
        registry.register("documents", "Documents in memory", metrics.documents.clone());
        registry.register("document_bytes", "Memory of these documents", metrics.document_bytes.clone());
        let read = metrics.document_read_seconds.clone();
        registry.register("document_read_seconds", "Time of reading a file, by format", read);
        registry.register("document_errors", "Files that were not read, by error", metrics.document_errors.clone());
        registry.register("rejected", "Requests that were refused, by reason", metrics.rejected.clone());
        registry.register("build_info", "Version and model", metrics.build_info.clone());
        Self { registry, ..metrics }.with_process()
    }

    fn with_process(mut self) -> Self {
        let (start, resident) = (Gauge::<i64>::default(), self.resident_memory.clone());
        start.set(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64));
        let registry = &mut self.registry;
        registry.register("process_resident_memory_bytes", "Resident memory of the process", resident);
        registry.register("process_start_time_seconds", "When the process started, since 1970", start);
        self
    }

    /// A request that ended.
    pub fn request(&self, route: &str, status: u16, time: Duration) {
        let labels = |rest: Option<(&'static str, String)>| {
            [("route", route.to_owned())].into_iter().chain(rest).collect::<Labels>()
        };
        self.requests.get_or_create(&labels(Some(("status", status.to_string())))).inc();
        self.request_seconds.get_or_create(&labels(None)).observe(time.as_secs_f64());
    }

    /// A request that was refused.
    pub fn reject(&self, reason: &'static str) {
        self.rejected.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    /// A question that was asked of a document: `answered`, `no_answer`, `error` or `cancelled`.
    pub fn question(&self, outcome: &'static str) {
        self.questions.get_or_create(&vec![("outcome", outcome.to_owned())]).inc();
    }

    /// A reading whose first pass ended.
    pub fn queued(&self, time: Duration) {
        self.queue_seconds.observe(time.as_secs_f64());
    }

    /// A pass.
    pub fn pass(&self, tokens: usize, time: Duration) {
        self.input_tokens.inc_by(tokens as u64);
        self.pass_tokens.observe(tokens as f64);
        self.pass_seconds.observe(time.as_secs_f64());
    }

    /// The tokens that wait.
    pub fn set_queue_tokens(&self, tokens: usize) {
        self.queue_tokens.set(tokens as i64);
    }

    /// The documents in memory.
    pub fn set_documents(&self, count: usize, bytes: u64) {
        self.documents.set(count as i64);
        self.document_bytes.set(bytes as i64);
    }

    /// A file that was read.
    pub fn document(&self, format: &'static str, time: Duration) {
        let labels = vec![("format", format.to_owned())];
        self.document_read_seconds.get_or_create(&labels).observe(time.as_secs_f64());
    }

    /// A file that was not.
    pub fn document_error(&self, error_type: &'static str) {
        self.document_errors.get_or_create(&vec![("error_type", error_type.to_owned())]).inc();
    }

    /// What serves: version, model and what it computes with.
    pub fn set_build(&self, build: &BuildFacts<'_>) {
        let BuildFacts { version, model, precision, instruction_set } = *build;
        let labels =
            [("version", version), ("model", model), ("precision", precision), ("instruction_set", instruction_set)];
        let labels = labels.map(|(name, value)| (name, value.to_owned()));
        self.build_info.get_or_create(&labels.into()).set(1);
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        self.resident_memory.set(memory::resident().unwrap_or(0) as i64);
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry); // writing to a string does not fail
        text
    }
}
