//! How documents are read: the caller's options, and the plan for one question that is made of them.

use std::collections::BTreeSet;

use super::abstain::Abstain;
use super::settings::{Logistic, ReaderSettings};
use crate::config::Config;
use crate::error::counted;
use crate::{Error, Result};

/// Which tokens of an input see, and are seen by, all others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GlobalAttention {
    /// Everything before the first separator: `<s>` and the question. A short model has no global attention all the same.
    #[default]
    Question,
    /// `<s>` alone.
    First,
    /// No token.
    None,
    /// These positions of every input; a shorter input has those that exist in it.
    List(Vec<usize>),
}

/// How documents are read. `None` stands for the value in [`ReaderSettings`] or for that of the model.
///
/// ```
/// let mut options = longspan::ReadOptions::default().top(3);
/// options.verify_tokens = Some(256);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Tokens of a whole input: special tokens, question and window. Default and maximum: the positions of the model.
    pub max_tokens: Option<usize>,
    /// Tokens that neighbouring windows share. Default: the largest attention window, at most a quarter of the room
    /// that an input has for the document.
    pub doc_stride: Option<usize>,
    /// Tokens of the longest answer.
    pub max_answer_length: Option<usize>,
    /// Whether no answer may run over a border: a blank line, a form feed, or an offset of
    /// [`Document::with_borders`](super::Document::with_borders).
    pub respect_borders: Option<bool>,
    /// There is no answer when `null_odds` is larger than this.
    pub threshold: Option<f64>,
    /// The same by the name of a threshold of the checkpoint, instead of the number.
    pub abstain: Option<Abstain>,
    /// Tokens of the verification window: the text around the best span, which is read once more, alone, where the document
    /// has more tokens; 0: none. In a long document many spans may look like an answer, so an answer must pass
    /// twice: null odds and the score of 'no answer' are those of the windows or of the verification window, whichever has
    /// the higher null odds. The window has at least the tokens of the longest answer, and at most those that an input has
    /// room for.
    pub verify_tokens: Option<usize>,
    /// How many spans an answer lists.
    pub spans: SpanList,
    /// How many starts and how many ends an answer lists with their probabilities: see [`Endpoints`](super::Endpoints). 0:
    /// none.
    pub endpoints: usize,
    /// Which tokens have global attention.
    pub global_attention: GlobalAttention,
}

impl ReadOptions {
    /// The same options, for answers that list the best `count` spans.
    pub fn top(self, count: usize) -> Self {
        Self { spans: SpanList::Top(count), ..self }
    }

    /// The threshold of null odds for a checkpoint with these settings.
    ///
    /// # Errors
    /// [`Error::Option`] when `abstain` names a threshold that the checkpoint lacks, or stands beside a number.
    pub fn threshold_of(&self, settings: &ReaderSettings) -> Result<f64> {
        let given = self.threshold;
        let Some(abstain) = self.abstain else { return Ok(given.unwrap_or(settings.null_score_diff_threshold)) };
        if let Some(threshold) = given {
            let message = format!("{abstain}: the threshold {threshold} is given too: expected one of them");
            return Err(Error::option("abstain", message));
        }
        let missing = || format!("{abstain}: the checkpoint has no such threshold: `longspan calibrate` fits it");
        settings.abstain.get(&abstain).copied().ok_or_else(|| Error::option("abstain", missing()))
    }
}

/// How many spans an answer lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanList {
    /// The best ones, at most so many.
    Top(usize),
    /// Those whose own null odds are not above the threshold, `null_odds + max S - S <= threshold`, the best ones, at most
    /// so many; the best one if there is none.
    All(usize),
}

impl Default for SpanList {
    fn default() -> Self {
        SpanList::Top(1)
    }
}

