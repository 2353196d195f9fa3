//! How much streams unpack to. Hayro unpacks each as a whole and keeps no budget, so that they are weighed before: unpacked
//! piece by piece, as hayro would do it, and counted.
//!
//! A stream may be packed several times. Each layer counts, since each may be the largest. What precedes the last layer is
//! kept, at most as much as may be unpacked at all.

use std::borrow::Cow;
use std::io::{self, Error, ErrorKind, Read};
use std::sync::Arc;

use flate2::read::{DeflateDecoder, ZlibDecoder};
use hayro_interpret::hayro_syntax::Filter;

use super::budget::Budget;
use crate::{Format, Limits, ReadError};

/// Bytes that are unpacked at once.
const BUFFER_BYTES: usize = 1 << 16;
/// A byte packed with Flate unpacks to at most so many: two bits stand for 258 bytes.
const FLATE_RATIO_MAX: u64 = 1032;
/// Entries of the table of LZW, and the codes among them that stand for no bytes.
const LZW_ENTRIES: usize = 4096;
const LZW_CLEAR: usize = 256;
const LZW_END: usize = 257;

/// What streams may still unpack to.
pub(super) struct Scales<'a> {
    left: u64,
    buffer: Vec<u8>,
    limits: &'a Limits,
    budget: &'a Budget<'a>,
}

/// What a stream is when it is weighed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weight {
    /// Bytes of the last layer: what is left of it unpacked.
    pub unpacked: u64,
    pub is_whole: bool,
}

/// What a stream is that was weighed as it looks, and is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlindWeight {
    /// How often it is packed with Flate.
    pub layers: usize,
    /// Its bytes before the first layer is unpacked, and those of the last one.
    pub packed: u64,
    pub unpacked: u64,
}

/// What Flate data unpack to.
struct Unpacked {
    /// Their first bytes, or all of them.
    bytes: Vec<u8>,
    /// Packed bytes that were read, and all that they unpack to.
    packed: u64,
    unpacked: u64,
    end: FlateEnd,
}

/// How Flate data end.
#[derive(Clone, Copy, PartialEq)]
enum FlateEnd {
    Whole,
    /// Before they say that they do.
    Cut,
    /// With a code that means nothing.
    Broken,
}

impl<'a> Scales<'a> {
    pub fn new(limits: &'a Limits, budget: &'a Budget<'a>) -> Self {
        Self { left: limits.unpacked_bytes_max, buffer: vec![0; BUFFER_BYTES], limits, budget }
    }

    /// Weighs data as they look: as often as they are packed with Flate.
    pub fn weigh_blind(&mut self, data: &[u8]) -> Result<Option<BlindWeight>, ReadError> {
        let mut data = Cow::Borrowed(data);
        let mut weight = BlindWeight { layers: 0, packed: 0, unpacked: 0 };
        while is_zlib(&data) {
            let unpacked = self.unpack(ZlibDecoder::new(&*data), ZlibDecoder::total_in, 2)?;
            if unpacked.end != FlateEnd::Whole {
                return Ok(None);
            }
            let packed = if weight.layers == 0 { unpacked.packed } else { weight.packed };
            weight = BlindWeight { layers: weight.layers + 1, packed, unpacked: unpacked.unpacked };
            if !is_zlib(&unpacked.bytes) {
                break;
            }
            let all = self.unpack(ZlibDecoder::new(&*data), ZlibDecoder::total_in, usize::MAX)?;
            data = Cow::Owned(all.bytes);
        }
        Ok((weight.layers > 0).then_some(weight))
    }

