//! Teacher answers: what a model believes about questions of a dataset, for another model to learn from.
//!
//! A file has one line of JSON for each question:
//!
//! ```text
//! {"id": "56d", "starts": [[38, 0.91], [42, 0.02]], "ends": [[47, 0.93]], "no_answer": [0.05, 0.06]}
//! ```
//!
//! - `starts`: characters of the paragraph at which an answer may start, with probabilities
//! - `ends`: characters behind which it may end: the offset after its last character
//! - `no_answer`: the probability of no answer among the starts, and among the ends
//!
//! Starts and ends are two distributions, as the two sides of the loss are. What a list leaves out is missing from its sum.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{counted, excerpt};
use crate::json::{self, MemoryBudget, kind};
use crate::reader::{Endpoint, Endpoints};
use crate::squad::{Dataset, byte_of_character};
use crate::tokenizer::ByteSpan;
use crate::{Error, FormatKind, Result};

/// The largest sum of rounded probabilities.
const SUM_MAX: f64 = 1.001;
/// The smallest sum from which something can be learned.
const SUM_MIN: f64 = 1e-6;

/// The line of a question, without a line break.
///
/// Starts and ends outside the paragraph are left out. The others keep their probabilities, so that these sum to less.
///
/// - `document`: the text that was asked
/// - `paragraph`: the bytes of it that are the paragraph of the question
pub fn teacher_answer_line(id: &str, document: &str, paragraph: ByteSpan, endpoints: &Endpoints) -> String {
    let ByteSpan { start, end } = paragraph;
    let listed = |endpoints: &[Endpoint], inside: RangeInclusive<usize>| -> Vec<(usize, f32)> {
        let own = endpoints.iter().filter(|endpoint| inside.contains(&endpoint.byte));
        let character = |byte: usize| document[start..byte].chars().count();
        own.map(|endpoint| (character(endpoint.byte), endpoint.probability as f32)).collect()
    };
    let line = JsonLine {
        id,
        starts: listed(&endpoints.starts, start..=end.saturating_sub(1)),
        ends: listed(&endpoints.ends, start + 1..=end),
        no_answer: endpoints.no_answer.map(|probability| probability as f32),
    };
    serde_json::to_string(&line).expect("text and finite numbers")
}

#[derive(Serialize)]
struct JsonLine<'a> {
    id: &'a str,
    starts: Vec<(usize, f32)>,
    ends: Vec<(usize, f32)>,
    no_answer: [f32; 2],
}

/// The answers of one or more teachers to questions of a dataset.
///
/// Each line counts alike, whatever its sum: its starts and no answer are scaled to a sum of 1, and so are its ends and no
/// answer. This is the teacher's distribution under the condition that it is among what is listed. Of a question with several
/// lines, one of each file, the mean counts. A line where one of these sums was below 1e-6 counts as missing.
///
/// Memory: 8 bytes for each start and end, and about 200 bytes for each question.
///
/// ```
/// use longspan::evaluate::TeacherAnswers;
/// use longspan::squad::Dataset;
///
/// let json = br#"{"data": [{"paragraphs": [{"context": "It stands in Leeds.", "qas": [
///     {"id": "1", "question": "Where does it stand?", "answers": []},
///     {"id": "2", "question": "Who built it?", "answers": []}]}]}]}"#;
/// let dataset = Dataset::parse("pumps.json", json)?;
/// let mut answers = TeacherAnswers::new(&dataset);
/// answers.add("a.jsonl", br#"{"id": "1", "starts": [[13, 0.9]], "ends": [[18, 0.8]], "no_answer": [0.05, 0.1]}"#)?;
/// assert_eq!(answers.missing(), 1);
/// # Ok::<(), longspan::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TeacherAnswers<'a> {
    /// The paragraph of each question of the dataset, by id.
    contexts: HashMap<&'a str, &'a str>,
    answers: HashMap<&'a str, TeacherAnswer>,
    checksum: crc32fast::Hasher,
}

/// What teachers believe about one question.
#[derive(Debug, Clone, Default)]
pub(crate) struct TeacherAnswer {
    /// As a start, and as an end.
    pub sides: [TeacherSide; 2],
}