/// How one question is asked, once options, settings and model are known.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Separators between question and document.
    pub separators: usize,
    /// Tokens of the document in a window, at most.
    pub room: usize,
    pub doc_stride: usize,
    pub max_answer_length: usize,
    pub respect_borders: bool,
    /// Tokens of the verification window, at least as many as any span has; 0: none is read.
    pub verify_tokens: usize,
    pub threshold: f64,
    /// How the scores of spans become probabilities.
    pub span_calibration: Option<Logistic>,
    /// The same for the score of 'no answer'.
    pub no_answer_calibration: Option<Logistic>,
    pub spans: SpanList,
    pub endpoints: usize,
    pub global_attention: GlobalAttention,
}

impl Plan {
    /// - `question`: tokens of the question
    pub fn new(options: &ReadOptions, settings: &ReaderSettings, config: &Config, question: usize) -> Result<Self> {
        let max_tokens = options.max_tokens.unwrap_or(config.max_tokens());
        if max_tokens > config.max_tokens() {
            let most = config.max_tokens();
            return Err(Error::option("max_tokens", format!("{max_tokens}: the model has positions for {most}")));
        }
        let separators = settings.separators;
        let specials = 1 + separators + 1; // <s> question </s></s> document </s>
        if question + specials >= max_tokens {
            let tokens_max = max_tokens.saturating_sub(specials + 1);
            return Err(Error::QuestionTooLong { tokens: question, tokens_max });
        }
        let room = max_tokens - question - specials;
        let window = config.attention_window.iter().copied().max().unwrap_or(0);
        let doc_stride = options.doc_stride.unwrap_or(window.min(room / 4));
        if doc_stride >= room && doc_stride < room + question - 1 {
            // A shorter question would leave enough room.
            let tokens_max = question + room - doc_stride - 1;
            return Err(Error::QuestionTooLong { tokens: question, tokens_max });
        }
        if doc_stride >= room {
            let message = format!("{doc_stride}: windows have room for {} of the document", counted(room, "token"));
            return Err(Error::option("doc_stride", message));
        }
        let max_answer_length = options.max_answer_length.unwrap_or(settings.max_answer_length);
        if max_answer_length == 0 {
            return Err(Error::option("max_answer_length", "0: expected 1 or more"));
        }
        if options.spans == SpanList::Top(0) {
            return Err(Error::option("top_k", "0: expected 1 or more"));
        }
        let verify_tokens = match options.verify_tokens.unwrap_or(settings.verify_tokens) {
            0 => 0,
            tokens => tokens.max(max_answer_length).min(room),
        };
        let threshold = options.threshold_of(settings)?;
        if threshold.is_nan() {
            return Err(Error::option("threshold", "NaN: expected a number"));
        }
        if let GlobalAttention::List(positions) = &options.global_attention
            && let Some(position) = positions.iter().find(|&&position| position >= max_tokens)
        {
            let message = format!("{position}: inputs have {}", counted(max_tokens, "token"));
            return Err(Error::option("global_attention", message));
        }
        if !config.is_long && matches!(options.global_attention, GlobalAttention::First | GlobalAttention::List(_)) {
            let message = format!("has no meaning: in a model of type {} all tokens see all", config.kind.model_type);
            return Err(Error::option("global_attention", message));
        }
        let calibration = settings.calibration.as_ref();
        Ok(Self {
            separators,
            room,
            doc_stride,
            max_answer_length,
            respect_borders: options.respect_borders.unwrap_or(settings.respect_borders),
            verify_tokens,
            threshold,
            span_calibration: calibration.map(|calibration| calibration.score),
            no_answer_calibration: calibration.map(|calibration| calibration.no_answer_score),
            spans: options.spans,
            endpoints: options.endpoints,
            global_attention: options.global_attention.clone(),
        })
    }
}

impl GlobalAttention {
    /// The global positions of an input of `tokens`, of which `first_segment` stand before the first separator.
    pub(crate) fn positions(&self, first_segment: usize, tokens: usize) -> Vec<usize> {
        match self {
            GlobalAttention::Question => (0..first_segment).collect(),
            GlobalAttention::First => vec![0],
            GlobalAttention::None => Vec::new(),
            GlobalAttention::List(positions) => {
                let inside: BTreeSet<usize> = positions.iter().copied().filter(|&position| position < tokens).collect();
                inside.into_iter().collect()
            }
        }
    }
}
