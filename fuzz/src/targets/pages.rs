//! Documents with pages.

use std::time::Duration;

use longspan_documents::{Format, Hints, Limits, ReadError, read};

use super::checks::{presentable, taken};

/// A PDF document. Its map must hold together, and its reader must neither fail nor take long.
pub fn pdf(case: &[u8]) -> bool {
    let mut limits = Limits::default();
    (limits.text_bytes_max, limits.unpacked_bytes_max) = (1 << 20, 1 << 20);
    (limits.glyphs_max, limits.pages_max, limits.time_max) = (20_000, 100, Duration::from_secs(10));
    let hints = Hints { format: Some(Format::Pdf), password: Some("pump".into()), ..Hints::default() };
    let result = read(case, &hints, &limits);
    assert!(!matches!(result, Err(ReadError::Failed(_) | ReadError::TooSlow(_))), "{:?}", result.err());
    let Some(content) = taken(result) else { return false };
    content.warnings().iter().for_each(presentable);
    let (text, pages, blocks) = (content.text(), content.pages(), content.blocks());
    let starts = pages.iter().map(|page| page.start).chain(blocks.iter().map(|block| block.start));
    assert!(starts.clone().all(|start| text.is_char_boundary(start as usize)), "{:?}", starts.collect::<Vec<_>>());
    assert!(pages.is_sorted_by_key(|page| page.start) && blocks.is_sorted_by_key(|block| block.start));
    for (index, page) in pages.iter().enumerate() {
        let end = pages.get(index + 1).map_or(text.len(), |next| next.start as usize);
        let size = page.size.expect("a size");
        for at in content.boxes(page.start as usize..end) {
            let (right, bottom) = (at.x + at.width, at.y + at.height);
            let is_within = at.x >= 0.0 && at.y >= 0.0 && right <= size.width + 0.1 && bottom <= size.height + 0.1;
            assert!(is_within && at.page == index + 1, "{at:?} of {size:?}");
        }
    }
    true
}
