//! The region of a text that is nearest to a quotation which the text does not have.

use std::ops::Range;

use crate::align::{Diagonals, Step, align, are_similar, is_elision};
use crate::compare::Work;
use crate::edits::{Aligned, Edit};
use crate::find::IndexedText;
use crate::fold::{Side, flag};
use crate::quotation::{PartKey, Quotation};
use crate::units::{Unit, units};

/// So many places of keys vote for a region, and so many of a quotation of few words, whose keys are not rare.
const VOTES_MAX: usize = 1 << 9;
const SHORT_VOTES_MAX: usize = 1 << 12;
/// A vote takes the time of so many signs that are compared.
const VOTE_SIGNS: u64 = 2;
/// A unit that is made takes the time of so many.
const UNIT_SIGNS: u64 = 3;
/// A quotation of fewer different words is short.
const SHORT_WORDS: usize = 12;
/// So many regions are aligned.
const REGIONS_MAX: usize = 4;
/// Tokens to either side of a token of the quotation, beside twice those of the quotation.
const WINDOW_TOKENS: usize = 1 << 11;
/// Share of the words of a quotation that must stand near each other, before a region is aligned.
const COVERAGE_MIN: f64 = 0.5;
/// Share of the words of a quotation that a passage must have, if it is to be the one that was meant.
const AGREEMENT_MIN: f64 = 0.6;
/// Words of a quotation that a passage must have, if the quotation begins or ends with two words that it lacks.
const OPEN_WORDS_MIN: usize = 5;
/// Share of the words of such a passage that the quotation must have.
const DENSITY_MIN: f64 = 0.5;

/// A region of a text beside a quotation.
#[derive(Debug)]
pub(crate) struct Region {
    /// Bytes of the text.
    pub bytes: Range<usize>,
    /// Share of the words of the quotation, by their length, that it has.
    pub agreement: f64,
    /// What the quotation changes; `None` if it is not sure that this passage was meant.
    pub edits: Option<Vec<Edit>>,
}

/// An aligned region, before it is known whether it is the best.
struct AlignedRegion {
    region: Region,
    score: i32,
    /// Its units in the window.
    units: Range<usize>,
    /// Its words.
    words: Vec<String>,
}

/// The region that agrees most with a quotation.
pub(crate) fn nearest(quotation: &Quotation, text: &IndexedText<'_>, work: &mut Work) -> Option<Region> {
    let own = units(&quotation.folded, 0..quotation.folded.tokens.len());
    let mut found: Vec<AlignedRegion> = Vec::new();
    for (near, token) in regions(quotation, text, work) {
        let window = window(quotation, text, &near, token);
        // Signs are units too.
        if !work.spend(window.len() as u64) {
            break;
        }
        let first = text.words.partition_point(|word| (word.token as usize) < window.start);
        let last = text.words.partition_point(|word| (word.token as usize) < window.end);
        if quotation.coverage(&text.words[first..last]) < COVERAGE_MIN {
            continue;
        }
        if !work.spend(UNIT_SIGNS * window.len() as u64) {
            break;
        }
        let others = units(text.side.folded, window);
        let Some(first) = candidate(quotation, &own, text, &others, &near, work) else { continue };
        // Another passage may be as near, right beside one that seems to be meant.
        let (before, behind) = (&others[..first.units.start], &others[first.units.end..]);
        let mut beside = Vec::new();
        if first.region.edits.is_some() {
            for others in [before, behind] {
                beside.extend(candidate(quotation, &own, text, others, &near, work));
            }
        }
        for one in beside.into_iter().chain([first]) {
            let (start, end) = (one.region.bytes.start, one.region.bytes.end);
            let is_known = |known: &AlignedRegion| known.region.bytes.start < end && start < known.region.bytes.end;
            match found.iter_mut().find(|known| is_known(known)) {
                Some(known) if known.score >= one.score => {}
                Some(known) => *known = one,
                None => found.push(one),
            }
        }
    }
    found.sort_by_key(|one| (-one.score, one.region.bytes.start));
    let mut found = found.into_iter();
    let mut best = found.next()?;
    // Of two passages that are as near, neither is surely meant, unless they say the same.
    if found.take_while(|other| other.score == best.score).any(|other| other.words != best.words) {
        best.region.edits = None;
    }
    Some(best.region)
}

