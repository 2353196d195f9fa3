//! The answer of one document to one question, with everything that is shown of it: the text is not needed again.

use std::cmp::Ordering;
use std::sync::Arc;

use longspan::Answer;

use crate::{Content, Format, PageBox, Place, Snippet, Warning};

/// The answer of one document to one question.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DocumentAnswer {
    /// Name of the document, as given: [`printable`](crate::text::printable) makes it safe for a terminal.
    pub document: String,
    /// The id of the document, if it has one.
    pub document_id: Option<Arc<str>>,
    /// The format that the document was read from.
    pub format: Format,
    /// The question.
    pub question: String,
    /// Whether there is an answer. It is then the first of `candidates`.
    pub answered: bool,
    /// Score of the decision: of the best candidate, or `no_answer_score`.
    pub score: f64,
    /// Score of 'no answer', see [`Answer::no_answer_score`].
    pub no_answer_score: f64,
    /// Above the threshold there is no answer, see [`Answer::null_odds`].
    pub null_odds: f64,
    /// The best spans, best first. They are listed on abstention too.
    pub candidates: Vec<Candidate>,
    /// Tokens of the document.
    pub tokens: usize,
    /// Windows that cover the document.
    pub windows: usize,
    /// The time that the model took for it.
    pub seconds: f64,
    /// What a reader should know about the text of the document.
    pub warnings: Arc<[Warning]>,
}

/// A span of a document that may answer a question.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Candidate {
    /// Its text, unchanged.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// Where it is printed, see [`Content::boxes`].
    pub boxes: Vec<PageBox>,
    /// Its score, see [`longspan::Span::score`].
    pub score: f64,
    /// Logit of its first token as a start.
    pub start_logit: f32,
    /// Logit of its last token as an end.
    pub end_logit: f32,
    /// Its sentence.
    pub snippet: Snippet,
}

impl DocumentAnswer {
    /// Adds places and sentences to an answer.
    ///
    /// - `document`: its name
    /// - `content`: the text that was asked
    /// - `seconds`: the time that the model took
    ///
    /// # Panics
    /// If a span of the answer does not lie in the text: it is the answer of another document.
    pub fn new(document: &str, content: &Content, question: &str, answer: &Answer, seconds: f64) -> Self {
        let text = content.text();
        let candidate = |span: &longspan::Span| {
            let bytes = std::ops::Range::from(span.bytes);
            Candidate {
                text: span.text(text).to_string(),
                place: content.place(bytes.clone()),
                boxes: content.boxes(bytes.clone()),
                score: span.score,
                start_logit: span.start_logit,
                end_logit: span.end_logit,
                snippet: Snippet::new(text, bytes),
            }
        };
        Self {
            document: document.to_string(),
            document_id: None,
            format: content.format(),
            question: question.to_string(),
            answered: answer.best().is_some(),
            score: answer.score(),
            no_answer_score: answer.no_answer_score,
            null_odds: answer.null_odds,
            candidates: answer.spans.iter().map(candidate).collect(),
            tokens: answer.tokens,
            windows: answer.windows,
            seconds,
            warnings: content.warnings().into(),
        }
    }

    /// The answer; `None` on abstention.
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.first().filter(|_| self.answered)
    }
}

/// Ranks the answers to one question: answers first, by falling score, then abstentions, by rising `no_answer_score`.
/// Equal ones keep their order.
pub fn rank(answers: &mut [DocumentAnswer]) {
    answers.sort_by(|a, b| match (a.answered, b.answered) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (true, true) => b.score.total_cmp(&a.score),
        (false, false) => a.no_answer_score.total_cmp(&b.no_answer_score),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_before_abstentions_and_ties_keep_their_order() {
        let cases = [("a", false, 0.1), ("b", true, 0.4), ("c", false, 0.3), ("d", true, 0.9), ("e", true, 0.4)];
        let mut answers = cases.map(|(name, answered, score)| {
            let mut answer = DocumentAnswer::new(name, &Content::plain(""), "Which?", &Answer::default(), 0.25);
            (answer.answered, answer.score, answer.no_answer_score) = (answered, score, 1.0 - score);
            answer
        });
        rank(&mut answers);
        assert_eq!(answers.map(|answer| answer.document), ["d", "b", "e", "c", "a"]);
    }
}
