//! From logits to spans: one normalisation over all windows.
//!
//! S is the sum of a span's two logits, n the smallest null score of any window. A span is admissible when it
//! starts in the `starts` of a window, ends in the same window, has at most `max_answer_length` tokens and at least
//! one that is not white space. Sums are taken in f64, in the order window, start, end, so that the scores depend
//! on nothing but the logits.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::windows::Window;

/// A range of tokens of a document: `tokens[start..end]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenSpan {
    /// First token.
    pub start: usize,
    /// One past the last token.
    pub end: usize,
}

/// What the model says of one window.
#[derive(Debug, Clone, Copy)]
pub struct WindowLogits<'a> {
    /// Start logits of the window's tokens of the document. (window.tokens.len())
    pub start: &'a [f32],
    /// End logits of the window's tokens of the document. (window.tokens.len())
    pub end: &'a [f32],
    /// Start logit of the first token of the input, which stands for 'no answer'.
    pub null_start: f32,
    /// End logit of the first token of the input.
    pub null_end: f32,
}

/// A span that may answer the question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its place in the document.
    pub tokens: TokenSpan,
    /// Logit of its first token as a start.
    pub start_logit: f32,
    /// Logit of its last token as an end.
    pub end_logit: f32,
    /// S: the sum of the two.
    pub logit_sum: f64,
}

/// What the model has said of one document, window after window: about eight bytes a token.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    max_answer_length: usize,
    /// Bytes of each token; an empty range is a token of white space.
    token_spans: &'a [(u32, u32)],
    /// Of every token so far, in the window that it may start in.
    start_logits: Vec<f32>,
    /// Of each part its own, end to end.
    end_logits: Vec<f32>,
    parts: Vec<Part>,
    null_score: f64,
}

/// What is kept of one window.
#[derive(Debug, Clone)]
struct Part {
    starts: Range<usize>,
    /// One past the last token where an answer that starts here may end. The first one is `starts.start`.
    ends: usize,
    /// Where in `end_logits` the logit of token `starts.start` lies.
    end_logits_at: usize,
}

impl<'a> Evidence<'a> {
    /// Evidence about a document with these tokens, as (start, end) in bytes, empty for white space; answers have at
    /// most `max_answer_length` tokens.
    pub fn new(token_spans: &'a [(u32, u32)], max_answer_length: usize) -> Self {
        Self {
            max_answer_length,
            token_spans,
            start_logits: Vec::with_capacity(token_spans.len()),
            end_logits: Vec::with_capacity(token_spans.len()),
            parts: Vec::new(),
            null_score: f64::INFINITY,
        }
    }

    /// Takes in the next window.
    ///
    /// # Panics
    /// If this is not the window that follows the last one, or the logits are not one for each of its tokens.
    pub fn add(&mut self, window: &Window, logits: WindowLogits<'_>) {
        let Window { tokens, starts } = window;
        assert_eq!(starts.start, self.start_logits.len(), "windows come in order");
        assert!(starts.end <= self.token_spans.len(), "{starts:?} in a document of {}", self.token_spans.len());
        assert_eq!(logits.start.len(), tokens.len(), "start logits for {tokens:?}");
        assert_eq!(logits.end.len(), tokens.len(), "end logits for {tokens:?}");

        let ends = starts.end.saturating_add(self.max_answer_length).saturating_sub(1).clamp(starts.start, tokens.end);
        self.parts.push(Part { starts: starts.clone(), ends, end_logits_at: self.end_logits.len() });
        self.start_logits.extend(&logits.start[starts.start - tokens.start..starts.end - tokens.start]);
        self.end_logits.extend(&logits.end[starts.start - tokens.start..ends - tokens.start]);
        self.null_score = self.null_score.min(f64::from(logits.null_start) + f64::from(logits.null_end));
    }

    /// n: the smallest null score of the windows so far, infinite before the first.
    pub fn null_score(&self) -> f64 {
        self.null_score
    }

    /// The admissible span with the largest S (ties: the earlier start, then the shorter); `None` where no span is
    /// admissible.
    pub fn best(&self) -> Option<Candidate> {
        self.best_of_each_start().max().map(|ranked| ranked.0)
    }

    /// n − max S, infinite where no span is admissible: above the threshold there is no answer.
    pub fn null_odds(&self) -> f64 {
        self.best().map_or(f64::INFINITY, |best| self.null_score - best.logit_sum)
    }

    /// ln(e^n + Σ e^S) over all admissible spans: `(S - log_total).exp()` is the score of a span.
    ///
    /// One pass that rescales its sum whenever a larger exponent comes (Milakov and Gimelshein, arXiv 1805.02867).
    pub fn log_total(&self) -> f64 {
        let (mut largest, mut sum) = (self.null_score, 1.0f64);
        for part in &self.parts {
            for start in part.starts.clone() {
                for end in self.ends(part, start) {
                    let s = self.candidate(part, start, end).logit_sum;
                    if s > largest {
                        sum = sum * (largest - s).exp() + 1.0;
                        largest = s;
                    } else if largest > f64::NEG_INFINITY {
                        sum += (s - largest).exp();
                    }
                }
            }
        }
        largest + sum.ln()
    }