    /// Weighs a stream that is packed in these ways, one after the other.
    pub fn weigh(&mut self, data: &[u8], filters: &[Filter]) -> Result<Weight, ReadError> {
        use Filter::{Ascii85Decode, AsciiHexDecode, CcittFaxDecode, Crypt, DctDecode, FlateDecode};
        use Filter::{Jbig2Decode, JpxDecode, LzwDecode, RunLengthDecode};
        let is_picture = |filter: &Filter| matches!(filter, CcittFaxDecode | DctDecode | Jbig2Decode | JpxDecode);
        // Pictures are never unpacked as data.
        if filters.iter().any(is_picture) || data.trim_ascii().is_empty() {
            return Ok(Weight { unpacked: data.len() as u64, is_whole: true });
        }
        let mut data = Cow::Borrowed(data);
        let mut is_whole = true;
        let mut unpacked_bytes = data.len() as u64;
        for (index, filter) in filters.iter().enumerate() {
            let is_last = index + 1 == filters.len();
            let left = self.left;
            let unpacked = match filter {
                Crypt if index == 0 => continue,
                Crypt => None,
                AsciiHexDecode | Ascii85Decode => {
                    // A digit stands for a byte at most, but `z` for four.
                    let zeros = data.iter().filter(|&&byte| byte == b'z').count();
                    self.take((data.len() + 3 * zeros) as u64)?;
                    if *filter == AsciiHexDecode { ascii_hex(&data) } else { ascii85(&data) }
                }
                FlateDecode => {
                    let (bytes, is_whole_layer) = self.flate(&data, if is_last { 0 } else { usize::MAX })?;
                    is_whole &= is_whole_layer;
                    Some(bytes)
                }
                LzwDecode | RunLengthDecode if !is_last => {
                    let what = "one of its streams is packed twice in a way that is not read".into();
                    return Err(ReadError::Damaged { format: Format::Pdf, what });
                }
                LzwDecode => {
                    // When codes grow by a bit is said elsewhere.
                    let (early, late) = (self.lzw(&data, 1)?, self.lzw(&data, 0)?);
                    (early || late).then(Vec::new)
                }
                RunLengthDecode => self.run_length(&data)?.then(Vec::new),
                _ => None,
            };
            unpacked_bytes = left - self.left;
            let Some(unpacked) = unpacked else { return Ok(Weight { unpacked: unpacked_bytes, is_whole: false }) };
            data = Cow::Owned(unpacked);
        }
        Ok(Weight { unpacked: unpacked_bytes, is_whole })
    }

    /// Weighs Flate data as hayro unpacks them: with the frame of zlib, else as if they had none, else up to what is damaged.
    /// Returns up to `kept` of the bytes, and whether the data are whole.
    fn flate(&mut self, data: &[u8], kept: usize) -> Result<(Vec<u8>, bool), ReadError> {
        let framed = self.unpack(ZlibDecoder::new(data), ZlibDecoder::total_in, kept)?;
        if framed.end == FlateEnd::Whole {
            return Ok((framed.bytes, true));
        }
        let bare = self.unpack(DeflateDecoder::new(data), DeflateDecoder::total_in, kept)?;
        if bare.end == FlateEnd::Whole {
            return Ok((bare.bytes, true));
        }
        let inner = if is_zlib(data) { &data[2..] } else { data };
        let unpacked = self.unpack(DeflateDecoder::new(inner), DeflateDecoder::total_in, kept)?;
        if unpacked.end == FlateEnd::Broken {
            // Hayro may go on behind the damage.
            let rest = FLATE_RATIO_MAX.saturating_mul((inner.len() as u64).saturating_sub(unpacked.packed));
            let limit = self.limits.unpacked_bytes_max;
            let what = || format!("one of its streams is damaged, and may unpack to more than {limit} bytes");
            self.left =
                self.left.checked_sub(rest).ok_or_else(|| ReadError::Damaged { format: Format::Pdf, what: what() })?;
        }
        // A wrong checksum alone is no damage.
        Ok((unpacked.bytes, unpacked.end == FlateEnd::Whole))
    }

