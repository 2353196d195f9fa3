//! What no elision and no bracket may hide, and where a sentence of a text begins.

use std::ops::Range;

use crate::fold::{Folded, flag};
use crate::words::{
    is_abbreviation, is_amount_sign, is_negation, is_negative_prefix, is_number, is_roman_numeral, is_unit,
    is_unit_sign,
};

/// A shorter word before a full stop may be an abbreviation, in characters.
const SENTENCE_WORD_MIN: usize = 4;
/// Quotation marks and brackets between a sentence and the next one, at most.
const SENTENCE_MARKS_MAX: usize = 3;

/// Whether a token negates: `not`, the `t` of `don't`, the `non` of `non-binding`, the `n` of `n'est`. The next word may be
/// glued to the `t`. So the `to` of `“Plan”to` counts too: an elision over it is refused, which is the safe side.
fn negates(folded: &Folded, token: usize) -> bool {
    let word = folded.token(token);
    let is_glued = |at: usize| folded.tokens.get(at).is_some_and(|token| !token.has(flag::SPACE | flag::BARRIER));
    if word.starts_with(['t', 'T']) && token >= 2 {
        let is_contraction = matches!(folded.token(token - 1), "\"" | "'")
            && folded.ends_with(token - 2, |c| matches!(c, 'n' | 'N'))
            && (word.len() == 1 || is_glued(token - 1) && is_glued(token));
        if is_contraction {
            return true;
        }
    }
    if word == "n" || word == "N" {
        return is_glued(token + 1)
            && matches!(folded.token(token + 1), "\"" | "'")
            && is_glued(token + 2)
            && folded.tokens[token + 2].is_word();
    }
    folded.tokens[token].is_word() && is_negation(&word.to_lowercase())
}

fn is_number_at(folded: &Folded, token: usize) -> bool {
    is_number(&folded.token(token).to_lowercase())
}

/// Whether what brackets put in says what no one may add: a number, its sign, or a negation.
pub(crate) fn means(folded: &Folded, tokens: Range<usize>) -> bool {
    let mut has_word = false;
    let changes = |token: usize| {
        let sign = folded.token(token);
        is_number_at(folded, token)
            || is_roman_numeral(sign)
            || is_negative_prefix(&sign.to_lowercase())
            || negates(folded, token)
            || is_amount_sign(sign)
            || is_unit_sign(sign)
    };
    let mut has_sign = false;
    for token in tokens {
        if changes(token) {
            return true;
        }
        has_word |= folded.tokens[token].is_word();
        has_sign |=
            matches!(folded.token(token), "-" | "+" | "±" | "<" | ">" | "≤" | "≥" | "~" | "≈" | "*" | "^" | "/");
    }
    has_sign && !has_word
}

/// Whether tokens have a word that may be a name: one with a capital letter, or of a script without spaces.
pub(crate) fn has_name(folded: &Folded, mut tokens: Range<usize>) -> bool {
    let is_name =
        |token: usize| folded.tokens[token].has(flag::UNSPACED) || folded.token(token).starts_with(char::is_uppercase);
    tokens.any(|token: usize| folded.tokens[token].is_word() && is_name(token))
}

/// Whether an elision may not leave out these tokens: they negate what is left, or a number would stand beside what is of
/// another number. A negation may be left out with all of its sentence.
pub(crate) fn is_needed(folded: &Folded, left_out: Range<usize>) -> bool {
    parts_number(folded, left_out.clone()) || negates_rest(folded, left_out)
}

fn negates_rest(folded: &Folded, left_out: Range<usize>) -> bool {
    // The first sentence that is left out whole begins here.
    let mut begin = None;
    let mut has_negation = false;
    for token in left_out.clone() {
        if begins_sentence(folded, token) {
            if begin.is_none() && has_negation {
                return true;
            }
            (begin, has_negation) = (Some(token), false);
        }
        has_negation |= negates(folded, token);
    }
    let ends_with_sentence =
        begin.is_some() && left_out.end < folded.tokens.len() && begins_sentence(folded, left_out.end);
    has_negation && !ends_with_sentence
}

