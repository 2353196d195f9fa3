//! How good a model is, beyond the official metrics of [`squad`](crate::squad).
//!
//! ```text
//! asking           asks all questions of a dataset
//! teacher_answers  what a model believes about them, for another model to learn from
//! slices           metrics by length of the document, by position of the answer
//! coverage         precision when only the answers with the best odds are given
//! reliability      whether scores are probabilities
//! calibration      fits the thresholds and the scores, and measures both on other articles and other kinds of data
//! logistic         the logistic regression for it
//! ```

mod asking;
pub mod calibration;
pub mod coverage;
mod logistic;
pub mod reliability;
pub mod slices;
mod teacher_answers;

pub use asking::{AskProgress, Take, ask};
pub(crate) use teacher_answers::TeacherSide;
pub use teacher_answers::{TeacherAnswers, teacher_answer_line};

use crate::reader::{Answer, Span};
use crate::squad::metrics::{Score, score_of};
use crate::squad::ranking::{Ranked, Ranking};
use crate::squad::{Dataset, Paragraph, SquadQuestion};

/// A question of a dataset with the paragraph that it is about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Index of its article in the dataset.
    pub article: usize,
    /// The document.
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

/// The answer of a model to a question of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct AskOutcome {
    /// The answer; it lists at least one span.
    pub answer: Answer,
    /// Tokens of the document before the first gold answer; `None` where there is no gold answer.
    pub answer_position: Option<usize>,
}

/// A question, the answer of a model, and its scores.
#[derive(Debug, Clone)]
pub struct Scored<'a> {
    /// The question.
    pub asked: Asked<'a>,
    /// The model's answer.
    pub outcome: AskOutcome,
    /// The score of the model's decision: the best span, or 'no answer'.
    pub decision: Score,
    /// The score of the best span, whatever the model decided.
    pub best: Score,
}

impl<'a> Scored<'a> {
    /// Scores an answer against the gold answers.
    ///
    /// # Panics
    /// If the answer lists no span, or one that does not lie in this document.
    pub fn new(asked: Asked<'a>, outcome: AskOutcome) -> Self {
        let best = score_of(asked.question, outcome.answer.spans[0].text(&asked.paragraph.context));
        let decision = if outcome.answer.answered { best } else { score_of(asked.question, "") };
        Self { asked, outcome, decision, best }
    }

    /// Whether there is a gold answer.
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

    /// The text of the answer; empty on abstention.
    pub fn predicted_text(&self) -> &'a str {
        if self.outcome.answer.answered { self.best_text() } else { "" }
    }
}

/// Ranks the questions by their null odds, with the scores of their best spans.
pub fn ranking(scored: &[Scored<'_>]) -> Ranking {
    let ranked = scored.iter().map(|scored| Ranked {
        has_answer: scored.has_answer(),
        predicted: true,
        score: scored.best,
        null_odds: scored.outcome.answer.null_odds,
    });
    Ranking::new(ranked.collect())
}
