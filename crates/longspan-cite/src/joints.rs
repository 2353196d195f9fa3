//! Where a word or a number of a text goes on behind a sign, and what a quotation would take from it by its ends.

use crate::fold::{Folded, Side, Token, flag};
use crate::words::{is_amount_sign, is_clitic, is_numeral, is_unit_sign};

/// Whether a sign between digits is a part of the number.
pub(crate) fn joins_numbers(sign: &str) -> bool {
    matches!(sign, "." | "," | ":" | "/" | "\"" | "'" | "-" | "^" | "⁄" | "٫" | "٬" | "·" | "×" | "*" | "_")
}

/// Whether a sign may be a part of a word or of a number, such as the hyphen of `non-binding` or the sign of `$5`.
pub(crate) fn may_join(sign: &str) -> bool {
    joins_numbers(sign) || matches!(sign, "@" | "&") || is_sign_of_number(sign) || is_unit_sign(sign)
}

/// Whether a sign without white space joins the words on both sides of it; `written` is the sign as it was written.
fn joins(sign: &str, written: &str, before: char, behind: char) -> bool {
    let (numbers, letters) =
        (before.is_numeric() && behind.is_numeric(), before.is_alphabetic() && behind.is_alphabetic());
    match sign {
        "-" => numbers || is_hyphen(written),
        "\"" | "'" => numbers || matches!(written, "'" | "’" | "‘" | "ʼ" | "ʻ" | "`" | "´" | "＇"),
        "." | "·" => numbers || letters,
        "_" | "@" | "&" | "/" => true,
        _ => numbers && joins_numbers(sign),
    }
}

fn is_hyphen(written: &str) -> bool {
    matches!(written, "-" | "\u{2010}" | "\u{2011}" | "\u{2013}" | "\u{ad}" | "")
}

/// What a sign before a number makes of it.
fn is_sign_of_number(sign: &str) -> bool {
    is_amount_sign(sign) || matches!(sign, "+" | "±" | "<" | ">" | "≤" | "≥" | "~" | "≈" | "√" | "^" | "⁄")
}

/// Whether a sign joins two tokens to one unit: `1,000.50`, `don't`.
pub(crate) fn is_joint(folded: &Folded, sign: usize) -> bool {
    let (own, next) = (folded.tokens[sign], folded.tokens[sign + 1]);
    if own.is_word()
        || own.has(flag::SPACE | flag::BARRIER)
        || !next.is_word()
        || next.has(flag::UNSPACED | flag::BARRIER)
    {
        return false;
    }
    if own.has(flag::OPTIONAL) {
        return true;
    }
    let both = |of: fn(char) -> bool| folded.ends_with(sign - 1, of) && folded.token(sign + 1).starts_with(of);
    match folded.token(sign) {
        _ if next.has(flag::SPACE) => false,
        "-" => false, // both ends of a range are numbers
        "\"" if both(char::is_alphabetic) => true,
        sign => joins_numbers(sign) && both(char::is_numeric),
    }
}

/// A place between two tokens of a text.
pub(crate) struct Border<'a> {
    pub text: Side<'a>,
    /// The token behind it.
    pub token: usize,
}

