//! Paragraphs in context: questions about paragraphs become questions about long documents.

use std::ops::Range;

use super::{Article, Dataset, Gold, Paragraph, SquadQuestion};
use crate::tokenizer::ByteSpan;
use crate::{Result, random};

/// The text between two paragraphs.
pub(crate) const BREAK: &str = "\n\n";

impl Dataset {
    /// The same questions about longer documents: every paragraph that has questions is joined with its neighbours in the
    /// article, whole and in order, until another one would make the document longer than `tokens`.
    ///
    /// How much comes before the paragraph is drawn at random from the seed, so that answers lie anywhere in the documents.
    /// An empty line separates paragraphs. A question that its own paragraph does not answer may be answered by a
    /// neighbour: then the gold answers are wrong.
    ///
    /// Gives with them the bytes that each paragraph has in its document, in the order of the documents.
    ///
    /// - `count`: gives the number of tokens of a text
    ///
    /// # Errors
    /// Those of `count`.
    pub fn among_neighbours(
        &self,
        tokens: usize,
        seed: u64,
        mut count: impl FnMut(&str) -> Result<usize>,
    ) -> Result<(Self, Vec<ByteSpan>)> {
        let mut places = Vec::new();
        let mut articles = Vec::with_capacity(self.articles.len());
        for (a, article) in self.articles.iter().enumerate() {
            let Article { title, paragraphs } = article;
            let asked: Vec<usize> = (0..paragraphs.len()).filter(|&p| !paragraphs[p].questions.is_empty()).collect();
            let counted = if asked.is_empty() { &[][..] } else { paragraphs };
            let lengths = counted.iter().map(|paragraph| count(&format!("{}{BREAK}", paragraph.context)));
            let lengths = lengths.collect::<Result<Vec<usize>>>()?;
            let longer = asked.into_iter().map(|p| {
                let share_before = random::fraction(seed, &[a as u64, p as u64]);
                let (longer, start) = joined(paragraphs, p, neighbours(&lengths, p, tokens, share_before));
                places.push(ByteSpan { start, end: start + paragraphs[p].context.len() });
                longer
            });
            articles.push(Article { title: title.clone(), paragraphs: longer.collect() });
        }
        Ok((Dataset { articles }, places))
    }
}

/// A run of paragraphs around `p` that has at most `tokens`, or `p` alone where it has more. About `share_before` of the
/// added tokens come before `p`, as far as the article has them.
pub(crate) fn neighbours(lengths: &[usize], p: usize, tokens: usize, share_before: f64) -> Range<usize> {
    let mut run = p..p + 1;
    let mut length = lengths[p];
    let before_wanted = tokens.saturating_sub(length) as f64 * share_before;
    let mut before = 0;
    loop {
        let fits = |neighbour: Option<usize>| neighbour.filter(|&n| n < lengths.len() && length + lengths[n] <= tokens);
        let (previous, next) = (fits(run.start.checked_sub(1)), fits(Some(run.end)));
        // The last paragraph before p may exceed the wanted share by half of its length, so that neither side is favoured.
        let wanted = |&n: &usize| before as f64 + lengths[n] as f64 / 2.0 <= before_wanted;
        match (previous.filter(wanted).or(previous.filter(|_| next.is_none())), next) {
            (Some(previous), _) => {
                run.start = previous;
                before += lengths[previous];
                length += lengths[previous];
            }
            (None, Some(next)) => {
                run.end = next + 1;
                length += lengths[next];
            }
            (None, None) => return run,
        }
    }
}

/// The joined text of the paragraphs of `run`, and the byte at which paragraph `p` starts in it.
pub(crate) fn joined_text(paragraphs: &[Paragraph], p: usize, run: Range<usize>) -> (String, usize) {
    let texts: Vec<&str> = paragraphs[run.clone()].iter().map(|paragraph| paragraph.context.as_str()).collect();
    let start = texts[..p - run.start].iter().map(|text| text.len() + BREAK.len()).sum();
    (texts.join(BREAK), start)
}

