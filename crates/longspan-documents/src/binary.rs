//! What reading gave, as bytes for the process that asked for it. Both processes are one program, so the form has no version;
//! but the one that reads has seen hostile bytes, so what comes back is checked like any input.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::content::{Content, Parts};
use crate::{Limits, ReadError, Warning};

#[derive(Serialize)]
struct Sent<'a> {
    text: &'a str,
    parts: &'a Parts,
}

#[derive(Deserialize)]
struct Received<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    parts: Parts,
}

/// The bytes of what reading a document gave.
pub fn encode(read: &Result<Content, ReadError>) -> Vec<u8> {
    let sent = read.as_ref().map(|content| Sent { text: content.text(), parts: content.parts() });
    let failed = |error: postcard::Error| {
        let error = ReadError::Failed(format!("its result cannot be sent: {error}"));
        postcard::to_stdvec(&Err::<Sent<'_>, _>(error)).unwrap_or_default() // no bytes are another form
    };
    postcard::to_stdvec(&sent).unwrap_or_else(failed)
}

/// What reading a document gave, from the bytes that [`encode`] made in another process.
///
/// # Errors
/// That of the reading; [`ReadError::Failed`] if the bytes are no content whose offsets are sorted and on characters of its
/// text.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Content, ReadError> {
    let failed = |what: &str| ReadError::Failed(format!("its result has {what}"));
    let read: Result<Received<'_>, ReadError> = postcard::from_bytes(bytes).map_err(|_| failed("another form"))?;
    let Received { text, parts } = read?;
    if text.len() as u64 > limits.text_bytes_max.min(u32::MAX.into()) {
        return Err(failed("too long a text"));
    }
    let Parts { pages, blocks, words, runs, note_marks, .. } = &parts;
    // Pages and blocks leave no byte out.
    let are_whole = |starts: &[u32]| starts.first().is_none_or(|&start| start == 0) && are_sorted(&text, starts);
    let starts = |starts: &mut dyn Iterator<Item = u32>| starts.collect::<Vec<u32>>();
    let are_sound = [
        are_whole(&starts(&mut pages.iter().map(|page| page.start))),
        are_whole(&starts(&mut blocks.iter().map(|block| block.start))),
        are_sorted(&text, &starts(&mut words.iter().map(|word| word.start))),
        are_sorted(&text, &starts(&mut runs.iter().map(|run| run.start))),
        are_sorted(&text, &starts(&mut note_marks.iter().flat_map(|mark| [mark.start, mark.end]))),
        runs.iter().all(|run| run.source.start <= run.source.end),
        words.iter().all(|word| [word.x, word.y, word.width, word.height].iter().all(|number| number.is_finite())),
        pages.iter().filter_map(|page| page.size).all(|size| size.width.is_finite() && size.height.is_finite()),
    ];
    if are_sound.contains(&false) || !parts.warnings.iter().all(is_sound) {
        return Err(failed("a map that does not fit its text"));
    }
    Ok(Content::new(text.into(), parts))
}

fn are_sorted(text: &str, starts: &[u32]) -> bool {
    starts.is_sorted() && starts.iter().all(|&start| text.is_char_boundary(start as usize))
}

/// Whether a warning can be shown.
fn is_sound(warning: &Warning) -> bool {
    let Warning::NoText { pages, of } = warning else { return true };
    let is_apart = |pair: &[RangeInclusive<usize>]| pair[0].end() < pair[1].start();
    pages.iter().all(|pages| pages.start() <= pages.end() && pages.end() <= of) && pages.windows(2).all(is_apart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;
    use crate::map::TextDirection;
    use crate::{BlockKind, Format, PageBox, PageSize};

    fn content() -> Content {
        let mut builder = Builder::new(Format::Pdf, &Limits::default());
        builder.parts().title = Some("Tïtle".into());
        builder.parts().warnings = vec![
            Warning::NoText { pages: vec![2..=3, 5..=5], of: 7 },
            Warning::GuessedEncoding { name: "Shift_JIS".into(), has_errors: true },
        ];
        for page in 1..=3 {
            builder.page(Some("iv"), Some(PageSize { width: 595.0, height: 842.0 }));
            builder.block(BlockKind::Heading(2));
            builder.word("Été", PageBox { page, x: 1.0, y: 2.0, width: 30.5, height: 10.0 }, TextDirection::Left);
            builder.block(BlockKind::Cell { row: 1, column: 0 });
            builder.add_from("It ran 🚰.", 3..14);
            builder.note_mark(builder.text().len() - 1..builder.text().len());
        }
        builder.finish().unwrap()
    }

    fn bits(content: &Content) -> String {
        format!("{content:?}")
    }

    #[test]
    fn a_content_and_an_error_stay_what_they_are() {
        let content = content();
        let back = decode(&encode(&Ok(content.clone())), &Limits::default()).unwrap();
        assert_eq!(bits(&back), bits(&content));
        for error in [
            ReadError::PasswordWrong,
            ReadError::Damaged { format: Format::Odt, what: "no text".into() },
            ReadError::TooMany { what: "pages".into(), limit: 7 },
            ReadError::GzipDamaged(std::sync::Arc::new(std::io::Error::other("bad"))),
        ] {
            let back = decode(&encode(&Err(error.clone())), &Limits::default()).unwrap_err();
            assert_eq!((back.to_string(), back.code()), (error.to_string(), error.code()));
        }
    }

    /// Every place and box of every span.
    fn look_everywhere(content: &Content) {
        let text = content.text();
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for start in 0..bounds.len() {
            for &end in &bounds[start..] {
                content.place(bounds[start]..end);
                content.boxes(bounds[start]..end);
            }
        }
        content.borders();
        content.warnings().iter().for_each(|warning| drop(warning.to_string()));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_sound_content() {
        let whole = encode(&Ok(content()));
        let (mut sound, mut unsound) = (0, 0);
        for at in 0..whole.len() {
            for change in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                match decode(&bytes, &Limits::default()) {
                    Ok(content) => {
                        look_everywhere(&content);
                        sound += 1;
                    }
                    Err(_) => unsound += 1,
                }
            }
            assert!(decode(&whole[..at], &Limits::default()).is_err(), "cut to {at}");
        }
        assert!(sound > 100 && unsound > 100, "{sound} sound, {unsound} unsound");
        let limits = Limits { text_bytes_max: 10, ..Limits::default() };
        assert_eq!(
            decode(&whole, &limits).unwrap_err().to_string(),
            "its reader failed: its result has too long a text"
        );
    }
}
