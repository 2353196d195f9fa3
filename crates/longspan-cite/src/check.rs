//! Quotations checked against texts.

use std::collections::HashMap;
use std::ops::Range;

use crate::compare::{Reason, Work};
use crate::edits::Edit;
use crate::find::{IndexedText, Match, passages, reasons};
use crate::fold::{Folded, TextLayout, fold_apart, fold_whole};
use crate::quotation::{Quotation, QuotationKeys};
use crate::region::nearest;

/// The longest quotation, in bytes.
pub const QUOTATION_BYTES_MAX: usize = 1 << 17;
/// Most quotations that are checked together.
pub const QUOTATIONS_MAX: usize = 100_000;
/// Their bytes in all.
pub const QUOTATIONS_BYTES_MAX: usize = 1 << 26;
/// The longest text, in bytes. One byte folds to eleven at most, which 32 bits count.
pub const TEXT_BYTES_MAX: usize = 1 << 28;
/// Passages of a quotation that are listed.
pub const PASSAGES_MAX: usize = 10;

/// Signs that are compared in one text: some millions, and so many for each sign of the text and the quotations.
const WORK_FREE: u64 = 1 << 23;
const WORK_FACTOR: u64 = 64;
/// A quotation takes at most this share of them, so that one that repeats itself leaves the others theirs.
const WORK_SHARES: u64 = 16;

/// Why a quotation cannot be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotationFault {
    /// It has no letter and no digit.
    #[error("no words")]
    NoWords,
    /// It is too long.
    #[error("{bytes} bytes, at most {QUOTATION_BYTES_MAX} are checked")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl QuotationFault {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoWords => "no_words",
            Self::TooLong { .. } => "too_long",
        }
    }
}

/// Why quotations cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CiteError {
    /// There are too many quotations.
    #[error(
        "{quotations} quotations of {bytes} bytes, at most {QUOTATIONS_MAX} of {QUOTATIONS_BYTES_MAX} are checked together"
    )]
    TooMany {
        /// How many.
        quotations: usize,
        /// Their bytes in all.
        bytes: usize,
    },
}

/// What a text says of a quotation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// It has the quotation, letter for letter or in another form.
    Proven {
        /// Where: those that are the same letter for letter first, then in the order of the text, at most
        /// [`PASSAGES_MAX`], and one more where the author says, if none of these is there.
        passages: Vec<Passage>,
        /// How many there are: at least, where text and quotation repeat themselves so much that the search was given up.
        count: usize,
        /// Of them those that are the same letter for letter.
        exact_count: usize,
    },
    /// A passage is surely meant, and the quotation changes it.
    Altered {
        /// Bytes of the passage.
        bytes: Range<usize>,
        /// Share of the words of the quotation, by their length, that the passage has.
        agreement: f64,
        /// What the quotation changes, changes of the meaning first.
        edits: Vec<Edit>,
    },
    /// It does not have the quotation.
    NotFound {
        /// What comes nearest, which proves nothing.
        nearest: Option<Nearest>,
    },
    /// Text and quotation repeat themselves so much that the search was given up.
    GivenUp,
    /// The quotation cannot be looked for in any text.
    Faulty(QuotationFault),
}

/// A passage that says what the quotation says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passage {
    /// Bytes of the text.
    pub bytes: Range<usize>,
    /// In what the two differ; nothing if they are the same letter for letter.
    pub reasons: Vec<Reason>,
}

/// A passage that has some words of a quotation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Nearest {
    /// Bytes of the text.
    pub bytes: Range<usize>,
    /// Share of the words of the quotation, by their length, that the passage has.
    pub agreement: f64,
}

