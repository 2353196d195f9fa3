//! What was changed in a quotation, and what each change is.

use std::ops::Range;

use crate::align::{Alignment, Step, is_elision};
use crate::fold::{Side, flag};
use crate::meaning::{is_needed, may_differ_in_case};
use crate::quotation::gap_at;
use crate::units::{Unit, bytes, written};
use crate::words::{are_opposites, is_amount, is_date, is_modal, is_negation, is_number, is_unit};

/// What a change changes. Those that change the meaning come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EditKind {
    /// A number.
    Number,
    /// A date.
    Date,
    /// An amount of money.
    Amount,
    /// A name: a word with a capital letter within a sentence.
    Name,
    /// A negation.
    Negation,
    /// A unit.
    Unit,
    /// A modal verb such as `shall` or `may`.
    Modal,
    /// Other words.
    Words,
    /// Capital letters.
    Case,
    /// Punctuation or white space.
    Punctuation,
}

impl EditKind {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Amount => "amount",
            Self::Date => "date",
            Self::Negation => "negation",
            Self::Modal => "modal",
            Self::Unit => "unit",
            Self::Name => "name",
            Self::Words => "words",
            Self::Case => "case",
            Self::Punctuation => "punctuation",
        }
    }
}

/// One change: what the quotation says, and what the text says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// What it changes.
    pub kind: EditKind,
    /// The words of the quotation, as one line; empty if it lacks words.
    pub from: String,
    /// The words of the text, as one line; empty if the quotation adds words.
    pub to: String,
    /// Bytes of the quotation.
    pub quotation: Range<usize>,
    /// Bytes of the text.
    pub text: Range<usize>,
}

/// A quotation beside a region of a text, both as units.
pub(crate) struct Aligned<'a> {
    pub quotation: Side<'a>,
    pub quotation_units: &'a [Unit],
    pub text: Side<'a>,
    pub text_units: &'a [Unit],
    pub alignment: &'a Alignment,
}

/// Units of both that stand for each other.
#[derive(Clone)]
struct Change {
    quotation: Range<usize>,
    text: Range<usize>,
}

