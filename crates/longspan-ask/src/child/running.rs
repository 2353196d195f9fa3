//! A child as its parent sees it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use longspan_documents::{Limits, ReadError};

use super::pieces::{PIECE_BYTES, read_piece};
use super::stop::ReadingStop;

/// The longest result: a child cannot make a longer one.
const RESULT_BYTES_MAX: u64 = 2 << 30;
/// How much of what the child wrote to standard error last is kept.
const LAST_WORDS_BYTES_MAX: usize = 1 << 12;
/// The child keeps the limit of time itself; the parent waits for a little longer. So long it also waits for the last words
/// of a child that has ended.
const GRACE: Duration = Duration::from_secs(1);

/// A child that runs.
#[derive(Debug)]
pub(super) struct RunningChild {
    child: Arc<Mutex<Child>>,
    input: ChildStdin,
    output: ChildStdout,
    /// What it wrote to standard error since the last file, and the end of that.
    words: Arc<Mutex<Vec<u8>>>,
    has_spoken: Receiver<()>,
    memory_bytes_max: u64,
    /// Whether it has read a file.
    pub is_used: bool,
}

/// Why there is no result.
pub(super) enum NoResult {
    /// The input cannot be read, or the child takes too long.
    Error(ReadError),
    /// The child has ended.
    Ended(ReadError),
    /// The reading was stopped.
    Stopped,
}

impl RunningChild {
    pub fn start(program: &OsString, arguments: &[OsString], memory_bytes_max: u64) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // An interrupt of the terminal is for the parent, with which the child ends.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let words: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (sender, has_spoken) = mpsc::channel();
        let errors = errors.ok_or(io::ErrorKind::BrokenPipe)?;
        thread::spawn({
            let words = Arc::clone(&words);
            move || {
                listen(errors, &words);
                drop(sender);
            }
        });
        Ok(Self {
            child: Arc::new(Mutex::new(child)),
            input: input.ok_or(io::ErrorKind::BrokenPipe)?,
            output: output.ok_or(io::ErrorKind::BrokenPipe)?,
            words,
            has_spoken,
            memory_bytes_max,
            is_used: false,
        })
    }

    /// Sends the request of a file. It fails if the child has ended since the last one.
    pub fn begin(&mut self, request: &[u8]) -> io::Result<()> {
        lock(&self.words).clear();
        self.send(request)
    }

    /// Sends one piece with its length.
    fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        self.input.write_all(&(piece.len() as u32).to_le_bytes())?;
        self.input.write_all(piece)
    }

    /// Sends the file, and waits for the result as long as the limits allow.
    pub fn result(&mut self, input: impl Read, limits: &Limits, stop: &ReadingStop) -> Result<Vec<u8>, NoResult> {
        let child = Arc::clone(&self.child);
        let _action = stop.on_stop(move || drop(lock(&child).kill()));
        let result = self.send_file(input, limits).map_err(NoResult::Error).and_then(|()| self.receive(limits));
        self.is_used = true;
        if stop.is_stopped() { Err(NoResult::Stopped) } else { result }
    }

    /// Sends the file. Where the child has ended, the result will show why.
    fn send_file(&mut self, input: impl Read, &Limits { text_bytes_max, .. }: &Limits) -> Result<(), ReadError> {
        let unreadable = |error: io::Error| ReadError::Io(Arc::new(error));
        let mut input = input.take(text_bytes_max.saturating_add(1));
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = match input.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(unreadable)?,
            };
            if input.limit() == 0 {
                return Err(ReadError::TooLong { text_bytes_max });
            }
            if self.send(&piece[..length]).is_err() || length == 0 {
                return Ok(());
            }
        }
    }

    /// Receives the result. A child that takes too long is killed.
    fn receive(&mut self, limits: &Limits) -> Result<Vec<u8>, NoResult> {
        let (done, is_done) = mpsc::channel::<()>();
        let (child, output) = (&self.child, &mut self.output);
        let (result, is_late) = thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let time_max = limits.time_max.saturating_add(GRACE);
                let is_late = is_done.recv_timeout(time_max) == Err(RecvTimeoutError::Timeout);
                is_late && lock(child).kill().is_ok()
            });
            let result = result_of(output);
            drop(done);
            (result, watch.join().unwrap_or(false))
        });
        match result {
            // One that came as the child was killed is late too: such a child cannot be kept.
            _ if is_late => Err(NoResult::Error(ReadError::TooSlow(limits.time_max))),
            Ok(result) => Ok(result),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(NoResult::Error(ReadError::Failed(error.to_string())))
            }
            Err(_) => Err(NoResult::Ended(self.failure())),
        }
    }

    /// Why the child has ended.
    pub fn failure(&mut self) -> ReadError {
        let status = {
            let mut child = lock(&self.child);
            let _ = child.kill(); // no effect if it has ended
            child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
        };
        let _ = self.has_spoken.recv_timeout(GRACE); // a process of its own may still have the pipe
        let words = String::from_utf8_lossy(&lock(&self.words)).into_owned();
        if words.contains("memory allocation of") {
            return ReadError::TooMuchMemory { bytes_max: self.memory_bytes_max };
        }
        ReadError::Failed(match words.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{line} ({status})"),
            None => status,
        })
    }
}

impl Drop for RunningChild {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Takes what a child writes to standard error, so that it never waits for a reader, and keeps the end.
fn listen(mut errors: ChildStderr, words: &Mutex<Vec<u8>>) {
    let mut piece = [0; LAST_WORDS_BYTES_MAX];
    loop {
        match errors.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                let mut words = lock(words);
                words.extend_from_slice(&piece[..length]);
                let too_many = words.len().saturating_sub(LAST_WORDS_BYTES_MAX);
                words.drain(..too_many);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn result_of(output: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    output.read_exact(&mut length)?;
    read_piece(output, u64::from_le_bytes(length), RESULT_BYTES_MAX)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
