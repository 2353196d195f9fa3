//! How a long document is cut into windows.
//!
//! Window k starts at k · (room − doc_stride), as in the SQuAD script; the last one is shorter. Neighbours share
//! `doc_stride` tokens, so a token may stand in several windows. An answer counts only in the one that shows the
//! model most around its start.

use std::ops::Range;

/// A part of the document that goes through the model at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Tokens of the document in this window.
    pub tokens: Range<usize>,
    /// Those of `tokens` at which an answer may start here: the tokens for which no other window has a larger
    /// smaller context (ties: the first window).
    pub starts: Range<usize>,
}

/// Windows of at most `room` tokens over a document of `tokens`, neighbours sharing `doc_stride`.
///
/// Every token of the document belongs to the `starts` of exactly one window. A document that fits has one window,
/// an empty document one empty window.
///
/// # Panics
/// If `doc_stride` is not smaller than `room`: the windows would never move on.
///
/// ```
/// use longspan::reader::windows::windows;
/// let starts: Vec<_> = windows(10, 6, 2).into_iter().map(|window| (window.tokens, window.starts)).collect();
/// assert_eq!(starts, [(0..6, 0..5), (4..10, 5..10)]);
/// ```
pub fn windows(tokens: usize, room: usize, doc_stride: usize) -> Vec<Window> {
    assert!(doc_stride < room, "doc_stride {doc_stride} in windows of {room} tokens");
    let step = room - doc_stride;
    let count = 1 + tokens.saturating_sub(room).div_ceil(step);
    let mut windows = Vec::with_capacity(count);
    let mut first_start = 0;
    for k in 0..count {
        let range = k * step..tokens.min(k * step + room);
        let next_start = if k + 1 < count { first_better_in_next(&range, (k + 1) * step) } else { tokens };
        windows.push(Window { tokens: range, starts: first_start..next_start });
        first_start = next_start;
    }
    windows
}

/// The first token whose smaller context is larger in the window that starts at `next_start` than in `window`.
///
/// The next window starts later and ends later, so of token p it shows less on the left and more on the right. Its
/// smaller context is the larger one exactly where the right context here, `window.end − 1 − p`, is less than the
/// left context there, `p − next_start`: where 2p > window.end − 1 + next_start. That bound grows from window to
/// window, so comparing neighbours is comparing all.
fn first_better_in_next(window: &Range<usize>, next_start: usize) -> usize {
    (window.end - 1 + next_start) / 2 + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule as it is said: the window with the largest smaller context, the first of equals.
    fn window_of(token: usize, windows: &[Window]) -> usize {
        let context = |window: &Window| {
            let left = token.checked_sub(window.tokens.start)?;
            let right = (window.tokens.end - 1).checked_sub(token)?;
            Some(left.min(right))
        };
        let largest = windows.iter().filter_map(context).max().expect("every token has a window");
        windows.iter().position(|window| context(window) == Some(largest)).expect("one window has the largest")
    }

    #[test]
    fn known_windows() {
        assert_eq!(windows(0, 4, 1), [Window { tokens: 0..0, starts: 0..0 }]);
        assert_eq!(windows(4, 4, 1), [Window { tokens: 0..4, starts: 0..4 }]);
        assert_eq!(
            windows(5, 4, 1),
            [Window { tokens: 0..4, starts: 0..4 }, Window { tokens: 3..5, starts: 4..5 }],
            "token 3 has no context on one side in either window, so the first has it"
        );
        assert_eq!(
            windows(9, 3, 0),
            [0..3, 3..6, 6..9].map(|tokens| Window { starts: tokens.clone(), tokens }),
            "nothing shared"
        );
    }

    #[test]
    #[should_panic(expected = "doc_stride 4 in windows of 4 tokens")]
    fn windows_must_move_on() {
        windows(10, 4, 4);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn windows_keep_the_rule(tokens in 0usize..200, room in 1usize..60, share in 0.0..1.0f64) {
            let doc_stride = (room as f64 * share) as usize;
            let windows = windows(tokens, room, doc_stride);
            for (k, window) in windows.iter().enumerate() {
                prop_assert_eq!(window.tokens.start, k * (room - doc_stride));
                prop_assert_eq!(window.tokens.end, tokens.min(window.tokens.start + room));
                prop_assert_eq!(window.tokens.end == tokens, k + 1 == windows.len());
                prop_assert!(tokens == 0 || !window.starts.is_empty());
            }
            for token in 0..tokens {
                let owners: Vec<_> = (0..windows.len()).filter(|&k| windows[k].starts.contains(&token)).collect();
                prop_assert_eq!(owners, [window_of(token, &windows)], "token {}", token);
            }
        }
    }
}
