//! `POST /v1/ask`: questions asked of documents or of a text.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use longspan::{Abstain, GlobalAttention, Question, ReadOptions, SpanList};
use longspan_ask::{AnswerObject, AskError, Asker, Content, DocumentAnswer, NamedDocument, PairReading, rank};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::RequestRecord;
use super::body::{self, BodyShare};
use super::engine::{AcceptedWork, WorkEvent};
use super::error::{ErrorObject, HttpError};
use super::state::{ServedModel, ServerPhase, ServerState, WorkLength};
use super::store::{HeldDocument, without_repeats};

/// The name of a text that is asked directly.
const TEXT_NAME: &str = "text";
/// The most spans of an answer.
pub const TOP_K_MAX: usize = 100;
/// The largest number of an option: as many as the positions of the largest model that is read.
const COUNT_MAX: usize = 1 << 24;
/// Silence on a stream is broken by a comment so often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Questions for documents or a text. The options have the names and meanings of `longspan ask`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct AskRequest {
    /// The question; this or `questions`.
    pub question: Option<String>,
    /// Several questions.
    pub questions: Option<Vec<String>>,
    /// The document; this, `documents` or `text`.
    pub document_id: Option<String>,
    /// Several documents.
    pub documents: Option<DocumentChoice>,
    /// A text that is asked directly.
    pub text: Option<String>,
    /// How many spans each answer lists, at most 100; 1 by default.
    pub top_k: Option<usize>,
    /// List the spans that would be answers if each were the best one: the first 100 at most.
    #[serde(default)]
    pub all: bool,
    /// Report no answer if `null_odds` is above this.
    pub threshold: Option<f64>,
    /// The threshold by its name: `strict`, `balanced` or `eager`.
    pub abstain: Option<String>,
    /// Tokens of the longest answer.
    pub max_answer_length: Option<usize>,
    /// Whether no answer may run over a border, such as a blank line or the end of a cell.
    pub respect_borders: Option<bool>,
    /// Tokens of the longest input of the model.
    pub max_tokens: Option<usize>,
    /// Tokens that neighbouring windows share.
    pub doc_stride: Option<usize>,
    /// Tokens around the best span of a longer document that are read once more, alone; 0: none.
    pub verify_tokens: Option<usize>,
    /// Tokens with global attention: `question`, `first`, `none`, or a list of positions.
    pub global_attention: Option<GlobalChoice>,
}

/// Which documents.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`documents`: expected a list of ids, or \"all\"")]
pub enum DocumentChoice {
    /// These.
    Ids(Vec<String>),
    /// All that the server has.
    Word(EveryDocument),
}

/// All documents.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EveryDocument {
    /// All that the server has.
    All,
}

/// Which tokens have global attention.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`global_attention`: expected \"question\", \"first\", \"none\" or a list of positions")]
pub enum GlobalChoice {
    /// These positions of every input.
    Positions(Vec<usize>),
    /// Those of a name.
    Word(GlobalWord),
}

/// Tokens by a name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GlobalWord {
    /// `<s>` and the question.
    Question,
    /// `<s>` alone.
    First,
    /// No token.
    None,
}

/// The answers to a request: for each question, those of its documents as `longspan ask` ranks them, then what went wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Answers")]
pub struct AnswersObject<'a> {
    /// Answers, and errors in the place of answers.
    answers: Vec<AnswerOrError<'a>>,
}

/// An answer, or an error in its place.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum AnswerOrError<'a> {
    Answer(Box<AnswerObject<'a>>),
    Error(PairErrorObject<'a>),
}

/// What is wrong with one question or document of many.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "PairError")]
pub struct PairErrorObject<'a> {
    /// The id of the document, if it concerns one.
    #[serde(skip_serializing_if = "Option::is_none")]
    document_id: Option<&'a str>,
    /// The question, if it concerns one.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<&'a str>,
    /// What is wrong.
    #[serde(flatten)]
    error: ErrorObject<'a>,
}

/// How much is read, in tokens of the inputs of the model.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(title = "Progress")]
pub struct ProgressObject {
    /// Tokens that are read.
    pub tokens_done: usize,
    /// All tokens.
    pub tokens: usize,
}

/// An error of a question, of a document, or of both.
struct PairError {
    document_id: Option<Arc<str>>,
    question: Option<Arc<str>>,
    error: HttpError,
}

/// What a reading asks.
struct AskedPair {
    /// The question, by its index.
    index: usize,
    question: Arc<str>,
    document_id: Option<Arc<str>>,
}

