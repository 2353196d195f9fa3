//! What `tokenizer.json` may contain, checked before anything is made of it: the crate `tokenizers` builds tables that are
//! many times as large as the file, tries added tokens at once, and recurses over the letters of a token.

use std::borrow::Cow;
use std::mem;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

use super::growth::{GROWTH_MAX, growth, map_texts};

/// The longest token, in bytes.
pub(super) const TOKEN_BYTES_MAX: usize = 2048;
/// The longest list of added tokens, the longest steps with their maps of characters.
const SECTION_BYTES_MAX: usize = 4 << 20;
/// The longest steps without maps of characters. They may contain regular expressions, which are large when compiled.
const STEPS_BYTES_MAX: usize = 16 << 10;
/// The most objects in steps: a replacement has two.
const STEPS_OBJECTS_MAX: usize = 256;
/// The most numbers and texts of a model. A vocabulary has one for each token, merges and scores one or two more.
const VALUES_MAX: usize = 1 << 21;

/// The most nodes in the trie of Unigram, twice those of XLM-RoBERTa. Each takes half a kilobyte.
const NODES_MAX: usize = 1 << 21;

/// The most characters of a word that WordPiece splits, which takes the square of their number; BERT has 100.
const WORD_CHARACTERS_MAX: u64 = 1000;

/// The keys of `tokenizer.json` whose content costs memory or time.
#[derive(Deserialize)]
struct Sections<'a> {
    #[serde(borrow)]
    added_tokens: Option<&'a RawValue>,
    normalizer: Option<&'a RawValue>,
    pre_tokenizer: Option<&'a RawValue>,
    post_processor: Option<&'a RawValue>,
    decoder: Option<&'a RawValue>,
    model: Option<&'a RawValue>,
}

/// The parts of a model that the crate keeps to itself.
#[derive(Deserialize)]
struct ModelOutline<'a> {
    merges: Option<Vec<IgnoredAny>>,
    #[serde(borrow)]
    vocab: Option<&'a RawValue>,
    max_input_chars_per_word: Option<u64>,
}

