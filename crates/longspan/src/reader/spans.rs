//! From logits to spans: one normalisation over all windows.
//!
//! S of a span is the sum of its start and end logits, n the least null score of a window. A span is admissible when its
//! start belongs to a window, its end lies in the same window, it has at most `max_answer_length` tokens, it runs over no
//! border, and it contains more than white space. Devlin et al., "BERT" (arXiv 1810.04805), section 4.3; the sums are over all windows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;
use std::sync::Arc;

use super::answer::{Endpoint, Endpoints};
use super::windows::Window;
use crate::tokenizer::ByteSpan32;

/// The logits of a document that may become part of an answer: 8 bytes a token, and a little for each window.
#[derive(Debug, Clone)]
pub(super) struct SpanLogits {
    pub max_answer_length: usize,
    pub borders: Arc<[u32]>, // tokens that no span has together with the token before them, in order
    windows: Vec<WindowLogits>,
    start_logits: Vec<f32>, // (tokens): each from the window to which the start belongs
    end_logits: Vec<f32>,   // window after window: from its first start to the last end that a span can have
    null: [f32; 2],         // start and end logit of the first token, in the window with the smallest null score
}

/// Where a window's logits stand in [`SpanLogits`].
#[derive(Debug, Clone)]
struct WindowLogits {
    starts: Range<usize>,
    /// The tokens of `end_logits[ends_at..]`.
    ends: Range<usize>,
    ends_at: usize,
}

/// An admissible span, in tokens of the document; `end` is its last token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TokenSpan {
    pub start: usize,
    pub end: usize,
    pub start_logit: f32,
    pub end_logit: f32,
}

impl TokenSpan {
    /// S.
    pub fn sum(&self) -> f64 {
        f64::from(self.start_logit) + f64::from(self.end_logit)
    }
}

impl SpanLogits {
    /// Without any window.
    ///
    /// - `borders`: the tokens that no span has together with the token before them, in order
    pub fn new(max_answer_length: usize, borders: Arc<[u32]>) -> Self {
        let (windows, start_logits, end_logits) = Default::default();
        Self { max_answer_length, borders, windows, start_logits, end_logits, null: [f32::INFINITY; 2] }
    }

    /// The same for a part of the document, without any window.
    pub fn without_windows(&self, tokens: Range<usize>) -> Self {
        let inside = self.borders.iter().filter(|&&border| tokens.contains(&(border as usize)));
        Self::new(self.max_answer_length, inside.map(|border| border - tokens.start as u32).collect())
    }

    /// The same logits for other admissible spans.
    ///
    /// - `max_answer_length`: at most the one that it was made with
    pub fn with_limits(&self, max_answer_length: usize, borders: Arc<[u32]>) -> Self {
        assert!(max_answer_length <= self.max_answer_length, "{max_answer_length} above {}", self.max_answer_length);
        Self { max_answer_length, borders, ..self.clone() }
    }

    /// Adds the next window.
    ///
    /// - `null`: start and end logit of the first token of the input
    /// - `logits`: start and end logits of the window's tokens; more may follow
    pub fn push(&mut self, window: &Window, null: [f32; 2], logits: &[[f32; 2]]) {
        if null_score(null) < null_score(self.null) {
            self.null = null;
        }
        let Window { tokens, starts } = window;
        let ends =
            starts.start..tokens.end.min(starts.end.saturating_add(self.max_answer_length - 1)).max(starts.start);
        self.windows.push(WindowLogits { starts: starts.clone(), ends: ends.clone(), ends_at: self.end_logits.len() });
        let of = |range: &Range<usize>| &logits[range.start - tokens.start..range.end - tokens.start];
        self.start_logits.extend(of(starts).iter().map(|[start, _]| start));
        self.end_logits.extend(of(&ends).iter().map(|[_, end]| end));
    }

    /// n: the smallest of the windows' null scores.
    pub fn null_score(&self) -> f64 {
        null_score(self.null)
    }

    /// The first span of [`SpanLogits::best`], without memory for others.
    ///
    /// # Panics
    /// If no span is admissible.
    pub fn first(&self, tokens: &[ByteSpan32]) -> TokenSpan {
        let first = self.all(tokens).reduce(|best, span| if span.sum() > best.sum() { span } else { best });
        first.expect("a text that is not blank")
    }