/// Quotations that are looked for in any number of texts.
///
/// ```
/// use longspan_cite::{CitationCheck, Finding, TextLayout};
///
/// let check = CitationCheck::new(&["twelve (12) months", "within 30 days"])?;
/// let text = "It ends twelve (12)\nmonths after notice within sixty (60) days.";
/// let found = check.check(text, &TextLayout::default());
/// let Finding::Proven { passages, .. } = &found[0] else { panic!("{found:?}") };
/// assert_eq!(&text[passages[0].bytes.clone()], "twelve (12)\nmonths");
/// let Finding::Altered { edits, .. } = &found[1] else { panic!("{found:?}") };
/// assert_eq!((edits[0].from.as_str(), edits[0].to.as_str()), ("30", "sixty (60)"));
/// # Ok::<(), longspan_cite::CiteError>(())
/// ```
pub struct CitationCheck {
    /// Each once.
    quotations: Vec<Quotation>,
    /// For each quotation that was given, which it is.
    given: Vec<Result<usize, QuotationFault>>,
    keys: QuotationKeys,
    tokens: u64,
}

impl CitationCheck {
    /// Takes quotations, without the marks around them.
    ///
    /// # Errors
    /// When there are too many.
    pub fn new<Q: AsRef<str>>(quotations: &[Q]) -> Result<Self, CiteError> {
        let bytes = quotations.iter().map(|quotation| quotation.as_ref().len()).sum();
        if quotations.len() > QUOTATIONS_MAX || bytes > QUOTATIONS_BYTES_MAX {
            return Err(CiteError::TooMany { quotations: quotations.len(), bytes });
        }
        let mut check = Self { quotations: Vec::new(), given: Vec::new(), keys: QuotationKeys::new(), tokens: 0 };
        let mut known: HashMap<&str, usize> = HashMap::new();
        for quotation in quotations {
            let quotation = quotation.as_ref().trim();
            let given = match known.get(quotation) {
                Some(&index) => Ok(index),
                None => check.take(quotation),
            };
            given.iter().for_each(|&index| _ = known.insert(quotation, index));
            check.given.push(given);
        }
        Ok(check)
    }

    fn take(&mut self, quotation: &str) -> Result<usize, QuotationFault> {
        if quotation.len() > QUOTATION_BYTES_MAX {
            return Err(QuotationFault::TooLong { bytes: quotation.len() });
        }
        let quotation = Quotation::new(quotation, &mut self.keys).ok_or(QuotationFault::NoWords)?;
        self.tokens += quotation.folded.tokens.len() as u64;
        self.quotations.push(quotation);
        Ok(self.quotations.len() - 1)
    }

    /// What a text says of each quotation, in their order. Time and memory are linear in the text.
    ///
    /// # Panics
    /// If the text is longer than [`TEXT_BYTES_MAX`], or its layout is not of characters of the text.
    pub fn check(&self, text: &str, layout: &TextLayout) -> Vec<Finding> {
        let mut findings = self.find_proven(text, layout, &[]);
        let is_open = |finding: &Finding| *finding == Finding::NotFound { nearest: None };
        let is_wanted: Vec<bool> = findings.iter().map(is_open).collect();
        for (index, nearest) in self.find_nearest(text, layout, &is_wanted) {
            findings[index] = nearest;
        }
        findings
    }

