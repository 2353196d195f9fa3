//! Work without the GIL. It runs on a thread of its own, while the thread that called looks every few milliseconds whether
//! Python has a signal for it. An interrupted caller goes on at once; the work ends with the pass or the file that it is in.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::errors::{of_bug, of_option};

/// So long may Ctrl-C go unnoticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How often this process is a fork of another one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Tells the readers that this process was forked: the threads of their pools are not here.
#[pyfunction]
pub fn forked() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// Something with threads or pipes, which no fork may share: it is started when it is needed first, and again in a fork.
pub struct PerProcess<T> {
    /// The count of forks at its start.
    ///
    /// It is locked with the GIL only, and nobody waits for anything meanwhile: so it is free in a fork.
    started: Mutex<Option<(u64, Arc<T>)>>,
}

impl<T> PerProcess<T> {
    pub const fn new() -> Self {
        Self { started: Mutex::new(None) }
    }

    /// That of this process.
    pub fn get(&self, _with_gil: Python<'_>, start: impl FnOnce() -> PyResult<T>) -> PyResult<Arc<T>> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        forget_foreign(&mut started);
        if let Some((_, own)) = &*started {
            return Ok(own.clone());
        }
        let own = Arc::new(start()?);
        *started = Some((FORKS.load(Ordering::SeqCst), own.clone()));
        Ok(own)
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        forget_foreign(self.started.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Forgets what another process started: its end would wait for threads that are not in this process.
fn forget_foreign<T>(started: &mut Option<(u64, Arc<T>)>) {
    if let Some((_, foreign)) = started.take_if(|(then, _)| *then != FORKS.load(Ordering::SeqCst)) {
        std::mem::forget(foreign);
    }
}

/// The threads of a reader.
pub struct ReaderThreads {
    /// None for all cores.
    threads: Option<usize>,
    pool: PerProcess<ThreadPool>,
}

impl ReaderThreads {
    pub fn new(threads: Option<usize>) -> Self {
        Self { threads, pool: PerProcess::new() }
    }

    /// The pool of this process.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn pool(&self, py: Python<'_>) -> PyResult<Arc<ThreadPool>> {
        self.pool.get(py, || {
            let builder = ThreadPoolBuilder::new().num_threads(self.threads.unwrap_or(0));
            let builder = builder.thread_name(|index| format!("longspan-{index}"));
            builder.build().map_err(|error| of_option(py, &format!("threads: {error}")))
        })
    }
}

/// What work sees of its caller.
pub struct Watched<P> {
    is_stopped: Arc<AtomicBool>,
    reports: Sender<P>,
}

impl<P> Watched<P> {
    /// Reports to the caller. `Break` if the work is not wanted any more.
    pub fn report(&self, report: P) -> ControlFlow<()> {
        let _ = self.reports.send(report);
        if self.is_stopped.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The result of work, which is done without the GIL.
///
/// - `on_report`: called for each report of the work
///
/// # Errors
/// Those of `on_report` and of Python's handlers of signals, such as `KeyboardInterrupt`; `OSError` when no thread can be
/// started.
pub fn watched<T: Send + 'static, P: Send + 'static>(
    py: Python<'_>,
    on_report: &mut dyn FnMut(P) -> PyResult<()>,
    work: impl FnOnce(&Watched<P>) -> T + Send + 'static,
) -> PyResult<T> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let (sender, result) = mpsc::channel();
    let (reports_sender, mut reports) = mpsc::channel();
    let seen = Watched { is_stopped: is_stopped.clone(), reports: reports_sender };
    let work = move || {
        let _ = sender.send(work(&seen));
        drop(seen); // reports end when the result is there
    };
    thread::Builder::new().spawn(work).map_err(|error| PyOSError::new_err(format!("no thread: {error}")))?;
    loop {
        let report;
        (reports, report) = py.detach(move || {
            let report = reports.recv_timeout(LOOK_INTERVAL);
            (reports, report)
        });
        let seen = match report {
            Ok(report) => on_report(report),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        seen.and_then(|()| py.check_signals()).inspect_err(|_| is_stopped.store(true, Ordering::SeqCst))?;
    }
    result.try_recv().map_err(|_| of_bug(py, "the engine failed, which is a bug"))
}

/// The same for work that reports nothing.
///
/// # Errors
/// Those of Python's handlers of signals; `OSError` when no thread can be started.
pub fn without_gil<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    watched::<T, ()>(py, &mut |()| Ok(()), |_| work())
}
