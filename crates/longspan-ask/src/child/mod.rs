//! Files that are read in child processes. A file that takes too much memory or time ends its child and is an error of that
//! document; the next one gets a new child. A child ends when its standard input does: so it never outlives its parent.
//!
//! ```text
//! running      a child as its parent sees it
//! serve        the child itself
//! pieces       what they send each other
//! stop         a switch that ends readings
//! ```

mod pieces;
mod stop;

mod running;

mod serve;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use longspan_documents::{Content, Hints, Limits, PictureSize, ReadError, decode};

use pieces::ReadingRequest;
use running::{NoResult, RunningChild, lock};
pub use serve::serve_parent;
pub use stop::{ReadingStop, StopWhenDropped};

/// The address space of a child, where the system limits it. Linux does, macOS and Windows do not.
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// Child processes that read files. They are started when they are needed, and kept for the next files. Any number of threads
/// may read at once: as many files as there may be children are read at a time, and others wait in the order in which they
/// came.
///
/// The command must call [`serve_parent`] and write nothing else to standard output.
#[derive(Debug)]
pub struct ReadingProcess {
    program: OsString,
    arguments: Vec<OsString>,
    memory_bytes_max: u64,
    children_max: usize,
    turns: Arc<Turns>,
}

/// Who may use a child.
#[derive(Debug, Default)]
struct Turns {
    state: Mutex<TurnState>,
    has_changed: Condvar,
}

#[derive(Debug, Default)]
struct TurnState {
    /// Children that wait for a file.
    kept: Vec<RunningChild>,
    /// Files that are read now.
    busy: usize,
    /// Numbers of those that wait, in their order.
    waiting: VecDeque<u64>,
    next_number: u64,
}

/// The right to have a child, until it is dropped.
struct Turn<'p>(&'p Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).busy -= 1;
        self.0.has_changed.notify_all();
    }
}

impl Turns {
    /// Waits for a turn; none if the reading was stopped.
    fn take(self: &Arc<Self>, children_max: usize, stop: &ReadingStop) -> Option<Turn<'_>> {
        let turns = Arc::clone(self);
        let _action = stop.on_stop(move || {
            drop(lock(&turns.state)); // whoever looks at the switch has it, or waits
            turns.has_changed.notify_all();
        });
        let mut state = lock(&self.state);
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back(number);
        while !stop.is_stopped() && (state.busy >= children_max || state.waiting.front() != Some(&number)) {
            state = self.has_changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.retain(|&waiting| waiting != number);
        state.busy += 1;
        drop(state);
        self.has_changed.notify_all(); // the next one is the first now
        Some(Turn(self)).filter(|_| !stop.is_stopped())
    }
}

/// Why a child gave no content.
pub(crate) enum ChildError {
    /// The file cannot be read.
    Read(ReadError),
    /// The child has ended, and had read other files before: a new one may read this one.
    OfKept(ReadError),
    /// The reading was stopped.
    Stopped,
}

impl ReadingProcess {
    /// One child at a time, which is not started yet.
    ///
    /// - `program`: its file
    /// - `arguments`: those with which it calls [`serve_parent`]
    pub fn new(program: impl Into<OsString>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(OsString::from).collect();
        let turns = Arc::default();
        Self { program: program.into(), arguments, memory_bytes_max: MEMORY_BYTES_MAX, children_max: 1, turns }
    }

    /// The same with another limit of the memory of each child, 2 GiB by default. Only Linux keeps it.
    pub fn with_memory_bytes_max(self, memory_bytes_max: u64) -> Self {
        Self { memory_bytes_max, ..self }
    }

    /// The same with so many children at most, one by default. More than the machine has cores gain nothing.
    ///
    /// # Panics
    /// If it is 0.
    pub fn with_children_max(self, children_max: usize) -> Self {
        assert!(children_max > 0, "0 children");
        Self { children_max, ..self }
    }

    /// Reads a file to its end, in a child.
    ///
    /// - `may_keep`: whether a child may read it that has read other files, so that [`ChildError::OfKept`] may follow
    pub(crate) fn read(
        &self,
        input: impl Read,
        hints: &Hints,
        limits: &Limits,
        stop: &ReadingStop,
        may_keep: bool,
    ) -> Result<Content, ChildError> {
        let result = self.result(input, &self.request(None, hints, limits), stop, may_keep)?;
        decode(&result, limits).map_err(ChildError::Read)
    }

