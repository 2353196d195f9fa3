//! Asks all questions of a dataset; documents are tokenized in the background while the model reads.

use std::ops::ControlFlow;

use super::{AskOutcome, Asked};
use crate::Result;
use crate::prefetch::prefetch;
use crate::reader::{Answer, Document, DocumentReading, Question, ReadOptions, Reader};

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

/// Asks questions and gives the outcomes of each to `take`, in order: one for each of `options`. Questions about one
/// paragraph should follow each other: the paragraph is then tokenized once.
///
/// - `options`: one or more. The model reads with the first; the others take over what it has read, as
///   [`Reader::begin_again`] describes, so the first has the longest `max_answer_length`
///
/// # Errors
/// Those that `take` returns. Each question has its own result: see [`Reader::document`], [`Reader::question`] and
/// [`Reader::answer_batch`].
pub fn ask<'a, E>(
    reader: &Reader,
    questions: &[Asked<'a>],
    options: &[ReadOptions],
    take: Take<'_, 'a, E>,
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

/// Takes the outcomes of a question.
pub type Take<'t, 'a, E> = &'t mut dyn FnMut(Asked<'a>, Result<Vec<AskOutcome>>, AskProgress) -> Result<(), E>;

/// Questions with their documents, or with the reasons why they cannot be asked.
type Group<'a> = Vec<(Asked<'a>, Result<(Question, Document)>)>;

fn ask_group<'a, E>(
    reader: &Reader,
    group: Group<'a>,
    options: &[ReadOptions],
    done: &mut AskProgress,
    take: Take<'_, 'a, E>,
) -> Result<(), E> {
    let pairs: Vec<_> = group.iter().filter_map(|(_, pair)| pair.as_ref().ok()).collect();
    let mut readings: Vec<_> =
        pairs.iter().map(|(question, document)| reader.begin(question, document, &options[0])).collect();
    done.tokens += read(reader, &mut readings);
    // (pairs, options)
    let others = readings.iter().flat_map(|reading| options[1..].iter().map(move |options| (reading, options)));
    let again = |(reading, options): (&Result<DocumentReading>, _)| {
        reader.begin_again(reading.as_ref().map_err(Clone::clone)?, options)
    };
    let mut others: Vec<_> = others.map(again).collect();
    done.tokens += read(reader, &mut others);
    let (mut readings, mut others) = (readings.into_iter(), others.into_iter());
    for (asked, pair) in group {
        let outcomes = pair.and_then(|(_, document)| {
            let own = readings.next().into_iter().chain(others.by_ref().take(options.len() - 1));
            let own: Vec<Result<DocumentReading>> = own.collect();
            own.into_iter().map(|reading| Ok(outcome(asked, &document, reading?.finish()?))).collect()
        });
        done.questions += 1;
        done.bytes += asked.paragraph.context.len();
        take(asked, outcomes, *done)?;
    }
    Ok(())
}

/// Takes the readings to their ends, and counts the tokens that the model read.
fn read(reader: &Reader, readings: &mut [Result<DocumentReading>]) -> usize {
    let mut tokens = 0;
    reader.read(&mut readings.iter_mut().flatten().collect::<Vec<_>>(), &mut |progress| {
        tokens = progress.tokens_done;
        ControlFlow::Continue(())
    });
    tokens
}

fn outcome(asked: Asked<'_>, document: &Document, answer: Answer) -> AskOutcome {
    let gold = asked.question.answers.first().and_then(|gold| gold.bytes);
    AskOutcome { answer, answer_position: gold.map(|bytes| document.tokens_before(bytes.start)) }
}
