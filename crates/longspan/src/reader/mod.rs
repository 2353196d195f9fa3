//! The reader: a question and a document go in, the exact span that answers comes out, or 'no answer'.
//!
//! ```text
//! settings     longspan.json: what a checkpoint says about how it is to be asked
//! options      what the caller says, made into a plan for one question
//! input        what the model reads of a question and a window
//! reading      one question and one document under way
//! windows      how a long document is cut
//! spans        from the logits of all windows to spans under one normalisation
//! ```

mod input;
mod options;
mod reading;
mod settings;
mod spans;
mod windows;

use std::ops::Range;
use std::path::Path;

pub(crate) use input::Input;
pub(crate) use options::Plan;
pub use options::{GlobalAttention, ReadOptions, SpanList};
pub use settings::{Calibration, Logistic, Settings};
pub(crate) use windows::windows;

use crate::checkpoint::{Source, Tensors};
use crate::hub::{self, Repository};
use crate::model::{Batch, Model, Precision, Task, best_precision};
use crate::tokenizer::{ByteSpan, Tokenizer, Tokens};
use crate::{Error, FormatKind, Result};
use reading::Reading;

/// A model with its tokenizer and settings, ready to be asked from any thread.
pub struct Reader {
    tokenizer: Tokenizer,
    model: Model,
    settings: Settings,
}

/// A document, tokenized once, to be asked many times.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    text: &'a str,
    tokens: Tokens,
}

impl<'a> Document<'a> {
    /// The text, unchanged.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Number of its tokens.
    pub fn tokens(&self) -> usize {
        self.tokens.ids.len()
    }

    /// How many of its tokens end at or before a byte of the text.
    pub fn tokens_before(&self, byte: usize) -> usize {
        self.tokens.before(byte)
    }
}

/// What one document says to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Whether there is an answer: `null_odds` is at most the threshold. It is then `spans[0]`.
    pub answered: bool,
    /// The best spans, best first, none overlapping another. Listed on abstention too.
    pub spans: Vec<Span>,
    /// e^n / (e^n + Σ e^S), where n is the least null score of a window and the sum is over all admissible spans; of
    /// the excerpt alone where one was read and doubts more, see [`ReadOptions::verify_tokens`]. For a calibrated
    /// checkpoint: on abstention, the probability that people find no answer, see [`Calibration`].
    pub no_answer_score: f64,
    /// n − max S, of the excerpt alone where one was read and doubts more: above the threshold there is no answer.
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

    /// The answer, a part of the document that was asked; `None` on abstention.
    pub fn text<'a>(&self, document: &Document<'a>) -> Option<&'a str> {
        self.best().map(|span| &document.text()[span.bytes.start..span.bytes.end])
    }

    /// Score of what is said: of the best span, or `no_answer_score` on abstention.
    pub fn score(&self) -> f64 {
        self.best().map_or(self.no_answer_score, |span| span.score)
    }
}

/// A span of a document that may answer a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its place: `text[start..end]` is the answer, without white space at its ends.
    pub bytes: ByteSpan,
    /// e^S / (e^n + Σ e^S), S being the sum of the two logits; where an excerpt doubts more, its share of Σ e^S times
    /// what the excerpt leaves of 1. For a calibrated checkpoint: of an answer, the probability that people give it
    /// too, see [`Calibration`].
    pub score: f64,
    /// Logit of its first token as a start.
    pub start_logit: f32,
    /// Logit of its last token as an end.
    pub end_logit: f32,
}

/// How far a batch has come, in tokens of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tokens that have gone through the model.
    pub tokens_done: usize,
    /// Tokens of all inputs.
    pub tokens: usize,
}

impl Reader {
    /// Opens a checkpoint: a folder, or `ORG/NAME[@REVISION]` on the Hugging Face hub. It computes in what
    /// [`best_precision`] says.
    ///
    /// # Errors
    /// When it cannot be found or fetched, or is no question-answering Longformer.
    pub fn open(model: &str) -> Result<Self> {
        if Path::new(model).exists() {
            return Self::from_source(&Source::Folder(model.into()), best_precision()?);
        }
        let folder = hub::fetch(&Repository::parse(model)?, false, &mut |_| {})?;
        Self::from_source(&Source::Folder(folder), best_precision()?)
    }

    /// Opens a checkpoint whose files lie in a folder or in memory, to compute in `precision`.
    ///
    /// # Errors
    /// When a file is missing, malformed, or does not fit the others.
    pub fn from_source(source: &Source, precision: Precision) -> Result<Self> {
        let config = source.config()?;
        let settings = Settings::load(source)?;
        let tokenizer = Tokenizer::load(|name| source.read(name))?;
        if tokenizer.vocab_size > config.vocab_size {
            let message = format!("{} tokens, the model has {}", tokenizer.vocab_size, config.vocab_size);
            return Err(Error::format("tokenizer", FormatKind::Tokenizer, message));
        }
        let model = Model::load(config, Task::QuestionAnswering, precision, &Tensors::open(source)?)?;
        Ok(Self { tokenizer, model, settings })
    }

