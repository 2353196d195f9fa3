//! The reader: a question and a document go in, the exact span that answers comes out, or 'no answer'.

pub mod spans;
pub mod windows;

use crate::Result;
use crate::checkpoint::Source;
use crate::tokenizer::{ByteSpan, Tokens};

/// Which tokens of an input see, and are seen by, all others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GlobalAttention {
    /// Everything before the first separator: `<s>` and the question.
    #[default]
    Question,
    /// `<s>` alone.
    First,
    /// No token.
    None,
    /// These positions of the input.
    List(Vec<usize>),
}

/// How documents are read. `None` stands for what the checkpoint says, else for the default.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Tokens of a whole input: specials, question and window. Default and maximum: the positions of the model.
    pub max_tokens: Option<usize>,
    /// Tokens that neighbouring windows share. Default: the largest attention window, at most a quarter of the room.
    pub doc_stride: Option<usize>,
    /// Tokens of the longest answer. Default 30.
    pub max_answer_length: Option<usize>,
    /// No answer when `null_odds` is larger than this. Default 0.
    pub null_score_diff_threshold: Option<f64>,
    /// How many spans an answer lists. Default 1.
    pub top_k: Option<usize>,
    /// List every span above the threshold (`n - S <= threshold`) instead of `top_k`.
    pub all: bool,
    /// Which tokens have global attention.
    pub global_attention: GlobalAttention,
}

/// A document, tokenized once, to be asked many times.
pub struct Document<'a> {
    /// The text, unchanged.
    pub text: &'a str,
    /// Its tokens.
    pub tokens: Tokens,
}

/// A span of a document that may answer a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its place: `document.text[start..end]` is the answer.
    pub bytes: ByteSpan,
    /// e^S / (e^n + Σ e^S) over all admissible spans of all windows.
    pub score: f64,
    /// Logit of its first token as a start.
    pub start_logit: f32,
    /// Logit of its last token as an end.
    pub end_logit: f32,
}

/// What one document says to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Whether there is an answer: `null_odds` is at most the threshold. It is then `spans[0]`.
    pub answered: bool,
    /// The best spans, best first, none overlapping another. Listed on abstention too.
    pub spans: Vec<Span>,
    /// e^n / (e^n + Σ e^S).
    pub no_answer_score: f64,
    /// n − max S: above the threshold there is no answer.
    pub null_odds: f64,
    /// Tokens of the document.
    pub tokens: usize,
    /// Windows that it was read in.
    pub windows: usize,
}

impl Answer {
    /// The answer's place, `None` on abstention.
    pub fn best(&self) -> Option<&Span> {
        self.spans.first().filter(|_| self.answered)
    }

    /// Score of what is said: of the best span, or `no_answer_score` on abstention.
    pub fn score(&self) -> f64 {
        self.best().map_or(self.no_answer_score, |span| span.score)
    }
}

/// A model with its tokenizer and settings, ready to be asked from any thread.
pub struct Reader {
    /// How documents are read.
    pub options: ReadOptions,
}

impl Reader {
    /// Opens a checkpoint: a folder, or `ORG/NAME[@REVISION]` on the Hugging Face hub.
    pub fn open(_model: &str) -> Result<Self> {
        todo!()
    }

    /// Opens a checkpoint whose files lie in a folder or in memory.
    pub fn from_source(_source: &Source) -> Result<Self> {
        todo!()
    }

    /// Tokenizes a document once, to be asked many times.
    ///
    /// # Errors
    /// [`Error::EmptyDocument`](crate::Error::EmptyDocument) when it has no token.
    pub fn document<'a>(&self, _text: &'a str) -> Result<Document<'a>> {
        todo!()
    }

    /// Asks one document one question.
    pub fn answer(&self, _question: &str, _text: &str) -> Result<Answer> {
        todo!()
    }

    /// Asks many (question, document) pairs in ragged batches; each result is bit for bit that of [`Reader::ask`].
    ///
    /// `progress` hears, from time to time, how many tokens have gone through the model, and of how many.
    pub fn answer_batch(
        &self,
        _pairs: &[(&str, &Document<'_>)],
        _progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Answer>> {
        todo!()
    }
}
