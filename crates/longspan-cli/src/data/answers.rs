//! `answers.jsonl`: a line that identifies the run, then one line for each question asked. An interrupted run continues
//! from it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use longspan::checkpoint::Source;
use longspan::error::excerpt;
use longspan::evaluate::{AskOutcome, Asked};
use longspan::reader::{Endpoint, Endpoints};
use longspan::tokenizer::ByteSpan;
use longspan::{Answer, ReadOptions, Reader, Span};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::folder::{self, cannot_write};
use crate::terminal::hints::fault;

const FILE: &str = "answers.jsonl";

/// The longest line that identifies a run.
const RUN_IDENTITY_BYTES_MAX: usize = 1 << 16;

const CHANGED: &str = "it was not written by `longspan eval`, or was changed since: name another folder";

/// Everything that an answer depends on, by name.
pub type RunIdentity = Map<String, Value>;

/// Everything that the answer to a question depends on but the question and the document.
///
/// # Errors
/// When the files of the model cannot be read.
pub fn identity(source: &Source, reader: &Reader, options: &ReadOptions) -> Result<RunIdentity> {
    let settings: Value = serde_json::from_str(&reader.settings().to_json())?;
    let identity = json!({
        "longspan": env!("CARGO_PKG_VERSION"),
        "model_checksum": source.checksum()?,
        "settings": settings,
        "precision": reader.model().precision().to_string(),
        "instruction_set": reader.model().device().to_string(),
        "max_tokens": options.max_tokens,
        "doc_stride": options.doc_stride,
        "max_answer_length": options.max_answer_length,
        "respect_borders": options.respect_borders,
        // As text, because JSON has no infinity.
        "threshold": options.threshold.map(|threshold| threshold.to_string()),
        "abstain": options.abstain,
        "verify_tokens": options.verify_tokens,
        "spans": format!("{:?}", options.spans),
        "global_attention": format!("{:?}", options.global_attention),
    });
    Ok(serde_json::from_value(identity)?)
}

/// The outcome of one question.
#[derive(Serialize, Deserialize)]
struct AnswerLine {
    id: String,
    answered: bool,
    null_odds: f64,
    no_answer_score: f64,
    tokens: usize,
    windows: usize,
    answer_position: Option<usize>,
    spans: Vec<SpanLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoints: Option<EndpointsLine>,
}

#[derive(Serialize, Deserialize)]
struct SpanLine {
    start_byte: usize,
    end_byte: usize,
    score: f64,
    start_logit: f32,
    end_logit: f32,
}

/// Starts and ends as pairs of a byte and a probability.
#[derive(Serialize, Deserialize)]
struct EndpointsLine {
    starts: Vec<(usize, f64)>,
    ends: Vec<(usize, f64)>,
    no_answer: [f64; 2],
}

/// The file, and the outcomes that it held at the start.
pub struct AnswerFile {
    path: PathBuf,
    file: File,
    known: HashMap<String, AskOutcome>,
}