fn parts_number(folded: &Folded, left_out: Range<usize>) -> bool {
    let is_word = |token: &usize| folded.tokens[*token].is_word();
    let is_of_number = |token: usize| {
        let word = folded.token(token).to_lowercase();
        is_number(&word) || is_unit(&word) || is_amount_sign(&word)
    };
    let (first, last) = (left_out.clone().next(), left_out.clone().next_back());
    let (first_word, last_word) = (left_out.clone().find(is_word), left_out.clone().rfind(is_word));
    let any = |tokens: [Option<usize>; 2], is: &dyn Fn(usize) -> bool| tokens.into_iter().flatten().any(is);
    let ends_number = left_out.start > 0
        && is_number_at(folded, left_out.start - 1)
        && first_word.is_none_or(|word| !begins_sentence(folded, word))
        && any([first, first_word], &is_of_number);
    let begins_number = left_out.end < folded.tokens.len()
        && is_of_number(left_out.end)
        && !begins_sentence(folded, left_out.end)
        && any([last, last_word], &|token| is_number_at(folded, token) || is_amount_sign(folded.token(token)));
    ends_number || begins_number
}

/// Whether a sentence surely ends before a token.
pub(crate) fn begins_sentence(folded: &Folded, token: usize) -> bool {
    if token == 0 || folded.tokens[token].has(flag::BARRIER) {
        return true;
    }
    let is_mark = |&at: &usize| matches!(folded.token(at), "\"" | "'" | "''" | ")" | "]");
    let marks = (0..token).rev().take(SENTENCE_MARKS_MAX).take_while(is_mark).count();
    let Some(end) = token.checked_sub(marks + 1) else { return false };
    match folded.token(end) {
        "!" | "?" | "。" | "؟" | "।" => true,
        "." => {
            let ends = end > 0 && folded.tokens[end - 1].is_word() && is_last_word(folded.token(end - 1));
            let goes_on = folded.token(token).starts_with(|c: char| c.is_lowercase() || c.is_numeric());
            ends && !goes_on && folded.tokens[token].has(flag::SPACE) || folded.tokens[token].has(flag::PARAGRAPH)
        }
        _ => false,
    }
}

/// Whether a full stop behind a word ends a sentence, and not an abbreviation.
pub(crate) fn is_last_word(word: &str) -> bool {
    let length = word.chars().count();
    let is_short = length < SENTENCE_WORD_MIN && (!word.starts_with(char::is_lowercase) || length < 2);
    !is_short && (length > SENTENCE_WORD_MIN || !word.starts_with(char::is_uppercase)) && !is_abbreviation(word)
}

/// Whether a sentence may begin with a token: what is before it ends one, opens a quotation, or is the number of a list.
fn may_begin_sentence(folded: &Folded, token: usize) -> bool {
    if token == 0 || folded.tokens[token].has(flag::BARRIER | flag::PARAGRAPH) {
        return true;
    }
    let opens = |&at: &usize| matches!(folded.token(at), "\"" | "(" | "[") && !folded.tokens[at].has(flag::BARRIER);
    let marks = (0..token).rev().take(SENTENCE_MARKS_MAX).take_while(opens).count();
    let first = token - marks;
    let Some(end) = first.checked_sub(1).filter(|_| !folded.tokens[first].has(flag::PARAGRAPH)) else { return true };
    let begins_line = folded.tokens[end].has(flag::LINE | flag::BARRIER) || end == 0;
    match folded.token(end) {
        "." | "!" | "?" | "。" | "؟" | "।" => true,
        ")" => end > 0 && folded.token(end - 1).chars().count() <= SENTENCE_WORD_MIN,
        "-" | "•" | "*" | "#" | "–" => begins_line,
        _ => false,
    }
}

/// Whether the first letter of a word of a text may differ in case from that of the first word of a quotation: the
/// quotation begins a sentence with it, or the text does. `MW` is not `mW`.
pub(crate) fn may_differ_in_case(word: &str, text: &Folded, token: usize) -> bool {
    let is_plain = !word.chars().skip(1).any(char::is_uppercase);
    is_plain && (word.starts_with(char::is_uppercase) || may_begin_sentence(text, token))
}

/// Whether no word is before a word.
pub(crate) fn is_first_word(folded: &Folded, token: usize) -> bool {
    folded.tokens[token].is_word() && folded.tokens[token].letters == 0
}
