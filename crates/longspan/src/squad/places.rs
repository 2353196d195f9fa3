//! Where gold answers stand. SQuAD counts characters; other programs count otherwise, change white space, or state no place.

use super::Gold;
use crate::error::excerpt;
use crate::tokenizer::ByteSpan;

/// What `answer_start` counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerOffsets {
    /// Characters (Unicode scalar values), as SQuAD has it.
    #[default]
    Characters,
    /// UTF-16 code units, as JavaScript and Java count.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
    /// Characters, perhaps wrongly: where the text of the answer is not there, its nearest place is taken.
    Search,
}

impl AnswerOffsets {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Characters, Self::Utf16, Self::Bytes, Self::Search];

    /// Its name in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Characters => "characters",
            Self::Utf16 => "utf16",
            Self::Bytes => "bytes",
            Self::Search => "search",
        }
    }
}

/// What becomes of an answer that is not at its `answer_start`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MisplacedAnswers {
    /// It is an error.
    #[default]
    Refuse,
    /// The place of its text in the context is taken, if that has it only once; otherwise it is an error. For training.
    TakeOnly,
    /// The same, but otherwise it has no place. For the official figures, which compare texts alone.
    Keep,
}

/// How data are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatasetOptions {
    /// What `answer_start` counts.
    pub offsets: AnswerOffsets,
    /// What becomes of an answer that is not there.
    pub misplaced: MisplacedAnswers,
}

/// What a reader of data should know of the places of their answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlaceNotes {
    /// Answers that were not at their `answer_start`; the only place of their text was taken.
    pub found: usize,
    /// Answers that were looked for, and were not at their `answer_start`; the nearest place of their text was taken.
    pub moved: usize,
    /// Answers without a place.
    pub unplaced: usize,
    /// How many of all these are at their `answer_start` if it counts UTF-16 code units.
    pub utf16: usize,
    /// How many of all these are there if it counts bytes.
    pub bytes: usize,
    /// The question of the first one.
    pub first: String,
}

/// An answer of a file.
pub(super) struct StatedAnswer {
    pub text: String,
    /// `answer_start`, if it is stated.
    pub start: Option<i64>,
}

impl StatedAnswer {
    /// Finds the answer in its context.
    ///
    /// - `question`: what messages call its question
    ///
    /// # Errors
    /// When it is not there, and the options do not allow that.
    pub fn placed(
        self,
        context: &str,
        options: DatasetOptions,
        notes: &mut PlaceNotes,
        question: &str,
    ) -> Result<Gold, String> {
        let Self { text, start } = &self;
        let is_search = options.offsets == AnswerOffsets::Search;
        let offsets = if is_search { AnswerOffsets::Characters } else { options.offsets };
        let is_at = |offsets| start.and_then(|start| at(context, start, text, offsets));
        if let Some(bytes) = is_at(offsets) {
            return Ok(gold(context, bytes));
        }
        let is_so = |offsets| !text.is_empty() && is_at(offsets).is_some();
        let (utf16, bytes) = (is_so(AnswerOffsets::Utf16), is_so(AnswerOffsets::Bytes));
        let place = match options.misplaced {
            _ if is_search => self.nearest(context),
            MisplacedAnswers::Refuse => None,
            MisplacedAnswers::TakeOnly | MisplacedAnswers::Keep => self.only(context),
        };
        let result = match place {
            Some(bytes) if is_search && start.is_none() => return Ok(gold(context, bytes)),
            Some(bytes) => {
                *if is_search { &mut notes.moved } else { &mut notes.found } += 1;
                gold(context, bytes)
            }
            None if options.misplaced == MisplacedAnswers::Keep => {
                notes.unplaced += 1;
                Gold { text: text.clone(), bytes: None }
            }
            None if is_search => return Err(format!("{question}: answer `{}` is not in the context", excerpt(text))),
            None => return Err(format!("{question}: {}{}", self.fault(context, offsets), cause(utf16, bytes))),
        };
        notes.note(question);
        notes.utf16 += usize::from(utf16);
        notes.bytes += usize::from(bytes);
        Ok(result)
    }

    /// The place of the text, if the context has it only once.
    fn only(&self, context: &str) -> Option<ByteSpan> {
        let text = self.text.as_str();
        let mut places = context.match_indices(text).map(|(place, _)| place);
        let start = places.next().filter(|_| !text.is_empty() && places.next().is_none())?;
        Some(ByteSpan { start, end: start + text.len() })
    }

