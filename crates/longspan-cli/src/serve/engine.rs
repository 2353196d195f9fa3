//! The engine: one thread owns the passes of the model. It takes readings from a queue with a limit in tokens; readings of
//! who has left are dropped before the next pass. Answers are chosen on other threads, so that no pass waits
//! for that, but for the place of a verification window.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use longspan::ReadProgress;
use longspan_ask::{AskError, Asker, DocumentAnswer, PairReading, ReadingScheduler, ReadingWaiter};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc as async_mpsc};

use super::error::HttpError;
use super::metrics::ServeMetrics;

/// How much the speed of the last pass counts in the average.
const RATE_SHARE: f64 = 0.1;
/// The longest time after which a client should come again.
const RETRY_MAX: Duration = Duration::from_secs(600);

/// The queue of the engine.
pub struct ServeEngine {
    sender: mpsc::Sender<QueuedReading>,
    queue: Arc<WorkQueue>,
    metrics: Arc<ServeMetrics>,
    runtime: Handle,
}

/// How much waits, and how fast it goes.
struct WorkQueue {
    /// Tokens that are not read yet, over all readings.
    tokens: AtomicUsize,
    tokens_max: usize,
    /// Tokens a second, as the bits of an `f64`; 0 before the first pass.
    rate: AtomicU64,
}

/// A share of the queue, which becomes smaller as tokens are read, and ends with its reading.
struct QueueShare {
    queue: Arc<WorkQueue>,
    metrics: Arc<ServeMetrics>,
    tokens: usize,
}

impl QueueShare {
    fn shrink_to(&mut self, tokens: usize) {
        let gone = self.tokens.saturating_sub(tokens);
        self.tokens -= gone;
        let before = self.queue.tokens.fetch_sub(gone, Ordering::Relaxed);
        self.metrics.set_queue_tokens(before - gone);
    }
}

impl Drop for QueueShare {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// Work that the engine has taken. To give it up, drop it.
pub struct AcceptedWork {
    /// The pairs that are done, each with its index: closed without all of them after a bug.
    done: async_mpsc::UnboundedReceiver<FinishedPair>,
    progress: Arc<WorkProgress>,
    /// Tokens of the inputs of the model, over all pairs.
    pub tokens: usize,
    pairs_left: usize,
}

/// A pair that is done.
pub struct FinishedPair {
    /// Its index among those that were submitted.
    pub index: usize,
    /// Its answer.
    pub answer: Result<DocumentAnswer, AskError>,
}

/// What happens to accepted work.
pub enum WorkEvent {
    /// More tokens are read, see [`AcceptedWork::tokens_done`].
    Progress,
    /// A pair is done.
    Done(Box<FinishedPair>),
}

struct WorkProgress {
    tokens_done: AtomicUsize,
    queue_micros: AtomicU64,
    changed: Notify,
}

impl AcceptedWork {
    /// The next event; `None` when all pairs are done.
    ///
    /// # Errors
    /// After a bug in the engine.
    pub async fn next(&mut self) -> Result<Option<WorkEvent>, HttpError> {
        if self.pairs_left == 0 {
            return Ok(None);
        }
        tokio::select! {
            biased;
            () = self.progress.changed.notified() => Ok(Some(WorkEvent::Progress)),
            pair = self.done.recv() => {
                let pair = pair.ok_or_else(|| HttpError::new("internal", "the engine has failed: this is a bug"))?;
                self.pairs_left -= 1;
                Ok(Some(WorkEvent::Done(Box::new(pair))))
            }
        }
    }

    /// The answers of all pairs, by their indices.
    ///
    /// # Errors
    /// After a bug in the engine.
    pub async fn answers(&mut self) -> Result<Vec<Result<DocumentAnswer, AskError>>, HttpError> {
        let mut pairs = Vec::with_capacity(self.pairs_left);
        while let Some(event) = self.next().await? {
            if let WorkEvent::Done(pair) = event {
                pairs.push(*pair);
            }
        }
        pairs.sort_by_key(|pair| pair.index);
        Ok(pairs.into_iter().map(|pair| pair.answer).collect())
    }

    /// Tokens that are read.
    pub fn tokens_done(&self) -> usize {
        self.progress.tokens_done.load(Ordering::Relaxed)
    }

    /// The time until the first pass.
    pub fn queue_time(&self) -> Duration {
        Duration::from_micros(self.progress.queue_micros.load(Ordering::Relaxed))
    }
}

/// A reading on its way to the engine.
struct QueuedReading {
    reading: PairReading,
    waiter: PairWaiter,
}

/// A request that waits for a pair.
struct PairWaiter {
    index: usize,
    sender: async_mpsc::UnboundedSender<FinishedPair>,
    progress: Arc<WorkProgress>,
    share: QueueShare,
    tokens_done: usize,
    added: Instant,
    runtime: Handle,
    /// What becomes of it, once that is known.
    outcome: Option<&'static str>,
}

impl ReadingWaiter for PairWaiter {
    fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    fn progress(&mut self, progress: ReadProgress) {
        if self.tokens_done == 0 {
            let waited = self.added.elapsed();
            self.share.metrics.queued(waited);
            let micros = waited.as_micros().min(u64::MAX.into()) as u64;
            self.progress.queue_micros.fetch_max(micros, Ordering::Relaxed);
        }
        let read = progress.tokens_done - self.tokens_done;
        self.tokens_done = progress.tokens_done;
        self.share.shrink_to(progress.tokens - progress.tokens_done);
        self.progress.tokens_done.fetch_add(read, Ordering::Relaxed);
        self.progress.changed.notify_one();
    }

