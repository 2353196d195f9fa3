//! A model that is asked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longspan::checkpoint::Source;
use longspan::error::excerpt;
use longspan::hub::{FetchEvent, Hub, HubToken, Repository};
use longspan::{Error, ErrorKind, Question, ReadProgress, Reader};
use longspan_ask::{AnswerObject, AskError, Asker, NamedDocument};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;

use crate::document::NativeDocument;
use crate::errors::{of_document, of_library};
use crate::options::{precision, read_options};
use crate::watch::{ReaderThreads, Watched, watched, without_gil};

/// A model in memory, with its threads.
#[pyclass(frozen, module = "longspan._native")]
pub struct NativeReader {
    reader: Arc<Reader>,
    name: String,
    precision: String,
    threads: ReaderThreads,
    /// No other reader of this process has it.
    number: u64,
}

/// Why a pair has no answer.
#[derive(Clone)]
enum PairFault {
    Question(Error),
    Document(AskError),
}

impl PairFault {
    /// Whether the options are wrong, which every other pair has too.
    fn is_of_options(&self) -> bool {
        match self {
            Self::Question(Error::QuestionTooLong { tokens_max, .. }) => *tokens_max == 0, // no question would fit
            Self::Question(error) => error.kind() == ErrorKind::Option,
            Self::Document(_) => false,
        }
    }

    fn raised(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Question(error) => of_library(py, error, None),
            Self::Document(error) => of_document(py, error),
        }
    }
}

/// A document on its way to tokens.
enum GivenDocument {
    Tokenized(NamedDocument),
    Content { name: String, content: longspan_ask::Content },
}

/// The pairs of a call: questions, and which document each is asked.
struct GivenPairs {
    questions: Vec<(String, usize)>,
    documents: Vec<GivenDocument>,
    /// Whether a pair that cannot be asked ends the call before the model reads anything.
    is_strict: bool,
}

/// What came out of a call.
struct PairResults {
    /// For each pair, the JSON of its answer; or what ended the call before the model read anything.
    answers: Result<Vec<Result<String, PairFault>>, PairFault>,
    /// The documents with their tokens.
    documents: Vec<Result<NamedDocument, AskError>>,
}

#[pymethods]
impl NativeReader {
    #[new]
    fn new(
        py: Python<'_>,
        folder: PathBuf,
        name: String,
        precision_name: &str,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let precision = precision(py, precision_name)?;
        let threads = ReaderThreads::new(threads);
        let pool = threads.pool(py)?;
        let open = move || pool.install(|| Reader::from_source(&Source::Folder(folder), precision));
        let about = format!("model `{}`", excerpt(&name));
        let reader = without_gil(py, open)?.map_err(|error| of_library(py, &error, Some(&about)))?;
        let (reader, precision) = (Arc::new(reader), precision.to_string());
        Ok(Self { reader, name, precision, threads, number: NUMBERS.fetch_add(1, Ordering::SeqCst) })
    }

    /// The number format that it computes in.
    #[getter]
    fn precision(&self) -> &str {
        &self.precision
    }

    /// Tokens of its longest input.
    #[getter]
    fn max_tokens(&self) -> usize {
        self.reader.model().config().max_tokens()
    }

    /// The threshold of the checkpoint.
    #[getter]
    fn threshold(&self) -> f64 {
        self.reader.settings().null_score_diff_threshold
    }