/// Where an answer starts, or where it ends: shares whose sum with `no_answer` is the number of files.
#[derive(Debug, Clone, Default)]
pub(crate) struct TeacherSide {
    pub shares: Vec<ByteShare>,
    pub no_answer: f32,
}

/// The share of an offset of the paragraph.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteShare {
    pub byte: u32,
    pub share: f32,
}

impl<'a> TeacherAnswers<'a> {
    /// Without any answer.
    pub fn new(dataset: &'a Dataset) -> Self {
        let contexts = dataset.questions().map(|(paragraph, question)| (question.id.as_str(), &*paragraph.context));
        let (contexts, answers, checksum) = (contexts.collect(), HashMap::new(), crc32fast::Hasher::new());
        Self { contexts, answers, checksum }
    }

    /// Adds the content of a file; `file` is its name in messages. It takes at most 56 MB of memory and three times its
    /// length. Empty lines are ignored.
    ///
    /// # Errors
    /// [`Error::Format`] where a line is no JSON of the form above, an offset lies outside the paragraph, a probability is not
    /// from 0 to 1, or probabilities with that of no answer sum to more than 1; where the dataset does not have the
    /// question, or the file has it twice; and when there is no line at all.
    pub fn add(&mut self, file: &str, lines: &[u8]) -> Result<()> {
        let error = |message: String| Error::format(file, FormatKind::TeacherAnswers, message);
        self.checksum.update(&(lines.len() as u64).to_le_bytes());
        self.checksum.update(lines);
        let (mut memory, mut seen) = (MemoryBudget::of(lines), HashSet::new());
        for (number, line) in (1..).zip(lines.split(|&byte| byte == b'\n')) {
            if !line.trim_ascii().is_empty() {
                self.line(line, &mut seen, &mut memory)
                    .map_err(|message| error(format!("line {number}: {message}")))?;
            }
        }
        if seen.is_empty() { Err(error("empty: expected a line of JSON for each question".into())) } else { Ok(()) }
    }

    /// - `seen`: the ids of the lines before
    fn line(&mut self, line: &[u8], seen: &mut HashSet<&'a str>, memory: &mut MemoryBudget) -> Result<(), String> {
        let values = json::fields(line, ["id", "starts", "ends", "no_answer"]);
        let [id, starts, ends, no_answer] = values.map_err(|error| json::message_of_line(&error))?;
        let id = json::text(required(id, "id")?).map_err(|error| format!("`id` {error}"))?;
        let place = format!("question `{}`", excerpt(&id));
        let Some((&id, &context)) = self.contexts.get_key_value(id.as_str()) else {
            return Err(format!("{place}: the data do not have it"));
        };
        memory.take(size_of::<(&str, &str, TeacherAnswer)>(), &["", ""])?;
        if !seen.insert(id) {
            return Err(format!("{place}: another line has the same id"));
        }
        let sides = [(&STARTS, starts), (&ENDS, ends)];
        let [starts, ends] = sides.map(|(list, json)| list.read(json, no_answer, context, memory));
        let at = |message: String| format!("{place}: {message}");
        let (Some(starts), Some(ends)) = (starts.map_err(at)?, ends.map_err(at)?) else { return Ok(()) };
        let answer = self.answers.entry(id).or_default();
        for (sum, more) in answer.sides.iter_mut().zip([starts, ends]) {
            sum.shares.extend_from_slice(&more.shares);
            sum.no_answer += more.no_answer;
        }
        Ok(())
    }

    /// How many questions of the dataset no teacher has answered.
    pub fn missing(&self) -> usize {
        self.contexts.len() - self.answers.len()
    }

