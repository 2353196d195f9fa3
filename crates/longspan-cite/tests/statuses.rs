//! What a text says of quotations: statuses, places, reasons and edits.

use longspan_cite::{CitationCheck, EditKind, Finding, QUOTATION_BYTES_MAX, TextLayout};
use proptest::prelude::*;
use proptest::string::{RegexGeneratorStrategy, string_regex};

const CONTRACT: &str = "3. Term. This Agreement shall continue for twelve (12)\nmonths after the Effective Date, unless \
terminated earlier. The Company shall not disclose any Confidential Infor-\nmation to third parties.\n\nThe Board will \
appoint one person designated by JANA Partners within sixty (60) days of March 13, 2014, and pay $1,500.00 (not 3–5 \
percent) to the “Nominee” of the By\u{ad}Laws—as amended, and the\n\n12\n\nbusiness of Partners who are\n\n13\n\nmembers ends. The non-compliance of Mr. O’Neil ends the oﬃce; he may \
appeal [in writing], while JANA must\nanswer. His term is 10² days. Its long-term and short- and mid-term plans are unaffected by\n\n14\n\nthe end.";

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
        ("as amended, and the business of", "normalised 1: furniture"),
        ("[T]he non-compliance of Mr.", "normalised 1: brackets"),
        ("he may appeal [in writing], while JANA", "exact 1"),
        ("he may appeal …, while JANA", "normalised 1: elision"),
        ("The Company … any Confidential", "altered: negation … → shall not disclose"),
        ("shall continue […] unless terminated earlier", "normalised 1: elision"),
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
        ("of March 13, 2014, and pay $1,500 (not", "altered: amount 1,500 → 1,500.00"),
        ("His term is 102 days", "altered: number 102 → 10²"),
        ("compliance of Mr. O’Neil ends", "altered: negation compliance → non-compliance"),
        ("within sixty (60) weeks of March 13", "altered: unit weeks → days"),
        ("plans are affected", "altered: negation affected → unaffected"),
        ("in perpetuity and for all time", "not_found"),
        ("as used of its long-term plans", "not_found"),
        ("within sixty (60) weeks", "altered: unit weeks → days"),
        (
            "he may appeal […] days. Its long-term",
            "altered: number …] → in writing], while JANA must answer. His term is 10²",
        ),
        ("he may appeal […] Its long-term", "normalised 1: elision"),
    ]);
}

#[test]
fn of_passages_over_each_other_the_exact_one_counts() {
    assert_eq!(shown("Rows 3 3\n3 end", "3\n3"), "exact 1");
    assert_eq!(shown("Rows 3\n3 3\n3 end", "3 3"), "exact 1");
    assert_eq!(shown("Rows [a] b [a] b\n[a] b end", "[a] b\n[a] b"), "exact 1");
}

#[test]
fn signs_at_the_end_are_apart_from_a_running_head() {
    for (text, apart, quotation, is_exact) in [
        ("é]Head\nIt ran [", 0..7, "ran éHead", false),
        (". Head\nIt ran..", 0..6, "It ran", true),
        (".. Head\nIt ran.", 0..7, "It ran.", true),
        ("It ran.\n.. 12", 8..13, "It ran.", true),
    ] {
        let layout = TextLayout { furniture: vec![apart], ..TextLayout::default() };
        let found = CitationCheck::new(&[quotation]).unwrap().check(text, &layout);
        assert_eq!(matches!(&found[0], Finding::Proven { exact_count: 1, .. }), is_exact, "{text:?} {found:?}");
    }
}

/// Checks that no text has a quotation, since it has words or signs that mean something else.
fn check_never_proven(cases: &[(&str, &[&str])]) {
    for (text, quotations) in cases {
        for quotation in *quotations {
            let status = shown(text, quotation);
            assert!(
                !status.starts_with("exact") && !status.starts_with("normalised"),
                "{text:?} {quotation:?}: {status}"
            );
        }
    }
}

