//! All questions of a dataset, through the model: documents are tokenized on the side while it works.

use super::{Asked, Outcome};
use crate::ahead::ahead;
use crate::reader::{Answer, Document, ReadOptions, Reader};
use crate::{Error, Result};

/// Questions are asked in groups of about so many tokens of documents: some batches, so that what was answered is told
/// every few seconds.
const GROUP_TOKENS: usize = 1 << 15;

/// Documents that may be ready before the model comes to them: enough to fill a group with short ones, few enough to keep
/// long ones.
const DOCUMENTS_AHEAD: usize = 32;

/// How far the asking has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Questions that were asked.
    pub questions: usize,
    /// Tokens that went through the model.
    pub tokens: usize,
    /// Bytes of the documents of these questions.
    pub bytes: usize,
}

/// Asks questions and gives the outcome of each to `take`, in their order. Questions of one paragraph should follow each
/// other: the paragraph is then tokenized once.
///
/// # Errors
/// What `take` says. A question that cannot be asked has its own error: [`Reader::answer_batch`] says which.
pub fn ask<'a, E>(
    reader: &Reader,
    questions: &[Asked<'a>],
    options: &ReadOptions,
    take: &mut dyn FnMut(Asked<'a>, Result<Outcome>, Done) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let documents = questions.chunk_by(|a, b| std::ptr::eq(a.paragraph, b.paragraph));
    let documents = documents.map(|own| (own, reader.document(&own[0].paragraph.context)));
    ahead(documents, DOCUMENTS_AHEAD, |documents| {
        let mut group = Group { reader, options, documents: Vec::new(), tokens: 0, done: Done::default() };
        for (own, document) in documents {
            match document {
                Ok(document) => group.add(own, document, take)?,
                Err(error) => {
                    group.ask(take)?;
                    group.refuse(own, error, take)?;
                }
            }
        }
        group.ask(take)
    })
}

/// What is told of each question.
type Take<'t, 'a, E> = dyn FnMut(Asked<'a>, Result<Outcome>, Done) -> std::result::Result<(), E> + 't;

/// Questions that will be asked together.
struct Group<'r, 'q, 'a> {
    reader: &'r Reader,
    options: &'r ReadOptions,
    documents: Vec<(&'q [Asked<'a>], Document<'a>)>,
    tokens: usize,
    done: Done,
}

impl<'q, 'a> Group<'_, 'q, 'a> {
    /// Adds the questions of a document. A group that is full is asked, in the middle of a document too.
    fn add<E>(
        &mut self,
        own: &'q [Asked<'a>],
        document: Document<'a>,
        take: &mut Take<'_, 'a, E>,
    ) -> std::result::Result<(), E> {
        let mut rest = own;
        while !rest.is_empty() {
            let room = GROUP_TOKENS.saturating_sub(self.tokens) / document.tokens().max(1);
            let (now, later) = rest.split_at(room.clamp(1, rest.len()));
            rest = later;
            self.tokens += now.len() * document.tokens();
            self.documents.push((now, document.clone()));
            if self.tokens >= GROUP_TOKENS || !rest.is_empty() {
                self.ask(take)?;
            }
        }
        Ok(())
    }

    /// Asks what was added.
    fn ask<E>(&mut self, take: &mut Take<'_, 'a, E>) -> std::result::Result<(), E> {
        let documents = std::mem::take(&mut self.documents);
        self.tokens = 0;
        let pairs = documents.iter().flat_map(|(own, document)| own.iter().map(move |asked| (*asked, document)));
        let pairs: Vec<(Asked<'a>, &Document<'a>)> = pairs.collect();
        let texts: Vec<_> =
            pairs.iter().map(|(asked, document)| (asked.question.question.as_str(), *document)).collect();
        let mut tokens = 0;
        let answers = self.reader.answer_batch(&texts, self.options, &mut |progress| tokens = progress.tokens_done);
        self.done.tokens += tokens;
        for ((asked, document), answer) in pairs.into_iter().zip(answers) {
            self.tell(asked, answer.map(|answer| outcome(asked, document, answer)), take)?;
        }
        Ok(())
    }

    /// Tells of each question of a document that cannot be read why it cannot.
    fn refuse<E>(&mut self, own: &[Asked<'a>], error: Error, take: &mut Take<'_, 'a, E>) -> std::result::Result<(), E> {
        own.iter().try_for_each(|asked| self.tell(*asked, Err(error.clone()), take))
    }

    fn tell<E>(
        &mut self,
        asked: Asked<'a>,
        outcome: Result<Outcome>,
        take: &mut Take<'_, 'a, E>,
    ) -> std::result::Result<(), E> {
        self.done.questions += 1;
        self.done.bytes += asked.paragraph.context.len();
        take(asked, outcome, self.done)
    }
}

fn outcome(asked: Asked<'_>, document: &Document<'_>, answer: Answer) -> Outcome {
    let gold = asked.question.answers.first();
    Outcome { answer, answer_position: gold.map(|gold| document.tokens_before(gold.bytes.start)) }
}