    /// A checksum of all files.
    pub(crate) fn checksum(&self) -> u32 {
        self.checksum.clone().finalize()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&TeacherAnswer> {
        self.answers.get(id)
    }
}

/// One of the two lists of a line.
struct EndpointList {
    key: &'static str,
    /// The smallest offset in it.
    first: usize,
    /// The index of its probability of no answer.
    side: usize,
}

const STARTS: EndpointList = EndpointList { key: "starts", first: 0, side: 0 };
const ENDS: EndpointList = EndpointList { key: "ends", first: 1, side: 1 };

impl EndpointList {
    /// Reads the list, and scales it with its probability of no answer to a sum of 1; `None` where there is nothing to scale.
    fn read(
        &self,
        json: Option<&RawValue>,
        no_answer: Option<&RawValue>,
        context: &str,
        memory: &mut MemoryBudget,
    ) -> Result<Option<TeacherSide>, String> {
        let Self { key, first, side } = *self;
        let (json, no_answer) = (required(json, key)?, required(no_answer, "no_answer")?);
        let two = serde_json::from_str::<[f64; 2]>(no_answer.get());
        let no_answer = two.map_err(|_| unexpected(no_answer, "no_answer", "two probabilities"))?[side];
        let (mut shares, mut sum) = (Vec::new(), probability(no_answer, "no_answer")?);
        for pair in json::elements(json).ok_or_else(|| unexpected(json, key, "a list"))? {
            let expected = |_| unexpected(pair, key, "pairs of a character and a probability");
            let (character, share) = serde_json::from_str::<(usize, f64)>(pair.get()).map_err(expected)?;
            sum += probability(share, key)?;
            let byte =
                byte_of_character(context, character).filter(|&byte| byte >= first && byte < context.len() + first);
            let Some(byte) = byte.and_then(|byte| u32::try_from(byte).ok()) else {
                let characters = counted(context.chars().count(), "character");
                return Err(format!("`{key}` has {character}, the paragraph has {characters}"));
            };
            memory.take(size_of::<ByteShare>(), &[])?;
            json::push(&mut shares, ByteShare { byte, share: share as f32 });
        }
        if sum > SUM_MAX {
            return Err(format!("the probabilities of `{key}` and of no answer sum to {sum:.3}, expected 1 at most"));
        }
        if sum < SUM_MIN {
            return Ok(None);
        }
        let scaled = |share: f64| (share / sum) as f32;
        shares.iter_mut().for_each(|own| own.share = scaled(own.share.into()));
        Ok(Some(TeacherSide { shares, no_answer: scaled(no_answer) }))
    }
}

fn probability(number: f64, key: &str) -> Result<f64, String> {
    let is_probability = (0.0..=1.0).contains(&number);
    is_probability.then_some(number).ok_or_else(|| format!("`{key}` has the probability {number}, expected 0 to 1"))
}

fn required<'j>(value: Option<&'j RawValue>, key: &str) -> Result<&'j RawValue, String> {
    value.ok_or_else(|| format!("no `{key}`"))
}

