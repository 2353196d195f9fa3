//! SQuAD data → inputs with the answers that they teach.
//!
//! ```text
//! order        which inputs an epoch has, and in which steps
//! ```
//!
//! Documents and questions are tokenized once. A document that fits into an input with its question is one input, a longer
//! one is cut into the windows of the reader. An input teaches the gold answers that lie in it as a whole, or that there is
//! none: as the SQuAD script has it, an answer that the border of a window cuts counts as not being there.

mod order;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

pub use order::{Form, Place};

use super::DataSettings;
use super::loss::Golds;
use crate::config::Config;
use crate::model::{Batch, Sequence};
use crate::reader::{GlobalAttention, Plan, ReadOptions, ReaderInput, ReaderSettings, windows};
use crate::squad::{self, BREAK, Dataset, joined_text};
use crate::tokenizer::{ByteSpan, ByteSpan32, Tokenizer, Tokens};
use crate::{Error, Result, random};

/// One input with what it teaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Token ids: (T).
    pub ids: Vec<u32>,
    /// Token types: (T).
    pub token_type_ids: Vec<u32>,
    /// Positions with global attention, ascending.
    pub globals: Vec<usize>,
    /// From which token on positions are shifted, and by how many: see [`Batch::push_shifted`].
    pub shift: (usize, usize),
    /// What it teaches, as positions in it.
    pub answers: Golds,
}

/// Data, tokenized, from which the inputs of each epoch are made. They are a function of the data, the settings, the seed
/// and the number of the epoch.
///
/// Memory: 4 bytes a token of the documents and questions, and about 100 bytes a question.
#[derive(Debug)]
pub struct Examples<'a> {
    tokenizer: &'a Tokenizer,
    settings: DataSettings,
    separators: usize,
    /// Positions that the model has.
    positions: usize,
    seed: u64,
    articles: Vec<Article<'a>>,
    documents: Vec<Document>,
    questions: Vec<Question<'a>>,
    /// With it, a question that can be is asked about its paragraph among the neighbours.
    long_probability: f64,
}

#[derive(Debug)]
struct Article<'a> {
    paragraphs: &'a [squad::Paragraph],
    /// Tokens of each paragraph with the break before it; empty where nobody will ask.
    lengths: Vec<usize>,
}

/// A paragraph with its own questions.
#[derive(Debug)]
struct Document {
    article: usize,
    /// Its place in the article.
    paragraph: usize,
    ids: Vec<u32>,
}

#[derive(Debug)]
struct Question<'a> {
    data: &'a squad::SquadQuestion,
    /// Its document among all documents.
    document: usize,
    ids: Vec<u32>,
    /// In the document.
    answers: Golds,
    /// Tokens of the document in an input, at most.
    room: usize,
    doc_stride: usize,
}

impl<'a> Examples<'a> {
    /// Tokenizes the data, in parallel.
    ///
    /// An answer without a token, such as white space, is none; the official evaluation takes such answers so too.
    ///
    /// - `separators`: how many stand between question and document
    ///
    /// # Errors
    /// [`Error::Question`] for the first question that the reader could not be asked: that is empty, or about an empty
    /// document, or leaves no room for it. [`Error::Option`] for a setting that is out of its range, [`Error::NoData`]
    /// for data without a question.
    pub fn new(
        dataset: &'a Dataset,
        tokenizer: &'a Tokenizer,
        config: &Config,
        separators: usize,
        settings: &DataSettings,
        seed: u64,
    ) -> Result<Self> {
        check(settings)?;
        let plan = |tokens: usize| {
            let DataSettings { max_tokens, doc_stride, .. } = *settings;
            let options = ReadOptions { max_tokens: Some(max_tokens), doc_stride, ..ReadOptions::default() };
            Plan::new(&options, &ReaderSettings { separators, ..ReaderSettings::default() }, config, tokens)
        };
        plan(1)?; // what no question could do anything about is not said of the first one
        let prepare = |&(article, paragraph): &(usize, usize)| {
            let paragraphs = &dataset.articles[article].paragraphs;
            let among = settings.long_share > 0.0 && paragraphs.len() > 1;
            prepared(&paragraphs[paragraph], tokenizer, among, &plan)
        };
        let sizes = dataset.articles.iter().map(|article| article.paragraphs.len()).enumerate();
        let places: Vec<_> = sizes.flat_map(|(article, count)| (0..count).map(move |p| (article, p))).collect();
        // All are prepared before the first error is looked for: it is the first one of the data.
        let prepared: Vec<Result<Prepared<'a>>> = places.par_iter().map(prepare).collect();

        let article = |article: &'a squad::Article| Article { paragraphs: &article.paragraphs, lengths: Vec::new() };
        let articles = dataset.articles.iter().map(article).collect();
        let (documents, questions) = (Vec::new(), Vec::new());
        let (settings, positions) = (settings.clone(), config.max_tokens());
        let seed = random::number(seed, &[u64::from_le_bytes(*b"examples")]);
        let long_probability = 0.0;
        let mut examples =
            Self { tokenizer, settings, separators, positions, seed, articles, documents, questions, long_probability };
        for ((article, paragraph), prepared) in places.into_iter().zip(prepared) {
            let Prepared { ids, length, questions } = prepared?;
            examples.articles[article].lengths.extend(length);
            if !questions.is_empty() {
                let document = examples.documents.len();
                examples.questions.extend(questions.into_iter().map(|question| Question { document, ..question }));
                examples.documents.push(Document { article, paragraph, ids });
            }
        }
        if examples.questions.is_empty() {
            return Err(Error::NoData("the data have no question".into()));
        }
        examples.long_probability = examples.long_probability();
        Ok(examples)
    }

