//! Tokens joined to what a reader takes for one word or one number: `1,000.50`, `don't`.

use std::ops::Range;

use crate::fold::{Folded, Side, flag};
use crate::joints::is_joint;

/// A word, a number or a sign.
#[derive(Debug)]
pub(crate) struct Unit {
    pub tokens: Range<usize>,
    /// Its folded characters, and the same in lower case.
    pub folded: String,
    pub lower: String,
    pub is_word: bool,
    /// Letters before it.
    pub letters: u32,
    /// What it counts for where two texts agree.
    pub weight: i32,
}

/// The units of some tokens.
pub(crate) fn units(folded: &Folded, tokens: Range<usize>) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut at = tokens.start;
    while at < tokens.end {
        let start = at;
        let first = folded.tokens[start];
        at += 1;
        if first.is_word() && !first.has(flag::UNSPACED) {
            while at + 1 < tokens.end && is_joint(folded, at) {
                at += 2;
            }
        }
        let mut text = String::new();
        for index in (start..at).filter(|&index| !folded.tokens[index].has(flag::OPTIONAL)) {
            text.push_str(folded.token(index));
        }
        let letters = text.chars().count().min(8) as i32;
        let weight = match first.is_word() {
            true if first.has(flag::UNSPACED) => 4,
            true => 4 + letters,
            false => 1,
        };
        let lower = text.to_lowercase();
        units.push(Unit {
            tokens: start..at,
            folded: text,
            lower,
            is_word: first.is_word(),
            letters: first.letters,
            weight,
        });
    }
    units
}

/// The text of units as one line.
pub(crate) fn written(side: Side<'_>, units: &[Unit]) -> String {
    let mut text = String::new();
    for index in units.iter().flat_map(|unit| unit.tokens.clone()) {
        let token = side.folded.tokens[index];
        if token.has(flag::SPACE) && !text.is_empty() {
            let is_passed = token.is_word() && index > 0 && side.folded.tokens[index - 1].has(flag::OPTIONAL);
            text.push_str(if is_passed { "" } else { " " });
        }
        text.push_str(&side.text[token.bytes()]);
    }
    text
}

/// The bytes of the text from the first unit to the last one; of none, the place behind `before`.
pub(crate) fn bytes(side: Side<'_>, units: &[Unit], before: Option<&Unit>) -> Range<usize> {
    let tokens = &side.folded.tokens;
    match (units.first(), units.last(), before) {
        (Some(first), Some(last), _) => {
            let (start, end) = (tokens[first.tokens.start].start as usize, tokens[last.tokens.end - 1].end as usize);
            start..end.max(start)
        }
        (.., Some(before)) => {
            let end = tokens[before.tokens.end - 1].end as usize;
            end..end
        }
        _ => 0..0,
    }
}
