//! One question asked of one document: from the inputs of its windows to its answer.
//!
//! Windows go through the model in order, counted from 0. Where the answer is to be verified, a verification window around
//! the best span is the last of them: it takes part in the decision whether there is an answer, but not where it is.

use std::ops::Range;
use std::sync::Arc;

use super::answer::{Answer, Span};
use super::document::{Document, Question};
use super::input::ReaderInput;
use super::options::{Plan, SpanList};
use super::settings::Logistic;
use super::spans::{SpanLogits, TokenSpan};
use super::windows::{Window, windows};
use crate::model::{Batch, Sequence};
use crate::tokenizer::{ByteSpan, ByteSpan32, Tokenizer, trimmed};
use crate::{Error, Result};

/// How much of a reading, or of several, is done: in tokens of the inputs of the model, which overlap and hold the
/// question each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadProgress {
    /// Tokens that have gone through the model.
    pub tokens_done: usize,
    /// Tokens of all inputs.
    pub tokens: usize,
}

/// A question and a document on their way to an answer: [`Reader::begin`](super::Reader::begin) makes one,
/// [`Reader::pass`](super::Reader::pass) takes it further, [`DocumentReading::finish`] gives the answer. It keeps 8 bytes
/// for each token of the document; to give it up, drop it.
#[derive(Debug)]
pub struct DocumentReading {
    question: Question,
    document: Document,
    plan: Plan,
    /// That of the reader that has begun it.
    pub(super) reader_id: Arc<()>,
    /// Those that cover the document; behind them the verification window, once its place is known.
    windows: Vec<Window>,
    /// How many cover the document.
    window_count: usize,
    /// How many of `windows` were put into batches.
    queued: usize,
    /// How many of `windows` the model has read.
    read: usize,
    /// Passes since the last one that had a window of this reading.
    pub(super) passes_waited: usize,
    progress: ReadProgress,
    pub(super) seconds: f64,
    logits: SpanLogits,
    /// Those of the verification window, once it was read.
    verification: Option<SpanLogits>,
    /// Why the reading ended early.
    pub(super) failed: Option<Error>,
}

/// The sums over a text that null odds and scores are made of.
#[derive(Debug, Clone, Copy)]
struct Sums {
    /// n, the smallest of the windows' null scores.
    null_score: f64,
    /// max S, the largest sum of logits of an admissible span.
    largest_sum: f64,
    /// ln Σ e^S over all admissible spans.
    log_sum: f64,
}

impl DocumentReading {
    pub(super) fn new(question: Question, document: Document, plan: Plan, reader_id: Arc<()>) -> Self {
        let windows = windows(document.tokens(), plan.room, plan.doc_stride);
        let borders = if plan.respect_borders { document.borders().clone() } else { Arc::default() };
        let (window_count, logits) = (windows.len(), SpanLogits::new(plan.max_answer_length, borders));
        let mut reading = Self {
            question,
            document,
            plan,
            reader_id,
            windows,
            window_count,
            queued: 0,
            read: 0,
            passes_waited: 0,
            progress: ReadProgress::default(),
            seconds: 0.0,
            logits,
            verification: None,
            failed: None,
        };
        reading.progress.tokens = (0..reading.window_count_all()).map(|w| reading.input_tokens(w)).sum();
        reading
    }

    /// The same question asked of the same document by another plan, which must leave the inputs as they are; nothing that
    /// was read is read again.
    pub(super) fn again(&self, plan: Plan) -> Self {
        let inputs = |plan: &Plan| (plan.separators, plan.room, plan.doc_stride, plan.global_attention.clone());
        assert_eq!(inputs(&plan), inputs(&self.plan), "options that change the inputs of the model");
        let mut again = Self::new(self.question.clone(), self.document.clone(), plan, self.reader_id.clone());
        let SpanLogits { max_answer_length, borders, .. } = &again.logits;
        again.logits = self.logits.with_limits(*max_answer_length, borders.clone());
        again.failed = self.failed.clone();
        again.read = self.read.min(self.window_count);
        again.place_verification_window();
        if let Some(read) = self.verification.as_ref().filter(|_| again.windows == self.windows) {
            let limits = again.logits.without_windows(again.windows[again.read].tokens.clone());
            again.verification = Some(read.with_limits(limits.max_answer_length, limits.borders));
            again.read += 1;
        }
        again.progress.tokens = (again.read..again.window_count_all()).map(|w| again.input_tokens(w)).sum();
        again
    }