#[test]
fn what_means_something_else_is_never_proven() {
    check_never_proven(&[
        ("He isn't guilty of it.", &["He … guilty of it", "He [is] guilty of it", "He isn"]),
        ("He isn'tallowed to pay.", &["He … to pay"]), // white space is lost in some files
        ("It takes 5½ [] cups.", &["½ [] cups"]),
        ("He won’t pay. He can't go.", &["He won", "He can", "He … pay", "t go."]),
        (
            "It is lawful and binding.",
            &["It is[n't] lawful", "It is [n't] lawful", "is [un]lawful", "and [non-]binding"],
        ),
        (
            "It is lawful and binding.",
            &[
                "[non]-binding",
                "is [un] lawful",
                "is [ un]lawful",
                "and [non] binding",
                "is law[less] and",
                "is [not] lawful",
            ],
        ),
        ("It is a non-binding offer.", &["It is a … offer", "a … binding offer"]),
        ("It ends on notice. Seller shall pay.", &["on notice. [Buyer] shall pay", "[Buyer] shall pay."]),
        ("Then the \"Seller\" shall pay.", &["Then the [Buyer] shall pay", "the [\"Buyer\"] shall"]),
        ("合同规定王明应当付款", &["合同规定[李华]应当付款", "规定 [李华] 应当付款"]),
        ("It is unlawful to pay.", &["It is [lawful] to pay"]),
        ("He shall in no event whatsoever be liable.", &["He shall … be liable", "He shall [...] be liable"]),
        ("The Seller shall not pay the price. He shall sell.", &["The Seller shall … sell"]),
        ("The Seller shall pay the price. He shall not sell.", &["The Seller shall … sell"]),
        ("It is thirty days or two weeks of it.", &["is thirty … weeks of it", "thirty days or … weeks of it"]),
        ("He pays 5 million euros to it.", &["He pays 5 … euros to it", "5 … to it"]),
        ("O'Brien paid U.S.A. and AT&T at once.", &["Brien paid", "U.S", "S.A. and", "AT", "T at once"]),
        (
            "See https://example.com.evil.org and a_b.",
            &["See https://example.com", "See https", "evil.org and", "and a"],
        ),
        ("The Franco–German treaty and/or pre-2014 law.", &["The Franco", "German treaty", "and", "2014 law"]),
        (
            "He pays CHF 1'000 or 30 000 euros, 30\u{a0}000 in all.",
            &["CHF 1", "000 or", "or 30", "000 euros", "000 in all"],
        ),
        ("A rate of 3–5 percent, 1⁄2 or 10⁻³ or 10^6.", &["–5 percent", "of 3–", "1", "2 or", "or 10", "6."]),
        ("It costs $5 or 6 € or 7% or 8 %, +9.", &["5 or", "or 6", "or 7", "or 8", "9."]),
        ("A range of 3-5 or -7 degrees.", &["of 3 -5", "or - 7 degrees"]),
        ("It has 5' of pipe, 7\" of wire, 5--3.", &["5\" of pipe", "5'' of pipe", "7' of wire", "wire, 5-3"]),
        ("Mu\u{200b}\u{308}ller paid a\u{ad}\u{308}b m\u{640}\u{64e}n.", &["Muller paid", "paid ab", "mn."]),
        ("It is 3\u{ad}0 days of long\u{ad}term.", &["is 3–0 days", "is 3-0 days", "of long—term", "of long–term"]),
        (
            "A part … the Bill of it … he may … see Polish men.",
            &["A part … bill of it", "part … May … see", "see polish"],
        ),
        ("A part of MW or US.", &["mW or", "bill"]),
        ("Notice:\n\n30\n\nCure:\n\n31\n\nTerm:", &["Notice: Cure: Term:", "Notice: Cure:"]),
        ("共计壹佰万元。", &["佰万元"]),
        ("It costs $1,500.00 in all.", &["It costs $1,500", "$1,500."]),
        ("It is 5 of it.", &["is 5 [%] of it", "is [-]5 of", "is [-] 5 of", "It … %"]),
        ("He ain’t paid. It was not. Sure it is.", &["He … paid", "It was … Sure it is."]),
        ("Mr. Smith shall not pay. Mr. Jones pays.", &["Mr. Smith shall … pay", "Smith … Jones pays"]),
        ("It is 5 km/h, 1 000 000 euros, 30\n000 tons.", &["is 5 km", "000 000 euros", "euros, 30", "1 000"]),
        ("It is 10²½ or $½ of it.", &["½ or", "It is 10²", "½ of it", "½ [] It is 10²½"]),
        ("It has 1 338,424 of it.", &["338,424"]),
        ("It is thrice that.", &["It is = thrice", "It is =\u{338} thrice"]),
    ]);
}

#[test]
fn negations_and_numbers_of_other_languages_are_never_left_out_or_put_in() {
    check_never_proven(&[
        (
            "Der Verkäufer darf keinesfalls den Preis zahlen, keineswegs sofort und kaum bald.",
            &["Der Verkäufer darf … den Preis", "den Preis zahlen, … sofort", "zahlen … bald", "und [niemanden] kaum"],
        ),
        (
            "Le vendeur n'a plus le droit de vendre. Il N’est rien.",
            &["Le vendeur … le droit de vendre", "Le vendeur [n'est] n'a", "Il … rien"],
        ),
        ("De koper mag niet weg, hij heeft geen huis.", &["De koper mag … weg", "hij heeft … huis"]),
        ("O vendedor não pode sair.", &["O vendedor … pode sair"]),
        ("Il venditore è senza nessun potere.", &["Il venditore … potere"]),
        ("Köparen får inte sälja huset.", &["Köparen får … sälja"]),
        ("Kupujący płaci bez zwłoki.", &["Kupujący płaci … zwłoki"]),
        ("Продавец не должен платить.", &["Продавец … должен платить"]),
        (
            "It is due on the day of it.",
            &[
                "on the [eleventh] day",
                "on the [thirtieth] day",
                "on the [twenty-first] day",
                "on the [XIV] day",
                "on the [xii] day",
                "on the [MMXIV] day",
                "is [barely] due",
                "the day [quarter] of",
                "the day [two thirds] of",
                "the [einundzwanzigste] day",
                "the [zweihundert] day",
                "the [dritten] day",
                "the [Drittel] day",
                "the [deuxième] day",
                "the [veintidós] day",
            ],
        ),
    ]);
}