    /// The place of the text that is nearest to its `answer_start`, in characters: the first one, if that is not stated.
    /// White space may differ.
    fn nearest(&self, context: &str) -> Option<ByteSpan> {
        let stated = self.start.and_then(|start| usize::try_from(start).ok()).unwrap_or(0);
        let [text, joined] =
            [self.text.as_str(), context].map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        let first = text.chars().next()?;
        // Both are without white space, so that a place in one is a place in the other.
        let is_visible = |character: &char| !character.is_whitespace();
        let mut characters = context.char_indices().enumerate().filter(|(_, (_, character))| is_visible(character));
        let mut done = 0;
        let places = joined.match_indices(&text).filter_map(|(place, _)| {
            let before = joined[done..place].chars().filter(is_visible).count();
            done = place + first.len_utf8();
            characters.nth(before)
        });
        let (_, (start, _)) = places.min_by_key(|(number, _)| number.abs_diff(stated))?;
        but_for_space(context, start, &text)
    }

    /// That the answer is not where it is said to be.
    fn fault(&self, context: &str, offsets: AnswerOffsets) -> String {
        let Self { text, start } = self;
        let Some(start) = start else { return "no `answer_start`".into() };
        let message = format!("answer `{}` has answer_start {start}", excerpt(text));
        let Some(byte) = byte_of(context, *start, offsets) else {
            return format!("{message}, the context has {}", length(context, offsets));
        };
        let found: String = context[byte..].chars().take(text.chars().count()).collect();
        format!("{message}, where the context has `{}`", excerpt(&found))
    }
}

impl PlaceNotes {
    fn note(&mut self, question: &str) {
        if self.first.is_empty() {
            self.first = question.to_owned();
        }
    }
}

fn gold(context: &str, bytes: ByteSpan) -> Gold {
    Gold { text: context[bytes.start..bytes.end].to_owned(), bytes: Some(bytes) }
}

/// What may have made a place wrong.
fn cause(utf16: bool, bytes: bool) -> &'static str {
    match (utf16, bytes) {
        (true, _) => "; it is there if offsets count UTF-16 units",
        (false, true) => "; it is there if offsets count bytes",
        (false, false) => "",
    }
}

/// Where an answer is, if it is at its `answer_start`, perhaps with other white space.
fn at(context: &str, start: i64, text: &str, offsets: AnswerOffsets) -> Option<ByteSpan> {
    let start = byte_of(context, start, offsets)?;
    if context[start..].starts_with(text) {
        return Some(ByteSpan { start, end: start + text.len() });
    }
    but_for_space(context, start, text)
}

/// The bytes from `from` on that are the text but for white space: another one between words, and any around them.
fn but_for_space(context: &str, from: usize, text: &str) -> Option<ByteSpan> {
    let rest = |at: usize| &context[at..];
    let behind_space = |at: usize| context.len() - rest(at).trim_start().len();
    let start = behind_space(from);
    let mut end = start;
    let mut words = text.split_whitespace();
    end += words.next().filter(|word| rest(end).starts_with(word))?.len();
    for word in words {
        let next = behind_space(end);
        if next == end || !rest(next).starts_with(word) {
            return None;
        }
        end = next + word.len();
    }
    Some(ByteSpan { start, end })
}

/// The byte of an offset; `None` behind the text, and within a character.
fn byte_of(text: &str, offset: i64, offsets: AnswerOffsets) -> Option<usize> {
    let offset = usize::try_from(offset).ok()?;
    match offsets {
        AnswerOffsets::Characters | AnswerOffsets::Search => byte_of_character(text, offset),
        AnswerOffsets::Bytes => text.is_char_boundary(offset).then_some(offset),
        AnswerOffsets::Utf16 => {
            let mut units = 0;
            let ends = text.char_indices().map(|(byte, character)| {
                let before = units;
                units += character.len_utf16();
                (before, byte)
            });
            let found = ends.take_while(|(before, _)| *before <= offset).last();
            match found {
                Some((before, byte)) if before == offset => Some(byte),
                _ => (length(text, offsets) == offset).then_some(text.len()),
            }
        }
    }
}

/// How many units a text has.
fn length(text: &str, offsets: AnswerOffsets) -> usize {
    match offsets {
        AnswerOffsets::Characters | AnswerOffsets::Search => text.chars().count(),
        AnswerOffsets::Utf16 => text.chars().map(char::len_utf16).sum(),
        AnswerOffsets::Bytes => text.len(),
    }
}

