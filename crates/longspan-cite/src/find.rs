//! Where a text has a quotation: candidates by the rarest words, each compared sign by sign.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use crate::compare::{Reason, SideBySide, Work};
use crate::fold::{Folded, Side, flag};
use crate::joints::Border;
use crate::meaning::{begins_sentence, is_needed};
use crate::quotation::{Gap, HashedWord, PartKey, Quotation, QuotationKeys, QuotationPart, each_key, words};

/// Of the keys of a part, so many of the rarest are tried.
const KEYS_TRIED: usize = 6;
/// What `…` leaves out at most, in letters, in words and signs, and how many ends of paragraphs.
const ELISION_LETTERS_MAX: u32 = 4000;
const ELISION_TOKENS_MAX: usize = 8000;
const ELISION_PARAGRAPHS_MAX: usize = 4;

/// A text with the places of the keys of quotations.
pub(crate) struct IndexedText<'a> {
    pub side: Side<'a>,
    /// For each key the tokens in which it begins, in their order.
    pub postings: Vec<Vec<u32>>,
    pub words: Vec<HashedWord>,
}

impl<'a> IndexedText<'a> {
    pub fn new(text: &'a str, folded: &'a Folded, keys: &QuotationKeys) -> Self {
        let (mut postings, words) = (vec![Vec::new(); keys.len()], words(folded));
        each_key(folded, &words, &mut |hash, token| {
            if let Some(&key) = keys.get(&hash) {
                postings[key as usize].push(token);
            }
        });
        Self { side: Side { text, folded }, postings, words }
    }

    /// The keys that the text has, the rarest first, each once.
    pub fn rarest(&self, part: &QuotationPart) -> Vec<PartKey> {
        let mut keys: Vec<PartKey> =
            part.keys.iter().copied().filter(|key| !self.postings[key.key as usize].is_empty()).collect();
        keys.sort_by_key(|key| (self.postings[key.key as usize].len(), key.key, key.letters));
        keys.dedup_by_key(|key| key.key);
        keys
    }

    pub fn count(&self, key: PartKey) -> usize {
        self.postings[key.key as usize].len()
    }
}

/// Tokens of a text that are a part of a quotation, or all of it.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    pub tokens: Range<usize>,
    /// Where each part begins.
    starts: Vec<usize>,
    /// Of its gaps.
    reasons: BTreeSet<Reason>,
}

impl Match {
    /// Its bytes in the text.
    pub fn bytes(&self, folded: &Folded) -> Range<usize> {
        let (first, last) = (folded.tokens[self.tokens.start], folded.tokens[self.tokens.end - 1]);
        // Furniture that was put behind the text may stand before it.
        first.start as usize..(last.end as usize).max(first.start as usize)
    }

    /// Whether it is the quotation letter for letter.
    pub fn is_exact(&self, quotation: &Quotation, text: Side<'_>) -> bool {
        text.text[self.bytes(text.folded)] == quotation.text
    }
}

/// All passages that are the quotation, in their order, none over another: of two that overlap, the exact one, else the
/// first.
pub(crate) fn passages(quotation: &Quotation, text: &IndexedText<'_>, work: &mut Work) -> Vec<Match> {
    let rarest: Vec<Vec<PartKey>> = quotation.parts.iter().map(|part| text.rarest(part)).collect();
    let count = |part: &usize| rarest[*part].first().map_or(usize::MAX, |key| text.count(*key));
    let Some(anchor) = (0..quotation.parts.len()).min_by_key(count) else { return Vec::new() };
    let search = Search { quotation, text: text.side };
    let mut tried: HashSet<usize> = HashSet::new();
    let mut found: Vec<Match> = Vec::new();
    let enough = rarest[anchor].first().map_or(0, |key| 8 * text.count(*key) + 64);
    for key in rarest[anchor].iter().take(KEYS_TRIED) {
        if text.count(*key) > enough {
            break;
        }
        // Within the last passage nothing else is tried but the bytes of an exact one.
        let (mut passed, mut exact) = (0, 0..0);
        for &token in &text.postings[key.key as usize] {
            let byte = text.side.folded.tokens[token as usize].start as usize;
            if (token as usize) < passed && !exact.contains(&byte) {
                continue;
            }
            if !work.spend(1) {
                break;
            }
            let Some(start) = search.start(anchor, *key, token as usize) else { continue };
            if !tried.insert(start) {
                continue;
            }
            if let Some(one) = search.chain(anchor, start, work) {
                exact = search.exact_within(&one, work);
                passed = passed.max(one.tokens.end);
                found.push(one);
            }
        }
    }
    found.sort_by_key(|one| one.tokens.start);
    let mut apart: Vec<Match> = Vec::with_capacity(found.len());
    for one in found {
        match apart.last_mut() {
            Some(last) if one.tokens.start < last.tokens.end => {
                if one.is_exact(quotation, text.side) && !last.is_exact(quotation, text.side) {
                    *last = one;
                }
            }
            _ => apart.push(one),
        }
    }
    apart
}