    /// Tokens of the question.
    pub(super) fn question_tokens(&self) -> usize {
        self.question.tokens()
    }

    /// How much is done: everything, if the reading has failed.
    pub fn progress(&self) -> ReadProgress {
        let ReadProgress { tokens_done, tokens } = self.progress;
        ReadProgress { tokens_done: if self.failed.is_some() { tokens } else { tokens_done }, tokens }
    }

    /// The time that the model has taken for it, in seconds: of each pass the share of its tokens.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Whether the model has read everything, or the reading has failed: no pass changes anything any more.
    pub fn is_done(&self) -> bool {
        self.failed.is_some() || self.read == self.window_count_all()
    }

    /// The answer.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when the reading is not done, [`Error::NotFinite`] when a logit was infinite or no number.
    pub fn finish(self) -> Result<Answer> {
        match self.failed {
            Some(error) => Err(error),
            None if self.is_done() => Ok(self.answer()),
            None => Err(Error::Cancelled),
        }
    }

    /// The number of windows, the verification window included.
    fn window_count_all(&self) -> usize {
        let tokens = self.plan.verify_tokens;
        self.window_count + usize::from(tokens > 0 && tokens < self.document.tokens())
    }

    /// Tokens of the input of a window; those of the verification window are known before its place is.
    fn input_tokens(&self, w: usize) -> usize {
        let tokens = self.windows.get(w).map_or(self.plan.verify_tokens, |window| window.tokens.len());
        self.tokens_before() + tokens + 1
    }

    /// Tokens before the document: `<s> question </s></s>`.
    fn tokens_before(&self) -> usize {
        1 + self.question.tokens() + self.plan.separators
    }

    /// Begins a pass. Windows that the last one put into a batch but did not read are put into one again.
    pub(super) fn begin_pass(&mut self) {
        self.queued = self.read;
        self.passes_waited += 1;
    }

    /// Adds the next window to a batch if that has no more than `tokens_max` tokens then, or is empty now; `false` where
    /// the window does not fit or there is none yet.
    pub(super) fn push_next(&mut self, tokenizer: &Tokenizer, batch: &mut Batch, tokens_max: usize) -> bool {
        let Some(window) = self.windows.get(self.queued) else { return false };
        if batch.sequences() > 0 && batch.tokens() + self.input_tokens(self.queued) > tokens_max {
            return false;
        }
        let document = &self.document.ids_and_spans().ids[window.tokens.clone()];
        let question = self.question.ids();
        let ReaderInput { ids, token_type_ids, .. } =
            ReaderInput::new(tokenizer, self.plan.separators, question, document);
        let globals = self.plan.global_attention.positions(1 + question.len(), ids.len());
        batch.push(Sequence { ids: &ids, token_type_ids: Some(&token_type_ids), globals: &globals });
        self.queued += 1;
        self.passes_waited = 0;
        true
    }

    /// Takes the logits of the next window.
    ///
    /// - `logits`: (tokens of the input, 2), start and end side by side
    pub(super) fn take(&mut self, logits: &[f32]) {
        if self.failed.is_some() {
            return;
        }
        if let Some(&logit) = logits.iter().find(|logit| !logit.is_finite()) {
            self.failed = Some(Error::NotFinite { logit });
            return;
        }
        let (logits, _) = logits.as_chunks::<2>();
        self.progress.tokens_done += logits.len();
        let (null, logits) = (logits[0], &logits[self.tokens_before()..]);
        let window = &self.windows[self.read];
        let spans = &self.document.ids_and_spans().spans;
        if self.read < self.window_count {
            self.logits.push(window, null, logits);
        } else {
            let spans = &spans[window.tokens.clone()];
            let mut alone = self.logits.without_windows(window.tokens.clone());
            alone.push(&Window { tokens: 0..spans.len(), starts: 0..spans.len() }, null, logits);
            self.verification = Some(alone);
        }
        self.read += 1;
        self.place_verification_window();
    }

