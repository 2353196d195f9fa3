//! Bytes plain or packed with gzip, which their first bytes tell and not the name of a file.

use std::io::{self, Chain, Cursor, ErrorKind, Read};

use flate2::read::MultiGzDecoder;

const GZIP: &[u8] = b"\x1f\x8b";

/// The message about packed bytes that end too early.
pub(crate) const CUT: &str = "its gzip data end too early";

/// So much may be unpacked of any file.
const FREE_BYTES_MAX: u64 = 64_000_000;
/// Beyond that, so much for each packed byte. Text reaches 3 to 20.
const RATIO_MAX: u64 = 100;

/// Reads bytes, unpacked if they are packed with gzip. A small file that would unpack to very much is an error of the kind
/// [`ErrorKind::FileTooLarge`]: beyond 64 MB, a packed byte may give 100 unpacked ones.
///
/// ```
/// use std::io::Read;
///
/// let mut text = String::new();
/// longspan_documents::GzipReader::new(&b"plain"[..])?.read_to_string(&mut text)?;
/// assert_eq!(text, "plain");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct GzipReader<R>(Bytes<R>);

type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

enum Bytes<R> {
    Plain(Whole<R>),
    Packed { decoder: Box<MultiGzDecoder<Counted<Whole<R>>>>, unpacked: u64 },
}

impl<R: Read> GzipReader<R> {
    /// Reads the first two bytes.
    ///
    /// # Errors
    /// Those of `input`.
    pub fn new(mut input: R) -> io::Result<Self> {
        let mut start = Vec::new();
        input.by_ref().take(GZIP.len() as u64).read_to_end(&mut start)?;
        let packed = start == GZIP;
        let whole = Cursor::new(start).chain(input);
        Ok(Self(if packed {
            let decoder = Box::new(MultiGzDecoder::new(Counted { inner: whole, bytes: 0 }));
            Bytes::Packed { decoder, unpacked: 0 }
        } else {
            Bytes::Plain(whole)
        }))
    }

    /// Whether the bytes are packed.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.0, Bytes::Packed { .. })
    }
}

impl<R: Read> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (decoder, unpacked) = match &mut self.0 {
            Bytes::Plain(whole) => return whole.read(buffer),
            Bytes::Packed { decoder, unpacked } => (decoder, unpacked),
        };
        let count = decoder.read(buffer).map_err(not_unpacked)?;
        *unpacked += count as u64;
        let packed = decoder.get_ref().bytes;
        if *unpacked > FREE_BYTES_MAX.max(RATIO_MAX.saturating_mul(packed)) {
            let message = format!(
                "its first {packed} bytes of gzip data unpack to {unpacked}: beyond {FREE_BYTES_MAX}, at most {RATIO_MAX} \
                 for each are read"
            );
            return Err(io::Error::new(ErrorKind::FileTooLarge, message));
        }
        Ok(count)
    }
}

/// An error of the decoder, in words.
fn not_unpacked(error: io::Error) -> io::Error {
    match error.kind() {
        kind @ ErrorKind::UnexpectedEof => io::Error::new(kind, CUT),
        kind @ (ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
            io::Error::new(kind, format!("its gzip data are damaged: {error}"))
        }
        _ => error,
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn what_unpacks_to_very_much_is_refused() {
        let read = |unpacked: u64, level: u32| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            io::copy(&mut io::repeat(b'a').take(unpacked), &mut encoder).unwrap();
            let packed = encoder.finish().unwrap();
            let mut reader = GzipReader::new(packed.as_slice()).unwrap();
            assert!(reader.is_packed());
            io::copy(&mut reader, &mut io::sink()).map_err(|error| error.to_string())
        };
        assert_eq!(read(FREE_BYTES_MAX, 9), Ok(FREE_BYTES_MAX));
        let error = read(FREE_BYTES_MAX + 1, 9).unwrap_err();
        let expected = "bytes of gzip data unpack to 64000001: beyond 64000000, at most 100 for each are read";
        assert!(error.ends_with(expected), "{error}");
        assert_eq!(read(FREE_BYTES_MAX + 1, 0), Ok(FREE_BYTES_MAX + 1));
    }
}
