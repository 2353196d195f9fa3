//! Questions asked of documents: many pairs share the batches of the model, and an error of one leaves the others.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::thread;

use longspan::{Document, DocumentReading, Question, ReadOptions, ReadProgress, Reader};

use crate::{
    AskError, Content, DocumentAnswer, DocumentSource, ReadingStop, SourceError, SourceErrorKind, SourceOptions,
};

/// Sources are read and asked in groups of about so much text: enough to fill batches, and little to keep in memory.
const GROUP_BYTES: usize = 1 << 18;
/// A group has at most so many sources, so that their errors are known soon.
const GROUP_SOURCES: usize = 1024;

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
    id: Option<Arc<str>>,
    content: Content,
    document: Document,
}

impl NamedDocument {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same document with an id, which its answers state: two documents may have one name.
    pub fn with_id(self, id: &str) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Its id, if it was given one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
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
    /// The document that is asked.
    pub fn document(&self) -> &NamedDocument {
        &self.document
    }

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
        let Self { question, document: NamedDocument { name, id, content, .. }, reading } = self;
        let seconds = reading.seconds();
        let answer = reading.finish().map_err(|error| AskError::about(&name, error))?;
        let mut answer = DocumentAnswer::new(&name, &content, question.text(), &answer, seconds);
        answer.document_id = id;
        Ok(answer)
    }
}

