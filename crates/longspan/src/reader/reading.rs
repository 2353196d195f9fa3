//! One question and one document under way: from its windows' inputs to its answer.
//!
//! Windows go through the model one by one, counted from 0. Where the answer is to be verified, an excerpt around the
//! best span is the last of them: it has a say in whether there is an answer, and none in where it is.

use std::ops::Range;

use super::input::Input;
use super::options::Plan;
use super::spans::{Evidence, TokenSpan};
use super::windows::{Window, windows};
use super::{Answer, Document, GlobalAttention, Logistic, ReadOptions, Span, SpanList};
use crate::model::{Batch, Sequence};
use crate::tokenizer::{ByteSpan, Tokenizer};
use crate::{Error, Result};

/// What is known of a question and a document while windows go through the model.
pub(super) struct Reading<'a> {
    document: &'a Document<'a>,
    question: Vec<u32>,
    global_attention: &'a GlobalAttention,
    plan: Plan,
    /// Those that cover the document; behind them the excerpt, once it is known.
    windows: Vec<Window>,
    /// How many cover the document.
    covering: usize,
    /// What these said.
    evidence: Evidence,
    /// What the excerpt said, once it was read.
    of_excerpt: Option<Sums>,
}

/// What decides whether a text has an answer.
#[derive(Clone, Copy)]
struct Sums {
    /// n, the least null score of a window.
    null_score: f64,
    /// The largest S of an admissible span.
    best: f64,
    /// ln Σ e^S over all admissible spans.
    log_sum: f64,
}

impl<'a> Reading<'a> {
    /// - `question`: its token ids
    pub fn new(document: &'a Document<'a>, question: Vec<u32>, options: &'a ReadOptions, plan: Plan) -> Self {
        let windows = windows(document.tokens(), plan.room, plan.doc_stride);
        let (covering, evidence) = (windows.len(), Evidence::new(plan.max_answer_length));
        let global_attention = &options.global_attention;
        Self { document, question, global_attention, plan, windows, covering, evidence, of_excerpt: None }
    }

    /// The windows that cover the document.
    pub fn covering(&self) -> Range<usize> {
        0..self.covering
    }

    /// The excerpt, if one is to be read.
    pub fn excerpt(&self) -> Range<usize> {
        let tokens = self.plan.verify_tokens;
        let count = usize::from(tokens > 0 && tokens < self.document.tokens());
        self.covering..self.covering + count
    }

    /// Tokens of the input of a window; those of the excerpt are known before its place is.
    pub fn input_tokens(&self, w: usize) -> usize {
        let tokens = self.windows.get(w).map_or(self.plan.verify_tokens, |window| window.tokens.len());
        self.before() + tokens + 1
    }

    /// Tokens before the document: `<s> question </s></s>`.
    fn before(&self) -> usize {
        1 + self.question.len() + self.plan.separators
    }

    /// Adds the input of a window to a batch.
    pub fn push_input(&self, tokenizer: &Tokenizer, w: usize, batch: &mut Batch) {
        let document = &self.document.tokens.ids[self.windows[w].tokens.clone()];
        let Input { ids, token_type_ids, .. } = Input::new(tokenizer, self.plan.separators, &self.question, document);
        let globals = self.global_attention.positions(1 + self.question.len(), ids.len());
        batch.push(Sequence { ids: &ids, token_type_ids: &token_type_ids, globals: &globals });
    }

    /// Takes what the model says about a window; they come in order.
    ///
    /// - `logits`: (tokens of the input, 2), start and end side by side
    ///
    /// # Errors
    /// [`Error::NotFinite`] when a logit is infinite or no number.
    pub fn take(&mut self, w: usize, logits: &[f32]) -> Result<()> {
        if let Some(logit) = logits.iter().find(|logit| !logit.is_finite()) {
            return Err(Error::NotFinite { logit: *logit });
        }
        let (logits, _) = logits.as_chunks::<2>();
        let (null, logits) = (logits[0], &logits[self.before()..]);
        let places = &self.document.tokens.spans;
        if w < self.covering {
            self.evidence.push(&self.windows[w], null, logits);
            if w + 1 == self.covering && !self.excerpt().is_empty() {
                let first = self.evidence.first(places);
                let tokens = around(&first, self.plan.verify_tokens, self.document.tokens());
                self.windows.push(Window { starts: tokens.clone(), tokens });
            }
            return Ok(());
        }
        let places = &places[self.windows[w].tokens.clone()];
        let mut evidence = Evidence::new(self.plan.max_answer_length);
        evidence.push(&Window { tokens: 0..places.len(), starts: 0..places.len() }, null, logits);
        self.of_excerpt = Some(Sums::of(&evidence, places));
        Ok(())
    }