    /// The id of the question of an input.
    #[cfg(test)]
    fn id(&self, place: &Place) -> &'a str {
        &self.questions[place.question as usize].data.id
    }

    /// Makes the input of a place.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    ///
    /// # Panics
    /// Perhaps, if the place is one of other examples.
    pub fn example(&self, place: &Place) -> Result<Example> {
        let question = &self.questions[place.question as usize];
        let document = &self.documents[question.document].ids;
        let (document, answers) = match place.form {
            Form::Window(w) => {
                let range = self.windows(question).swap_remove(w as usize);
                (Cow::Borrowed(&document[range.clone()]), answers_within(&question.answers, &range).collect())
            }
            Form::Among { first, end } => self.among_neighbours(question, first as usize..end as usize)?,
        };
        let ReaderInput { ids, token_type_ids, before } =
            ReaderInput::new(self.tokenizer, self.separators, &question.ids, &document);
        Ok(Example {
            globals: GlobalAttention::default().positions(1 + question.ids.len(), ids.len()),
            shift: (before, (place.shift as usize).min(self.positions - ids.len())),
            answers: answers.into_iter().map(|(first, last)| (before + first, before + last)).collect(),
            ids,
            token_type_ids,
        })
    }

    /// Makes the inputs of a pass, with the gold answers of each.
    ///
    /// # Errors
    /// As [`Examples::example`].
    ///
    /// # Panics
    /// As [`Examples::example`].
    pub fn batch(&self, pass: &[Place]) -> Result<(Batch, Vec<Golds>)> {
        let mut batch = Batch::new();
        let mut answers = Vec::with_capacity(pass.len());
        for place in pass {
            let example = self.example(place)?;
            let (from, shift) = example.shift;
            let Example { ids, token_type_ids, globals, .. } = &example;
            batch.push_shifted(Sequence { ids, token_type_ids, globals }, from, shift);
            answers.push(example.answers);
        }
        Ok((batch, answers))
    }

    /// The windows in which the document of a question is read.
    fn windows(&self, question: &Question<'_>) -> Vec<Range<usize>> {
        let tokens = self.documents[question.document].ids.len();
        let windows = windows(tokens, question.room, question.doc_stride);
        windows.into_iter().map(|window| window.tokens).collect()
    }

    /// Tokens of an input with so many tokens of the document.
    fn input_tokens(&self, question: &Question<'_>, document: usize) -> usize {
        1 + question.ids.len() + self.separators + document + 1
    }

    /// Tokens and answers of the paragraphs of `run` as one document.
    ///
    /// The text is tokenized as a whole, as the evaluation does it: no tokenizer has to give the same for its parts. Where
    /// that makes it longer than the sum of its parts said, and too long for the input, the paragraph stays alone.
    fn among_neighbours(&self, question: &'a Question<'_>, run: Range<usize>) -> Result<(Cow<'_, [u32]>, Golds)> {
        let document = &self.documents[question.document];
        let (text, start) = joined_text(self.articles[document.article].paragraphs, document.paragraph, run);
        let tokens = self.tokenizer.encode(&text)?;
        if tokens.ids.len() > question.room {
            return Ok((Cow::Borrowed(&document.ids), question.answers.clone()));
        }
        let answers = answers_in(question.data, &text, start, &tokens);
        Ok((Cow::Owned(tokens.ids), answers))
    }
}

