//! Answers → standard output; messages → standard error.

pub mod citations;
pub mod hints;
mod human;
pub mod numbers;
pub mod password;
pub mod places;
pub mod progress;
pub mod table;

use std::io::{self, BufWriter, IsTerminal, Write};

use anstream::AutoStream;
use clap::ColorChoice;
use longspan_ask::AnswerObject;

pub use human::Results;
pub use longspan_ask::text::{one_line, printable};
pub use numbers::{counted, thousands};

/// Applies `--color` to all streams of the program.
pub fn choose_colours(color: ColorChoice) {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::AlwaysAnsi,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// How answers are shown.
pub struct OutputFormat {
    /// One JSON object per line instead of text for people.
    pub json: bool,
    /// Name of the model.
    pub model: String,
    /// Name of the numbers that it computes with.
    pub precision: String,
}

/// Standard output, until its reader has gone.
pub struct Output {
    out: Box<dyn Write>,
    format: OutputFormat,
    palette: human::Palette,
    started: bool,
    closed: bool,
}

impl Output {
    /// Standard output in a format.
    pub fn new(format: OutputFormat) -> Self {
        let choice = AutoStream::choice(&io::stdout());
        let coloured = choice != anstream::ColorChoice::Never;
        // JSON goes out as it is; colours pass through a stream that knows the consoles of Windows.
        let out: Box<dyn Write> = if coloured && !format.json {
            Box::new(BufWriter::new(AutoStream::new(io::stdout(), choice)))
        } else {
            Box::new(BufWriter::new(io::stdout()))
        };
        let palette = if coloured { human::Palette::coloured() } else { human::Palette::plain() };
        Self { out, format, palette, started: false, closed: false }
    }

    /// The format.
    pub fn format(&self) -> &OutputFormat {
        &self.format
    }

    /// Puts a blank line before the first answer, since the terminal already shows something.
    pub fn set_apart(&mut self) {
        self.started = true;
    }

    /// Whether the reader of standard output has gone (`| head`).
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Shows the answers to one question.
    ///
    /// # Errors
    /// When they cannot be written. A reader that has gone (`| head`) is no error.
    pub fn show(&mut self, results: &Results<'_>) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let OutputFormat { json, model, precision } = &self.format;
        let shown = if *json {
            results.answers.iter().try_for_each(|answer| {
                serde_json::to_writer(&mut self.out, &AnswerObject::new(answer, model, precision))?;
                self.out.write_all(b"\n")
            })
        } else {
            let apart = if std::mem::replace(&mut self.started, true) { "\n" } else { "" };
            write!(self.out, "{apart}{}", human::shown(&self.palette, precision, results))
        };
        self.closed = !still_read(shown.and_then(|()| self.out.flush()))?;
        Ok(())
    }
}

/// Whether the stream still has a reader. Other errors stay errors.
fn still_read(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}

/// Writes text to standard output: unchanged to a program; to a terminal without control characters but tabs, ends of lines
/// and form feeds, of which each begins a line.
///
/// # Errors
/// As [`Output::show`].
pub fn print_text(text: &str) -> io::Result<()> {
    if !io::stdout().is_terminal() {
        return print(text.as_bytes());
    }
    let lines = text.split_inclusive(['\n', '\u{c}']).map(|line| {
        let shown =
            line.trim_end_matches(['\r', '\n', '\u{c}']).split('\t').map(printable).collect::<Vec<_>>().join("\t");
        if line.ends_with(['\n', '\u{c}']) { shown + "\n" } else { shown }
    });
    print(lines.collect::<String>().as_bytes())
}

/// Writes text with colours to standard output, without them where they are not wanted.
///
/// # Errors
/// As [`Output::show`].
pub fn print_styled(text: &str) -> io::Result<()> {
    let choice = AutoStream::choice(&io::stdout());
    printed(AutoStream::new(io::stdout(), choice).write_all(text.as_bytes()))
}

/// The columns of the terminal that standard output is; more than any line has where it is none.
pub fn columns() -> usize {
    #[cfg(unix)]
    if io::stdout().is_terminal()
        && let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        && size.ws_col > 0
    {
        return size.ws_col.into();
    }
    usize::MAX
}

/// Writes bytes to standard output.
///
/// # Errors
/// As [`Output::show`].
pub fn print(bytes: &[u8]) -> io::Result<()> {
    printed(io::stdout().write_all(bytes))
}

/// The end of what was written to standard output: flushed. A reader that has gone (`| head`) is no error.
///
/// # Errors
/// When it could not be written.
pub fn printed(written: io::Result<()>) -> io::Result<()> {
    still_read(written.and_then(|()| io::stdout().flush())).map(drop)
}
