//! Lines as they are printed → lines in the order of reading, for scripts that run from right to left.

use unicode_bidi::{BidiClass, BidiInfo, Level, bidi_class};

use super::pieces::{PieceWord, is_right_to_left};

/// Whether most of the letters of words are read from right to left.
pub(super) fn runs_left<'a>(words: impl Iterator<Item = &'a PieceWord>) -> bool {
    let (mut left, mut right) = (0, 0);
    for class in words.flat_map(|word| word.text.chars()).map(bidi_class) {
        left += usize::from(matches!(class, BidiClass::R | BidiClass::AL));
        right += usize::from(class == BidiClass::L);
    }
    left > 0 && left >= right
}

/// Puts the words of a line, and the characters of each, in the order of reading.
///
/// The bidirectional algorithm (Unicode Standard Annex #9) turns the order of reading into that of printing by reversing
/// runs. The same reversals lead back, so that it is given the line as it is printed.
pub(super) fn in_order(words: &mut Vec<PieceWord>) {
    let characters = || words.iter().flat_map(|word| word.text.chars());
    if !characters().any(is_right_to_left) {
        return;
    }
    let level = if runs_left(words.iter()) { Level::rtl() } else { Level::ltr() };
    let mut line = String::new();
    // For each byte of the line, its word.
    let mut owners: Vec<usize> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        line.extend(word.text.chars().map(|c| if bidi_class(c) == BidiClass::B { ' ' } else { c }));
        owners.resize(line.len(), index);
    }
    let info = BidiInfo::new(&line, Some(level));
    let Some(paragraph) = info.paragraphs.first() else { return };
    let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
    let mut ordered: Vec<PieceWord> = Vec::new();
    let mut is_apart = true;
    for run in runs {
        let is_reversed = levels[run.start].is_rtl();
        let mut characters: Vec<(usize, char)> = line[run.clone()].char_indices().collect();
        if is_reversed {
            characters.reverse();
        }
        for (at, c) in characters {
            if c.is_whitespace() {
                is_apart = true;
                continue;
            }
            let owner = &words[owners[run.start + at]];
            if is_apart {
                ordered.push(PieceWord { text: String::new(), ..owner.clone() });
                is_apart = false;
            }
            let Some(word) = ordered.last_mut() else { continue };
            word.text.push(c);
            (word.x, word.right) = (word.x.min(owner.x), word.right.max(owner.right));
        }
    }
    *words = ordered;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_lines_become_lines_that_are_read() {
        let check = |printed: &str, read: &str| {
            let word = |text: &str| PieceWord { text: text.into(), ..PieceWord::default() };
            let mut words: Vec<PieceWord> = printed.split(' ').map(word).collect();
            in_order(&mut words);
            let found: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            assert_eq!(found.join(" "), read);
        };
        check("It ran.", "It ran.");
        check("םלוע םולש", "שלום עולם");
        check("2024 תנש", "שנת 2024");
        check("PDF אוה הז", "זה הוא PDF");
        check("the word םולש is one", "the word שלום is one");
    }
}
