//! Questions asked of documents: many pairs share the batches of the model, and an error of one leaves the others.

use std::ops::ControlFlow;
use std::sync::Arc;

use longspan::{Document, DocumentReading, Question, ReadOptions, ReadProgress, Reader};

use crate::{AskError, Content, DocumentAnswer, DocumentLimits, DocumentSource};

/// Sources are read and asked in groups of about so much text: enough to fill batches, and little to keep in memory.
const GROUP_BYTES: usize = 1 << 18;

/// A model with the options that it is asked with. A clone shares the model.
#[derive(Clone)]
pub struct Asker {
    reader: Arc<Reader>,
    options: ReadOptions,
}

/// A document with its name and its tokens, to be asked any number of questions. A clone shares all three.
#[derive(Debug, Clone)]
pub struct NamedDocument {
    name: Arc<str>,
    content: Content,
    document: Document,
}

impl NamedDocument {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text and map.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Number of its tokens.
    pub fn tokens(&self) -> usize {
        self.document.tokens()
    }
}

/// A question and a document on their way to an answer. To give it up, drop it.
#[derive(Debug)]
pub struct PairReading {
    question: Question,
    document: NamedDocument,
    reading: DocumentReading,
}

impl PairReading {
    /// How much the model has read.
    pub fn progress(&self) -> ReadProgress {
        self.reading.progress()
    }

    /// Whether no further pass is needed.
    pub fn is_done(&self) -> bool {
        self.reading.is_done()
    }

    /// The answer, with its places.
    ///
    /// # Errors
    /// Those of [`DocumentReading::finish`].
    pub fn finish(self) -> Result<DocumentAnswer, AskError> {
        let Self { question, document: NamedDocument { name, content, .. }, reading } = self;
        let seconds = reading.seconds();
        let answer = reading.finish().map_err(|error| AskError::about(&name, error))?;
        Ok(DocumentAnswer::new(&name, &content, question.text(), &answer, seconds))
    }
}

/// What happens while documents are asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum AskEvent<'a> {
    /// These documents are asked next.
    Begin(&'a [NamedDocument]),
    /// How much of the documents of the last [`AskEvent::Begin`] the model has read, summed over all questions.
    Progress(ReadProgress),
    /// An answer.
    Answer {
        /// Index of its question.
        question: usize,
        /// The answer.
        answer: DocumentAnswer,
    },
    /// A document could not be read, or could not be asked a question.
    Error {
        /// Index of the question; `None` if the document could not be read, which concerns every question.
        question: Option<usize>,
        /// The error, with the name of the document.
        error: AskError,
    },
}

