//! What a text says of quotations: statuses, places, reasons and edits.

use longspan_cite::{CitationCheck, EditKind, Finding, QUOTATION_BYTES_MAX, TextLayout};
use proptest::prelude::*;

const CONTRACT: &str = "3. Term. This Agreement shall continue for twelve (12)\nmonths after the Effective Date, unless \
terminated earlier. The Company shall not disclose any Confidential Infor-\nmation to third parties.\n\nThe Board will \
appoint one person designated by JANA Partners within sixty (60) days of March 13, 2014, and pay $1,500.00 (not 3–5 \
percent) to the “Nominee” of the By\u{ad}Laws—as amended.\n\n12\n\nThe non-compliance of Mr. O’Neil ends the oﬃce; he may \
appeal [in writing], while JANA must\nanswer. His term is 10² days. Its long-term and short- and mid-term plans are unaffected.\n\n13\n\nEnd.";

/// A finding in one line: its status, the passage, and reasons or edits.
fn shown(text: &str, quotation: &str) -> String {
    let check = CitationCheck::new(&[quotation]).unwrap();
    match check.check(text, &TextLayout::of_plain(text)).remove(0) {
        Finding::Proven { passages, count, .. } => {
            let reasons: Vec<&str> = passages[0].reasons.iter().map(|reason| reason.name()).collect();
            let status = if reasons.is_empty() { "exact" } else { "normalised" };
            format!("{status} {count}: {}", reasons.join(" ")).trim_end_matches([' ', ':']).to_owned()
        }
        Finding::Altered { edits, .. } => {
            let edits = edits.iter().map(|edit| format!("{} {} → {}", edit.kind.name(), edit.from, edit.to));
            format!("altered: {}", edits.collect::<Vec<_>>().join(", "))
        }
        Finding::NotFound { .. } => "not_found".into(),
        other => format!("{other:?}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (quotation, expected) in cases {
        assert_eq!(shown(CONTRACT, quotation), *expected, "{quotation:?}");
    }
}

#[test]
fn what_differs_in_form_alone_is_proven() {
    check(&[
        ("one person designated by JANA", "exact 1"),
        ("shall continue for twelve (12)\nmonths", "exact 1"),
        ("twelve (12) months", "normalised 1: line_end"),
        ("Confidential Information to  third parties", "normalised 1: white_space hyphenation"),
        ("any Confidential Infor- mation to", "normalised 1: line_end"),
        ("the 'Nominee' of the By-Laws - as amended", "normalised 1: white_space soft_hyphen quotation_marks dashes"),
        ("the “Nominee” of the ByLaws—as", "normalised 1: soft_hyphen"),
        ("Unless terminated earlier", "normalised 1: case"),
        ("ends the office", "normalised 1: compatibility"),
        ("of Mr. O'Neil ends", "normalised 1: quotation_marks"),
        ("as amended. The non-compliance of", "normalised 1: furniture"),
        ("[T]he non-compliance of Mr.", "normalised 1: case brackets"),
        ("he may appeal [in writing], while JANA", "exact 1"),
        ("he may appeal …, while JANA", "normalised 1: elision"),
        ("The Company … any Confidential", "altered: negation … → shall not"),
        ("shall continue […] unless terminated earlier", "normalised 1: line_end elision"),
        ("The Board will appoint one person [of its choice] designated by JANA", "normalised 1: brackets"),
        ("while [it] must answer", "altered: name [it] → JANA"),
        ("The Board will appoint one person.", "normalised 1: final_punctuation"),
        ("shall not disclose any Con\u{ad}fiden\u{ad}tial", "normalised 1: soft_hyphen"),
        ("short- and mid-term plans", "exact 1"),
        ("and mid-term plans", "exact 1"),
    ]);
}

#[test]
fn a_number_a_negation_or_a_name_is_never_passed_over() {
    check(&[
        ("within 30 days", "altered: number 30 → sixty (60)"),
        ("The Company shall disclose any Confidential Information", "altered: negation  → not"),
        ("The Company shall not disclose any confidential Information", "altered: case confidential → Confidential"),
        ("one person designated by ACME Partners within sixty (60) days", "altered: name ACME → JANA"),
        ("days of March 14, 2014, and pay", "altered: date 14 → 13"),
        ("days of May 13, 2014, and pay", "altered: date May → March"),
        ("and pay $1,600.00 (not", "altered: amount 1,600.00 → 1,500.00"),
        ("he must appeal in writing", "altered: modal must → may, punctuation  → ["),
        ("and pay $1 ,500.00 (not", "altered: amount 1 ,500.00 → 1,500.00"),
        ("5 percent) to the “Nominee”", "altered: number 5 → 3–5"),
        ("and pay $1,500", "altered: number 1,500 → 1,500.00"),
        ("His term is 102 days", "altered: number 102 → 10²"),
        ("compliance of Mr. O’Neil ends", "altered: negation compliance → non-compliance"),
        ("within sixty (60) weeks of March 13", "altered: unit weeks → days"),
        ("plans are affected", "altered: negation affected → unaffected"),
        ("in perpetuity and for all time", "not_found"),
        ("as used of its long-term plans", "not_found"),
        ("within sixty (60) weeks", "altered: unit weeks → days"),
        ("he may appeal […] days. Its long-term", "normalised 1: line_end elision"),
    ]);
}

#[test]
fn texts_of_other_languages_are_checked() {
    for (text, quotation, expected) in [
        (
            "Der Vertrag ist nicht kündbar. Er endet\nam 3. Mai.",
            "Der Vertrag ist kündbar",
            "altered: negation  → nicht",
        ),
        ("Der Vertrag ist nicht kündbar. Er endet\nam 3. Mai.", "er endet am 3. Mai", "normalised 1: line_end case"),
        ("Le délai est de trente jours.", "Le délai est de vingt jours", "altered: number vingt → trente"),
        (
            "Le délai est de « trente » jours.",
            "délai est de “trente” jours",
            "normalised 1: white_space quotation_marks",
        ),
        ("El plazo no es de tres meses.", "El plazo es de tres meses", "altered: negation  → no"),
        ("本合同自签署之日起三十天内生效。双方不得解除本合同。", "本合同自签署之日起三十天内生效", "exact 1"),
        ("本合同自签署之日起三十天\n内生效。双方不得解除。", "签署之日起三十天内生效", "normalised 1: line_end"),
        ("本合同自签署之日起三十天内生效。", "本合同自签署之日起二十天内生效", "altered: number 二 → 三"),
        ("双方不得解除本合同。", "双方得解除本合同", "altered: negation  → 不"),
        ("المدة ثلاثون يوماً من تاريخ التوقيع.", "ثلاثون يوماً من تاريخ", "exact 1"),
        (
            "المدة ليست ثلاثين يوماً من تاريخ التوقيع.",
            "«المدة ليست ثلاثين»",
            "altered: punctuation « → , punctuation » → ",
        ),
    ] {
        assert_eq!(shown(text, quotation), expected, "{quotation:?}");
    }
}

#[test]
fn dots_and_brackets_of_the_text_are_quoted_letter_for_letter() {
    for (text, quotation, expected) in [
        ("He waited … and left.", "He waited …", "exact 1"),
        ("Then [1] … it began at once.", "[1] … it began at once", "exact 1"),
        ("It says [sic] here … and more [1].", "says [sic] here … and more [1]", "exact 1"),
        ("He waited\n… and left.", "He waited …", "normalised 1: line_end"),
        ("He waited  … and left.", "He waited …", "normalised 1: white_space"),
        ("He waited ... and left.", "He waited …", "normalised 1: compatibility"),
        ("He waited and left.", "He waited …", "normalised 1: elision"),
    ] {
        assert_eq!(shown(text, quotation), expected, "{quotation:?} in {text:?}");
    }
}

#[test]
fn of_two_passages_that_are_as_near_none_is_meant() {
    let text = "It ends within ten days of it. It begins within six days of it.";
    assert_eq!(shown(text, "within 30 days of"), "not_found");
    assert_eq!(shown(&text.replace("six", "ten"), "within 30 days of"), "altered: number 30 → ten");
}

#[test]
fn all_passages_are_counted_and_ten_are_listed() {
    let text = "one two three. ".repeat(12) + "One two\nthree.";
    let found = CitationCheck::new(&["one two three"]).unwrap().check(&text, &TextLayout::default()).remove(0);
    let Finding::Proven { passages, count, exact_count } = found else { panic!("{found:?}") };
    assert_eq!((passages.len(), count, exact_count), (10, 13, 12));
    assert_eq!(passages[9].bytes, 135..148);
}

#[test]
fn what_cannot_be_looked_for_does_not_stop_the_rest() {
    let long = "a ".repeat(QUOTATION_BYTES_MAX);
    let check = CitationCheck::new(&["it ran", &long, "…", "½ ² ①", "[insert name of party]", "it ran"]).unwrap();
    let found = check.check("It ran. Signed by [insert name of party], as it ran.", &TextLayout::default());
    let shown = found.iter().map(|finding| match finding {
        Finding::Proven { count, exact_count, .. } => format!("{exact_count} of {count}"),
        Finding::Faulty(fault) => format!("{}: {fault}", fault.name()),
        other => format!("{other:?}"),
    });
    let long = "too_long: 262143 bytes, at most 131072 are checked";
    let expected = ["1 of 2", long, "no_words: no words", "no_words: no words", "1 of 1", "1 of 2"];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    let error = CitationCheck::new(&vec!["a"; 100_001]).err().unwrap().to_string();
    assert_eq!(error, "100001 quotations of 100001 bytes, at most 100000 of 67108864 are checked together");
}

/// A finding without its places.
fn status(finding: &Finding) -> &'static str {
    match finding {
        Finding::Proven { .. } => "proven",
        Finding::Altered { .. } => "altered",
        Finding::NotFound { .. } => "not_found",
        Finding::GivenUp => "given_up",
        _ => "faulty",
    }
}