/// The byte at which a character starts; the end of the text counts as the start of another one.
pub(crate) fn byte_of_character(text: &str, at: usize) -> Option<usize> {
    let mut rest = text.chars();
    match at.checked_sub(1) {
        None => Some(0),
        Some(before) => rest.nth(before).map(|_| text.len() - rest.as_str().len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAFE: &str = "Café Lumière 🍞🍞 sells bread. The owner, Inga Aalto, bakes bread at four.";

    #[test]
    fn answers_are_found_where_and_how_they_are_stated() {
        use {AnswerOffsets as O, MisplacedAnswers as M};
        let check = |text: &str, start: Option<i64>, offsets: O, misplaced: M, expected: Result<Option<&str>, &str>| {
            let mut notes = PlaceNotes::default();
            let stated = StatedAnswer { text: text.into(), start };
            let placed = stated.placed(CAFE, DatasetOptions { offsets, misplaced }, &mut notes, "q");
            let found = placed.map(|gold| gold.bytes.map(|bytes| CAFE[bytes.start..bytes.end].to_owned()));
            let found = found.as_ref().map(Option::as_deref).map_err(String::as_str);
            assert_eq!(found, expected, "{text} {start:?} {offsets:?} {misplaced:?}");
            notes
        };
        let none = PlaceNotes::default();
        let owner = "Inga Aalto";
        for (start, offsets) in [(40, O::Characters), (42, O::Utf16), (48, O::Bytes), (40, O::Search)] {
            assert_eq!(check(owner, Some(start), offsets, M::Refuse, Ok(Some(owner))), none);
        }
        assert_eq!(check(owner, None, O::Search, M::Refuse, Ok(Some(owner))), none);
        let moved = PlaceNotes { moved: 1, first: "q".into(), ..none.clone() };
        for start in [0, -7, 45, 99] {
            assert_eq!(check(owner, Some(start), O::Search, M::Refuse, Ok(Some(owner))), moved);
        }
        assert_eq!(check(owner, Some(42), O::Search, M::Refuse, Ok(Some(owner))).utf16, 1);
        assert_eq!(check("Inga \n Aalto", Some(40), O::Search, M::Refuse, Ok(Some(owner))), none);
        assert_eq!(check("Inga \n Aalto", Some(3), O::Search, M::Refuse, Ok(Some(owner))), moved);
        check("Inga\u{a0}Aalto ", Some(39), O::Characters, M::Refuse, Ok(Some(owner)));
        check(
            "IngaAalto",
            Some(40),
            O::Characters,
            M::Refuse,
            Err("q: answer `IngaAalto` has answer_start 40, where the context has `Inga Aalt`"),
        );
        let wrong = "q: answer `Inga Aalto` has answer_start 42, where the context has `ga Aalto, `; it is there if offsets count UTF-16 units";
        check(owner, Some(42), O::Characters, M::Refuse, Err(wrong));
        let found = PlaceNotes { found: 1, utf16: 1, first: "q".into(), ..none.clone() };
        for misplaced in [M::TakeOnly, M::Keep] {
            assert_eq!(check(owner, Some(42), O::Characters, misplaced, Ok(Some(owner))), found);
        }
        let bytes = check(owner, Some(48), O::Characters, M::TakeOnly, Ok(Some(owner)));
        assert_eq!((bytes.found, bytes.utf16, bytes.bytes), (1, 0, 1));
        assert_eq!(check(owner, None, O::Characters, M::TakeOnly, Ok(Some(owner))).found, 1);
        check(owner, None, O::Characters, M::Refuse, Err("q: no `answer_start`"));
        let twice = "q: answer `bread` has answer_start 0, where the context has `Café `";
        check("bread", Some(0), O::Characters, M::TakeOnly, Err(twice));
        assert_eq!(check("bread", Some(0), O::Characters, M::Keep, Ok(None)).unplaced, 1);
        assert_eq!(check("butter", Some(0), O::Search, M::Keep, Ok(None)).unplaced, 1);
        check("butter", Some(0), O::Search, M::TakeOnly, Err("q: answer `butter` is not in the context"));
        check(
            owner,
            Some(99),
            O::Bytes,
            M::Refuse,
            Err("q: answer `Inga Aalto` has answer_start 99, the context has 80"),
        );
        check("", Some(3), O::Characters, M::Refuse, Ok(Some("")));
        check("", None, O::Characters, M::TakeOnly, Err("q: no `answer_start`"));
    }

    #[test]
    fn the_nearest_place_is_counted_in_characters() {
        let context = "\u{e9}".repeat(20) + "x" + &" ".repeat(9) + "x\u{2003}y";
        for (text, start, byte) in
            [("x", 30, 50), ("x", 20, 40), ("x", 18, 40), ("x", 26, 50), ("x", 99, 50), ("x y", 0, 50), ("x x", 7, 40)]
        {
            let stated = StatedAnswer { text: text.into(), start: Some(start) };
            let options = DatasetOptions { offsets: AnswerOffsets::Search, ..Default::default() };
            let gold = stated.placed(&context, options, &mut PlaceNotes::default(), "q").unwrap();
            assert_eq!(gold.bytes.unwrap().start, byte, "{text} {start}");
        }
    }

    #[test]
    fn offsets_are_starts_of_characters() {
        for (offset, byte) in [(0, Some(0)), (1, Some(1)), (2, None), (3, Some(5)), (4, None), (-1, None)] {
            assert_eq!(byte_of("a🍞", offset, AnswerOffsets::Utf16), byte, "{offset}");
        }
        for (offset, byte) in [(1, Some(1)), (2, None), (5, Some(5)), (6, None)] {
            assert_eq!(byte_of("a🍞", offset, AnswerOffsets::Bytes), byte, "{offset}");
        }
    }
}
