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

/// The content of a document with this body, and further parts and styles.
fn docx_with(body: &str, styles: &str, further: &[(&str, &str)]) -> Content {
    let mut parts = docx(body.into());
    let w = "xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'";
    let kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let mut relations =
        String::from("<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>");
    for (name, content) in [("styles", styles)].iter().chain(further) {
        write!(relations, "<Relationship Id='{name}' Type='{kind}/{name}' Target='{name}.xml'/>").unwrap();
        parts.retain(|(part, _)| *part != format!("word/{name}.xml"));
        parts.push((format!("word/{name}.xml"), format!("<w:{name} {w}>{content}</w:{name}>").into_bytes()));
    }
    parts.retain(|(part, _)| part != "word/_rels/document.xml.rels");
    parts.push(("word/_rels/document.xml.rels".into(), (relations + "</Relationships>").into_bytes()));
    let main = parts.iter_mut().find(|(name, _)| name == "word/document.xml").unwrap();
    let m = "xmlns:m='http://schemas.openxmlformats.org/officeDocument/2006/math'";
    main.1 = String::from_utf8(main.1.clone()).unwrap().replacen("<w:body>", &format!("<w:body {m}>"), 1).into_bytes();
    read_it(&packed(&parts), &Limits::default()).unwrap()
}

fn fodt(styles: &str, body: &str) -> Content {
    let namespaces = ["office", "text", "style", "table"]
        .map(|name| format!("xmlns:{name}='urn:oasis:names:tc:opendocument:xmlns:{name}:1.0'"));
    let xml = format!(
        "<?xml version='1.0'?><office:document {} office:mimetype='application/vnd.oasis.opendocument.text'>\
         <office:automatic-styles>{styles}</office:automatic-styles>\
         <office:body><office:text>{body}</office:text></office:body></office:document>",
        namespaces.join(" ")
    );
    read_it(xml.as_bytes(), &Limits::default()).unwrap()
}

/// A book of one chapter.
fn epub(body: &str) -> Content {
    let (_, bytes) = corpus().into_iter().find(|(name, _)| name == "book.epub").unwrap();
    let mut parts = parts(&bytes);
    let is_chapter = |name: &str| name.ends_with("html") && !name.contains("nav");
    let first = parts.iter().position(|(name, _)| is_chapter(name)).unwrap();
    for (index, (name, content)) in parts.iter_mut().enumerate().filter(|(_, (name, _))| is_chapter(name)) {
        let _ = name;
        *content = if index == first { body.as_bytes().to_vec() } else { b"<p></p>".to_vec() };
    }
    read_it(&packed(&parts), &Limits::default()).unwrap()
}

fn marks(content: &Content) -> Vec<&str> {
    content.note_marks().into_iter().map(|bytes| &content.text()[bytes]).collect()
}

