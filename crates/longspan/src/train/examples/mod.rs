//! SQuAD data → inputs with their gold answers.
//!
//! ```text
//! order        the inputs of an epoch, and their steps
//! teaching     saved answers of teachers, for the tokens of an input
//! ```
//!
//! Documents and questions are tokenized once. A document that fits into an input with its question is one input; a longer
//! one is cut into the windows of the reader. An input has the gold answers that lie in it entirely. As in the SQuAD script,
//! a window that cuts all answers has no answer.

mod order;
mod teaching;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::QaSettings;
use super::loss::GoldSpan;
use crate::config::Config;
use crate::evaluate::TeacherAnswers;
use crate::model::{Batch, PositionShift, Sequence};
use crate::reader::{GlobalAttention, Plan, ReadOptions, ReaderInput, ReaderSettings, windows};
use crate::squad::{self, BREAK, Dataset, joined_text};
use crate::tokenizer::{ByteSpan, ByteSpan32, Tokenizer, Tokens};
use crate::{Error, Result, random};
use teaching::{TaughtSides, Teaching, of_input};

/// One input with its gold answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Token ids: (T).
    pub ids: Vec<u32>,
    /// Token types: (T).
    pub token_type_ids: Vec<u32>,
    /// Positions with global attention, ascending.
    pub globals: Vec<usize>,
    /// How far the positions of the document are raised.
    pub shift: PositionShift,
    /// Its gold answers, as positions in it.
    pub answers: Vec<GoldSpan>,
    /// The probabilities of its tokens as start and end by saved answers of teachers, if they have the question: (T, 2).
    pub taught: Option<Vec<f64>>,
}

/// The inputs of a pass with what is learned from each.
#[derive(Debug)]
pub struct ExampleBatch {
    /// The inputs.
    pub batch: Batch,
    /// The gold answers of each.
    pub answers: Vec<Vec<GoldSpan>>,
    /// The probabilities that saved answers of teachers give to the tokens of each, (T, 2); `None` where there are none.
    pub taught: Vec<Option<Vec<f64>>>,
}

/// An input of an epoch, before it is made into an [`Example`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExampleKey {
    /// The index of its question in the data.
    pub question: u32,
    /// The part of the document.
    pub kind: ExampleKind,
    /// The largest shift of the positions of the document; an input that turns out longer is shifted less.
    pub shift: u32,
    /// Tokens of the input. For a paragraph in context it is the sum over the paragraphs, from which the tokens of the whole
    /// may differ a little at the borders.
    pub tokens: u32,
}

/// The part of a document that an input has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExampleKind {
    /// A window of the paragraph, counted from 0; a paragraph that fits has only window 0.
    Window(u32),
    /// The paragraph in context: the paragraphs of its article from `first` to before `end`.
    InContext {
        /// The first one.
        first: u32,
        /// One past the last one.
        end: u32,
    },
}

/// Tokenized data, from which the inputs of each epoch are made, as a function of the data, the settings, the seed and the
/// number of the epoch.
///
/// Memory: 4 bytes per token of the documents and questions, about 100 bytes per question, and 8 bytes for each start and
/// end in saved answers of teachers.
#[derive(Debug)]
pub struct Examples<'a> {
    tokenizer: &'a Tokenizer,
    settings: QaSettings,
    separators: usize,
    /// Number of positions of the model.
    positions: usize,
    seed: u64,
    articles: Vec<ArticleTokens<'a>>,
    documents: Vec<ParagraphTokens>,
    questions: Vec<QuestionTokens<'a>>,
    teaching: Option<Teaching<'a>>,
    /// The probability that a question is asked about its paragraph in context, if it can be.
    long_probability: f64,
}

#[derive(Debug)]
struct ArticleTokens<'a> {
    paragraphs: &'a [squad::Paragraph],
    /// Tokens of each paragraph with the break before it; empty if no paragraph is put in context.
    lengths: Vec<usize>,
}

/// A paragraph with its own questions.
#[derive(Debug)]
struct ParagraphTokens {
    article: usize,
    /// Its index in the article.
    paragraph: usize,
    ids: Vec<u32>,
}

#[derive(Debug)]
struct QuestionTokens<'a> {
    data: &'a squad::SquadQuestion,
    /// The index of its document.
    document: usize,
    ids: Vec<u32>,
    /// In the document.
    answers: Vec<GoldSpan>,
    /// For the tokens of the document.
    taught: Option<TaughtSides>,
    /// Most tokens of the document in an input.
    room: usize,
    doc_stride: usize,
}

