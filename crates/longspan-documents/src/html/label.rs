//! The numbers of lists.

/// What stands before an item: its number in a style of HTML (`1`, `a`, `A`, `i`, `I`), with a full stop and a space.
pub(crate) fn label(number: i64, style: char) -> String {
    let lower = match style {
        'a' | 'A' => letters(number),
        'i' | 'I' => roman(number),
        _ => None,
    };
    match lower {
        Some(lower) if style.is_ascii_uppercase() => format!("{}. ", lower.to_uppercase()),
        Some(lower) => format!("{lower}. "),
        None => format!("{number}. "),
    }
}

/// a, b, … z, aa, ab, …
fn letters(number: i64) -> Option<String> {
    let mut rest = u64::try_from(number).ok().filter(|&number| number > 0)?;
    let mut letters = Vec::new();
    while rest > 0 {
        rest -= 1;
        letters.push(b'a' + (rest % 26) as u8);
        rest /= 26;
    }
    letters.reverse();
    String::from_utf8(letters).ok()
}

fn roman(number: i64) -> Option<String> {
    const DIGITS: [(i64, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut rest = Some(number).filter(|number| (1..4000).contains(number))?;
    let mut roman = String::new();
    for (value, digits) in DIGITS {
        while rest >= value {
            roman.push_str(digits);
            rest -= value;
        }
    }
    Some(roman)
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
