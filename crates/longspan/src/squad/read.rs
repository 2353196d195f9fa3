//! JSON → [`Dataset`]; everything is checked, so that no one trains or measures on data that contradict themselves.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::value::RawValue;

use super::places::StatedAnswer;
use super::{Article, Dataset, DatasetOptions, Gold, Paragraph, PlaceNotes, SquadQuestion};
use crate::error::excerpt;
use crate::json::{self, Elements, MemoryBudget, kind};
use crate::{Error, FormatKind, Result};

/// A checked value, or a message with the place of the error.
type Checked<T> = std::result::Result<T, String>;

impl Dataset {
    /// Reads the content of a SQuAD file; `file` is its name in messages. Its data are articles, or rows as Hugging Face's
    /// datasets have them, each a question with its context: in `data`, in a list, or on lines of their own. Answers are a list
    /// of objects, or an object of lists, and may be missing where `is_impossible` is true. The text of an answer is that of
    /// its context, which may have other white space.
    ///
    /// `plausible_answers` and keys that SQuAD does not have are ignored, `title` and `is_impossible` may be missing, and
    /// an id may be a whole number. Of equal keys the last counts. What is ignored takes no memory; the dataset takes at
    /// most 56 MB and three times the length of the JSON.
    ///
    /// # Errors
    /// [`Error::Format`] with line and column where this is not JSON; with article, paragraph (both counted from 1) and
    /// question where a key is missing or has another type, an answer is not at its `answer_start`, or an id is not unique.
    /// [`Dataset::add`] can do otherwise.
    ///
    /// ```
    /// let json = br#"{"data": [{"title": "Caf\u00e9s", "paragraphs": [{"context": "Caf\u00e9 Central", "qas": [
    ///     {"id": "1", "question": "Which caf\u00e9?", "answers": [{"text": "Central", "answer_start": 5}]}]}]}]}"#;
    /// let dataset = longspan::squad::Dataset::parse("cafes.json", json)?;
    /// let (paragraph, question) = dataset.questions().next().unwrap();
    /// let bytes = question.answers[0].bytes.unwrap();
    /// assert_eq!(&paragraph.context[bytes.start..bytes.end], "Central");
    /// # Ok::<(), longspan::Error>(())
    /// ```
    pub fn parse(file: &str, json: &[u8]) -> Result<Self> {
        let mut dataset = Self::default();
        dataset.add(file, json, DatasetOptions::default(), &mut Err)?;
        Ok(dataset)
    }

    /// Adds the content of another file. An error of an article, a paragraph or a question goes to `bad`; where that
    /// returns `Ok`, the part is left out. Gives what is to be known of the places of answers.
    ///
    /// # Errors
    /// As [`Dataset::parse`] where the file is not JSON, and the errors that `bad` returns.
    pub fn add(
        &mut self,
        file: &str,
        json: &[u8],
        options: DatasetOptions,
        bad: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<PlaceNotes> {
        let error = |message: String| Error::format(file, FormatKind::Dataset, message);
        let json = json.strip_prefix("\u{feff}".as_bytes()).unwrap_or(json);
        if json.trim_ascii().is_empty() {
            return Err(error("empty: expected SQuAD data".to_owned()));
        }
        let mut reading = DatasetReader {
            options,
            notes: PlaceNotes::default(),
            ids: self.questions().map(|(_, question)| question.id.clone()).collect(),
            titles: HashMap::new(),
            rows: HashMap::new(),
            memory: MemoryBudget::of(json),
            kind: FormatKind::Dataset,
            bad: &mut |kind, message| bad(Error::format(file, kind, message)),
        };
        for (number, part) in (1..).zip(parts(json).map_err(error)?) {
            reading.part(&mut self.articles, number, part)?;
        }
        Ok(reading.notes)
    }
}

/// The articles or rows of a file: those in `data`, those of a list, or one on each line.
///
/// # Errors
/// Where this is not JSON, or something else.
fn parts(json: &[u8]) -> Checked<Box<dyn Iterator<Item = &RawValue> + '_>> {
    let lines = || serde_json::Deserializer::from_slice(json).into_iter::<&RawValue>();
    let mut from_first = lines();
    let first = match from_first.next() {
        Some(Ok(first)) if !json[from_first.byte_offset()..].trim_ascii().is_empty() => {
            // Every line is checked before one is used.
            from_first.try_for_each(|line| line.map(drop)).map_err(|e| json::message(&e))?;
            return Ok(Box::new([first].into_iter().chain(lines().skip(1).flatten())));
        }
        Some(Ok(first)) => first,
        _ => return Err(json::fields(json, ["data"]).map_or_else(|e| json::message(&e), |_| "no `data`".into())),
    };
    if let Some(list) = json::elements(first) {
        return Ok(Box::new(list));
    }
    let keys = ["data", "context", "question", "paragraphs"];
    let [data, context, question, paragraphs] = json::fields(json, keys).map_err(|e| json::message(&e))?;
    match (data, context.or(question).or(paragraphs)) {
        (Some(data), _) => {
            let list = json::elements(data).ok_or_else(|| format!("`data` is {}, expected a list", kind(data)))?;
            Ok(Box::new(list))
        }
        (None, Some(_)) => Ok(Box::new([first].into_iter())),
        (None, None) => Err("no `data`".into()),
    }
}

