//! Lines and small files from elsewhere, none of which is read without end.

use std::io::{self, BufRead, ErrorKind, Read, Take};

/// Reads the next line, with its end, in the place of what `line` holds; `false` at the end.
///
/// # Errors
/// Those of `input`, and one of the kind [`ErrorKind::FileTooLarge`] for a line of more than `bytes_max` bytes.
pub fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>, bytes_max: u64) -> io::Result<bool> {
    line.clear();
    limited(input, bytes_max).read_until(b'\n', line)?;
    if line.len() as u64 > bytes_max {
        return Err(too_long(bytes_max, " of a line"));
    }
    Ok(!line.is_empty())
}

/// Reads to the end.
///
/// # Errors
/// Those of `input`, and one of the kind [`ErrorKind::FileTooLarge`] for more than `bytes_max` bytes.
pub fn read_to_limit(input: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    limited(input, bytes_max).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(too_long(bytes_max, "")) } else { Ok(bytes) }
}

/// One byte more than is allowed tells what is too long from what just fits.
fn limited<R: Read>(input: R, bytes_max: u64) -> Take<R> {
    input.take(bytes_max.saturating_add(1))
}

fn too_long(bytes_max: u64, of: &str) -> io::Error {
    let message = format!("longer than {bytes_max} bytes, the most that is read{of}");
    io::Error::new(ErrorKind::FileTooLarge, message)
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
