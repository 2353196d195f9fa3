//! `longspan mcp`: a server for the program that started it, on standard input and output. Nothing else goes to standard
//! output.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::io::stdio_pipes;

use super::super::start;
use super::super::state::{AccessRules, ServerPhase, ServerState};
use super::library::DocumentLibrary;
use super::roots::DocumentRoots;
use super::service::McpService;
use crate::cli::{HttpLimitArgs, McpArgs};
use crate::data::documents;
use crate::terminal::hints;

/// Runs the command: until standard input ends.
///
/// # Errors
/// When a path is none, or the model cannot be loaded.
pub fn run(args: &McpArgs) -> Result<()> {
    args.machine.threads.start()?;
    let roots = DocumentRoots::new(&args.paths)?;
    if roots.is_empty() {
        let hint = "name the files and folders that may be read, such as `longspan mcp contracts`";
        hints::warn_of("there are no documents", Some(hint));
    }
    let mut sources = documents::server_options(args.limits.read_timeout, args.limits.read_memory);
    sources.password = args.password_file.as_deref().map(documents::password_of).transpose()?;
    // Nobody connects: what is over HTTP alone stays unused.
    let state = ServerState::new(args.limits.clone(), HttpLimitArgs::default(), AccessRules::closed(), sources);
    let (state, args) = (Arc::new(state), args.clone());
    let service = McpService { state: state.clone(), library: Arc::new(DocumentLibrary::Roots(roots)), record: None };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(async {
        tokio::spawn(start::remove_idle(state.clone()));
        // Clients wait for the first answer, not for the model.
        let loading = tokio::task::spawn_blocking(move || {
            start::load_model(&args.model, &args.machine, &state)?;
            state.advance(ServerPhase::Ready);
            anyhow::Ok(())
        });
        let serving = serve(service);
        tokio::pin!(serving);
        tokio::select! {
            loaded = loading => loaded.context("loading the model")??,
            served = &mut serving => return served,
        }
        serving.await
    });
    runtime.shutdown_background(); // work of a client that has gone is not waited for
    served
}

async fn serve(service: McpService) -> Result<()> {
    match service.serve(stdio_pipes()).await {
        Ok(running) => running.waiting().await.map(|_| ()).context("standard input and output"),
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()), // the client has left before it said a word
        Err(error) => Err(anyhow!("standard input: {}", longspan::error::excerpt(&error.to_string()))),
    }
}
