//! SQuAD: the data and the official figures.
//!
//! ```text
//! read         JSON → dataset, checked
//! write        dataset → JSON
//! context      paragraphs among their neighbours: the same questions about longer documents
//! metrics      exact match and F1 of predictions, as evaluate-v2.0.py counts them
//! ranking      its best thresholds and precision-recall curves, from predictions with their null odds
//! official     the files of predictions that it reads, the figures as it prints them
//! ```
//!
//! The files of SQuAD v1.1 and v2.0, and of everything that has taken over their form. Offsets are characters there
//! and bytes here.

mod context;
pub mod metrics;
pub mod official;
pub mod ranking;
mod read;
mod write;

pub(crate) use context::{BREAK, joined_text, neighbours};

use crate::tokenizer::ByteSpan;
use crate::{Result, random};

/// The content of SQuAD files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// The articles, in the order of the files.
    pub articles: Vec<Article>,
}

/// Paragraphs under one title.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Article {
    /// Empty where the file has none.
    pub title: String,
    /// The paragraphs, in order.
    pub paragraphs: Vec<Paragraph>,
}

/// A text and the questions about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paragraph {
    /// The text.
    pub context: String,
    /// The questions, in order.
    pub questions: Vec<SquadQuestion>,
}

/// A question with its answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SquadQuestion {
    /// Unlike every other id of the dataset.
    pub id: String,
    /// The question itself.
    pub question: String,
    /// What people marked as the answer; empty where the text does not answer.
    pub answers: Vec<Gold>,
    /// What the file says of it; false in version 1.1, which does not say. The official evaluation goes by `answers`.
    pub is_impossible: bool,
}

/// An answer that somebody marked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gold {
    /// Its text: `context[bytes.start..bytes.end]`.
    pub text: String,
    /// Its place in the context.
    pub bytes: ByteSpan,
}

impl Dataset {
    /// Reads the content of a SQuAD file; `file` is its name in messages.
    ///
    /// `plausible_answers` and keys that SQuAD does not have are ignored, `title` and `is_impossible` may be missing, and
    /// an id may be a whole number.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) with line and column where this is not JSON; with article, paragraph
    /// (both counted from 1) and question where a key is missing or has another type, an answer does not stand where it
    /// is said to, or an id comes twice.
    ///
    /// ```
    /// let json = br#"{"data": [{"title": "Caf\u00e9s", "paragraphs": [{"context": "Caf\u00e9 Central", "qas": [
    ///     {"id": "1", "question": "Which caf\u00e9?", "answers": [{"text": "Central", "answer_start": 5}]}]}]}]}"#;
    /// let dataset = longspan::squad::Dataset::parse("cafes.json", json)?;
    /// let (paragraph, question) = dataset.questions().next().unwrap();
    /// let bytes = question.answers[0].bytes;
    /// assert_eq!(&paragraph.context[bytes.start..bytes.end], "Central");
    /// # Ok::<(), longspan::Error>(())
    /// ```
    pub fn parse(file: &str, json: &[u8]) -> Result<Self> {
        let mut dataset = Self::default();
        dataset.add(file, json, &mut Err)?;
        Ok(dataset)
    }

    /// Adds the content of another file. What is wrong with an article, a paragraph or a question goes to `bad`, and is
    /// left out where that returns `Ok`.
    ///
    /// # Errors
    /// As [`Dataset::parse`]: what is no JSON, and what `bad` gives back.
    pub fn add(&mut self, file: &str, json: &[u8], bad: &mut dyn FnMut(crate::Error) -> Result<()>) -> Result<()> {
        read::add(self, file, json, bad)
    }

    /// All questions with their paragraphs, in the order of the files.
    pub fn questions(&self) -> impl Iterator<Item = (&Paragraph, &SquadQuestion)> {
        let paragraphs = self.articles.iter().flat_map(|article| &article.paragraphs);
        paragraphs.flat_map(|paragraph| paragraph.questions.iter().map(move |question| (paragraph, question)))
    }

    /// Keeps `count` questions, drawn at random but the same for the same seed and ids; paragraphs and articles stay.
    pub fn sample(&mut self, count: usize, seed: u64) {
        let draw = |question: &SquadQuestion| {
            let bytes: Vec<u64> = question.id.bytes().map(u64::from).collect();
            random::number(seed, &bytes)
        };
        let mut drawn: Vec<u64> = self.questions().map(|(_, question)| draw(question)).collect();
        if count >= drawn.len() {
            return;
        }
        let first_left_out = *drawn.select_nth_unstable(count).1;
        for paragraph in self.articles.iter_mut().flat_map(|article| &mut article.paragraphs) {
            paragraph.questions.retain(|question| draw(question) < first_left_out);
        }
    }

    /// The same questions about longer documents: every paragraph that has questions is put among its neighbours in its
    /// article, whole ones and in their order, until another would make the document longer than `tokens`.
    ///
    /// How much stands before the paragraph is drawn at random, the same for the same seed, so that answers lie anywhere
    /// in the documents. Paragraphs are set apart by an empty line. A question that its own paragraph does not answer may
    /// be answered by a neighbour: then the gold answers are wrong.
    ///
    /// - `count`: tokens of a text
    ///
    /// # Errors
    /// What `count` says.
    pub fn among_neighbours(&self, tokens: usize, seed: u64, count: impl FnMut(&str) -> Result<usize>) -> Result<Self> {
        context::among_neighbours(self, tokens, seed, count)
    }

    /// Writes a file of version 2.0.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl std::io::Write) -> std::io::Result<()> {
        write::write(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_part_and_the_same_every_time() {
        let question = |id: usize| SquadQuestion { id: format!("q{id}"), ..Default::default() };
        let paragraph =
            |first: usize| Paragraph { context: String::new(), questions: (first..first + 10).map(question).collect() };
        let paragraphs = (0..50).map(|number| paragraph(10 * number)).collect();
        let whole = Dataset { articles: vec![Article { title: String::new(), paragraphs }] };
        let ids = |count: usize, seed: u64| {
            let mut sample = whole.clone();
            sample.sample(count, seed);
            assert_eq!(sample.articles[0].paragraphs.len(), 50);
            sample.questions().map(|(_, question)| question.id.clone()).collect::<Vec<_>>()
        };
        for count in [0, 1, 7, 499, 500, 501] {
            assert_eq!(ids(count, 1).len(), count.min(500));
        }
        assert_eq!(ids(20, 1), ids(20, 1));
        assert_ne!(ids(20, 1), ids(20, 2));
        assert!(ids(20, 1).iter().all(|id| ids(40, 1).contains(id)));
    }
}
