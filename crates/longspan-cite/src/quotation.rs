//! A quotation, ready to be looked for: its tokens, what it leaves out and puts in, and the keys by which it is found.

use std::collections::HashMap;
use std::ops::Range;

use crate::fold::{Folded, TextLayout, flag, fold_whole};
use crate::joints::may_join;
use crate::meaning::{has_name, means};

/// The longest thing in brackets that was put in, in tokens.
const INSERTED_TOKENS_MAX: usize = 40;

/// A longer word counts as much as one of so many letters.
const WORD_WEIGHT_MAX: usize = 8;

/// A quotation with its parts, between which something was left out or put in.
pub(crate) struct Quotation {
    pub text: String,
    pub folded: Folded,
    /// One or more, each with a word.
    pub parts: Vec<QuotationPart>,
    /// What is before each part, and behind the last one.
    pub gaps: Vec<Option<Gap>>,
    /// Letters of all.
    pub letters: u32,
    /// The hashes of its words, sorted, each once, with their lengths up to [`WORD_WEIGHT_MAX`].
    pub weights: Vec<(u64, u32)>,
}

/// Tokens that stand together in the passage.
pub(crate) struct QuotationPart {
    pub tokens: Range<usize>,
    pub keys: Vec<PartKey>,
}

/// A run of words by which a part is found.
#[derive(Clone, Copy)]
pub(crate) struct PartKey {
    /// Number of the key in all quotations.
    pub key: u32,
    /// Letters of the quotation before it.
    pub letters: u32,
}

/// What stands between two parts.
#[derive(Clone)]
pub(crate) struct Gap {
    /// Its tokens in the quotation, brackets and dots.
    pub tokens: Range<usize>,
    /// Whether it says that something was left out; else it was only put in.
    pub is_elision: bool,
    /// Whether what was put in has a number or a negation.
    pub has_number_or_negation: bool,
    /// Whether what was put in may have a name.
    pub has_name: bool,
}

/// The keys of all quotations, by their hashes.
pub(crate) type QuotationKeys = HashMap<u64, u32>;

/// A word by its hash, and the token in which it begins.
#[derive(Clone, Copy)]
pub(crate) struct HashedWord {
    pub token: u32,
    pub hash: u64,
}

impl Quotation {
    /// The quotation; `None` if it has no word. Its keys join those of others.
    pub fn new(text: &str, keys: &mut QuotationKeys) -> Option<Self> {
        let text = text.trim();
        let folded = fold_whole(text, &TextLayout::default());
        let (parts, gaps) = divided(&folded);
        let words = words(&folded);
        let mut quotation =
            Self { text: text.to_owned(), folded, parts: Vec::new(), gaps, letters: 0, weights: Vec::new() };
        let last = quotation.folded.tokens.len().checked_sub(1)?;
        let in_last = quotation.folded.token(last).chars().count() as u32;
        quotation.letters = quotation.folded.tokens[last].letters + in_last;
        let weight = |word: &HashedWord| quotation.folded.token(word.token as usize).len().min(WORD_WEIGHT_MAX) as u32;
        let mut weights: Vec<(u64, u32)> = words.iter().map(|word| (word.hash, weight(word))).collect();
        weights.sort_unstable();
        weights.dedup_by_key(|(hash, _)| *hash);
        quotation.weights = weights;
        for tokens in parts {
            let within = |token: u32| tokens.contains(&(token as usize));
            let first = words.partition_point(|word| (word.token as usize) < tokens.start);
            let own: Vec<HashedWord> = words[first..].iter().copied().take_while(|word| within(word.token)).collect();
            let mut found = Vec::new();
            each_key(&quotation.folded, &own, &mut |hash, token| {
                let next = keys.len() as u32;
                let key = *keys.entry(hash).or_insert(next);
                found.push(PartKey { key, letters: quotation.folded.tokens[token as usize].letters });
            });
            quotation.parts.push(QuotationPart { tokens, keys: found });
        }
        (!quotation.parts.is_empty()).then_some(quotation)
    }

    /// Share of its different words, by their length, that are among others.
    pub fn coverage(&self, words: &[HashedWord]) -> f64 {
        let mut seen = vec![false; self.weights.len()];
        for word in words {
            if let Ok(index) = self.weights.binary_search_by_key(&word.hash, |(hash, _)| *hash) {
                seen[index] = true;
            }
        }
        let sum = |weights: &mut dyn Iterator<Item = u32>| f64::from(weights.sum::<u32>());
        let own = sum(&mut self.weights.iter().zip(&seen).filter(|(_, seen)| **seen).map(|((_, weight), _)| *weight));
        own / sum(&mut self.weights.iter().map(|(_, weight)| *weight))
    }
}

/// The parts of a quotation, and the gaps before and behind them. One that is all in brackets is a part.
fn divided(folded: &Folded) -> (Vec<Range<usize>>, Vec<Option<Gap>>) {
    let (mut parts, mut gaps) = divided_at_gaps(folded);
    if parts.is_empty() && folded.tokens.iter().any(|token| token.is_word()) {
        parts.push(0..folded.tokens.len());
        gaps = vec![None, None];
    }
    (parts, gaps)
}