    /// The passages that have the quotations, without what comes nearest to those that the text does not have.
    ///
    /// `named` has the bytes of the text where the author of each quotation says that it stands, such as those of a page;
    /// none if nothing is said, as of those behind its end.
    ///
    /// # Panics
    /// As [`CitationCheck::check`].
    pub fn find_proven(&self, text: &str, layout: &TextLayout, named: &[&[Range<usize>]]) -> Vec<Finding> {
        let apart = folded(text, layout);
        let (mut total, mut shares) = self.work(&apart);
        let indexed = IndexedText::new(text, &apart, &self.keys);
        let mut named = NamedPassages::new(self, named);
        let mut findings: Vec<Option<Finding>> = Vec::with_capacity(self.quotations.len());
        for (index, share) in shares.iter_mut().enumerate() {
            let mut search = |work: &mut Work| self.proven(index, &indexed, &mut named, work);
            findings.push(within(&mut total, share, &mut search));
        }
        // A quotation may have the furniture in its middle.
        if !layout.furniture.is_empty() && findings.iter().any(Option::is_none) {
            let whole = fold_whole(text, layout);
            let indexed = IndexedText::new(text, &whole, &self.keys);
            for (index, (finding, share)) in findings.iter_mut().zip(&mut shares).enumerate() {
                if finding.is_none() {
                    let mut search = |work: &mut Work| self.proven(index, &indexed, &mut named, work);
                    *finding = within(&mut total, share, &mut search);
                }
            }
        }
        let absent = |work: &Work| match work.left {
            0 => Finding::GivenUp,
            _ => Finding::NotFound { nearest: None },
        };
        let findings: Vec<Finding> =
            findings.into_iter().zip(&shares).map(|(one, share)| one.unwrap_or_else(|| absent(share))).collect();
        let finding = |given: &Result<usize, QuotationFault>| given.map(|index| findings[index].clone());
        let mut all: Vec<Finding> =
            self.given.iter().map(|given| finding(given).unwrap_or_else(Finding::Faulty)).collect();
        for (number, passage) in named.found {
            if let Finding::Proven { passages, .. } = &mut all[number]
                && !passages.contains(&passage)
            {
                passages.push(passage);
            }
        }
        all
    }

    /// What comes nearest to the quotations that are wanted, of which [`CitationCheck::find_proven`] found none in the text:
    /// each with its number. Those behind the end of `is_wanted` are not wanted. It takes much longer than to find those that
    /// the text has.
    ///
    /// # Panics
    /// As [`CitationCheck::check`].
    pub fn find_nearest(&self, text: &str, layout: &TextLayout, is_wanted: &[bool]) -> Vec<(usize, Finding)> {
        let wanted = || self.given.iter().zip(is_wanted).enumerate().filter(|(_, (_, is_wanted))| **is_wanted);
        if wanted().next().is_none() {
            return Vec::new();
        }
        let apart = folded(text, layout);
        let (mut total, mut shares) = self.work(&apart);
        let indexed = IndexedText::new(text, &apart, &self.keys);
        let mut findings: Vec<Option<Finding>> = vec![None; self.quotations.len()];
        let mut all = Vec::new();
        for (number, (given, _)) in wanted() {
            let Ok(index) = *given else { continue };
            if findings[index].is_none() {
                let mut search = |work: &mut Work| Some(unproven(&self.quotations[index], &indexed, work));
                findings[index] = within(&mut total, &mut shares[index], &mut search);
            }
            all.extend(findings[index].clone().map(|finding| (number, finding)));
        }
        all
    }

    /// Signs that may be compared in a text: in all, and of each quotation.
    fn work(&self, folded: &Folded) -> (u64, Vec<Work>) {
        let total = WORK_FREE + WORK_FACTOR * (folded.tokens.len() as u64 + self.tokens);
        let shared = |quotation: &Quotation| total / WORK_SHARES + WORK_FACTOR * quotation.folded.tokens.len() as u64;
        (total, self.quotations.iter().map(|one| Work { left: shared(one) }).collect())
    }

    /// The passages of a quotation; `None` if the text has none.
    fn proven(
        &self,
        index: usize,
        text: &IndexedText<'_>,
        named: &mut NamedPassages<'_>,
        work: &mut Work,
    ) -> Option<Finding> {
        let quotation = &self.quotations[index];
        let found = passages(quotation, text, work);
        let is_exact = |one: &Match| one.is_exact(quotation, text.side);
        let passage = |one: &Match| {
            let bytes = one.bytes(text.side.folded);
            if is_exact(one) {
                return Passage { bytes, reasons: Vec::new() };
            }
            let mut reasons: Vec<Reason> = reasons(quotation, text.side, one).into_iter().collect();
            if reasons.is_empty() {
                reasons.push(between_tokens(&text.side.text[bytes.clone()], &quotation.text));
            }
            Passage { bytes, reasons }
        };
        let (exact, others): (Vec<&Match>, Vec<&Match>) = found.iter().partition(|one| is_exact(one));
        let exact_count = exact.len();
        let passages: Vec<Passage> = exact.into_iter().chain(others).take(PASSAGES_MAX).map(passage).collect();
        if found.len() > PASSAGES_MAX {
            named.find(index, &found, text.side.folded, &passage);
        }
        (!passages.is_empty()).then_some(Finding::Proven { passages, count: found.len(), exact_count })
    }
}