/// Takes events as they come, and stops the work with `Break`: the model reads no further, and neither does
/// [`Asker::ask_sources`]. The pairs of the last [`AskEvent::Begin`] still have their events, whatever is returned for
/// these: an answer if it is complete, else an error of the kind [`Cancelled`](longspan::ErrorKind::Cancelled). If `Break`
/// is returned for the [`AskEvent::Begin`] itself, nothing follows.
pub type OnEvent<'a> = &'a mut dyn FnMut(AskEvent<'_>) -> ControlFlow<()>;

impl Asker {
    /// Asks a model with options.
    pub fn new(reader: Arc<Reader>, options: ReadOptions) -> Self {
        Self { reader, options }
    }

    /// Tokenizes a question, once for any number of documents, and checks it and the options.
    ///
    /// # Errors
    /// When the question is empty, too long, or leaves no room for a document, and when an option is out of its range.
    pub fn question(&self, text: &str) -> longspan::Result<Question> {
        let question = self.reader.question(text)?;
        self.reader.check(&question, &self.options)?;
        Ok(question)
    }

    /// Tokenizes a document, once for any number of questions.
    ///
    /// # Errors
    /// When it has no token but white space, or is too long.
    pub fn document(&self, name: &str, content: Content) -> Result<NamedDocument, AskError> {
        let document = self.reader.document(content.text().clone());
        let document = document.map_err(|error| AskError::about(name, error))?;
        Ok(NamedDocument { name: name.into(), content, document })
    }

    /// Begins to ask a document a question. A server calls [`Asker::pass`] with the readings of all requests and drops
    /// those that nobody waits for.
    ///
    /// # Errors
    /// Those of [`Reader::begin`]; none, if the question was made by this asker.
    pub fn begin(&self, question: &Question, document: &NamedDocument) -> Result<PairReading, AskError> {
        let reading = self.reader.begin(question, &document.document, &self.options);
        let reading = reading.map_err(|error| AskError::about(&document.name, error))?;
        Ok(PairReading { question: question.clone(), document: document.clone(), reading })
    }

    /// Takes readings further by one batch of windows, as [`Reader::pass`] does. Askers of this reader must have begun them
    /// all, with whatever options; a server passes the oldest first.
    ///
    /// - `tokens_max`: the most tokens of the batch. [`Model::batch_tokens`](longspan::model::Model::batch_tokens) keep the
    ///   machine busy; with fewer, a new question waits for a shorter pass
    ///
    /// # Errors
    /// Those of the model. No reading is further then.
    ///
    /// # Panics
    /// As [`Reader::pass`].
    pub fn pass<'r>(
        &self,
        readings: impl IntoIterator<Item = &'r mut PairReading>,
        tokens_max: usize,
    ) -> longspan::Result<()> {
        self.reader.pass(&mut readings.into_iter().map(|pair| &mut pair.reading).collect::<Vec<_>>(), tokens_max)
    }

    /// Asks many pairs of a question and a document. Answers come in the order of the pairs. `progress` is called after each
    /// batch of about one longest input, with the sum over the pairs. Each batch has windows of many pairs in turn, so long
    /// documents end at about the same time: with a time limit, ask a few pairs per call.
    ///
    /// # Errors
    /// Each pair has its own result. Pairs that were not read when `progress` stopped the work are
    /// [`longspan::Error::Cancelled`].
    pub fn ask(
        &self,
        pairs: &[(&Question, &NamedDocument)],
        progress: &mut dyn FnMut(ReadProgress) -> ControlFlow<()>,
    ) -> Vec<Result<DocumentAnswer, AskError>> {
        let mut readings: Vec<_> = pairs.iter().map(|(question, document)| self.begin(question, document)).collect();
        let mut inner: Vec<_> = readings.iter_mut().flatten().map(|pair| &mut pair.reading).collect();
        self.reader.read(&mut inner, progress);
        readings.into_iter().map(|reading| reading?.finish()).collect()
    }

    /// Asks every document every question: [`AskEvent::Begin`], [`AskEvent::Progress`] after every pass, then an answer or an
    /// error for each pair, all questions of the first document first.
    pub fn ask_documents(
        &self,
        questions: &[Question],
        documents: &[NamedDocument],
        on_event: OnEvent<'_>,
    ) -> ControlFlow<()> {
        on_event(AskEvent::Begin(documents))?;
        let of_document = |document| questions.iter().map(move |question| (question, document));
        let pairs: Vec<_> = documents.iter().flat_map(of_document).collect();
        let mut flow = ControlFlow::Continue(());
        let answers = self.ask(&pairs, &mut |progress| {
            flow = on_event(AskEvent::Progress(progress));
            flow
        });
        for (pair, answer) in answers.into_iter().enumerate() {
            let question = pair % questions.len();
            let returned = on_event(match answer {
                Ok(answer) => AskEvent::Answer { question, answer },
                Err(error) => AskEvent::Error { question: Some(question), error },
            });
            if returned.is_break() {
                flow = returned;
            }
        }
        flow
    }

    /// Reads sources and asks each of them every question, group by group, each as [`Asker::ask_documents`] does. The memory
    /// is that of a group, or of the longest document, so there may be any number of sources.
    pub fn ask_sources(
        &self,
        questions: &[Question],
        sources: impl IntoIterator<Item = DocumentSource>,
        limits: DocumentLimits,
        on_event: OnEvent<'_>,
    ) -> ControlFlow<()> {
        let mut sources = sources.into_iter().fuse();
        loop {
            let (mut group, mut bytes) = (Vec::new(), 0);
            while bytes < GROUP_BYTES
                && let Some(source) = sources.next()
            {
                match self.read(&source, limits) {
                    Err(error) => on_event(AskEvent::Error { question: None, error })?,
                    Ok(document) => {
                        bytes += document.content.text().len();
                        group.push(document);
                    }
                }
            }
            if group.is_empty() {
                return ControlFlow::Continue(());
            }
            self.ask_documents(questions, &group, on_event)?;
        }
    }

    /// Reads and tokenizes a source.
    ///
    /// # Errors
    /// Those of [`DocumentSource::read`] and [`Asker::document`].
    pub fn read(&self, source: &DocumentSource, limits: DocumentLimits) -> Result<NamedDocument, AskError> {
        self.document(&source.name(), source.read(limits)?)
    }
}