fn warnings(content: &Content) -> Vec<String> {
    content.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn raised_numbers_and_marks_of_notes_are_known() {
    let run = |text: &str, properties: &str| format!("<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r>");
    let body = [
        "<w:p>".into(),
        run("It costs 10", ""),
        run("6", "<w:vertAlign w:val='superscript'/>"),
        run(" of CO", ""),
        run("2", "<w:rStyle w:val='Low'/>"),
        run(" at the price", ""),
        "<w:r><w:rPr><w:vertAlign w:val='superscript'/></w:rPr><w:footnoteReference w:id='1'/></w:r>".into(),
        run(" to", ""),
        run("2", "<w:vertAlign w:val='superscript'/>"),
        run("nd", "<w:vertAlign w:val='superscript'/>"),
        "</w:p>".into(),
    ];
    let low = "<w:style w:type='character' w:styleId='Low'><w:rPr><w:vertAlign w:val='subscript'/></w:rPr></w:style>";
    let notes = "<w:footnote w:id='1'><w:p><w:r><w:t>None.</w:t></w:r></w:p></w:footnote>";
    let content = docx_with(&body.concat(), low, &[("footnotes", notes)]);
    assert_eq!(&**content.text(), "It costs 10⁶ of CO₂ at the price[1] to²nd\n\n[1] None.");
    assert_eq!(marks(&content), ["[1]"]);

    let position = |name: &str, position: &str| {
        format!(
            "<style:style style:name='{name}' style:family='text'><style:text-properties style:text-position='{position}'/></style:style>"
        )
    };
    let styles = [position("a", "super 58%"), position("b", "-33% 58%"), position("c", "0% 100%")].concat();
    let content = fodt(
        &styles,
        "<text:p>It costs 10<text:span text:style-name='a'>6<text:span text:style-name='c'>7</text:span></text:span> of \
         CO<text:span text:style-name='b'>2</text:span> at the price<text:note><text:note-citation>1</text:note-citation>\
         <text:note-body><text:p>None.</text:p></text:note-body></text:note> to</text:p>",
    );
    assert_eq!(&**content.text(), "It costs 10⁶ of CO₂ at the price[1] to\n\n[1] None.".replacen("10⁶", "10⁶7", 1));
    assert_eq!(marks(&content), ["[1]"]);

    let content = epub("<p>10<sup>6</sup> in 1911<a epub:type='noteref' href='#n'>4</a> it</p>");
    assert!(content.text().contains("10⁶ in 1911⁴ it"), "{}", content.text());
    assert_eq!(marks(&content), ["⁴"]);
}

#[test]
fn hidden_text_is_left_out_however_it_is_hidden() {
    let hidden = |kind: &str, name: &str, more: &str| {
        format!("<w:style w:type='{kind}' w:styleId='{name}'>{more}<w:rPr><w:vanish/></w:rPr></w:style>")
    };
    let styles = [
        hidden("character", "c", ""),
        hidden("paragraph", "p", ""),
        "<w:style w:type='paragraph' w:styleId='q'><w:basedOn w:val='p'/></w:style>".into(),
    ];
    let body = "<w:p><w:r><w:t>a</w:t></w:r><w:r><w:rPr><w:rStyle w:val='c'/></w:rPr><w:t>bc</w:t></w:r></w:p>\
        <w:p><w:pPr><w:pStyle w:val='q'/></w:pPr><w:r><w:t>de</w:t></w:r>\
        <w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>f</w:t></w:r></w:p><w:p><w:r><w:t>g</w:t></w:r></w:p>";
    let content = docx_with(body, &styles.concat(), &[]);
    assert_eq!(&**content.text(), "a\n\nf\n\ng");
    assert_eq!(warnings(&content), ["left out: 4 characters of hidden text"]);

    let style = |family: &str, name: &str| {
        format!(
            "<style:style style:name='{name}' style:family='{family}'><style:text-properties text:display='none'/></style:style>"
        )
    };
    let content = fodt(
        &[style("text", "t"), style("paragraph", "p")].concat(),
        "<text:section text:display='none'><text:p>ab</text:p></text:section><text:section text:display='condition' \
         text:is-hidden='false'><text:p>c<text:span text:style-name='t'>d</text:span><text:hidden-text \
         text:is-hidden='true'>ef</text:hidden-text></text:p></text:section><text:p text:style-name='p'>g</text:p>\
         <text:p>h<text:hidden-paragraph text:is-hidden='true'/></text:p><text:p>i</text:p>",
    );
    assert_eq!(&**content.text(), "c\n\ni");
    assert_eq!(warnings(&content), ["left out: 7 characters of hidden text"]);
}

#[test]
fn deleted_rows_and_comments_are_left_out_and_named() {
    let cell = |text: &str| format!("<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>");
    let row = |change: &str, text: &str| format!("<w:tr><w:trPr>{change}</w:trPr>{}{}</w:tr>", cell(text), cell(text));
    let deleted_cell = "<w:tc><w:tcPr><w:cellDel/></w:tcPr><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>";
    for (grid, expected) in [("<w:gridCol/><w:gridCol/>", "a\ta\nc\tc\n"), ("<w:gridCol/>", "a\n\na\n\nc\n\nc")] {
        let body = format!(
            "<w:tbl><w:tblGrid>{grid}</w:tblGrid>{}{}{}<w:tr>{deleted_cell}</w:tr></w:tbl>",
            row("", "a"),
            row("<w:del/>", "b"),
            row("<w:ins/>", "c")
        );
        let content = docx_with(&body, "", &[("comments", "<w:comment/><w:comment/>")]);
        assert_eq!(content.text().trim_end(), expected.trim_end());
        let changes = "tracked changes: 2 deletions are left out, 1 insertion is in the text";
        assert_eq!(warnings(&content), [changes, "left out: 2 comments"]);
    }
    let content = fodt("", "<text:p>a<office:annotation><text:p>b</text:p></office:annotation></text:p>");
    assert_eq!((&**content.text(), warnings(&content)), ("a", vec!["left out: 1 comment".into()]));
}

#[test]
fn equations_keep_what_their_form_says() {
    let r = |text: &str| format!("<m:r><m:t>{text}</m:t></m:r>");
    let e = |content: &str| format!("<m:e>{content}</m:e>");
    let of = |name: &str, parts: &[(&str, &str)]| {
        let parts: String = parts.iter().map(|(name, part)| format!("<m:{name}>{part}</m:{name}>")).collect();
        format!("<m:{name}>{parts}</m:{name}>")
    };
    let chr = |name: &str, sign: &str| format!("<m:{name} m:val='{sign}'/>");
    let sum = of("d", &[("e", &(r("a") + &r("+") + &r("b")))]);
    for (equation, text) in [
        (r("f") + &of("d", &[("e", &r("x"))]) + &r("=2") + &sum, "f(x)=2(a+b)"),
        (
            of(
                "d",
                &[
                    ("dPr", &(chr("begChr", "[") + &chr("endChr", "") + &chr("sepChr", ";"))),
                    ("e", "1"),
                    ("e", &r("2")),
                ],
            ),
            "[;2",
        ),
        (of("rad", &[("deg", ""), ("e", &r("7"))]) + &of("rad", &[("deg", &r("3")), ("e", &r("x"))]), "√(7)³√(x)"),
        (
            of("nary", &[("naryPr", &chr("chr", "∑")), ("sub", &r("i=1")), ("sup", &r("n")), ("e", &r("k"))]),
            "∑_(i=1)^n k",
        ),
        (of("nary", &[("sub", ""), ("sup", ""), ("e", &r("x"))]), "∫ x"),
        (of("f", &[("num", &(r("a") + &r("+1"))), ("den", &of("d", &[("e", &r("b"))]))]), "(a+1)/(b)"),
        (
            of("f", &[("num", &r("1")), ("den", &r("20"))]) + &of("sSup", &[("e", &sum), ("sup", &r("2n"))]),
            "1/20(a+b)^(2n)",
        ),
        (of("func", &[("fName", &r("sin")), ("e", &r("x"))]), "sin x"),
        (format!("<m:m><m:mr>{0}{1}</m:mr><m:mr>{1}{0}</m:mr></m:m>", e(&r("0")), e(&r("1"))), "0 1; 1 0"),
    ] {
        let body = format!("<w:p><m:oMathPara><m:oMath>{equation}</m:oMath></m:oMathPara></w:p>");
        assert_eq!(&**docx_with(&body, "", &[]).text(), text);
    }
}

#[test]
fn the_first_page_of_a_book_is_apart_from_the_word_before_it() {
    for (page_break, text, label) in [
        ("<span epub:type='pagebreak' title='5'></span>", "It ran in May", Some("5")),
        ("<span epub:type='pagebreak'>5</span>", "It ran in May", Some("5")),
        ("<span epub:type='pagebreak'><a>[Page xii]</a></span>", "It ran in May", Some("xii")),
        ("<span epub:type='pagebreak' title='6'>5</span>", "It ran in May", Some("6")),
        ("<span epub:type='pagebreak'>not </span>", "It ran not in May", None),
        ("<a epub:type='pagebreak'/>", "It ran in May", None),
        ("<a epub:type='pagebreak' hidden=''>5</a>", "It ran in May", None),
    ] {
        let content = epub(&format!("<h1>A</h1><p>It ran {page_break}in May</p>"));
        assert_eq!(content.text().lines().find(|line| line.starts_with("It")), Some(text));
        assert_eq!(content.pages()[0].label.as_deref(), label);
    }
    let content = epub("<h1>A</h1><p>It <b epub:type='pagebreak'>5</b>ran <b epub:type='pagebreak'>6</b>in May</p>");
    assert!(content.text().contains("It ran\n\u{c}in May"), "{}", content.text());
    let content = epub("<p>The contract. <!-- note -> <p>Clause 2");
    assert!(warnings(&content).iter().any(|warning| warning.contains("a comment has no end")));
}
