//! Quotations for people: status, quotation, place, and what differs.
//!
//! ```text
//! exact       line 1  "one person designated by JANA"  contract.pdf, page 1, line 19
//! normalised  line 1  "twelve (12) months"             contract.pdf, page 3, line 4   line end
//! altered     line 8  "within 30 days"                 contract.pdf, page 4, line 11  30 → sixty (60)
//! 3 quotations: 2 proven, 1 altered
//! ```
//!
//! The first line is that of the text that quotes. On a terminal that is too narrow, what documents say begins a new line.

use anstyle::{AnsiColor, Style};
use longspan::error::shortened;
use longspan_ask::text::one_line;
use longspan_ask::{CheckedDocuments, Citation, CitationStatus, CitedEdit, CitedPassage, Reason};

use super::numbers::{counted, percent, thousands};
use super::places::{Located, location};

/// How much of a quotation is shown, and of either side of an edit, in characters.
const QUOTATION_MAX: usize = 48;
const EDIT_MAX: usize = 60;
/// How many edits are shown.
const EDITS_MAX: usize = 8;
/// Where a second line begins.
const INDENT: usize = 12;
/// What comes nearest is not the quotation, even if it has all of its words.
const NEAREST_SHARE_MAX: f64 = 0.99;

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
    shown_within(citations, checked, usize::MAX)
}

/// The same with more lines for each quotation, if one is wider than `columns`.
pub fn shown_within(citations: &[Citation], checked: &CheckedDocuments, columns: usize) -> String {
    let lines: Vec<String> = citations
        .iter()
        .map(|citation| citation.given.line.map_or(String::new(), |line| format!("line {}", thousands(line))))
        .collect();
    let quotations: Vec<String> = citations
        .iter()
        .map(|citation| format!("\"{}\"", shortened(&one_line(&citation.given.quote), QUOTATION_MAX)))
        .collect();
    let line_width = lines.iter().map(String::len).max().unwrap_or(0);
    // Lists of quotations are in no text.
    let line_width = if line_width > 0 { line_width + 2 } else { 0 };
    let quotations: Vec<String> =
        lines.iter().zip(quotations).map(|(line, quotation)| format!("{line:<line_width$}{quotation}")).collect();
    let path = AnsiColor::Cyan.on_default();
    let places: Vec<String> = citations
        .iter()
        .map(|citation| citation.passages.first().map_or(String::new(), |first| at(path, first)))
        .collect();
    let width = |texts: &[String]| texts.iter().map(|text| visible(text)).max().unwrap_or(0);
    let (quotation_width, place_width) = (width(&quotations), width(&places));
    let rows: Vec<(String, Vec<String>)> = citations
        .iter()
        .zip(&quotations)
        .map(|(citation, quotation)| {
            let (status, style) = named(citation.status);
            (format!("{style}{status:<10}{style:#}  {quotation}"), notes(citation))
        })
        .collect();
    let gap = |text: &str, width: usize| " ".repeat(width - visible(text));
    let in_one_line = |((head, notes), place): (&(String, Vec<String>), &String)| {
        let (after, notes) = (gap(place, place_width), notes.join("; "));
        format!("{head}{}  {place}{after}  {notes}", gap(head, INDENT + quotation_width)).trim_end().to_owned()
    };
    let mut blocks: Vec<String> = rows.iter().zip(&places).map(in_one_line).collect();
    if blocks.iter().any(|line| visible(line) > columns) {
        blocks = rows.iter().zip(&places).map(|((head, notes), place)| block(head, place, notes, columns)).collect();
    }
    blocks.into_iter().map(|block| block + "\n").collect::<String>() + &summary(citations, checked)
}

/// A quotation, and what documents say of it on the lines below.
fn block(head: &str, place: &str, notes: &[String], columns: usize) -> String {
    let parts = || std::iter::once(place).chain(notes.iter().map(String::as_str)).filter(|part| !part.is_empty());
    let joined = [place, &notes.join("; ")].join("  ");
    let below = match joined.trim() {
        line if INDENT + visible(line) <= columns => vec![line],
        _ => parts().collect(),
    };
    let below = below.into_iter().filter(|line| !line.is_empty()).map(|line| format!("{:INDENT$}{line}", ""));
    std::iter::once(head.to_owned()).chain(below).collect::<Vec<_>>().join("\n")
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
        let (text, place) = (shortened(&one_line(&passage.text), QUOTATION_MAX), at(Style::new(), passage));
        // The edits say more than the share does.
        let share = match citation.edits.is_empty() {
            true => format!(", {} of the words", percent(agreement.min(NEAREST_SHARE_MAX))),
            false => String::new(),
        };
        notes.push(format!("{dimmed}nearest{share}: \"{text}\" {place}{dimmed:#}"));
    }
    notes
}

/// What the quotation says, and what the document says.
fn edit(CitedEdit { from, to, .. }: &CitedEdit) -> String {
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

#[cfg(test)]
mod tests {
    use longspan_ask::{CitationRun, Content, GivenQuotation};

    use super::*;

    fn plain(text: &str, document: &str, unread: &[&str], columns: usize) -> String {
        let mut run = CitationRun::new(GivenQuotation::of_text(text, 2)).unwrap();
        run.read("a.txt", &Content::plain(document));
        unread.iter().for_each(|name| run.unread(name, "no text"));
        let (citations, checked) = run.finish();
        anstream::adapter::strip_str(&shown_within(&citations, &checked, columns)).to_string()
    }

    #[test]
    fn an_open_quotation_shows_what_it_leaves_out() {
        let document = "The Company will not make any acquisitions during the Term.";
        let text = "It says:\n“will make any acquisitions during the Term”.";
        let expected = "\
unchecked   line 2  \"will make any acquisitions during the Term\"    left out: not; nearest: \"will not make any acquisitions during the Term\" a.txt:1
1 quotation: 1 unchecked
not everything was read: scan.pdf
";
        let shown = plain(text, document, &["scan.pdf"], usize::MAX);
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_comes_nearest_never_has_all_words() {
        // Which of the two is meant is open.
        let document = "They will not make any acquisitions. Then they will never make any acquisitions.";
        let shown = plain("“they will make any acquisitions”", document, &[], usize::MAX);
        assert!(shown.contains("not found") && shown.contains("nearest, 99% of the words"), "{shown}");
    }

    #[test]
    fn a_narrow_terminal_gets_more_lines() {
        let (text, document) =
            ("x\n“ran within 30 days” and\n“ran in May 1911”", "It ran within sixty (60) days. It ran in May 1911.");
        let wide = "\
altered     line 2  \"ran within 30 days\"  a.txt:1  30 → sixty (60)
exact       line 3  \"ran in May 1911\"     a.txt:1
2 quotations: 1 proven, 1 altered
";
        assert_eq!(plain(text, document, &[], 66), wide);
        let narrow = "\
altered     line 2  \"ran within 30 days\"
            a.txt:1  30 → sixty (60)
exact       line 3  \"ran in May 1911\"
            a.txt:1
2 quotations: 1 proven, 1 altered
";
        assert_eq!(plain(text, document, &[], 65), narrow);
        let narrower = narrow.replace("a.txt:1  30", "a.txt:1\n            30");
        assert_eq!(plain(text, document, &[], 35), narrower);
    }
}
