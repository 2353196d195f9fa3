//! How good a model is: beyond the official figures of [`squad`](crate::squad).
//!
//! ```text
//! asking       all questions of a dataset, through the model
//! slices       figures by length of the document, by position of the answer
//! coverage     how right the answers are when only the surest are given
//! reliability  whether scores are probabilities
//! calibration  a threshold and scores made probabilities, and what they are worth on other articles
//! fit          the logistic regression of that
//! ```

mod asking;
pub mod calibration;
pub mod coverage;
mod fit;
pub mod reliability;
pub mod slices;

pub use asking::{AskProgress, ask};

use crate::reader::{Answer, Span};
use crate::squad::metrics::{Score, score_of};
use crate::squad::ranking::{Ranked, Ranking};
use crate::squad::{Dataset, Paragraph, SquadQuestion};

/// A question of a dataset, to be asked about its paragraph.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Which article of the dataset it belongs to, from 0.
    pub article: usize,
    /// Its document.
    pub paragraph: &'a Paragraph,
    /// The question.
    pub question: &'a SquadQuestion,
}

impl<'a> Asked<'a> {
    /// All questions of a dataset, in its order.
    pub fn all(dataset: &'a Dataset) -> Vec<Self> {
        let paragraphs =
            (0..).zip(&dataset.articles).flat_map(|(a, article)| article.paragraphs.iter().map(move |p| (a, p)));
        let of = |(article, paragraph): (usize, &'a Paragraph)| {
            paragraph.questions.iter().map(move |question| Asked { article, paragraph, question })
        };
        paragraphs.flat_map(of).collect()
    }
}

/// What a model said to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct AskOutcome {
    /// Its answer, one span at least.
    pub answer: Answer,
    /// Tokens of the document before the first gold answer; `None` where the data give none.
    pub answer_position: Option<usize>,
}

/// A question, what a model said to it, and how right that was.
#[derive(Debug, Clone)]
pub struct Scored<'a> {
    /// The question.
    pub asked: Asked<'a>,
    /// What the model said.
    pub outcome: AskOutcome,
    /// Of what the model said: the best span, or 'no answer'.
    pub decision: Score,
    /// Of the best span, whatever the model decided.
    pub best: Score,
}

impl<'a> Scored<'a> {
    /// Scores what a model said.
    ///
    /// # Panics
    /// If the answer lists no span, or one that is not of this document.
    pub fn new(asked: Asked<'a>, outcome: AskOutcome) -> Self {
        let best = score_of(asked.question, outcome.answer.spans[0].text(&asked.paragraph.context));
        let decision = if outcome.answer.answered { best } else { score_of(asked.question, "") };
        Self { asked, outcome, decision, best }
    }

    /// Whether the data give an answer.
    pub fn has_answer(&self) -> bool {
        !self.asked.question.answers.is_empty()
    }

    /// The best span.
    pub fn best_span(&self) -> &Span {
        &self.outcome.answer.spans[0]
    }

    /// The text of the best span.
    pub fn best_text(&self) -> &'a str {
        self.best_span().text(&self.asked.paragraph.context)
    }

    /// The text of the answer, empty on abstention.
    pub fn predicted_text(&self) -> &'a str {
        if self.outcome.answer.answered { self.best_text() } else { "" }
    }
}

/// The questions by their null odds, with their best spans.
pub fn ranking(scored: &[Scored<'_>]) -> Ranking {
    let ranked = scored.iter().map(|scored| Ranked {
        has_answer: scored.has_answer(),
        predicted: true,
        score: scored.best,
        null_odds: scored.outcome.answer.null_odds,
    });
    Ranking::new(ranked.collect())
}
