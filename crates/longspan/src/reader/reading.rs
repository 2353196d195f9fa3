//! One question and one document under way: from its windows' inputs to its answer.

use super::input::Input;
use super::options::Plan;
use super::spans::{Evidence, TokenSpan};
use super::windows::{Window, windows};
use super::{Answer, Document, GlobalAttention, Logistic, ReadOptions, Span, SpanList};
use crate::model::{Batch, Sequence};
use crate::tokenizer::{ByteSpan, Tokenizer};
use crate::{Error, Result};

/// What is known of a pair while its windows go through the model.
pub(super) struct Reading<'a> {
    document: &'a Document<'a>,
    question: Vec<u32>,
    global_attention: &'a GlobalAttention,
    plan: Plan,
    pub windows: Vec<Window>,
    evidence: Evidence,
}

impl<'a> Reading<'a> {
    /// - `question`: its token ids
    pub fn new(document: &'a Document<'a>, question: Vec<u32>, options: &'a ReadOptions, plan: Plan) -> Self {
        let windows = windows(document.tokens(), plan.room, plan.doc_stride);
        let evidence = Evidence::new(plan.max_answer_length);
        Self { document, question, global_attention: &options.global_attention, plan, windows, evidence }
    }

    /// Tokens of the input of window `w`.
    pub fn input_tokens(&self, w: usize) -> usize {
        self.before() + self.windows[w].tokens.len() + 1
    }

    /// Tokens before the document: `<s> question </s></s>`.
    fn before(&self) -> usize {
        1 + self.question.len() + self.plan.separators
    }

    /// Adds the input of window `w` to a batch.
    pub fn push_input(&self, tokenizer: &Tokenizer, w: usize, batch: &mut Batch) {
        let document = &self.document.tokens.ids[self.windows[w].tokens.clone()];
        let Input { ids, token_type_ids, .. } = Input::new(tokenizer, self.plan.separators, &self.question, document);
        let globals = self.global_attention.positions(1 + self.question.len(), ids.len());
        batch.push(Sequence { ids: &ids, token_type_ids: &token_type_ids, globals: &globals });
    }

    /// Takes what the model says about window `w`; windows come in order.
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
        self.evidence.push(&self.windows[w], logits[0], &logits[self.before()..]);
        Ok(())
    }

    /// The answer, once the last window was taken; the logits are given up.
    pub fn finish(&mut self) -> Answer {
        let Self { document, plan, windows, .. } = self;
        let evidence = std::mem::replace(&mut self.evidence, Evidence::new(plan.max_answer_length));
        let tokens = &document.tokens.spans;
        let (null_score, log_total) = (evidence.null_score(), evidence.log_total(tokens));
        let null_odds = null_score - evidence.best_sum(tokens);
        let mut found = match plan.spans {
            SpanList::Top(count) => evidence.best(tokens, count, f64::NEG_INFINITY),
            SpanList::All => evidence.best(tokens, usize::MAX, null_score - plan.threshold),
        };
        if found.is_empty() {
            found = evidence.best(tokens, 1, f64::NEG_INFINITY);
        }
        let calibrated = |logistic: Option<Logistic>, sum: f64| {
            let score = (sum - log_total).exp();
            logistic.map_or(score, |logistic| logistic.probability(score, tokens.len()))
        };
        let span = |found: &TokenSpan| Span {
            bytes: trimmed(document.text, found, tokens),
            score: calibrated(plan.score, found.sum()),
            start_logit: found.start_logit,
            end_logit: found.end_logit,
        };
        Answer {
            answered: null_odds <= plan.threshold,
            spans: found.iter().map(span).collect(),
            no_answer_score: calibrated(plan.no_answer_score, null_score),
            null_odds,
            tokens: document.tokens(),
            windows: windows.len(),
        }
    }
}

/// The bytes of a span of tokens, without white space at its ends.
fn trimmed(text: &str, span: &TokenSpan, tokens: &[(u32, u32)]) -> ByteSpan {
    let (start, end) = (tokens[span.start].0 as usize, tokens[span.end].1 as usize);
    let found = text[start..end].trim_start();
    let start = end - found.len();
    ByteSpan { start, end: start + found.trim_end().len() }
}
