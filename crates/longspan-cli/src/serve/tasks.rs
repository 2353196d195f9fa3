//! The `question-answering` task as Hugging Face's clients send it: `POST /` and `POST /question-answering`.
//!
//! Names are taken in both spellings: huggingface_hub sends `top_k`, the schema and the JavaScript client say `topK`. What
//! has no meaning here is accepted: answers begin and end with tokens, not always with words.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use longspan::ReadOptions;
use longspan_ask::{AskError, Asker, DocumentAnswer, PairReading};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::RequestRecord;
use super::ask::{AskRequest, direct};
use super::body::{self, json_response};
use super::error::HttpError;
use super::state::{ServerState, WorkLength};

/// The longest answer of the pipeline of transformers, in tokens.
const MAX_ANSWER_LENGTH: usize = 15;

/// Options whose names differ, and those names.
const NAMES: [(&str, &str); 2] = [("`max_answer_length`", "`max_answer_len`"), ("`max_tokens`", "`max_seq_len`")];

/// A request of Hugging Face's clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct TaskRequest {
    /// A question and its context, or several.
    inputs: TaskInputs,
    /// How they are asked.
    parameters: Option<TaskParameters>,
    /// The name of a model, which is ignored: there is one.
    #[serde(rename = "model")]
    _model: Option<Value>,
    /// Options of the hosted service, which are ignored.
    #[serde(rename = "options")]
    _options: Option<Value>,
}

/// One or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`inputs`: expected an object with `question` and `context`, or a list of these")]
enum TaskInputs {
    Several(Vec<TaskInput>),
    One(TaskInput),
}

/// A question and the text that is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct TaskInput {
    question: String,
    context: String,
}

/// How a question is asked. The names may be in camel case too, such as `topK`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct TaskParameters {
    /// How many answers; 1 by default.
    #[serde(alias = "topK", alias = "topk")]
    top_k: Option<usize>,
    /// Tokens that neighbouring windows share; the model's by default.
    #[serde(alias = "docStride")]
    doc_stride: Option<usize>,
    /// Tokens of the longest answer; 15 by default.
    #[serde(alias = "maxAnswerLen")]
    max_answer_len: Option<usize>,
    /// Tokens of the longest input; the model's by default.
    #[serde(alias = "maxSeqLen")]
    max_seq_len: Option<usize>,
    /// Tokens of the longest question: a longer one is an error, never cut.
    #[serde(alias = "maxQuestionLen")]
    max_question_len: Option<usize>,
    /// Whether 'no answer' is a possible answer: an empty text; false by default.
    #[serde(alias = "handleImpossibleAnswer")]
    handle_impossible_answer: Option<bool>,
    /// Ignored: answers begin and end with tokens.
    #[serde(alias = "alignToWords", rename = "align_to_words")]
    _align_to_words: Option<bool>,
}

/// The answers to a request: of each input, if it has a list of them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "TaskAnswers")]
#[serde(untagged)]
pub enum TaskAnswers {
    OfInput(InputAnswers),
    OfInputs(Vec<InputAnswers>),
}

/// The answers to an input: one is no list, as in the pipeline.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "InputAnswers")]
#[serde(untagged)]
pub enum InputAnswers {
    One(TaskAnswer),
    Several(Vec<TaskAnswer>),
}

/// An answer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "TaskAnswer")]
pub struct TaskAnswer {
    /// As it stands in the context; empty for 'no answer'.
    answer: String,
    /// Its score.
    score: f64,
    /// Its first character: Unicode scalar values before it.
    start: usize,
    /// One past its last character.
    end: usize,
}

