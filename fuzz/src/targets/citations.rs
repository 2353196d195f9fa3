//! Quotations and the texts that they are from.

use longspan_cite::{CitationCheck, Finding, Reason, TextLayout, quotations_of_markdown, quotations_of_text};
use unicode_normalization::UnicodeNormalization;

use super::checks::taken;
use crate::case::split;

/// A text, and quotations, one a line. The text of each passage folds to the quotation.
pub fn cite(case: &[u8]) -> bool {
    let files: Vec<_> = split(case).into_iter().map(String::from_utf8_lossy).collect();
    let [text, quotations] = files.as_slice() else { return false };
    for quoted in [quotations_of_text(text, 1), quotations_of_markdown(text, 1)].concat() {
        assert!(text.get(quoted.bytes.clone()).is_some() && !quoted.text.is_empty(), "{quoted:?}");
    }
    let quotations: Vec<&str> =
        quotations.lines().map(str::trim).filter(|line| line.contains(char::is_alphanumeric)).take(20).collect();
    let Some(check) = taken(CitationCheck::new(&quotations)) else { return false };
    for (quotation, finding) in quotations.iter().zip(check.check(text, &TextLayout::of_plain(text))) {
        match finding {
            Finding::Proven { passages, count, exact_count } => {
                assert!(count >= passages.len() && count >= exact_count && !passages.is_empty());
                for (number, passage) in passages.iter().enumerate() {
                    let found = &text[passage.bytes.clone()];
                    assert_eq!(number < exact_count, passage.reasons.is_empty(), "{passage:?}");
                    assert_eq!(found == *quotation, passage.reasons.is_empty(), "{found:?} {quotation:?}");
                    folds_to(found, quotation, &passage.reasons);
                }
            }
            Finding::Altered { bytes, edits, .. } => {
                assert!(!edits.is_empty() && text.get(bytes).is_some());
                for edit in edits {
                    assert!(text.get(edit.text).is_some() && quotation.get(edit.quotation).is_some());
                }
            }
            Finding::NotFound { nearest: Some(nearest) } => assert!(text.get(nearest.bytes).is_some()),
            _ => {}
        }
    }
    !quotations.is_empty()
}

/// Letters and digits, without regard to how they are written.
fn letters(text: &str) -> Vec<char> {
    text.nfkc().flat_map(char::to_lowercase).filter(|&c| c.is_alphanumeric() && c != '\u{640}').collect()
}

/// The numbers of a text, each as its digits.
fn numbers(text: &str) -> Vec<String> {
    let visible: String = text.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{ad}')).collect();
    let numbers = visible.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    numbers.map(str::to_owned).collect()
}

fn folds_to(found: &str, quotation: &str, reasons: &[Reason]) {
    let (own, mut other) = (letters(quotation), letters(found).into_iter());
    if reasons.contains(&Reason::Brackets) {
        return;
    }
    let has_gaps = reasons.contains(&Reason::Elision) || reasons.contains(&Reason::Furniture);
    if has_gaps {
        assert!(own.iter().all(|c| other.any(|next| next == *c)), "{found:?} {quotation:?}");
        return;
    }
    assert_eq!(own, other.collect::<Vec<_>>(), "{found:?} {quotation:?}");
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii() || c.is_alphabetic());
    if is_plain(found) && is_plain(quotation) {
        assert_eq!(numbers(quotation), numbers(found), "{found:?} {quotation:?}");
    }
}
