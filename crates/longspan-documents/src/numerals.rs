//! Numbers as lists and pages write them. Numbers that a system cannot write are written in digits.

/// `iv`.
pub(crate) fn roman(number: u32) -> String {
    const DIGITS: [(u32, &str); 13] = [
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
    if !(1..4000).contains(&number) {
        return number.to_string();
    }
    let (mut left, mut text) = (number, String::new());
    for (value, digit) in DIGITS {
        while left >= value {
            left -= value;
            text += digit;
        }
    }
    text
}

/// `a` to `z`, then `aa`, `bb`, …
pub(crate) fn repeated_letter(number: u32) -> String {
    if !(1..=26 * 30).contains(&number) {
        return number.to_string();
    }
    let (letter, times) = ((number - 1) % 26, (number - 1) / 26 + 1);
    char::from(b'a' + letter as u8).to_string().repeat(times as usize)
}

/// `a` to `z`, then `aa`, `ab`, …
pub(crate) fn letters(number: u32) -> String {
    let (mut left, mut letters) = (number, Vec::new());
    if number == 0 {
        return number.to_string();
    }
    while left > 0 {
        letters.push(b'a' + ((left - 1) % 26) as u8);
        left = (left - 1) / 26;
    }
    letters.reverse();
    String::from_utf8(letters).unwrap_or_default()
}

/// `1st`.
pub(crate) fn ordinal(number: u32) -> String {
    let end = match (number % 10, number % 100 / 10) {
        (1, tens) if tens != 1 => "st",
        (2, tens) if tens != 1 => "nd",
        (3, tens) if tens != 1 => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

/// `Twenty-one`.
pub(crate) fn words(number: u32) -> String {
    match number {
        1..100 => capital(&small(number)),
        _ => number.to_string(),
    }
}

/// `Twenty-first`.
pub(crate) fn ordinal_words(number: u32) -> String {
    if !(1..100).contains(&number) {
        return ordinal(number);
    }
    let words = small(number);
    let (before, last) = words.rsplit_once('-').map_or(("", &*words), |(before, last)| (before, last));
    let last = match last {
        "one" => "first".into(),
        "two" => "second".into(),
        "three" => "third".into(),
        "five" => "fifth".into(),
        "eight" => "eighth".into(),
        "nine" => "ninth".into(),
        "twelve" => "twelfth".into(),
        _ => match last.strip_suffix('y') {
            Some(tens) => format!("{tens}ieth"),
            None => format!("{last}th"),
        },
    };
    capital(&if before.is_empty() { last } else { format!("{before}-{last}") })
}

/// A number below 100 in English.
fn small(number: u32) -> String {
    const ONES: [&str; 20] = [
        "",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let (tens, ones) = (number as usize / 10 % 10, number as usize % 10);
    match number {
        0..20 => ONES[number as usize].into(),
        _ if ones == 0 => TENS[tens].into(),
        _ => format!("{}-{}", TENS[tens], ONES[ones]),
    }
}

fn capital(word: &str) -> String {
    let mut word = word.to_owned();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    word
}

/// `二十三`, as China and Japan count.
pub(crate) fn chinese(number: u32) -> String {
    const DIGITS: [&str; 10] = ["〇", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    let (tens, ones) = (number as usize / 10, number as usize % 10);
    match number {
        0..10 => DIGITS[ones].into(),
        10..100 => {
            let tens = if tens == 1 { "" } else { DIGITS[tens] };
            format!("{tens}十{}", if ones == 0 { "" } else { DIGITS[ones] })
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written() {
        let of = |write: fn(u32) -> String, numbers: &[u32]| {
            numbers.iter().map(|&number| write(number)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(roman, &[0, 1, 4, 9, 14, 1994, 3999, 4000]), "0 i iv ix xiv mcmxciv mmmcmxcix 4000");
        assert_eq!(of(repeated_letter, &[0, 1, 26, 27, 28, 53, 781, u32::MAX]), "0 a z aa bb aaa 781 4294967295");
        assert_eq!(of(letters, &[0, 1, 26, 27, 28, 702, 703, u32::MAX]), "0 a z aa ab zz aaa mwlqkwu");
        assert_eq!(of(ordinal, &[1, 2, 3, 4, 11, 12, 13, 21, 112]), "1st 2nd 3rd 4th 11th 12th 13th 21st 112th");
        assert_eq!(of(words, &[0, 1, 15, 20, 21, 99, 100]), "0 One Fifteen Twenty Twenty-one Ninety-nine 100");
        assert_eq!(of(ordinal_words, &[1, 12, 20, 23, 100]), "First Twelfth Twentieth Twenty-third 100th");
        assert_eq!(of(chinese, &[0, 1, 10, 11, 20, 99, 100]), "〇 一 十 十一 二十 九十九 100");
    }
}
