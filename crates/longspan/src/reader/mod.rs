//! The reader: a question and a document go in, the exact span that answers comes out, or 'no answer'.
//!
//! ```text
//! settings     longspan.json: what a checkpoint says about how it is to be asked
//! options      what the caller says, made into a plan for one question
//! reading      one question and one document under way
//! windows      how a long document is cut
//! spans        from the logits of all windows to spans under one normalisation
//! ```

mod options;
mod reading;
mod settings;
mod spans;
mod windows;

use std::path::Path;

pub use options::{GlobalAttention, ReadOptions, SpanList};
pub use settings::Settings;

use crate::checkpoint::{Source, Tensors};
use crate::hub::{self, Repository};
use crate::model::{Batch, Model, Precision, Task, best_precision};
use crate::tokenizer::{ByteSpan, Tokenizer, Tokens};
use crate::{Error, Result};
use options::Plan;
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
}

/// What one document says to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Whether there is an answer: `null_odds` is at most the threshold. It is then `spans[0]`.
    pub answered: bool,
    /// The best spans, best first, none overlapping another. Listed on abstention too.
    pub spans: Vec<Span>,
    /// e^n / (e^n + Σ e^S), where n is the least null score of a window and the sum is over all admissible spans.
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

/// A span of a document that may answer a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its place: `text[start..end]` is the answer, without white space at its ends.
    pub bytes: ByteSpan,
    /// e^S / (e^n + Σ e^S), S being the sum of the two logits.
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
            return Err(Error::Format { file: "tokenizer".into(), message });
        }
        let model = Model::load(config, Task::QuestionAnswering, precision, &Tensors::open(source)?)?;
        Ok(Self { tokenizer, model, settings })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The checkpoint's own settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks one document one question.
    ///
    /// # Errors
    /// When the question or the document is empty, or the question leaves no room for the document.
    pub fn answer(&self, question: &str, document: &str) -> Result<Answer> {
        let document = self.document(document)?;
        let mut answers = self.answer_batch(&[(question, &document)], &ReadOptions::default(), &mut |_| {})?;
        Ok(answers.remove(0))
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
    /// })?;
    /// let texts: Vec<&str> = answers.iter().filter_map(|a| a.best()).map(|s| &document.text()[s.bytes.start..s.bytes.end]).collect();
    /// assert_eq!(texts, ["Ada Brown", "May 1911"]);
    /// # Ok::<(), longspan::Error>(())
    /// ```
    ///
    /// Windows of all pairs go through the model in ragged batches of about one longest input; each answer is bit for
    /// bit what the pair gives alone. `progress` is called after every batch.
    ///
    /// # Errors
    /// As [`Reader::answer`], and when an option is out of its range.
    ///
    /// # Panics
    /// Perhaps, where a document was tokenized by another reader.
    pub fn answer_batch(
        &self,
        pairs: &[(&str, &Document<'_>)],
        options: &ReadOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Answer>> {
        let readings = pairs.iter().map(|(question, document)| self.reading(question, document, options));
        let mut readings = readings.collect::<Result<Vec<_>>>()?;
        let mut inputs = Vec::new(); // (reading, window)
        for (r, reading) in readings.iter().enumerate() {
            inputs.extend((0..reading.windows.len()).map(|w| (r, w)));
        }
        let tokens = inputs.iter().map(|&(r, w)| readings[r].input_tokens(w)).sum();
        let mut tokens_done = 0;
        let mut answers = Vec::with_capacity(pairs.len());
        let mut rest = inputs.as_slice();
        while !rest.is_empty() {
            let mut batch = Batch::new();
            while let Some((&(r, w), after)) = rest.split_first() {
                if batch.tokens() > 0 && batch.tokens() + readings[r].input_tokens(w) > self.model.config().max_tokens()
                {
                    break;
                }
                readings[r].push_input(&self.tokenizer, w, &mut batch);
                rest = after;
            }
            let done = &inputs[inputs.len() - rest.len() - batch.sequences()..][..batch.sequences()];
            let logits = self.model.logits(&batch).values; // (T, 2)
            for (s, &(r, w)) in done.iter().enumerate() {
                let range = batch.range(s);
                readings[r].take(w, &logits[2 * range.start..2 * range.end])?;
                if w + 1 == readings[r].windows.len() {
                    answers.push(readings[r].finish());
                }
            }
            tokens_done += batch.tokens();
            progress(Progress { tokens_done, tokens });
        }
        Ok(answers)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Reader>();
    }
}
