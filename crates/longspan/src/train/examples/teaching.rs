//! Saved answers of teachers → probabilities of the tokens of an input.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::evaluate::{TeacherAnswers, TeacherSide};
use crate::tokenizer::ByteSpan32;
use crate::train::loss::at_temperature;

/// Saved answers of teachers, and how they are used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Teaching<'a> {
    pub answers: &'a TeacherAnswers<'a>,
    pub temperature: f64,
}

/// The probabilities of the tokens of a document as starts, and as ends. What they lack to a sum of 1 is that of no answer.
pub(super) type TaughtSides = [Vec<TokenProbability>; 2];

/// The probability of a token of a document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TokenProbability {
    pub token: u32,
    pub probability: f32,
}

impl Teaching<'_> {
    /// What the teachers believe about a question, for the tokens of a document in which its paragraph starts at byte `at`.
    ///
    /// A start within a token goes to that token, one between two tokens to the later, and an end between two to the earlier.
    pub fn of(&self, id: &str, at: usize, spans: &[ByteSpan32]) -> Option<TaughtSides> {
        let [starts, ends] = &self.answers.get(id)?.sides;
        // A token of only white space has an empty span: no answer starts or ends there.
        let has_text = |t: &usize| !spans[*t].is_empty();
        let start = |byte: usize| {
            let first = spans.partition_point(|token| token.end as usize <= at + byte);
            (first..spans.len()).find(has_text).unwrap_or(spans.len() - 1)
        };
        let end = |byte: usize| {
            let behind = spans.partition_point(|token| (token.start as usize) < at + byte);
            (0..behind).rfind(has_text).unwrap_or(0)
        };
        Some([self.side(starts, start), self.side(ends, end)])
    }

    /// - `token`: gives the token of an offset
    fn side(&self, side: &TeacherSide, token: impl Fn(usize) -> usize) -> Vec<TokenProbability> {
        let mut shares = BTreeMap::new();
        for own in &side.shares {
            *shares.entry(token(own.byte as usize)).or_insert(0.0) += f64::from(own.share);
        }
        let ln_p: Vec<f64> = shares.values().copied().chain([side.no_answer.into()]).map(f64::ln).collect();
        let probabilities = at_temperature(&ln_p, self.temperature);
        let pairs = shares.into_keys().zip(probabilities);
        pairs.map(|(token, p)| TokenProbability { token: token as u32, probability: p as f32 }).collect()
    }
}

/// The probabilities of an input, (T, 2): of the tokens of a window of the document, and on the first token the rest, which is
/// that of no answer in this input.
///
/// - `before`: tokens before the document
/// - `tokens`: T
pub(super) fn of_input(sides: &TaughtSides, window: &Range<usize>, before: usize, tokens: usize) -> Vec<f64> {
    let mut probabilities = vec![0.0; 2 * tokens];
    for (side, all) in sides.iter().enumerate() {
        let mut rest = 1.0;
        for own in all.iter().filter(|own| window.contains(&(own.token as usize))) {
            let probability = f64::from(own.probability);
            probabilities[2 * (before + own.token as usize - window.start) + side] = probability;
            rest -= probability;
        }
        probabilities[side] = f64::max(rest, 0.0);
    }
    probabilities
}