impl AnswerFile {
    /// Starts the file in a folder, or continues the one that is there.
    ///
    /// # Errors
    /// When it belongs to another run, another run is using it, or it cannot be written.
    pub fn open(folder: &Path, identity: &RunIdentity) -> Result<Self> {
        let path = folder.join(FILE);
        let (mut lines, mut known) = (0, HashMap::new());
        let mut file = folder::open_record(&path, &mut |number, line| {
            lines = number;
            let broken = || fault(format!("`{}`: line {number} cannot be read", path.display()), CHANGED);
            if number == 1 {
                let found = Some(line).filter(|line| line.len() <= RUN_IDENTITY_BYTES_MAX);
                let found: Option<RunIdentity> = found.and_then(|line| serde_json::from_slice(line).ok());
                return check(&path, &found.ok_or_else(broken)?, identity);
            }
            let line: AnswerLine = serde_json::from_slice(line).map_err(|_| broken())?;
            known.insert(line.id.clone(), outcome(line));
            Ok(())
        })?;
        if lines == 0 {
            writeln!(file, "{}", Value::Object(identity.clone())).map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(Self { path, file, known })
    }

    /// The outcome of a question, if an earlier run left it.
    ///
    /// # Errors
    /// When it cannot be about this document.
    pub fn known(&self, asked: &Asked<'_>) -> Result<Option<AskOutcome>> {
        let Some(outcome) = self.known.get(&asked.question.id) else { return Ok(None) };
        if !is_possible(outcome, &asked.paragraph.context) {
            let id = excerpt(&asked.question.id);
            return Err(fault(format!("`{}`: no answer to question `{id}`", self.path.display()), CHANGED));
        }
        Ok(Some(outcome.clone()))
    }

    /// Adds a question.
    ///
    /// # Errors
    /// When it cannot be written, or not be read again: its line or the file would be too long.
    pub fn add(&mut self, id: &str, outcome: &AskOutcome) -> Result<()> {
        let line = serde_json::to_string(&line(id, outcome))? + "\n";
        folder::check_line(line.as_bytes()).map_err(|wrong| {
            let message = format!("`{}`: the answers to question `{}` are {wrong}", self.path.display(), excerpt(id));
            fault(message, "--n-best-size lists fewer spans")
        })?;
        folder::add_lines(&self.path, &mut self.file, line.as_bytes())
    }
}

/// Whether an outcome can be that of a question about this document.
fn is_possible(outcome: &AskOutcome, context: &str) -> bool {
    let AskOutcome { answer: Answer { spans, tokens, windows, endpoints, .. }, answer_position } = outcome;
    let tokens_max = 1024 * (context.len() + 2); // no tokenizer makes more of a text: `GROWTH_MAX`
    let counts = [*tokens, *windows, answer_position.unwrap_or(0)];
    let is_span = |span: &Span| context.get(span.bytes.start..span.bytes.end).is_some();
    let endpoints = endpoints.iter().flat_map(|endpoints| endpoints.starts.iter().chain(&endpoints.ends));
    let are_places = endpoints.map(|endpoint| endpoint.byte).all(|byte| context.is_char_boundary(byte));
    !spans.is_empty() && spans.iter().all(is_span) && are_places && counts.iter().all(|count| *count <= tokens_max)
}

/// Checks that a file was written by the same run.
///
/// # Errors
/// When it was not.
pub(super) fn check(path: &Path, found: &RunIdentity, wanted: &RunIdentity) -> Result<()> {
    let keys = wanted.keys().chain(found.keys());
    let Some(key) = keys.into_iter().find(|key| found.get(*key) != wanted.get(*key)) else { return Ok(()) };
    let of = |identity: &RunIdentity| {
        identity.get(key).filter(|value| !value.is_null()).map_or("none".into(), |value| excerpt(&value.to_string()))
    };
    let what = match key.as_str() {
        "data_checksum" | "questions_checksum" => "other questions".into(),
        "model_checksum" => "another model".into(),
        "settings" => "other settings of the model".into(),
        _ => format!("{} {}, this one has {}", excerpt(key), of(found), of(wanted)),
    };
    let message = format!("`{}`: that run had {what}", path.display());
    Err(fault(message, "go on with the same model, data and options, or name another place for the results"))
}

fn line(id: &str, outcome: &AskOutcome) -> AnswerLine {
    let AskOutcome { ref answer, answer_position } = *outcome;
    let Answer { answered, null_odds, no_answer_score, tokens, windows, .. } = *answer;
    let span = |span: &Span| {
        let Span { bytes: ByteSpan { start: start_byte, end: end_byte }, score, start_logit, end_logit, .. } = *span;
        SpanLine { start_byte, end_byte, score, start_logit, end_logit }
    };
    let (id, spans) = (id.to_owned(), answer.spans.iter().map(span).collect());
    let pairs = |of: &[Endpoint]| of.iter().map(|endpoint| (endpoint.byte, endpoint.probability)).collect();
    let endpoints = answer.endpoints.as_ref().map(|Endpoints { starts, ends, no_answer }| EndpointsLine {
        starts: pairs(starts),
        ends: pairs(ends),
        no_answer: *no_answer,
    });
    AnswerLine { id, answered, null_odds, no_answer_score, tokens, windows, answer_position, spans, endpoints }
}

fn outcome(line: AnswerLine) -> AskOutcome {
    let span = |json: SpanLine| {
        let mut span = Span::default();
        (span.bytes, span.score) = (ByteSpan { start: json.start_byte, end: json.end_byte }, json.score);
        (span.start_logit, span.end_logit) = (json.start_logit, json.end_logit);
        span
    };
    let mut answer = Answer::default();
    (answer.answered, answer.spans) = (line.answered, line.spans.into_iter().map(span).collect());
    (answer.no_answer_score, answer.null_odds) = (line.no_answer_score, line.null_odds);
    (answer.tokens, answer.windows) = (line.tokens, line.windows);
    let list = |pairs: Vec<(usize, f64)>| {
        pairs.into_iter().map(|(byte, probability)| Endpoint { byte, probability }).collect()
    };
    answer.endpoints = line.endpoints.map(|EndpointsLine { starts, ends, no_answer }| Endpoints {
        starts: list(starts),
        ends: list(ends),
        no_answer,
    });
    AskOutcome { answer, answer_position: line.answer_position }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use longspan::squad::{Paragraph, SquadQuestion};

    fn head(model: &str) -> RunIdentity {
        Map::from_iter([("model".to_owned(), model.into()), ("threshold".to_owned(), Value::Null)])
    }

    fn sample(start: usize) -> AskOutcome {
        let mut span = Span::default();
        (span.bytes, span.score) = (ByteSpan { start, end: start + 3 }, 0.1 + 0.2);
        (span.start_logit, span.end_logit) = (1.000_000_1, -3.3e-7);
        let mut answer = Answer::default();
        answer.answered = start > 0;
        answer.spans = vec![span.clone(), span];
        (answer.no_answer_score, answer.null_odds) = (1.0 / 3.0, -5e-324);
        (answer.tokens, answer.windows) = (7, 1);
        let endpoint = Endpoint { byte: start, probability: 0.1 + 0.2 };
        let (starts, ends, no_answer) = (vec![endpoint], vec![endpoint; 2], [1.0 / 3.0, 1e-300]);
        answer.endpoints = (start > 0).then_some(Endpoints { starts, ends, no_answer });
        AskOutcome { answer, answer_position: (start > 0).then_some(start) }
    }

    /// What is known of a question about a text of eight letters.
    fn known(answers: &AnswerFile, id: &str) -> Result<Option<AskOutcome>> {
        let question = SquadQuestion { id: id.into(), ..SquadQuestion::default() };
        let paragraph = Paragraph { context: "abcdefgh".into(), questions: Vec::new() };
        answers.known(&Asked { article: 0, paragraph: &paragraph, question: &question })
    }

    #[test]
    fn an_answer_that_cannot_be_is_refused() {
        let _no_new_process = crate::folder::PROCESSES.read();
        let folder = tempfile::tempdir().unwrap();
        let mut answers = AnswerFile::open(folder.path(), &head("m")).unwrap();
        let of = |start: usize, tokens: usize| {
            let mut outcome = sample(start);
            outcome.answer.tokens = tokens;
            outcome
        };
        let cases = [("a", of(5, 1024 * 10), true), ("b", of(6, 7), false), ("c", of(0, 1024 * 10 + 1), false)];
        cases.iter().for_each(|(id, outcome, _)| answers.add(id, outcome).unwrap());
        drop(answers);
        let answers = AnswerFile::open(folder.path(), &head("m")).unwrap();
        for (id, _, is_possible) in cases {
            let refused = known(&answers, id).err().map(|error| error.to_string());
            assert_eq!(refused.is_none(), is_possible, "{id}");
            assert!(refused.is_none_or(|message| message.ends_with(&format!("no answer to question `{id}`"))), "{id}");
        }
    }

    #[test]
    fn a_run_cut_off_anywhere_goes_on() {
        let _no_new_process = crate::folder::PROCESSES.read();
        let folder = tempfile::tempdir().unwrap();
        let mut answers = AnswerFile::open(folder.path(), &head("m")).unwrap();
        answers.add("a", &sample(0)).unwrap();
        answers.add("\"b\"\n", &sample(4)).unwrap();
        drop(answers);
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut answers = AnswerFile::open(folder.path(), &head("m")).unwrap();
            for (id, start) in [("a", 0), ("\"b\"\n", 4)] {
                match known(&answers, id).unwrap() {
                    Some(known) => assert_eq!(known, sample(start), "{length} bytes"),
                    None => answers.add(id, &sample(start)).unwrap(),
                }
            }
            drop(answers);
            assert_eq!(fs::read(&path).unwrap(), whole, "{length} bytes");
        }
    }