fn unexpected(value: &RawValue, key: &str, expected: &str) -> String {
    let found = if value.get().starts_with('[') { excerpt(value.get()) } else { kind(value) };
    format!("`{key}` has {found}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squad::{Article, Paragraph, SquadQuestion};

    /// Two questions about a text of 9 characters in 11 bytes.
    fn dataset() -> Dataset {
        let question = |id: &str| SquadQuestion { id: id.into(), question: "?".into(), ..SquadQuestion::default() };
        let paragraph = Paragraph { context: "é ab é cd".into(), questions: vec![question("a"), question("b")] };
        Dataset { articles: vec![Article { title: String::new(), paragraphs: vec![paragraph] }] }
    }

    fn line(starts: &str, ends: &str, no_answer: &str) -> String {
        format!(r#"{{"id": "a", "starts": {starts}, "ends": {ends}, "no_answer": {no_answer}}}"#)
    }

    #[test]
    fn lines_are_read() {
        let dataset = dataset();
        let mut answers = TeacherAnswers::new(&dataset);
        let second = r#"{"no_answer": [0, 1e-9], "ends": [], "starts": [[0, 1]], "id": "b", "more": {}}"#;
        let file = format!("\n{}\r\n{second}\n", line("[[5, 0.1875], [0, 0.0625]]", "[[9,0.5], [1, 0]]", "[0.25,0.5]"));
        answers.add("f", file.as_bytes()).unwrap();
        assert_eq!(answers.missing(), 1); // of the second line, the ends sum to less than a millionth
        let [starts, ends] = &answers.get("a").unwrap().sides;
        let shares = |side: &TeacherSide| side.shares.iter().map(|own| (own.byte, own.share)).collect::<Vec<_>>();
        assert_eq!((shares(starts), starts.no_answer), (vec![(6, 0.375), (0, 0.125)], 0.5));
        assert_eq!((shares(ends), ends.no_answer), (vec![(11, 0.5), (2, 0.0)], 0.5));

        let sum = answers.checksum();
        answers.add("g", second.replace("1e-9", "1").as_bytes()).unwrap();
        assert!(answers.missing() == 0 && answers.checksum() != sum);
    }

    #[test]
    fn what_is_written_is_read() {
        let dataset = dataset();
        let endpoint = |(byte, probability): (usize, f64)| Endpoint { byte, probability };
        let starts = [(4, 0.5), (0, 0.25), (1, 0.0625), (12, 0.0625)].map(endpoint).into();
        let ends = [(12, 0.5), (1, 0.25), (3, 0.0625), (13, 0.0625)].map(endpoint).into();
        let endpoints = Endpoints { starts, ends, no_answer: [0.125, 0.1] };
        // The document has a character before the paragraph and one after it.
        let line = teacher_answer_line("a", ".é ab é cd.", ByteSpan { start: 1, end: 12 }, &endpoints);
        let expected =
            r#"{"id":"a","starts":[[2,0.5],[0,0.0625]],"ends":[[9,0.5],[1,0.0625]],"no_answer":[0.125,0.1]}"#;
        assert_eq!(line, expected);
        TeacherAnswers::new(&dataset).add("f", line.as_bytes()).unwrap();
    }

    #[test]
    fn errors_have_a_place() {
        let (dataset, none) = (dataset(), "[0, 0]");
        let check = |line: &str, expected: &str| {
            let error = TeacherAnswers::new(&dataset).add("t.jsonl", line.as_bytes()).expect_err("no error");
            assert_eq!(error.to_string(), format!("`t.jsonl`: {expected}"));
        };
        check(" \n", "empty: expected a line of JSON for each question");
        check("\n{\"id\": \"a\"", "line 2: EOF while parsing an object at column 10");
        check("[]", "line 1: invalid type: sequence, expected an object with `id` at column 0");
        check("{}", "line 1: no `id`");
        check(r#"{"id": 3}"#, "line 1: `id` is the number 3, expected text");
        check(r#"{"id": "c"}"#, "line 1: question `c`: the data do not have it");
        let sound = line("[]", "[]", "[1, 1]");
        check(&format!("{sound}\n{sound}"), "line 2: question `a`: another line has the same id");
        for (starts, ends, no_answer, expected) in [
            ("null", "[]", none, "no `starts`"),
            ("[]", "[]", "null", "no `no_answer`"),
            ("[]", "[]", "[1]", "`no_answer` has [1], expected two probabilities"),
            ("[]", "[]", "0.5", "`no_answer` has the number 0.5, expected two probabilities"),
            ("[]", "[]", "[2, 0]", "`no_answer` has the probability 2, expected 0 to 1"),
            ("{}", "[]", none, "`starts` has an object, expected a list"),
            ("[1]", "[]", none, "`starts` has the number 1, expected pairs of a character and a probability"),
            ("[[1, 1, 1]]", "[]", none, "`starts` has [1, 1, 1], expected pairs of a character and a probability"),
            ("[[-1, 1]]", "[]", none, "`starts` has [-1, 1], expected pairs of a character and a probability"),
            ("[[1, 1e999]]", "[]", none, "`starts` has [1, 1e999], expected pairs of a character and a probability"),
            (
                "[[1, \"NaN\"]]",
                "[]",
                none,
                "`starts` has [1, \"NaN\"], expected pairs of a character and a probability",
            ),
            ("[[1, -0.1]]", "[]", none, "`starts` has the probability -0.1, expected 0 to 1"),
            ("[[9, 0.1]]", "[]", none, "`starts` has 9, the paragraph has 9 characters"),
            ("[[0, 1]]", "[[0, 0.1]]", none, "`ends` has 0, the paragraph has 9 characters"),
            ("[[0, 1]]", "[[10, 0.1]]", none, "`ends` has 10, the paragraph has 9 characters"),
            (
                "[[0, 0.9], [1, 0.1]]",
                "[]",
                "[0.1, 0]",
                "the probabilities of `starts` and of no answer sum to 1.100, expected 1 at most",
            ),
        ] {
            check(&line(starts, ends, no_answer), &format!("line 1: question `a`: {expected}"));
        }
    }
}