    /// ln Σ e^S over all admissible spans. `largest_sum` is the largest S.
    pub fn log_sum(&self, tokens: &[ByteSpan32], largest_sum: f64) -> f64 {
        largest_sum + self.all(tokens).map(|span| (span.sum() - largest_sum).exp()).sum::<f64>().ln()
    }

    /// The best admissible span, then the best that has no token and no character in common with those before it, and so
    /// on: at most `count`, and none whose S is below `least`. Spans of equal S come in the order of the document, the
    /// shorter first.
    pub fn best(&self, tokens: &[ByteSpan32], count: usize, least: f64) -> Vec<TokenSpan> {
        let mut candidates = Vec::with_capacity(self.start_logits.len());
        let starts = 0..self.start_logits.len();
        candidates.extend(starts.filter_map(|start| self.best_from(start, usize::MAX, tokens)));
        let mut heap = BinaryHeap::from(candidates);
        let mut found = Vec::new();
        let mut taken = BTreeMap::new(); // last token of each span found, by its first
        while found.len() < count {
            let Some(candidate) = heap.pop().filter(|candidate| candidate.sum >= least) else { break };
            let span = self.span(candidate.start as usize, candidate.end as usize);
            if taken.range(..=span.start).next_back().is_some_and(|(_, &end)| end >= span.start) {
                continue;
            }
            match taken.range(span.start..).next() {
                // The start is free, but the span overlaps one that was found: try the best that ends before it.
                Some((&limit, _)) if limit <= span.end => {
                    heap.extend(self.best_from(span.start, limit, tokens));
                }
                _ => {
                    let (first, last) = whole_characters(&span, tokens);
                    taken.insert(first, last);
                    found.push(span);
                }
            }
        }
        found
    }

    /// The `count` most probable starts and ends.
    pub fn endpoints(&self, tokens: &[ByteSpan32], count: usize) -> Endpoints {
        let starts = tokens.iter().map(|token| token.start).zip(self.start_logits.iter().copied());
        let ends = self.windows.iter().flat_map(|window| {
            let logits = &self.end_logits[window.ends_at..][..window.starts.len()]; // of the tokens that belong to it
            tokens[window.starts.clone()].iter().map(|token| token.end).zip(logits.iter().copied())
        });
        let (starts, start) = best_endpoints(starts.collect(), self.null[0], count);
        let (ends, end) = best_endpoints(ends.collect(), self.null[1], count);
        Endpoints { starts, ends, no_answer: [start, end] }
    }

    /// All admissible spans, in the order of the document.
    fn all<'a>(&'a self, tokens: &'a [ByteSpan32]) -> impl Iterator<Item = TokenSpan> + 'a {
        let of_window = move |window: &'a WindowLogits| {
            window.starts.clone().flat_map(move |start| self.from(window, start, tokens))
        };
        self.windows.iter().flat_map(of_window)
    }

    /// The window in which an answer may start at the token `start`.
    fn window(&self, start: usize) -> &WindowLogits {
        &self.windows[self.windows.partition_point(|window| window.starts.end <= start)]
    }

    fn span(&self, start: usize, end: usize) -> TokenSpan {
        let window = self.window(start);
        let end_logit = self.end_logits[window.ends_at + end - window.ends.start];
        TokenSpan { start, end, start_logit: self.start_logits[start], end_logit }
    }

    /// The admissible spans that begin with the token `start` of this window, the shortest first.
    fn from<'a>(
        &'a self,
        window: &'a WindowLogits,
        start: usize,
        tokens: &[ByteSpan32],
    ) -> impl Iterator<Item = TokenSpan> + 'a {
        let start_logit = self.start_logits[start];
        let border = self.borders.get(self.borders.partition_point(|&border| border as usize <= start));
        let last = window.ends.end.min(start.saturating_add(self.max_answer_length));
        let last = border.map_or(last, |&border| last.min(border as usize));
        // White space at the front will be trimmed, but a span must have something else.
        let first = (start..last).find(|&t| !tokens[t].is_empty()).unwrap_or(last);
        let ends = &self.end_logits[window.ends_at..];
        (first..last).map(move |end| TokenSpan { start, end, start_logit, end_logit: ends[end - window.ends.start] })
    }

    /// The best admissible span that begins with the token `start` and ends before the token `limit`.
    fn best_from(&self, start: usize, limit: usize, tokens: &[ByteSpan32]) -> Option<SpanCandidate> {
        let spans = self.from(self.window(start), start, tokens).take_while(|span| span.end < limit);
        let best = spans.reduce(|best, span| if span.sum() > best.sum() { span } else { best })?;
        Some(SpanCandidate { sum: best.sum(), start: best.start as u32, end: best.end as u32 })
    }
}

