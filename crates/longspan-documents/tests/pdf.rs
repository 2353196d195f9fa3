//! PDF files made by `golden/pdf/make.py` → the texts and maps that it expects, the invariants of maps, errors, limits, and
//! mutants.

use std::fmt::Write;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use flate2::{Compression, write::ZlibEncoder};
use longspan_documents::{BlockKind, Content, Format, Hints, Limits, ReadError, read};

/// The files that can be read.
const NAMES: [&str; 12] = [
    "pages",
    "columns",
    "numbered",
    "table",
    "turned",
    "marked",
    "unicode_codes",
    "right_to_left",
    "scan",
    "damaged",
    "half",
    "encrypted",
];

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pdf").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn hints() -> Hints {
    Hints { password: Some("pump".into()), ..Hints::default() }
}

fn kind(kind: BlockKind) -> String {
    match kind {
        BlockKind::Heading(level) => format!("heading-{level}"),
        BlockKind::Cell { row, column } => format!("cell-{row}-{column}"),
        BlockKind::ListItem => "list-item".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The facts that a golden map has, in its order.
fn facts(content: &Content, golden: &str) -> String {
    let mut facts = String::new();
    let text = content.text();
    content.title().iter().for_each(|title| writeln!(facts, "title {title}").unwrap());
    content.language().iter().for_each(|language| writeln!(facts, "language {language}").unwrap());
    content.warnings().iter().for_each(|warning| writeln!(facts, "warning {}", warning.code()).unwrap());
    for (index, page) in content.pages().iter().enumerate() {
        let (size, label) = (page.size.unwrap(), page.label.as_deref().unwrap_or("-"));
        writeln!(facts, "page {} {label} {} {}", index + 1, size.width, size.height).unwrap();
    }
    if golden.contains("block ") {
        for (index, block) in content.blocks().iter().enumerate() {
            let end = content.blocks().get(index + 1).map_or(text.len(), |next| next.start as usize);
            let line = text[block.start as usize..end].lines().next().unwrap_or_default();
            writeln!(facts, "{}", format!("block {} {line}", kind(block.kind)).trim_end()).unwrap();
        }
    }
    for fact in golden.lines().filter(|line| line.starts_with("box ")) {
        let words = fact.splitn(7, ' ').nth(6).unwrap();
        let start = text.find(words).unwrap_or_else(|| panic!("no {words:?}"));
        for at in content.boxes(start..start + words.len()) {
            writeln!(facts, "box {} {:.1} {:.1} {:.1} {:.1} {words}", at.page, at.x, at.y, at.width, at.height)
                .unwrap();
        }
    }
    facts
}

#[test]
fn texts_and_maps_are_the_golden_ones() {
    for name in NAMES {
        let content = read(&golden(&format!("{name}.pdf")), &hints(), &Limits::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = String::from_utf8(golden(&format!("{name}.txt"))).unwrap();
        assert_eq!(&**content.text(), text, "{name}");
        let map = String::from_utf8(golden(&format!("{name}.map"))).unwrap();
        assert_eq!(facts(&content, &map), map, "{name}");
    }
}

/// Checks what is true of every map.
fn check_map(content: &Content, name: &str) {
    let (text, pages, blocks) = (content.text(), content.pages(), content.blocks());
    let starts_of = |starts: Vec<u32>| {
        assert_eq!(starts.first(), Some(&0), "{name}");
        assert!(starts.is_sorted(), "{name}: {starts:?}");
        assert!(starts.iter().all(|&start| text.is_char_boundary(start as usize)), "{name}: {starts:?}");
    };
    starts_of(pages.iter().map(|page| page.start).collect());
    starts_of(blocks.iter().map(|block| block.start).collect());
    for (index, page) in pages.iter().enumerate() {
        let end = pages.get(index + 1).map_or(text.len(), |next| next.start as usize);
        let size = page.size.unwrap();
        for at in content.boxes(page.start as usize..end) {
            let is_within = at.x >= 0.0 && at.x + at.width <= size.width + 0.01;
            let is_within = is_within && at.y >= 0.0 && at.y + at.height <= size.height + 0.01;
            assert!(at.page == index + 1 && is_within, "{name}: {at:?} of {size:?}");
        }
    }
}

#[test]
fn maps_keep_their_invariants() {
    for name in NAMES {
        check_map(&read(&golden(&format!("{name}.pdf")), &hints(), &Limits::default()).unwrap(), name);
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let check = |name: &str, password: Option<&str>, message: &str| {
        let hints = Hints { password: password.map(Into::into), ..Hints::default() };
        let error = read(&golden(name), &hints, &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), message, "{name}");
    };
    check("encrypted.pdf", None, "encrypted: it needs a password");
    check("encrypted.pdf", Some("well"), "encrypted: the password is wrong");
    let beyond_ascii = "encrypted: the password is wrong, or has letters beyond ASCII that are not read in such a file";
    check("encrypted.pdf", Some("pümp"), beyond_ascii);
    check("scan_alone.pdf", None, "its only page has no text: it is a picture, as scans are");
    let whole = golden("encrypted.pdf");
    let at = whole.windows(9).position(|word| word == b"/Standard").unwrap();
    let other = [&whole[..at], b"/Elsewise", &whole[at + 9..]].concat();
    let error = read(&other, &Hints::default(), &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "encrypted: in a way that is not read, such as with a certificate or DRM");
    let error = read(b"%PDF-1.7\nnothing", &Hints::default(), &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "a PDF document that cannot be read: no page is found in it");
}

/// A file of objects, the first of them its catalog.
fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.5\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend(format!("{} 0 obj\n", index + 1).into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let end = format!("{table}trailer\n<< /Root 1 0 R >>\nstartxref\n{}\n%%EOF\n", file.len());
    file.extend(end.into_bytes());
    file
}

fn stream(data: &[u8], entries: &str) -> Vec<u8> {
    let head = format!("<< {entries} /Length {} >>\nstream\n", data.len());
    [head.as_bytes(), data, b"\nendstream"].concat()
}

fn packed(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A file of one page with a content, and further objects from the fifth on.
fn page(content: Vec<u8>, resources: &str, further: &[Vec<u8>]) -> Vec<u8> {
    page_of("", content, resources, further)
}

/// The same, with more entries in the catalog.
fn page_of(catalog: &str, content: Vec<u8>, resources: &str, further: &[Vec<u8>]) -> Vec<u8> {
    let page = format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources << {resources} \
         /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Courier >> >> >> >>"
    );
    let tree = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>";
    let catalog = format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>").into_bytes();
    let mut objects = vec![catalog, tree.into(), page.into_bytes(), content];
    objects.extend_from_slice(further);
    file(&objects)
}

/// Limits that a small file goes over, and what is said of one whose streams do.
fn small() -> (Limits, &'static str) {
    let mut limits = Limits::default();
    (limits.unpacked_bytes_max, limits.glyphs_max, limits.pages_max) = (1 << 20, 1000, 10);
    (limits, "its streams unpack to more than 1048576 bytes, the most that is read")
}

fn check_error(name: &str, bytes: &[u8], limits: Limits, message: &str) {
    let error = read(bytes, &hints(), &limits).map(|content| content.text().len()).unwrap_err();
    assert_eq!(error.to_string(), message, "{name}");
}

#[test]
fn streams_are_weighed_however_they_are_packed() {
    let (limits, unpacked) = small();
    let check = |name: &str, bytes: &[u8]| check_error(name, bytes, limits, unpacked);
    let zeros = packed(&vec![b' '; 4 << 20]);
    let content = stream(&zeros, "/Filter /FlateDecode");
    check("a content that inflates", &page(content, "", &[]));
    let twice = stream(&packed(&packed(&vec![b' '; 64 << 20])), "/Filter [/FlateDecode /FlateDecode]");
    assert!(twice.len() < 2000, "{}", twice.len());
    check("a content that is packed twice", &page(twice, "", &[]));
    for entries in ["/Type /ObjStm /N 1 /First 4", "/Type /Obj#53tm /N 1 /First 4", "/N 1 /First 4"] {
        let objects = stream(&zeros, &format!("{entries} /Filter /FlateDecode"));
        check(entries, &page(stream(b"", ""), "", &[objects]));
    }
    let objects = stream(&packed(&zeros), "/Type /ObjStm /N 1 /First 4 /Filter [/FlateDecode /FlateDecode]");
    check("objects that are packed twice", &page(stream(b"", ""), "", &[objects]));
    let hex: String = zeros.iter().map(|byte| format!("{byte:02x}")).collect();
    let content = stream(hex.as_bytes(), "/Filter [/ASCIIHexDecode /FlateDecode]");
    check("hexadecimal digits that inflate", &page(content, "", &[]));
    let runs = [[0x81_u8, b' '].repeat(10_000), vec![0x80]].concat();
    check("runs", &page(stream(&runs, "/Filter /RunLengthDecode"), "", &[]));
    // One code for each length: 1, 2, 3, ….
    let codes = [256_u32, 32].into_iter().chain(258..4090);
    let width = |index: usize| 9 + u32::from(index >= 255) + u32::from(index >= 767) + u32::from(index >= 1791);
    let bits: String =
        codes.enumerate().map(|(index, code)| format!("{code:0w$b}", w = width(index) as usize)).collect();
    let bytes = bits.as_bytes().chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')));
    let content = stream(&bytes.collect::<Vec<u8>>(), "/Filter /LZWDecode");
    check("words that grow", &page(content, "", &[]));
    let mut nine = vec![b' '; 4 << 20];
    (0..9).for_each(|_| nine = packed(&nine));
    let content = stream(&nine, &format!("/Filter [{}]", "/FlateDecode ".repeat(9)));
    check("a content that is packed nine times", &page(content, "", &[]));
    // 100 KB, which are content eleven times over.
    let parts = String::from_utf8(page(stream(&[b' '; 100_000], ""), "", &[])).unwrap();
    let parts = parts.replace("/Contents 4 0 R", &format!("/Contents [{}]", "4 0 R ".repeat(11)));
    check("a content that is repeated", parts.as_bytes());
    // Data that hayro unpacks without their frame.
    let bare = stream(&zeros[2..], "/Filter /FlateDecode");
    check("a content without a frame", &page(bare, "", &[]));
    check("an encrypted file", &golden("encrypted_bomb.pdf"));
    // What is called a picture is taken out, whoever refers to it.
    let picture = stream(&zeros, "/Subtype /Image /Filter /FlateDecode");
    check_error("a content that is called a picture", &page(picture, "", &[]), limits, "empty");
}

#[test]
fn bombs_end_at_their_limits() {
    let (mut limits, _) = small();
    let shown = "BT /F1 10 Tf 9 9 Td (It ran.) Tj ET ".repeat(1000);
    let content = stream(&packed(shown.as_bytes()), "/Filter /FlateDecode");
    check_error("glyphs", &page(content, "", &[]), limits, "more than 1000 glyphs, the most that is read");
    let kids = "3 0 R << /Type /Page >> ".repeat(11);
    let tree = format!("<< /Type /Pages /Kids [{kids}] /Count 1 >>").into_bytes();
    let pages = file(&[b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(), tree, b"<< /Type /Page >>".to_vec()]);
    check_error("pages", &pages, limits, "more than 10 pages, the most that is read");
    // Ten forms, each of which draws the next one ten times.
    let resources = |next: usize| format!("/XObject << /Fm {next} 0 R >>");
    let form = |index: usize| {
        let entries =
            format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << {} >>", resources(index + 6));
        stream("/Fm Do ".repeat(10).as_bytes(), &entries)
    };
    let forms: Vec<Vec<u8>> = (0..30).map(form).collect();
    limits.time_max = Duration::from_millis(300);
    let bomb = page(stream(b"/Fm Do", ""), &resources(5), &forms);
    check_error("forms in forms", &bomb, limits, "reading it took more than 0.3 s");
}

/// The warnings about a file.
fn warnings(bytes: &[u8]) -> Vec<String> {
    let content = read(bytes, &Hints::default(), &Limits::default()).unwrap();
    content.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_repaired_or_left_out_is_said() {
    let shown = "BT /F1 10 Tf 9 9 Td (It ran.) Tj ET ";
    let content = stream(shown.as_bytes(), "");
    let check = |bytes: &[u8], warning: &str| {
        let expected: Vec<String> = if warning.is_empty() { Vec::new() } else { vec![warning.into()] };
        assert_eq!(warnings(bytes), expected, "{}", bytes.escape_ascii());
    };
    let repaired = |what: &str| format!("the file is damaged, and was read as far as it could be: {what}");
    check(&page(content.clone(), "", &[]), "");
    let whole = page(content.clone(), "", &[]);
    let moved = String::from_utf8(whole.clone()).unwrap().replace("0000000009 00000 n", "0000000010 00000 n");
    check(moved.as_bytes(), &repaired("some objects are not where its table of objects says"));
    check(&[&b"\n\n"[..], &whole].concat(), ""); // places count from the header
    let mut summed = packed(shown.as_bytes());
    *summed.last_mut().unwrap() ^= 1;
    check(&page(stream(&summed, "/Filter /FlateDecode"), "", &[]), "");
    let lines = format!("{shown} %{}", (0..500).map(|number| format!("{} ", number * number)).collect::<String>());
    let cut = stream(&packed(lines.as_bytes())[..400], "/Filter /FlateDecode");
    check(&page(cut, "", &[]), &repaired("one of its streams is damaged"));
    let font = stream(b"no runs", "/Filter /RunLengthDecode");
    let two = &page(content.clone(), "", &[font.clone(), font]);
    check(two, &repaired("2 of its streams are damaged"));
    let nothing = page(stream(b"no runs", "/Filter /RunLengthDecode"), "", &[]);
    let damaged = "a PDF document that cannot be read: one of its streams is damaged";
    check_error("a content that is damaged", &nothing, Limits::default(), damaged);
    // Of the same length, so that all objects stay where they are.
    let replaced = |from: &str, to: &str| {
        let to = format!("{to:<length$}", length = from.len());
        String::from_utf8(whole.clone()).unwrap().replace(from, &to).into_bytes()
    };
    check(&replaced("/Kids [3 0 R] /Count 1", "/Kids [3 0 R] /Count 4"), &repaired("3 of its 4 pages are missing"));
    check(
        &replaced("/MediaBox [0 0 300 200] /Contents 4 0 R", "/Contents [4 0 R 9 0 R]"),
        &repaired("content of one of its pages is missing"),
    );
    // A ruled line is no picture.
    let lines = b"<< /Type /Page /Parent 2 0 R /Contents 6 0 R >>".to_vec();
    let ruled = page(content.clone(), "", &[lines, stream(b"9 9 m 99 9 l S", "")]);
    let tree = "/Kids [3 0 R 5 0 R] /Count 2";
    let ruled = String::from_utf8(ruled).unwrap().replace("/Kids [3 0 R] /Count 1", tree).into_bytes();
    let found = read(&ruled, &Hints::default(), &Limits::default()).unwrap();
    assert_eq!((&**found.text(), found.pages().len()), ("It ran.\n\u{c}", 2));
    assert!(!found.warnings().iter().any(|warning| warning.code() == "no_text"), "{:?}", found.warnings());
    let form = |entries: &str| page_of(entries, content.clone(), "", &[]);
    let of_form = "left out: its form, which XFA makes when it is opened";
    check(&form("/AcroForm << /XFA [(template) 4 0 R] /Fields [] >>"), of_form);
    check(&form("/NeedsRendering true /AcroForm << /XFA 4 0 R /Fields [3 0 R] >>"), of_form);
    check(&form("/AcroForm << /XFA 4 0 R /Fields [3 0 R] >>"), "");
    check(&form("/Collection << /View /D >>"), "left out: the files in it: it is a portfolio");
}

#[test]
fn other_bytes_may_precede_a_file() {
    let whole = golden("columns.pdf");
    let text = String::from_utf8(golden("columns.txt")).unwrap();
    let check = |before: &[u8], name: &str, format: Option<Format>| {
        let hints = Hints { name: Some(name.into()), format, ..Hints::default() };
        let content = read(&[before, &whole].concat(), &hints, &Limits::default()).unwrap();
        assert_eq!((&**content.text(), content.warnings()), (text.as_str(), &[][..]), "{name}");
    };
    check(b"\r\n", "a", None);
    check(b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n", "a.pdf", None);
    check(&[0; 128], "a.PDF", None);
    check(&[0; 128], "a", Some(Format::Pdf));
    for format in [Format::Text, Format::Html] {
        let hints = Hints { format: Some(format), ..Hints::default() };
        let error = read(&whole, &hints, &Limits::default()).unwrap_err();
        assert!(matches!(error, ReadError::NotOfFormat(of) if of == format), "{error}");
    }
}

#[test]
fn a_hyphen_goes_by_words_that_are_whole() {
    let lines = ["A co-op is one that", "is known to coop-", "erate with another co-", "op of the town."];
    let shown: String = lines.iter().map(|line| format!("({line}) Tj 0 -12 Td ")).collect();
    let content = stream(format!("BT /F1 10 Tf 9 99 Td {shown} ET").as_bytes(), "");
    let content = read(&page(content, "", &[]), &Hints::default(), &Limits::default()).unwrap();
    // `coop` is the first part of a word, and no word.
    assert_eq!(&**content.text(), "A co-op is one that\nis known to cooperate\nwith another co-\nop of the town.");
}

#[test]
fn deep_nesting_is_bounded() {
    let deep = [b"<< /A ".repeat(500_000), b">>".repeat(500_000)].concat();
    let arrays = [b"[".repeat(500_000), b"]".repeat(500_000)].concat();
    let content = [b"BT /F1 10 Tf 9 9 Td (It ran.) Tj ET ".as_slice(), &arrays, b" TJ"].concat();
    let bytes = page(stream(&content, ""), "", &[deep]);
    match read(&bytes, &Hints::default(), &Limits::default()) {
        Ok(content) => assert_eq!(&**content.text(), "It ran."),
        Err(error) => assert!(matches!(error, ReadError::Damaged { .. }), "{error}"),
    }
}

#[test]
fn mutants_end_in_a_text_or_an_error() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut limits = Limits::default();
    (limits.time_max, limits.unpacked_bytes_max) = (Duration::from_secs(10), 1 << 24);
    let (mut read_ones, mut all) = (0, 0);
    for name in NAMES {
        let whole = golden(&format!("{name}.pdf"));
        for _ in 0..300 {
            let mut mutant = whole.clone();
            for _ in 0..=random(3) {
                if mutant.len() < 20 {
                    break;
                }
                let at = random(mutant.len());
                match random(5) {
                    0 => mutant[at] = random(256) as u8,
                    1 => mutant[at] ^= 1 << random(8),
                    2 => drop(mutant.drain(at..mutant.len().min(at + random(20)))),
                    3 => mutant.truncate(at.max(19)),
                    _ => {
                        // Another number.
                        let digit = mutant.iter().skip(at).position(u8::is_ascii_digit);
                        digit.iter().for_each(|digit| mutant[at + digit] = b'0' + random(10) as u8);
                    }
                }
            }
            mutant[..5].copy_from_slice(b"%PDF-");
            all += 1;
            match read(&mutant, &hints(), &limits) {
                Ok(content) => {
                    check_map(&content, name);
                    read_ones += 1;
                }
                Err(ReadError::Failed(message)) => panic!("{name}: {message}"),
                Err(ReadError::TooSlow(_)) => panic!("{name}: too slow"),
                Err(_) => {}
            }
        }
    }
    assert!(3 * read_ones > all, "{read_ones} of {all} were read");
}

#[test]
fn raised_and_lowered_digits_are_not_glued_to_what_is_before_them() {
    // A text of 10 points at (20, 100), then one of another size and rise, then the first one goes on.
    let text = |before: &str, size: f32, rise: f32, shifted: &str, behind: &str| {
        let content = format!(
            "BT /F1 10 Tf 20 100 Td ({before}) Tj {rise} Ts /F1 {size} Tf ({shifted}) Tj 0 Ts /F1 10 Tf ({behind}) Tj ET"
        );
        read(&page(stream(content.as_bytes(), ""), "", &[]), &hints(), &Limits::default()).unwrap()
    };
    for (size, rise, before, shifted, behind, expected) in [
        (7.0, 4.0, "It costs 10", "6", " euros", "It costs 10⁶ euros"),
        (7.0, 4.0, "the seller", "3", " shall", "the seller³ shall"),
        (7.0, 4.0, "the seller", "[12]", " shall", "the seller[12] shall"),
        (7.0, 4.0, "the 2", "nd", " of", "the 2nd of"),
        (7.0, -1.5, "of CO", "2", ", or", "of CO₂, or"),
        (7.0, 4.0, "", "1", "Note", "¹Note"),
        (10.0, 4.0, "of 10", "6", " as", "of 106 as"),
        (7.0, 0.0, "of 10", "6", " as", "of 106 as"),
        (9.0, 1.0, "of 10", "6", " as", "of 106 as"),
    ] {
        let content = text(before, size, rise, shifted, behind);
        if size == 10.0 {
            assert!(!content.text().contains('⁶'), "{}", content.text());
        } else {
            assert_eq!(&**content.text(), expected);
        }
    }
    let content = text("the seller", 7.0, 4.0, "3", " shall");
    let marks: Vec<&str> = content.note_marks().into_iter().map(|bytes| &content.text()[bytes]).collect();
    assert_eq!(marks, ["³"]);
}
