//! Quotations for people: status, quotation, place, and what differs.
//!
//! ```text
//! exact       "one person designated by JANA"  contract.pdf, page 1, line 19
//! normalised  "twelve (12) months"             contract.pdf, page 3, line 4   line end
//! altered     "within 30 days"                 contract.pdf, page 4, line 11  30 → sixty (60)
//! 3 quotations: 2 proven, 1 altered
//! ```

use anstyle::{AnsiColor, Style};
use longspan::error::shortened;
use longspan_ask::text::one_line;
use longspan_ask::{CheckedDocuments, Citation, CitationStatus, CitedPassage, Edit, Reason};

use super::numbers::{counted, percent};
use super::places::{Located, location};

/// How much of a quotation is shown, and of either side of an edit, in characters.
const QUOTATION_MAX: usize = 48;
const EDIT_MAX: usize = 60;
/// How many edits are shown.
const EDITS_MAX: usize = 8;

/// Of each status its name for people and its colour.
fn named(status: CitationStatus) -> (&'static str, Style) {
    match status {
        CitationStatus::Exact => ("exact", AnsiColor::Green.on_default()),
        CitationStatus::Normalised => ("normalised", AnsiColor::Green.on_default()),
        CitationStatus::Altered => ("altered", AnsiColor::Red.on_default().bold()),
        CitationStatus::NotFound => ("not found", AnsiColor::Red.on_default()),
        _ => ("unchecked", AnsiColor::Yellow.on_default()),
    }
}

/// A line for each quotation, and one for all.
pub fn shown(citations: &[Citation], checked: &CheckedDocuments) -> String {
    let quotations: Vec<String> = citations
        .iter()
        .map(|citation| format!("\"{}\"", shortened(&one_line(&citation.given.quote), QUOTATION_MAX)))
        .collect();
    let path = AnsiColor::Cyan.on_default();
    let places: Vec<String> = citations
        .iter()
        .map(|citation| citation.passages.first().map_or(String::new(), |first| at(path, first)))
        .collect();
    let width = |texts: &[String]| texts.iter().map(|text| visible(text)).max().unwrap_or(0);
    let (quotation_width, place_width) = (width(&quotations), width(&places));
    let mut shown = String::new();
    for ((citation, quotation), place) in citations.iter().zip(&quotations).zip(&places) {
        let (status, style) = named(citation.status);
        let gap = |text: &str, width: usize| " ".repeat(width - visible(text));
        let notes = notes(citation);
        let line = format!(
            "{style}{status:<10}{style:#}  {quotation}{}  {place}{}  {}",
            gap(quotation, quotation_width),
            gap(place, place_width),
            notes.join("; "),
        );
        shown.push_str(line.trim_end());
        shown.push('\n');
    }
    shown + &summary(citations, checked)
}

/// Characters of a text without its colours.
fn visible(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().chars().count()
}

fn at(path: Style, passage: &CitedPassage) -> String {
    let CitedPassage { document, format, place, .. } = passage;
    location(path, &Located { document, format: *format, place })
}

/// What a reader should know of a quotation beside its place.
fn notes(citation: &Citation) -> Vec<String> {
    let dimmed = Style::new().dimmed();
    let mut notes: Vec<String> = citation.edits.iter().take(EDITS_MAX).map(edit).collect();
    if citation.edits.len() > EDITS_MAX {
        notes.push(format!("and {} more", citation.edits.len() - EDITS_MAX));
    }
    if let Some(fault) = citation.fault {
        notes.push(format!("{dimmed}{fault}{dimmed:#}"));
    }
    let reasons = citation.passages.first().map_or(&[][..], |first| &first.reasons);
    if !reasons.is_empty() {
        let reasons: Vec<&str> = reasons.iter().copied().map(Reason::description).collect();
        notes.push(format!("{dimmed}{}{dimmed:#}", reasons.join(", ")));
    }
    if citation.count > 1 {
        notes.push(format!("{dimmed}{}{dimmed:#}", counted(citation.count, "passage")));
    }
    if citation.is_where_named == Some(false) {
        let named = [&citation.given.document, &citation.given.page.as_ref().map(|page| format!("page {page}"))];
        let named: Vec<String> = named.into_iter().flatten().map(|part| one_line(part)).collect();
        let yellow = AnsiColor::Yellow.on_default();
        notes.push(format!("{yellow}not in {}{yellow:#}", named.join(", ")));
    }
    if let Some((passage, agreement)) = &citation.nearest {
        let (text, share) = (shortened(&one_line(&passage.text), QUOTATION_MAX), percent(*agreement));
        notes
            .push(format!("{dimmed}nearest, {share} of the words: \"{text}\" {}{dimmed:#}", at(Style::new(), passage)));
    }
    notes
}

/// What the quotation says, and what the document says.
fn edit(Edit { from, to, .. }: &Edit) -> String {
    let (red, green) = (AnsiColor::Red.on_default().strikethrough(), AnsiColor::Green.on_default().bold());
    let [from, to] = [from, to].map(|text| shortened(&one_line(text), EDIT_MAX));
    match (from.is_empty(), to.is_empty()) {
        (true, _) => format!("left out: {green}{to}{green:#}"),
        (_, true) => format!("put in: {red}{from}{red:#}"),
        _ => format!("{red}{from}{red:#} → {green}{to}{green:#}"),
    }
}

/// How many quotations have each status, and what was not read.
fn summary(citations: &[Citation], checked: &CheckedDocuments) -> String {
    let count = |is: fn(CitationStatus) -> bool| citations.iter().filter(|citation| is(citation.status)).count();
    let parts = [
        (count(|status| status <= CitationStatus::Normalised), "proven"),
        (count(|status| status == CitationStatus::Altered), "altered"),
        (count(|status| status == CitationStatus::NotFound), "not found"),
        (count(|status| status == CitationStatus::Unchecked), "unchecked"),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let mut summary = format!("{}: {}\n", counted(citations.len(), "quotation"), parts.join(", "));
    if !checked.unread.is_empty() {
        let mut names: Vec<String> =
            checked.unread.iter().map(|unread| super::places::name(&unread.document)).collect();
        names.dedup();
        summary.push_str(&format!("not everything was read: {}\n", shortened(&names.join(", "), 200)));
    }
    summary
}