/// What happens while documents are asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum AskEvent<'a> {
    /// These documents are asked next.
    Begin(&'a [NamedDocument]),
    /// How much of the documents of the last [`AskEvent::Begin`] the model has read, summed over all questions. It starts
    /// again with each of these: for one bar over several, weigh each by its [`NamedDocument::tokens`].
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

/// What happens while pairs are read.
enum PairEvent {
    Progress(ReadProgress),
    /// The next pair is done.
    Done(Result<DocumentAnswer, AskError>),
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

    /// Tokenizes a document, once for any number of questions. With
    /// [`respect_borders`](ReadOptions::respect_borders), no answer runs over a border of its [`Content::borders`] either.
    ///
    /// # Errors
    /// When it has no token but white space, or is too long.
    pub fn document(&self, name: &str, content: Content) -> Result<NamedDocument, AskError> {
        let document = self.reader.document(content.text().clone());
        let document = document.map_err(|error| AskError::about(name, error))?;
        let borders = content.borders();
        let document = if borders.is_empty() { document } else { document.with_borders(&borders) };
        Ok(NamedDocument { name: name.into(), id: None, content, document })
    }

    /// Begins to ask a document a question. A server gives the readings of all requests to a
    /// [`ReadingScheduler`](crate::ReadingScheduler).
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

    /// Asks many pairs of a question and a document. The model reads them in this order, in batches of about one longest
    /// input, and `progress` is called after each batch, with the sum over the pairs. Answers come in the order of the pairs.
    ///
    /// # Errors
    /// Each pair has its own result. Pairs that were not read when `progress` stopped the work are
    /// [`longspan::Error::Cancelled`].
    pub fn ask(
        &self,
        pairs: &[(&Question, &NamedDocument)],
        progress: &mut dyn FnMut(ReadProgress) -> ControlFlow<()>,
    ) -> Vec<Result<DocumentAnswer, AskError>> {
        let mut answers = Vec::with_capacity(pairs.len());
        let _ = self.read_pairs(pairs.iter().copied(), &mut |event| match event {
            PairEvent::Progress(read) => progress(read),
            PairEvent::Done(answer) => {
                answers.push(answer);
                ControlFlow::Continue(())
            }
        });
        answers
    }

    /// Asks every document every question: [`AskEvent::Begin`], [`AskEvent::Progress`] after every pass, and for each pair,
    /// all questions of the first document first, an answer or an error as soon as those before it are done. The model reads
    /// the pairs in this order, so with a time limit the first documents are complete.
    ///
    /// Returns `Break` if `on_event` did, even if every pair was complete by then: errors of the kind
    /// [`Cancelled`](longspan::ErrorKind::Cancelled) show what is missing.
    pub fn ask_documents(
        &self,
        questions: &[Question],
        documents: &[NamedDocument],
        on_event: OnEvent<'_>,
    ) -> ControlFlow<()> {
        on_event(AskEvent::Begin(documents))?;
        let of_document = |document| questions.iter().map(move |question| (question, document));
        let mut next_question = (0..questions.len()).cycle();
        self.read_pairs(documents.iter().flat_map(of_document), &mut |event| match event {
            PairEvent::Progress(read) => on_event(AskEvent::Progress(read)),
            PairEvent::Done(answer) => {
                let question = next_question.next().unwrap_or_default();
                on_event(match answer {
                    Ok(answer) => AskEvent::Answer { question, answer },
                    Err(error) => AskEvent::Error { question: Some(question), error },
                })
            }
        })
    }

    /// Reads pairs in their order. Each is done as soon as it and those before it are read, or the work was stopped.
    fn read_pairs<'p>(
        &self,
        pairs: impl Iterator<Item = (&'p Question, &'p NamedDocument)>,
        on_event: &mut dyn FnMut(PairEvent) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut open: VecDeque<_> = pairs.map(|(question, document)| self.begin(question, document)).collect();
        let (mut flow, mut tokens_done) = (ControlFlow::Continue(()), 0);
        let tokens_max = self.reader.model().batch_tokens();
        loop {
            let is_done = |pair: &mut Result<PairReading, AskError>| pair.as_ref().map_or(true, PairReading::is_done);
            while let Some(pair) = open.pop_front_if(|pair| flow.is_break() || is_done(pair)) {
                tokens_done += pair.as_ref().map_or(0, |pair| pair.progress().tokens);
                if on_event(PairEvent::Done(pair.and_then(PairReading::finish))).is_break() {
                    flow = ControlFlow::Break(());
                }
            }
            if open.is_empty() {
                return flow;
            }
            let mut tokens = 0; // in the pairs before
            let first = open.iter_mut().flatten().take_while(|pair| {
                let has_room = tokens < tokens_max;
                tokens += pair.progress().tokens - pair.progress().tokens_done;
                has_room
            });
            if let Err(error) = self.pass(first, tokens_max) {
                for pair in &mut open {
                    if let Ok(PairReading { document, reading, .. }) = pair
                        && !reading.is_done()
                    {
                        *pair = Err(AskError::about(&document.name, error.clone()));
                    }
                }
            }
            let mut sum = ReadProgress::default();
            (sum.tokens_done, sum.tokens) = (tokens_done, tokens_done);
            for read in open.iter().flatten().map(PairReading::progress) {
                sum.tokens_done += read.tokens_done;
                sum.tokens += read.tokens;
            }
            flow = on_event(PairEvent::Progress(sum));
        }
    }

    /// Reads sources and asks each of them every question, in groups of about 256 KiB of text, each as
    /// [`Asker::ask_documents`] does; an error of a source comes before the documents of its group. While the model reads a
    /// group, another thread reads and tokenizes the next one. The memory is that of two groups, or of the two longest
    /// documents, so there may be any number of sources. After a stop, the source that is being read is given up, and sources of
    /// later groups have no event.
    ///
    /// Returns `Break` if `on_event` did, even if every pair was complete by then.
    pub fn ask_sources(
        &self,
        questions: &[Question],
        sources: impl IntoIterator<Item = DocumentSource, IntoIter: Send>,
        options: &SourceOptions,
        on_event: OnEvent<'_>,
    ) -> ControlFlow<()> {
        let mut sources = sources.into_iter().fuse();
        let (mut options, stop) = (options.clone(), ReadingStop::default());
        let of_caller = options.stop.replace(stop.clone());
        let _action = of_caller.map(|of_caller| {
            let stop = stop.clone();
            of_caller.on_stop(move || stop.stop())
        });
        thread::scope(|scope| {
            let (sender, groups) = mpsc::sync_channel(0);
            let options = &options;
            let _stop = stop.clone().when_dropped();
            scope.spawn(move || {
                while let Some(group) = self.read_group(&mut sources, options, &stop)
                    && sender.send(group).is_ok()
                {}
            });
            groups.into_iter().try_for_each(|group| {
                let mut documents = Vec::new();
                for read in group {
                    match read {
                        Err(error) => on_event(AskEvent::Error { question: None, error })?,
                        Ok(document) => documents.push(document),
                    }
                }
                if documents.is_empty() {
                    ControlFlow::Continue(())
                } else {
                    self.ask_documents(questions, &documents, on_event)
                }
            })
        })
    }

    /// Reads the next sources, enough for a group. `None` if there are no more.
    fn read_group(
        &self,
        sources: &mut impl Iterator<Item = DocumentSource>,
        options: &SourceOptions,
        stop: &ReadingStop,
    ) -> Option<Vec<Result<NamedDocument, AskError>>> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while bytes < GROUP_BYTES && group.len() < GROUP_SOURCES && !stop.is_stopped() {
            let Some(source) = sources.next() else { break };
            let read = self.read(&source, options);
            bytes += read.as_ref().map_or(0, |document| document.content.text().len());
            group.push(read);
        }
        Some(group).filter(|group| !group.is_empty())
    }

    /// Reads and tokenizes a source.
    ///
    /// # Errors
    /// Those of [`DocumentSource::read`] and [`Asker::document`].
    pub fn read(&self, source: &DocumentSource, options: &SourceOptions) -> Result<NamedDocument, AskError> {
        let content = source.read(options)?;
        if options.stop.as_ref().is_some_and(ReadingStop::is_stopped) {
            return Err(SourceError { name: source.name(), kind: SourceErrorKind::Stopped }.into());
        }
        self.document(&source.name(), content)
    }
}