impl<'a> Examples<'a> {
    /// Tokenizes the data, in parallel.
    ///
    /// An answer without a token, such as white space, counts as no answer, as in the official evaluation.
    ///
    /// - `separators`: number of separators between question and document
    /// - `teacher`: answers of teachers to questions of the data
    ///
    /// # Errors
    /// [`Error::Question`] for the first question that the reader would reject: an empty one, one about an empty document,
    /// or one that leaves no room for the document. [`Error::Option`] for a setting that is out of its range, [`Error::NoData`]
    /// for data without a question.
    pub fn new(
        dataset: &'a Dataset,
        tokenizer: &'a Tokenizer,
        config: &Config,
        separators: usize,
        settings: &QaSettings,
        teacher: Option<&'a TeacherAnswers<'a>>,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let teaching = teacher.map(|answers| Teaching { answers, temperature: settings.teacher_temperature });
        let plan = |tokens: usize| {
            let QaSettings { max_tokens, doc_stride, .. } = *settings;
            let options = ReadOptions { max_tokens: Some(max_tokens), doc_stride, ..ReadOptions::default() };
            Plan::new(&options, &ReaderSettings { separators, ..ReaderSettings::default() }, config, tokens)
        };
        plan(1)?; // an error that does not depend on the question must not name the first one
        let prepare = |&(article, paragraph): &(usize, usize)| {
            let paragraphs = &dataset.articles[article].paragraphs;
            let in_context = settings.long_share > 0.0 && paragraphs.len() > 1;
            prepared(&paragraphs[paragraph], tokenizer, in_context, teaching, &plan)
        };
        let sizes = dataset.articles.iter().map(|article| article.paragraphs.len()).enumerate();
        let places: Vec<_> = sizes.flat_map(|(article, count)| (0..count).map(move |p| (article, p))).collect();
        // All are prepared before any error is returned, so that the error is the first in the data.
        let prepared: Vec<Result<PreparedParagraph<'a>>> = places.par_iter().map(prepare).collect();

        let article =
            |article: &'a squad::Article| ArticleTokens { paragraphs: &article.paragraphs, lengths: Vec::new() };
        let articles = dataset.articles.iter().map(article).collect();
        let (documents, questions) = (Vec::new(), Vec::new());
        let (settings, positions) = (settings.clone(), config.max_tokens());
        let seed = random::number(seed, &[u64::from_le_bytes(*b"examples")]);
        let long_probability = 0.0;
        let mut examples = Self {
            tokenizer,
            settings,
            separators,
            positions,
            seed,
            articles,
            documents,
            questions,
            teaching,
            long_probability,
        };
        for ((article, paragraph), prepared) in places.into_iter().zip(prepared) {
            let PreparedParagraph { ids, length, questions } = prepared?;
            examples.articles[article].lengths.extend(length);
            if !questions.is_empty() {
                let document = examples.documents.len();
                examples
                    .questions
                    .extend(questions.into_iter().map(|question| QuestionTokens { document, ..question }));
                examples.documents.push(ParagraphTokens { article, paragraph, ids });
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
    fn id(&self, key: &ExampleKey) -> &'a str {
        &self.questions[key.question as usize].data.id
    }

    /// Makes the input of a key.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    ///
    /// # Panics
    /// Possibly, if the key belongs to other examples.
    pub fn example(&self, key: &ExampleKey) -> Result<Example> {
        let question = &self.questions[key.question as usize];
        let document = &self.documents[question.document].ids;
        let LearnedDocument { ids: document, window, answers, taught } = match key.kind {
            ExampleKind::Window(w) => {
                let window = self.windows(question).swap_remove(w as usize);
                LearnedDocument {
                    ids: Cow::Borrowed(&document[window.clone()]),
                    answers: answers_within(&question.answers, &window).collect(),
                    taught: question.taught.as_ref().map(Cow::Borrowed),
                    window,
                }
            }
            ExampleKind::InContext { first, end } => self.in_context(question, first as usize..end as usize)?,
        };
        let ReaderInput { ids, token_type_ids, before } =
            ReaderInput::new(self.tokenizer, self.separators, &question.ids, &document);
        Ok(Example {
            globals: GlobalAttention::default().positions(1 + question.ids.len(), ids.len()),
            shift: PositionShift { from: before, by: (key.shift as usize).min(self.positions - ids.len()) },
            answers: answers.into_iter().map(|answer| answer.moved_by(before as isize)).collect(),
            taught: taught.map(|sides| of_input(&sides, &window, before, ids.len())),
            ids,
            token_type_ids,
        })
    }

    /// Makes the inputs of a pass, with what is learned from each.
    ///
    /// # Errors
    /// As [`Examples::example`].
    ///
    /// # Panics
    /// As [`Examples::example`].
    pub fn batch(&self, pass: &[ExampleKey]) -> Result<ExampleBatch> {
        let mut batch = Batch::new();
        let (mut answers, mut taught) = (Vec::with_capacity(pass.len()), Vec::with_capacity(pass.len()));
        for key in pass {
            let example = self.example(key)?;
            let Example { ids, token_type_ids, globals, shift, .. } = &example;
            batch.push_shifted(Sequence { ids, token_type_ids: Some(token_type_ids), globals }, *shift);
            answers.push(example.answers);
            taught.push(example.taught);
        }
        Ok(ExampleBatch { batch, answers, taught })
    }

    /// The windows in which the document of a question is read.
    fn windows(&self, question: &QuestionTokens<'_>) -> Vec<Range<usize>> {
        let tokens = self.documents[question.document].ids.len();
        let windows = windows(tokens, question.room, question.doc_stride);
        windows.into_iter().map(|window| window.tokens).collect()
    }

    /// Tokens of an input with so many tokens of the document.
    fn input_tokens(&self, question: &QuestionTokens<'_>, document: usize) -> usize {
        1 + question.ids.len() + self.separators + document + 1
    }

    /// The paragraphs of `run` as one document.
    ///
    /// The text is tokenized as a whole, as in the evaluation, because a tokenizer may give other tokens for its parts. If it
    /// then is longer than its parts, and too long for the input, the paragraph is used alone.
    fn in_context<'q>(&'q self, question: &'q QuestionTokens<'_>, run: Range<usize>) -> Result<LearnedDocument<'q>> {
        let document = &self.documents[question.document];
        let (text, start) = joined_text(self.articles[document.article].paragraphs, document.paragraph, run);
        let tokens = self.tokenizer.encode(&text)?;
        if tokens.ids.len() > question.room {
            return Ok(LearnedDocument {
                ids: Cow::Borrowed(&document.ids),
                window: 0..document.ids.len(),
                answers: question.answers.clone(),
                taught: question.taught.as_ref().map(Cow::Borrowed),
            });
        }
        let taught = self.teaching.and_then(|teaching| teaching.of(&question.data.id, start, &tokens.spans));
        Ok(LearnedDocument {
            window: 0..tokens.ids.len(),
            answers: answers_in(question.data, &text, start, &tokens),
            taught: taught.map(Cow::Owned),
            ids: Cow::Owned(tokens.ids),
        })
    }
}