/// The paragraphs of `run` as one, with the questions of `p`, and the byte at which `p` starts in it.
fn joined(paragraphs: &[Paragraph], p: usize, run: Range<usize>) -> (Paragraph, usize) {
    let (context, shift) = joined_text(paragraphs, p, run);
    let gold = |Gold { text, bytes }: &Gold| Gold {
        text: text.clone(),
        bytes: bytes.map(|bytes| ByteSpan { start: bytes.start + shift, end: bytes.end + shift }),
    };
    let question = |question: &SquadQuestion| SquadQuestion {
        answers: question.answers.iter().map(gold).collect(),
        ..question.clone()
    };
    (Paragraph { context, questions: paragraphs[p].questions.iter().map(question).collect() }, shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Result<usize> {
        Ok(text.split_whitespace().count())
    }

    /// An article whose paragraphs have these numbers of words; every second one has a question about its first word.
    fn article(lengths: &[usize]) -> Dataset {
        let paragraph = |(p, length): (usize, &usize)| {
            let context = (0..*length).map(|w| format!("w{p}é{w}")).collect::<Vec<_>>().join(" ");
            let text = context.split(' ').next().unwrap_or_default().to_owned();
            let answers = vec![Gold { bytes: Some(ByteSpan { start: 0, end: text.len() }), text }];
            let question = SquadQuestion { id: p.to_string(), answers, ..Default::default() };
            Paragraph { context, questions: if p % 2 == 0 { vec![question] } else { Vec::new() } }
        };
        Dataset {
            articles: vec![Article {
                title: "T".into(),
                paragraphs: lengths.iter().enumerate().map(paragraph).collect(),
            }],
        }
    }

    proptest! {
        #[test]
        fn documents_are_the_longest_allowed_runs_of_paragraphs(
            lengths in prop::collection::vec(1..30usize, 1..20), tokens in 0..200usize, seed in 0..50u64,
        ) {
            let short = article(&lengths);
            let (long, places) = short.among_neighbours(tokens, seed, words).unwrap();
            prop_assert_eq!(places.len(), long.questions().count());
            let texts: Vec<&str> = short.articles[0].paragraphs.iter().map(|p| p.context.as_str()).collect();
            prop_assert_eq!(long.questions().count(), lengths.len().div_ceil(2));
            for ((paragraph, question), place) in long.questions().zip(places) {
                let p: usize = question.id.parse().unwrap();
                let gold = &question.answers[0];
                let bytes = gold.bytes.expect("a place");
                prop_assert_eq!(&paragraph.context[bytes.start..bytes.end], &gold.text);
                let first = texts.iter().position(|text| paragraph.context.split(BREAK).next() == Some(text)).unwrap();
                let run = first..first + paragraph.context.split(BREAK).count();
                prop_assert!(run.contains(&p));
                prop_assert_eq!(&paragraph.context[place.start..place.end], texts[p]);
                prop_assert_eq!(texts[run.clone()].join(BREAK), paragraph.context.as_str());
                let length: usize = lengths[run.clone()].iter().sum();
                prop_assert!(length <= tokens || run.len() == 1);
                prop_assert!(run.start == 0 || length + lengths[run.start - 1] > tokens);
                prop_assert!(run.end == lengths.len() || length + lengths[run.end] > tokens);
            }
        }
    }

    #[test]
    fn paragraphs_lie_anywhere_in_their_documents() {
        let lengths = [10; 201];
        let mut counts = [0; 4]; // by the quarter of the document in which the paragraph lies
        for seed in 0..2000 {
            let share_before = random::fraction(seed, &[0, 100]);
            let run = neighbours(&lengths, 100, 405, share_before);
            assert_eq!(run.len(), 40);
            counts[(100 - run.start) / 10] += 1;
        }
        assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
    }

    #[test]
    fn paragraphs_without_room_for_neighbours_stay_alone() {
        let short = article(&[5, 7, 9]);
        let (same, _) = short.among_neighbours(0, 1, words).unwrap();
        assert_eq!(same.questions().collect::<Vec<_>>(), short.questions().collect::<Vec<_>>());
    }
}
