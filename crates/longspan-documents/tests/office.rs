//! Office documents: the text and map of a small corpus, what holds for every map, and hostile files.

use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use longspan_documents::{Block, Content, Hints, Limits, Page, ReadError, read};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/office")
}

/// The files of the corpus.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_document =
        |path: &PathBuf| ["docx", "odt", "fodt", "epub"].iter().any(|kind| path.extension().unwrap() == *kind);
    let mut paths: Vec<_> = paths.filter(is_document).collect();
    paths.sort();
    let read = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
    paths.into_iter().map(read).collect()
}

fn read_it(bytes: &[u8], limits: &Limits) -> Result<Content, ReadError> {
    read(bytes, &Hints::default(), limits)
}

/// The text and map as the golden files have them.
fn shown(read: Result<Content, ReadError>) -> String {
    let content = match read {
        Ok(content) => content,
        Err(error) => return format!("error {}: {error}\n", error.code()),
    };
    let mut shown = String::new();
    let (title, language) = (content.title().unwrap_or("–"), content.language().unwrap_or("–"));
    writeln!(shown, "{} | {title} | {language}", content.format()).unwrap();
    content.warnings().iter().for_each(|warning| writeln!(shown, "warning: {warning}").unwrap());
    for (block, text) in blocks(&content) {
        let place = content.place(block.start as usize..block.start as usize);
        let page = place.page.map(|page| format!(" p{page}")).unwrap_or_default();
        let label = place.page_label.map(|label| format!(" ({label})")).unwrap_or_default();
        writeln!(shown, "{:?}{page}{label} {text:?}", block.kind).unwrap();
    }
    shown
}

/// The blocks with their texts.
fn blocks(content: &Content) -> impl Iterator<Item = (Block, &str)> {
    let ends = content.blocks().iter().skip(1).map(|block| block.start as usize).chain([content.text().len()]);
    let text = |(block, end): (&Block, usize)| (*block, &content.text()[block.start as usize..end]);
    content.blocks().iter().zip(ends).map(text)
}

#[test]
fn the_corpus_is_read_as_its_maps_say() {
    let corpus = corpus();
    assert!(corpus.len() >= 6);
    for (name, bytes) in corpus {
        let golden = folder().join(format!("{name}.map"));
        let expected = fs::read_to_string(&golden).unwrap_or_else(|error| panic!("{}: {error}", golden.display()));
        assert_eq!(shown(read_it(&bytes, &Limits::default())), expected, "{name}");
    }
}

/// What holds for every content.
fn check(content: &Content) {
    let text = content.text();
    let is_border = |at: u32| text.is_char_boundary(at as usize);
    assert!(!text.trim().is_empty());
    assert!(content.pages().is_sorted_by_key(|page: &Page| page.start));
    assert!(content.blocks().is_sorted_by_key(|block| block.start));
    assert!(content.pages().iter().all(|page| is_border(page.start)));
    assert!(content.blocks().iter().all(|block| is_border(block.start)));
    // Each byte is in one block, and on one page where there are pages.
    assert_eq!(content.blocks().first().map(|block| block.start), Some(0));
    assert!(content.pages().first().is_none_or(|page| page.start == 0));
    assert_eq!(content.pages().len().saturating_sub(1), text.matches('\u{c}').count());
    assert!(content.borders().is_sorted());
    assert!(!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\u{c}')), "control characters");
    for (block, _) in blocks(content).take(50) {
        let place = content.place(block.start as usize..text.len());
        assert_eq!(place.source, None, "a packed part has no bytes of the file");
        assert!(content.boxes(block.start as usize..text.len()).is_empty());
        assert_eq!(place.page.is_some(), !content.pages().is_empty());
    }
}

#[test]
fn every_map_is_sound() {
    for (name, bytes) in corpus() {
        if let Ok(content) = read_it(&bytes, &Limits::default()) {
            check(&content);
            assert!(!name.starts_with("encrypted"));
        }
    }
}

/// Random numbers, always the same ones.
struct Draws(u64);

impl Draws {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % count.max(1)
    }
}

