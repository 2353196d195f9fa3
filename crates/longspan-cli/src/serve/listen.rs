//! Connections: they are accepted, and drained when the server is told to end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;

use super::state::{ServerPhase, ServerState};
use crate::cli::DrainArgs;
use crate::status::Status;

/// After an error of accepting, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What streams have to say that they end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until a signal tells the server to end, and what was accepted is answered. A second signal ends the process at
/// once.
///
/// # Errors
/// When signals cannot be received.
pub async fn serve(listener: TcpListener, router: Router, state: Arc<ServerState>, drain: DrainArgs) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let graceful = GracefulShutdown::new();
    tokio::select! {
        () = accept(&listener, &router, &state, &graceful) => {}
        () = async {
            signals.next().await;
            state.advance(ServerPhase::Draining);
            tracing::info!("draining");
            or_exit(&mut signals, sleep(drain.drain_delay)).await;
        } => {}
    }
    drop(listener);
    let closed = graceful.shutdown();
    tokio::pin!(closed);
    let in_time = or_exit(&mut signals, timeout(drain.drain_timeout, &mut closed)).await.is_ok();
    state.advance(ServerPhase::Ended);
    if !in_time {
        let _ = or_exit(&mut signals, timeout(LAST_WORDS, &mut closed)).await;
    }
    // A stream may have said its last word before its request ends.
    let _ = or_exit(&mut signals, timeout(LAST_WORDS, state.requests_end())).await;
    tracing::info!(in_time, "drained");
    Ok(())
}

/// Waits for something, unless a signal ends the process.
async fn or_exit<T>(signals: &mut Signals, waited_for: impl Future<Output = T>) -> T {
    tokio::select! {
        done = waited_for => done,
        () = signals.next() => std::process::exit(Status::Failed as i32),
    }
}

/// Accepts connections, so many at once.
async fn accept(listener: &TcpListener, router: &Router, state: &Arc<ServerState>, graceful: &GracefulShutdown) {
    let connections = Arc::new(Semaphore::new(state.http_limits.max_connections));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(state.http_limits.header_timeout);
    while let Ok(permit) = connections.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true); // events are small
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(state.http_limits.write_timeout));
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
        tokio::spawn(async move {
            let _ = connection.await; // a client that leaves is no error
            drop(permit);
        });
    }
}

/// The signals that tell the server to end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
