//! Raised and lowered text → the characters that Unicode has for it, so that `10⁶` is not `106`.

/// Where text stands beside its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BaselineShift {
    /// Above the baseline: superscript.
    Raised,
    /// Below it: subscript.
    Lowered,
}

impl BaselineShift {
    /// A whole text that stands so.
    pub fn written(self, text: &str) -> String {
        ShiftedText::new(self).take(text)
    }

    /// The character for one that stands so, if there is one.
    pub fn character(self, c: char) -> Option<char> {
        let is_raised = self == Self::Raised;
        let digit = c.to_digit(10).map(|digit| match (digit, is_raised) {
            (1, true) => '¹',
            (2, true) => '²',
            (3, true) => '³',
            (_, true) => char::from_u32('⁰' as u32 + digit).unwrap_or(c),
            (_, false) => char::from_u32('₀' as u32 + digit).unwrap_or(c),
        });
        let (raised, lowered) = match c {
            '+' => ('⁺', '₊'),
            '-' | '−' => ('⁻', '₋'),
            '(' => ('⁽', '₍'),
            ')' => ('⁾', '₎'),
            'n' => ('ⁿ', 'ₙ'),
            _ => return digit,
        };
        Some(if is_raised { raised } else { lowered })
    }
}

/// A text that is raised or lowered, piece by piece. What has no character of its own stays as it is, and so do numbers in
/// square brackets, which nothing before them can be taken for, and the letters of words.
#[derive(Debug)]
pub(crate) struct ShiftedText {
    shift: BaselineShift,
    is_in_brackets: bool,
}

impl ShiftedText {
    pub fn new(shift: BaselineShift) -> Self {
        Self { shift, is_in_brackets: false }
    }

    /// The next piece: one character for each of its own.
    pub fn take(&mut self, piece: &str) -> String {
        let mut last = ' ';
        let mut characters = piece.chars().peekable();
        let mut written = String::with_capacity(piece.len());
        while let Some(c) = characters.next() {
            match c {
                '[' => self.is_in_brackets = true,
                ']' => self.is_in_brackets = false,
                _ => {}
            }
            let is_beside_letter = last.is_alphabetic() || characters.peek().is_some_and(|next| next.is_alphabetic());
            let stays = self.is_in_brackets || (c.is_alphabetic() && is_beside_letter);
            written.push(self.shift.character(c).filter(|_| !stays).unwrap_or(c));
            last = c;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_characters_of_their_own() {
        for (text, raised, lowered) in [
            ("6", "⁶", "₆"),
            ("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"),
            ("-3", "⁻³", "₋₃"),
            ("−(n+1)", "⁻⁽ⁿ⁺¹⁾", "₋₍ₙ₊₁₎"),
            ("th nd", "th nd", "th nd"),
            ("[12]", "[12]", "[12]"),
            ("1,2", "¹,²", "₁,₂"),
            ("é٣", "é٣", "é٣"),
        ] {
            assert_eq!(BaselineShift::Raised.written(text), raised);
            assert_eq!(BaselineShift::Lowered.written(text), lowered);
        }
        let mut text = ShiftedText::new(BaselineShift::Raised);
        assert_eq!(["[", "1", "]", "2"].map(|piece| text.take(piece)).concat(), "[1]²");
    }
}