/// Changes some bytes: other ones, none, or a part twice.
fn change(bytes: &mut Vec<u8>, draws: &mut Draws) {
    for _ in 0..1 + draws.below(4) {
        let (at, length) = (draws.below(bytes.len()), draws.below(60));
        let part = at..(at + length).min(bytes.len());
        match draws.below(4) {
            0 => _ = bytes.drain(part),
            1 => _ = bytes.splice(at..at, bytes[part].to_vec()),
            2 => bytes[at] = draws.below(256) as u8,
            _ => bytes[at] = b"<>/\"&0129 =:w"[draws.below(13)],
        }
        if bytes.is_empty() {
            return;
        }
    }
}

/// The parts of a container.
fn parts(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let part = |number| {
        let (mut part, mut content) = (archive.by_index(number).unwrap(), Vec::new());
        part.read_to_end(&mut content).unwrap();
        (part.name().unwrap().into_owned(), content)
    };
    (0..bytes.windows(4).filter(|bytes| bytes == b"PK\x01\x02").count()).map(part).collect()
}

fn packed(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Whether it was read. A panic of a reader is an error that says so.
fn try_it(bytes: &[u8], what: &str) -> bool {
    match read_it(bytes, &Limits::default()) {
        Ok(content) => {
            check(&content);
            true
        }
        Err(ReadError::Failed(message)) => panic!("{what}: {message}"),
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 1000 && !message.chars().any(char::is_control), "{what}: {message}");
            false
        }
    }
}

#[test]
fn changed_files_are_read_or_refused() {
    let (mut draws, mut tried, mut taken) = (Draws(7), 0, 0);
    for (name, bytes) in corpus().into_iter().filter(|(name, _)| !name.ends_with(".fodt")) {
        let sound = parts(&bytes);
        for mutant in 0..300 {
            let mut parts = sound.clone();
            let at = draws.below(parts.len());
            change(&mut parts[at].1, &mut draws);
            taken += usize::from(try_it(&packed(&parts), &format!("{name}, mutant {mutant}, {}", parts[at].0)));
            let mut container = bytes.clone();
            change(&mut container, &mut draws);
            taken += usize::from(try_it(&container, &format!("{name}, container {mutant}")));
            tried += 2;
        }
    }
    assert!(taken > tried / 10 && taken < tried, "{taken} of {tried} were read");
}

/// The parts of a document whose body is this one.
fn docx(body: String) -> Vec<(String, Vec<u8>)> {
    let (_, bytes) = corpus().into_iter().find(|(name, _)| name == "changes.docx").unwrap();
    let mut parts = parts(&bytes);
    let main = parts.iter_mut().find(|(name, _)| name == "word/document.xml").unwrap();
    let xml = String::from_utf8(main.1.clone()).unwrap();
    let start = xml.find("<w:body>").unwrap() + "<w:body>".len();
    main.1 = format!("{}{body}</w:body></w:document>", &xml[..start]).into_bytes();
    parts
}