    /// Draws a page of a file, in a child: a PNG.
    ///
    /// # Errors
    /// Those of [`longspan_documents::draw`], and those of a child that ended.
    pub(crate) fn draw(
        &self,
        file: &[u8],
        picture: PictureSize,
        hints: &Hints,
        limits: &Limits,
        stop: &ReadingStop,
    ) -> Result<Vec<u8>, ChildError> {
        let request = self.request(Some(picture), hints, limits);
        let result = match self.result(file, &request, stop, true) {
            Err(ChildError::OfKept(_)) => self.result(file, &request, stop, false),
            result => result,
        }?;
        let drawn = postcard::from_bytes::<Result<Vec<u8>, ReadError>>(&result);
        let failed = |_| ReadError::Failed("its result has another form".into());
        drawn.map_err(failed).flatten().map_err(ChildError::Read)
    }

    fn request(&self, picture: Option<PictureSize>, hints: &Hints, limits: &Limits) -> ReadingRequest {
        ReadingRequest { picture, hints: hints.clone(), limits: *limits, memory_bytes_max: self.memory_bytes_max }
    }

    /// What a child makes of a file.
    fn result(
        &self,
        input: impl Read,
        request: &ReadingRequest,
        stop: &ReadingStop,
        may_keep: bool,
    ) -> Result<Vec<u8>, ChildError> {
        let limits = &request.limits;
        let failed = |what: String| ChildError::Read(ReadError::Failed(what));
        let request = postcard::to_stdvec(request).map_err(|error| failed(error.to_string()))?;
        let turn = self.turns.take(self.children_max, stop).ok_or(ChildError::Stopped)?;
        let mut child = self.begin(&request, may_keep).map_err(ChildError::Read)?;
        let is_kept = child.is_used;
        let result = child.result(input, limits, stop).map_err(|error| match error {
            NoResult::Ended(error) if is_kept => ChildError::OfKept(error),
            NoResult::Error(error) | NoResult::Ended(error) => ChildError::Read(error),
            NoResult::Stopped => ChildError::Stopped,
        })?;
        lock(&self.turns.state).kept.push(child);
        drop(turn);
        Ok(result)
    }