/// Reads one file, one part after the other. An error goes to `bad`; where that returns `Ok`, the part is left out.
struct DatasetReader<'a> {
    options: DatasetOptions,
    notes: PlaceNotes,
    ids: HashSet<String>,
    /// The article of each title, and the article and paragraph of each title and context, of rows.
    titles: HashMap<String, usize>,
    rows: HashMap<u64, (usize, usize)>,
    memory: MemoryBudget,
    /// That of the error of the part that is read.
    kind: FormatKind,
    bad: &'a mut dyn FnMut(FormatKind, String) -> Result<()>,
}

impl DatasetReader<'_> {
    /// The checked value, or `None` where there is an error and `bad` allows it.
    fn sound<T>(&mut self, checked: Checked<T>) -> Result<Option<T>> {
        match checked {
            Ok(sound) => Ok(Some(sound)),
            Err(message) => {
                let kind = std::mem::replace(&mut self.kind, FormatKind::Dataset);
                (self.bad)(kind, message).map(|()| None)
            }
        }
    }

    /// Takes memory for a part and its texts.
    fn take<T>(&mut self, place: &str, texts: &[&str]) -> Checked<()> {
        self.memory.take(size_of::<T>(), texts).map_err(|error| format!("{place}: {error}"))
    }

    /// An article, or a row.
    fn part(&mut self, articles: &mut Vec<Article>, number: usize, json: &RawValue) -> Result<()> {
        let keys = json::fields(json.get().as_bytes(), ["context", "question", "paragraphs"]);
        if let Ok([Some(_), _, None] | [_, Some(_), None]) = keys {
            return self.row(articles, number, json);
        }
        if let Some(article) = self.article(number, json)? {
            json::push(articles, article);
        }
        Ok(())
    }

    fn article(&mut self, number: usize, json: &RawValue) -> Result<Option<Article>> {
        let place = format!("article {number}");
        let checked = self.article_head(place, json);
        let Some(ArticleHead { title, place, paragraphs: list }) = self.sound(checked)? else { return Ok(None) };
        let mut paragraphs = Vec::new();
        for (number, paragraph) in (1..).zip(list) {
            if let Some(paragraph) = self.paragraph(&format!("{place}, paragraph {number}"), paragraph)? {
                json::push(&mut paragraphs, paragraph);
            }
        }
        Ok(Some(Article { title, paragraphs }))
    }

    fn article_head<'j>(&mut self, place: String, json: &'j RawValue) -> Checked<ArticleHead<'j>> {
        let [paragraphs, title] = values(json, &place, ["paragraphs", "title"])?;
        let title = title.map_or(Ok(String::new()), |title| text(Some(title), &place, "title"))?;
        let place = if title.is_empty() { place } else { format!("{place} `{}`", excerpt(&title)) };
        self.take::<Article>(&place, &[&title])?;
        let paragraphs = list(paragraphs, &place, "paragraphs")?;
        Ok(ArticleHead { title, place, paragraphs })
    }

    fn paragraph(&mut self, place: &str, json: &RawValue) -> Result<Option<Paragraph>> {
        let checked = self.context(place, json);
        let Some(ParagraphHead { context, questions: list }) = self.sound(checked)? else { return Ok(None) };
        let mut questions = Vec::new();
        for (number, json) in (1..).zip(list) {
            let checked = self.question(place, &format!("{place}, question {number}"), json, &context);
            if let Some(question) = self.sound(checked)? {
                json::push(&mut questions, question);
            }
        }
        Ok(Some(Paragraph { context, questions }))
    }

    fn context<'j>(&mut self, place: &str, json: &'j RawValue) -> Checked<ParagraphHead<'j>> {
        let [context, questions] = values(json, place, ["context", "qas"])?;
        let context = text(context, place, "context")?;
        self.take::<Paragraph>(place, &[&context])?;
        Ok(ParagraphHead { context, questions: list(questions, place, "qas")? })
    }

    /// - `at`: what messages call the question as long as its id is not known
    fn question(&mut self, place: &str, at: &str, json: &RawValue, context: &str) -> Checked<SquadQuestion> {
        let [id, question, answers, is_impossible] = values(json, at, ["id", "question", "answers", "is_impossible"])?;
        let id = required(id, at, "id")?;
        let id = if kind(id).starts_with("the number") { id.get().to_owned() } else { text(Some(id), at, "id")? };
        let place = format!("{place}, question `{}`", excerpt(&id));
        if self.ids.contains(&id) {
            return Err(format!("{place}: another question has the same id"));
        }
        let question = text(question, &place, "question")?;
        let is_impossible = match is_impossible.map(RawValue::get) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(unexpected(is_impossible, &place, "is_impossible", "true or false")),
        };
        let mut gold_answers = Vec::new();
        if answers.is_some() || !is_impossible {
            stated(required(answers, &place, "answers")?, &place, &mut |answer| {
                let placed = answer.placed(context, self.options, &mut self.notes, &place);
                let gold = placed.inspect_err(|_| self.kind = FormatKind::AnswerPlace)?;
                self.take::<Gold>(&place, &[&gold.text])?;
                json::push(&mut gold_answers, gold);
                Ok(())
            })?;
        }
        self.take::<(SquadQuestion, [String; 2])>(&place, &[&id, &id, &question])?;
        self.ids.insert(id.clone());
        Ok(SquadQuestion { id, question, answers: gold_answers, is_impossible })
    }

    /// A row: a question with its own context. Rows of one title and context are one paragraph, wherever they stand.
    fn row(&mut self, articles: &mut Vec<Article>, number: usize, json: &RawValue) -> Result<()> {
        let place = format!("row {number}");
        let checked = self.row_head(&place, json);
        let Some(head) = self.sound(checked)? else { return Ok(()) };
        let checked = self.question(&place, &place, json, &head.context);
        let Some(question) = self.sound(checked)? else { return Ok(()) };
        let (article, paragraph) = match self.known_row(articles, &head) {
            Some(known) => known,
            None => {
                let checked = self.new_paragraph(&place, articles, head);
                let Some(new) = self.sound(checked)? else { return Ok(()) };
                new
            }
        };
        json::push(&mut articles[article].paragraphs[paragraph].questions, question);
        Ok(())
    }

    fn row_head(&self, place: &str, json: &RawValue) -> Checked<RowHead> {
        let [context, title] = values(json, place, ["context", "title"])?;
        let context = text(context, place, "context")?;
        Ok(RowHead { title: title.map_or(Ok(String::new()), |title| text(Some(title), place, "title"))?, context })
    }

    fn known_row(&self, articles: &[Article], head: &RowHead) -> Option<(usize, usize)> {
        let (article, paragraph) = *self.rows.get(&hash(head))?;
        let is_same =
            articles[article].title == head.title && articles[article].paragraphs[paragraph].context == head.context;
        is_same.then_some((article, paragraph)) // two texts may have one hash
    }

    fn new_paragraph(&mut self, place: &str, articles: &mut Vec<Article>, head: RowHead) -> Checked<(usize, usize)> {
        self.take::<(Paragraph, [u64; 6])>(place, &[&head.context])?;
        let key = hash(&head);
        let RowHead { title, context } = head;
        let article = match self.titles.get(&title) {
            Some(article) => *article,
            None => {
                self.take::<(Article, String, usize)>(place, &[&title, &title])?;
                self.titles.insert(title.clone(), articles.len());
                json::push(articles, Article { title, paragraphs: Vec::new() });
                articles.len() - 1
            }
        };
        let paragraphs = &mut articles[article].paragraphs;
        json::push(paragraphs, Paragraph { context, questions: Vec::new() });
        self.rows.insert(key, (article, paragraphs.len() - 1));
        Ok((article, paragraphs.len() - 1))
    }
}