fn paragraph(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

/// The text of a document with these parts, or the error.
fn message(parts: &[(String, Vec<u8>)], limits: &Limits) -> String {
    let content = read_it(&packed(parts), limits);
    content.map(|content| content.text().to_string()).unwrap_or_else(|error| error.to_string())
}

#[test]
fn limits_of_depth_hold() {
    let limits = Limits::default();
    assert_eq!(message(&docx(paragraph("a")), &limits), "a");

    let deep = |depth: usize| docx("<w:sdt>".repeat(depth) + &paragraph("a") + &"</w:sdt>".repeat(depth));
    assert_eq!(message(&deep(limits.depth_max - 5), &limits), "a");
    assert_eq!(
        message(&deep(limits.depth_max), &limits),
        "more than 256 elements within elements, the most that is read"
    );
    assert_eq!(message(&deep(1_000_000), &limits), "more than 256 elements within elements, the most that is read");

    let nested =
        |start: &str, end: &str, depth: usize| docx(start.repeat(depth) + &paragraph("a") + &end.repeat(depth));
    for (start, end) in [
        ("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"),
        ("<w:p><w:r><w:txbxContent>", "</w:txbxContent></w:r></w:p>"),
    ] {
        assert_eq!(message(&nested(start, end, 80), &limits), "a");
        let error = "more than 256 elements within elements, the most that is read";
        assert_eq!(message(&nested(start, end, 100), &limits), error);
    }
}

#[test]
fn a_document_whose_text_is_all_left_out_says_so() {
    let limits = Limits::default();
    let said = message(&docx("<w:altChunk r:id='a'/>".into()), &limits);
    assert_eq!(said, "a DOCX document that cannot be read: it has no text; left out: 1 document within it");
    assert_eq!(message(&docx(String::new()), &limits), "empty");
}

#[test]
fn namespaces_are_limited() {
    let declared = |count: usize| {
        let declarations: String = (0..count).map(|number| format!(" xmlns:n{number}='n'")).collect();
        message(&docx(format!("<w:sdt{declarations}>{}</w:sdt>", paragraph("a"))), &Limits::default())
    };
    assert_eq!(declared(100), "a");
    assert_eq!(declared(1000), "more than 128 namespaces in one place, the most that is read");
}

#[test]
fn limits_of_counts_and_sizes_hold() {
    let mut limits = Limits::default();
    let many: Vec<_> = (0..4097).map(|number| (number.to_string(), Vec::new())).collect();
    assert_eq!(message(&[docx(paragraph("a")), many].concat(), &limits), "more than 4096 parts, the most that is read");

    let bomb = docx(paragraph(&"a".repeat(2_000_000)));
    assert_eq!(message(&bomb, &limits).len(), 2_000_000);
    limits.unpacked_bytes_max = 1_000_000;
    let expected = "its parts unpack to more than 1000000 bytes, the most that is read";
    assert_eq!(message(&bomb, &limits), expected);
    let bomb = docx(paragraph(&"a".repeat(70_000_000)));
    limits = Limits::default();
    limits.ratio_max = 500;
    let expected = "its parts unpack to more than 64000000 bytes, the most that is read for its size";
    assert_eq!(message(&bomb, &limits), expected);
    limits = Limits::default();
    limits.text_bytes_max = 10_000;
    assert_eq!(
        message(&docx(paragraph(&"a".repeat(10_001))), &limits),
        "longer than 10000 bytes, the most that is read"
    );
}

#[test]
fn entities_of_a_document_type_are_text() {
    let doctype = |parts: Vec<(String, Vec<u8>)>| -> Vec<(String, Vec<u8>)> {
        let with = |(name, content): (String, Vec<u8>)| match name.as_str() {
            "word/document.xml" => {
                let entities = "<!DOCTYPE a [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;'>]>";
                (
                    name,
                    [entities.as_bytes(), &content[content.iter().position(|&byte| byte == b'\n').unwrap()..]].concat(),
                )
            }
            _ => (name, content),
        };
        parts.into_iter().map(with).collect()
    };
    assert_eq!(message(&doctype(docx(paragraph("&b;"))), &Limits::default()), "&b;");
}

#[test]
fn a_damaged_part_is_a_warning_and_a_damaged_text_an_error() {
    let (_, bytes) = corpus().into_iter().find(|(name, _)| name == "numbers.docx").unwrap();
    for (part, result) in [
        ("word/styles.xml", Ok("the file is damaged, and was read as far as it could be: its part word/styles.xml: ")),
        (
            "word/numbering.xml",
            Ok("the file is damaged, and was read as far as it could be: its part word/numbering.xml: "),
        ),
        ("word/document.xml", Err("a DOCX document that cannot be read: its part word/document.xml: ")),
    ] {
        let mut parts = parts(&bytes);
        let damaged = parts.iter_mut().find(|(name, _)| name == part).unwrap();
        damaged.1.truncate(damaged.1.len() - 20);
        let read = read_it(&packed(&parts), &Limits::default());
        let said = read.map(|content| content.warnings()[0].to_string()).map_err(|error| error.to_string());
        match (said, result) {
            (Ok(said), Ok(start)) | (Err(said), Err(start)) => assert!(said.starts_with(start), "{said}"),
            (said, _) => panic!("{part}: {said:?}"),
        }
    }
}