    /// The answer, once the last window was taken.
    pub fn answer(&self) -> Answer {
        let Self { document, plan, evidence, .. } = self;
        let places = &document.tokens.spans;
        let all = Sums::of(evidence, places);
        // The more doubtful one: an answer must convince both.
        let deciding = self.of_excerpt.filter(|excerpt| excerpt.null_odds() > all.null_odds()).unwrap_or(all);
        let null_odds = deciding.null_odds();
        let mut found = match plan.spans {
            SpanList::Top(count) => evidence.best(places, count, f64::NEG_INFINITY),
            SpanList::All => evidence.best(places, usize::MAX, all.best + null_odds - plan.threshold),
        };
        if found.is_empty() {
            found = evidence.best(places, 1, f64::NEG_INFINITY);
        }
        let calibrated = |logistic: Option<Logistic>, log_score: f64| {
            let score = log_score.exp();
            logistic.map_or(score, |logistic| logistic.probability(score, places.len()))
        };
        let log_total = deciding.log_total();
        let log_rest = deciding.log_sum - log_total; // what 'no answer' leaves of 1
        let span = |span: &TokenSpan| Span {
            bytes: trimmed(document.text, span, places),
            score: calibrated(plan.score, span.sum() - all.log_sum + log_rest),
            start_logit: span.start_logit,
            end_logit: span.end_logit,
        };
        Answer {
            answered: null_odds <= plan.threshold,
            spans: found.iter().map(span).collect(),
            no_answer_score: calibrated(plan.no_answer_score, deciding.null_score - log_total),
            null_odds,
            tokens: document.tokens(),
            windows: self.covering,
        }
    }
}

impl Sums {
    fn of(evidence: &Evidence, places: &[(u32, u32)]) -> Self {
        let best = evidence.first(places).sum();
        Self { null_score: evidence.null_score(), best, log_sum: evidence.log_sum(places, best) }
    }

    /// n − max S
    fn null_odds(&self) -> f64 {
        self.null_score - self.best
    }

    /// ln(e^n + Σ e^S)
    fn log_total(&self) -> f64 {
        let larger = self.null_score.max(self.log_sum);
        larger + ((self.null_score - larger).exp() + (self.log_sum - larger).exp()).ln()
    }
}

/// `count` of `tokens` with a span in their middle, as far as there are as many to both sides.
fn around(span: &TokenSpan, count: usize, tokens: usize) -> Range<usize> {
    let before = (count - (span.end + 1 - span.start)) / 2;
    let first = span.start.saturating_sub(before).min(tokens - count);
    first..first + count
}

/// The bytes of a span of tokens, without white space at its ends.
fn trimmed(text: &str, span: &TokenSpan, tokens: &[(u32, u32)]) -> ByteSpan {
    let (start, end) = (tokens[span.start].0 as usize, tokens[span.end].1 as usize);
    let found = text[start..end].trim_start();
    let start = end - found.len();
    ByteSpan { start, end: start + found.trim_end().len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_the_span_in_its_middle_and_stays_in_the_document() {
        let around =
            |start, end, count| around(&TokenSpan { start, end, start_logit: 0.0, end_logit: 0.0 }, count, 100);
        assert_eq!(around(50, 50, 11), 45..56);
        assert_eq!(around(50, 51, 11), 46..57);
        assert_eq!(around(2, 3, 10), 0..10);
        assert_eq!(around(98, 99, 10), 90..100);
        assert_eq!(around(40, 49, 10), 40..50);
        assert_eq!(around(7, 9, 99), 0..99);
    }
}
