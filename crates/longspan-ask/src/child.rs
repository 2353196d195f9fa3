//! Files that are read in a child process. A file that takes too much memory or time ends the child and is an error of that
//! document; the next one gets a new child.
//!
//! ```text
//! parent → child   u32 length, request; then the file in pieces of u32 length and bytes, up to a piece of length 0
//! child → parent   u64 length, what the reading gave
//! ```
//!
//! Lengths are little-endian. The child ends when its standard input does: so it never outlives its parent.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use longspan_documents::{Content, Hints, Limits, PictureSize, ReadError, decode, draw, encode, read};
use serde::{Deserialize, Serialize};

/// The address space of a child, where the system limits it. Linux does, macOS and Windows do not.
const MEMORY_BYTES_MAX: u64 = 2 << 30;
/// The file goes to the child in pieces of so many bytes.
const PIECE_BYTES: usize = 1 << 16;
/// The longest request, without the file.
const REQUEST_BYTES_MAX: u64 = 1 << 20;
/// The longest result: a child cannot make a longer one.
const RESULT_BYTES_MAX: u64 = 2 << 30;
/// How much of what the child wrote to standard error is read.
const LAST_WORDS_BYTES_MAX: u64 = 1 << 12;
/// The child keeps the limit of time itself; the parent waits for a little longer.
const GRACE: Duration = Duration::from_secs(1);

/// A child process that reads files, started with the first one and kept for the next. It reads one file at a time.
///
/// The command must call [`serve_parent`] and write nothing else to standard output.
#[derive(Debug)]
pub struct ReadingProcess {
    program: OsString,
    arguments: Vec<OsString>,
    memory_bytes_max: u64,
    kept: Mutex<Option<Running>>,
}

/// What a child is asked to read.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    /// The picture that is wanted; without one, the text is.
    picture: Option<PictureSize>,
    hints: Hints,
    limits: Limits,
    memory_bytes_max: u64,
}

/// A child that waits for a file.
#[derive(Debug)]
struct Running {
    child: Mutex<Child>,
    input: ChildStdin,
    output: ChildStdout,
}

impl ReadingProcess {
    /// A process that is not started yet.
    ///
    /// - `program`: its file
    /// - `arguments`: those with which it calls [`serve_parent`]
    pub fn new(program: impl Into<OsString>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(OsString::from).collect();
        Self { program: program.into(), arguments, memory_bytes_max: MEMORY_BYTES_MAX, kept: Mutex::new(None) }
    }

    /// The same with another limit of its memory, 2 GiB by default. Only Linux keeps it.
    pub fn with_memory_bytes_max(self, memory_bytes_max: u64) -> Self {
        Self { memory_bytes_max, ..self }
    }

    /// Reads a file to its end, in the child.
    ///
    /// # Errors
    /// Those of [`longspan_documents::read_from`], and those of a child that ended.
    pub(crate) fn read(&self, input: impl Read, hints: &Hints, limits: &Limits) -> Result<Content, ReadError> {
        decode(&self.result(input, None, hints, limits)?, limits)
    }

    /// Draws a page of a file, in the child: a PNG.
    ///
    /// # Errors
    /// Those of [`longspan_documents::draw`], and those of a child that ended.
    pub(crate) fn draw(
        &self,
        input: impl Read,
        picture: PictureSize,
        hints: &Hints,
        limits: &Limits,
    ) -> Result<Vec<u8>, ReadError> {
        let result = self.result(input, Some(picture), hints, limits)?;
        let failed = |_| ReadError::Failed("its result has another form".into());
        postcard::from_bytes::<Result<Vec<u8>, ReadError>>(&result).map_err(failed)?
    }

    /// What the child makes of a file.
    fn result(
        &self,
        input: impl Read,
        picture: Option<PictureSize>,
        hints: &Hints,
        limits: &Limits,
    ) -> Result<Vec<u8>, ReadError> {
        let memory_bytes_max = self.memory_bytes_max;
        let request = Request { picture, hints: hints.clone(), limits: *limits, memory_bytes_max };
        let request = postcard::to_stdvec(&request).map_err(|error| ReadError::Failed(error.to_string()))?;
        let mut running = self.begin(&request)?;
        running.send_file(input, limits)?;
        let result = running.result(limits, memory_bytes_max)?;
        *lock(&self.kept) = Some(running);
        Ok(result)
    }

    /// A child that has the request. One that ended since the last file is replaced.
    fn begin(&self, request: &[u8]) -> Result<Running, ReadError> {
        if let Some(mut kept) = lock(&self.kept).take()
            && kept.send(request).is_ok()
        {
            return Ok(kept);
        }
        let cannot_start = |error: io::Error| ReadError::Failed(format!("it cannot be started: {error}"));
        let mut running = Running::start(&self.program, &self.arguments).map_err(cannot_start)?;
        running.send(request).map_err(|_| running.failure(self.memory_bytes_max))?;
        Ok(running)
    }
}