fn hash(head: &RowHead) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&head.title, &head.context).hash(&mut hasher);
    hasher.finish()
}

/// What a row has beside its question.
struct RowHead {
    title: String,
    context: String,
}

/// An article whose paragraphs are not read yet.
struct ArticleHead<'a> {
    title: String,
    place: String,
    paragraphs: Elements<'a>,
}

/// A paragraph whose questions are not read yet.
struct ParagraphHead<'a> {
    context: String,
    questions: Elements<'a>,
}

/// Takes the answers that a question states, one by one: a list of objects or texts, or lists of texts and starts in one
/// object, as Hugging Face's datasets have them.
fn stated(json: &RawValue, place: &str, take: &mut dyn FnMut(StatedAnswer) -> Checked<()>) -> Checked<()> {
    let one = |answer: &RawValue, at: Option<&RawValue>| {
        Ok::<_, String>(StatedAnswer { text: text(Some(answer), place, "text")?, start: start(at, place)? })
    };
    if let Some(mut answers) = json::elements(json) {
        return answers.try_for_each(|answer| match answer.get().starts_with('"') {
            true => take(one(answer, None)?),
            false => {
                let [answer, answer_start] = values(answer, place, ["text", "answer_start"])?;
                take(one(required(answer, place, "text")?, answer_start)?)
            }
        });
    }
    if !json.get().starts_with('{') {
        return Err(unexpected(Some(json), place, "answers", "a list"));
    }
    let [texts, starts] = values(json, place, ["text", "answer_start"])?;
    let texts = required(texts, place, "text")?;
    let Some(mut texts) = json::elements(texts) else { return take(one(texts, starts)?) };
    let mut starts = starts.map(|starts| list(Some(starts), place, "answer_start")).transpose()?;
    loop {
        let start = starts.as_mut().map(Iterator::next);
        match (texts.next(), start) {
            (Some(answer), None) => take(one(answer, None)?)?,
            (Some(answer), Some(Some(at))) => take(one(answer, Some(at).filter(|at| at.get() != "null"))?)?,
            (None, None | Some(None)) => return Ok(()),
            (answer, _) => {
                let more = if answer.is_some() { "text" } else { "answer_start" };
                return Err(format!("{place}: `text` and `answer_start` differ in length: `{more}` has more"));
            }
        }
    }
}

