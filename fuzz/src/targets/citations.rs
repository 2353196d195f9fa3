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
                    is_whole(text, passage.bytes.clone());
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

/// The words of English that negate.
fn negations(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words.filter(|word| matches!(word.as_str(), "not" | "no" | "never" | "nor" | "without" | "unless")).collect()
}

/// A text without what stands in square brackets.
fn without_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let is_outside = |c: &char| {
        depth = match c {
            '[' => depth + 1,
            ']' => depth.saturating_sub(1),
            _ => depth,
        };
        depth == 0 && *c != ']'
    };
    text.chars().filter(is_outside).collect()
}

fn is_subsequence(part: &[char], whole: &[char]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|c| whole.any(|next| next == c))
}

fn folds_to(found: &str, quotation: &str, reasons: &[Reason]) {
    let (own, other) = (letters(quotation), letters(found));
    let has_gaps = reasons.contains(&Reason::Elision) || reasons.contains(&Reason::Furniture);
    if reasons.contains(&Reason::Brackets) {
        let own_words = letters(&without_brackets(quotation));
        assert!(is_subsequence(&own_words, &other), "{found:?} {quotation:?}");
        assert!(has_gaps || is_subsequence(&other, &own), "{found:?} {quotation:?}");
        return;
    }
    if has_gaps {
        assert!(is_subsequence(&own, &other), "{found:?} {quotation:?}");
        return;
    }
    assert_eq!(own, other, "{found:?} {quotation:?}");
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii() || c.is_alphabetic());
    if is_plain(found) && is_plain(quotation) {
        assert_eq!(numbers(quotation), numbers(found), "{found:?} {quotation:?}");
    }
    if found.is_ascii() && quotation.is_ascii() && !reasons.contains(&Reason::Hyphenation) {
        assert_eq!(negations(quotation), negations(found), "{found:?} {quotation:?}");
    }
}

/// A passage cuts no word and no number: it does not go on beside the passage.
fn is_whole(text: &str, bytes: std::ops::Range<usize>) {
    let (before, found, behind) = (&text[..bytes.start], &text[bytes.clone()], &text[bytes.end..]);
    let cut = |last: Option<char>, next: Option<char>| {
        let (Some(last), Some(next)) = (last, next) else { return false };
        (last.is_ascii_alphanumeric() && next.is_ascii_alphanumeric())
            || (last.is_ascii_digit() && next == '%')
            || (matches!(last, '$' | '€' | '£') && next.is_ascii_digit())
    };
    let goes_on = |behind: &str| {
        let mut next = behind.chars();
        matches!(next.next(), Some('.' | ',')) && next.next().is_some_and(|c| c.is_ascii_digit())
    };
    let comes_from = |before: &str| {
        let mut last = before.chars().rev();
        matches!(last.next(), Some('.' | ',')) && last.next().is_some_and(|c| c.is_ascii_digit())
    };
    let (first, last) = (found.chars().next(), found.chars().next_back());
    assert!(
        !cut(before.chars().next_back(), first) && !cut(last, behind.chars().next()),
        "{before:?} {found:?} {behind:?}"
    );
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let is_cut = is_digit(last) && goes_on(behind) || is_digit(first) && comes_from(before);
    assert!(!is_cut, "{before:?} {found:?} {behind:?}");
}