fn null_score(null: [f32; 2]) -> f64 {
    f64::from(null[0]) + f64::from(null[1])
}

/// The softmax over logits at bytes and the logit of 'no answer': its `count` best bytes, and the share of 'no answer'.
fn best_endpoints(mut logits: Vec<(u32, f32)>, null: f32, count: usize) -> (Vec<Endpoint>, f64) {
    logits.sort_by_key(|(byte, _)| *byte);
    let largest = logits.iter().fold(null, |largest, (_, logit)| largest.max(*logit));
    let power = |logit: f32| (f64::from(logit) - f64::from(largest)).exp();
    let total = power(null) + logits.iter().map(|(_, logit)| power(*logit)).sum::<f64>();
    let endpoint = |same: &[(u32, f32)]| {
        let sum: f64 = same.iter().map(|(_, logit)| power(*logit)).sum();
        Endpoint { byte: same[0].0 as usize, probability: sum / total }
    };
    let mut best: Vec<Endpoint> = logits.chunk_by(|a, b| a.0 == b.0).map(endpoint).collect();
    best.sort_by(|a, b| b.probability.total_cmp(&a.probability)); // those of equal probability stay in order
    best.truncate(count);
    (best, power(null) / total)
}

/// The first and last token of a span, widened to tokens that share a character with its ends: byte-level tokens may be
/// parts of one character.
fn whole_characters(span: &TokenSpan, tokens: &[ByteSpan32]) -> (usize, usize) {
    let (mut first, mut last) = (span.start, span.end);
    while first > 0 && tokens[first - 1].end > tokens[first].start {
        first -= 1;
    }
    while last + 1 < tokens.len() && tokens[last + 1].start < tokens[last].end {
        last += 1;
    }
    (first, last)
}

/// A candidate in 16 bytes, in the order in which an answer lists its spans: the best is the greatest.
#[derive(Debug, PartialEq)]
struct SpanCandidate {
    sum: f64,
    start: u32,
    end: u32,
}

impl Eq for SpanCandidate {}

impl Ord for SpanCandidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |candidate: &SpanCandidate| Reverse((candidate.start, candidate.end));
        self.sum.total_cmp(&other.sum).then_with(|| order(self).cmp(&order(other)))
    }
}