/// Checks a `tokenizer.json`, and counts its merges.
pub(super) fn merges_of(json: &[u8]) -> Result<usize, String> {
    let parsed = |error: serde_json::Error| error.to_string();
    let sections: Sections<'_> = serde_json::from_slice(json).map_err(parsed)?;
    let Sections { added_tokens, normalizer, pre_tokenizer, post_processor, decoder, model } = sections;
    if let Some(tokens) = added_tokens {
        check_bytes("added_tokens", tokens.get().len())?;
        check_values(tokens.get())?;
    }
    let steps = [
        ("normalizer", normalizer),
        ("pre_tokenizer", pre_tokenizer),
        ("post_processor", post_processor),
        ("decoder", decoder),
    ];
    for (name, steps) in steps.into_iter().filter_map(|(name, steps)| Some((name, steps?))) {
        check_bytes(name, steps.get().len())?;
        check_steps(name, serde_json::from_str(steps.get()).map_err(parsed)?)?;
    }
    let normalizer: Option<NormalizerWrapper> = read(normalizer)?;
    let pre_tokenizer: Option<PreTokenizerWrapper> = read(pre_tokenizer)?;
    let factor = growth(normalizer.as_ref(), pre_tokenizer.as_ref());
    if factor > GROWTH_MAX {
        let bytes = if factor < 1e9 { format!("{factor:.0}") } else { format!("{factor:.0e}") };
        return Err(format!("its steps may make {bytes} bytes of one, at most {GROWTH_MAX} are allowed"));
    }
    let Some(model) = model else { return Ok(0) };
    check_values(model.get())?;
    let ModelOutline { merges, vocab, max_input_chars_per_word } = serde_json::from_str(model.get()).map_err(parsed)?;
    if let Some(characters) = max_input_chars_per_word.filter(|&characters| characters > WORD_CHARACTERS_MAX) {
        return Err(format!("max_input_chars_per_word {characters}: at most {WORD_CHARACTERS_MAX} are read"));
    }
    // Unigram has a list of pieces with their scores, the others a map.
    if let Some(pieces) = vocab.filter(|vocab| vocab.get().starts_with('[')) {
        let pieces: Vec<(Cow<'_, str>, IgnoredAny)> = serde_json::from_str(pieces.get()).map_err(parsed)?;
        check_trie(pieces.iter().map(|(piece, _)| &**piece).collect())?;
    }
    Ok(merges.map_or(0, |merges| merges.len()))
}

fn read<'a, T: Deserialize<'a>>(section: Option<&'a RawValue>) -> Result<Option<T>, String> {
    section.map(|section| serde_json::from_str(section.get()).map_err(|error| error.to_string())).transpose()
}

/// Checks the length of a section.
pub(super) fn check_bytes(name: &str, bytes: usize) -> Result<(), String> {
    match bytes > SECTION_BYTES_MAX {
        true => Err(format!("{name} of {bytes} bytes, at most {SECTION_BYTES_MAX} are read")),
        false => Ok(()),
    }
}

fn check_steps(name: &str, mut steps: Value) -> Result<(), String> {
    let objects = take_maps(&mut steps)?;
    let bytes = steps.to_string().len();
    if bytes > STEPS_BYTES_MAX || objects > STEPS_OBJECTS_MAX {
        let most = format!("at most {STEPS_BYTES_MAX} and {STEPS_OBJECTS_MAX} are read");
        return Err(format!("{name} of {bytes} bytes in {objects} objects, {most}"));
    }
    Ok(())
}

/// Checks the maps of characters, takes them out, and counts objects. The crate takes the memory that the first bytes of a
/// map ask for.
fn take_maps(steps: &mut Value) -> Result<usize, String> {
    match steps {
        Value::Object(keys) => {
            keys.iter_mut().try_fold(1, |objects, (key, value)| match key == "precompiled_charsmap" {
                true => {
                    map_texts(&mem::take(value)).map(|_| objects).ok_or("its precompiled_charsmap is damaged".into())
                }
                false => Ok(objects + take_maps(value)?),
            })
        }
        Value::Array(items) => items.iter_mut().try_fold(0, |objects, item| Ok(objects + take_maps(item)?)),
        _ => Ok(0),
    }
}

/// Checks the number of nodes of the trie of Unigram: a piece adds those that it does not share with its neighbour.
pub(super) fn check_trie(mut pieces: Vec<&str>) -> Result<(), String> {
    pieces.sort_unstable();
    let shared = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let nodes: usize = pieces.iter().map(|piece| piece.len()).sum();
    let nodes = nodes - pieces.array_windows().map(|[a, b]| shared(a, b)).sum::<usize>();
    match nodes > NODES_MAX {
        true => Err(format!("a trie of {nodes} nodes, at most {NODES_MAX} are read")),
        false => Ok(()),
    }
}

/// Checks the length of each text of a JSON, and how many numbers and texts it has, a key and its value counted as one.
pub(super) fn check_values(json: &str) -> Result<(), String> {
    let (mut values, mut text_start) = (1, None);
    let mut bytes = json.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, text_start) {
            (b'\\', Some(_)) => _ = bytes.next(),
            (b'"', None) => text_start = Some(at + 1),
            (b'"', Some(start)) if at - start > TOKEN_BYTES_MAX => {
                return Err(format!("a token of {} bytes, at most {TOKEN_BYTES_MAX} are read", at - start));
            }
            (b'"', Some(_)) => text_start = None,
            (b',', None) => values += 1,
            _ => {}
        }
    }
    check_count(values)
}

/// Checks the number of entries of a vocabulary or of a list of merges.
pub(super) fn check_count(values: usize) -> Result<(), String> {
    match values > VALUES_MAX {
        true => Err(format!("{values} numbers and texts, at most {VALUES_MAX} are read")),
        false => Ok(()),
    }
}
