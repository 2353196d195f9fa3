//! `longspan text`: a document as it is read.

use anyhow::{Context, Result};
use longspan_ask::text::quoted;
use longspan_ask::{ContentObject, serve_parent};

use crate::cli::TextArgs;
use crate::data::documents;
use crate::terminal::{self, hints::fault};

/// Runs the command.
pub fn run(args: &TextArgs) -> Result<()> {
    if args.pipe {
        return serve_parent().context("standard output");
    }
    if args.file.is_dir() {
        let message = format!("{}: a folder, not a file", quoted(&documents::name(&args.file)));
        return Err(fault(message, "name a file in it; `longspan ask --recursive` asks all of them"));
    }
    let options = documents::options(&args.document)?;
    let source = documents::source(&args.file);
    let content = documents::unlocked(&source, &options, |options| Ok(source.read(options)?))?;
    documents::warn(&source.name(), content.warnings());
    let printed = if args.json {
        let object = serde_json::to_string(&ContentObject::new(&source.name(), &content))?;
        terminal::print(format!("{object}\n").as_bytes())
    } else {
        terminal::print_text(content.text())
    };
    printed.context("standard output")
}