/// What is to be read.
#[derive(Default)]
struct PreparedPairs {
    readings: Vec<PairReading>,
    /// Those of the readings.
    pairs: Vec<AskedPair>,
    errors: VecDeque<PairError>,
    /// They stay in memory as long as this.
    _held: Vec<Arc<HeldDocument>>,
    /// The memory of a text that is asked directly.
    _share: BodyShare,
}

impl AskRequest {
    /// The questions, as they were given.
    fn questions(&mut self) -> Result<Vec<String>, HttpError> {
        match (self.question.take(), self.questions.take()) {
            (Some(question), None) => Ok(vec![question]),
            (None, Some(questions)) if !questions.is_empty() => Ok(questions),
            _ => Err(HttpError::new("malformed", "expected one of `question` and `questions`, with a question")),
        }
    }

    /// The reader's options.
    ///
    /// # Errors
    /// `option`.
    pub fn options(&self) -> Result<ReadOptions, HttpError> {
        let count = |name: &str, value: Option<usize>, count_max: usize| match value {
            Some(value) if value > count_max => {
                Err(HttpError::new("option", format!("`{name}`: {value}: at most {count_max}")))
            }
            value => Ok(value),
        };
        let mut options = ReadOptions::default();
        let top_k = count("top_k", self.top_k, TOP_K_MAX)?;
        options.spans = match (self.all, top_k) {
            (true, Some(_)) => {
                return Err(HttpError::new("option", "`all`: `top_k` is given too: expected one of them"));
            }
            (true, None) => SpanList::All(TOP_K_MAX),
            (false, top_k) => SpanList::Top(top_k.unwrap_or(1)),
        };
        options.max_tokens = count("max_tokens", self.max_tokens, COUNT_MAX)?;
        options.doc_stride = count("doc_stride", self.doc_stride, COUNT_MAX)?;
        options.max_answer_length = count("max_answer_length", self.max_answer_length, COUNT_MAX)?;
        options.verify_tokens = count("verify_tokens", self.verify_tokens, COUNT_MAX)?;
        options.respect_borders = self.respect_borders;
        options.threshold = self.threshold;
        let unknown =
            |name: &str| HttpError::new("option", format!("`abstain`: {name:?}: expected strict, balanced or eager"));
        let abstain = self.abstain.as_deref().map(|name| Abstain::from_name(name).ok_or_else(|| unknown(name)));
        options.abstain = abstain.transpose()?;
        options.global_attention = match &self.global_attention {
            None | Some(GlobalChoice::Word(GlobalWord::Question)) => GlobalAttention::Question,
            Some(GlobalChoice::Word(GlobalWord::First)) => GlobalAttention::First,
            Some(GlobalChoice::Word(GlobalWord::None)) => GlobalAttention::None,
            Some(GlobalChoice::Positions(positions)) => GlobalAttention::List(positions.clone()),
        };
        Ok(options)
    }
}

