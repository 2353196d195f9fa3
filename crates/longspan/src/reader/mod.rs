//! The reader: a question and a document go in, the exact span that answers comes out, or 'no answer'.
//!
//! ```text
//! abstain      the names of thresholds
//! settings     longspan.json: how a checkpoint is to be asked
//! options      how the caller asks, and the plan of one question: settings and options together
//! borders      places of a text that no answer runs over
//! document     questions and documents, each tokenized once
//! answer       answers and their spans
//! input        the input of the model for a question and a window
//! windows      how a long document is cut
//! spans        the logits of all windows: the best spans, and the sum over all of them
//! reading      one question asked of one document, window by window, and the decision: an answer or 'no answer'
//! ```

mod abstain;
mod answer;
mod borders;
mod document;
mod input;
mod options;
mod reading;
mod settings;
mod spans;
mod windows;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub use abstain::Abstain;
pub use answer::{Answer, Endpoint, Endpoints, Span};
pub use document::{Document, Question};
pub(crate) use input::ReaderInput;
pub(crate) use options::Plan;
pub use options::{GlobalAttention, ReadOptions, SpanList};
pub use reading::{DocumentReading, ReadProgress};
pub use settings::{Calibration, Logistic, ReaderSettings};
pub(crate) use windows::windows;

use crate::checkpoint::{Source, Tensors};
use crate::hub::{self, Repository};
use crate::model::{Batch, Model, Precision, Task, best_precision};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

/// A model with its tokenizer and settings, ready to be asked from any thread.
pub struct Reader {
    tokenizer: Tokenizer,
    model: Model,
    settings: ReaderSettings,
    /// The readings that this reader has begun share it.
    reader_id: Arc<()>,
}

impl Reader {
    /// Opens a checkpoint: a folder, or `ORG/NAME[@REVISION]` on the Hugging Face hub. It computes in the
    /// [`best_precision`] of this machine.
    ///
    /// # Errors
    /// When the checkpoint cannot be found or fetched, or is no model for question answering of a known kind.
    pub fn open(model: &str) -> Result<Self> {
        if Path::new(model).exists() {
            return Self::from_source(&Source::Folder(model.into()), best_precision()?);
        }
        let folder = hub::fetch(&Repository::parse(model)?, false, &mut |_| {})?;
        Self::from_source(&Source::Folder(folder), best_precision()?)
    }

    /// Opens the model inside the library, to compute in the [`best_precision`] of this machine. It needs the feature
    /// `embedded`.
    ///
    /// ```
    /// let answer = longspan::Reader::embedded()?.answer("Where does it stand?", "The pump stands in Leeds.")?;
    /// assert!(answer.answered);
    /// # Ok::<(), longspan::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
    #[cfg(feature = "embedded")]
    pub fn embedded() -> Result<Self> {
        Self::from_source(&Source::embedded(), best_precision()?)
    }

    /// Opens a checkpoint whose files lie in a folder or in memory, to compute in `precision`.
    ///
    /// # Errors
    /// When a file is missing or malformed, or does not fit the others.
    pub fn from_source(source: &Source, precision: Precision) -> Result<Self> {
        let config = source.config()?;
        let mut tokenizer = Tokenizer::load(|name| source.read(name))?;
        tokenizer.fit(&config)?; // before the weights are read
        let settings = ReaderSettings::load(source, tokenizer.separators(&config))?;
        let model = Model::load(config, Task::QuestionAnswering, precision, &Tensors::open(source)?)?;
        Self::from_parts(tokenizer, model, settings)
    }

