//! `longspan serve`: a page, an API and metrics. tokio starts here alone; which windows go through the model next is
//! decided in `longspan_ask`, without async.
//!
//! ```text
//! listen       connections: accepting and draining
//! routes       the table of routes
//! openapi      the description of the API
//! ── handlers ──
//! ask          questions for documents and texts, answered at once or event by event
//! cite         quotations checked against documents
//! mcp          the tools of agents, over HTTP and on standard input and output
//! tasks        the task of Hugging Face's clients
//! documents    uploads, texts, pages and their pictures
//! page         the files of the page
//! ── shared ──
//! access       what surrounds every request: id, log, key, names, headers
//! body         bodies to their limits
//! start        the model is loaded
//! state        what all requests share
//! engine       the thread that runs the model, and its queue
//! store        documents in memory
//! metrics      what is counted
//! error        codes and statuses
//! ```

mod error;
mod metrics;

mod engine;
mod store;

mod state;

mod start;

mod access;
mod body;
mod page;

mod ask;
mod cite;
mod documents;
mod mcp;
mod tasks;

mod openapi;
mod routes;

mod listen;

pub use mcp::run as run_mcp;

use std::env;
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};
use longspan_ask::text::quoted;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use crate::cli::{AccessArgs, FolderArgs, LogFormat, ServeArgs};
use crate::data::documents as files;
use crate::data::gathered::{GatheredFiles, SKIPPED_NAMED_MAX};
use crate::lines::read_to_limit;
use crate::terminal::hints::{self, fault};
use crate::terminal::{self, counted};
use error::HttpError;
use state::{AccessRules, ServerPhase, ServerState};

/// The variable of the environment that has the key, if no option has it.
const KEY_VARIABLE: &str = "LONGSPAN_API_KEY";
const KEY_HINT: &str = "a key is one line of visible ASCII characters, with no blank at its ends";

/// Runs the command.
pub fn run(args: &ServeArgs) -> Result<()> {
    args.machine.threads.start()?;
    let access = access_rules(args)?;
    args.folder.as_deref().map(check_folder).transpose()?;
    if !args.host.is_loopback() && access.key_digest.is_none() {
        hints::warn("everyone who reaches this address can list and ask all documents: --api-key-file asks for a key");
    }
    start_log(args.log_format);
    let listener = TcpListener::bind((args.host, args.port)).map_err(|error| {
        let message = format!("{}:{}: {}", args.host, args.port, hints::io_message(&error));
        fault(message, "another program may have the port: --port takes another one, --port 0 any that is free")
    })?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}", listener.local_addr()?);
    let sources = files::server_options(args.limits.read_timeout, args.limits.read_memory);
    let state = Arc::new(ServerState::new(args.limits.clone(), args.http_limits.clone(), access, sources));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = routes::router(&state);
        terminal::print(format!("{url}\n").as_bytes()).context("standard output")?;
        if args.open {
            open_browser(&url);
        }
        let own = (state.clone(), args.clone());
        let loading = tokio::task::spawn_blocking(move || load(&own.1, &own.0));
        tokio::spawn(start::remove_idle(state.clone()));
        let serving = listen::serve(listener, router, state.clone(), args.drain);
        tokio::pin!(serving);
        tokio::select! {
            loaded = loading => loaded.context("loading the model")??,
            served = &mut serving => return served.context("signals"),
        }
        serving.await.context("signals")
    });
    runtime.shutdown_background(); // work of clients that have gone is not waited for
    served
}

/// Loads the model, and reads the folder.
fn load(args: &ServeArgs, state: &ServerState) -> Result<()> {
    start::load_model(&args.model, &args.machine, state)?;
    if let Some(folder) = &args.folder {
        read_folder(folder, state)?;
    }
    state.advance(ServerPhase::Ready);
    tracing::info!("ready");
    Ok(())
}

fn access_rules(args: &ServeArgs) -> Result<AccessRules> {
    let AccessArgs { api_key_file, api_key, allow_host, cors_allow_origin } = &args.access;
    let of_environment = || env::var_os(KEY_VARIABLE).filter(|key| !key.is_empty());
    let (key, place) = match (api_key_file, api_key) {
        (Some(path), _) => (Some(files::secret(path, "key", KEY_HINT)?), format!("`{}`", path.display())),
        (None, Some(key)) => (Some(key.clone()), "--api-key".to_owned()),
        (None, None) => (of_environment().map(|key| key.to_string_lossy().into_owned()), KEY_VARIABLE.to_owned()),
    };
    // A client cannot send any other key in a header.
    let can_be_sent =
        |key: &String| !key.is_empty() && key.trim() == key && key.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if key.as_ref().is_some_and(|key| !can_be_sent(key)) {
        return Err(fault(format!("{place}: a key that no request can have"), KEY_HINT));
    }
    Ok(AccessRules {
        key_digest: key.map(|key| access::key_digest(&key)),
        host: args.host,
        allowed_hosts: allow_host.clone(),
        allowed_origins: cors_allow_origin.clone(),
    })
}

/// Checks that there is a folder at a path.
fn check_folder(path: &Path) -> Result<()> {
    let hint = "--folder names the folder whose documents are served";
    match path.metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(fault(format!("`{}`: not a folder", path.display()), hint)),
        Err(error) => Err(hints::io_fault(path, &error, hint)),
    }
}

/// Starts the log. What libraries log stays out of it: they know questions and texts.
fn start_log(format: LogFormat) {
    let own = Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
    // There is no other log.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(log.finish().with(own)),
        LogFormat::Json => tracing::subscriber::set_global_default(log.json().flatten_event(true).finish().with(own)),
    };
}

/// Reads the documents of a folder, and says which cannot be read; files of other kinds are left out.
fn read_folder(folder: &Path, state: &ServerState) -> Result<()> {
    let every = FolderArgs { recursive: true, glob: Vec::new() };
    let found = GatheredFiles::new(&[folder.to_owned()], &every, None)?;
    let mut unread: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    for path in &found.paths {
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
        match add_file(path, &name, state) {
            Err(error) if !error.is_of_no_document => unread.push(error.message),
            _ => {}
        }
    }
    let count = unread.len();
    if count > 0 {
        let named = unread[..count.min(SKIPPED_NAMED_MAX)].join("; ");
        let rest = if count > SKIPPED_NAMED_MAX { "; …" } else { "" };
        hints::warn(&format!("{} of the folder cannot be read: {named}{rest}", counted(count, "file")));
    }
    Ok(())
}

/// Reads a file of the folder that is served.
fn add_file(path: &Path, name: &str, state: &ServerState) -> Result<(), HttpError> {
    let bytes = File::open(path).and_then(|file| read_to_limit(file, state.limits.max_upload));
    let unreadable = |error| HttpError::new("unreadable", format!("{}: {}", quoted(name), hints::io_message(&error)));
    state.store.add(documents::read_of_folder(state, name, bytes.map_err(unreadable)?)?).map(drop)
}

/// Opens the page in the browser of the desktop, if there is one.
fn open_browser(url: &str) {
    let (program, arguments): (_, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/c", "start"]),
        _ => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.spawn().is_err() {
        hints::warn(&format!("no browser was found: open {url}"));
    }
}
