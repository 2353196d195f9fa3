//! Files and standard input that commands read.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use longspan_ask::text::{quoted, title};
use longspan_ask::{AskError, DocumentSource, Limits, ReadingProcess, SourceOptions, Warning};

use crate::cli::DocumentArgs;
use crate::lines::read_to_limit;
use crate::machine::cores;
use crate::terminal::hints::{self, fault, io_fault};
use crate::terminal::{password, printable};

/// The longest file of a password or a key.
pub const SECRET_BYTES_MAX: u64 = 1 << 12;
/// How often the user may try to type a password.
const PASSWORD_TRIES_MAX: usize = 3;

const PASSWORD_HINT: &str = "the first line of the file is the password, in UTF-8";

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The name of a document in every output: its path as it was given, `-` for standard input.
pub fn name(path: &Path) -> String {
    DocumentSource::File(path.into()).name()
}

/// What a message calls it, without its folders.
pub fn short(name: &str) -> String {
    let name = title(name);
    Path::new(name).file_name().map_or_else(|| name.to_string(), |file| file.to_string_lossy().into_owned())
}

/// The source that a path stands for. Where that is a terminal, the user is told before it is read.
pub fn source(path: &Path) -> DocumentSource {
    if !is_stdin(path) {
        return DocumentSource::File(path.into());
    }
    if io::stdin().is_terminal() {
        let _ = writeln!(io::stderr(), "reading the document from the terminal, Ctrl-D ends it");
    }
    DocumentSource::Stdin
}

/// How documents are read, as the command line says.
///
/// # Errors
/// When the file of the password cannot be read.
pub fn options(args: &DocumentArgs) -> Result<SourceOptions> {
    let mut options = SourceOptions::default();
    options.format = args.format;
    options.password = args.password_file.as_deref().map(password_of).transpose()?;
    options.process = Some(Arc::new(reading_process()));
    Ok(options)
}

/// How a server reads files: each is found out for itself, to limits.
pub fn server_options(time_max: Duration, memory_bytes_max: u64) -> SourceOptions {
    let mut options = SourceOptions::default();
    options.limits.time_max = time_max;
    let process = reading_process().with_memory_bytes_max(memory_bytes_max);
    options.process = Some(Arc::new(process.with_children_max(cores())));
    options
}

fn reading_process() -> ReadingProcess {
    ReadingProcess::new(program(), &["text", "--pipe"])
}

/// This program, as another process can start it.
fn program() -> OsString {
    match env::current_exe() {
        Ok(program) if program.exists() => program.into(),
        _ => "/proc/self/exe".into(), // its file was replaced since
    }
}

/// The password in a file.
///
/// # Errors
/// When there is none.
pub fn password_of(path: &Path) -> Result<String> {
    secret(path, "password", PASSWORD_HINT)
}

/// The first line of a file.
///
/// - `what`: what it is, for the error that there is none
///
/// # Errors
/// When the file cannot be read or is not UTF-8 text, and when the line is empty.
pub fn secret(path: &Path, what: &str, hint: &'static str) -> Result<String> {
    let read = File::open(path).and_then(|file| read_to_limit(file, SECRET_BYTES_MAX));
    let bytes = read.map_err(|error| io_fault(path, &error, hint))?;
    let text = String::from_utf8(bytes).map_err(|_| fault(format!("`{}`: invalid UTF-8", path.display()), hint))?;
    // Some editors begin files with a byte-order mark.
    match text.trim_start_matches('\u{feff}').lines().next() {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(fault(format!("`{}`: no {what}", path.display()), hint)),
    }
}

/// Whether a document lacks nothing but a password that the user can be asked for. Standard input cannot be read again.
pub fn can_unlock(error: &AskError, options: &SourceOptions) -> bool {
    let has_user = || io::stdin().is_terminal() && io::stderr().is_terminal();
    let is_locked = matches!(error.code(), "password_required" | "wrong_password");
    is_locked && error.document() != "-" && options.password.is_none() && has_user()
}

/// What `read` makes of a source; where it needs a password and the user can be asked for it, with that password.
///
/// # Errors
/// Those of `read`.
pub fn unlocked<T>(
    source: &DocumentSource,
    options: &SourceOptions,
    read: impl Fn(&SourceOptions) -> Result<T, AskError>,
) -> Result<T, AskError> {
    let (mut result, name) = (read(options), source.name());
    for tried in 0..PASSWORD_TRIES_MAX {
        match &result {
            Err(error) if can_unlock(error, options) => {}
            _ => break,
        }
        let wrong = if tried > 0 { "wrong password; " } else { "" };
        let prompt = format!("{wrong}password of {}: ", printable(&quoted(&name)));
        let Ok(password) = password::ask(&prompt) else { break };
        if password.is_empty() {
            break;
        }
        let mut options = options.clone();
        options.password = Some(password);
        result = read(&options);
    }
    result
}

/// Says on standard error what a reader should know about the text of a document.
pub fn warn(name: &str, warnings: &[Warning]) {
    for warning in warnings {
        hints::warn_of(&format!("{}: {warning}", quoted(name)), hints::warning_hint(warning));
    }
}

/// The text of a file or of standard input, unpacked, empty or not.
///
/// - `hint`: what it should hold, for the error that it is no text
///
/// # Errors
/// When it cannot be read or is not UTF-8 text.
pub fn text(path: &Path, hint: &'static str) -> Result<String> {
    source(path).read_text(&Limits::default()).map_err(|error| hints::of_text(error, hint))
}
