//! SQuAD: the data and the official metrics.
//!
//! ```text
//! read         JSON → dataset, checked
//! write        dataset → JSON
//! context      paragraphs in context: the same questions about longer documents
//! metrics      exact match and F1 of predictions, as evaluate-v2.0.py computes them
//! ranking      its best thresholds and precision-recall curves, from predictions with null odds
//! official     the files of predictions that it reads, and its output
//! ```
//!
//! This reads SQuAD v1.1 and v2.0, and all other files of that form. Their offsets are characters; here they are bytes.

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
    /// Its id, which is unique in the dataset.
    pub id: String,
    /// The text of the question.
    pub question: String,
    /// The gold answers; empty where the text does not answer the question.
    pub answers: Vec<Gold>,
    /// The value in the file; false in version 1.1, which has none. The official evaluation uses `answers` instead.
    pub is_impossible: bool,
}

/// An answer that an annotator marked.
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
    /// (both counted from 1) and question where a key is missing or has another type, an answer is not at its
    /// `answer_start`, or an id is not unique.
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

    /// Adds the content of another file. An error of an article, a paragraph or a question goes to `bad`; where that
    /// returns `Ok`, the part is left out.
    ///
    /// # Errors
    /// As [`Dataset::parse`] where the file is not JSON, and the errors that `bad` returns.
    pub fn add(&mut self, file: &str, json: &[u8], bad: &mut dyn FnMut(crate::Error) -> Result<()>) -> Result<()> {
        read::add(self, file, json, bad)
    }

    /// All questions with their paragraphs, in the order of the files.
    pub fn questions(&self) -> impl Iterator<Item = (&Paragraph, &SquadQuestion)> {
        let paragraphs = self.articles.iter().flat_map(|article| &article.paragraphs);
        paragraphs.flat_map(|paragraph| paragraph.questions.iter().map(move |question| (paragraph, question)))
    }

    /// Keeps `count` questions, drawn at random; the draw depends on the seed and the ids alone. Paragraphs and articles
    /// stay.
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

    /// The same questions about longer documents: every paragraph that has questions is joined with its neighbours in the
    /// article, whole and in order, until another one would make the document longer than `tokens`.
    ///
    /// How much comes before the paragraph is drawn at random from the seed, so that answers lie anywhere in the documents.
    /// An empty line separates paragraphs. A question that its own paragraph does not answer may be answered by a
    /// neighbour: then the gold answers are wrong.
    ///
    /// - `count`: gives the number of tokens of a text
    ///
    /// # Errors
    /// Those of `count`.
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
    fn a_sample_is_a_subset_and_reproducible() {
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