    fn done(mut self, read: Result<PairReading, AskError>) {
        self.runtime.clone().spawn_blocking(move || {
            let answer = read.and_then(PairReading::finish);
            self.outcome = Some(match &answer {
                Ok(answer) if answer.best().is_some() => "answered",
                Ok(_) => "no_answer",
                Err(_) => "error",
            });
            self.share.shrink_to(0);
            let _ = self.sender.send(FinishedPair { index: self.index, answer }); // nobody may wait any more
        });
    }
}

impl Drop for PairWaiter {
    fn drop(&mut self) {
        let is_alone = if self.sender.is_closed() { "cancelled" } else { "error" };
        self.share.metrics.question(self.outcome.unwrap_or(is_alone));
    }
}

impl ServeEngine {
    /// Starts the thread. The runtime of the caller chooses answers on its threads for work that blocks.
    ///
    /// # Errors
    /// When it cannot be started.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn start(
        asker: &Asker,
        batch_tokens: usize,
        tokens_max: usize,
        metrics: Arc<ServeMetrics>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let queue = Arc::new(WorkQueue { tokens: AtomicUsize::new(0), tokens_max, rate: AtomicU64::new(0) });
        let scheduler = ReadingScheduler::new(asker.clone(), batch_tokens);
        let (own_queue, own_metrics) = (queue.clone(), metrics.clone());
        let run = move || run(scheduler, &receiver, &own_queue, &own_metrics);
        thread::Builder::new().name("engine".into()).spawn(run)?;
        Ok(Self { sender, queue, metrics, runtime: Handle::current() })
    }

    /// Checks that work of so many tokens, or more, can be accepted at all.
    ///
    /// # Errors
    /// `too_large`.
    pub fn check(&self, tokens: usize) -> Result<(), HttpError> {
        let tokens_max = self.queue.tokens_max;
        if tokens <= tokens_max {
            return Ok(());
        }
        let message =
            format!("the request is {tokens} tokens of work or more, at most {tokens_max} are accepted at once");
        Err(HttpError::new("too_large", message).with_hint("ask fewer documents or questions at once"))
    }

    /// Takes readings, if the queue has room for all of their tokens.
    ///
    /// # Errors
    /// `overloaded` if it has none now, `too_large` if it never has.
    pub fn submit(&self, readings: Vec<PairReading>) -> Result<AcceptedWork, HttpError> {
        let tokens_of = |reading: &PairReading| reading.progress().tokens;
        let tokens: usize = readings.iter().map(tokens_of).sum();
        self.check(tokens)?;
        let tokens_max = self.queue.tokens_max;
        let room = |waiting: usize| Some(waiting + tokens).filter(|&sum| sum <= tokens_max);
        let taken = self.queue.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        let waiting = taken.map_err(|waiting| self.overloaded(waiting, tokens))?;
        self.metrics.set_queue_tokens(waiting + tokens);
        let (sender, done) = async_mpsc::unbounded_channel();
        let progress = Arc::new(WorkProgress {
            tokens_done: AtomicUsize::new(0),
            queue_micros: AtomicU64::new(0),
            changed: Notify::new(),
        });
        let pairs_left = readings.len();
        let added = Instant::now();
        for (index, reading) in readings.into_iter().enumerate() {
            let share =
                QueueShare { queue: self.queue.clone(), metrics: self.metrics.clone(), tokens: tokens_of(&reading) };
            let (sender, progress, runtime) = (sender.clone(), progress.clone(), self.runtime.clone());
            let waiter = PairWaiter { index, sender, progress, share, tokens_done: 0, added, runtime, outcome: None };
            let _ = self.sender.send(QueuedReading { reading, waiter }); // the engine runs as long as there is a sender
        }
        Ok(AcceptedWork { done, progress, tokens, pairs_left })
    }

    fn overloaded(&self, waiting: usize, tokens: usize) -> HttpError {
        let rate = f64::from_bits(self.queue.rate.load(Ordering::Relaxed)).max(1.0);
        // Until there is room for these.
        let excess = (waiting + tokens - self.queue.tokens_max) as f64;
        let message = format!("{waiting} tokens of work wait, and at most {} may", self.queue.tokens_max);
        let after = Duration::try_from_secs_f64((excess / rate).ceil()).unwrap_or(RETRY_MAX);
        HttpError { retry_after: Some(after.min(RETRY_MAX)), ..HttpError::new("overloaded", message) }
    }
}

/// What the thread does, as long as somebody can submit work.
fn run(
    mut scheduler: ReadingScheduler<PairWaiter>,
    receiver: &mpsc::Receiver<QueuedReading>,
    queue: &WorkQueue,
    metrics: &ServeMetrics,
) {
    loop {
        if scheduler.is_empty() {
            let Ok(QueuedReading { reading, waiter }) = receiver.recv() else { return };
            scheduler.add(reading, waiter);
        }
        for QueuedReading { reading, waiter } in receiver.try_iter() {
            scheduler.add(reading, waiter);
        }
        metrics.queue_readings.set(scheduler.readings() as i64);
        let started = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| scheduler.step())) {
            Ok(0) => {}
            Ok(tokens) => {
                let time = started.elapsed();
                metrics.pass(tokens, time);
                let (rate, now) =
                    (f64::from_bits(queue.rate.load(Ordering::Relaxed)), tokens as f64 / time.as_secs_f64());
                let rate = if rate > 0.0 { rate + RATE_SHARE * (now - rate) } else { now };
                queue.rate.store(rate.to_bits(), Ordering::Relaxed);
            }
            // A bug: whoever waits gets an error, and the engine goes on.
            Err(_) => scheduler.clear(),
        }
        metrics.queue_readings.set(scheduler.readings() as i64);
    }
}