/// Answers a request.
pub async fn ask(
    State(state): State<Arc<ServerState>>,
    Extension(record): Extension<Arc<RequestRecord>>,
    request: Request,
) -> Response {
    let wants_events = wants_events(request.headers());
    match state.in_time(accepted(&state, request.into_body())).await {
        Err(error) => error.into_response(),
        Ok((prepared, work)) if wants_events => events(state, record, prepared, work).into_response(),
        Ok((prepared, work)) => state.in_time(whole(&state, &record, prepared, work)).await.into_response(),
    }
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// The work of a request, once the engine has taken it.
async fn accepted(state: &Arc<ServerState>, body: Body) -> Result<(PreparedPairs, AcceptedWork), HttpError> {
    state.model()?;
    let (mut request, share): (AskRequest, _) = body::json(body, state).await?;
    let questions = request.questions()?;
    let texts = questions.iter().chain(&request.text);
    let length = WorkLength::of_texts(texts.map(String::len).sum());
    let own = state.clone();
    let begun = move || {
        let prepared = prepare(&own, &request, &questions)?;
        Ok(PreparedPairs { _share: share, ..prepared })
    };
    let mut prepared = state.block_on(length, begun).await?;
    if prepared.readings.is_empty()
        && let Some(first) = prepared.errors.front()
    {
        return Err(first.error.clone());
    }
    let work = state.model()?.engine.submit(std::mem::take(&mut prepared.readings))?;
    Ok((prepared, work))
}

/// Tokenizes what is asked, and begins to ask it.
fn prepare(state: &ServerState, request: &AskRequest, questions: &[String]) -> Result<PreparedPairs, HttpError> {
    let ServedModel { reader, engine, .. } = state.model()?;
    let asker = Asker::new(reader.clone(), request.options()?);
    let mut prepared = PreparedPairs::default();
    let documents = documents(state, &asker, request, questions.len(), &mut prepared)?;
    let mut asked = Vec::new();
    for (index, text) in questions.iter().enumerate() {
        match asker.question(text) {
            Ok(question) => asked.push((index, Arc::<str>::from(text.as_str()), question)),
            Err(error) => {
                let error = HttpError::of_question(&error);
                if error.error_type == "option" {
                    return Err(error);
                }
                let question = Some(text.as_str().into());
                prepared.errors.push_back(PairError { document_id: None, question, error });
            }
        }
    }
    // Each reading takes memory: work that is never accepted has none. Windows that overlap have more tokens than this.
    let of_documents: usize = documents.iter().map(NamedDocument::tokens).sum();
    let of_question = |question: &Question| of_documents + question.tokens() * documents.len();
    let tokens = asked.iter().map(|(.., question)| of_question(question));
    engine.check(tokens.fold(0, usize::saturating_add))?;
    for (index, text, question) in &asked {
        for document in &documents {
            prepared.readings.push(asker.begin(question, document).map_err(|error| HttpError::of_document(&error))?);
            let document_id = document.id().map(Arc::from);
            prepared.pairs.push(AskedPair { index: *index, question: text.clone(), document_id });
        }
    }
    Ok(prepared)
}

/// The documents that are asked.
fn documents(
    state: &ServerState,
    asker: &Asker,
    request: &AskRequest,
    questions: usize,
    prepared: &mut PreparedPairs,
) -> Result<Vec<NamedDocument>, HttpError> {
    let AskRequest { document_id, documents, text, .. } = request;
    let ids: Vec<&String> = match (document_id, documents, text) {
        (Some(id), None, None) => vec![id],
        (None, Some(DocumentChoice::Ids(ids)), None) if !ids.is_empty() => ids.iter().collect(),
        (None, Some(DocumentChoice::Word(EveryDocument::All)), None) => {
            check_pairs(state, questions, 1)?; // the documents count by their tokens alone
            prepared._held = state.store.use_all();
            if prepared._held.is_empty() {
                return Err(HttpError::new("unknown_document", "the server has no documents"));
            }
            return Ok(prepared._held.iter().map(|held| held.document.clone()).collect());
        }
        (None, None, Some(text)) => {
            check_pairs(state, questions, 1)?;
            return Ok(vec![direct(state, asker, text)?]);
        }
        _ => {
            let message = "expected one of `document_id`, `documents` and `text`, with a document";
            return Err(HttpError::new("malformed", message));
        }
    };
    check_pairs(state, questions, ids.len())?;
    for id in ids {
        match state.store.get(id) {
            Ok(held) => prepared._held.push(held),
            Err(error) => {
                let document_id = Some(id.as_str().into());
                prepared.errors.push_back(PairError { document_id, question: None, error });
            }
        }
    }
    prepared._held = without_repeats(std::mem::take(&mut prepared._held));
    Ok(prepared._held.iter().map(|held| held.document.clone()).collect())
}

fn check_pairs(state: &ServerState, questions: usize, documents: usize) -> Result<(), HttpError> {
    let (pairs, pairs_max) = (questions.saturating_mul(documents), state.http_limits.max_pairs);
    if pairs <= pairs_max {
        return Ok(());
    }
    let message = match documents {
        1 => format!("{questions} questions, at most {pairs_max} are asked at once"),
        _ => format!("{questions} questions of {documents} documents are {pairs} pairs, at most {pairs_max} are asked"),
    };
    Err(HttpError::new("too_many_pairs", message).with_hint("send several requests"))
}

/// A text of a request as a document.
///
/// # Errors
/// `empty_document`, `document_too_long`.
pub fn direct(state: &ServerState, asker: &Asker, text: &str) -> Result<NamedDocument, HttpError> {
    let document = asker.document(TEXT_NAME, Content::plain(text)).map_err(|error| HttpError::of_document(&error))?;
    state.check_length(&document)?;
    Ok(document)
}

/// All answers of a request.
///
/// # Errors
/// When every pair has one: the first.
async fn whole(
    state: &ServerState,
    record: &RequestRecord,
    prepared: PreparedPairs,
    mut work: AcceptedWork,
) -> Result<Response, HttpError> {
    let results = work.answers().await?;
    record.set_work(work.tokens, work.queue_time());
    let (mut of_questions, mut errors) = (BTreeMap::<usize, Vec<DocumentAnswer>>::new(), prepared.errors);
    for (result, pair) in results.into_iter().zip(prepared.pairs) {
        match result {
            Ok(answer) => of_questions.entry(pair.index).or_default().push(answer),
            Err(error) => errors.push_back(pair.error(&error)),
        }
    }
    if of_questions.is_empty()
        && let Some(first) = errors.front()
    {
        return Err(first.error.clone());
    }
    of_questions.values_mut().for_each(|of_question| rank(of_question));
    let mut answers = Vec::new();
    for answer in of_questions.values().flatten() {
        answers.push(AnswerOrError::Answer(Box::new(answer_object(state, answer)?)));
    }
    answers.extend(errors.iter().map(|error| AnswerOrError::Error(error.object())));
    Ok(body::json_response(AnswersObject { answers }))
}

/// The object of an answer.
///
/// # Errors
/// `loading`.
pub fn answer_object<'a>(state: &'a ServerState, answer: &'a DocumentAnswer) -> Result<AnswerObject<'a>, HttpError> {
    let info = &state.model()?.info;
    Ok(AnswerObject::new(answer, &info.model, &info.precision))
}

impl AskedPair {
    fn error(&self, error: &AskError) -> PairError {
        let (document_id, question) = (self.document_id.clone(), Some(self.question.clone()));
        PairError { document_id, question, error: HttpError::of_document(error) }
    }
}

impl PairError {
    fn object(&self) -> PairErrorObject<'_> {
        let Self { document_id, question, error } = self;
        PairErrorObject {
            document_id: document_id.as_deref(),
            question: question.as_deref(),
            error: error.object(None),
        }
    }
}

