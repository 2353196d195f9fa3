//! Findings → standard output.

pub mod hints;
mod human;
mod json;
pub mod numbers;
pub mod progress;
pub mod table;
mod text;

use std::io::{self, BufWriter, Write};

use anstream::AutoStream;
use clap::ColorChoice;

use crate::finding::Finding;

pub use numbers::thousands;
pub use text::{one_line, printable};

/// Applies `--color` to all streams of the program.
pub fn choose_colours(color: ColorChoice) {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::AlwaysAnsi,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// How findings are shown.
pub enum Format {
    /// For people; every score says in which precision it was computed.
    Human {
        /// Name of the number format.
        precision: String,
    },
    /// One JSON object per line; every line names the model and its precision.
    Json {
        /// Name of the model.
        model: String,
        /// Name of the number format.
        precision: String,
    },
}

/// Standard output, until its reader has gone.
pub struct Output {
    out: Box<dyn Write>,
    format: Format,
    palette: human::Palette,
    started: bool,
    closed: bool,
}

impl Output {
    /// Standard output in a format.
    pub fn new(format: Format) -> Self {
        let choice = AutoStream::choice(&io::stdout());
        let coloured = choice != anstream::ColorChoice::Never;
        // JSON goes out as it is; colours pass through a stream that knows the consoles of Windows.
        let out: Box<dyn Write> = if coloured && matches!(format, Format::Human { .. }) {
            Box::new(BufWriter::new(AutoStream::new(io::stdout(), choice)))
        } else {
            Box::new(BufWriter::new(io::stdout()))
        };
        let palette = if coloured { human::Palette::coloured() } else { human::Palette::plain() };
        Self { out, format, palette, started: false, closed: false }
    }

    /// Sets what comes apart from what stands on the terminal already.
    pub fn set_apart(&mut self) {
        self.started = true;
    }

    /// Shows what the documents say to one question, which is a heading where there are several.
    ///
    /// # Errors
    /// When it cannot be written; that nobody reads any more (`| head`) is no error.
    pub fn show(&mut self, heading: Option<&str>, findings: &[Finding]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let shown = match &self.format {
            Format::Json { model, precision } => json::show(&mut self.out, model, precision, findings),
            Format::Human { precision } => {
                let first = !std::mem::replace(&mut self.started, true);
                human::show(&mut self.out, &self.palette, precision, first, heading, findings)
            }
        };
        self.closed = !still_read(shown.and_then(|()| self.out.flush()))?;
        Ok(())
    }
}

/// Whether anybody reads what was written; other failures stay failures.
fn still_read(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}

/// Writes bytes to standard output.
///
/// # Errors
/// As [`Output::show`].
pub fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout();
    still_read(out.write_all(bytes).and_then(|()| out.flush())).map(drop)
}
