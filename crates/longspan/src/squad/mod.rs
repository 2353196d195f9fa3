//! SQuAD: the data and the official metrics.
//!
//! ```text
//! read         JSON → dataset, checked, in all layouts
//! places       where gold answers stand in their contexts
//! write        dataset → JSON
//! context      paragraphs in context: the same questions about longer documents
//! unrelated    the same questions about documents that do not answer them
//! metrics      exact match and F1 of predictions, as evaluate-v2.0.py computes them
//! ranking      its best thresholds and precision-recall curves, from predictions with null odds
//! official     the files of predictions that it reads, and its output
//! ```
//!
//! This reads SQuAD v1.1 and v2.0, all other files of that form, and the rows of Hugging Face's datasets. Their offsets are
//! characters; here they are bytes.

mod context;
pub mod metrics;
pub mod official;
mod places;
pub mod ranking;
mod read;
mod unrelated;
mod write;

pub(crate) use context::{BREAK, joined_text, neighbours};
pub(crate) use places::byte_of_character;

pub use places::{AnswerOffsets, DatasetOptions, MisplacedAnswers, PlaceNotes};

use crate::random;
use crate::tokenizer::ByteSpan;

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
    /// Its text: `context[bytes.start..bytes.end]`, if it has a place.
    pub text: String,
    /// Its place in the context; `None` only of data that were read with [`MisplacedAnswers::Keep`].
    pub bytes: Option<ByteSpan>,
}

impl Dataset {
    /// All questions with their paragraphs, in the order of the files.
    pub fn questions(&self) -> impl Iterator<Item = (&Paragraph, &SquadQuestion)> {
        let paragraphs = self.articles.iter().flat_map(|article| &article.paragraphs);
        paragraphs.flat_map(|paragraph| paragraph.questions.iter().map(move |question| (paragraph, question)))
    }

    /// Keeps `count` questions, drawn at random; the draw depends on the seed and the ids alone. Paragraphs and articles
    /// stay.
    pub fn sample(&mut self, count: usize, seed: u64) {
        let draw = |question: &SquadQuestion| random::number(seed, &place(question));
        let mut drawn: Vec<u64> = self.questions().map(|(_, question)| draw(question)).collect();
        if count >= drawn.len() {
            return;
        }
        let first_left_out = *drawn.select_nth_unstable(count).1;
        for paragraph in self.articles.iter_mut().flat_map(|article| &mut article.paragraphs) {
            paragraph.questions.retain(|question| draw(question) < first_left_out);
        }
    }
}

/// The place of a question's random numbers.
fn place(question: &SquadQuestion) -> Vec<u64> {
    question.id.bytes().map(u64::from).collect()
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
