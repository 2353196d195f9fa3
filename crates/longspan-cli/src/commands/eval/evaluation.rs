//! What an evaluation found, wherever the predictions came from.

use longspan::evaluate::Asked;
use longspan::squad::metrics::{OfficialFigures, Score};
use longspan::squad::ranking::Ranking;
use longspan::tokenizer::ByteSpan;

/// The official figures, and the results of all questions.
pub struct Evaluation<'a> {
    /// The official figures.
    pub figures: OfficialFigures,
    /// Every question.
    pub results: Vec<QuestionResult<'a>>,
    /// The questions by their null odds, where they have any.
    pub ranking: Option<Ranking>,
    /// Questions without a prediction; no figure counts them.
    pub missing: usize,
}

/// One question, its prediction, and how right that is.
pub struct QuestionResult<'a> {
    /// The question.
    pub asked: Asked<'a>,
    /// Title of its article.
    pub title: &'a str,
    /// The predicted answer; empty on abstention.
    pub predicted: &'a str,
    /// Where it stands, if that is known.
    pub span: Option<ByteSpan>,
    /// How right it is.
    pub score: Score,
    /// The probability that a model gave it.
    pub confidence: Option<f64>,
    /// The most confident come first by this: the confidence, or the distance of the null odds from the threshold.
    pub certainty: Option<f64>,
    /// Tokens of the document, if they were counted.
    pub tokens: Option<usize>,
    /// Tokens before the first gold answer.
    pub position: Option<usize>,
}

impl QuestionResult<'_> {
    /// Whether the data give an answer.
    pub fn has_answer(&self) -> bool {
        !self.asked.question.answers.is_empty()
    }
}
