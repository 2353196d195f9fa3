//! How a long document is cut into windows.

use std::ops::Range;

/// A part of the document that goes through the model at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Tokens of the document in this window.
    pub tokens: Range<usize>,
    /// The tokens at which an answer may start in this window: those to which it gives the largest context.
    pub starts: Range<usize>,
}

/// Windows of at most `room` tokens over a document of `tokens`, neighbours sharing `doc_stride`.
///
/// As in the SQuAD script of BERT (whose `doc_stride` is the distance of two windows instead of what they share), the last
/// window is shorter, and a start belongs to the window where the smaller of its left and right contexts is largest, to the
/// first such window on a tie. The windows begin and end in order, so the starts of each are a run, and the runs follow
/// each other.
///
/// # Panics
/// Unless `doc_stride < room` and the document has a token.
pub(crate) fn windows(tokens: usize, room: usize, doc_stride: usize) -> Vec<Window> {
    assert!(doc_stride < room && tokens > 0, "{tokens} tokens, room for {room}, {doc_stride} shared");
    let step = room - doc_stride;
    let count = 1 + tokens.saturating_sub(room).div_ceil(step);
    let range = |w: usize| w * step..tokens.min(w * step + room);
    let mut next = 0;
    (0..count)
        .map(|w| {
            let tokens = range(w);
            let last = if w + 1 == count { tokens.end } else { handover(&tokens, &range(w + 1)) };
            let starts = next..last;
            next = last;
            Window { tokens, starts }
        })
        .collect()
}

/// The first token to which the later of two neighbouring windows gives the larger context.
///
/// Of a token t that both contain, the earlier window a..b gives the context min(t - a, b - 1 - t). Up to the middle of that
/// window the left context is the smaller one and exceeds that in the later window; after it, the right context b - 1 - t
/// falls while the left context t - c in the later window c..d grows.
fn handover(earlier: &Range<usize>, later: &Range<usize>) -> usize {
    let context = |window: &Range<usize>, t: usize| (t - window.start).min(window.end - 1 - t);
    let shared = later.start..earlier.end;
    shared.clone().find(|&t| context(later, t) > context(earlier, t)).unwrap_or(shared.end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn context(window: &Window, t: usize) -> Option<usize> {
        window.tokens.contains(&t).then(|| (t - window.tokens.start).min(window.tokens.end - 1 - t))
    }

    proptest! {
        #[test]
        fn every_token_starts_where_its_context_is_largest(tokens in 1..200usize, room in 1..60usize, share in 0..60usize) {
            let doc_stride = share % room;
            let windows = windows(tokens, room, doc_stride);
            prop_assert_eq!(windows[0].tokens.start, 0);
            prop_assert_eq!(windows[windows.len() - 1].tokens.end, tokens);
            for pair in windows.windows(2) {
                prop_assert_eq!(pair[0].tokens.len(), room);
                prop_assert_eq!(pair[1].tokens.start + doc_stride, pair[0].tokens.end);
                prop_assert!(pair[1].tokens.end > pair[0].tokens.end);
            }
            for t in 0..tokens {
                // The first of the windows with the largest context.
                let best = (0..windows.len()).max_by_key(|&w| (context(&windows[w], t), usize::MAX - w));
                let owners: Vec<usize> = (0..windows.len()).filter(|&w| windows[w].starts.contains(&t)).collect();
                prop_assert_eq!(owners, vec![best.unwrap()], "token {}", t);
            }
        }
    }

    #[test]
    fn a_document_that_fits_has_one_window() {
        assert_eq!(windows(10, 10, 4), [Window { tokens: 0..10, starts: 0..10 }]);
        assert_eq!(windows(11, 10, 4).len(), 2);
    }
}
