//! What stands between quotation marks in a paragraph.

use std::ops::Range;

use crate::fold::is_unspaced;

/// What stands between marks in a paragraph, the outer ones of several.
pub(crate) fn quoted(text: &str, code: &[Range<usize>]) -> Vec<Range<usize>> {
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let in_code = |byte: usize| {
        let index = code.partition_point(|code| code.end <= byte);
        code.get(index).is_some_and(|code| code.contains(&byte))
    };
    let closings = Closings::new(&characters, &in_code);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < characters.len() {
        let (byte, c) = characters[at];
        let pair = PAIRS.iter().find(|pair| pair.open == c).filter(|_| !in_code(byte) && opens(&characters, at));
        let Some(pair) = pair else {
            at += 1;
            continue;
        };
        let start = byte + c.len_utf8();
        match closings.behind(at, pair, &characters) {
            Some(end) => {
                found.push(start..characters[end].0);
                at = end + 1;
            }
            // A mark that only opens quotes to the end of the paragraph.
            None if matches!(c, '“' | '„' | '«' | '「' | '『') => {
                found.push(start..text.len());
                break;
            }
            None => at += 1,
        }
    }
    found
}

/// What a mark opens and what closes it.
struct Pair {
    open: char,
    close: &'static [char],
}

/// Marks by what opens a quotation. `'` and `’` are apostrophes too, and are looked at more closely.
const PAIRS: [Pair; 17] = [
    Pair { open: '"', close: &['"'] },
    Pair { open: '“', close: &['”'] },
    Pair { open: '„', close: &['“', '”', '‟'] },
    Pair { open: '‟', close: &['”'] },
    Pair { open: '”', close: &['”'] },
    Pair { open: '«', close: &['»'] },
    Pair { open: '»', close: &['«', '»'] },
    Pair { open: '‹', close: &['›'] },
    Pair { open: '›', close: &['‹', '›'] },
    Pair { open: '‘', close: &['’'] },
    Pair { open: '‚', close: &['‘', '’'] },
    Pair { open: '\'', close: &['\''] },
    Pair { open: '「', close: &['」'] },
    Pair { open: '『', close: &['』'] },
    Pair { open: '〝', close: &['〞', '〟'] },
    Pair { open: '＂', close: &['＂'] },
    Pair { open: '｢', close: &['｣'] },
];

/// Where marks close, so that each search is short.
struct Closings {
    /// Of each mark, indices of characters, in their order.
    of: Vec<(char, Vec<usize>)>,
}

impl Closings {
    fn new(characters: &[(usize, char)], in_code: &dyn Fn(usize) -> bool) -> Self {
        let mut of: Vec<(char, Vec<usize>)> = Vec::new();
        for close in PAIRS.iter().flat_map(|pair| pair.close) {
            if !of.iter().any(|(known, _)| known == close) {
                of.push((*close, Vec::new()));
            }
        }
        for (index, &(byte, c)) in characters.iter().enumerate() {
            if let Some((_, places)) = of.iter_mut().find(|(close, _)| *close == c)
                && !in_code(byte)
                && closes(characters, index)
            {
                places.push(index);
            }
        }
        Self { of }
    }

    /// The mark that closes what a mark opens. Within it, the same mark may open and close again.
    fn behind(&self, at: usize, pair: &Pair, characters: &[(usize, char)]) -> Option<usize> {
        let next = |from: usize| {
            let places = pair.close.iter().filter_map(|close| {
                let (_, places) = self.of.iter().find(|(known, _)| known == close)?;
                places.get(places.partition_point(|&place| place < from)).copied()
            });
            places.min()
        };
        let mut end = next(at + 1)?;
        let (mut from, mut depth) = (at + 1, 0usize);
        // Marks that open and close differently may stand in each other.
        while !pair.close.contains(&pair.open) && depth < 4 {
            let inner = characters[from..end].iter().filter(|(_, c)| *c == pair.open).count();
            if inner == 0 {
                break;
            }
            let Some(further) = next(end + 1) else { break };
            (from, end, depth) = (end + 1, further, depth + 1);
        }
        Some(end)
    }
}

/// Whether a mark may open a quotation: no letter is before it, and no white space behind it, nor a decade, as in `'90s`.
fn opens(characters: &[(usize, char)], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| characters[before].1);
    let behind = characters.get(at + 1).map(|next| next.1);
    let mark = characters[at].1;
    if matches!(mark, '「' | '『' | '〝' | '｢' | '«' | '„' | '‚') {
        return true; // French puts spaces inside
    }
    let rest = &characters[(at + 1).min(characters.len())..];
    if matches!(mark, '\'' | '‘' | '’') && is_decade(rest) {
        return false;
    }
    let is_free = before.is_none_or(|c| !c.is_alphanumeric() || is_unspaced(c));
    is_free && behind.is_some_and(|c| !c.is_whitespace() || (mark == '»' && c == '\u{a0}'))
}

/// Whether a text begins with a decade without its century: `90s`.
fn is_decade(rest: &[(usize, char)]) -> bool {
    let is = |at: usize, of: fn(&char) -> bool| rest.get(at).is_some_and(|(_, c)| of(c));
    is(0, char::is_ascii_digit) && is(1, |c| *c == '0') && is(2, |c| *c == 's') && !is(3, |c| c.is_alphanumeric())
}

/// Whether a mark may close one: no letter is behind it, and it is no apostrophe. A number behind it may be that of a note,
/// but not behind another number, where the mark may be that of inches.
fn closes(characters: &[(usize, char)], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| characters[before].1);
    let behind = characters.get(at + 1).map(|next| next.1);
    let is_raised = |c: char| matches!(c, '¹' | '²' | '³' | '⁰' | '⁴'..='⁹');
    let ends_words = |c: char| {
        c.is_alphabetic()
            || matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '…' | ')' | ']' | '%' | '’' | '\'' | '”' | '"')
    };
    match characters[at].1 {
        '"' | '\'' | '’' | '‘' | '＂' => {
            let is_of_note = |c: char| is_raised(c) || (c.is_numeric() && before.is_some_and(ends_words));
            before.is_some_and(|c| !c.is_whitespace())
                && behind.is_none_or(|c| !c.is_alphanumeric() || is_unspaced(c) || is_of_note(c))
        }
        _ => true,
    }
}
