//! Results as text, for clients and models that do not take objects.

use std::fmt::Write;

use anstyle::Style;
use longspan_ask::text::one_line;
use longspan_ask::{Candidate, CheckedDocuments, Citation, DocumentAnswer};

use super::library::{DocumentListObject, ListedDocument};
use super::tools::DocumentTextObject;
use crate::terminal::places::{Located, location, name};
use crate::terminal::{citations, counted, thousands};

/// An answer with its place, or that there is none, and what came nearest.
pub fn answer(answer: &DocumentAnswer) -> String {
    let mut shown = match answer.best() {
        Some(best) => span(answer, best),
        None => format!("no answer: {} does not say, score {:.3}", name(&answer.document), answer.score),
    };
    let (others, what) = match answer.best() {
        Some(_) => (answer.candidates.get(1..).unwrap_or_default(), "or"),
        None => (&answer.candidates[..], "closest, but not sure enough"),
    };
    for other in others {
        let _ = write!(shown, "\n{what}: {}", span(answer, other));
    }
    for warning in answer.warnings.iter() {
        let _ = write!(shown, "\nwarning: {}", one_line(&warning.to_string()));
    }
    shown
}

fn span(answer: &DocumentAnswer, span: &Candidate) -> String {
    let located = Located { document: &answer.document, format: answer.format, place: &span.place };
    let place = location(Style::new(), &located);
    let heading =
        span.place.headings.last().map_or(String::new(), |heading| format!(", under \"{}\"", one_line(heading)));
    let longspan_ask::Snippet { before, answer, after, .. } = &span.snippet;
    let sentence = format!("{before}»{answer}«{after}");
    format!("\"{}\" — {place}{heading}, score {:.3}\n  {sentence}", one_line(&span.text), span.score)
}

/// Quotations with what documents say of them, as `longspan cite` prints them.
pub fn quotations(checked: &[Citation], documents: &CheckedDocuments) -> String {
    if checked.is_empty() {
        return "no quotations".into();
    }
    anstream::adapter::strip_str(&citations::shown(checked, documents)).to_string()
}

/// A part of a text, and behind it how to go on.
pub fn text(part: &DocumentTextObject<'_>) -> Vec<String> {
    let going_on = part.next_start.map(|next| {
        format!(
            "[characters {}–{} of {}; the next part has start {next}]",
            part.start,
            part.end,
            thousands(part.characters)
        )
    });
    [Some(part.text.to_owned()), going_on].into_iter().flatten().collect()
}

/// A line for each document.
pub fn documents(list: &DocumentListObject) -> String {
    let mut shown = counted(list.documents_count, "document");
    for ListedDocument { document, document_id, format, title, pages, tokens, .. } in &list.documents {
        let facts = [
            document_id.clone(),
            format.clone(),
            title.as_ref().map(|title| format!("\"{}\"", one_line(title))),
            pages.map(|pages| counted(pages, "page")),
            tokens.map(|tokens| counted(tokens, "token")),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let _ = write!(shown, "\n{}", one_line(document));
        if !facts.is_empty() {
            let _ = write!(shown, " ({})", facts.join(", "));
        }
    }
    if let Some(cursor) = &list.next_cursor {
        let _ = write!(shown, "\nmore with the cursor {cursor:?}");
    }
    shown
}