/// Answers a request.
pub async fn answer(
    State(state): State<Arc<ServerState>>,
    Extension(record): Extension<Arc<RequestRecord>>,
    request: Request,
) -> Result<Response, HttpError> {
    state
        .in_time(async {
            state.model()?;
            let (TaskRequest { inputs, parameters, .. }, share) = body::json(request.into_body(), &state).await?;
            let parameters = parameters.unwrap_or_default();
            let top_k = parameters.top_k.unwrap_or(1);
            let with_abstention = parameters.handle_impossible_answer == Some(true);
            let (is_list, inputs) = match inputs {
                TaskInputs::One(input) => (false, vec![input]),
                TaskInputs::Several(inputs) => (true, inputs),
            };
            let length =
                WorkLength::of_texts(inputs.iter().map(|input| input.question.len() + input.context.len()).sum());
            let own = state.clone();
            let begun = move || prepare(&own, &inputs, &parameters).map(|readings| (readings, share));
            let (readings, _share) = state.block_on(length, begun).await?;
            let mut work = state.model()?.engine.submit(readings)?;
            let answers = work.answers().await?;
            record.set_work(work.tokens, work.queue_time());
            let of_input = |answer: Result<DocumentAnswer, AskError>| {
                let answer = answer.map_err(|error| HttpError::of_document(&error))?;
                let mut answers = task_answers(&answer, top_k, with_abstention);
                let is_alone = answers.len() == 1;
                Ok(if is_alone { InputAnswers::One(answers.remove(0)) } else { InputAnswers::Several(answers) })
            };
            let mut shaped = answers.into_iter().map(of_input).collect::<Result<Vec<_>, HttpError>>()?;
            Ok(json_response(match is_list {
                true => TaskAnswers::OfInputs(shaped),
                false => TaskAnswers::OfInput(shaped.remove(0)),
            }))
        })
        .await
}

fn prepare(
    state: &ServerState,
    inputs: &[TaskInput],
    parameters: &TaskParameters,
) -> Result<Vec<PairReading>, HttpError> {
    let pairs_max = state.http_limits.max_pairs;
    if inputs.is_empty() {
        return Err(HttpError::new("malformed", "`inputs`: an empty list"));
    }
    if inputs.len() > pairs_max {
        let message = format!("{} inputs, at most {pairs_max} are taken", inputs.len());
        return Err(HttpError::new("too_many_pairs", message).with_hint("send several requests"));
    }
    let asker = Asker::new(state.model()?.reader.clone(), parameters.options()?);
    let reading = |TaskInput { question, context }: &TaskInput| {
        let question = asker.question(question).map_err(|error| with_task_names(HttpError::of_question(&error)))?;
        let tokens_max = parameters.max_question_len.unwrap_or(usize::MAX);
        if question.tokens() > tokens_max {
            let message = format!("the question has {} tokens, max_question_len is {tokens_max}", question.tokens());
            return Err(HttpError::new("question_too_long", message));
        }
        let document = direct(state, &asker, context)?;
        asker.begin(&question, &document).map_err(|error| HttpError::of_document(&error))
    };
    inputs.iter().map(reading).collect()
}

/// An error of an option, with the name that the task has for it.
fn with_task_names(error: HttpError) -> HttpError {
    let message = NAMES.iter().fold(error.message, |message, (name, of_task)| message.replace(name, of_task));
    HttpError { message, ..error }
}

impl TaskParameters {
    /// The reader's options: the form of the answer as in the pipeline of transformers, windows as the model has them.
    fn options(&self) -> Result<ReadOptions, HttpError> {
        let request = AskRequest {
            top_k: self.top_k,
            max_answer_length: Some(self.max_answer_len.unwrap_or(MAX_ANSWER_LENGTH)),
            max_tokens: self.max_seq_len,
            doc_stride: self.doc_stride,
            ..AskRequest::default()
        };
        request.options().map_err(with_task_names)
    }
}

/// The best spans; with `with_abstention` 'no answer' among them, first where it is the decision.
fn task_answers(answer: &DocumentAnswer, top_k: usize, with_abstention: bool) -> Vec<TaskAnswer> {
    let span = |candidate: &longspan_ask::Candidate| TaskAnswer {
        answer: candidate.text.clone(),
        score: candidate.score,
        start: candidate.place.characters.start,
        end: candidate.place.characters.end,
    };
    let mut answers: Vec<TaskAnswer> = answer.candidates.iter().map(span).collect();
    if with_abstention {
        let none = TaskAnswer { answer: String::new(), score: answer.no_answer_score, start: 0, end: 0 };
        let behind = |other: &TaskAnswer| other.score >= none.score;
        // An answer that was given stays the first.
        let at =
            if answer.best().is_some() { answers.iter().take_while(|other| behind(other)).count().max(1) } else { 0 };
        answers.insert(at, none);
    }
    answers.truncate(top_k);
    answers
}
