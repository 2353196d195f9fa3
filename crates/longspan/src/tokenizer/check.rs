//! What a tokenizer must satisfy, whatever files it was made of.

use std::collections::{BTreeMap, HashMap};

use tokenizers::{ModelWrapper, NormalizedString, Normalizer, Tokenizer as Inner};

use super::outline::TOKEN_BYTES_MAX;

/// The largest id, above those of all models that can be loaded.
const ID_MAX: u32 = 1 << 24;
/// One of so many tokens may be missing, and one more: checkpoints round the rows of their embedding up, and some lists of merges leave
/// a few tokens out.
pub(super) const MISSING_SHARE: usize = 32;

/// Checks a tokenizer.
///
/// - `merges`: how many its files list
/// - `special`: ids of the special tokens
pub(super) fn check(inner: &Inner, merges: usize, special: &[u32]) -> Result<(), String> {
    let vocabulary = inner.get_vocab(true);
    let mut tokens: Vec<(u32, &str)> = vocabulary.iter().map(|(token, &id)| (id, &token[..])).collect();
    tokens.sort_unstable();
    if let Some((id, _)) = tokens.last().filter(|(id, _)| *id > ID_MAX) {
        return Err(format!("a token has the id {id}, the largest that is read is {ID_MAX}"));
    }
    if let Some((_, token)) = tokens.iter().find(|(_, token)| token.len() > TOKEN_BYTES_MAX) {
        return Err(format!("a token of {} bytes, at most {TOKEN_BYTES_MAX} are read", token.len()));
    }
    // A text with one of them would give the other, which may be a special token.
    if let Some([(id, a), (_, b)]) = tokens.array_windows().find(|[a, b]| a.0 == b.0) {
        return Err(format!("the tokens `{a}` and `{b}` have the same id, {id}"));
    }
    check_added(inner)?;
    check_merges(inner, merges, special, &vocabulary)
}

/// Added tokens are searched in texts, those of `normalized` in normalised texts. One without a text would be found
/// everywhere.
fn check_added(inner: &Inner) -> Result<(), String> {
    let (mut begins_white, mut takes_white) = (None, None);
    for (id, token) in BTreeMap::from_iter(inner.get_added_tokens_decoder()) {
        let mut text = NormalizedString::from(&token.content[..]);
        if let Some(normalizer) = inner.get_normalizer().filter(|_| token.normalized) {
            normalizer.normalize(&mut text).map_err(|error| error.to_string())?;
        }
        if text.get().is_empty() {
            return Err(format!("nothing is left of the added token {id} once it is normalized"));
        }
        begins_white = begins_white.or(text.get().starts_with(char::is_whitespace).then_some(id));
        takes_white = takes_white.or(token.rstrip.then_some(id));
    }
    // Each white space of a run would be found, and take the rest of the run: a square of its length.
    match (begins_white, takes_white) {
        (Some(begins), Some(takes)) => {
            Err(format!("the added token {begins} begins with white space, which the added token {takes} takes"))
        }
        _ => Ok(()),
    }
}

/// Without its merge, byte-pair encoding never makes a token of several characters.
fn check_merges(
    inner: &Inner,
    merges: usize,
    special: &[u32],
    vocabulary: &HashMap<String, u32>,
) -> Result<(), String> {
    let ModelWrapper::BPE(bpe) = inner.get_model() else { return Ok(()) };
    if bpe.ignore_merges {
        return Ok(());
    }
    let (prefix, suffix) = (&bpe.continuing_subword_prefix, &bpe.end_of_word_suffix);
    let added = inner.get_added_tokens_decoder();
    let is_merged = |token: &str, id: &u32| {
        let token = token.strip_prefix(prefix.as_deref().unwrap_or_default()).unwrap_or(token);
        let token = token.strip_suffix(suffix.as_deref().unwrap_or_default()).unwrap_or(token);
        let is_byte = token.len() == 6 && token.starts_with("<0x") && token.ends_with('>');
        token.chars().nth(1).is_some() && !is_byte && !special.contains(id) && !added.contains_key(id)
    };
    let merged = vocabulary.iter().filter(|(token, id)| is_merged(token, id)).count();
    match merges + merged / MISSING_SHARE + 1 < merged {
        true => Err(format!("{merges} merges for {merged} tokens of several characters: a file is cut")),
        false => Ok(()),
    }
}