    /// The threshold that these options choose.
    fn threshold_of(&self, py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<f64> {
        let threshold = read_options(options)?.threshold_of(self.reader.settings());
        threshold.map_err(|error| of_library(py, &error, None))
    }

    /// How many tokens a question has.
    fn question_tokens(&self, py: Python<'_>, question: &str) -> PyResult<usize> {
        let question = py.detach(|| self.reader.question(question));
        Ok(question.map_err(|error| of_library(py, &error, None))?.tokens())
    }

    /// Asks pairs: a list of the JSON of answers; with `strict=False`, exceptions in the place of some. A wrong option is
    /// always raised.
    fn ask(
        &self,
        py: Python<'_>,
        pairs: Vec<(String, Bound<'_, NativeDocument>)>,
        options: &Bound<'_, PyDict>,
        strict: bool,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let asker = Asker::new(self.reader.clone(), read_options(options)?);
        let (given, documents) = self.given(pairs, strict);
        let (pool, model, precision) = (self.threads.pool(py)?, self.name.clone(), self.precision.clone());
        let mut report = |read: ReadProgress| match progress {
            Some(progress) => progress.call1((read.tokens_done, read.tokens)).map(drop),
            None => Ok(()),
        };
        let work = move |seen: &Watched<ReadProgress>| pool.install(|| ask(&asker, given, &model, &precision, seen));
        let PairResults { answers, documents: tokenized } = watched(py, &mut report, work)?;
        for (document, tokenized) in documents.iter().zip(tokenized) {
            if let Ok(tokenized) = tokenized {
                document.get().keep_tokens(self.number, tokenized);
            }
        }
        let answers = answers.map_err(|fault| fault.raised(py))?;
        let shown = answers.into_iter().map(|answer| match answer {
            Ok(answer) => Ok(answer.into_pyobject(py)?.into_any().unbind()),
            Err(fault) if strict => Err(fault.raised(py)),
            Err(fault) => Ok(fault.raised(py).into_value(py).into_any()),
        });
        shown.collect()
    }
}

impl NativeReader {
    /// The pairs, and each document once, in the order of its first pair.
    fn given<'py>(
        &self,
        pairs: Vec<(String, Bound<'py, NativeDocument>)>,
        is_strict: bool,
    ) -> (GivenPairs, Vec<Bound<'py, NativeDocument>>) {
        let (mut numbers, mut distinct, mut questions) = (HashMap::new(), Vec::new(), Vec::new());
        for (question, document) in pairs {
            let number = *numbers.entry(document.as_ptr() as usize).or_insert(distinct.len());
            if number == distinct.len() {
                distinct.push(document);
            }
            questions.push((question, number));
        }
        let given = |document: &Bound<'py, NativeDocument>| {
            let document = document.get();
            document.tokenized_for(self.number).map_or_else(
                || GivenDocument::Content { name: document.name.clone(), content: document.content.clone() },
                GivenDocument::Tokenized,
            )
        };
        let documents = distinct.iter().map(given).collect();
        (GivenPairs { questions, documents, is_strict }, distinct)
    }
}

/// Tokenizes and asks, on the threads of the current pool.
fn ask(asker: &Asker, given: GivenPairs, model: &str, precision: &str, seen: &Watched<ReadProgress>) -> PairResults {
    let tokenize = |given: GivenDocument| match given {
        GivenDocument::Tokenized(document) => Ok(document),
        GivenDocument::Content { name, content } => asker.document(&name, content),
    };
    let documents: Vec<Result<NamedDocument, AskError>> = given.documents.into_par_iter().map(tokenize).collect();
    let pair = |(text, document): &(String, usize)| match (asker.question(text), &documents[*document]) {
        (Err(error), _) => Err(PairFault::Question(error)),
        (_, Err(error)) => Err(PairFault::Document(error.clone())),
        (Ok(question), Ok(document)) => Ok((question, document.clone())),
    };
    let pairs: Vec<Result<(Question, NamedDocument), PairFault>> = given.questions.par_iter().map(pair).collect();
    let faults = || pairs.iter().filter_map(|pair| pair.as_ref().err());
    if let Some(fault) = faults().find(|fault| given.is_strict || fault.is_of_options()) {
        return PairResults { answers: Err(fault.clone()), documents };
    }
    let sound: Vec<_> = pairs.iter().flatten().map(|(question, document)| (question, document)).collect();
    let mut read = asker.ask(&sound, &mut |progress| seen.report(progress)).into_iter();
    let answers = pairs.iter().map(|pair| {
        pair.as_ref().map_err(Clone::clone)?;
        let answer = read.next().expect("an answer of each pair").map_err(PairFault::Document)?;
        let object = AnswerObject::new(&answer, model, precision);
        Ok(serde_json::to_string(&object).expect("an object of plain values"))
    });
    PairResults { answers: Ok(answers.collect()), documents }
}

/// The folder of a model: of a path, itself; of `ORG/NAME[@REVISION]`, that of the cache, fetched where it is not there.
///
/// - `token`: for the hub, instead of that of the environment
/// - `on_event`: called with a file, bytes done and bytes in all, or with a notice and two `None`s
#[pyfunction]
pub fn fetch(
    py: Python<'_>,
    name: &str,
    offline: bool,
    token: Option<String>,
    on_event: &Bound<'_, PyAny>,
) -> PyResult<PathBuf> {
    let hub = Hub::from_env();
    let token = token.map_or(hub.token.clone(), HubToken::Given);
    let hub = Hub { offline: hub.offline || offline, token, ..hub };
    let repository = Repository::parse(name).map_err(|error| of_library(py, &error, None))?;
    let mut report = |(what, bytes): (String, Option<(u64, u64)>)| {
        on_event.call1((what, bytes.map(|(done, _)| done), bytes.map(|(_, total)| total))).map(drop)
    };
    let fetched = watched(py, &mut report, move |seen| {
        hub.fetch(&repository, &mut |event| {
            // A fetch cannot be stopped: it goes on while the process runs, and what it has is not fetched again.
            let _ = seen.report(match event {
                FetchEvent::Download(file) => (file.file.to_owned(), Some((file.bytes_done, file.bytes_total))),
                FetchEvent::Notice(notice) => (notice.to_owned(), None),
            });
        })
    })?;
    fetched.map_err(|error| of_library(py, &error, None))
}

/// Whether a name is one of the hub, and not a mistyped path.
#[pyfunction]
pub fn could_be_on_hub(name: &str) -> bool {
    longspan_ask::could_be_on_hub(name)
}

/// What a model calls itself in every output, if it is the one that comes with the program and the package.
#[pyfunction]
pub fn embedded_name(folder: PathBuf) -> String {
    longspan_ask::embedded_name(&Source::Folder(folder))
}