/// Passages where the authors of quotations say that they stand, beside those that are listed.
struct NamedPassages<'a> {
    named: &'a [&'a [Range<usize>]],
    /// For each quotation, those that were given of which its author says something.
    given: Vec<Vec<usize>>,
    /// Numbers of quotations that were given, each with a passage.
    found: Vec<(usize, Passage)>,
}

impl<'a> NamedPassages<'a> {
    fn new(check: &CitationCheck, named: &'a [&'a [Range<usize>]]) -> Self {
        let mut given = vec![Vec::new(); check.quotations.len()];
        for (number, (index, named)) in check.given.iter().zip(named).enumerate() {
            if let (Ok(index), false) = (index, named.is_empty()) {
                given[*index].push(number);
            }
        }
        Self { named, given, found: Vec::new() }
    }

    /// Takes the first of all passages that is where an author says, or lies partly there.
    fn find(&mut self, index: usize, all: &[Match], folded: &Folded, passage: &dyn Fn(&Match) -> Passage) {
        for &number in &self.given[index] {
            let there = self.named[number].iter().find_map(|named| {
                let one = all.get(all.partition_point(|one| one.bytes(folded).end <= named.start))?;
                (one.bytes(folded).start < named.end).then_some(one)
            });
            self.found.extend(there.map(|one| (number, passage(one))));
        }
    }
}

/// What a search finds with its share of the work. What it takes of its share is taken of the whole too.
fn within(total: &mut u64, share: &mut Work, search: &mut dyn FnMut(&mut Work) -> Option<Finding>) -> Option<Finding> {
    let before = share.left.min(*total);
    share.left = before;
    let found = search(share);
    *total -= before - share.left;
    found
}

/// In what a passage differs from its quotation where no pair of tokens shows it: around words in brackets, or within a
/// token.
fn between_tokens(passage: &str, quotation: &str) -> Reason {
    let differ = |is_passed: fn(char) -> bool| {
        !passage.chars().filter(|&c| !is_passed(c)).eq(quotation.chars().filter(|&c| !is_passed(c)))
    };
    match () {
        () if !differ(char::is_whitespace) && differ(|c| c.is_whitespace() && c != '\n') => Reason::LineEnd,
        () if !differ(char::is_whitespace) => Reason::WhiteSpace,
        () if !differ(|c| c.is_whitespace() || matches!(c, '.' | '…' | '⋯')) => Reason::Compatibility,
        () => Reason::Invisible,
    }
}

fn folded(text: &str, layout: &TextLayout) -> Folded {
    assert!(text.len() <= TEXT_BYTES_MAX, "a text of {} bytes, at most {TEXT_BYTES_MAX} are checked", text.len());
    fold_apart(text, layout)
}

fn unproven(quotation: &Quotation, text: &IndexedText<'_>, work: &mut Work) -> Finding {
    if work.left == 0 {
        return Finding::GivenUp;
    }
    match nearest(quotation, text, work) {
        _ if work.left == 0 => Finding::GivenUp,
        Some(region) => match region.edits {
            Some(edits) => Finding::Altered { bytes: region.bytes, agreement: region.agreement, edits },
            None => Finding::NotFound { nearest: Some(Nearest { bytes: region.bytes, agreement: region.agreement }) },
        },
        None => Finding::NotFound { nearest: None },
    }
}
