//! The numbers of lists.

use crate::numerals;

/// What stands before an item: its number in a style of HTML (`1`, `a`, `A`, `i`, `I`), with a full stop and a space.
pub(crate) fn label(number: i64, style: char) -> String {
    let natural = u32::try_from(number).ok().filter(|&number| number > 0);
    let lower = match style {
        'a' | 'A' => natural.map(numerals::letters),
        'i' | 'I' => natural.map(numerals::roman),
        _ => None,
    };
    match lower {
        Some(lower) if style.is_ascii_uppercase() => format!("{}. ", lower.to_uppercase()),
        Some(lower) => format!("{lower}. "),
        None => format!("{number}. "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_style_of_its_list() {
        for (number, style, expected) in [
            (1, '1', "1. "),
            (-3, 'a', "-3. "),
            (1, 'a', "a. "),
            (26, 'A', "Z. "),
            (27, 'a', "aa. "),
            (703, 'A', "AAA. "),
            (4, 'i', "iv. "),
            (1994, 'I', "MCMXCIV. "),
            (4000, 'i', "4000. "),
            (i64::MAX, '?', "9223372036854775807. "),
        ] {
            assert_eq!(label(number, style), expected);
        }
    }
}