impl Border<'_> {
    /// Whether the border is within a word or a number, so that a passage that ends here would cut it.
    pub fn is_within(&self) -> bool {
        let (Some(before), Some(behind)) = (self.near(-1), self.near(0)) else { return false };
        if behind.has(flag::BARRIER) {
            return false;
        }
        match (before.is_word(), behind.is_word()) {
            (true, true) => self.parts_digits(behind),
            (true, false) => self.parts_sign_behind(behind),
            (false, true) => self.parts_sign_before(before, behind),
            (false, false) => {
                let own = self.sign(-1);
                let joins = own == "-" || is_sign_of_number(own) || self.is_numeric_sign(-1);
                !behind.has(flag::SPACE) && self.is_numeric_sign(0) && joins
            }
        }
    }

    fn near(&self, ahead: isize) -> Option<Token> {
        self.text.folded.tokens.get(self.token.checked_add_signed(ahead)?).copied()
    }

    fn sign(&self, ahead: isize) -> &str {
        self.token
            .checked_add_signed(ahead)
            .filter(|&at| at < self.text.folded.tokens.len())
            .map_or("", |at| self.text.folded.token(at))
    }

    fn ends_with(&self, ahead: isize, of: fn(char) -> bool) -> bool {
        self.sign(ahead).ends_with(of)
    }

    fn starts_with(&self, ahead: isize, of: fn(char) -> bool) -> bool {
        self.sign(ahead).starts_with(of)
    }

    fn is_numeric_sign(&self, ahead: isize) -> bool {
        self.near(ahead).is_some_and(|token| !token.is_word()) && self.starts_with(ahead, char::is_numeric)
    }

    /// Whether nothing but a sign is between the tokens on both sides of it, and joins them.
    fn is_joined_by(&self, ahead: isize) -> bool {
        let (Some(sign), Some(behind)) = (self.near(ahead), self.near(ahead + 1)) else { return false };
        let Some(before) = self.near(ahead - 1) else { return false };
        if sign.has(flag::SPACE | flag::BARRIER) || behind.has(flag::SPACE | flag::BARRIER) {
            return false;
        }
        let (Some(last), Some(first)) = (self.sign(ahead - 1).chars().last(), self.sign(ahead + 1).chars().next())
        else {
            return false;
        };
        let written = self.text.text.get(sign.bytes()).unwrap_or("");
        let is_unspaced = before.has(flag::UNSPACED) || behind.has(flag::UNSPACED);
        let are_numbers = is_number_character(last) && is_number_character(first);
        last.is_alphanumeric()
            && first.is_alphanumeric()
            && (!is_unspaced || are_numbers || self.sign(ahead) == "·")
            && joins(self.sign(ahead), written, last, first)
    }

    fn parts_digits(&self, behind: Token) -> bool {
        if !behind.has(flag::SPACE) {
            return self.ends_with(-1, is_number_character) && self.starts_with(0, is_number_character);
        }
        // White space may part groups of three digits, but not the tab between two cells.
        let is_group = |group: &str| group.chars().all(char::is_numeric) && group.chars().count() <= 3;
        !behind.has(flag::PARAGRAPH)
            && !self.text.between(self.token).contains('\t')
            && is_group(self.sign(-1))
            && is_group(self.sign(0))
            && self.sign(0).chars().count() == 3
    }

    /// A sign behind a word.
    fn parts_sign_behind(&self, sign: Token) -> bool {
        let is_number = self.ends_with(-1, is_number_character);
        let goes_on = self.near(1).is_some_and(|next| !next.has(flag::SPACE | flag::BARRIER));
        let own = self.sign(0);
        if is_number && (is_unit_sign(own) || is_amount_sign(own)) && !sign.has(flag::PARAGRAPH) {
            // With white space before it, a sign may be of the number behind it.
            return !sign.has(flag::SPACE) || !goes_on || !self.starts_with(1, char::is_numeric);
        }
        if sign.has(flag::SPACE) {
            return false;
        }
        if sign.has(flag::OPTIONAL) {
            return self.near(1).is_some_and(|word| word.is_word() && (word.has(flag::LINE) || goes_on));
        }
        let is_prime = matches!(own, "′" | "″" | "‴");
        (is_number && (self.is_numeric_sign(0) || is_prime))
            || matches!(own, "+" | "#")
            || self.is_joined_by(0)
            || (own == ":" && self.sign(1) == "/" && self.sign(2) == "/" && goes_on)
    }

    /// A sign before a word.
    fn parts_sign_before(&self, sign: Token, behind: Token) -> bool {
        let is_number = self.starts_with(0, is_number_character);
        let own = self.sign(-1);
        let is_glued = !sign.has(flag::SPACE | flag::BARRIER) && self.near(-2).is_some_and(|word| word.is_word());
        if behind.has(flag::SPACE) {
            let is_of_number_before = is_glued && self.ends_with(-2, is_number_character);
            return (is_number && is_amount_sign(own) && !is_of_number_before)
                || (behind.has(flag::LINE) && sign.has(flag::OPTIONAL));
        }
        if sign.has(flag::OPTIONAL) {
            return is_glued;
        }
        if is_number
            && (self.is_numeric_sign(-1) || is_sign_of_number(own) || (!is_glued && matches!(own, "-" | "." | "٫")))
        {
            return true;
        }
        if is_glued && matches!(own, "\"" | "'") && self.starts_with(0, char::is_lowercase) && is_clitic(self.sign(-2))
        {
            return false;
        }
        self.is_joined_by(-1) || (own == "/" && self.sign(-2) == "/" && self.sign(-3) == ":" && !sign.has(flag::SPACE))
    }
}

fn is_number_character(c: char) -> bool {
    c.is_numeric() || is_numeral(c)
}