    /// Reads a decoder of Flate to its end. Keeps up to `kept` of the bytes.
    fn unpack<R: Read>(&mut self, mut decoder: R, packed: fn(&R) -> u64, kept: usize) -> Result<Unpacked, ReadError> {
        let mut bytes = Vec::new();
        let left = self.left;
        let end = loop {
            match decoder.read(&mut self.buffer) {
                Ok(0) => break FlateEnd::Whole,
                Ok(count) => {
                    self.take(count as u64)?;
                    let more = count.min(kept.saturating_sub(bytes.len()));
                    bytes.extend_from_slice(&self.buffer[..more]);
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break FlateEnd::Cut,
                Err(_) => break FlateEnd::Broken,
            }
        };
        Ok(Unpacked { bytes, packed: packed(&decoder), unpacked: left - self.left, end })
    }

    /// Counts what LZW data unpack to. Returns whether they are whole.
    ///
    /// - `early`: by how many codes earlier than needed codes grow by a bit
    fn lzw(&mut self, data: &[u8], early: usize) -> Result<bool, ReadError> {
        // How many bytes each code stands for.
        let mut lengths: Vec<u64> = vec![1; LZW_END + 1];
        let mut last: Option<u64> = None;
        let (mut bits, mut bit_count) = (0_u32, 0);
        let mut data = data.iter();
        loop {
            let width = match lengths.len() + early {
                2048.. => 12,
                1024.. => 11,
                512.. => 10,
                _ => 9,
            };
            while bit_count < width {
                let Some(&byte) = data.next() else { return Ok(true) };
                (bits, bit_count) = (bits << 8 | u32::from(byte), bit_count + 8);
            }
            bit_count -= width;
            let code = (bits >> bit_count) as usize & ((1 << width) - 1);
            match code {
                LZW_CLEAR => {
                    lengths.truncate(LZW_END + 1);
                    last = None;
                    continue;
                }
                LZW_END => return Ok(true),
                _ => {}
            }
            // A code that is new stands for the last one and its first byte.
            let is_new = code == lengths.len();
            let Some(length) = lengths.get(code).copied().or(last.filter(|_| is_new).map(|last| last + 1)) else {
                return Ok(false);
            };
            if is_new && lengths.len() == LZW_ENTRIES {
                return Ok(false);
            }
            lengths.extend(last.filter(|_| lengths.len() < LZW_ENTRIES).map(|last| last + 1));
            last = Some(length);
            self.take(length)?;
        }
    }

    /// Counts what data of runs unpack to. Returns whether they are whole.
    fn run_length(&mut self, mut data: &[u8]) -> Result<bool, ReadError> {
        loop {
            let (packed, unpacked) = match data.first() {
                None => return Ok(false),
                Some(128) => return Ok(true),
                Some(&length @ ..128) => (usize::from(length) + 2, u64::from(length) + 1),
                Some(&length) => (2, 257 - u64::from(length)),
            };
            let Some(rest) = data.get(packed..) else { return Ok(false) };
            data = rest;
            self.take(unpacked)?;
        }
    }

    /// Counts bytes that are unpacked.
    pub fn take(&mut self, count: u64) -> Result<(), ReadError> {
        self.budget.look();
        self.left = self.left.checked_sub(count).ok_or_else(|| {
            let limit = self.limits.unpacked_bytes_max;
            let message = format!("its streams unpack to more than {limit} bytes, the most that is read");
            ReadError::PackedTooWell(Arc::new(Error::new(ErrorKind::FileTooLarge, message)))
        })?;
        Ok(())
    }
}

/// Whether data begin with the header of zlib.
fn is_zlib(data: &[u8]) -> bool {
    let [method, flags, ..] = *data else { return false };
    method & 0x0f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0 && flags & 0x20 == 0
}

/// The bytes that hexadecimal digits stand for.
fn ascii_hex(data: &[u8]) -> Option<Vec<u8>> {
    let digits = data.iter().take_while(|&&byte| byte != b'>').filter(|byte| !is_space(**byte));
    let digits: Option<Vec<u8>> = digits.map(|&digit| Some(char::from(digit).to_digit(16)? as u8)).collect();
    Some(digits?.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect())
}

/// The bytes that digits of base 85 stand for.
fn ascii85(data: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut group: Vec<u8> = Vec::new();
    let mut flush = |group: &mut Vec<u8>| {
        let count = group.len();
        if count < 2 {
            return (count == 0).then_some(()); // one digit is no byte
        }
        group.resize(5, 84);
        let value = group.iter().try_fold(0_u32, |value, &digit| value.checked_mul(85)?.checked_add(digit.into()))?;
        bytes.extend_from_slice(&value.to_be_bytes()[..count - 1]);
        group.clear();
        Some(())
    };
    for &byte in data.iter().filter(|byte| !is_space(**byte)) {
        match byte {
            b'!'..=b'u' => group.push(byte - b'!'),
            b'z' => {
                flush(&mut group)?;
                group.extend([0; 5]);
            }
            b'~' => break,
            _ => return None,
        }
        if group.len() == 5 {
            flush(&mut group)?;
        }
    }
    flush(&mut group)?;
    Some(bytes)
}

/// Whether a byte is white space in PDF.
fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0xc | b'\r' | b' ')
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};

    use super::*;

    /// What is taken off the scales, and whether the data are whole.
    fn weighed(data: &[u8], filters: &[Filter], limits: &Limits) -> Result<(u64, bool), String> {
        let budget = Budget::new(limits);
        let mut scales = Scales::new(limits, &budget);
        let weight = scales.weigh(data, filters).map_err(|error| error.to_string())?;
        Ok((limits.unpacked_bytes_max - scales.left, weight.is_whole))
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_way_of_packing_is_weighed() {
        use Filter::*;
        let limits = Limits::default();
        let check = |data: &[u8], filters: &[Filter], bytes: u64, is_whole: bool| {
            assert_eq!(weighed(data, filters, &limits), Ok((bytes, is_whole)), "{filters:?} {}", data.escape_ascii());
        };
        let text = b"It ran. ".repeat(1000);
        let packed = zlib(&text);
        check(&packed, &[FlateDecode], 8000, true);
        check(&zlib(&packed), &[FlateDecode, FlateDecode], 8000 + packed.len() as u64, true);
        let hex: Vec<u8> = packed.iter().flat_map(|byte| format!("{byte:02X}\n").into_bytes()).collect();
        check(&hex, &[AsciiHexDecode, FlateDecode], 8000 + hex.len() as u64, true);
        check(b"4x", &[AsciiHexDecode], 2, false);
        check(b"zz!", &[Ascii85Decode], 9, false);
        check(&packed, &[DctDecode], 0, true);
        check(b"\n", &[FlateDecode], 0, true);
        check(&packed, &[Crypt, FlateDecode], 8000, true);
        check(&packed, &[FlateDecode, Crypt], 8000, false);
        // ISO 32000-2, 7.4.4.2: the codes of `-----A---B`.
        check(b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01", &[LzwDecode], 2 * 10, true);
        check(b"\x80\x7f\xff", &[LzwDecode], 0, false);
        check(b"\x02abc\xffd\x80", &[RunLengthDecode], 5, true);
        check(b"\x02abc\x81d", &[RunLengthDecode], 3 + 128, false);
        let error = weighed(&packed, &[LzwDecode, FlateDecode], &limits).unwrap_err();
        assert!(error.ends_with("one of its streams is packed twice in a way that is not read"), "{error}");
    }

    #[test]
    fn ascii_stands_for_bytes() {
        assert_eq!(ascii_hex(b"48 65\n6C6c6F2>7").unwrap(), b"Hello ");
        assert_eq!(ascii85(b"87cUR\nD]i,\"Ebo80~>").unwrap(), b"Hello World!");
        assert_eq!(ascii85(b"z87cU~>").unwrap(), b"\0\0\0\0Hel");
        assert_eq!(ascii85(b"~>").unwrap(), b"");
        assert_eq!([ascii85(b"uuuuu"), ascii85(b"\x7f"), ascii85(b"!")], [None, None, None]);
    }

    #[test]
    fn damaged_data_are_weighed_up_to_the_damage_and_beyond() {
        let limits = Limits::default();
        let text: Vec<u8> = (0..10_000_u32).flat_map(|number| (number * number).to_string().into_bytes()).collect();
        let packed = zlib(&text);
        let mut summed = packed.clone();
        *summed.last_mut().unwrap() ^= 1;
        assert!(weighed(&summed, &[Filter::FlateDecode], &limits).unwrap().1);
        let (bytes, is_whole) = weighed(&packed[..packed.len() / 2], &[Filter::FlateDecode], &limits).unwrap();
        assert!(!is_whole && bytes > text.len() as u64 / 2 && bytes < 2 * text.len() as u64, "{bytes}");
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::best());
        bare.write_all(&text).unwrap();
        assert_eq!(weighed(&bare.finish().unwrap(), &[Filter::FlateDecode], &limits), Ok((text.len() as u64, true)));
        // A block of no kind, and a bomb behind it.
        let broken = [&[0x78, 0x9c, 7][..], &vec![0; 1000]].concat();
        assert!(!weighed(&broken, &[Filter::FlateDecode], &limits).unwrap().1);
        let small = Limits { unpacked_bytes_max: 1 << 19, ..limits };
        let error = weighed(&broken, &[Filter::FlateDecode], &small).unwrap_err();
        assert!(error.ends_with("is damaged, and may unpack to more than 524288 bytes"), "{error}");
    }
}