fn check(settings: &DataSettings) -> Result<()> {
    for (name, share) in [
        ("long_share", settings.long_share),
        ("random_positions", settings.random_positions),
        ("negative_windows", settings.negative_windows),
    ] {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::option(name, format!("{share}: expected 0 to 1")));
        }
    }
    let (least, most) = (settings.context_tokens.start(), settings.context_tokens.end());
    if least > most {
        return Err(Error::option("context_tokens", format!("{least}..{most}: expected the smaller number first")));
    }
    Ok(())
}

/// A paragraph, tokenized.
struct Prepared<'a> {
    ids: Vec<u32>,
    /// Its tokens with the break before it, where that is asked for.
    length: Option<usize>,
    questions: Vec<Question<'a>>,
}

fn prepared<'a>(
    paragraph: &'a squad::Paragraph,
    tokenizer: &Tokenizer,
    among: bool,
    plan: &impl Fn(usize) -> Result<Plan>,
) -> Result<Prepared<'a>> {
    let count = || Ok(tokenizer.encode(&format!("{BREAK}{}", paragraph.context))?.ids.len());
    let length = among.then(count).transpose()?;
    let Some(first) = paragraph.questions.first() else {
        return Ok(Prepared { ids: Vec::new(), length, questions: Vec::new() });
    };
    let of =
        |data: &squad::SquadQuestion, source: Error| Error::Question { id: data.id.clone(), source: Box::new(source) };
    let tokens = tokenizer.encode(&paragraph.context).map_err(|error| of(first, error))?;
    if tokens.is_blank() {
        return Err(of(first, Error::EmptyDocument));
    }
    let question = |data: &'a squad::SquadQuestion| {
        let own = tokenizer.encode(&data.question)?;
        if own.is_blank() {
            return Err(Error::EmptyQuestion);
        }
        let Plan { room, doc_stride, .. } = plan(own.ids.len())?;
        let answers = answers_in(data, &paragraph.context, 0, &tokens);
        Ok(Question { data, document: 0, ids: own.ids, answers, room, doc_stride })
    };
    let questions = paragraph.questions.iter().map(|data| question(data).map_err(|error| of(data, error)));
    Ok(Prepared { length, questions: questions.collect::<Result<_>>()?, ids: tokens.ids })
}

/// The gold answers as first and last tokens of a text in which the paragraph of the question starts `at` this byte;
/// ascending, each once.
fn answers_in(question: &squad::SquadQuestion, text: &str, at: usize, tokens: &Tokens) -> Golds {
    let place = |gold: &squad::Gold| ByteSpan { start: at + gold.bytes.start, end: at + gold.bytes.end };
    let mut answers: Vec<_> =
        question.answers.iter().filter_map(|gold| tokens_of(text, place(gold), &tokens.spans)).collect();
    answers.sort_unstable();
    answers.dedup();
    answers
}

/// The first and the last token that have a character of `text[bytes]`, white space left out.
fn tokens_of(text: &str, bytes: ByteSpan, spans: &[ByteSpan32]) -> Option<(usize, usize)> {
    let end = bytes.start + text[bytes.start..bytes.end].trim_end().len();
    let start = end - text[bytes.start..end].trim_start().len();
    if start == end {
        return None;
    }
    let first = spans.partition_point(|token| token.end as usize <= start);
    let behind = spans.partition_point(|token| (token.start as usize) < end);
    // Tokens of white space alone have empty spans and are no ends of an answer.
    let has_text = |&t: &usize| !spans[t].is_empty();
    let mut own = (first..behind).filter(has_text);
    let first = own.next()?;
    Some((first, own.next_back().unwrap_or(first)))
}

/// Those answers that lie in a window as a whole, counted from its first token.
fn answers_within<'q>(
    answers: &'q [(usize, usize)],
    window: &'q Range<usize>,
) -> impl Iterator<Item = (usize, usize)> + 'q {
    let inside = answers.iter().filter(|(first, last)| *first >= window.start && *last < window.end);
    inside.map(|(first, last)| (first - window.start, last - window.start))
}