/// Where the quotation may begin, in letters of the text, each with a token that it has there, the likeliest first.
fn regions(quotation: &Quotation, text: &IndexedText<'_>, work: &mut Work) -> Vec<(Diagonals, usize)> {
    let mut keys: Vec<PartKey> = quotation.parts.iter().flat_map(|part| text.rarest(part)).collect();
    keys.sort_by_key(|key| (text.count(*key), key.letters));
    let width = 64 + i64::from(quotation.letters / 4).min(256);
    let votes_max = if quotation.weights.len() < SHORT_WORDS { SHORT_VOTES_MAX } else { VOTES_MAX };
    let mut cast: Vec<(i64, u32, u32)> = Vec::new();
    for key in keys {
        let count = text.count(key);
        if cast.len() + 2 * count > 2 * votes_max || !work.spend(VOTE_SIGNS * count as u64) {
            break;
        }
        let weight = 32 / (1 + count.ilog2());
        for &token in &text.postings[key.key as usize] {
            let letters = i64::from(text.side.folded.tokens[token as usize].letters) - i64::from(key.letters);
            let bucket = letters.div_euclid(width);
            cast.extend([(bucket, weight, token), (bucket - 1, weight, token)]);
        }
    }
    cast.sort_unstable();
    let mut votes: Vec<(i64, u32, u32)> = Vec::new();
    for (bucket, weight, token) in cast {
        match votes.last_mut() {
            // The last of a bucket has the greatest weight.
            Some((last, sum, known)) if *last == bucket => (*sum, *known) = (*sum + weight, token),
            _ => votes.push((bucket, weight, token)),
        }
    }
    votes.sort_by_key(|&(bucket, votes, _)| (std::cmp::Reverse(votes), bucket));
    let mut chosen: Vec<(i64, u32)> = Vec::new();
    for (bucket, _, token) in votes {
        if chosen.iter().all(|(other, _)| (other - bucket).abs() > 1) {
            chosen.push((bucket, token));
        }
        if chosen.len() == REGIONS_MAX {
            break;
        }
    }
    let diagonals = |bucket: i64| Diagonals { first: bucket * width, last: (bucket + 2) * width };
    chosen.into_iter().map(|(bucket, token)| (diagonals(bucket), token as usize)).collect()
}

/// The tokens of the text in which the quotation may lie, if it has one of them.
fn window(quotation: &Quotation, text: &IndexedText<'_>, near: &Diagonals, token: usize) -> Range<usize> {
    let folded = text.side.folded;
    let has_gaps = quotation.gaps.iter().flatten().any(|gap| gap.is_elision);
    let slack = 240 + i64::from(quotation.letters / 4).min(400) + if has_gaps { 1600 } else { 0 };
    let at = |letters: i64| folded.at_letters(u32::try_from(letters.max(0)).unwrap_or(u32::MAX));
    let (start, end) = (at(near.first - 80), at(near.last + i64::from(quotation.letters) + slack));
    // Many signs may stand between two letters.
    let tokens = WINDOW_TOKENS + 2 * quotation.folded.tokens.len();
    let (start, end) = (start.max(token.saturating_sub(tokens)).min(token), end.min(token + tokens).max(token + 1));
    let is_barrier = |&index: &usize| folded.tokens[index].has(flag::BARRIER);
    let from = (start..token + 1).rev().find(is_barrier).unwrap_or(start);
    let to = (token + 1..end).find(is_barrier).unwrap_or(end);
    from..to
}

/// Each step, with the unit of the quotation that it is at.
fn steps_of_units(steps: &[Step]) -> impl Iterator<Item = (&Step, usize)> {
    steps.iter().scan(0, |next, step| {
        let unit = *next;
        *next += usize::from(*step != Step::Text);
        Some((step, unit))
    })
}

fn candidate(
    quotation: &Quotation,
    own: &[Unit],
    text: &IndexedText<'_>,
    others: &[Unit],
    near: &Diagonals,
    work: &mut Work,
) -> Option<AlignedRegion> {
    let alignment = align(own, others, near, work)?;
    let (mut i, mut j) = (0, alignment.text.start);
    let (mut agreed, mut agreed_words, mut letters) = (0.0, 0, 0);
    for step in &alignment.steps {
        match step {
            Step::Agree if own[i].is_word => {
                (agreed, agreed_words) = (agreed + f64::from(own[i].weight), agreed_words + 1);
                letters += own[i].folded.chars().count();
            }
            Step::Change if own[i].is_word && are_similar(&own[i].lower, &others[j].lower) => {
                agreed += 0.5 * f64::from(own[i].weight);
            }
            _ => {}
        }
        i += usize::from(*step != Step::Text);
        j += usize::from(*step != Step::Quotation);
    }
    let all: i32 = own.iter().filter(|unit| unit.is_word).map(|unit| unit.weight).sum();
    let covered = &others[alignment.text.clone()];
    let words = covered.iter().filter(|unit| unit.is_word);
    let (agreement, count) = (agreed / f64::from(all), words.clone().count());
    let has_gaps = own.iter().any(is_elision);
    // A quotation that begins or ends with two words of its own must have more of the passage.
    let is_word_step = |(step, unit): &(&Step, usize)| **step != Step::Text && own[*unit].is_word;
    let of_words: Vec<Step> = steps_of_units(&alignment.steps).filter(is_word_step).map(|(step, _)| *step).collect();
    let edges = [of_words.first_chunk::<2>(), of_words.last_chunk::<2>()];
    let is_open = edges.into_iter().flatten().any(|edge| !edge.contains(&Step::Agree));
    let is_meant = agreement >= AGREEMENT_MIN
        && agreed_words >= if is_open { OPEN_WORDS_MIN } else { 2 }
        && letters >= 4
        && (has_gaps || agreed_words as f64 >= DENSITY_MIN * count as f64);
    let first = text.side.folded.tokens[covered.first()?.tokens.start].start as usize;
    let last = text.side.folded.tokens[covered.last()?.tokens.end - 1].end as usize;
    let quotation = Side { text: &quotation.text, folded: &quotation.folded };
    let aligned =
        Aligned { quotation, quotation_units: own, text: text.side, text_units: others, alignment: &alignment };
    let region = Region { bytes: first..last.max(first), agreement, edits: is_meant.then(|| aligned.edits()) };
    Some(AlignedRegion {
        region,
        score: alignment.score,
        units: alignment.text.clone(),
        words: words.map(|unit| unit.folded.clone()).collect(),
    })
}