    #[test]
    fn a_line_that_could_not_be_read_again_is_not_written() {
        let _no_new_process = crate::folder::PROCESSES.read();
        let folder = tempfile::tempdir().unwrap();
        let mut answers = AnswerFile::open(folder.path(), &head("m")).unwrap();
        let before = fs::read(folder.path().join(FILE)).unwrap();
        let mut outcome = sample(4);
        outcome.answer.spans = vec![outcome.answer.spans[0].clone(); 200_000];
        let error = answers.add("a", &outcome).unwrap_err().to_string();
        assert!(
            error.contains("the answers to question `a` are a line of ") && error.contains(" at most 16777216"),
            "{error}"
        );
        answers.add("a", &sample(4)).unwrap();
        drop(answers);
        assert!(fs::read(folder.path().join(FILE)).unwrap().starts_with(&before));
        assert!(known(&AnswerFile::open(folder.path(), &head("m")).unwrap(), "a").unwrap().is_some());
    }

    #[test]
    fn another_run_is_not_gone_on_with() {
        let _no_new_process = crate::folder::PROCESSES.read();
        let folder = tempfile::tempdir().unwrap();
        drop(AnswerFile::open(folder.path(), &head("m")).unwrap());
        let refused = |model: &str| match AnswerFile::open(folder.path(), &head(model)) {
            Ok(_) => panic!("{model} goes on"),
            Err(error) => error.to_string(),
        };
        let first = AnswerFile::open(folder.path(), &head("m")).unwrap();
        assert!(refused("m").ends_with("another run is using it"));
        drop(first);
        assert!(refused("n").ends_with("that run had model \"m\", this one has \"n\""));
        let path = folder.path().join(FILE);
        let mut content = fs::read(&path).unwrap();
        content.extend(b"{}\n");
        fs::write(&path, content).unwrap();
        assert!(refused("m").ends_with("line 2 cannot be read"));
    }
}
