//! What one document says to one question, with everything that is shown of it: the document's text is not needed again.

use std::cmp::Ordering;

use longspan::Answer;

use crate::excerpt::{Excerpt, excerpt};
use crate::place::{Place, places};

/// What one document says to one question.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Name of the document, as it was given.
    pub document: String,
    /// The question.
    pub question: String,
    /// Whether there is an answer: the first of `spans`.
    pub answered: bool,
    /// Score of what is said: of the best span, or `no_answer_score`.
    pub score: f64,
    /// Probability that there is no answer.
    pub no_answer_score: f64,
    /// Above the threshold there is no answer.
    pub null_odds: f64,
    /// The best spans, best first; listed without an answer too.
    pub spans: Vec<Found>,
    /// Tokens of the document.
    pub tokens: usize,
    /// Windows that it was read in.
    pub windows: usize,
    /// Its share of the time.
    pub seconds: f64,
}

/// A span that may answer.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its text, unchanged.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// Its probability.
    pub score: f64,
    /// Logit of its first token as a start.
    pub start_logit: f32,
    /// Logit of its last token as an end.
    pub end_logit: f32,
    /// Its sentence.
    pub excerpt: Excerpt,
}

impl Finding {
    /// Takes from `text` what is shown of an answer.
    pub fn new(document: &str, text: &str, question: &str, answer: &Answer, seconds: f64) -> Self {
        let spans: Vec<_> = answer.spans.iter().map(|span| span.bytes).collect();
        let found = answer.spans.iter().zip(places(text, &spans)).map(|(span, place)| Found {
            text: span.text(text).to_string(),
            place,
            score: span.score,
            start_logit: span.start_logit,
            end_logit: span.end_logit,
            excerpt: excerpt(text, span.bytes),
        });
        Self {
            document: document.to_string(),
            question: question.to_string(),
            answered: answer.best().is_some(),
            score: answer.score(),
            no_answer_score: answer.no_answer_score,
            null_odds: answer.null_odds,
            spans: found.collect(),
            tokens: answer.tokens,
            windows: answer.windows,
            seconds,
        }
    }

    /// The answer, `None` on abstention.
    pub fn answer(&self) -> Option<&Found> {
        self.spans.first().filter(|_| self.answered)
    }
}

/// Orders the findings of one question: answers first, the best score first, then abstentions, the least sure first;
/// equal ones stay in the order of the documents.
pub fn rank(findings: &mut [Finding]) {
    findings.sort_by(|a, b| match (a.answered, b.answered) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (true, true) => b.score.total_cmp(&a.score),
        (false, false) => a.no_answer_score.total_cmp(&b.no_answer_score),
    });
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use longspan::Span;
    use longspan::tokenizer::ByteSpan;

    /// A finding whose spans are the given parts of the text, with scores that fall from `score`.
    pub fn finding(document: &str, text: &str, answered: bool, parts: &[&str], score: f64) -> Finding {
        let span = |(rank, part): (usize, &&str)| {
            let start = text.find(part).unwrap();
            let bytes = ByteSpan { start, end: start + part.len() };
            let mut span = Span::default();
            (span.bytes, span.score) = (bytes, score / (1 + rank) as f64);
            (span.start_logit, span.end_logit) = (2.5, 3.0);
            span
        };
        let mut answer = Answer::default();
        answer.answered = answered;
        answer.spans = parts.iter().enumerate().map(span).collect();
        answer.no_answer_score = 1.0 - score;
        answer.null_odds = if answered { -1.5 } else { 1.5 };
        (answer.tokens, answer.windows) = (7, 1);
        Finding::new(document, text, "Which?", &answer, 0.25)
    }

    #[test]
    fn answers_come_before_abstentions_and_ties_keep_their_order() {
        let mut findings: Vec<Finding> =
            [("a", false, 0.1), ("b", true, 0.4), ("c", false, 0.3), ("d", true, 0.9), ("e", true, 0.4)]
                .map(|(name, answered, score)| finding(name, "x", answered, &["x"], score))
                .into();
        rank(&mut findings);
        let names: Vec<&str> = findings.iter().map(|f| f.document.as_str()).collect();
        assert_eq!(names, ["d", "b", "e", "c", "a"]);
    }
}
