//! Where a span of bytes lies in a text: in characters and lines.

use longspan::tokenizer::ByteSpan;

/// The place of a span in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In bytes.
    pub bytes: ByteSpan,
    /// First character: Unicode scalar values before it.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// Line of the first character, from 1: line feeds before it, plus one. A lone carriage return ends no line.
    pub line: usize,
}

/// The places of spans, in their order, in one pass over the text.
pub fn places(text: &str, spans: &[ByteSpan]) -> Vec<Place> {
    let mut offsets: Vec<usize> = spans.iter().flat_map(|span| [span.start, span.end]).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let (mut at, mut characters, mut line) = (0, 0, 1);
    let mut points = Vec::with_capacity(offsets.len()); // (characters, line) at each offset
    for &offset in &offsets {
        let passed = &text.as_bytes()[at..offset];
        // Every byte but a continuation byte begins a character.
        characters += passed.iter().filter(|&byte| byte & 0xc0 != 0x80).count();
        line += passed.iter().filter(|&&byte| byte == b'\n').count();
        points.push((characters, line));
        at = offset;
    }
    let point = |offset: usize| points[offsets.partition_point(|&other| other < offset)];
    let place = |span: &ByteSpan| {
        let (start, line) = point(span.start);
        Place { bytes: *span, start, end: point(span.end).0, line }
    };
    spans.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_span_of_a_nasty_text_has_its_place() {
        let text = "\u{feff}a\r\nbé e\u{301}\r c\n\n👩‍👩‍👧\u{a0}\u{200b}漢字\u{2028}x\n";
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut spans = Vec::new();
        for &start in &bounds {
            spans.extend(bounds.iter().filter(|&&end| end >= start).map(|&end| ByteSpan { start, end }));
        }
        spans.reverse();
        for (span, place) in spans.iter().zip(places(text, &spans)) {
            let before = &text[..span.start];
            let characters = text[span.start..span.end].chars().count();
            assert_eq!(place.bytes, *span);
            assert_eq!((place.start, place.end - place.start), (before.chars().count(), characters));
            assert_eq!(place.line, 1 + before.matches('\n').count());
        }
        assert_eq!(places(text, &[]), []);
    }
}
