//! `longspan mcp`: a server for the program that started it, on standard input and output. Nothing else goes to standard
//! output.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{self, Poll, ready};

use anyhow::{Context, Result, anyhow};
use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH;
use rmcp::transport::io::stdio_pipes;
use tokio::io::{AsyncRead, ReadBuf};

use super::super::start;
use super::super::state::{AccessRules, ServerPhase, ServerState};
use super::library::DocumentLibrary;
use super::roots::DocumentRoots;
use super::service::McpService;
use crate::cli::{HttpLimitArgs, McpArgs};
use crate::data::documents;
use crate::terminal::hints;

/// The longest message, with the end of its line.
const MESSAGE_BYTES_MAX: usize = DEFAULT_MAX_LINE_LENGTH;
const INPUT_HINT: &str = "a message is one line of JSON: name documents in it, and give long texts in parts";

/// Runs the command: until standard input ends.
///
/// # Errors
/// When a path is none, the model cannot be loaded, or standard input fails or has a line that is too long.
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
    let library = Arc::new(DocumentLibrary::Roots(Arc::new(roots)));
    let service = McpService { state: state.clone(), library, record: None };
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
    let (input, output) = stdio_pipes();
    let failure = Arc::new(OnceLock::new());
    let input = MessageInput { input, line_bytes: 0, failure: failure.clone() };
    let served = match service.serve((input, output)).await {
        Ok(running) => running.waiting().await.map(|_| ()).context("standard input and output"),
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()), // the client has left before it said a word
        Err(error) => Err(anyhow!("standard input: {}", longspan::error::excerpt(&error.to_string()))),
    };
    match failure.get() {
        Some(error) => Err(hints::fault(format!("standard input: {}", hints::io_message(error)), INPUT_HINT)),
        None => served,
    }
}

/// Standard input. The transport drops a line that is too long, and takes a failure for the end: a client would wait for ever
/// for an answer, so both end the server with an error.
struct MessageInput<R> {
    input: R,
    /// Of the line that has begun.
    line_bytes: usize,
    failure: Arc<OnceLock<io::Error>>,
}

impl<R> MessageInput<R> {
    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line_bytes += part.len();
            if self.line_bytes > MESSAGE_BYTES_MAX {
                let message = format!("a line of more than {} MiB", MESSAGE_BYTES_MAX >> 20);
                return Err(io::Error::new(ErrorKind::InvalidData, message));
            }
            if part.ends_with(b"\n") {
                self.line_bytes = 0;
            }
        }
        Ok(())
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for MessageInput<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.input).poll_read(context, buffer));
        let read = read.and_then(|()| self.count(&buffer.filled()[start..]));
        Poll::Ready(read.map_err(|error| {
            let kind = error.kind();
            let _ = self.failure.set(error); // the first one counts
            kind.into()
        }))
    }
}
