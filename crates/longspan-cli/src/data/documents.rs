//! Files and standard input that commands read.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Result;
use longspan_ask::text::title;
use longspan_ask::{DocumentSource, Limits};

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

/// The text of a file or of standard input, unpacked, empty or not.
///
/// # Errors
/// When it cannot be read or is not UTF-8 text.
pub fn text(path: &Path) -> Result<String> {
    Ok(source(path).read_text(&Limits::default())?)
}
