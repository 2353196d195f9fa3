//! Arguments of `longspan serve`, `longspan mcp` and `longspan health`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, FromArgMatches, ValueEnum, ValueHint};

use super::common::{MachineArgs, ModelArgs};
use super::values::{bytes, count, count_or_zero, host_name, origin, seconds};

/// The port, unless another one is given.
const PORT: u16 = 8737;

const ACCESS: &str = "Access";
const LIMITS: &str = "Limits";
const END: &str = "Start and end";

/// Arguments of `longspan serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The model to ask.
    #[command(flatten)]
    pub model: ModelArgs,
    /// The address to listen on; without a key, others than this machine should not reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    pub port: u16,
    /// Serve the documents in DIR and the folders below, by their paths in it; they cannot be deleted
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
    /// Open the page in the browser
    #[arg(long)]
    pub open: bool,
    /// The form of the log on standard error: a line for each request, without questions, texts and names of files
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,
    /// Who may ask.
    #[command(flatten)]
    pub access: AccessArgs,
    /// How much documents and their questions may take.
    #[command(flatten)]
    pub limits: WorkLimitArgs,
    /// How much requests may take.
    #[command(flatten)]
    pub http_limits: HttpLimitArgs,
    /// How it ends.
    #[command(flatten)]
    pub drain: DrainArgs,
    /// On what the command computes.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Arguments of `longspan mcp`.
#[derive(Debug, Clone, Args)]
pub struct McpArgs {
    /// Files that may be read, and folders whose files may be, also in folders below; nothing else is
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// The first line of FILE is the password of encrypted documents
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// The model to ask.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How much documents and their questions may take.
    #[command(flatten)]
    pub limits: WorkLimitArgs,
    /// On what the command computes.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

/// Who may ask.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = ACCESS)]
pub struct AccessArgs {
    /// The first line of FILE is the key that requests must have, as `Authorization: Bearer KEY`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "api_key")]
    pub api_key_file: Option<PathBuf>,
    /// The key itself; as an argument, every user of this machine can see it. Without both options, the environment variable
    /// LONGSPAN_API_KEY has the key, if it is set
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,
    /// A name of this server in the Host header, besides those of this machine; may be given again
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub allow_host: Vec<String>,
    /// A site whose pages may use the server, such as https://example.com; may be given again
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub cors_allow_origin: Vec<String>,
}

/// How much documents and their questions may take. What is beyond a limit is refused with an error that names it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = LIMITS)]
pub struct WorkLimitArgs {
    /// The longest file
    #[arg(long, value_name = "BYTES", default_value = "64M", value_parser = bytes)]
    pub max_upload: u64,
    /// The most tokens of a document
    #[arg(long, value_name = "N", default_value = "2000000", value_parser = count, allow_hyphen_values = true)]
    pub max_document_tokens: usize,
    /// The most tokens that may wait for the model, over all requests
    #[arg(long, value_name = "N", default_value = "8000000", value_parser = count, allow_hyphen_values = true)]
    pub max_queued_tokens: usize,
    /// Memory for documents; the one that was not used for the longest time makes room
    #[arg(long, value_name = "BYTES", default_value = "512M", value_parser = bytes)]
    pub cache_bytes: u64,
    /// A document that was not used for so long goes
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = seconds)]
    pub cache_ttl: Duration,
    /// The longest time for reading a file or drawing a page
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub read_timeout: Duration,
    /// The most memory for each file that is read, on Linux
    #[arg(long, value_name = "BYTES", default_value = "2G", value_parser = bytes)]
    pub read_memory: u64,
    /// The longest time for a request
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    pub request_timeout: Duration,
}

/// How much requests over HTTP may take, besides.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = LIMITS)]
pub struct HttpLimitArgs {
    /// The longest body of a request
    #[arg(long, value_name = "BYTES", default_value = "8M", value_parser = bytes)]
    pub max_body: u64,
    /// The most questions times documents of a request; of questions to all documents, the most questions
    #[arg(long, value_name = "N", default_value = "64", value_parser = count, allow_hyphen_values = true)]
    pub max_pairs: usize,
    /// The most requests at once
    #[arg(long, value_name = "N", default_value = "256", value_parser = count_or_zero, allow_hyphen_values = true)]
    pub max_concurrent_requests: usize,
    /// The most connections at once; others wait to be accepted
    #[arg(long, value_name = "N", default_value = "1024", value_parser = count, allow_hyphen_values = true)]
    pub max_connections: usize,
    /// The longest time for the headers of a request
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub header_timeout: Duration,
    /// The longest time without a byte of a body that is on its way
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub body_timeout: Duration,
    /// The longest time in which a client takes no byte of its answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub write_timeout: Duration,
}

impl Default for HttpLimitArgs {
    /// The defaults of the command line.
    fn default() -> Self {
        let matches = Self::augment_args(clap::Command::new("")).get_matches_from([""]);
        Self::from_arg_matches(&matches).expect("every option has a default")
    }
}

/// How the server ends when it is told to (SIGTERM, Ctrl-C).
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = END)]
pub struct DrainArgs {
    /// How long requests are still accepted then, while /health already says that the server ends
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub drain_delay: Duration,
    /// How long accepted requests have after that
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub drain_timeout: Duration,
}

/// Arguments of `longspan health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The address of the server
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8737")]
    pub url: String,
}