#[test]
fn repetition_ends() {
    let max = QUOTATION_BYTES_MAX;
    let letters = "a".repeat(1_000_000);
    let words = "a ".repeat(200_000);
    let signs = "! ".repeat(500_000);
    let form = format!("Name{}Signed{}It ran on in May 1911.", "_".repeat(1_000_000), "|".repeat(1_000_000));
    for (text, quotation, expected) in [
        (letters.as_str(), &letters[..max], "not_found"), // within a word
        (&letters, &letters, "faulty"),
        (&words, &words[..max], "proven"),
        (&words, &format!("{}b", &words[..max - 1]), "given_up"),
        (&words, &format!("{} b {}", &words[..60_000], &words[..60_000]), "given_up"),
        (&words, &"a … [b] ".repeat(10_000), "proven"),
        (&"a b ".repeat(100_000), &"a … b ".repeat(10_000), "proven"),
        (&format!("one two {signs}three four"), &format!("one two {}three five", &signs[..100_000]), "not_found"),
        (&format!("one two three four {signs}"), &format!("one two three five {}", &signs[..100_000]), "given_up"),
        (&format!("one two {}three four", "!".repeat(3_000_000)), "one two three five six", "not_found"),
        (&form, "It ran on in May 1912.", "altered"),
    ] {
        let found = CitationCheck::new(&[quotation]).unwrap().check(text, &TextLayout::of_plain(text)).remove(0);
        assert_eq!(status(&found), expected, "{:?} in {:?}", quotation.get(..20), text.get(..20));
    }
    // One that repeats itself leaves the others their share.
    let text = words + "It ran in May 1911.";
    let hostile = format!("{}b", &text[..4_000]);
    let found =
        CitationCheck::new(&[hostile.as_str(), "it ran in May 1911"]).unwrap().check(&text, &TextLayout::default());
    assert!(matches!(found[1], Finding::Proven { .. }), "{found:?}");
}