impl Aligned<'_> {
    /// The changes, those of the meaning first. One at least.
    pub fn edits(&self) -> Vec<Edit> {
        let changes = self.changes();
        let mut shown: Vec<Change> =
            changes.iter().filter(|change| !self.is_shown_in_quotation(change)).cloned().collect();
        if shown.is_empty() {
            shown = if changes.is_empty() { vec![self.cut()] } else { changes };
        }
        let mut edits: Vec<Edit> = shown.iter().map(|change| self.edit(change)).collect();
        edits.sort_by_key(|edit| edit.kind);
        edits
    }

    /// Steps beside each other that do not agree, together.
    fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        let (mut i, mut j) = (0, self.alignment.text.start);
        let mut is_open = false;
        for step in &self.alignment.steps {
            let (q, t) = match step {
                Step::Agree | Step::Change => (1, 1),
                Step::Quotation => (1, 0),
                Step::Text => (0, 1),
            };
            let is_same = *step == Step::Agree
                && (self.quotation_units[i].folded == self.text_units[j].folded || self.is_first_word(i, j));
            if !is_same {
                match changes.last_mut().filter(|_| is_open) {
                    Some(last) => (last.quotation.end, last.text.end) = (i + q, j + t),
                    None => changes.push(Change { quotation: i..i + q, text: j..j + t }),
                }
            }
            is_open = !is_same;
            (i, j) = (i + q, j + t);
        }
        changes
    }

    /// Whether two words that agree but for case differ in nothing but a first letter that is free.
    fn is_first_word(&self, i: usize, j: usize) -> bool {
        let (own, other) = (&self.quotation_units[i], &self.text_units[j]);
        let tail = |unit: &Unit| unit.folded.chars().skip(1).collect::<String>();
        own.is_word
            && own.letters == 0
            && tail(own) == tail(other)
            && may_differ_in_case(&own.folded, self.text.folded, other.tokens.start)
    }

    /// Whether the quotation shows the change, by dots or brackets, and it hides nothing.
    fn is_shown_in_quotation(&self, change: &Change) -> bool {
        let (from, to) = (&self.quotation_units[change.quotation.clone()], &self.text_units[change.text.clone()]);
        let (Some(first), Some(last)) = (from.first(), from.last()) else { return false };
        let is_signs = |units: &[Unit]| {
            units.iter().all(|unit| is_elision(unit) || matches!(unit.folded.as_str(), "[" | "]" | "(" | ")"))
        };
        let hides = match (to.first(), to.last()) {
            (Some(first), Some(last)) => is_needed(self.text.folded, first.tokens.start..last.tokens.end),
            _ => false,
        };
        if from.iter().any(is_elision) && is_signs(from) {
            return !hides;
        }
        let put_in = gap_at(self.quotation.folded, first.tokens.start);
        put_in.is_some_and(|gap| gap.tokens.end == last.tokens.end && !gap.has_number_or_negation && to.is_empty())
    }

    /// Where all words agree, a word or number of the text was cut, or white space changes a number.
    fn cut(&self) -> Change {
        let (last, text) = (self.quotation_units.len() - 1, &self.alignment.text);
        let is_near = |unit: usize| {
            let token = self.text_units[unit].tokens.start;
            !self.text.folded.tokens[token].has(flag::SPACE | flag::BARRIER)
        };
        let mut start = text.start;
        while start > 0 && text.start - start < 2 && is_near(start) {
            start -= 1;
        }
        if start < text.start {
            return Change { quotation: 0..1, text: start..text.start + 1 };
        }
        let mut end = text.end;
        while end < self.text_units.len() && end - text.end < 2 && is_near(end) {
            end += 1;
        }
        if end > text.end {
            return Change { quotation: last..last + 1, text: text.end - 1..end };
        }
        Change { quotation: 0..last + 1, text: text.clone() }
    }

    fn edit(&self, change: &Change) -> Edit {
        let (from, to) = (&self.quotation_units[change.quotation.clone()], &self.text_units[change.text.clone()]);
        let quotation_before = self.quotation_units[..change.quotation.start].last();
        let text_before = self.text_units[..change.text.start].last();
        Edit {
            kind: self.kind(change),
            from: written(self.quotation, from),
            to: written(self.text, to),
            quotation: bytes(self.quotation, from, quotation_before),
            text: bytes(self.text, to, text_before),
        }
    }

    fn kind(&self, change: &Change) -> EditKind {
        let (from, to) = (&self.quotation_units[change.quotation.clone()], &self.text_units[change.text.clone()]);
        // A word that both sides have is not what was changed.
        let only = |units: &'_ [Unit], others: &'_ [Unit]| -> Vec<usize> {
            (0..units.len()).filter(|&at| !others.iter().any(|other| other.lower == units[at].lower)).collect()
        };
        let (own, other) = (only(from, to), only(to, from));
        let all = || own.iter().map(|&at| &from[at]).chain(other.iter().map(|&at| &to[at]));
        let any = |is: fn(&str) -> bool| all().any(|unit| is(&unit.lower));
        if !all().any(|unit| unit.is_word) {
            let is_case = from.len() == to.len() && from.iter().zip(to).any(|(a, b)| a.is_word && a.folded != b.folded);
            return match () {
                () if any(is_amount) => EditKind::Amount,
                () if any(is_unit) => EditKind::Unit,
                () if is_case => EditKind::Case,
                () if from.iter().chain(to).any(|unit| is_number(&unit.lower)) => EditKind::Number,
                () => EditKind::Punctuation,
            };
        }
        let opposite = || own.iter().any(|&a| other.iter().any(|&b| are_opposites(&from[a].lower, &to[b].lower)));
        if any(is_negation) || any(is_negated) || opposite() {
            return EditKind::Negation;
        }
        let beside = [(self.quotation_units, &change.quotation), (self.text_units, &change.text)];
        let near = |is: fn(&str) -> bool| {
            beside.iter().any(|(units, own)| {
                let range = own.start.saturating_sub(1)..(own.end + 1).min(units.len());
                units[range].iter().any(|unit| is(&unit.lower))
            })
        };
        match () {
            () if any(is_date) || (any(is_number) && (near(is_date) || any(is_year))) => EditKind::Date,
            () if any(is_number) && near(is_amount) => EditKind::Amount,
            () if any(is_number) => EditKind::Number,
            () if any(is_modal) => EditKind::Modal,
            () if any(is_unit) => EditKind::Unit,
            () if self.has_name(change, &own, &other) => EditKind::Name,
            () => EditKind::Words,
        }
    }

    /// Whether a word with a capital letter, not at the beginning of a sentence, was changed.
    fn has_name(&self, change: &Change, own: &[usize], other: &[usize]) -> bool {
        let is_name = |units: &[Unit], at: usize| {
            let starts = at == 0 || matches!(units[at - 1].folded.as_str(), "." | "!" | "?" | ":");
            units[at].folded.starts_with(char::is_uppercase) && !starts
        };
        own.iter().any(|at| is_name(self.quotation_units, change.quotation.start + at))
            || other.iter().any(|at| is_name(self.text_units, change.text.start + at))
    }
}

/// Whether a word holds its negation, as `don't` and `n'est` do.
fn is_negated(word: &str) -> bool {
    word.ends_with("n\"t") || word.starts_with("n\"")
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && word.bytes().all(|byte| byte.is_ascii_digit())
        && (word.starts_with('1') || word.starts_with("20"))
}
