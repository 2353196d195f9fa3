//! Makes hostile files: small, but full of claims.

use serde_json::json;

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
