//! Office documents and books: DOCX, ODT, EPUB.

use longspan_documents::{Hints, Limits};

use super::checks::{short, taken};

/// The most that a small file may unpack to here.
const UNPACKED_BYTES_MAX: u64 = 1 << 22;

pub fn read(case: &[u8]) -> bool {
    let mut limits = Limits::default();
    limits.unpacked_bytes_max = UNPACKED_BYTES_MAX;
    let Some(content) = taken(longspan_documents::read(case, &Hints::default(), &limits)) else { return false };
    let text = content.text();
    let is_border = |at: u32| assert!(text.is_char_boundary(at as usize), "byte {at} is within a character");
    content.pages().iter().for_each(|page| is_border(page.start));
    content.blocks().iter().for_each(|block| is_border(block.start));
    assert!(content.pages().is_sorted_by_key(|page| page.start), "pages out of order");
    assert!(content.blocks().is_sorted_by_key(|block| block.start), "blocks out of order");
    let middle = text.floor_char_boundary(text.len() / 2);
    assert_eq!(content.place(middle..text.len()).line, 1 + text[..middle].matches('\n').count());
    short(&content);
    true
}