/// A request that is answered event by event.
struct EventStream {
    state: Arc<ServerState>,
    record: Arc<RequestRecord>,
    prepared: PreparedPairs,
    work: AcceptedWork,
    is_over: bool,
}

/// The events: `progress` after every pass, `answer` for each pair as soon as it is known, then `done` or `error`.
fn events(
    state: Arc<ServerState>,
    record: Arc<RequestRecord>,
    prepared: PreparedPairs,
    work: AcceptedWork,
) -> impl IntoResponse {
    record.set_work(work.tokens, Duration::ZERO);
    let started = tokio::time::Instant::now();
    let stream = EventStream { state, record, prepared, work, is_over: false };
    let events = stream::unfold(stream, move |mut stream| async move {
        if stream.is_over {
            return None;
        }
        let event = stream.next(started).await;
        Some((Ok::<_, Infallible>(event), stream))
    });
    // Proxies must not wait for the end.
    let headers = [("x-accel-buffering", "no"), ("cache-control", "no-cache")];
    (headers, Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl EventStream {
    async fn next(&mut self, started: tokio::time::Instant) -> Event {
        if let Some(error) = self.prepared.errors.pop_front() {
            return event("answer", &error.object());
        }
        let deadline = started + self.state.limits.request_timeout;
        let next = tokio::select! {
            next = self.work.next() => next,
            () = tokio::time::sleep_until(deadline) => Err(HttpError::new("deadline", "the request took too long")),
            () = self.state.reaches(ServerPhase::Ended) => Err(HttpError::new("draining", "the server ends")),
        };
        let progress = ProgressObject { tokens_done: self.work.tokens_done(), tokens: self.work.tokens };
        match next {
            Ok(Some(WorkEvent::Progress)) => event("progress", &progress),
            Ok(Some(WorkEvent::Done(pair))) => match pair.answer {
                Ok(answer) => {
                    let told = answer_object(&self.state, &answer).map(|object| event("answer", &object));
                    told.unwrap_or_else(|error| self.end(&error))
                }
                Err(error) => event("answer", &self.prepared.pairs[pair.index].error(&error).object()),
            },
            Ok(None) => {
                self.is_over = true;
                self.record.set_work(self.work.tokens, self.work.queue_time());
                event("done", &progress)
            }
            Err(error) => self.end(&error),
        }
    }

    fn end(&mut self, error: &HttpError) -> Event {
        self.is_over = true;
        event("error", &error.object(Some(self.record.id())))
    }
}

fn event(name: &str, object: &impl Serialize) -> Event {
    Event::default().event(name).data(serde_json::to_string(object).unwrap_or_default())
}