impl Running {
    fn start(program: &OsString, arguments: &[OsString]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // An interrupt of the terminal is for the parent, with which the child ends.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child: Mutex::new(child),
            input: input.ok_or(io::ErrorKind::BrokenPipe)?,
            output: output.ok_or(io::ErrorKind::BrokenPipe)?,
        })
    }

    /// Sends one piece with its length.
    fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        self.input.write_all(&(piece.len() as u32).to_le_bytes())?;
        self.input.write_all(piece)
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

    /// The bytes of the result, which are waited for as long as the limits allow.
    fn result(&mut self, limits: &Limits, memory_bytes_max: u64) -> Result<Vec<u8>, ReadError> {
        let (done, is_done) = mpsc::channel::<()>();
        let (child, output) = (&self.child, &mut self.output);
        let (result, is_killed) = thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let is_late =
                    is_done.recv_timeout(limits.time_max.saturating_add(GRACE)) == Err(RecvTimeoutError::Timeout);
                is_late && lock(child).kill().is_ok()
            });
            let result = receive(output);
            drop(done);
            (result, watch.join().unwrap_or(false))
        });
        match result {
            Ok(result) => Ok(result),
            Err(_) if is_killed => Err(ReadError::TooSlow(limits.time_max)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(ReadError::Failed(error.to_string())),
            Err(_) => Err(self.failure(memory_bytes_max)),
        }
    }

    /// Why the child has ended.
    fn failure(&mut self, memory_bytes_max: u64) -> ReadError {
        let mut child = lock(&self.child);
        let _ = child.kill(); // no effect if it has ended
        let mut words = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let _ = stderr.take(LAST_WORDS_BYTES_MAX).read_to_end(&mut words);
        }
        let words = String::from_utf8_lossy(&words);
        if words.contains("memory allocation of") {
            return ReadError::TooMuchMemory { bytes_max: memory_bytes_max };
        }
        let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        ReadError::Failed(match words.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{line} ({status})"),
            None => status,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn receive(output: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    output.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    read_piece(output, length, RESULT_BYTES_MAX)
}

/// So many bytes. They take memory as they come.
fn read_piece(input: &mut impl Read, length: u64, length_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if length > length_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "its result is too long"));
    }
    match input.take(length).read_to_end(&mut bytes)? as u64 == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a child does: it reads the files that its parent sends on standard input, and writes what they gave to standard
/// output. When standard input ends, so does the process, even in the middle of a file.
///
/// # Errors
/// When standard output cannot be written.
pub fn serve_parent() -> io::Result<()> {
    let (sender, requests) = mpsc::channel();
    thread::spawn(|| receive_requests(sender));
    let mut output = io::stdout().lock();
    for (request, file) in requests {
        let Request { picture, hints, limits, .. } = &request;
        let result = match picture {
            None => encode(&read(&file, hints, limits)),
            Some(picture) => postcard::to_stdvec(&draw(&file, *picture, hints, limits)).map_err(io::Error::other)?,
        };
        output.write_all(&(result.len() as u64).to_le_bytes())?;
        output.write_all(&result)?;
        output.flush()?;
    }
    Ok(())
}

/// Receives requests while there is a parent. When it has gone, nobody waits for the file that may be in work.
fn receive_requests(sender: Sender<(Request, Vec<u8>)>) {
    let mut input = io::stdin().lock();
    while let Ok(request) = receive_request(&mut input)
        && sender.send(request).is_ok()
    {}
    std::process::exit(0)
}

fn receive_request(input: &mut impl Read) -> io::Result<(Request, Vec<u8>)> {
    let request = next_piece(input, REQUEST_BYTES_MAX)?;
    let request: Request = postcard::from_bytes(&request).map_err(io::Error::other)?;
    limit_memory(request.memory_bytes_max); // the file counts too
    let mut file = Vec::new();
    loop {
        let piece = next_piece(input, PIECE_BYTES as u64)?;
        if piece.is_empty() {
            return Ok((request, file));
        }
        file.extend_from_slice(&piece);
    }
}

fn next_piece(input: &mut impl Read, length_max: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    read_piece(input, u32::from_le_bytes(length).into(), length_max)
}

/// Limits the address space of this process, where the system does so.
#[cfg(unix)]
fn limit_memory(bytes_max: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::As).maximum;
    let current = Some(maximum.map_or(bytes_max, |maximum| maximum.min(bytes_max)));
    let _ = setrlimit(Resource::As, Rlimit { current, maximum });
}

#[cfg(not(unix))]
fn limit_memory(_bytes_max: u64) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_by(process: &ReadingProcess, limits: &Limits) -> ReadError {
        process.read(&b"text"[..], &Hints::default(), limits).unwrap_err()
    }

    fn shell(script: &str) -> ReadingProcess {
        ReadingProcess::new("sh", &["-c", script])
    }

    #[cfg(unix)]
    #[test]
    fn a_child_that_fails_is_an_error_that_says_why() {
        let limits = Limits::default();
        for (script, message) in [
            ("exit 3", "its reader failed: exit status: 3"),
            ("cat > /dev/null & echo oops >&2; kill -9 $$", "its reader failed: oops (signal: 9 (SIGKILL))"),
            ("echo memory allocation of 9 bytes failed >&2; exit 1", "reading it took more than 2048 MiB of memory"),
            ("printf '\\377\\377\\377\\377\\377\\377\\377\\377'; exit 0", "its reader failed: its result is too long"),
            ("printf '\\1\\0\\0\\0\\0\\0\\0\\0\\7'; cat > /dev/null", "its reader failed: its result has another form"),
        ] {
            assert_eq!(read_by(&shell(script), &limits).to_string(), message, "{script}");
        }
        let missing = ReadingProcess::new("/nowhere/longspan", &[]);
        assert!(read_by(&missing, &limits).to_string().starts_with("its reader failed: it cannot be started: "));
    }

    #[cfg(unix)]
    #[test]
    fn a_child_that_takes_too_long_is_killed() {
        let mut limits = Limits::default();
        limits.time_max = Duration::ZERO;
        let process = shell("exec sleep 600");
        let error = read_by(&process, &limits);
        assert!(matches!(error, ReadError::TooSlow(time_max) if time_max.is_zero()), "{error}");
        assert!(lock(&process.kept).is_none());
    }

    #[test]
    fn a_file_over_the_limit_is_not_sent() {
        let mut limits = Limits::default();
        limits.text_bytes_max = 3;
        assert!(matches!(read_by(&shell("exec cat > /dev/null"), &limits), ReadError::TooLong { text_bytes_max: 3 }));
    }
}
