//! The inputs of an epoch and their steps, as a function of the seed and the number of the epoch.

use std::ops::Range;

use super::{ExampleKey, ExampleKind, Examples, QuestionTokens, answers_within};
use crate::random;
use crate::squad::neighbours;

/// The inputs of a step, by passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPlan {
    /// At least one pass, each of at least one input.
    pub passes: Vec<Vec<ExampleKey>>,
}

/// The purpose of a random number: the first part of the place given to [`random`].
#[derive(Clone, Copy)]
enum ExampleDraw {
    IsLong,
    ContextTokens,
    ShareBefore,
    IsKept,
    IsShifted,
    Shift,
    Order,
}

impl Examples<'_> {
    /// The steps of an epoch: all its inputs in random order, in steps of at most `batch_tokens` and passes of at most
    /// `pass_tokens`. A longer input is alone in its step or pass. The last step has the rest.
    pub fn epoch(&self, epoch: u64, batch_tokens: usize, pass_tokens: usize) -> Vec<StepPlan> {
        let keys = self.keys(epoch);
        let passes = |step| filled(step, pass_tokens).map(<[ExampleKey]>::to_vec).collect();
        filled(&keys, batch_tokens).map(|step| StepPlan { passes: passes(step) }).collect()
    }

    /// The inputs of an epoch in random order.
    pub fn keys(&self, epoch: u64) -> Vec<ExampleKey> {
        let mut keys = Vec::with_capacity(self.questions.len());
        for (q, question) in self.questions.iter().enumerate() {
            if let Some((run, document)) = self.run(epoch, q) {
                let kind = ExampleKind::InContext { first: run.start as u32, end: run.end as u32 };
                keys.push(self.key(epoch, q, kind, document));
                continue;
            }
            let windows = self.windows(question);
            let several = windows.len() > 1;
            for (w, window) in windows.iter().enumerate() {
                let teaches = !several || answers_within(&question.answers, window).next().is_some();
                if teaches || self.draw(ExampleDraw::IsKept, epoch, q, w) < self.settings.negative_windows {
                    keys.push(self.key(epoch, q, ExampleKind::Window(w as u32), window.len()));
                }
            }
        }
        let order = |key: &ExampleKey| {
            random::number(self.seed, &[ExampleDraw::Order as u64, epoch, u64::from(key.question), key.kind.number()])
        };
        keys.sort_by_cached_key(order);
        keys
    }

    /// - `document`: tokens of the document in the input
    fn key(&self, epoch: u64, q: usize, kind: ExampleKind, document: usize) -> ExampleKey {
        let tokens = self.input_tokens(&self.questions[q], document);
        let draw = |what| self.draw(what, epoch, q, kind.number() as usize);
        let shift_max = self.positions.saturating_sub(tokens);
        let is_shifted = shift_max > 0 && draw(ExampleDraw::IsShifted) < self.settings.random_positions;
        let shift = if is_shifted { (draw(ExampleDraw::Shift) * (shift_max + 1) as f64) as u32 } else { 0 };
        ExampleKey { question: q as u32, kind, shift, tokens: tokens as u32 }
    }

    fn draw(&self, what: ExampleDraw, epoch: u64, q: usize, w: usize) -> f64 {
        random::fraction(self.seed, &[what as u64, epoch, q as u64, w as u64])
    }

    /// If a question is asked about its paragraph in context in this epoch: the paragraphs and their tokens.
    fn run(&self, epoch: u64, q: usize) -> Option<(Range<usize>, usize)> {
        let question = &self.questions[q];
        let draw = |what| self.draw(what, epoch, q, 0);
        if draw(ExampleDraw::IsLong) >= self.long_probability || !self.can_be_long(question) {
            return None;
        }
        self.run_of(question, draw(ExampleDraw::ContextTokens), draw(ExampleDraw::ShareBefore))
    }

    /// Whether a paragraph can be put in context. One that is cut into windows is already long.
    fn can_be_long(&self, question: &QuestionTokens<'_>) -> bool {
        let document = &self.documents[question.document];
        document.ids.len() <= question.room && self.articles[document.article].lengths.len() > 1
    }

    /// A paragraph with its neighbours, within a length that goes from the smallest to the largest as `length` goes from 0 to
    /// 1; `None` if there is no room for a neighbour.
    fn run_of(&self, question: &QuestionTokens<'_>, length: f64, share_before: f64) -> Option<(Range<usize>, usize)> {
        let (least, most) = (*self.settings.context_tokens.start(), *self.settings.context_tokens.end());
        let tokens = least + (length * (most - least + 1) as f64) as usize;
        let document = &self.documents[question.document];
        let lengths = &self.articles[document.article].lengths;
        let run = neighbours(lengths, document.paragraph, tokens.min(question.room), share_before);
        let tokens = lengths[run.clone()].iter().sum();
        (run.len() > 1).then_some((run, tokens))
    }

    /// The probability p with which questions must be asked in context, so that `long_share` of the tokens are long.
    ///
    /// Take the questions whose paragraphs can be put in context. Let S be their tokens with the paragraphs alone, and O the
    /// tokens of all other inputs. If all of them are drawn to be in context, let L be the tokens of those that are, and R
    /// the tokens of those that have no room for a neighbour. The share of long tokens is pL / (p(L + R) + (1 - p)S + O),
    /// which gives p.
    pub(super) fn long_probability(&self) -> f64 {
        const DRAWS: usize = 8; // spread evenly over lengths and over shares before
        let share = self.settings.long_share;
        if share == 0.0 {
            return 0.0;
        }
        let (mut short, mut other, mut long, mut rest) = (0.0, 0.0, 0.0, 0.0);
        for question in &self.questions {
            let tokens = |document| self.input_tokens(question, document) as f64;
            if !self.can_be_long(question) {
                let windows = self.windows(question);
                let several = windows.len() > 1;
                other += windows.iter().fold(0.0, |sum, window| {
                    let always = !several || answers_within(&question.answers, window).next().is_some();
                    sum + tokens(window.len()) * if always { 1.0 } else { self.settings.negative_windows }
                });
                continue;
            }
            let alone = tokens(self.documents[question.document].ids.len());
            short += alone;
            for draw in 0..DRAWS {
                let [length, before] = [draw, draw * 5 % DRAWS].map(|draw| (draw as f64 + 0.5) / DRAWS as f64);
                match self.run_of(question, length, before) {
                    Some((_, document)) => long += tokens(document) / DRAWS as f64,
                    None => rest += alone / DRAWS as f64,
                }
            }
        }
        let denominator = long * (1.0 - share) + share * (short - rest);
        // Without room for any neighbour there is nothing to draw.
        if long == 0.0 { 0.0 } else { (share * (short + other) / denominator).min(1.0) }
    }
}

impl ExampleKind {
    /// Distinguishes the inputs of a question in one epoch; an input in context is its only one.
    pub(super) fn number(self) -> u64 {
        match self {
            ExampleKind::Window(w) => u64::from(w),
            ExampleKind::InContext { .. } => 0,
        }
    }
}

/// The keys in runs of at most `tokens_max` tokens; a longer input is a run of its own.
fn filled(mut rest: &[ExampleKey], tokens_max: usize) -> impl Iterator<Item = &[ExampleKey]> {
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |key: &&ExampleKey| {
            sum += key.tokens as usize;
            sum <= tokens_max
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let own;
        (own, rest) = rest.split_at_checked(count)?;
        Some(own)
    })
}
