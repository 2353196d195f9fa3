//! The quotations that are checked: those of a text, or those of a list.

use std::path::Path;

use anyhow::Result;
use longspan::error::excerpt;
use longspan_ask::text::quoted;
use longspan_ask::{Format, GivenQuotation, Limits, SourceOptions};
use serde::Deserialize;

use crate::cli::CiteArgs;
use crate::data::documents;
use crate::terminal::hints::{self, fault};
use crate::terminal::{counted, thousands};

pub const LIMIT_HINT: &str = "check the quotations in parts";

/// The longest text or list of quotations.
const TEXT_BYTES_MAX: u64 = 1 << 26;

const LIST_HINT: &str =
    "each line is a quotation, or a JSON object such as {\"quote\": \"…\", \"document\": \"a.pdf\", \"page\": 4}";

const TEXT_HINT: &str = "a quotation goes into a file, between quotation marks, or to standard input, which is `-`";

/// A line of a list in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct ListedQuotation {
    quote: String,
    id: Option<NumberOrText>,
    document: Option<String>,
    page: Option<NumberOrText>,
}

/// A number, or what is printed for one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`id`, `page`: expected a text or a whole number from 0 on")]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl NumberOrText {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// The quotations that the command line names.
///
/// # Errors
/// When their file cannot be read.
pub fn quotations(args: &CiteArgs, options: &SourceOptions) -> Result<Vec<GivenQuotation>> {
    match (&args.quotes, args.text()) {
        (Some(path), _) => listed(path),
        (None, Some(path)) => quoted_in(path, args.min_words, options),
        (None, None) => Ok(Vec::new()),
    }
}

fn listed(path: &Path) -> Result<Vec<GivenQuotation>> {
    let text = read_text(path, LIST_HINT)?;
    let name = quoted(&documents::name(path));
    let mut given = Vec::new();
    for (number, line) in (1usize..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let (id, number, line) = (number.to_string(), thousands(number), line.trim());
        if line.is_empty() {
            continue;
        }
        let quotation = if line.starts_with('{') {
            let listed: ListedQuotation = serde_json::from_str(line).map_err(|error| {
                fault(format!("quotations: {name}, line {number}: {}", excerpt(&error.to_string())), LIST_HINT)
            })?;
            let mut one = GivenQuotation::new(listed.id.map_or(id, NumberOrText::text), listed.quote);
            (one.document, one.page) = (listed.document, listed.page.map(NumberOrText::text));
            one
        } else {
            GivenQuotation::new(id, line)
        };
        given.push(quotation);
    }
    if given.is_empty() {
        return Err(fault(format!("quotations: {name}: empty"), LIST_HINT));
    }
    Ok(given)
}

/// The quotations of a text: Markdown, plain text, or the text of another document.
fn quoted_in(path: &Path, words_min: usize, options: &SourceOptions) -> Result<Vec<GivenQuotation>> {
    let name = documents::name(path);
    let of = match Format::of_name(&name) {
        Some(Format::Markdown) => GivenQuotation::of_markdown,
        None if documents::is_stdin(path) => GivenQuotation::of_markdown,
        None => GivenQuotation::of_text,
        Some(_) => {
            let source = documents::source(path);
            let content = documents::unlocked(&source, options, |options| Ok(source.read(options)?))?;
            documents::warn(&name, content.warnings());
            return Ok(GivenQuotation::of_text(content.text(), words_min));
        }
    };
    if !documents::is_stdin(path) && name.contains(char::is_whitespace) && path.symlink_metadata().is_err() {
        return Err(fault(format!("{}: no such file", quoted(&name)), TEXT_HINT));
    }
    Ok(of(&read_text(path, TEXT_HINT)?, words_min))
}

fn read_text(path: &Path, hint: &'static str) -> Result<String> {
    let mut limits = Limits::default();
    limits.text_bytes_max = TEXT_BYTES_MAX;
    documents::source(path).read_text(&limits).map_err(|error| match error.code() {
        "too_large" => {
            fault(format!("quotations: {error}, at most {}", counted(TEXT_BYTES_MAX as usize, "byte")), LIMIT_HINT)
        }
        _ => hints::of_text(error, hint).context("quotations"),
    })
}