    /// All admissible spans that do not overlap a better one, best first.
    ///
    /// The greedy list, made as it is asked for: the best span, then the best that shares no token with any before
    /// it, and so on; ties go to the earlier start, then to the shorter span. `take(top_k)` gives the best ones,
    /// `take_while(|span| n - span.logit_sum <= threshold)` all that pass.
    pub fn ranked(&self) -> Ranked<'_> {
        let best: Vec<ByRank> = self.best_of_each_start().collect();
        Ranked { evidence: self, queue: BinaryHeap::from(best), taken: vec![false; self.start_logits.len()] }
    }

    fn best_of_each_start(&self) -> impl Iterator<Item = ByRank> {
        self.parts
            .iter()
            .flat_map(move |part| part.starts.clone().filter_map(move |start| self.best_from(part, start, |_| true)))
    }

    /// The best span from `start` whose tokens are all `free`.
    fn best_from(&self, part: &Part, start: usize, free: impl Fn(usize) -> bool) -> Option<ByRank> {
        let until = (start..part.ends).take(self.max_answer_length).take_while(|&end| free(end)).count();
        let ends = self.ends(part, start).filter(|&end| end < start + until);
        ends.map(|end| ByRank(self.candidate(part, start, end))).max()
    }

    /// Last tokens of the admissible spans from `start`: the first that is not white space, and those after it.
    fn ends(&self, part: &Part, start: usize) -> Range<usize> {
        let limit = part.ends.min(start.saturating_add(self.max_answer_length));
        let is_text = |&token: &usize| self.token_spans[token].0 < self.token_spans[token].1;
        (start..limit).find(is_text).unwrap_or(limit)..limit
    }

    fn candidate(&self, part: &Part, start: usize, end: usize) -> Candidate {
        let start_logit = self.start_logits[start];
        let end_logit = self.end_logits[part.end_logits_at + (end - part.starts.start)];
        // The zero makes −0 a 0, so that the order of sums is that of numbers.
        let logit_sum = f64::from(start_logit) + f64::from(end_logit) + 0.0;
        Candidate { tokens: TokenSpan { start, end: end + 1 }, start_logit, end_logit, logit_sum }
    }

    /// The part in whose `starts` a token lies.
    fn part_of(&self, start: usize) -> &Part {
        &self.parts[self.parts.partition_point(|part| part.starts.end <= start)]
    }
}

/// The greedy list of spans; see [`Evidence::ranked`].
///
/// Each start waits in a heap with its best span. A span that comes up and overlaps a chosen one is replaced by the
/// best span from the same start that ends before the chosen one, which is shorter; so a start costs at most
/// `max_answer_length` looks, each shorter than the one before, and nearly always one.
#[derive(Debug)]
pub struct Ranked<'a> {
    evidence: &'a Evidence<'a>,
    queue: BinaryHeap<ByRank>,
    /// Tokens of the spans chosen so far.
    taken: Vec<bool>,
}

impl Iterator for Ranked<'_> {
    type Item = Candidate;

    fn next(&mut self) -> Option<Candidate> {
        while let Some(ByRank(candidate)) = self.queue.pop() {
            let TokenSpan { start, end } = candidate.tokens;
            if self.taken[start..end].contains(&true) {
                let free = |token: usize| !self.taken[token];
                self.queue.extend(self.evidence.best_from(self.evidence.part_of(start), start, free));
            } else {
                self.taken[start..end].fill(true);
                return Some(candidate);
            }
        }
        None
    }
}

/// Candidates in the order in which they are chosen: the greatest is the first.
#[derive(Debug)]
struct ByRank(Candidate);

impl Ord for ByRank {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_sum = self.0.logit_sum.total_cmp(&other.0.logit_sum);
        by_sum.then_with(|| other.0.tokens.cmp(&self.0.tokens))
    }
}

impl PartialOrd for ByRank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByRank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByRank {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reader::windows::windows;

    /// A document of random logits, coarse enough for many ties.
    #[derive(Debug, Clone)]
    struct Case {
        token_spans: Vec<(u32, u32)>,
        windows: Vec<Window>,
        /// Of each window its null logits, start and end.
        nulls: Vec<(f32, f32)>,
        /// Of each window the start and end logits of its tokens.
        logits: Vec<Vec<(f32, f32)>>,
        max_answer_length: usize,
    }

    impl Case {
        fn evidence(&self) -> Evidence<'_> {
            let mut evidence = Evidence::new(&self.token_spans, self.max_answer_length);
            for (k, window) in self.windows.iter().enumerate() {
                let (start, end): (Vec<f32>, Vec<f32>) = self.logits[k].iter().copied().unzip();
                let (null_start, null_end) = self.nulls[k];
                evidence.add(window, WindowLogits { start: &start, end: &end, null_start, null_end });
            }
            evidence
        }

