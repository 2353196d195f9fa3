//! The files of a tokenizer. Vocabulary files are made into the `tokenizer.json` that they stand for.

use std::borrow::Cow;
use std::fmt::Display;

use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// A tokenizer as its files have it.
pub(super) struct Loaded {
    pub tokenizer: tokenizers::Tokenizer,
    pub special: SpecialTokens,
}

type Read<'a> = &'a dyn Fn(&str) -> Result<Option<Cow<'static, [u8]>>>;

pub(super) fn load(read: Read<'_>) -> Result<Loaded> {
    let config = object(read, "tokenizer_config.json")?;
    let special = SpecialTokens(vec![config.clone(), object(read, "special_tokens_map.json")?]);
    let (file, json) = if let Some(json) = read("tokenizer.json")? {
        ("tokenizer.json", json)
    } else if let Some(vocab) = read("vocab.json")? {
        let merges = read("merges.txt")?.ok_or_else(|| wrong("merges.txt", "missing beside `vocab.json`"))?;
        ("vocab.json", Cow::Owned(byte_level(&vocab, &merges, &config)?))
    } else if let Some(vocab) = read("vocab.txt")? {
        ("vocab.txt", Cow::Owned(word_piece(&vocab, &config, &special)?))
    } else {
        return Err(wrong("tokenizer", "no `tokenizer.json`, no `vocab.json` + `merges.txt`, no `vocab.txt`"));
    };
    let tokenizer = tokenizers::Tokenizer::from_bytes(&json).map_err(|e| wrong(file, e))?;
    Ok(Loaded { tokenizer, special })
}

/// The names of special tokens, from the files that may have them, the first one first.
pub(super) struct SpecialTokens(Vec<Map<String, Value>>);

impl SpecialTokens {
    /// The names that `role`, such as `cls_token`, may have: what a file says, else RoBERTa's and BERT's.
    pub fn names(&self, role: &str) -> Vec<&str> {
        let name = |value: &'_ Value| value.as_str().is_some() || value.get("content").is_some_and(Value::is_string);
        let said = self.0.iter().filter_map(|file| file.get(role)).find(|value| name(value));
        if let Some(value) = said {
            return value.as_str().or_else(|| value["content"].as_str()).into_iter().collect();
        }
        match role {
            "cls_token" => vec!["<s>", "[CLS]"],
            "sep_token" => vec!["</s>", "[SEP]"],
            "mask_token" => vec!["<mask>", "[MASK]"],
            _ => vec!["<unk>", "[UNK]"],
        }
    }
}

/// RoBERTa's files: vocabulary and merges of a BPE over bytes.
fn byte_level(vocab: &[u8], merges: &[u8], config: &Map<String, Value>) -> Result<Vec<u8>> {
    let vocab: Value = serde_json::from_slice(vocab).map_err(|e| wrong("vocab.json", e))?;
    let merges = std::str::from_utf8(merges).map_err(|e| wrong("merges.txt", e))?;
    let merges: Vec<&str> =
        merges.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty()).collect();
    let add_prefix_space = flag(config, "add_prefix_space").unwrap_or(false);
    Ok(tokenizer_json(
        json!({"type": "BPE", "vocab": vocab, "merges": merges}),
        Value::Null,
        json!({"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true, "use_regex": true}),
    ))
}

/// BERT's file: a token on each line, its id the number of the line.
fn word_piece(vocab: &[u8], config: &Map<String, Value>, special: &SpecialTokens) -> Result<Vec<u8>> {
    let vocab = std::str::from_utf8(vocab).map_err(|e| wrong("vocab.txt", e))?;
    let vocab: Map<String, Value> =
        vocab.lines().enumerate().map(|(id, token)| (token.trim_end().to_string(), id.into())).collect();
    let unknown = special.names("unk_token").into_iter().find(|name| vocab.contains_key(*name)).unwrap_or("[UNK]");
    let normalizer = json!({
        "type": "BertNormalizer",
        "clean_text": true,
        "handle_chinese_chars": flag(config, "tokenize_chinese_chars").unwrap_or(true),
        "strip_accents": flag(config, "strip_accents"),
        "lowercase": flag(config, "do_lower_case").unwrap_or(true),
    });
    let model = json!({
        "type": "WordPiece",
        "unk_token": unknown,
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": vocab,
    });
    Ok(tokenizer_json(model, normalizer, json!({"type": "BertPreTokenizer"})))
}

fn tokenizer_json(model: Value, normalizer: Value, pre_tokenizer: Value) -> Vec<u8> {
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": null,
        "model": model,
    });
    json.to_string().into_bytes()
}

fn flag(config: &Map<String, Value>, key: &str) -> Option<bool> {
    config.get(key).and_then(Value::as_bool)
}

/// A file that holds one JSON object; an empty one where there is no file.
fn object(read: Read<'_>, name: &str) -> Result<Map<String, Value>> {
    match read(name)? {
        None => Ok(Map::new()),
        Some(json) => serde_json::from_slice(&json).map_err(|e| wrong(name, e)),
    }
}

pub(super) fn wrong(file: &str, message: impl Display) -> Error {
    Error::Format { file: file.into(), message: message.to_string() }
}