/// In what a passage differs from its quotation.
pub(crate) fn reasons(quotation: &Quotation, text: Side<'_>, found: &Match) -> BTreeSet<Reason> {
    let search = Search { quotation, text };
    let mut reasons = found.reasons.clone();
    for (part, &start) in found.starts.iter().enumerate() {
        search.comparison(part).reasons(start, &mut reasons);
    }
    reasons
}

struct Search<'a> {
    quotation: &'a Quotation,
    text: Side<'a>,
}

impl<'a> Search<'a> {
    fn comparison(&self, part: usize) -> SideBySide<'a> {
        SideBySide {
            quotation: Side { text: &self.quotation.text, folded: &self.quotation.folded },
            part: self.quotation.parts[part].tokens.clone(),
            is_last: part + 1 == self.quotation.parts.len(),
            text: self.text,
        }
    }

    /// The bytes of the text that have the quotation letter for letter and begin within a passage that does not: none, if
    /// there are none.
    fn exact_within(&self, found: &Match, work: &mut Work) -> Range<usize> {
        let (text, quoted) = (self.text.text, &self.quotation.text[..]);
        if found.is_exact(self.quotation, self.text) || !work.spend(quoted.len() as u64) {
            return 0..0;
        }
        let bytes = found.bytes(self.text.folded);
        let end = text.floor_char_boundary(bytes.end + quoted.len());
        let at = text[bytes.start..end].find(quoted);
        at.map_or(0..0, |at| bytes.start + at..bytes.start + at + quoted.len())
    }

    /// Where a part begins in the text if one of its keys is at `token`.
    fn start(&self, part: usize, key: PartKey, token: usize) -> Option<usize> {
        let comparison = self.comparison(part);
        let first = comparison.first_word();
        let before = key.letters - self.quotation.folded.tokens[first].letters;
        let folded = self.text.folded;
        let letters = folded.tokens[token].letters.checked_sub(before)?;
        let mut start = folded.at_letters(letters);
        // Signs have as many letters before them as the word behind them.
        while start < token && !folded.tokens[start].is_word() {
            start += 1;
        }
        if folded.tokens[start].letters != letters {
            return None;
        }
        start.checked_sub(first - self.quotation.parts[part].tokens.start)
    }

    /// The whole quotation, with one part at a place.
    fn chain(&self, anchor: usize, start: usize, work: &mut Work) -> Option<Match> {
        let end = self.comparison(anchor).end(start, work)?;
        let parts = self.quotation.parts.len();
        let (mut starts, mut reasons) = (vec![start; parts], BTreeSet::new());
        let (mut first, mut last) = (start, end);
        let (before, behind) = starts.split_at_mut(anchor);
        for (part, start) in (anchor + 1..).zip(&mut behind[1..]) {
            let next = self.next(part, last, work)?;
            (*start, last) = (next.tokens.start, next.tokens.end);
            reasons.extend(next.reasons);
        }
        for (part, start) in before.iter_mut().enumerate().rev() {
            let before = self.before(part, first, work)?;
            (*start, first) = (before.tokens.start, before.tokens.start);
            reasons.extend(before.reasons);
        }
        let mut whole = first..last;
        for (gap, is_before) in [(self.quotation.gaps.first(), true), (self.quotation.gaps.last(), false)] {
            let Some(Some(gap)) = gap else { continue };
            let border = if is_before { first } else { last };
            match self.literal_edge(gap, border, is_before) {
                Some(edge) if is_before => whole.start = edge,
                Some(edge) => whole.end = edge,
                None => _ = reasons.insert(self.outer_reason(gap, border)?),
            }
        }
        Some(Match { tokens: whole, starts, reasons })
    }

    /// A part behind the gap that begins at `from`.
    fn next(&self, part: usize, from: usize, work: &mut Work) -> Option<Match> {
        let (folded, comparison) = (self.text.folded, self.comparison(part));
        let gap = self.quotation.gaps[part].as_ref()?;
        let mut paragraphs = 0;
        for start in from..folded.tokens.len() {
            let token = folded.tokens[start];
            paragraphs += usize::from(token.has(flag::PARAGRAPH));
            if !work.spend(1) || token.has(flag::BARRIER) || !self.is_near(gap, from..start, paragraphs) {
                return None;
            }
            if let Some(end) = comparison.end(start, work)
                && let Some(reason) = self.reason_for(gap, from..start, work)
            {
                return Some(Match { tokens: start..end, starts: vec![], reasons: reason.into_iter().collect() });
            }
        }
        None
    }

    /// A part before the gap that ends at `to`.
    fn before(&self, part: usize, to: usize, work: &mut Work) -> Option<Match> {
        let (folded, comparison) = (self.text.folded, self.comparison(part));
        let gap = self.quotation.gaps[part + 1].as_ref()?;
        let length = 2 * self.quotation.parts[part].tokens.len() + 8;
        let is_paragraph = |token: usize| folded.tokens.get(token).is_some_and(|token| token.has(flag::PARAGRAPH));
        let mut paragraphs = usize::from(is_paragraph(to)); // that begin from `start` to `to`
        for start in (0..to).rev() {
            paragraphs += usize::from(is_paragraph(start));
            if !work.spend(1) {
                return None;
            }
            if let Some(end) = comparison.end(start, work).filter(|&end| end <= to) {
                let in_part = (start..end).filter(|&token| is_paragraph(token)).count();
                if self.is_near(gap, end..to, paragraphs - in_part)
                    && let Some(reason) = self.reason_for(gap, end..to, work)
                {
                    return Some(Match { tokens: start..end, starts: vec![], reasons: reason.into_iter().collect() });
                }
            }
            let behind = (start + length).min(to);
            if folded.tokens[start].has(flag::BARRIER) || !self.is_near(gap, behind..to, 0) {
                return None;
            }
        }
        None
    }

    /// Whether tokens of the text are so few that a gap may stand for them.
    fn is_near(&self, gap: &Gap, left_out: Range<usize>, paragraphs: usize) -> bool {
        let tokens = &self.text.folded.tokens;
        if !gap.is_elision || gap.has_number_or_negation {
            return left_out.len() <= gap.tokens.len();
        }
        let letters = tokens.get(left_out.end).map_or(0, |to| to.letters - tokens[left_out.start].letters);
        letters <= ELISION_LETTERS_MAX && left_out.len() <= ELISION_TOKENS_MAX && paragraphs <= ELISION_PARAGRAPHS_MAX
    }

    /// Where a passage begins or ends with the dots and brackets beside its border, if the quotation has the same there, and
    /// no word or number of the text is cut.
    fn literal_edge(&self, gap: &Gap, border: usize, is_before: bool) -> Option<usize> {
        let length = gap.tokens.len();
        let edge = if is_before { border.checked_sub(length)? } else { border + length };
        let beside = edge.min(border)..edge.max(border);
        // A barrier is before its token.
        let joined = if is_before { edge + 1..border + 1 } else { beside.clone() };
        let is_joined = || self.text.folded.tokens[joined].iter().all(|token| !token.has(flag::BARRIER));
        let is_cut = || Border { text: self.text, token: edge }.is_within();
        (self.is_literal(gap, beside) && is_joined() && !is_cut()).then_some(edge)
    }

    fn is_literal(&self, gap: &Gap, beside: Range<usize>) -> bool {
        let (own, text) = (&self.quotation.folded, self.text.folded);
        beside.end <= text.tokens.len()
            && gap.tokens.len() == beside.len()
            && gap.tokens.clone().zip(beside).all(|(a, b)| own.token(a) == text.token(b))
    }

    /// Why a gap may stand for tokens of the text; `Some(None)` if they are the same. Brackets put in, and replace nothing.
    fn reason_for(&self, gap: &Gap, left_out: Range<usize>, work: &mut Work) -> Option<Option<Reason>> {
        if !work.spend(left_out.len() as u64) {
            return None;
        }
        if self.is_literal(gap, left_out.clone()) {
            return Some(None);
        }
        if gap.has_number_or_negation {
            return None;
        }
        if gap.is_elision {
            return (!gap.has_name && !is_needed(self.text.folded, left_out)).then_some(Some(Reason::Elision));
        }
        left_out.is_empty().then_some(Some(Reason::Brackets))
    }

    /// Why a gap may begin or end the quotation, where the text may have anything. A name there would seem to stand in the
    /// place of another one, except beside a whole sentence.
    fn outer_reason(&self, gap: &Gap, border: usize) -> Option<Reason> {
        let folded = self.text.folded;
        let is_whole = border >= folded.tokens.len() || begins_sentence(folded, border);
        if gap.has_number_or_negation || (gap.has_name && !is_whole) {
            return None;
        }
        Some(if gap.is_elision { Reason::Elision } else { Reason::Brackets })
    }
}