fn divided_at_gaps(folded: &Folded) -> (Vec<Range<usize>>, Vec<Option<Gap>>) {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut gaps: Vec<Option<Gap>> = vec![None];
    let (mut at, mut from, count) = (0, 0, folded.tokens.len());
    let has_word = |tokens: Range<usize>| folded.tokens[tokens].iter().any(|token| token.is_word());
    loop {
        let gap = if at < count { gap_at(folded, at) } else { None };
        if gap.is_none() && at < count {
            at += 1;
            continue;
        }
        if has_word(from..at) {
            parts.push(from..at);
            gaps.push(None);
        }
        let Some(gap) = gap else { break };
        (at, from) = (gap.tokens.end, gap.tokens.end);
        let last = gaps.last_mut().expect("one more gap than parts");
        *last = Some(match last.take() {
            Some(before) => Gap {
                tokens: before.tokens.start..gap.tokens.end,
                is_elision: before.is_elision || gap.is_elision,
                has_number_or_negation: means(folded, before.tokens.start..gap.tokens.end),
                has_name: before.has_name || gap.has_name,
            },
            None => gap,
        });
    }
    // Numbers that are signs, at either end, which no part has.
    if let Some(Some(first)) = gaps.first_mut()
        && means(folded, 0..first.tokens.start)
    {
        (first.tokens.start, first.has_number_or_negation) = (0, true);
    }
    if let Some(Some(last)) = gaps.last_mut()
        && means(folded, last.tokens.end..count)
    {
        (last.tokens.end, last.has_number_or_negation) = (count, true);
    }
    (parts, gaps)
}

/// The elision or insertion that begins at a token. Brackets on a word, as in `[un]lawful`, are signs like others.
pub(crate) fn gap_at(folded: &Folded, at: usize) -> Option<Gap> {
    let is = |index: usize, sign: &str| index < folded.tokens.len() && folded.token(index) == sign;
    let elision = |length: usize| {
        Some(Gap { tokens: at..at + length, is_elision: true, has_number_or_negation: false, has_name: false })
    };
    if is(at, "…") {
        return elision(1);
    }
    if (is(at, "[") && is(at + 1, "…") && is(at + 2, "]")) || (is(at, "(") && is(at + 1, "…") && is(at + 2, ")")) {
        return elision(3);
    }
    if !is(at, "[") {
        return None;
    }
    let end = (at + 1..(at + INSERTED_TOKENS_MAX).min(folded.tokens.len())).find(|&index| is(index, "]"))?;
    if (at + 1..end).any(|index| is(index, "[")) || is_on_word(folded, at..end + 1) {
        return None;
    }
    let put_in = at + 1..end;
    let has_number_or_negation = means(folded, put_in.clone());
    Some(Gap { tokens: at..end + 1, is_elision: false, has_number_or_negation, has_name: has_name(folded, put_in) })
}

/// Whether brackets stand on a word without white space between, or on a sign that would join them to a word.
fn is_on_word(folded: &Folded, brackets: Range<usize>) -> bool {
    let is_glued = |index: usize| folded.tokens.get(index).is_some_and(|token| !token.has(flag::SPACE));
    let is_word = |index: usize| folded.tokens[index].is_word();
    let (start, end) = (brackets.start, brackets.end);
    let is_behind = |at: usize| {
        is_word(at)
            || (may_join(folded.token(at)) && at + 1 < folded.tokens.len() && is_glued(at + 1) && is_word(at + 1))
    };
    let is_before =
        |at: usize| is_word(at) || (may_join(folded.token(at)) && at > 0 && is_glued(at) && is_word(at - 1));
    (start > 0 && is_glued(start) && is_before(start - 1)) || (is_glued(end) && is_behind(end))
}

/// The words of a text. What a hyphen that may be passed over has parted is one word.
pub(crate) fn words(folded: &Folded) -> Vec<HashedWord> {
    let mut words: Vec<HashedWord> = Vec::with_capacity(folded.tokens.len());
    let mut goes_on = false;
    for (index, token) in folded.tokens.iter().enumerate() {
        if token.is_word() {
            let last = words.last_mut().filter(|_| goes_on);
            let before = last.as_ref().map_or(OFFSET_BASIS, |last| last.hash);
            let hash = hashed(before, folded.token(index));
            match last {
                Some(last) => last.hash = hash,
                None => words.push(HashedWord { token: index as u32, hash }),
            }
            goes_on = false;
        } else {
            goes_on = token.has(flag::OPTIONAL) && index > 0 && folded.tokens[index - 1].is_word() && !words.is_empty();
        }
    }
    words
}

/// Calls `found` with the keys of words: each word, and each two and three that follow each other, with the token in which
/// they begin. Of a word that a hyphen parts, each piece has a key too.
pub(crate) fn each_key(folded: &Folded, words: &[HashedWord], found: &mut dyn FnMut(u64, u32)) {
    for (index, word) in words.iter().enumerate() {
        let mut key = word.hash;
        found(key, word.token);
        for (count, next) in (2u64..).zip(words[index + 1..].iter().take(2)) {
            key = (key.rotate_left(23) ^ next.hash).wrapping_mul(PRIME).wrapping_add(count);
            found(key, word.token);
        }
        let mut piece = word.token as usize;
        while folded.tokens.get(piece + 1).is_some_and(|token| token.has(flag::OPTIONAL)) {
            found(hashed(OFFSET_BASIS, folded.token(piece)), piece as u32);
            piece += 2;
            if folded.tokens.get(piece).is_none_or(|token| !token.is_word()) {
                break;
            }
            if folded.tokens.get(piece + 1).is_none_or(|token| !token.has(flag::OPTIONAL)) {
                found(hashed(OFFSET_BASIS, folded.token(piece)), piece as u32);
            }
        }
    }
}

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a of a word in lower case. What has the same hash is compared before anything is said of it.
fn hashed(before: u64, word: &str) -> u64 {
    let one = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    if word.is_ascii() {
        return word.bytes().fold(before, |hash, byte| one(hash, byte.to_ascii_lowercase()));
    }
    let lower = word.chars().flat_map(char::to_lowercase);
    lower.fold(before, |hash, c| c.encode_utf8(&mut [0; 4]).bytes().fold(hash, one))
}
