//! HTML, Markdown and CSV: golden files, what holds for any bytes, and mutations.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use longspan_documents::{BlockKind, Content, Hints, Limits, ReadError, read};
use proptest::prelude::*;

/// The files in the corpus, which `make.py` beside them makes.
const FILES: [&str; 7] =
    ["museum.html", "soup.html", "book.xhtml", "russian.htm", "notes.md", "lines.markdown", "table.csv"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/markup")
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn read_as(name: &str, bytes: &[u8]) -> Result<Content, ReadError> {
    let hints = Hints { name: Some(name.into()), ..Hints::default() };
    read(bytes, &hints, &Limits::default())
}

/// The text of each block, with its white space.
fn blocks(content: &Content) -> impl Iterator<Item = (BlockKind, std::ops::Range<usize>)> {
    let ends = content.blocks().iter().skip(1).map(|block| block.start as usize).chain([content.text().len()]);
    content.blocks().iter().zip(ends).map(|(block, end)| (block.kind, block.start as usize..end))
}

/// A content as lines: what it is, then for each block its kind, its text, its place and its source.
fn described(content: &Content, source: &[u8]) -> String {
    let mut lines = format!("{} {:?} {:?}\n", content.format(), content.title(), content.language());
    content.warnings().iter().for_each(|warning| writeln!(lines, "warning: {warning}").unwrap());
    for (kind, bytes) in blocks(content) {
        let text = &content.text()[bytes.clone()];
        writeln!(lines, "{kind:?} {text:?}").unwrap();
        let place = content.place(bytes.start..bytes.start + text.trim_end().len());
        if let Some(source) =
            place.source.map(|range| &source[range]).filter(|source| *source != text.trim().as_bytes())
        {
            writeln!(lines, "    made of {:?}", String::from_utf8_lossy(source)).unwrap();
        }
        if !place.headings.is_empty() {
            writeln!(lines, "    under {}", place.headings.join(" / ")).unwrap();
        }
    }
    lines
}

#[test]
fn files_are_read_as_a_browser_shows_them() {
    let mut wrong = Vec::new();
    for name in FILES {
        let bytes = bytes(name);
        let content = read_as(name, &bytes).unwrap();
        check(&content, &bytes, 1);
        let (found, golden) = (described(&content, &bytes), format!("{name}.golden"));
        let expected = fs::read_to_string(folder().join(&golden)).unwrap_or_default();
        if found != expected {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(golden);
            fs::write(&path, &found).unwrap();
            let pair = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
            wrong.push(format!("{name} is read otherwise: {}, first difference: {pair:#?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Checks what holds for every content. `step`: of so many characters, one is looked at.
fn check(content: &Content, source: &[u8], step: usize) {
    let text = content.text();
    assert!(content.blocks().windows(2).all(|pair| pair[0].start < pair[1].start), "blocks in order: {text:?}");
    assert!(content.blocks().iter().all(|block| text.is_char_boundary(block.start as usize)), "{text:?}");
    assert!(content.blocks().first().is_none_or(|first| first.start == 0), "each byte in a block: {text:?}");
    assert!(content.borders().is_sorted(), "{text:?}");
    for (at, c) in text.char_indices().step_by(step) {
        let Some(range) = content.place(at..at + c.len_utf8()).source else { continue };
        let found = source.get(range.clone()).unwrap_or_else(|| panic!("{range:?} of {} bytes", source.len()));
        if found.len() == c.len_utf8() {
            let is_same = found == c.to_string().as_bytes();
            let is_space = (c == ' ' || c == '\n') && (found[0] == b' ' || found[0].is_ascii_control());
            assert!(is_same || is_space, "{c:?} is not {:?} at {range:?}", String::from_utf8_lossy(found));
        }
    }
}

/// Random numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % count.max(1)
    }
}

fn mutated(bytes: &[u8], draws: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=draws.below(4) {
        let at = draws.below(bytes.len());
        let length = draws.below(40).min(bytes.len() - at);
        match draws.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + length)),
            2 => {
                let copy = bytes[at..at + length].to_vec();
                let to = draws.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            3 if at < bytes.len() => bytes[at] = b"<>&/\"'!-;=#| \n\r\t\0\x80\xff`[*"[draws.below(22)],
            _ if at < bytes.len() => bytes[at] ^= 1 << draws.below(8),
            _ => {}
        }
    }
    bytes
}

#[test]
fn mutations_are_read_or_refused() {
    let mut draws = Random(1);
    for name in FILES {
        let bytes = bytes(name);
        for _ in 0..300 {
            let mutant = mutated(&bytes, &mut draws);
            match read_as(name, &mutant) {
                Ok(content) => check(&content, &mutant, 7),
                Err(error @ ReadError::Failed(_)) => panic!("{error}: {}", mutant.escape_ascii()),
                Err(_) => {}
            }
        }
    }
}

/// What pages are put together of.
const PARTS: &str = "<p> </p> <sup>1 <sup>&#54; </sup> <sub>n <q> </q> <ol\u{a0}reversed> <div> </div> <h2> </h2> <ul> <ol> <li> </ul> </ol> <table> <tr> <td> <td\u{a0}rowspan=3> \
    <td\u{a0}colspan=2> </table> <pre> </pre> <nav> </nav> <header> </header> <section> </section> <br> <br/> <b> </b> \
    <hr> <p\u{a0}hidden> <div\u{a0}hidden> <span\u{a0}hidden> </span> <svg> </svg> <!-- --> &amp; &nLl; &nbsp; &#13; &shy; \
    \r \n \r\n word é漢 </body> <blockquote> </blockquote> <caption> # - > 1. | ``` ~~~ --- [^1] [^1]: \\ * _ ` [a](b)";

proptest! {
    #[test]
    fn any_page_has_its_map(
        parts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
        is_markdown in any::<bool>(),
    ) {
        let all: Vec<&str> = PARTS.split(' ').collect();
        let mut page = String::from("start ");
        for (part, is_apart) in parts {
            page.push_str(&all[part.index(all.len())].replace('\u{a0}', " "));
            page.push_str(if is_apart { if is_markdown { "\n" } else { " " } } else { "" });
        }
        let content = read_as(if is_markdown { "a.md" } else { "a.html" }, page.as_bytes()).unwrap();
        prop_assert!(content.text().starts_with("start"));
        check(&content, page.as_bytes(), 1);
    }
}

#[test]
fn what_is_not_shown_is_no_text_and_what_is_not_closed_hides_little() {
    let text = |page: &str| read_as("a.html", page.as_bytes()).unwrap().text().to_string();
    assert_eq!(text("a<div hidden><p>b</p><div>c</div>d</div>e"), "a\n\ne");
    assert_eq!(text("a<p hidden>b<p>c"), "a\n\nc");
    assert_eq!(text("<div>a<p hidden>b</div>c"), "a\n\nc");
    assert_eq!(text("<ul><li hidden>a<ul><li>b</ul><li>c</ul>"), "c");
    assert_eq!(text("a<span style='display: none'>b<b>c</span>d"), "ad");
    assert_eq!(text("a<input hidden>b<br hidden>c"), "ab\nc");
    assert_eq!(text("a<template>b<template>c</template>d</template>e"), "ae");
    let kanji = "漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rt>ji</ruby>だ";
    assert_eq!(text(&format!("<ruby>{kanji}")), "漢字だ");
    assert_eq!(text("<p><ruby>漢<rt>kan</p><p>b</p>"), "漢\n\nb");
    assert_eq!(&**read_as("a.md", b"<ruby>a<rt>b</rt></ruby>c").unwrap().text(), "ac");
    assert_eq!(text("a\u{85}\u{9f}b <pre>c\u{80}d</pre>"), "a b\n\nc d");
    let long = read_as("a.html", format!("a<{} hidden>b", "x".repeat(100_000)).as_bytes()).unwrap();
    assert!(long.warnings()[0].to_string().len() < 300, "{:?}", long.warnings());
    let cut = read_as("a.html", b"a<svg>b").unwrap();
    assert_eq!((&**cut.text(), cut.warnings()[0].code()), ("a", "repaired"));
}

#[test]
fn front_matter_has_an_end() {
    let title = |text: &str| read_as("a.md", text.as_bytes()).unwrap().title().map(str::to_owned);
    assert_eq!(title("---\na: b\ntitle: 'Pumps'\n---\ntitle: Wells").as_deref(), Some("Pumps"));
    assert_eq!(title("+++\ntitle = \"Pumps\"\n+++\na").as_deref(), Some("Pumps"));
    assert_eq!(title("---\ntitle: Pumps\n...\na").as_deref(), Some("Pumps"));
    assert_eq!(title("---\n\nA rule, and text.\n\ntitle: Pumps\n"), None);
}

#[test]
fn elements_within_elements_have_a_limit() {
    for (name, part) in [("a.html", "<ul>a"), ("a.html", "<table><td>"), ("a.md", "> ")] {
        let page = format!("text\n\n{}a", part.repeat(if name == "a.md" { 300 } else { 100_000 }));
        match read_as(name, page.as_bytes()) {
            Err(error) => {
                assert_eq!(error.to_string(), "more than 256 elements within elements, the most that is read")
            }
            Ok(content) => assert_eq!((name, content.text().contains("text")), ("a.md", true)),
        }
    }
    let open = format!("{}a", "<div><p><b>".repeat(100_000));
    assert_eq!(&**read_as("a.html", open.as_bytes()).unwrap().text(), "a");
}

#[test]
fn raised_and_lowered_numbers_are_not_glued_to_what_is_before_them() {
    let read = |name: &str, page: &str| {
        let content = read_as(name, page.as_bytes()).unwrap();
        check(&content, page.as_bytes(), 1);
        content.text().to_string()
    };
    for (page, text) in [
        ("It costs 10<sup>6</sup> euros, $100<sup>2</sup> now.", "It costs 10⁶ euros, $100² now."),
        ("10<sup>-<b>1</b>2</sup>, 2<sup>nd</sup> CO<sub>2</sub>", "10⁻¹², 2nd CO₂"),
        ("10<sup>x&#54;<sup>7</sup>8</sup>9", "10x⁶⁷⁸9"),
        ("5<sup>1</sup>/<sub>2</sub> cups", "5¹/₂ cups"),
        ("the price<sup>1</sup> to", "the price¹ to"),
    ] {
        assert_eq!(read("a.html", &format!("<p>{page}</p>")), text);
        assert_eq!(read("a.md", page), text);
    }
    assert_eq!(read("a.html", "<p>a 10<sup>6<p>b 7"), "a 10⁶\n\nb 7");
    assert_eq!(read("a.html", "<p>a 10<span style='vertical-align: super'>6</span>7"), "a 10⁶7");
    assert_eq!(read("a.html", "<pre>10<sup>6\n7</sup></pre>"), "10⁶\n⁷");
    let page = "<p>10<sup>−6</sup> é";
    let content = read_as("a.html", page.as_bytes()).unwrap();
    let place = content.place(content.text().find('⁶').unwrap()..content.text().len());
    assert_eq!((&page[place.source.unwrap()], place.characters), ("6</sup> é", 3..6));
}

#[test]
fn marks_of_notes_are_known() {
    for (name, page, marks) in [
        ("a.html", "the price<sup>1</sup> to<sup>[2]</sup> 5 m<sup>2</sup> in 10<sup>6</sup>.", vec!["¹", "[2]"]),
        (
            "a.html",
            "a b<sup><a href='#n'>1</a></sup> <a href=x#n><sup>2</sup></a>, 1911<sup><a href=#n>3</a></sup>",
            vec!["¹", "²"],
        ),
        ("a.html", "in 1911<a role=doc-noteref>4</a> it <a epub:type=noteref>not</a> <a href=#n>5</a>", vec!["⁴"]),
        ("a.html", "<a href=#s2>an area of 5 m<sup>2</sup></a> and <a href=#s3>x<sup>n</sup></a>", vec![]),
        ("a.md", "price[^1] to[^a-b].\n\n[^1]: One[^a-b].\n\n[^a-b]: Two", vec!["[1]", "[a-b]", "[a-b]"]),
    ] {
        let content = read_as(name, page.as_bytes()).unwrap();
        let found: Vec<&str> = content.note_marks().into_iter().map(|bytes| &content.text()[bytes]).collect();
        assert_eq!(found, marks, "{page}");
    }
}

#[test]
fn what_hides_the_rest_of_a_page_is_told() {
    for (page, text, what) in [
        ("<p>The text. <!-- note -> <p>Clause 2", "The text.", "a comment"),
        ("<p>The text. <!note <p", "The text.", "a comment"),
        ("<p>The text. <a href=\"x>rest <p>Clause", "The text.", "a tag"),
        ("<p>The text. <p class=a Clause", "The text.", "a tag"),
    ] {
        let content = read_as("a.html", page.as_bytes()).unwrap();
        let warning = format!(
            "the file is damaged, and was read as far as it could be: {what} has no end, and what follows it is not shown"
        );
        assert_eq!((&**content.text(), content.warnings()[0].to_string()), (text, warning));
    }
    for page in ["<p>a <!-- b --> c <!d>", "<!doctype html><p>a", "<p>a < b & c", "<p a='b>c' d>e"] {
        assert_eq!(read_as("a.html", page.as_bytes()).unwrap().warnings(), []);
    }
    assert_eq!(read_as("a.md", b"a\n\n<!-- b\n\nc").unwrap().warnings()[0].code(), "repaired");
}

#[test]
fn lists_that_count_down_have_their_numbers() {
    let text = |page: &str| read_as("a.html", page.as_bytes()).unwrap().text().replace("\n\n", " ");
    assert_eq!(text("<ol reversed><li>a<li>b<ol><li>x<li>y</ol><li>c</ol>"), "3. a 2. b 1. x 2. y 1. c");
    assert_eq!(text("<ol REVERSED start=10><li>a<li>b<li value=5>c<li>d</ol>"), "10. a 9. b 5. c 4. d");
    assert_eq!(text("<ol hidden reversed><li>a</ol><ol reversed><li>b<li>c</ol>"), "2. b 1. c");
}

#[test]
fn quotations_have_their_marks() {
    let text = |page: &str| read_as("a.html", page.as_bytes()).unwrap().text().to_string();
    assert_eq!(text("He said <q>it <q>ran</q> well </q>."), "He said “it ‘ran’ well”.");
    assert_eq!(text("<p>a <q>b<p>c <q>d</q></q>"), "a “b\n\nc “d”");
}