/// The part of a document that an input has, with what is learned from it.
struct LearnedDocument<'a> {
    ids: Cow<'a, [u32]>,
    /// Its tokens, counted in the document.
    window: Range<usize>,
    /// The answers in it, counted from its first token.
    answers: Vec<GoldSpan>,
    /// For the tokens of the document.
    taught: Option<Cow<'a, TaughtSides>>,
}

/// A paragraph, tokenized.
struct PreparedParagraph<'a> {
    ids: Vec<u32>,
    /// Its tokens with the break before it, if asked for.
    length: Option<usize>,
    questions: Vec<QuestionTokens<'a>>,
}

fn prepared<'a>(
    paragraph: &'a squad::Paragraph,
    tokenizer: &Tokenizer,
    in_context: bool,
    teaching: Option<Teaching<'_>>,
    plan: &impl Fn(usize) -> Result<Plan>,
) -> Result<PreparedParagraph<'a>> {
    let count = || Ok(tokenizer.encode(&format!("{BREAK}{}", paragraph.context))?.ids.len());
    let length = in_context.then(count).transpose()?;
    let Some(first) = paragraph.questions.first() else {
        return Ok(PreparedParagraph { ids: Vec::new(), length, questions: Vec::new() });
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
        let taught = teaching.and_then(|teaching| teaching.of(&data.id, 0, &tokens.spans));
        Ok(QuestionTokens { data, document: 0, ids: own.ids, answers, taught, room, doc_stride })
    };
    let questions = paragraph.questions.iter().map(|data| question(data).map_err(|error| of(data, error)));
    Ok(PreparedParagraph { length, questions: questions.collect::<Result<_>>()?, ids: tokens.ids })
}

/// The gold answers in a text in which the paragraph of the question starts at byte `at`; ascending, each once.
fn answers_in(question: &squad::SquadQuestion, text: &str, at: usize, tokens: &Tokens) -> Vec<GoldSpan> {
    let placed = question.answers.iter().filter_map(|gold| gold.bytes);
    let bytes = placed.map(|bytes| ByteSpan { start: at + bytes.start, end: at + bytes.end });
    let mut answers: Vec<_> = bytes.filter_map(|bytes| tokens_of(text, bytes, &tokens.spans)).collect();
    answers.sort_unstable();
    answers.dedup();
    answers
}

/// From the first to the last token with a character of `text[bytes]`, ignoring white space.
fn tokens_of(text: &str, bytes: ByteSpan, spans: &[ByteSpan32]) -> Option<GoldSpan> {
    let end = bytes.start + text[bytes.start..bytes.end].trim_end().len();
    let start = end - text[bytes.start..end].trim_start().len();
    if start == end {
        return None;
    }
    let first = spans.partition_point(|token| token.end as usize <= start);
    let behind = spans.partition_point(|token| (token.start as usize) < end);
    // A token of only white space has an empty span and cannot be the end of an answer.
    let has_text = |&t: &usize| !spans[t].is_empty();
    let mut own = (first..behind).filter(has_text);
    let start = own.next()?;
    Some(GoldSpan { start, end: own.next_back().unwrap_or(start) })
}

/// The answers that lie entirely in a window, counted from its first token.
fn answers_within<'q>(answers: &'q [GoldSpan], window: &'q Range<usize>) -> impl Iterator<Item = GoldSpan> + 'q {
    let inside = answers.iter().filter(|answer| answer.start >= window.start && answer.end < window.end);
    inside.map(|answer| answer.moved_by(-(window.start as isize)))
}
