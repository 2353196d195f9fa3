//! How much longer the steps of a tokenizer can make a text. Steps multiply: eight that make ten letters of one make a
//! hundred million of it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokenizers::normalizers::precompiled::Precompiled;
use tokenizers::normalizers::replace::Replace;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

/// The most that a tokenizer may do. Those in use stay below it: ALBERT's, with the most steps, has 726.
pub(super) const GROWTH_MAX: f64 = 1024.0;

/// A bound of the bytes that normaliser and pre-tokenizer make of one byte of a text.
pub(super) fn growth(normalizer: Option<&NormalizerWrapper>, pre_tokenizer: Option<&PreTokenizerWrapper>) -> f64 {
    normalizer.map_or(1.0, of_normalizer) * pre_tokenizer.map_or(1.0, of_pre_tokenizer)
}

/// The factors of Unicode's normal forms and of small letters are the largest of any character.
/// <https://unicode.org/faq/normalization.html>
fn of_normalizer(step: &NormalizerWrapper) -> f64 {
    const LOWERCASE: f64 = 1.5;
    const CANONICAL: f64 = 3.0;
    const COMPATIBILITY: f64 = 11.0;
    match step {
        NormalizerWrapper::Sequence(steps) => steps.as_ref().iter().map(of_normalizer).product(),
        // Two spaces around a Chinese character of three bytes.
        NormalizerWrapper::BertNormalizer(_) => 5.0 / 3.0 * CANONICAL * LOWERCASE,
        NormalizerWrapper::NFC(_) | NormalizerWrapper::NFD(_) => CANONICAL,
        NormalizerWrapper::NFKC(_) | NormalizerWrapper::NFKD(_) => COMPATIBILITY,
        NormalizerWrapper::Lowercase(_) => LOWERCASE,
        NormalizerWrapper::Precompiled(map) => of_map(map),
        NormalizerWrapper::Replace(replace) => of_replace(replace),
        NormalizerWrapper::Prepend(prepend) => 1.0 + prepend.prepend.len() as f64,
        // It writes a byte as a character of at most two bytes.
        NormalizerWrapper::ByteLevel(_) => 2.0,
        NormalizerWrapper::StripNormalizer(_) | NormalizerWrapper::StripAccents(_) | NormalizerWrapper::Nmt(_) => 1.0,
    }
}

fn of_pre_tokenizer(step: &PreTokenizerWrapper) -> f64 {
    match step {
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref().iter().map(of_pre_tokenizer).product(),
        // A word of one byte may get a space before it.
        PreTokenizerWrapper::ByteLevel(step) => {
            if step.add_prefix_space {
                3.0
            } else {
                2.0
            }
        }
        PreTokenizerWrapper::Metaspace(step) => 1.0 + step.get_replacement().len_utf8() as f64,
        _ => 1.0, // These only split.
    }
}

/// A pattern may match nothing, between any two characters, but for the one of two and more spaces that ALBERT's tokenizer
/// and its kin have.
fn of_replace(replace: &Replace) -> f64 {
    let content = replace.content.len() as f64;
    let step = serde_json::to_value(replace).unwrap_or_default();
    let pattern = &step["pattern"];
    match (pattern["String"].as_str(), pattern["Regex"].as_str()) {
        (_, Some(" {2,}")) => (content / 2.0).max(1.0),
        (Some(text), _) if !text.is_empty() => (content / text.len() as f64).max(1.0),
        _ => 1.0 + content,
    }
}

/// What a map makes of a key of three or more bytes is at most its longest text; shorter keys are tried.
fn of_map(map: &Precompiled) -> f64 {
    let stored = serde_json::to_value(map).unwrap_or_default();
    let texts = map_texts(&stored["precompiled_charsmap"]).unwrap_or_default();
    let longest = texts.split(|byte| *byte == 0).map(<[u8]>::len).max().unwrap_or(0) as f64;
    let of = |key: &str| map.transform(key).map_or(0.0, |text| text.len() as f64 / key.len() as f64);
    let of_short = ('\0'..'\u{800}').map(|character| of(character.encode_utf8(&mut [0; 2]))).fold(of("\r\n"), f64::max);
    of_short.max(longest / 3.0).max(1.0)
}

/// The texts of a map, each with a zero after it, which follow the length of its trie and the trie. `None` if it is no map.
pub(super) fn map_texts(charsmap: &Value) -> Option<Vec<u8>> {
    let stored = BASE64_STANDARD.decode(charsmap.as_str()?).ok()?;
    let (trie_bytes, rest) = stored.split_first_chunk()?;
    rest.get(u32::from_le_bytes(*trie_bytes) as usize..).map(<[u8]>::to_vec)
}