    /// A child that has the request.
    fn begin(&self, request: &[u8], may_keep: bool) -> Result<RunningChild, ReadError> {
        let kept = lock(&self.turns.state).kept.pop();
        // One that ended since the last file is replaced.
        if let Some(mut kept) = kept.filter(|_| may_keep)
            && kept.begin(request).is_ok()
        {
            return Ok(kept);
        }
        let cannot_start = |error: io::Error| ReadError::Failed(format!("it cannot be started: {error}"));
        let child = RunningChild::start(&self.program, &self.arguments, self.memory_bytes_max);
        let mut child = child.map_err(cannot_start)?;
        child.begin(request).map_err(|_| child.failure())?;
        Ok(child)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use longspan_documents::encode;

    use super::*;

    fn read_stoppable(process: &ReadingProcess, input: impl Read, limits: &Limits, stop: &ReadingStop) -> String {
        match process.read(input, &Hints::default(), limits, stop, true) {
            Ok(content) => content.text().to_string(),
            Err(ChildError::Read(error)) => error.to_string(),
            Err(ChildError::OfKept(error)) => format!("kept: {error}"),
            Err(ChildError::Stopped) => "stopped".into(),
        }
    }

    fn read_by(process: &ReadingProcess, limits: &Limits) -> String {
        read_stoppable(process, &b"text"[..], limits, &ReadingStop::default())
    }

    fn shell(script: &str) -> ReadingProcess {
        ReadingProcess::new("sh", &["-c", script])
    }

    fn never() -> Limits {
        let mut limits = Limits::default();
        limits.time_max = Duration::from_secs(1 << 30);
        limits
    }

    #[test]
    fn a_child_that_fails_is_an_error_that_says_why() {
        let limits = Limits::default();
        for (script, message) in [
            ("exit 3", "its reader failed: exit status: 3"),
            ("cat > /dev/null & echo oops >&2; kill -9 $$", "its reader failed: oops (signal: 9 (SIGKILL))"),
            ("echo memory allocation of 9 bytes failed >&2; exit 1", "reading it took more than 2048 MiB of memory"),
            (
                "printf '\\377\\377\\377\\377\\377\\377\\377\\377'; cat > /dev/null",
                "its reader failed: its result is too long",
            ),
            ("printf '\\1\\0\\0\\0\\0\\0\\0\\0\\7'; cat > /dev/null", "its reader failed: its result has another form"),
        ] {
            assert_eq!(read_by(&shell(script), &limits), message, "{script}");
        }
        let missing = ReadingProcess::new("/nowhere/longspan", &[]);
        assert!(read_by(&missing, &limits).starts_with("its reader failed: it cannot be started: "));
    }

    #[test]
    fn a_child_that_takes_too_long_is_killed() {
        let mut limits = Limits::default();
        limits.time_max = Duration::ZERO;
        let process = shell("exec sleep 600");
        assert_eq!(read_by(&process, &limits), "reading it took more than 0 s");
        assert!(lock(&process.turns.state).kept.is_empty());
    }

    #[test]
    fn a_file_over_the_limit_is_not_sent() {
        let mut limits = Limits::default();
        limits.text_bytes_max = 3;
        let said = read_by(&shell("exec cat > /dev/null"), &limits);
        assert_eq!(said, "longer than 3 bytes, the most that is read");
    }

    #[test]
    fn a_child_that_says_much_is_heard() {
        let said =
            read_by(&shell("head -c 1000000 /dev/zero | tr '\\0' '\\n' >&2; echo the last one >&2; exit 3"), &never());
        assert_eq!(said, "its reader failed: the last one (exit status: 3)");
    }

    /// A script that answers each file with this error, as soon as it has so many bytes.
    fn answer(error: ReadError) -> String {
        let result = encode(&Err(error));
        let bytes = (result.len() as u64).to_le_bytes().into_iter().chain(result);
        format!("printf '{}'", bytes.map(|byte| format!("\\{byte:03o}")).collect::<String>())
    }

    #[test]
    fn a_kept_child_that_fails_is_told_from_a_new_one() {
        // It answers one file of 60,000 bytes, and ends in the next one.
        let process = shell(&format!("{}; head -c 100000 > /dev/null; exit 3", answer(ReadError::PasswordWrong)));
        let file = vec![b'a'; 60_000];
        let read = || read_stoppable(&process, file.as_slice(), &never(), &ReadingStop::default());
        assert_eq!(read(), "encrypted: the password is wrong");
        assert_eq!(read(), "kept: its reader failed: exit status: 3");
        assert_eq!(read(), "encrypted: the password is wrong");
    }

    /// A file whose bytes stop its reading.
    struct Stopping(ReadingStop);

    impl Read for Stopping {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.stop();
            buffer.fill(b'a');
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_stop_ends_a_reading_and_those_that_wait() {
        let process = shell("exec sleep 600");
        let stop = ReadingStop::default();
        let mut limits = never();
        limits.text_bytes_max = u64::MAX; // the file never ends
        assert_eq!(read_stoppable(&process, Stopping(stop.clone()), &limits, &stop), "stopped");
        assert_eq!(read_stoppable(&process, &b"text"[..], &limits, &stop), "stopped");
        // One waits for the turn of another, which waits for its child.
        let (first, second) = (ReadingStop::default(), ReadingStop::default());
        let turn = process.turns.take(1, &first).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| read_stoppable(&process, &b"text"[..], &limits, &second));
            second.stop();
            assert_eq!(waiting.join().unwrap(), "stopped");
        });
        drop(turn);
        assert!(lock(&process.turns.state).waiting.is_empty());
        assert_eq!(lock(&process.turns.state).busy, 0);
    }

    #[test]
    fn so_many_turns_at_once_and_no_more() {
        let (turns, busy, most) = (Arc::<Turns>::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let turn = turns.take(3, &ReadingStop::default()).unwrap();
                        most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        busy.fetch_sub(1, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert_eq!(lock(&turns.state).busy, 0);
    }
}