    /// A reader made of a loaded model, its tokenizer and its settings.
    ///
    /// # Errors
    /// [`Error::Option`] when the model has another task than question answering, and [`Error::Format`] when the tokenizer
    /// has more tokens than the model, or too few.
    pub fn from_parts(mut tokenizer: Tokenizer, model: Model, settings: ReaderSettings) -> Result<Self> {
        if model.task() != Task::QuestionAnswering {
            return Err(Error::option("task", format!("{:?}: expected QuestionAnswering", model.task())));
        }
        tokenizer.fit(model.config())?;
        Ok(Self { tokenizer, model, settings, reader_id: Arc::default() })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The settings in use: the checkpoint's own, or those of [`Reader::with_settings`].
    pub fn settings(&self) -> &ReaderSettings {
        &self.settings
    }

    /// The same reader with other settings than the checkpoint's own.
    pub fn with_settings(self, settings: ReaderSettings) -> Self {
        Self { settings, ..self }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Asks a text one question.
    ///
    /// # Errors
    /// [`Error::EmptyDocument`], [`Error::EmptyQuestion`], [`Error::QuestionTooLong`] when the question leaves no room for
    /// the document, [`Error::NotFinite`] when the weights are broken, and those of [`Tokenizer::encode`] and of the device.
    pub fn answer(&self, question: &str, text: &str) -> Result<Answer> {
        self.answer_with(question, &self.document(text)?, &ReadOptions::default())
    }

    /// Asks a document one question, with options.
    ///
    /// ```
    /// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
    /// use longspan::{ReadOptions, Reader};
    ///
    /// let reader = Reader::open(folder)?;
    /// let document = reader.document("The pump was installed in May 1911 by Ada Brown.")?;
    /// let answer = reader.answer_with("Who installed the pump?", &document, &ReadOptions::default().top(3))?;
    /// assert_eq!(answer.text(&document), Some("Ada Brown"));
    /// assert_eq!(answer.spans[0].text(document.text()), "Ada Brown");
    /// # Ok::<(), longspan::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Reader::question`], [`Reader::begin`], [`Reader::pass`], and [`Error::NotFinite`] when the weights are
    /// broken.
    pub fn answer_with(&self, question: &str, document: &Document, options: &ReadOptions) -> Result<Answer> {
        let question = self.question(question)?;
        self.answer_batch(&[(&question, document)], options, &mut |_| ControlFlow::Continue(())).remove(0)
    }

    /// Tokenizes a document once, to be asked any number of questions.
    ///
    /// # Errors
    /// [`Error::EmptyDocument`] when it has nothing but white space, and those of [`Tokenizer::encode`].
    pub fn document(&self, text: impl Into<Arc<str>>) -> Result<Document> {
        let text = text.into();
        let tokens = self.tokenizer.encode(&text)?;
        if tokens.is_blank() {
            return Err(Error::EmptyDocument);
        }
        Ok(Document::new(text, tokens))
    }

    /// Tokenizes a question once, to be asked of any number of documents.
    ///
    /// # Errors
    /// [`Error::EmptyQuestion`] when it has nothing but white space, and those of [`Tokenizer::encode`].
    pub fn question(&self, text: &str) -> Result<Question> {
        let tokens = self.tokenizer.encode(text)?;
        if tokens.is_blank() {
            return Err(Error::EmptyQuestion);
        }
        Ok(Question::new(text, tokens.ids))
    }

    /// Asks many (question, document) pairs: one document many questions, many documents one question.
    ///
    /// ```
    /// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
    /// use std::ops::ControlFlow;
    ///
    /// use longspan::{ReadOptions, Reader};
    ///
    /// let reader = Reader::open(folder)?;
    /// let document = reader.document("The pump was installed in May 1911 by Ada Brown.")?;
    /// let [who, when] = [reader.question("Who installed the pump?")?, reader.question("When was it installed?")?];
    /// let pairs = [(&who, &document), (&when, &document)];
    /// let answers = reader.answer_batch(&pairs, &ReadOptions::default(), &mut |progress| {
    ///     eprintln!("{} of {} tokens", progress.tokens_done, progress.tokens);
    ///     ControlFlow::Continue(())
    /// });
    /// let answers = answers.into_iter().collect::<longspan::Result<Vec<_>>>()?;
    /// let texts: Vec<_> = answers.iter().filter_map(|answer| answer.text(&document)).collect();
    /// assert_eq!(texts, ["Ada Brown", "May 1911"]);
    /// # Ok::<(), longspan::Error>(())
    /// ```
    ///
    /// Windows of all pairs go through the model in ragged batches of about one longest input; each answer is bit for bit
    /// the one that the pair gives alone. `progress` is called after every batch, with the sum over the pairs, and may
    /// stop the work.
    ///
    /// # Errors
    /// Each pair has its own result: an error of one leaves the others. The errors are those of [`Reader::begin`],
    /// [`Reader::pass`] and [`DocumentReading::finish`]: [`Error::Cancelled`] for each pair that was not read when `progress`
    /// stopped the work.
    ///
    /// # Panics
    /// As [`Reader::pass`].
    pub fn answer_batch(
        &self,
        pairs: &[(&Question, &Document)],
        options: &ReadOptions,
        progress: &mut dyn FnMut(ReadProgress) -> ControlFlow<()>,
    ) -> Vec<Result<Answer>> {
        let begun = pairs.iter().map(|(question, document)| self.begin(question, document, options));
        let mut readings: Vec<Result<DocumentReading>> = begun.collect();
        self.read(&mut readings.iter_mut().flatten().collect::<Vec<_>>(), progress);
        readings.into_iter().map(|reading| reading?.finish()).collect()
    }

    /// Takes readings to their ends, unless `progress` stops the work. It is called after every pass, with the sum over the
    /// readings. An error of the model ends those that are not done: [`DocumentReading::finish`] has it.
    ///
    /// # Panics
    /// As [`Reader::pass`].
    pub fn read(
        &self,
        readings: &mut [&mut DocumentReading],
        progress: &mut dyn FnMut(ReadProgress) -> ControlFlow<()>,
    ) {
        while readings.iter().any(|reading| !reading.is_done()) {
            if let Err(error) = self.pass(readings, self.model.batch_tokens()) {
                let open = readings.iter_mut().filter(|reading| !reading.is_done());
                return open.for_each(|reading| reading.failed = Some(error.clone()));
            }
            let mut sum = ReadProgress::default();
            for reading in readings.iter().map(|reading| reading.progress()) {
                sum.tokens_done += reading.tokens_done;
                sum.tokens += reading.tokens;
            }
            if progress(sum).is_break() {
                return;
            }
        }
    }

    /// Checks that a question can be asked with these options, whatever the document.
    ///
    /// # Errors
    /// Those of [`Reader::begin`].
    pub fn check(&self, question: &Question, options: &ReadOptions) -> Result<()> {
        Plan::new(options, &self.settings, self.model.config(), question.tokens()).map(drop)
    }

    /// Begins to ask a document a question. Nothing goes through the model yet.
    ///
    /// ```
    /// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
    /// use longspan::{ReadOptions, Reader};
    ///
    /// let reader = Reader::open(folder)?;
    /// let document = reader.document("The pump was installed in May 1911 by Ada Brown.")?;
    /// let mut reading = reader.begin(&reader.question("Who installed it?")?, &document, &ReadOptions::default())?;
    /// while !reading.is_done() {
    ///     reader.pass(&mut [&mut reading], 4096)?; // a server would add the readings of other requests
    /// }
    /// assert_eq!(reading.finish()?.text(&document), Some("Ada Brown"));
    /// # Ok::<(), longspan::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::QuestionTooLong`] when the question leaves no room for the document, and [`Error::Option`] for an option
    /// that is out of its range.
    pub fn begin(&self, question: &Question, document: &Document, options: &ReadOptions) -> Result<DocumentReading> {
        let plan = Plan::new(options, &self.settings, self.model.config(), question.tokens())?;
        Ok(DocumentReading::new(question.clone(), document.clone(), plan, self.reader_id.clone()))
    }

    /// Begins to ask the question of a reading of its document again, with other options: what the model has read of the
    /// document is not read again, and the same answer comes out as from [`Reader::begin`] with these options. Only the
    /// verification window is read anew where it lies elsewhere; the progress of the new reading counts nothing else.
    ///
    /// The options must leave the inputs of the model as they were (`max_tokens`, `doc_stride`, `global_attention`), and the
    /// longest answer at most as long.
    ///
    /// # Errors
    /// Those of [`Reader::begin`].
    ///
    /// # Panics
    /// If the options change the inputs or allow longer answers.
    pub fn begin_again(&self, reading: &DocumentReading, options: &ReadOptions) -> Result<DocumentReading> {
        let plan = Plan::new(options, &self.settings, self.model.config(), reading.question_tokens())?;
        Ok(reading.again(plan))
    }

    /// Takes readings further by one pass of the model over one batch of windows. This reader must have begun them all, with
    /// whatever settings and options.
    ///
    /// The batch takes one window of each reading in turn, as long as it has at most `tokens_max` tokens; its first window
    /// always fits. Readings that have waited for more passes come before others, and otherwise the order of the slice
    /// counts. So a short document waits for one pass instead of the end of a long document, and each reading gets its turn.
    /// Readings that are done are left out. The composition of a batch does not change a bit of an answer.
    ///
    /// A logit that is infinite or no number ends its reading alone: [`DocumentReading::finish`] has the error.
    ///
    /// # Errors
    /// Those of the model. The windows of the batch count as not read then.
    ///
    /// # Panics
    /// If another reader has begun one of them; possibly, if a reader with another vocabulary tokenized a question or a
    /// document.
    pub fn pass(&self, readings: &mut [&mut DocumentReading], tokens_max: usize) -> Result<()> {
        let foreign = readings.iter().position(|reading| !Arc::ptr_eq(&reading.reader_id, &self.reader_id));
        assert!(foreign.is_none(), "another reader has begun reading {} of {}", foreign.unwrap_or(0), readings.len());
        let started = Instant::now();
        let mut order: Vec<usize> = (0..readings.len()).filter(|&r| !readings[r].is_done()).collect();
        order.sort_by_key(|&r| std::cmp::Reverse(readings[r].passes_waited));
        for &r in &order {
            readings[r].begin_pass();
        }
        let (mut batch, mut turns) = (Batch::new(), Vec::new());
        while !order.is_empty() {
            order.retain(|&r| {
                let fits = readings[r].push_next(&self.tokenizer, &mut batch, tokens_max);
                turns.extend(fits.then_some(r));
                fits
            });
        }
        if turns.is_empty() {
            return Ok(());
        }
        let logits = self.model.logits(&batch)?.values; // (T, 2)
        let seconds_per_token = started.elapsed().as_secs_f64() / batch.tokens() as f64;
        for (s, &r) in turns.iter().enumerate() {
            let range = batch.range(s);
            readings[r].seconds += seconds_per_token * range.len() as f64;
            readings[r].take(&logits[2 * range.start..2 * range.end]);
        }
        Ok(())
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
