//! What the reader answers.

use super::document::Document;
use crate::tokenizer::ByteSpan;

/// The answer of one document to one question.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Whether there is an answer: `null_odds` is at most the threshold. The answer is then `spans[0]`.
    pub answered: bool,
    /// The best spans, best first, none overlapping another. They are listed on abstention too.
    pub spans: Vec<Span>,
    /// e^n / (e^n + Σ e^S), where n is the smallest of the windows' null scores and the sum is over all admissible spans. Where a
    /// verification window was read and has higher null odds, n and the sum are those of that window alone: see
    /// [`ReadOptions::verify_tokens`](super::ReadOptions::verify_tokens). For a calibrated checkpoint: on abstention, the
    /// probability that people find no answer, see [`Calibration`](super::Calibration).
    pub no_answer_score: f64,
    /// n − max S, of the windows or of the verification window, whichever is larger. Above the threshold there is no
    /// answer.
    pub null_odds: f64,
    /// Tokens of the document.
    pub tokens: usize,
    /// Number of windows that cover the document.
    pub windows: usize,
    /// Where an answer may start and end, if [`ReadOptions::endpoints`](super::ReadOptions::endpoints) asks for it.
    pub endpoints: Option<Endpoints>,
}

impl Answer {
    /// The span that answers; `None` on abstention.
    pub fn best(&self) -> Option<&Span> {
        self.spans.first().filter(|_| self.answered)
    }

    /// The text of the answer; `None` on abstention.
    ///
    /// - `document`: the one that was asked
    pub fn text<'d>(&self, document: &'d Document) -> Option<&'d str> {
        self.best().map(|span| span.text(document.text()))
    }

    /// The score of the decision: that of the best span, or `no_answer_score` on abstention.
    pub fn score(&self) -> f64 {
        self.best().map_or(self.no_answer_score, |span| span.score)
    }
}

/// A span of a document that may answer a question.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// Its place: `text[start..end]`, without white space at its ends.
    pub bytes: ByteSpan,
    /// e^S / (e^n + Σ e^S), S being the sum of the two logits. Where a verification window has higher null odds: e^S / Σ e^S
    /// over all windows, times 1 − `no_answer_score` of that window before calibration. For a calibrated checkpoint: the probability that
    /// people give this answer too, see [`Calibration`](super::Calibration).
    pub score: f64,
    /// Logit of its first token as a start.
    pub start_logit: f32,
    /// Logit of its last token as an end.
    pub end_logit: f32,
}

impl Span {
    /// Its text.
    ///
    /// # Panics
    /// If it does not lie between characters of `text`: it is a span of another text.
    pub fn text<'t>(&self, text: &'t str) -> &'t str {
        &text[std::ops::Range::from(self.bytes)]
    }
}

/// Where an answer may start and where it may end, each for itself.
///
/// The probability of a start is e^s / (e^n + Σ e^s), where s is the start logit of a token, n that of `<s>` in the window
/// with the smallest null score, and the sum is over all tokens of the document, each in the window to which it belongs as a
/// start. The same holds for ends. Every token counts, whether or not a span with it is admissible, and the verification
/// window takes no part. Calibration changes nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Endpoints {
    /// The most probable starts, best first.
    pub starts: Vec<Endpoint>,
    /// The most probable ends, best first.
    pub ends: Vec<Endpoint>,
    /// The probability of no answer among the starts, and among the ends.
    pub no_answer: [f64; 2],
}

/// A start or an end of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Endpoint {
    /// The byte at which the answer starts, or the one after its last byte.
    pub byte: usize,
    /// Its probability: the sum over the tokens that start or end there.
    pub probability: f64,
}
