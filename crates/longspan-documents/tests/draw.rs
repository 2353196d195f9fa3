//! Pictures of the pages of PDF files, and the words that stand on them.

use std::path::PathBuf;

use longspan_documents::{Hints, Limits, PictureSize, ReadError, draw, read};

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pdf").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn drawn(bytes: &[u8], page: usize, width: u16) -> Result<Vec<u8>, ReadError> {
    let hints = Hints { password: Some("pump".into()), ..Hints::default() };
    draw(bytes, PictureSize { page, width }, &hints, &Limits::default())
}

/// Width and height of a PNG.
fn size(png: &[u8]) -> [u32; 2] {
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
}

#[test]
fn a_picture_has_the_width_that_was_asked_for_and_the_form_of_its_page() {
    for name in ["pages", "columns", "table", "turned", "right_to_left", "scan", "damaged", "encrypted"] {
        let bytes = golden(&format!("{name}.pdf"));
        let hints = Hints { password: Some("pump".into()), ..Hints::default() };
        let content = read(&bytes, &hints, &Limits::default()).unwrap();
        let page = content.pages()[0].size.unwrap();
        for width in [40, 333] {
            let [drawn_width, drawn_height] = size(&drawn(&bytes, 1, width).unwrap());
            let height = page.height / page.width * f32::from(width);
            assert_eq!(drawn_width, width.into(), "{name}");
            assert!((drawn_height as f32 - height).abs() <= 1.5, "{name}: {drawn_height}, {height}");
        }
    }
}

#[test]
fn the_words_of_all_pages_are_the_text() {
    for name in ["pages", "columns", "table", "turned"] {
        let content = read(&golden(&format!("{name}.pdf")), &Hints::default(), &Limits::default()).unwrap();
        let (text, mut words) = (content.text(), String::new());
        for page in 0..content.pages().len() {
            for (bytes, place, _) in content.words(page) {
                assert_eq!(place.page, page + 1);
                assert_eq!(content.boxes(bytes.clone()), [place], "{name}: {:?}", &text[bytes]);
                words.extend(text[bytes].split_whitespace()); // a word that was hyphenated is two
            }
        }
        assert_eq!(words, text.split_whitespace().collect::<String>(), "{name}");
    }
}

#[test]
fn what_cannot_be_drawn_says_why() {
    let pages = golden("pages.pdf");
    for page in [0, 99] {
        let error = drawn(&pages, page, 100).unwrap_err();
        assert_eq!(error.to_string(), "a PDF document that cannot be read: no such page");
    }
    assert!(matches!(drawn(b"text", 1, 100), Err(ReadError::NotOfFormat(_))));
    assert!(matches!(drawn(&pages, 1, 0), Err(ReadError::Damaged { .. })));
    let locked =
        draw(&golden("encrypted.pdf"), PictureSize { page: 1, width: 9 }, &Hints::default(), &Limits::default());
    assert!(matches!(locked, Err(ReadError::PasswordRequired)));
}