        /// Every admissible span, by the definition.
        fn admissible(&self) -> Vec<Candidate> {
            let mut spans = Vec::new();
            for (window, logits) in self.windows.iter().zip(&self.logits) {
                for start in window.starts.clone() {
                    for end in window.tokens.clone() {
                        let has_text = start <= end && self.token_spans[start..=end].iter().any(|span| span.0 < span.1);
                        if has_text && end < start + self.max_answer_length {
                            let start_logit = logits[start - window.tokens.start].0;
                            let end_logit = logits[end - window.tokens.start].1;
                            let logit_sum = f64::from(start_logit) + f64::from(end_logit);
                            let tokens = TokenSpan { start, end: end + 1 };
                            spans.push(Candidate { tokens, start_logit, end_logit, logit_sum });
                        }
                    }
                }
            }
            spans
        }

        /// The greedy list, by the definition.
        fn greedy(&self) -> Vec<Candidate> {
            let mut rest = self.admissible();
            rest.sort_by(|a, b| b.logit_sum.partial_cmp(&a.logit_sum).unwrap().then(a.tokens.cmp(&b.tokens)));
            let mut chosen: Vec<Candidate> = Vec::new();
            for span in rest {
                let apart =
                    |other: &Candidate| span.tokens.end <= other.tokens.start || other.tokens.end <= span.tokens.start;
                if chosen.iter().all(apart) {
                    chosen.push(span);
                }
            }
            chosen
        }
    }

    fn logit(levels: i32) -> impl Strategy<Value = f32> {
        (-levels..=levels).prop_map(move |level| level as f32 * 12.0 / levels as f32)
    }

    fn case() -> impl Strategy<Value = Case> {
        let sizes = (1usize..60, 1usize..20, 0.0..1.0f64, 0usize..12, prop_oneof![Just(2), Just(5), Just(1000)]);
        sizes.prop_flat_map(|(tokens, room, share, max_answer_length, levels)| {
            let windows = windows(tokens, room, (room as f64 * share) as usize);
            let pair = move || (logit(levels), logit(levels));
            let of_window = |window: &Window| prop::collection::vec(pair(), window.tokens.len());
            let logits: Vec<_> = windows.iter().map(of_window).collect();
            let nulls = prop::collection::vec(pair(), windows.len());
            let blank = prop::collection::vec(prop::bool::weighted(0.3), tokens);
            (nulls, logits, blank).prop_map(move |(nulls, logits, blank)| {
                let bytes = |(at, blank): (u32, &bool)| (at, if *blank { at } else { at + 1 });
                let token_spans = (0..).zip(&blank).map(bytes).collect();
                Case { token_spans, windows: windows.clone(), nulls, logits, max_answer_length }
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

        #[test]
        fn spans_are_those_of_the_definition(case in case()) {
            let evidence = case.evidence();
            let greedy = case.greedy();
            prop_assert_eq!(evidence.best(), greedy.first().copied());
            prop_assert_eq!(evidence.ranked().collect::<Vec<_>>(), greedy.clone());

            let nulls = case.nulls.iter().map(|(start, end)| f64::from(*start) + f64::from(*end));
            let null_score = nulls.fold(f64::INFINITY, f64::min);
            prop_assert_eq!(evidence.null_score(), null_score);
            let best = greedy.first().map_or(f64::NEG_INFINITY, |span| span.logit_sum);
            prop_assert_eq!(evidence.null_odds(), null_score - best);

            let total = null_score.exp() + case.admissible().iter().map(|span| span.logit_sum.exp()).sum::<f64>();
            prop_assert!((evidence.log_total() - total.ln()).abs() < 1e-12 * total.ln().abs().max(1.0));
        }
    }

    /// One window over tokens of one byte each.
    fn in_one_window(logits: &[(f32, f32)], null: (f32, f32), max_answer_length: usize) -> Case {
        Case {
            token_spans: (0..logits.len() as u32).map(|at| (at, at + 1)).collect(),
            windows: windows(logits.len(), logits.len(), 0),
            nulls: vec![null],
            logits: vec![logits.to_vec()],
            max_answer_length,
        }
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let case = in_one_window(&[(3e38, -3e38), (-3e38, 3e38)], (-3e38, -3e38), 2);
        let evidence = case.evidence();
        let best = evidence.best().unwrap();
        assert_eq!(best.tokens, TokenSpan { start: 0, end: 2 });
        assert_eq!((best.logit_sum - evidence.log_total()).exp(), 1.0);
    }

    #[test]
    fn nothing_admissible() {
        let mut case = in_one_window(&[(1.0, 1.0), (2.0, 2.0)], (0.5, 0.25), 30);
        case.token_spans = vec![(0, 0), (1, 1)];
        let evidence = case.evidence();
        assert_eq!(evidence.best(), None);
        assert_eq!(evidence.ranked().next(), None);
        assert_eq!(evidence.null_odds(), f64::INFINITY);
        assert_eq!(evidence.log_total(), 0.75);
    }

    #[test]
    fn not_a_number_is_no_panic() {
        let case = in_one_window(&[(f32::NAN, 1.0), (f32::NEG_INFINITY, f32::INFINITY)], (f32::NAN, 0.0), usize::MAX);
        let evidence = case.evidence();
        assert!(evidence.ranked().count() <= 2);
        evidence.log_total();
    }
}