/// An `answer_start`, if it is stated.
fn start(value: Option<&RawValue>, place: &str) -> Checked<Option<i64>> {
    let whole = |value: &RawValue| value.get().parse::<i64>();
    value.map(whole).transpose().map_err(|_| unexpected(value, place, "answer_start", "a whole number"))
}

/// The values of keys of an object; the first key is the one that a message misses.
fn values<'a, const N: usize>(json: &'a RawValue, place: &str, keys: [&str; N]) -> Checked<[Option<&'a RawValue>; N]> {
    if !json.get().starts_with('{') {
        return Err(format!("{place}: {}, expected an object with `{}`", kind(json), keys[0]));
    }
    json::fields(json.get().as_bytes(), keys).map_err(|error| format!("{place}: {}", json::message(&error)))
}

fn required<'a>(value: Option<&'a RawValue>, place: &str, key: &str) -> Checked<&'a RawValue> {
    value.ok_or_else(|| format!("{place}: no `{key}`"))
}

fn text(value: Option<&RawValue>, place: &str, key: &str) -> Checked<String> {
    json::text(required(value, place, key)?).map_err(|error| format!("{place}: `{key}` {error}"))
}

fn list<'a>(value: Option<&'a RawValue>, place: &str, key: &str) -> Checked<Elements<'a>> {
    json::elements(required(value, place, key)?).ok_or_else(|| unexpected(value, place, key, "a list"))
}

fn unexpected(value: Option<&RawValue>, place: &str, key: &str, expected: &str) -> String {
    format!("{place}: `{key}` is {}, expected {expected}", value.map(kind).unwrap_or_default())
}

#[cfg(test)]
mod tests;
