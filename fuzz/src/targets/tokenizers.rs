//! Tokenizers: whatever their files say, the tokens of a text have exact places, and no text says `<s>`.

use std::borrow::Cow;

use longspan::tokenizer::Tokenizer;

use super::checks::{span, taken};
use crate::case::split;

/// Many scripts, marks that change places, emoji that are joined, controls, both directions, special tokens, a long word.
const TEXT: &str = "What is bread ? a b c aabb abc.\r\n\r\n\tCafe\u{301} caf\u{e9} na\u{ef}ve \u{130}\u{df}\u{fb03}\u{1e9e} \
    \u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{1f1e9}\u{1f1ea}\u{1f44d}\u{1f3fd}\u{1d15e} \u{4f60}\u{597d}\u{4e16}\u{754c} \
    \u{65e5}\u{672c}\u{8a9e} \u{1100}\u{1161}\u{11ab}\u{d55c} \u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947} \u{e44}\u{e17}\u{e22} \
    \u{202b}\u{5e9}\u{5c1}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}\u{202c}\u{feff}\u{200b}\u{ad} \u{0}\u{1}\u{1b}[0m\u{7f}\u{85}\u{2028} \
    o\u{308}\u{323}\u{3000}\u{a0}\u{2013}\u{2026}\u{ab}\u{bb} [CLS] </s> <s> [SEP] <mask> ##a \u{10ffff}\u{fffd} \u{2581}a\u{120}b \
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab  ";

const CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";

pub fn tokenizer_json(case: &[u8]) -> bool {
    load(&["tokenizer.json", CONFIG, SPECIAL_TOKENS], case)
}

pub fn vocab_txt(case: &[u8]) -> bool {
    load(&["vocab.txt", CONFIG, SPECIAL_TOKENS, ADDED_TOKENS], case)
}

pub fn vocab_json(case: &[u8]) -> bool {
    load(&["vocab.json", "merges.txt", CONFIG, SPECIAL_TOKENS, ADDED_TOKENS], case)
}

/// A model of SentencePiece, in the form of either file.
pub fn pieces(case: &[u8]) -> bool {
    let forms = ["sentencepiece.bpe.model", "spiece.model"];
    forms.map(|file| load(&[file, CONFIG, SPECIAL_TOKENS, ADDED_TOKENS], case)).contains(&true)
}

fn load(names: &[&str], case: &[u8]) -> bool {
    let files = split(case);
    let read = |name: &str| {
        let at = names.iter().position(|known| *known == name);
        Ok(at.and_then(|at| files.get(at)).map(|content| Cow::Owned(content.to_vec())))
    };
    let Some(tokenizer) = taken(Tokenizer::load(read)) else { return false };
    // A vocabulary may give any u32 as an id; a model refuses one with ids that it has no embedding for.
    if tokenizer.vocab_size < 1 << 20 {
        tokenizer.continues_word();
    }
    encodes(&tokenizer, TEXT) && encodes(&tokenizer, "")
}

fn encodes(tokenizer: &Tokenizer, text: &str) -> bool {
    let Some(tokens) = taken(tokenizer.encode(text)) else { return false };
    assert_eq!(tokens.ids.len(), tokens.spans.len(), "ids and spans");
    let specials = [tokenizer.cls_token_id, tokenizer.sep_token_id];
    let mut before = 0;
    for (&id, bytes) in tokens.ids.iter().zip(&tokens.spans) {
        let (start, end) = (bytes.start as usize, bytes.end as usize);
        span(text, start..end);
        assert!(start >= before, "a token starts at {start}, the one before it at {before}");
        assert!((id as usize) < tokenizer.vocab_size, "id {id} of {}", tokenizer.vocab_size);
        let is_special = specials.contains(&id) && tokenizer.unk_token_id != Some(id);
        assert!(!is_special, "the text {:?} is the special token {id}", &text[start..end]);
        before = start;
    }
    true
}
