//! Opening a file: its encryption, whether it is damaged, and how much its streams unpack to.
//!
//! Streams are weighed first as they look, before the file is opened, since that unpacks those which hold its objects. Then
//! those are weighed that are encrypted, damaged, or packed in another way than with Flate alone, before any page is
//! interpreted. Pictures are taken out before.

use std::collections::HashMap;

use hayro_interpret::hayro_syntax::object::{Object, Stream};
use hayro_interpret::hayro_syntax::{DecryptionError, Filter, LoadPdfError, Pdf};
use memchr::memmem;

use super::budget::Budget;
use super::damage;
use super::scales::{BlindWeight, Scales, Weight};
use super::streams::{RawStream, take_pictures_out};
use crate::{Format, Limits, ReadError};

/// The header stands in so many bytes.
const HEADER_BYTES: usize = 1024;

/// What is damaged in a file.
#[derive(Debug, Default)]
pub(super) struct FileDamage {
    /// What was repaired: as far as is known, nothing is lost by it.
    pub repaired: Vec<String>,
    /// What is lost.
    pub lost: Vec<String>,
}

/// Opens a file, and says what is damaged.
pub(super) fn open(
    mut bytes: Vec<u8>,
    password: Option<&str>,
    limits: &Limits,
    budget: &Budget<'_>,
) -> Result<(Pdf, FileDamage), ReadError> {
    let header = memmem::find(&bytes[..bytes.len().min(HEADER_BYTES)], b"%PDF-").unwrap_or(0);
    if header > 0 && damage::of_table(&bytes[header..]).is_none() {
        bytes.drain(..header); // places in the file count from its header
    }
    let repaired = damage::of_table(&bytes).map(str::to_owned).into_iter().collect();
    let streams = take_pictures_out(&mut bytes);
    let mut scales = Scales::new(limits, budget);
    let mut weights: Vec<Option<BlindWeight>> = Vec::new();
    for stream in &streams {
        budget.look();
        weights.push(if stream.is_picture { None } else { scales.weigh_blind(&bytes[stream.start..])? });
    }
    let pdf = Pdf::new_with_password(bytes, password.unwrap_or_default()).map_err(|error| failed(error, password))?;
    let mut lost = Vec::new();
    let damaged_streams = weigh(&pdf, &streams, &weights, &mut scales, budget)?;
    if damaged_streams > 0 {
        let are = if damaged_streams == 1 {
            "one of its streams is".into()
        } else {
            format!("{damaged_streams} of its streams are")
        };
        lost.push(format!("{are} damaged"));
    }
    lost.extend(damage::of_pages(&pdf));
    Ok((pdf, FileDamage { repaired, lost }))
}

/// Why a file cannot be opened.
pub(super) fn failed(error: LoadPdfError, password: Option<&str>) -> ReadError {
    let damaged = |what: &str| ReadError::Damaged { format: Format::Pdf, what: what.into() };
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => match password {
            None => ReadError::PasswordRequired,
            Some(password) if !password.is_ascii() => ReadError::PasswordNotAscii,
            Some(_) => ReadError::PasswordWrong,
        },
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => {
            ReadError::Encrypted("in a way that is not read, such as with a certificate or DRM".into())
        }
        LoadPdfError::Decryption(_) => damaged("what it says of its encryption is damaged"),
        LoadPdfError::Invalid => damaged("no page is found in it"),
    }
}

/// Weighs the streams that were not weighed as they look, and the contents of pages, which hayro keeps for each page. Returns
/// how many streams are damaged.
fn weigh(
    pdf: &Pdf,
    raw: &[RawStream],
    weights: &[Option<BlindWeight>],
    scales: &mut Scales<'_>,
    budget: &Budget<'_>,
) -> Result<usize, ReadError> {
    // By their numbers first: to find other objects, streams that hold objects are unpacked.
    let by_number = raw.iter().filter_map(|stream| pdf.xref().get::<Stream<'_>>(stream.id?));
    let others = std::iter::once_with(|| pdf.objects()).flatten().filter_map(Object::into_stream);
    let file = pdf.data().as_ref().as_ptr().addr();
    // What each stream unpacks to, by the place of its dictionary.
    let mut unpacked: HashMap<usize, u64> = HashMap::new();
    let place = |stream: &Stream<'_>| stream.dict().data().as_ptr().addr().wrapping_sub(file);
    let mut damaged = 0;
    for stream in by_number.chain(others) {
        budget.look();
        let at = place(&stream);
        if unpacked.contains_key(&at) {
            continue;
        }
        let index = raw.partition_point(|raw| raw.head.end <= at);
        let index = raw.get(index).filter(|raw| raw.head.contains(&at)).map(|_| index);
        if index.is_some_and(|index| raw[index].is_picture) {
            continue;
        }
        let (data, filters) = (stream.raw_data(), stream.filters());
        // Two bytes of a line end may follow. Some streams of encrypted files are not encrypted.
        let is_same = |blind: &BlindWeight| blind.layers == filters.len() && blind.packed + 2 >= data.len() as u64;
        let is_flate = filters.iter().all(|&filter| filter == Filter::FlateDecode);
        let blind = index.and_then(|index| weights[index]).filter(|blind| is_flate && is_same(blind));
        let weight = match blind {
            Some(blind) => Weight { unpacked: blind.unpacked, is_whole: true },
            None => scales.weigh(&data, &filters)?,
        };
        damaged += usize::from(!weight.is_whole);
        unpacked.insert(at, weight.unpacked);
    }
    for page in pdf.pages().iter() {
        for part in damage::contents(pdf, page).flatten() {
            budget.look();
            scales.take(unpacked.get(&place(&part)).copied().unwrap_or(0))?;
        }
    }
    Ok(damaged)
}
