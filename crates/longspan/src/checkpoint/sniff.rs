//! Recognises files that are not what their name promises, which are common mistakes with downloads.

/// Describes a file that another tool or a server wrote in place of the weights.
pub(super) fn describe(content: &[u8]) -> Option<&'static str> {
    let starts = |prefix: &[u8]| content.starts_with(prefix);
    if let Some(text) = describe_text(content) {
        return Some(text);
    }
    match () {
        () if starts(b"{") => Some("is a JSON text, not weights"),
        () if starts(b"\x89HDF") => Some("is an HDF5 file (TensorFlow's weights), not weights of torch"),
        () if starts(b"GGUF") => Some("is a GGUF file, which is not supported"),
        () if starts(b"\x1f\x8b") => Some("is compressed by gzip: unpack it first"),
        () if content.get(257..262) == Some(b"ustar") => Some("is a tar archive: unpack it first"),
        () if content.iter().take(4096).all(|&byte| byte == 0) => Some("is full of zeros: the download did not finish"),
        () => None,
    }
}

/// Describes a file that should be text, but is something else.
pub(super) fn describe_text(content: &[u8]) -> Option<&'static str> {
    let text = content.trim_ascii_start();
    let starts = |prefix: &[u8]| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    match () {
        () if content.is_empty() => Some("is empty"),
        () if starts(b"version https://git-lfs") => {
            Some("is a pointer of Git LFS, not the file itself: `git lfs pull` downloads it")
        }
        () if starts(b"<!doctype html") || starts(b"<html") => {
            Some("is a web page, not the file: it was saved from the address of the page instead of the download")
        }
        () if starts(b"<?xml") => Some("is an XML text, probably a server's error message"),
        () => None,
    }
}