#[test]
fn what_means_the_same_is_proven_beside_signs() {
    for (text, quotation, expected) in [
        ("Le délai de l’accord est long.", "accord est long", "exact 1"),
        ("Finland\t5.5\t338,424\t10", "338,424", "exact 1"),
        (
            "He shall pay. He shall never go anywhere. Then he left.",
            "He shall pay. … Then he left.",
            "normalised 1: elision",
        ),
        (
            "It pays 1’000 or 30\u{a0}000 euros.",
            "pays 1'000 or 30 000 euros",
            "normalised 1: white_space quotation_marks",
        ),
        ("A rate of 3 – 5 percent.", "of 3–5 percent", "normalised 1: white_space"),
        ("It has 5’ of pipe.", "has 5' of pipe", "normalised 1: quotation_marks"),
        ("A long\u{ad}term plan.", "A long-term plan", "normalised 1: soft_hyphen"),
        ("(a) The seller pays.", "the seller pays", "normalised 1: case"),
        ("He may pay, and go.", "He may pay [in full], and [he may] go", "normalised 1: brackets"),
        (
            "It is due on that day.",
            "It is [mix CD MIX vi] due [einander tenter civil einfach]",
            "normalised 1: brackets",
        ),
        ("Rock 'n' roll is played at length.", "Rock … is played", "normalised 1: elision"),
        ("Er hat noch im Mai das Haus bezahlt.", "Er hat … das Haus bezahlt", "normalised 1: elision"),
        ("It pays “30” euros.", "pays \"30\" euros", "normalised 1: quotation_marks"),
        ("It costs 5 $6.", "It costs 5", "exact 1"),
        ("The parties' rights end.", "The parties", "exact 1"),
        ("ends here.12 The seller pays", "The seller pays", "exact 1"),
        ("It is with\u{2066}in reach.", "is within reach", "normalised 1: invisible"),
        ("कर\u{200d}\u{94d}म है", "कर\u{94d}म है", "normalised 1: invisible"),
    ] {
        assert_eq!(shown(text, quotation), expected, "{quotation:?}");
    }
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
    let left_out = format!("{}{}anchor.", "a ".repeat(1_900), "! ".repeat(1_000_000));
    for (text, quotation, expected) in [
        (letters.as_str(), &letters[..max], "not_found"), // within a word
        (&letters, &letters, "faulty"),
        (&words, &words[..max], "proven"),
        (&words, &format!("{}b", &words[..max - 1]), "given_up"),
        (&words, &format!("{}a\na", &words[..max - 4]), "proven"),
        (&words, &format!("{} b {}", &words[..60_000], &words[..60_000]), "given_up"),
        (&words, &"a … [b] ".repeat(10_000), "proven"),
        (&"a b ".repeat(100_000), &"a … b ".repeat(10_000), "proven"),
        (&format!("one two {signs}three four"), &format!("one two {}three five", &signs[..100_000]), "not_found"),
        (&format!("one two three four {signs}"), &format!("one two three five {}", &signs[..100_000]), "given_up"),
        (&format!("one two {}three four", "!".repeat(3_000_000)), "one two three five six", "not_found"),
        (&form, "It ran on in May 1912.", "altered"),
        (&left_out, "a … [5] anchor", "not_found"),
        (&left_out, "a … [5] … anchor", "not_found"),
        (&left_out, "a … anchor", "not_found"),
    ] {
        let found = CitationCheck::new(&[quotation]).unwrap().check(text, &TextLayout::of_plain(text)).remove(0);
        assert_eq!(status(&found), expected, "{:?} in {:?}", quotation.get(..20), text.get(..20));
    }
    // One that repeats itself leaves the others their share.
    let text = words + ". It ran in May 1911.";
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

/// How many negations a text has, wherever its words end.
fn negations(text: &str) -> usize {
    let letters: String = text.replace('’', "'").chars().filter(|&c| c.is_alphabetic() || c == '\'').collect();
    ["not", "n't", "non"].iter().map(|negation| letters.matches(negation).count()).sum()
}

/// How many negations a text has among its words; others may be glued to `n't`, and a `t` with a mark above is another letter.
fn negating_words(text: &str) -> usize {
    let text =
        text.replace('’', "'").replace(['\u{ad}', '\u{200b}'], "").replace("t\u{308}", "ẗ").replace('\u{308}', "");
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let of_word = |word: &str| {
        word.matches("n't").count() + word.split('\'').filter(|part| matches!(*part, "not" | "non")).count()
    };
    words.map(of_word).sum()
}

fn digits(text: &str) -> String {
    text.chars().filter(|c| c.is_numeric()).collect()
}

/// Texts of a pattern, which is read once and not for each text.
fn like(pattern: &str) -> RegexGeneratorStrategy<String> {
    string_regex(pattern).unwrap()
}

proptest! {
    /// Any words of a text are exact, and the same with other white space are proven.
    #[test]
    fn parts_of_a_text_are_proven(
        words in prop::collection::vec(like("[a-zA-Zé]{1,6}|[0-9]{1,2}|[a-z]{2,4}-[a-z]{2,4}|“[a-z]{2,5}”|[a-z]{2,5}[,.;]"), 3..60),
        gaps in prop::collection::vec(like("[ \n]{1,2}"), 60),
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
                // A full stop or comma at the end may differ.
                let squeezed = |text: &str| text.trim_end_matches([',', '.']).split_whitespace().collect::<String>();
                prop_assert_eq!(squeezed(&text[passage.bytes.clone()]).to_lowercase(), squeezed(exact).to_lowercase());
            }
        }
    }

    /// Whatever a quotation does with the words of a text, what is proven has their negations and numbers, and all of the word
    /// or number at each of its ends.
    #[test]
    fn negations_and_numbers_are_proven_with_the_rest(
        parts in prop::collection::vec(
            like("(isn't|won’t|not|un|lawful|may|pay|he|Buyer|O'Neil|5|30|000|1'000|3–5|10²|½|\\$|%|non-|[.,'\"/-]|\\[|\\]|\u{ad}|\u{200b}\u{308})( |\n)?"),
            4..24,
        ),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1usize..3, like("(…|\\[…\\]|\\[it\\]|\\[un\\]|\\[n't\\]|\\[Buyer\\]|'|-|)( )?")), 0..3),
        from in any::<prop::sample::Index>(),
        length in 2usize..12,
    ) {
        let text = parts.concat();
        let from = from.index(parts.len());
        let mut quoted = parts[from..(from + length).min(parts.len())].to_vec();
        for (at, count, new) in changes {
            let at = at.index(quoted.len());
            let end = (at + count - 1).min(quoted.len());
            quoted.splice(at..end, [new]);
        }
        let quotation = quoted.concat();
        let quotation = quotation.trim();
        let Ok(check) = CitationCheck::new(&[quotation]) else { return Ok(()) };
        let Finding::Proven { passages, .. } = check.check(&text, &TextLayout::default()).remove(0) else { return Ok(()) };
        for passage in passages {
            let found = &text[passage.bytes.clone()];
            let reasons: Vec<&str> = passage.reasons.iter().map(|reason| reason.name()).collect();
            if !reasons.contains(&"elision") {
                // Words that are glued to each other are no negations, also in brackets.
                let is_same = |count: fn(&str) -> usize| count(found) == count(quotation);
                let is_glued = || reasons.contains(&"brackets") && is_same(negating_words);
                prop_assert!(is_same(negations) || is_glued(), "{:?} {:?} {:?}", text, found, quotation);
                prop_assert_eq!(digits(found), digits(quotation), "{:?} {:?} {:?}", text, found, quotation);
            } else if !found.contains(['.', '\u{2026}']) {
                prop_assert!(negating_words(found) <= negating_words(quotation), "{:?} {:?} {:?}", text, found, quotation);
            }
            let beside = [text[..passage.bytes.start].chars().next_back(), text[passage.bytes.end..].chars().next()];
            let within = [found.chars().next().unwrap(), found.chars().next_back().unwrap()];
            for (beside, within) in beside.iter().flatten().zip(within).filter(|_| beside.iter().all(Option::is_some)) {
                prop_assert!(!(beside.is_numeric() && within.is_numeric()), "{:?} {:?} {:?}", text, found, quotation);
            }
        }
    }

    /// No text makes the search fail, and places are of whole characters.
    #[test]
    fn any_text_is_searched(
        parts in prop::collection::vec(like("[ab ]|[a-c\u{ad}\u{200b}\n -]{1,4}|[.…\\[\\]()1-3²½“”']|\\PC|\u{c}|e\u{301}|漢|한"), 0..80),
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
