//! Which inputs an epoch has, and in which steps: a plan that is a function of the seed and the number of the epoch.

use std::ops::Range;

use super::{Examples, Question, answers_within};
use crate::random;
use crate::squad::neighbours;

/// An input of an epoch: small, made into an [`Example`](super::Example) when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which question, in the order of the data.
    pub question: u32,
    /// What of its document.
    pub form: Form,
    /// How far the positions of the document are shifted, at most: an input that turns out longer is shifted less.
    pub shift: u32,
    /// Tokens of the input. Of a paragraph among its neighbours those of the parts, which may differ from those of the
    /// whole by some tokens at the borders of paragraphs.
    pub tokens: u32,
}

/// What of the document of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A window of the paragraph, counted from 0; one that fits has just this one.
    Window(u32),
    /// The paragraph among its neighbours: those of its article from `first` to before `end`.
    Among {
        /// The first one.
        first: u32,
        /// One past the last one.
        end: u32,
    },
}

/// The inputs of a step, by the passes in which they go through the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPlan {
    /// One pass at least, each of one input at least.
    pub passes: Vec<Vec<Place>>,
}

/// What is drawn at random: the first part of the place that [`random`] is asked for.
#[derive(Clone, Copy)]
enum Draw {
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
    /// `pass_tokens`. A longer input is alone in its step or pass. The last step has what is left.
    pub fn epoch(&self, epoch: u64, batch_tokens: usize, pass_tokens: usize) -> Vec<StepPlan> {
        let places = self.places(epoch);
        let passes = |step| filled(step, pass_tokens).map(<[Place]>::to_vec).collect();
        filled(&places, batch_tokens).map(|step| StepPlan { passes: passes(step) }).collect()
    }

    /// The inputs of an epoch in random order.
    pub fn places(&self, epoch: u64) -> Vec<Place> {
        let mut places = Vec::with_capacity(self.questions.len());
        for (q, question) in self.questions.iter().enumerate() {
            if let Some((run, document)) = self.run(epoch, q) {
                let form = Form::Among { first: run.start as u32, end: run.end as u32 };
                places.push(self.place(epoch, q, form, document));
                continue;
            }
            let windows = self.windows(question);
            let several = windows.len() > 1;
            for (w, window) in windows.iter().enumerate() {
                let teaches = !several || answers_within(&question.answers, window).next().is_some();
                if teaches || self.draw(Draw::IsKept, epoch, q, w) < self.settings.negative_windows {
                    places.push(self.place(epoch, q, Form::Window(w as u32), window.len()));
                }
            }
        }
        let order = |place: &Place| {
            random::number(self.seed, &[Draw::Order as u64, epoch, u64::from(place.question), place.form.number()])
        };
        places.sort_by_cached_key(order);
        places
    }

    /// - `document`: tokens of the document in the input
    fn place(&self, epoch: u64, q: usize, form: Form, document: usize) -> Place {
        let tokens = self.input_tokens(&self.questions[q], document);
        let draw = |what| self.draw(what, epoch, q, form.number() as usize);
        let shift_max = self.positions.saturating_sub(tokens);
        let is_shifted = shift_max > 0 && draw(Draw::IsShifted) < self.settings.random_positions;
        let shift = if is_shifted { (draw(Draw::Shift) * (shift_max + 1) as f64) as u32 } else { 0 };
        Place { question: q as u32, form, shift, tokens: tokens as u32 }
    }

    fn draw(&self, what: Draw, epoch: u64, q: usize, w: usize) -> f64 {
        random::fraction(self.seed, &[what as u64, epoch, q as u64, w as u64])
    }

    /// Where a question is asked about its paragraph among the neighbours in this epoch: which, and how many tokens.
    fn run(&self, epoch: u64, q: usize) -> Option<(Range<usize>, usize)> {
        let question = &self.questions[q];
        let draw = |what| self.draw(what, epoch, q, 0);
        if draw(Draw::IsLong) >= self.long_probability || !self.can_be_long(question) {
            return None;
        }
        self.run_of(question, draw(Draw::ContextTokens), draw(Draw::ShareBefore))
    }

    /// A document that is cut into windows is long as it is.
    fn can_be_long(&self, question: &Question<'_>) -> bool {
        let document = &self.documents[question.document];
        document.ids.len() <= question.room && self.articles[document.article].lengths.len() > 1
    }

    /// The neighbours of a paragraph within a length, which goes from the least to the most as `length` goes from 0 to 1;
    /// nothing where there is no room for a neighbour.
    fn run_of(&self, question: &Question<'_>, length: f64, share_before: f64) -> Option<(Range<usize>, usize)> {
        let (least, most) = (*self.settings.context_tokens.start(), *self.settings.context_tokens.end());
        let tokens = least + (length * (most - least + 1) as f64) as usize;
        let document = &self.documents[question.document];
        let lengths = &self.articles[document.article].lengths;
        let run = neighbours(lengths, document.paragraph, tokens.min(question.room), share_before);
        let tokens = lengths[run.clone()].iter().sum();
        (run.len() > 1).then_some((run, tokens))
    }

    /// With which probability p a question that can be long must be for `long_share` of the tokens to be long.
    ///
    /// Let S be the tokens of these questions about their paragraphs alone and O those of all other inputs. Where all are
    /// drawn to be long, let L be the tokens of those that become so, and R those of the rest, that find no room for a
    /// neighbour. The share of long tokens is then pL / (p(L + R) + (1 - p)S + O), and p follows.
    pub(super) fn long_probability(&self) -> f64 {
        const DRAWS: usize = 8; // places spread evenly over the lengths, and over what stands before
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
        // No question finds a neighbour: there is nothing to draw.
        if long == 0.0 { 0.0 } else { (share * (short + other) / denominator).min(1.0) }
    }
}

impl Form {
    /// Tells the inputs of a question in one epoch apart: one among neighbours is its only one.
    pub(super) fn number(self) -> u64 {
        match self {
            Form::Window(w) => u64::from(w),
            Form::Among { .. } => 0,
        }
    }
}

/// The places cut into runs of at most `tokens_max`, or of one longer one.
fn filled(mut rest: &[Place], tokens_max: usize) -> impl Iterator<Item = &[Place]> {
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |place: &&Place| {
            sum += place.tokens as usize;
            sum <= tokens_max
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let own;
        (own, rest) = rest.split_at_checked(count)?;
        Some(own)
    })
}
