//! Asks all questions of a dataset; documents are tokenized in the background while the model reads.

use std::ops::ControlFlow;

use super::{AskOutcome, Asked};
use crate::Result;
use crate::prefetch::prefetch;
use crate::reader::{Answer, Document, Question, ReadOptions, Reader};

/// Questions are asked in groups whose documents have about so many tokens: a few batches, so that answers arrive every
/// few seconds.
const GROUP_TOKENS: usize = 1 << 15;

/// Documents that may be ready before the model comes to them: enough to fill a group with short ones, few enough for
/// the memory that long ones take.
const DOCUMENTS_READY_MAX: usize = 32;

/// How much has been asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AskProgress {
    /// Questions that were asked.
    pub questions: usize,
    /// Tokens that went through the model.
    pub tokens: usize,
    /// Bytes of the documents of these questions.
    pub bytes: usize,
}

/// Asks questions and gives the outcome of each to `take`, in order. Questions about one paragraph should follow each
/// other: the paragraph is then tokenized once.
///
/// # Errors
/// Those that `take` returns. Each question has its own result: see [`Reader::document`], [`Reader::question`] and
/// [`Reader::answer_batch`].
pub fn ask<'a, E>(
    reader: &Reader,
    questions: &[Asked<'a>],
    options: &ReadOptions,
    take: &mut dyn FnMut(Asked<'a>, Result<AskOutcome>, AskProgress) -> Result<(), E>,
) -> Result<(), E> {
    let paragraphs = questions.chunk_by(|a, b| std::ptr::eq(a.paragraph, b.paragraph));
    let documents = paragraphs.map(|asked| (asked, reader.document(asked[0].paragraph.context.as_str())));
    prefetch(documents, DOCUMENTS_READY_MAX, |documents| {
        let (mut group, mut tokens, mut done) = (Vec::new(), 0, AskProgress::default());
        for (asked, document) in documents {
            for asked in asked {
                let pair =
                    document.clone().and_then(|document| Ok((reader.question(&asked.question.question)?, document)));
                tokens += pair.as_ref().map_or(0, |(_, document)| document.tokens());
                group.push((*asked, pair));
                if tokens >= GROUP_TOKENS {
                    ask_group(reader, std::mem::take(&mut group), options, &mut done, take)?;
                    tokens = 0;
                }
            }
        }
        ask_group(reader, group, options, &mut done, take)
    })
}

/// Questions with their documents, or with the reasons why they cannot be asked.
type Group<'a> = Vec<(Asked<'a>, Result<(Question, Document)>)>;

fn ask_group<'a, E>(
    reader: &Reader,
    group: Group<'a>,
    options: &ReadOptions,
    done: &mut AskProgress,
    take: &mut dyn FnMut(Asked<'a>, Result<AskOutcome>, AskProgress) -> Result<(), E>,
) -> Result<(), E> {
    let pairs = group.iter().filter_map(|(_, pair)| pair.as_ref().ok());
    let pairs: Vec<_> = pairs.map(|(question, document)| (question, document)).collect();
    let mut tokens = 0;
    let answers = reader.answer_batch(&pairs, options, &mut |progress| {
        tokens = progress.tokens_done;
        ControlFlow::Continue(())
    });
    done.tokens += tokens;
    let mut answers = answers.into_iter();
    for (asked, pair) in group {
        let outcome = pair.and_then(|(_, document)| {
            let answer = answers.next().expect("an answer for each pair")?;
            Ok(outcome(asked, &document, answer))
        });
        done.questions += 1;
        done.bytes += asked.paragraph.context.len();
        take(asked, outcome, *done)?;
    }
    Ok(())
}

fn outcome(asked: Asked<'_>, document: &Document, answer: Answer) -> AskOutcome {
    let gold = asked.question.answers.first();
    AskOutcome { answer, answer_position: gold.map(|gold| document.tokens_before(gold.bytes.start)) }
}