    /// A reader of a model that is there already, with the tokenizer and the settings that belong to it.
    pub fn from_parts(tokenizer: Tokenizer, model: Model, settings: Settings) -> Self {
        Self { tokenizer, model, settings }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The checkpoint's own settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same reader with other settings than the checkpoint's own.
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Asks one document one question.
    ///
    /// # Errors
    /// When the question or the document is empty, or the question leaves no room for the document.
    pub fn answer(&self, question: &str, document: &str) -> Result<Answer> {
        let document = self.document(document)?;
        self.answer_batch(&[(question, &document)], &ReadOptions::default(), &mut |_| {}).remove(0)
    }

    /// Tokenizes a document once, to be asked many times.
    ///
    /// # Errors
    /// [`Error::EmptyDocument`] when it has no token but white space.
    pub fn document<'a>(&self, text: &'a str) -> Result<Document<'a>> {
        let tokens = self.tokenizer.encode(text)?;
        if tokens.is_blank() {
            return Err(Error::EmptyDocument);
        }
        Ok(Document { text, tokens })
    }

    /// Asks many (question, document) pairs: one document many questions, many documents one.
    ///
    /// ```
    /// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
    /// use longspan::{ReadOptions, Reader, SpanList};
    ///
    /// let reader = Reader::open(folder)?;
    /// let document = reader.document("The pump was installed in May 1911 by Ada Brown.")?;
    /// let pairs = [("Who installed the pump?", &document), ("When was the pump installed?", &document)];
    /// let options = ReadOptions { spans: SpanList::Top(3), ..ReadOptions::default() };
    /// let answers = reader.answer_batch(&pairs, &options, &mut |progress| {
    ///     eprintln!("{} of {} tokens", progress.tokens_done, progress.tokens);
    /// });
    /// let answers = answers.into_iter().collect::<longspan::Result<Vec<_>>>()?;
    /// let texts: Vec<_> = answers.iter().filter_map(|answer| answer.text(&document)).collect();
    /// assert_eq!(texts, ["Ada Brown", "May 1911"]);
    /// # Ok::<(), longspan::Error>(())
    /// ```
    ///
    /// Windows of all pairs, and then excerpts that verify, go through the model in ragged batches of about one longest
    /// input; each answer is bit for bit what the pair gives alone. `progress` is called after every batch.
    ///
    /// # Errors
    /// Each pair has its own result: what is wrong with one leaves the others. Errors are those of [`Reader::answer`], and
    /// [`Error::Option`] for an option that is out of its range.
    ///
    /// # Panics
    /// Perhaps, where a document was tokenized by another reader.
    pub fn answer_batch(
        &self,
        pairs: &[(&str, &Document<'_>)],
        options: &ReadOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Vec<Result<Answer>> {
        let begun = pairs.iter().map(|(question, document)| self.reading(question, document, options));
        let mut readings: Vec<Result<Reading<'_>>> = begun.collect();
        // The size of an excerpt is known from the start, its place once all windows before it were read.
        let (covering, excerpts) = (queue(&readings, Reading::covering), queue(&readings, Reading::excerpt));
        let tokens = covering.iter().chain(&excerpts).map(|queued| queued.tokens).sum();
        let mut done = Progress { tokens_done: 0, tokens };
        for queue in [covering, excerpts] {
            let mut rest = queue.as_slice();
            while !rest.is_empty() {
                let batch;
                (batch, rest) = rest.split_at(count_within(rest, self.model.batch_tokens()));
                self.pass(batch, &mut readings);
                done.tokens_done += batch.iter().map(|queued| queued.tokens).sum::<usize>();
                progress(done);
            }
        }
        readings.into_iter().map(|reading| reading.map(|reading| reading.answer())).collect()
    }

    /// Sends windows through the model as one batch. A reading that breaks off becomes its error.
    fn pass(&self, queued: &[Queued], readings: &mut [Result<Reading<'_>>]) {
        let mut batch = Batch::new();
        for &Queued { reading, window, .. } in queued {
            if let Ok(reading) = &readings[reading] {
                reading.push_input(&self.tokenizer, window, &mut batch);
            }
        }
        if batch.sequences() == 0 {
            return; // what is left belongs to readings that broke off
        }
        let logits = self.model.logits(&batch).expect("the CPU does not fail").values; // (T, 2)
        let asked: Vec<&Queued> = queued.iter().filter(|queued| readings[queued.reading].is_ok()).collect();
        for (s, queued) in asked.into_iter().enumerate() {
            let Ok(reading) = &mut readings[queued.reading] else { continue };
            let range = batch.range(s);
            if let Err(error) = reading.take(queued.window, &logits[2 * range.start..2 * range.end]) {
                readings[queued.reading] = Err(error);
            }
        }
    }

    fn reading<'a>(&self, question: &str, document: &'a Document<'_>, options: &'a ReadOptions) -> Result<Reading<'a>> {
        let question = self.tokenizer.encode(question)?;
        if question.is_blank() {
            return Err(Error::EmptyQuestion);
        }
        let plan = Plan::new(options, &self.settings, self.model.config(), question.ids.len())?;
        Ok(Reading::new(document, question.ids, options, plan))
    }
}

/// A window that is to go through the model.
struct Queued {
    reading: usize,
    /// As [`Reading`] counts them.
    window: usize,
    /// Of the whole input.
    tokens: usize,
}

/// Some windows of each reading that has not broken off.
fn queue<'a>(readings: &[Result<Reading<'a>>], of: impl Fn(&Reading<'a>) -> Range<usize>) -> Vec<Queued> {
    let mut queue = Vec::new();
    for (r, reading) in readings.iter().enumerate() {
        let Ok(reading) = reading else { continue };
        queue.extend(of(reading).map(|w| Queued { reading: r, window: w, tokens: reading.input_tokens(w) }));
    }
    queue
}

/// How many of the windows make a batch of at most `tokens_max`; one at least.
fn count_within(queue: &[Queued], tokens_max: usize) -> usize {
    let mut sum = 0;
    let mut fits = |queued: &&Queued| {
        sum += queued.tokens;
        sum <= tokens_max
    };
    queue.iter().take_while(|queued| fits(queued)).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Reader>();
    }
}
