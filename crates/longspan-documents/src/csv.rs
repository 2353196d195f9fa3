//! Cells of a table that is a text, such as CSV: the text stays as it is, and each field begins a block.

use crate::map::{Block, BlockKind};

/// So many bytes tell by what the fields of a table are apart.
const START_BYTES: usize = 1 << 16;

/// Cells of a table, at most: each may be one byte of the text, and takes twelve.
pub(crate) const CELLS_MAX: usize = 1 << 22;

/// The fields of a table, with the quotes, delimiters and line ends behind them. A field in quotes may hold both. None if
/// there are more than [`CELLS_MAX`].
pub(crate) fn cells(text: &str, delimiter: u8) -> Option<Vec<Block>> {
    let bytes = text.as_bytes();
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let is_end = |&byte: &u8| byte == delimiter || byte == b'\n' || byte == b'\r';
    let (mut blocks, mut start, mut row, mut column) = (Vec::new(), 0, 0_u32, 0_u16);
    let mut has_quotes = true;
    while start < bytes.len() {
        if blocks.len() == CELLS_MAX {
            return None;
        }
        blocks.push(Block { start: start as u32, kind: BlockKind::Cell { row, column } });
        let content = start.max(mark);
        let mut end = content;
        if has_quotes && bytes.get(content) == Some(&b'"') {
            match end_of_quotes(&bytes[content..]) {
                Some(length) => end += length,
                None => has_quotes = false, // neither this one nor those behind it are ended
            }
        }
        end += bytes[end..].iter().position(is_end).unwrap_or(bytes.len() - end);
        let is_delimiter = bytes.get(end) == Some(&delimiter);
        if is_delimiter {
            (start, column) = (end + 1, column.saturating_add(1));
        } else {
            let line_ends = bytes[end..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            (start, row, column) = (end + line_ends, row.saturating_add(1), 0);
        }
    }
    Some(blocks)
}

/// Length of a text in quotes, within which two of them stand for one.
fn end_of_quotes(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += bytes[at..].iter().position(|&byte| byte == b'"')? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// By what the fields of a table are apart: what its first line has most of, outside quotes.
pub(crate) fn delimiter(text: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut in_quotes = false;
    for byte in text.bytes().take(START_BYTES) {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\n' if !in_quotes => break,
            _ if in_quotes => {}
            _ => counts.iter_mut().filter(|(delimiter, _)| *delimiter == byte).for_each(|(_, count)| *count += 1),
        }
    }
    // Of equals, the first.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&[&str]]) {
        let blocks = cells(text, delimiter(text)).unwrap();
        let ends = blocks.iter().skip(1).map(|block| block.start as usize).chain([text.len()]);
        let mut rows: Vec<Vec<&str>> = Vec::new();
        for (block, end) in blocks.iter().zip(ends) {
            let BlockKind::Cell { row, column } = block.kind else { panic!("{block:?}") };
            if column == 0 {
                rows.push(Vec::new());
            }
            assert_eq!((row as usize + 1, column as usize), (rows.len(), rows[row as usize].len()), "{text:?}");
            rows[row as usize].push(&text[block.start as usize..end]);
        }
        assert_eq!(rows, expected, "{text:?}");
    }

    #[test]
    fn so_many_cells_and_no_more() {
        let text = ",".repeat(CELLS_MAX);
        assert_eq!(cells(&text, b',').map(|cells| cells.len()), Some(CELLS_MAX));
        assert!(cells(&(text + ","), b',').is_none());
    }

    #[test]
    fn each_field_is_a_cell() {
        check("a,b\nc,d", &[&["a,", "b\n"], &["c,", "d"]]);
        check("a,b\r\n\r\nc,\n", &[&["a,", "b\r\n\r\n"], &["c,", "\n"]]);
        check("a,b,", &[&["a,", "b,"]]);
        check("\u{feff}\"a,\n1\",b\rc", &[&["\u{feff}\"a,\n1\",", "b\r"], &["c"]]);
        check("\"say \"\"x,y\"\"\"z,\"\"\nb", &[&["\"say \"\"x,y\"\"\"z,", "\"\"\n"], &["b"]]);
        check("a;1,5;\"b,,,\"\nc;2;d", &[&["a;", "1,5;", "\"b,,,\"\n"], &["c;", "2;", "d"]]);
        check("a\tb, c\td\n", &[&["a\t", "b, c\t", "d\n"]]);
        check("one\ntwo", &[&["one\n"], &["two"]]);
        check("5\" disk,\"6 disk,b\nc", &[&["5\" disk,", "\"6 disk,", "b\n"], &["c"]]);
        check("", &[]);
    }
}