impl PartialOrd for SpanCandidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reader::windows::windows;

    /// One question's logits for every window, the tokens' places, and the longest answer.
    #[derive(Debug, Clone)]
    struct Case {
        windows: Vec<Window>,
        nulls: Vec<[f32; 2]>,
        logits: Vec<Vec<[f32; 2]>>,
        tokens: Vec<ByteSpan32>,
        max_answer_length: usize,
        borders: Vec<u32>,
    }

    /// Quantised logits, so that there are ties; some tokens are white space.
    fn cases() -> impl Strategy<Value = Case> {
        (1..40usize, 1..20usize, 0..20usize, 1..8usize, any::<u64>()).prop_map(|(count, room, share, length, seed)| {
            let mut state = seed | 1;
            let mut next = move |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 33) % below
            };
            let windows = windows(count, room, share % room);
            let mut pair = || [next(9) as f32 - 4.0, next(9) as f32 - 4.0];
            let nulls = windows.iter().map(|_| pair()).collect();
            let logits = windows.iter().map(|w| w.tokens.clone().map(|_| pair()).collect()).collect();
            // Tokens of a character or of white space; some share the character of the token before them.
            let mut tokens: Vec<ByteSpan32> =
                (0..count as u32).map(|start| ByteSpan32 { start, end: start + u32::from(pair()[0] > -3.0) }).collect();
            for i in 1..count {
                if pair()[1] > 2.0 && !tokens[i - 1].is_empty() {
                    tokens[i] = tokens[i - 1];
                }
            }
            let borders = (0..=count as u32).filter(|_| pair()[0] > 2.0).collect();
            Case { windows, nulls, logits, tokens, max_answer_length: length, borders }
        })
    }

    impl Case {
        fn span_logits(&self) -> SpanLogits {
            let mut span_logits = SpanLogits::new(self.max_answer_length, self.borders.clone().into());
            for ((window, null), logits) in self.windows.iter().zip(&self.nulls).zip(&self.logits) {
                span_logits.push(window, *null, logits);
            }
            span_logits
        }

        /// Every pair of tokens of every window, kept if the definition admits it; the best first.
        fn brute_force(&self) -> Vec<TokenSpan> {
            let mut spans = Vec::new();
            for (window, logits) in self.windows.iter().zip(&self.logits) {
                for start in window.tokens.clone() {
                    for end in window.tokens.clone() {
                        let admissible = window.starts.contains(&start)
                            && start <= end
                            && end < start + self.max_answer_length
                            && !self.borders.iter().any(|&border| (start + 1..=end).contains(&(border as usize)))
                            && self.tokens[start..=end].iter().any(|token| !token.is_empty());
                        if admissible {
                            let start_logit = logits[start - window.tokens.start][0];
                            let end_logit = logits[end - window.tokens.start][1];
                            spans.push(TokenSpan { start, end, start_logit, end_logit });
                        }
                    }
                }
            }
            spans.sort_by(|a, b| b.sum().total_cmp(&a.sum()).then(a.start.cmp(&b.start)).then(a.end.cmp(&b.end)));
            spans
        }
    }

    proptest! {
        #[test]
        fn spans_are_those_of_the_definition(case in cases(), count in 1..9usize, least in -8..9i32) {
            let (span_logits, all) = (case.span_logits(), case.brute_force());
            let null = case.nulls.iter().map(|null| f64::from(null[0] + null[1])).fold(f64::INFINITY, f64::min);
            prop_assert_eq!(span_logits.null_score(), null);
            if let Some(first) = all.first() {
                prop_assert_eq!(span_logits.first(&case.tokens), *first);
                let log_sum = span_logits.log_sum(&case.tokens, first.sum());
                let wanted = all.iter().map(|span| span.sum().exp()).sum::<f64>().ln();
                prop_assert!((log_sum - wanted).abs() < 1e-9);
            }

            let mut greedy: Vec<TokenSpan> = Vec::new();
            for span in all.iter().filter(|span| span.sum() >= f64::from(least)) {
                let bytes = |span: &TokenSpan| case.tokens[span.start].start..case.tokens[span.end].end;
                let apart = |other: &TokenSpan| {
                    let (own, theirs) = (bytes(span), bytes(other));
                    let in_bytes = own.end <= theirs.start || theirs.end <= own.start;
                    in_bytes && (span.end < other.start || other.end < span.start)
                };
                if greedy.len() < count && greedy.iter().all(apart) {
                    greedy.push(*span);
                }
            }
            prop_assert_eq!(span_logits.best(&case.tokens, count, f64::from(least)), greedy);
        }

        #[test]
        fn endpoints_are_those_of_the_definition(case in cases(), count in 1..50usize) {
            let found = case.span_logits().endpoints(&case.tokens, count);
            let sums = case.nulls.iter().map(|null| null[0] + null[1]);
            let least = sums.clone().fold(f32::INFINITY, f32::min);
            let null = case.nulls[sums.into_iter().position(|sum| sum == least).unwrap()];
            for (side, best) in [found.starts, found.ends].into_iter().enumerate() {
                let mut powers = std::collections::BTreeMap::<usize, f64>::new();
                for (t, token) in case.tokens.iter().enumerate() {
                    let w = case.windows.iter().position(|window| window.starts.contains(&t)).unwrap();
                    let byte = if side == 0 { token.start } else { token.end };
                    let logit = case.logits[w][t - case.windows[w].tokens.start][side];
                    *powers.entry(byte as usize).or_default() += f64::from(logit).exp();
                }
                let total = f64::from(null[side]).exp() + powers.values().sum::<f64>();
                prop_assert!((found.no_answer[side] - f64::from(null[side]).exp() / total).abs() < 1e-12);
                prop_assert_eq!(best.len(), count.min(powers.len()));
                for endpoint in &best {
                    prop_assert!((endpoint.probability - powers[&endpoint.byte] / total).abs() < 1e-12);
                    powers.remove(&endpoint.byte); // no byte is listed twice
                }
                let least = best.iter().map(|endpoint| endpoint.probability).fold(1.0, f64::min);
                prop_assert!(powers.values().all(|power| power / total < least + 1e-12));
                prop_assert!(best.is_sorted_by(|a, b| a.probability >= b.probability));
            }
        }
    }
}