#[test]
fn ten_thousand_hostile_quotations_end() {
    let text = "the a of in to ".repeat(4_000) + &"_".repeat(200_000) + " it ran";
    let quotations: Vec<String> = (0..10_000).map(|number| format!("the of a in to the x{number} it run")).collect();
    let found = CitationCheck::new(&quotations).unwrap().check(&text, &TextLayout::default());
    assert!(found.iter().all(|finding| matches!(status(finding), "not_found" | "given_up")));
}

#[test]
fn many_running_heads_are_apart() {
    let text = "\u{c}1\n".repeat(1_050_000) + "It ran in 1911.";
    let furniture = (0..1_050_000).map(|page| 3 * page..3 * page + 3).collect();
    let check = CitationCheck::new(&["it ran in 1911", "it ran in 1912"]).unwrap();
    let found = check.check(&text, &TextLayout { furniture, ..TextLayout::default() });
    assert_eq!(found.iter().map(status).collect::<Vec<_>>(), ["proven", "altered"]);
}

#[test]
fn edits_have_their_places() {
    let check = CitationCheck::new(&["within 30 days"]).unwrap();
    let Finding::Altered { edits, bytes, agreement } = check.check(CONTRACT, &TextLayout::default()).remove(0) else {
        panic!();
    };
    assert_eq!(&CONTRACT[bytes], "within sixty (60) days");
    assert_eq!((edits[0].kind, &CONTRACT[edits[0].text.clone()]), (EditKind::Number, "sixty (60)"));
    assert!(edits[0].quotation == (7..9) && agreement > 0.7 && agreement < 0.8, "{agreement}");
}