    /// Adds the verification window, where there is one, once the best span is known.
    fn place_verification_window(&mut self) {
        if self.failed.is_none() && self.read == self.window_count && self.read < self.window_count_all() {
            let best = self.logits.first(&self.document.ids_and_spans().spans);
            let tokens = around(&best, self.plan.verify_tokens, self.document.tokens());
            self.windows.push(Window { starts: tokens.clone(), tokens });
        }
    }

    fn answer(&self) -> Answer {
        let Self { document, plan, logits, .. } = self;
        let places = &document.ids_and_spans().spans;
        let all = Sums::of(logits, places);
        // The higher null odds decide: an answer must pass in the windows and in the verification window.
        let verification = self.verification.as_ref().zip(self.windows.last());
        let alone = verification.map(|(logits, window)| Sums::of(logits, &places[window.tokens.clone()]));
        let deciding = alone.filter(|alone| alone.null_odds() > all.null_odds()).unwrap_or(all);
        let null_odds = deciding.null_odds();
        let mut found = match plan.spans {
            SpanList::Top(count) => logits.best(places, count, f64::NEG_INFINITY),
            SpanList::All(count) => logits.best(places, count, all.largest_sum + null_odds - plan.threshold),
        };
        if found.is_empty() {
            found = logits.best(places, 1, f64::NEG_INFINITY);
        }
        let calibrated = |logistic: Option<Logistic>, log_score: f64| {
            let score = log_score.exp();
            logistic.map_or(score, |logistic| logistic.probability(score, places.len()))
        };
        let log_total = deciding.log_total();
        let log_rest = deciding.log_sum - log_total; // ln(1 − the share of 'no answer')
        let span = |span: &TokenSpan| Span {
            bytes: trimmed(
                document.text(),
                ByteSpan { start: places[span.start].start as usize, end: places[span.end].end as usize },
            ),
            score: calibrated(plan.span_calibration, span.sum() - all.log_sum + log_rest),
            start_logit: span.start_logit,
            end_logit: span.end_logit,
        };
        Answer {
            answered: null_odds <= plan.threshold,
            spans: found.iter().map(span).collect(),
            no_answer_score: calibrated(plan.no_answer_calibration, deciding.null_score - log_total),
            null_odds,
            tokens: places.len(),
            windows: self.window_count,
            endpoints: (plan.endpoints > 0).then(|| logits.endpoints(places, plan.endpoints)),
        }
    }
}

impl Sums {
    fn of(logits: &SpanLogits, spans: &[ByteSpan32]) -> Self {
        let largest_sum = logits.first(spans).sum();
        Self { null_score: logits.null_score(), largest_sum, log_sum: logits.log_sum(spans, largest_sum) }
    }

    /// n − max S
    fn null_odds(&self) -> f64 {
        self.null_score - self.largest_sum
    }

    /// ln(e^n + Σ e^S)
    fn log_total(&self) -> f64 {
        let larger = self.null_score.max(self.log_sum);
        larger + ((self.null_score - larger).exp() + (self.log_sum - larger).exp()).ln()
    }
}

/// `count` of `tokens` with a span in their middle, or as near to it as the ends of the document allow.
fn around(span: &TokenSpan, count: usize, tokens: usize) -> Range<usize> {
    let before = (count - (span.end + 1 - span.start)) / 2;
    let first = span.start.saturating_sub(before).min(tokens - count);
    first..first + count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verification_window_has_the_span_in_its_middle_and_stays_in_the_document() {
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
