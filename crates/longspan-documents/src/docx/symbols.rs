//! Characters of symbol fonts as Unicode: Symbol whole, of the others what stands in texts and forms.

/// The characters of Symbol from 0x20 on, as Adobe maps them. U+FFFD is none.
const SYMBOL: &str = concat!(
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼\u{fffd}",
    "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
    "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
    "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\u{fffd}〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭",
);

const WINGDINGS: &[(u32, char)] = &[
    (0x22, '✂'),
    (0x28, '☎'),
    (0x2a, '✉'),
    (0x45, '☜'),
    (0x46, '☞'),
    (0x4a, '☺'),
    (0x4c, '☹'),
    (0x6c, '●'),
    (0x6d, '❍'),
    (0x6e, '■'),
    (0x6f, '□'),
    (0x70, '□'),
    (0x71, '❑'),
    (0x72, '❒'),
    (0x75, '◆'),
    (0x76, '❖'),
    (0x78, '☒'),
    (0x9f, '•'),
    (0xa1, '○'),
    (0xa7, '▪'),
    (0xa8, '□'),
    (0xab, '★'),
    (0xd8, '➢'),
    (0xdf, '←'),
    (0xe0, '→'),
    (0xe1, '↑'),
    (0xe2, '↓'),
    (0xe8, '➔'),
    (0xf0, '⇨'),
    (0xfb, '✗'),
    (0xfc, '✓'),
    (0xfd, '☒'),
    (0xfe, '☑'),
];

const WINGDINGS_2: &[(u32, char)] =
    &[(0x4f, '✗'), (0x50, '✓'), (0x51, '☒'), (0x52, '☑'), (0x53, '☒'), (0x54, '☒'), (0x97, '●'), (0xa3, '□')];

/// The character of a font with this code; none if it is not known.
pub(super) fn character(font: &str, code: u32) -> Option<char> {
    // The codes of symbol fonts are moved to the private area, or are not.
    let own = if (0xf000..0xf100).contains(&code) { code - 0xf000 } else { code };
    let listed = |table: &[(u32, char)]| table.iter().find(|(code, _)| *code == own).map(|&(_, character)| character);
    match font {
        "Symbol" => SYMBOL.chars().nth((own as usize).checked_sub(0x20)?).filter(|&c| c != '\u{fffd}'),
        // Numbers in circles, white and black.
        "Wingdings" if (0x81..=0x8a).contains(&own) => char::from_u32('①' as u32 + own - 0x81),
        "Wingdings" if (0x8c..=0x95).contains(&own) => char::from_u32('❶' as u32 + own - 0x8c),
        "Wingdings" => listed(WINGDINGS),
        "Wingdings 2" => listed(WINGDINGS_2),
        _ => char::from_u32(code).filter(|c| !matches!(c, '\u{e000}'..='\u{f8ff}' | '\0'..' ')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_symbol_fonts_are_known() {
        for (font, code, expected) in [
            ("Symbol", 0xf061, Some('α')),
            ("Symbol", 0x7e, Some('∼')),
            ("Symbol", 0xf0a0, Some('€')),
            ("Symbol", 0xf0b7, Some('•')),
            ("Symbol", 0xf0fe, Some('⎭')),
            ("Symbol", 0xf0f0, None),
            ("Symbol", 0xf080, None),
            ("Symbol", 0x1, None),
            ("Wingdings", 0xf0fe, Some('☑')),
            ("Wingdings", 0xf081, Some('①')),
            ("Wingdings", 0xf001, None),
            ("Wingdings 2", 0xf050, Some('✓')),
            ("MS Gothic", 0x2610, Some('☐')),
            ("Arial", 0xf061, None),
        ] {
            assert_eq!(character(font, code), expected, "{font} {code:x}");
        }
    }
}