proptest! {
    /// Any words of a text are exact, and the same with other white space are proven.
    #[test]
    fn parts_of_a_text_are_proven(
        words in prop::collection::vec("[a-zA-Zé]{1,6}|[0-9]{1,3}|[a-z]{2,4}-[a-z]{2,4}|“[a-z]{2,5}”|[a-z]{2,5}[,.;]", 3..60),
        gaps in prop::collection::vec("[ \n]{1,2}", 60),
        from in any::<prop::sample::Index>(),
        length in 1usize..20,
    ) {
        let text: String = words.iter().zip(&gaps).map(|(word, gap)| format!("{word}{gap}")).collect();
        let from = from.index(words.len());
        let to = (from + length).min(words.len());
        let start: usize = words[..from].iter().zip(&gaps).map(|(word, gap)| word.len() + gap.len()).sum();
        let length: usize = words[from..to].iter().zip(&gaps[from..]).map(|(word, gap)| word.len() + gap.len()).sum();
        let exact = text[start..start + length].trim();
        let spaced = words[from..to].join("  ");
        let found = CitationCheck::new(&[exact, &spaced]).unwrap().check(&text, &TextLayout::default());
        for (found, is_exact) in found.iter().zip([true, false]) {
            let Finding::Proven { passages, exact_count, .. } = found else {
                panic!("{exact:?} of {text:?}: {found:?}");
            };
            prop_assert!(!is_exact || *exact_count > 0);
            for passage in passages {
                let squeezed = |text: &str| text.split_whitespace().collect::<String>();
                prop_assert_eq!(squeezed(&text[passage.bytes.clone()]).to_lowercase(), squeezed(exact).to_lowercase());
            }
        }
    }

    /// No text makes the search fail, and places are of whole characters.
    #[test]
    fn any_text_is_searched(
        parts in prop::collection::vec("[ab ]|[a-c\u{ad}\u{200b}\n -]{1,4}|[.…\\[\\]()1-3²½“”']|\\PC|\u{c}|e\u{301}|漢|한", 0..80),
        picked in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let text = parts.concat();
        let quotation: String = picked.iter().map(|index| if parts.is_empty() { "a" } else { &parts[index.index(parts.len())] }).collect();
        let Ok(check) = CitationCheck::new(&[quotation]) else { return Ok(()) };
        let bytes = match check.check(&text, &TextLayout::of_plain(&text)).remove(0) {
            Finding::Proven { passages, .. } => passages.into_iter().map(|passage| passage.bytes).collect(),
            Finding::Altered { bytes, edits, .. } => {
                prop_assert!(!edits.is_empty());
                vec![bytes]
            }
            Finding::NotFound { nearest } => nearest.into_iter().map(|nearest| nearest.bytes).collect(),
            _ => vec![],
        };
        for bytes in bytes {
            prop_assert!(text.get(bytes).is_some());
        }
    }
}
