//! Lines from elsewhere, none of which is read without end.

use std::io::{self, BufRead, ErrorKind, Read};

/// Reads the next line, with its end, in the place of what `line` holds; `false` at the end.
///
/// # Errors
/// Those of `input`, and one of the kind [`ErrorKind::FileTooLarge`] for a line of more than `bytes_max` bytes.
pub fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>, bytes_max: u64) -> io::Result<bool> {
    line.clear();
    // One byte more than is allowed tells a line that is too long from one that just fits.
    Read::take(&mut *input, bytes_max.saturating_add(1)).read_until(b'\n', line)?;
    if line.len() as u64 > bytes_max {
        let message = format!("longer than {bytes_max} bytes, the most that is read of a line");
        return Err(io::Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(!line.is_empty())
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_end_at_their_limit() {
        let (mut input, mut line) = (&b"abc\n\nabcd\nab"[..], Vec::new());
        for expected in ["abc\n", "\n"] {
            assert!(next_line(&mut input, &mut line, 4).unwrap());
            assert_eq!(line, expected.as_bytes());
        }
        let error = next_line(&mut input, &mut line, 4).unwrap_err();
        assert_eq!(error.to_string(), "longer than 4 bytes, the most that is read of a line");
        let mut input = &b"ab"[..];
        assert!(next_line(&mut input, &mut line, 2).unwrap() && !next_line(&mut input, &mut line, 2).unwrap());
        let mut endless = BufReader::new(io::repeat(0).chain(io::empty()));
        assert_eq!(next_line(&mut endless, &mut line, 1 << 20).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert!(line.capacity() <= 1 << 22);
    }
}
