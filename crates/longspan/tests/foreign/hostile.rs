//! Makes hostile files: small, but full of claims.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A text in a pickle.
fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A `pytorch_model.bin` in the older format of torch, with a storage of one number. The state dict is a dictionary, a text
/// (memo 0) and a tensor (memo 1), which `rest` turns into items.
pub fn pickle(name: &str, rest: &[u8]) -> Vec<u8> {
    const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let storage = [&text("storage")[..], b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), b"K\x01NtQ"].concat();
    // Offset 0, shape (1,), strides (1,), no gradient, no hooks. Memo 2 is the function, memo 3 its arguments.
    let hooks = b"ccollections\nOrderedDict\n)R";
    let arguments = [&b"(("[..], &storage, b"K\x00K\x01\x85K\x01\x85\x89", hooks, b"tq\x03"].concat();
    let tensor = [&b"ctorch._utils\n_rebuild_tensor_v2\nq\x02"[..], &arguments, b"Rq\x01"].concat();
    let dict = [&b"\x80\x02}"[..], &text(name), b"q\x00", &tensor, rest, b"."].concat();
    let keys = [&b"\x80\x02]"[..], &text("0"), b"a."].concat();
    [MAGIC, &dict, &keys, &1_i64.to_le_bytes(), &1_f32.to_le_bytes()].concat()
}

/// A safetensors file without numbers.
pub fn safetensors(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
}

/// A `config.json` that claims a model of petabytes, with this many words.
pub fn claims(model_type: &str, vocab_size: usize) -> String {
    json!({
        "model_type": model_type, "hidden_size": 16_777_200, "intermediate_size": 24, "max_position_embeddings": 18,
        "num_attention_heads": 2, "num_hidden_layers": 2, "pad_token_id": 0, "type_vocab_size": 2,
        "vocab_size": vocab_size, "attention_window": 8,
    })
    .to_string()
}

/// A `tokenizer.json` of a small WordPiece model with other content for some keys, which are paths of JSON.
pub fn tokenizer(changes: &[(&str, Value)]) -> Value {
    let special = |id: usize, content: &str| added_token(id, content, &["special"]);
    let names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let words = ["a", "b", "c", "##a", "##b", "what", "is", "bread", "?", "."];
    let vocab: Value = names.iter().chain(&words).zip(0..).map(|(token, id)| (token.to_string(), json!(id))).collect();
    let mut json = json!({
        "version": "1.0", "truncation": null, "padding": null, "decoder": null, "post_processor": null,
        "added_tokens": names.iter().enumerate().map(|(id, name)| special(id, name)).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    });
    for (path, value) in changes {
        match json.pointer_mut(path) {
            Some(Value::Array(items)) if path.ends_with("added_tokens") => items.push(value.clone()),
            Some(old) => *old = value.clone(),
            None => json["model"]["vocab"][path] = value.clone(),
        }
    }
    json
}

/// An added token with some of its properties.
pub fn added_token(id: usize, content: &str, set: &[&str]) -> Value {
    let mut token = json!({"id": id, "content": content});
    for key in ["single_word", "lstrip", "rstrip", "normalized", "special"] {
        token[key] = set.contains(&key).into();
    }
    token
}

/// Normalisers one after the other.
pub fn sequence(steps: impl IntoIterator<Item = Value>) -> Value {
    json!({"type": "Sequence", "normalizers": steps.into_iter().collect::<Vec<_>>()})
}

pub fn replace(kind: &str, pattern: &str, content: &str) -> Value {
    json!({"type": "Replace", "pattern": {kind: pattern}, "content": content})
}

/// A step that replaces a key of ASCII letters or other bytes, as SentencePiece stores it: the length of a trie, the trie,
/// and texts. The key stands for the text that begins at byte `at` of `texts`.
pub fn character_map(key: &str, at: u32, texts: &str) -> Value {
    // State i of the trie is at 256·i. A unit has a label, a mark for a leaf, and from bit 10 the way to the next state.
    let mut trie = vec![0xff_u32; 256 * (key.len() + 1)];
    trie[0] = 0;
    for (state, byte) in key.bytes().enumerate() {
        let place = (256 * state as u32) ^ u32::from(byte);
        let is_leaf = state + 1 == key.len();
        trie[place as usize] = u32::from(byte) | u32::from(is_leaf) << 8 | (place ^ (256 * (state as u32 + 1))) << 10;
    }
    trie[256 * key.len()] = at;
    let trie: Vec<u8> = trie.into_iter().flat_map(u32::to_le_bytes).collect();
    stored_map(&[&(trie.len() as u32).to_le_bytes()[..], &trie, texts.as_bytes()].concat())
}

pub fn stored_map(bytes: &[u8]) -> Value {
    json!({"type": "Precompiled", "precompiled_charsmap": BASE64_STANDARD.encode(bytes)})
}

/// An archive with so many empty entries.
pub fn archive(entries: u32) -> Vec<u8> {
    let name = |i: u32| format!("{i:08x}").into_bytes();
    let zeros = |bytes: usize| vec![0; bytes];
    let header = |i: u32| [&b"PK\x01\x02"[..], &zeros(24), &8_u16.to_le_bytes(), &zeros(16), &name(i)].concat();
    let directory: Vec<u8> = (0..entries).flat_map(header).collect();
    let (bytes, count) = (directory.len() as u64, u64::from(entries));
    // The directory begins at byte 4, after what torch's archives begin with. The counts are those of ZIP64.
    let numbers = [count, count, bytes, 4].map(u64::to_le_bytes).concat();
    let end64 = [&b"PK\x06\x06"[..], &44_u64.to_le_bytes(), &[45, 0, 45, 0], &zeros(8), &numbers].concat();
    let locator = [&b"PK\x06\x07"[..], &zeros(4), &(4 + bytes).to_le_bytes(), &1_u32.to_le_bytes()].concat();
    let end = [&b"PK\x05\x06"[..], &zeros(4), &[255; 12], &zeros(2)].concat();
    [&b"PK\x03\x04"[..], &directory, &end64, &locator, &end].concat()
}

/// The `config.json` of a small Longformer.
pub fn small_config(vocab_size: usize) -> String {
    let config = json!({"model_type": "longformer", "vocab_size": vocab_size, "hidden_size": 24, "pad_token_id": 0,
        "num_attention_heads": 2, "num_hidden_layers": 2, "max_position_embeddings": 18, "attention_window": 8});
    config.to_string()
}

/// A `spiece.model`.
///
/// - `bpe`: whether it is byte-pair encoding, else Unigram
/// - `user_defined`: pieces that are found in texts as they are
pub fn pieces(bpe: bool, normal: &[String], user_defined: &[String], charsmap: &[u8]) -> Vec<u8> {
    let piece = |text: &str, kind: u8| {
        let score = (-1_f32).to_le_bytes();
        field(1, &[&field(1, text.as_bytes())[..], &[0x15], &score, &[0x18, kind]].concat())
    };
    let special = [piece("<unk>", 2), piece("[CLS]", 3), piece("[SEP]", 3)];
    let normal = normal.iter().map(|text| piece(text, 1));
    let user_defined = user_defined.iter().map(|text| piece(text, 4));
    let sections = [field(2, &[0x18, 1 + u8::from(bpe)]), field(3, &field(2, charsmap))];
    special.into_iter().chain(normal).chain(user_defined).chain(sections).flatten().collect()
}

/// A field of bytes of a message of protocol buffers.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut all = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 128 {
        all.push(length as u8 | 128);
        length >>= 7;
    }
    all.push(length as u8);
    all.extend(content);
    all
}
