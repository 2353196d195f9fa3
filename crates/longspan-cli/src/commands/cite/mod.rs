//! `longspan cite`: the quotations of a text, checked against documents.

mod given;

use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result};
use csv::Writer;
use longspan_ask::{
    AskError, CheckedDocuments, Citation, CitationObject, CitationRun, CitationStatus, DocumentSource, QuotationFault,
    ReadError, Reason, SourceError, SourceErrorKind, SourceOptions,
};

use crate::cli::CiteArgs;
use crate::data::documents;
use crate::data::gathered::GatheredFiles;
use crate::status::Status;
use crate::terminal::{self, citations, counted, hints, hints::fault};

/// So many bytes are printed together.
const LINES_BYTES: usize = 1 << 16;

/// Runs the command.
pub fn run(args: &CiteArgs) -> Result<Status> {
    if args.json_schema {
        let schema = serde_json::to_string_pretty(&CitationObject::schema())?;
        terminal::print(format!("{schema}\n").as_bytes()).context("standard output")?;
        return Ok(Status::Answered);
    }
    let mut paths = args.files();
    if paths.is_empty() && args.folders.recursive {
        paths.push(PathBuf::from("."));
    }
    if paths.is_empty() {
        return Err(fault("no documents", "give the documents that are quoted behind the text that quotes them"));
    }
    let options = documents::options(&args.document)?;
    let quoting = args.quotes.as_ref().or(args.text());
    if quoting.is_some_and(|path| documents::is_stdin(path)) && paths.iter().any(|path| documents::is_stdin(path)) {
        let hint = "name a file for one of them";
        return Err(fault("standard input cannot hold both the quotations and a document", hint));
    }
    let given = given::quotations(args, &options)?;
    let mut run = CitationRun::new(given).map_err(|error| fault(error.to_string(), given::LIMIT_HINT))?;
    let mut files = GatheredFiles::new(&paths, &args.folders, quoting.map(PathBuf::as_path))?;
    let has_failed = read(&mut run, &mut files, &options);
    let (citations, checked) = run.finish();
    show(args, &citations, &checked).context("standard output")?;
    let fails = |citation: &Citation| args.fails_on(citation.status, citation.is_where_named == Some(false));
    let is_open = |citation: &Citation| citation.status == CitationStatus::Unchecked && !fails(citation);
    if !has_failed && !checked.unread.is_empty() && citations.iter().any(is_open) {
        let hint = "give documents that can be read, or add `unchecked` to --fail-on";
        hints::warn_of("unchecked quotations do not fail, and not everything in the documents was read", Some(hint));
    }
    Ok(match () {
        () if has_failed => Status::Failed,
        () if citations.iter().any(fails) => Status::Unanswered,
        () => Status::Answered,
    })
}

/// Reads every document, and returns whether one could not be read.
fn read(run: &mut CitationRun, files: &mut GatheredFiles, options: &SourceOptions) -> bool {
    let mut has_failed = false;
    for error in files.errors.drain(..) {
        run.unread("a folder", &error.to_string());
        hints::report(&error);
        has_failed = true;
    }
    for path in std::mem::take(&mut files.paths) {
        match content(&documents::source(&path), options) {
            Ok(content) => {
                let name = documents::name(&path);
                documents::warn(&name, content.warnings());
                run.read(&name, &content);
            }
            Err(error) if files.skips(&error) => {
                // A file that is no document has nothing that could be quoted; one of another format than --format names
                // may have it.
                if is_of_other_format(&error) {
                    run.unread(error.document(), &error.to_string());
                }
            }
            Err(error) => {
                run.unread(error.document(), &error.to_string());
                hints::report(&error.into());
                has_failed = true;
            }
        }
    }
    files.report_skipped();
    has_failed
}

fn content(source: &DocumentSource, options: &SourceOptions) -> Result<longspan_ask::Content, AskError> {
    documents::unlocked(source, options, |options| Ok(source.read(options)?))
}

fn is_of_other_format(error: &AskError) -> bool {
    let AskError::Source(SourceError { kind, .. }) = error else { return false };
    matches!(kind, SourceErrorKind::Read(ReadError::NotOfFormat(_)))
}

fn show(args: &CiteArgs, citations: &[Citation], checked: &CheckedDocuments) -> io::Result<()> {
    if args.json {
        let mut lines = Vec::new();
        for citation in citations {
            serde_json::to_writer(&mut lines, &CitationObject::new(citation, checked))?;
            lines.push(b'\n');
            if lines.len() >= LINES_BYTES {
                terminal::print(&lines)?;
                lines.clear();
            }
        }
        return terminal::print(&lines);
    }
    if args.csv {
        return terminal::print(table(citations)?.as_bytes());
    }
    if citations.is_empty() {
        hints::warn(&format!("no quotations of {} or more in the text", counted(args.min_words, "word")));
        return Ok(());
    }
    terminal::print_styled(&citations::shown_within(citations, checked, terminal::columns()))
}

/// A row for each quotation, in CSV (RFC 4180).
fn table(citations: &[Citation]) -> io::Result<String> {
    let mut table = Writer::from_writer(Vec::new());
    table.write_record([
        "id",
        "quote",
        "status",
        "reasons",
        "edits",
        "document",
        "page",
        "page_line",
        "heading",
        "line",
        "places",
    ])?;
    let or_empty = |number: Option<usize>| number.map_or(String::new(), |number| number.to_string());
    for Citation { given, status, passages, edits, count, fault, .. } in citations {
        let first = passages.first();
        let reasons = first.into_iter().flat_map(|first| first.reasons.iter().copied().map(Reason::name));
        let reasons: Vec<&str> = reasons.chain(fault.map(QuotationFault::name)).collect();
        let edits: Vec<String> = edits.iter().map(|edit| format!("{} → {}", edit.from, edit.to)).collect();
        table.write_record([
            given.id.clone(),
            given.quote.clone(),
            status.name().to_owned(),
            reasons.join("; "),
            edits.join("; "),
            first.map_or(String::new(), |first| first.document.clone()),
            or_empty(first.and_then(|first| first.place.page)),
            or_empty(first.and_then(|first| first.place.page_line)),
            first.and_then(|first| first.place.headings.last().cloned()).unwrap_or_default(),
            or_empty(first.map(|first| first.place.line)),
            count.to_string(),
        ])?;
    }
    let table = table.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(table).map_err(io::Error::other)
}
