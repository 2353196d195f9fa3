mod form;

use std::borrow::Cow;
use std::io::Read;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A file of `tests/data`.
fn data(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn unpacked(name: &str) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(&data(name)[..]).read_to_end(&mut content).unwrap();
    content
}

static MERGES: LazyLock<Vec<u8>> = LazyLock::new(|| unpacked("roberta-merges.txt.gz"));
static ROBERTA: LazyLock<Vec<u8>> = LazyLock::new(|| unpacked("roberta-vocab.json.gz"));
static MINILM: LazyLock<Vec<u8>> = LazyLock::new(|| unpacked("minilm-vocab.txt.gz"));

/// MiniLM's `tokenizer.json`, whose vocabulary is in a file of its own, with a change.
fn minilm_json(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(&data("minilm-tokenizer.json")).unwrap();
    let tokens = std::str::from_utf8(&MINILM).unwrap().lines();
    json["model"]["vocab"] = tokens.zip(0..).map(|(token, id)| (token.to_owned(), Value::from(id))).collect();
    change(&mut json);
    json.to_string().into_bytes()
}

/// A `tokenizer.json` of RoBERTa as it is made from its vocabulary and merges, with a change.
fn roberta_json(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut json: Value = serde_json::from_str(&roberta(None).inner.to_string(false).unwrap()).unwrap();
    change(&mut json);
    json.to_string().into_bytes()
}

fn try_load(files: &[(&str, &[u8])]) -> Result<Tokenizer> {
    let file = |name: &str| files.iter().find(|file| file.0 == name);
    Tokenizer::load(|name| Ok(file(name).map(|file| Cow::Owned(file.1.to_vec()))))
}

#[track_caller]
fn load(files: &[(&str, &[u8])]) -> Tokenizer {
    try_load(files).unwrap()
}

fn roberta(config: Option<Value>) -> Tokenizer {
    let config = config.unwrap_or(json!({})).to_string();
    load(&[("vocab.json", &ROBERTA), ("merges.txt", &MERGES), ("tokenizer_config.json", config.as_bytes())])
}

fn minilm(config: Option<Value>) -> Tokenizer {
    let config = config.unwrap_or(json!({})).to_string();
    load(&[("vocab.txt", &MINILM), ("tokenizer_config.json", config.as_bytes())])
}

#[track_caller]
fn check_error(files: &[(&str, &[u8])], expected: &str) {
    assert_eq!(try_load(files).expect_err("no error").to_string(), expected);
}

#[test]
fn known_answer() {
    let roberta = roberta(None);
    let ids = roberta.encode("What has Huggingface done ?").unwrap().ids;
    let input = [&[roberta.cls_token_id], &ids[..], &[roberta.sep_token_id]].concat();
    assert_eq!(input, [0, 2264, 34, 30581, 3923, 9021, 626, 17487, 2]);
}

#[test]
fn special_tokens_and_sizes() {
    let roberta = roberta(None);
    assert_eq!((roberta.cls_token_id, roberta.sep_token_id), (0, 2));
    let optional = [roberta.pad_token_id, roberta.mask_token_id, roberta.unk_token_id];
    assert_eq!(optional, [Some(1), Some(50264), Some(3)]);
    assert_eq!(roberta.vocab_size, 50265);

    for minilm in [minilm(None), load(&[("tokenizer.json", &minilm_json(|_| {}))])] {
        assert_eq!((minilm.cls_token_id, minilm.sep_token_id), (101, 102));
        assert_eq!([minilm.pad_token_id, minilm.mask_token_id, minilm.unk_token_id], [Some(0), Some(103), Some(100)]);
        assert_eq!(minilm.vocab_size, 30522);
    }

    let named = minilm(Some(json!({"cls_token": {"content": "[unused7]"}, "pad_token": null})));
    assert_eq!((named.cls_token_id, named.pad_token_id), (8, Some(0)));
    assert_eq!(named.encode("[unused7]").unwrap(), minilm(None).encode("[unused7]").unwrap());
    let map = br#"{"cls_token": "[unused7]"}"#;
    assert_eq!(load(&[("vocab.txt", &MINILM), ("special_tokens_map.json", map)]).cls_token_id, 8);
}

/// The tokenizer of a case of a golden file.
fn golden_tokenizer(case: &Value) -> Tokenizer {
    let config = Some(case["tokenizer_config"].clone()).filter(|config| !config.is_null());
    match (case["name"].as_str().unwrap(), case["files"][0].as_str().unwrap()) {
        ("roberta", _) => roberta(config),
        ("minilm", "vocab.txt") => minilm(config),
        _ => load(&[("tokenizer.json", &minilm_json(|_| {}))]),
    }
}

#[track_caller]
fn check_tokens(tokenizer: &Tokenizer, texts: &Value, case: &Value) {
    for (text, expected) in texts.as_array().unwrap().iter().zip(case["tokens"].as_array().unwrap()) {
        let text = text.as_str().unwrap();
        let tokens = tokenizer.encode(text).unwrap();
        assert_eq!(json!(tokens.ids), expected["ids"], "{} {}: {text:?}", case["name"], case["tokenizer_config"]);
        let spans: Vec<_> = tokens.spans.iter().map(|span| (span.start, span.end)).collect();
        assert_eq!(json!(spans), expected["spans"], "{} {}: {text:?}", case["name"], case["tokenizer_config"]);
    }
}

/// A golden file: its texts, and its cases.
fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/tokenizer/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn same_tokens_as_transformers() {
    let golden = golden("tokens.json");
    for case in golden["tokenizers"].as_array().unwrap() {
        check_tokens(&golden_tokenizer(case), &golden["texts"], case);
    }
}

/// In twenty scripts.
#[test]
fn sentencepiece_files_give_the_tokens_of_transformers() {
    let golden = golden("pieces.json");
    for case in golden["tokenizers"].as_array().unwrap() {
        let model = unpacked(&format!("../golden/tokenizer/pieces-{}.model.gz", case["name"].as_str().unwrap()));
        let file = case["file"].as_str().unwrap();
        let config = case["tokenizer_config"].to_string();
        let mut files = vec![(file, &model[..])];
        if !case["tokenizer_config"].is_null() {
            files.push(("tokenizer_config.json", config.as_bytes()));
        }
        let tokenizer = load(&files);
        let special = [Some(tokenizer.cls_token_id), Some(tokenizer.sep_token_id), tokenizer.pad_token_id];
        assert_eq!(json!([&special[..], &[tokenizer.mask_token_id]].concat()), case["special"], "{}", case["name"]);
        check_tokens(&tokenizer, &golden["texts"], case);
        // And so does the `tokenizer.json` that is made of it.
        let json = tokenizer.inner.to_string(false).unwrap();
        check_tokens(&load(&[("tokenizer.json", json.as_bytes())]), &golden["texts"], case);
        // Every cut and every changed byte is an error or a tokenizer, never a panic or more memory than the file.
        for cut in (0..model.len()).step_by(model.len() / 50) {
            let _ = try_load(&[(file, &model[..cut])]);
            let mut changed = model.clone();
            changed[cut] ^= 0x55;
            let _ = try_load(&[(file, &changed)]);
        }
    }
    let model = unpacked("../golden/tokenizer/pieces-french.model.gz");
    for camembert in [r#"{"model_type": "camembert", "x": NaN}"#, r#"{"architectures": ["CamembertForMaskedLM"]}"#] {
        let files = [("sentencepiece.bpe.model", &model[..]), ("config.json", camembert.as_bytes())];
        assert_eq!(load(&files).cls_token_id, 5, "{camembert}");
    }
    check_error(
        &[("spiece.model", b"<!DOCTYPE html>")],
        "`spiece.model`: damaged: no model of SentencePiece, or cut off",
    );
    // All steps that a tokenizer can have: those of ALBERT, and the map of the published models.
    let unigram = unpacked("../golden/tokenizer/pieces-unigram.model.gz");
    load(&[("spiece.model", &unigram), ("tokenizer_config.json", br#"{"cls_token":"<s>","sep_token":"</s>"}"#)]);
    let again = [&model[..], b"\n\x05\n\x03abc"].concat();
    check_error(
        &[("spiece.model", &[&again[..], b"\n\x05\n\x03abc"].concat())],
        "`spiece.model`: the piece `abc` is there twice",
    );
}

#[test]
fn an_added_token_without_an_embedding_is_refused_in_a_text_only() {
    let config =
        |rows: usize| Config::from_json(format!(r#"{{"model_type":"bert","vocab_size":{rows}}}"#).as_bytes()).unwrap();
    for special in [false, true] {
        let added = json!({"added_tokens_decoder": {"30522": {"content": "<ent>", "special": special}}});
        let mut tokenizer = minilm(Some(added));
        tokenizer.fit(&config(30_522)).unwrap();
        assert_eq!(tokenizer.encode("Hello world").unwrap(), minilm(None).encode("Hello world").unwrap());
        let error = tokenizer.encode("an <ent> here").unwrap_err();
        assert_eq!(error.to_string(), "the text has the added token `<ent>`, for which the model has no embedding");
        tokenizer.fit(&config(30_523)).unwrap();
        let ids = tokenizer.encode("an <ent> here").unwrap().ids;
        assert_eq!(ids.contains(&30_522), !special, "a special token is text");
        assert!(tokenizer.fit(&config(30_521)).unwrap_err().to_string().contains("30522 tokens, the model has 30521"));
    }
}

/// Words of 10,000 letters, in texts that are cut.
#[test]
fn long_words_give_the_tokens_of_transformers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tokenizer/long.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let checksum = |numbers: &mut dyn Iterator<Item = u32>| {
        crc32fast::hash(&numbers.flat_map(u32::to_le_bytes).collect::<Vec<_>>())
    };
    for case in golden["tokenizers"].as_array().unwrap() {
        let tokenizer = golden_tokenizer(case);
        for (text, expected) in golden["texts"].as_array().unwrap().iter().zip(case["tokens"].as_array().unwrap()) {
            let word = [
                text[0].as_str().unwrap().repeat(text[1].as_u64().unwrap() as usize).as_str(),
                text[2].as_str().unwrap(),
            ]
            .concat();
            let Tokens { ids, spans } = tokenizer.encode(&word.repeat(text[3].as_u64().unwrap() as usize)).unwrap();
            let found = [
                ids.len() as u32,
                checksum(&mut ids.iter().copied()),
                checksum(&mut spans.iter().flat_map(|span| [span.start, span.end])),
            ];
            assert_eq!(json!(found), *expected, "{} {}: {text}", case["name"], case["tokenizer_config"]);
        }
    }
}

/// A word that is longer than a piece is cut, and its tokens are those of its parts.
#[test]
fn words_without_end_are_cut() {
    let letters = 300_000;
    for (tokenizer, letter, tokens) in
        [(roberta(None), "x", 37_500), (minilm(None), "x", 3), (minilm(None), "\u{4e2d}", letters)]
    {
        let text = letter.repeat(letters);
        let found = tokenizer.encode(&text).unwrap();
        check_spans(&text, &found).unwrap();
        assert!(found.ids.len().abs_diff(tokens) <= 8, "{letter}: {}", found.ids.len());
        assert_eq!(found.spans[0].start, 0);
        assert_eq!(found.spans.last().unwrap().end as usize, text.len());
        assert!(found.spans.array_windows().all(|[a, b]| a.end == b.start));
    }
}

/// Settings of a file that could change how text is tokenized.
fn hostile(json: &mut Value) {
    json["truncation"] = json!({"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"});
    for token in json["added_tokens"].as_array_mut().unwrap() {
        for (key, value) in [("lstrip", true), ("rstrip", true), ("normalized", true), ("special", false)] {
            token[key] = Value::from(value);
        }
    }
}

#[test]
fn words_are_made_of_tokens() {
    for (tokenizer, words) in [
        (minilm(None), "un|afford|##ability of ## re|##tro|##fi|##tting"),
        (roberta(None), "They|'|re un|aff|ord|ability of re|tro|fit|ting"),
    ] {
        let text = words.split(' ').map(|word| word.replace("|##", "").replace('|', "")).collect::<Vec<_>>().join(" ");
        let (ids, continues) = (tokenizer.encode(&text).unwrap().ids, tokenizer.continues_word());
        assert_eq!(continues.len(), tokenizer.vocab_size);
        let begun = ids.iter().skip(1).filter(|&&id| !continues[id as usize]).count();
        assert!(begun >= 3 && begun < ids.len() - 3, "{text}: {ids:?}");
        for special in [tokenizer.cls_token_id, tokenizer.sep_token_id] {
            assert!(!continues[special as usize]);
        }
    }
}

#[test]
fn files_cannot_change_text() {
    let texts = [
        "<s>a</s></s>b <pad><pad>  <mask>  <unk> c\n<mask>\n",
        "[CLS] question [SEP] [SEP] document [SEP][PAD]  [MASK]  [UNK] x[MASK]",
        "one two three four five six seven eight nine ten",
    ];
    let hostile_roberta = load(&[("tokenizer.json", &roberta_json(hostile))]);
    let dropout = load(&[("tokenizer.json", &roberta_json(|json| json["model"]["dropout"] = json!(0.9)))]);
    let hostile_minilm = load(&[("tokenizer.json", &minilm_json(hostile))]);
    for text in texts {
        let plain = roberta(None).encode(text).unwrap();
        assert!(plain.ids.iter().all(|id| ![0, 1, 2, 3, 50264].contains(id)), "{text}");
        assert_eq!(hostile_roberta.encode(text).unwrap(), plain);
        assert_eq!(dropout.encode(text).unwrap(), plain);
        let plain = minilm(None).encode(text).unwrap();
        assert!(plain.ids.iter().all(|id| ![0, 100, 101, 102, 103].contains(id)), "{text}");
        assert_eq!(hostile_minilm.encode(text).unwrap(), plain);
    }
}

#[test]
fn tokenizer_config_overrides_tokenizer_json() {
    let json = roberta_json(|_| {});
    let with_space = load(&[("tokenizer.json", &json), ("tokenizer_config.json", br#"{"add_prefix_space": true}"#)]);
    let text = "Hello world";
    assert_eq!(with_space.encode(text).unwrap().ids, roberta(None).encode(" Hello world").unwrap().ids);
    let expected = [(0, 5), (6, 11)].map(|(start, end)| ByteSpan32 { start, end });
    assert_eq!(with_space.encode(text).unwrap().spans, expected);

    let json = minilm_json(|_| {});
    let config = json!({"do_lower_case": false, "tokenize_chinese_chars": false, "strip_accents": true});
    let cased = load(&[("tokenizer.json", &json), ("tokenizer_config.json", config.to_string().as_bytes())]);
    for text in ["Hello caf\u{e9}", "\u{4e2d}\u{6587}"] {
        assert_eq!(cased.encode(text).unwrap(), minilm(Some(config.clone())).encode(text).unwrap());
    }
}

#[test]
fn added_tokens_extend_a_vocabulary() {
    let config = json!({"added_tokens_decoder": {
        "50264": {"content": "<mask>", "lstrip": true, "special": true},
        "50265": {"content": "Longspan"},
    }});
    let tokenizer = roberta(Some(config));
    assert_eq!(tokenizer.vocab_size, 50266);
    assert_eq!(tokenizer.encode("Longspan").unwrap().ids, [50265]);
    let named = load(&[("vocab.txt", &MINILM), ("added_tokens.json", br#"{"longspan": 30522}"#)]);
    assert_eq!(named.encode("Longspan").unwrap().ids, [30522]);
    assert_eq!(named.vocab_size, 30523);

    check_error(
        &[("vocab.txt", &MINILM), ("added_tokens.json", br#"{"longspan": 40000}"#)],
        "`tokenizer_config.json`: added token `longspan`: expected id 40000, the vocabulary gives 30522",
    );
    for key in ["single_word", "lstrip", "rstrip", "normalized", "special"] {
        let config = json!({"added_tokens_decoder": {"30522": {"content": "longspan", key: null}}}).to_string();
        let error = try_load(&[("vocab.txt", &MINILM), ("tokenizer_config.json", config.as_bytes())]).unwrap_err();
        let expected = "`tokenizer_config.json`: invalid type: null, expected a boolean";
        assert!(error.to_string().starts_with(expected), "{key}: {error}");
    }
}

#[test]
fn errors_name_the_file_and_the_token() {
    let files = "neither tokenizer.json, nor vocab.json with merges.txt, nor vocab.txt, nor sentencepiece.bpe.model";
    check_error(&[], &format!("no tokenizer: {files}, nor spiece.model"));
    check_error(&[("vocab.json", b"{}")], &Error::MissingTokenizer.to_string());
    check_error(&[("vocab.txt", b"[CLS]\n[UNK]\n")], "`vocab.txt`: the vocabulary has neither `</s>` nor `[SEP]`");
    check_error(&[("vocab.txt", b"[CLS]\n[SEP]\n")], "`vocab.txt`: no token `[UNK]` in the vocabulary");
    check_error(
        &[("vocab.txt", &MINILM), ("special_tokens_map.json", br#"{"cls_token": "<cls>"}"#)],
        "`vocab.txt`: no token `<cls>` in the vocabulary",
    );
    check_error(
        &[("vocab.json", b"{\"a\": 0}"), ("merges.txt", b"#version: 0.2\na b c\n")],
        "`merges.txt`: line 2: expected two tokens, found `a b c`",
    );
    let word = json!({
        "version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": {"<s>": 0, "</s>": 1, "<unk>": 2}, "unk_token": "<unk>"},
    });
    check_error(
        &[("tokenizer.json", word.to_string().as_bytes())],
        "`tokenizer.json`: the text `<s>` would become the special token",
    );
    for (file, content) in [("tokenizer.json", "{"), ("vocab.json", "[]"), ("vocab.txt", "\u{1}")] {
        let files = [(file, content.as_bytes()), ("merges.txt", b"\xff")];
        assert!(matches!(try_load(&files), Err(Error::Format { .. })), "{file}");
    }
}

/// Tokenizers with each rule for cutting, with all kinds of places and with the last kind alone.
static CUT: LazyLock<Vec<(&str, Tokenizer)>> = LazyLock::new(|| {
    let mut last = cut();
    last.iter_mut().for_each(|(_, tokenizer)| tokenizer.cut_rule.keep_the_last_places());
    [cut(), last].into_iter().flatten().collect()
});

fn cut() -> Vec<(&'static str, Tokenizer)> {
    let metaspace = |scheme: &str| {
        let json = roberta_json(|json| {
            json["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": "\u{120}", "prepend_scheme": scheme});
        });
        load(&[("tokenizer.json", &json)])
    };
    let added_to = |id: u32, lstrip: bool| {
        json!([
            {"id": id, "content": "New", "single_word": true, "lstrip": lstrip, "rstrip": false, "normalized": true, "special": false},
            {"id": id + 1, "content": "d1-", "single_word": false, "lstrip": lstrip, "rstrip": false, "normalized": false, "special": false},
        ])
    };
    vec![
        ("byte-level", roberta(None)),
        ("byte-level with a prefix space", roberta(Some(json!({"add_prefix_space": true})))),
        (
            "byte-level with added tokens",
            load(&[("tokenizer.json", &roberta_json(|json| json["added_tokens"] = added_to(50265, true)))]),
        ),
        ("WordPiece", minilm(None)),
        ("WordPiece, cased", minilm(Some(json!({"do_lower_case": false})))),
        ("WordPiece, Chinese in words", minilm(Some(json!({"tokenize_chinese_chars": false})))),
        (
            "WordPiece with added tokens",
            load(&[("tokenizer.json", &minilm_json(|json| json["added_tokens"] = added_to(30522, false)))]),
        ),
        ("WordPiece, cased, without accents", minilm(Some(json!({"do_lower_case": false, "strip_accents": true})))),
        ("metaspace always", metaspace("always")),
        ("metaspace first", metaspace("first")),
        ("metaspace never", metaspace("never")),
    ]
}

/// Parts of text between which cuts are hard, separated by bars.
const HARD: &str = concat!(
    " | | |  |   |\n|\n|\r\n|\t|\r|\u{b}|\u{85}|\u{a0}|\u{3000}|\u{2028}|\u{1c}|\u{0}|\u{7}|\u{200b}|\u{200d}|",
    "\u{feff}|\u{fffd}|\u{ad}|\u{e000}|\u{378}|\u{301}|\u{323}|\u{307}|\u{302e}|\u{1d165}|\u{f71}\u{f72}|e\u{301}|",
    "\u{e9}|\u{130}|\u{1f468}\u{200d}\u{1f469}|\u{1f1e9}|\u{1f44d}\u{1f3fd}|\u{2764}\u{fe0f}|\u{4e2d}|\u{2f800}|",
    "</s>|<mask>|<pad>|[SEP]|[MASK]|New|word1-|'s|'ll|'|.|?!|##|\u{120}|\u{2581}|a|The|word|123|\u{bd}|",
    "\u{3001}|\u{ff01}|\u{93f}|\u{964}|\u{e01}|\u{1d7d8}|!'ll|x'1|'x|",
    "\u{5e9}\u{5c1}|\u{ac00}|\u{1100}\u{1161}|\u{3a3}|antidisestablish"
);

/// Text of such parts and of random characters.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => prop::sample::select(HARD.split('|').collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-zA-Z]{1,9}",
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

/// Spans lie in the text, between characters, in order, and have no white space at their ends.
fn check_spans(text: &str, tokens: &Tokens) -> std::result::Result<(), TestCaseError> {
    prop_assert_eq!(tokens.ids.len(), tokens.spans.len());
    prop_assert!(tokens.spans.is_sorted_by_key(|span| span.start), "{:?}", tokens.spans);
    for &ByteSpan32 { start, end } in &tokens.spans {
        let token = text.get(start as usize..end as usize);
        prop_assert!(token.is_some_and(|token| token.trim() == token), "{start}..{end}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(700) })]

    #[test]
    fn pieces_give_the_tokens_of_the_whole(text in text(), piece_bytes in 0usize..12) {
        let sizes = PieceSizes { piece_bytes, stretch_bytes: usize::MAX };
        for (name, tokenizer) in CUT.iter() {
            prop_assert!(tokenizer.cut_rule.is_exact(), "{}", name);
            let whole = tokenizer.encode_piece(&text, 0..text.len()).unwrap();
            check_spans(&text, &whole)?;
            let in_pieces = tokenizer.encode_in_pieces(&text, sizes).unwrap();
            prop_assert_eq!(in_pieces, whole, "{}: {:?}", name, text);
        }
    }

    #[test]
    fn pieces_cover_the_text(text in text(), piece_bytes in 0usize..12, stretch_bytes in 0usize..12) {
        let sizes = PieceSizes { piece_bytes, stretch_bytes };
        for (_, tokenizer) in CUT.iter() {
            let mut end = 0;
            for piece in tokenizer.cut_rule.pieces(&text, sizes) {
                prop_assert_eq!(piece.start, end);
                prop_assert!(piece.end > piece.start || text.is_empty());
                prop_assert!(piece.len() <= piece_bytes.max(1) + stretch_bytes + 8, "{:?}", piece);
                end = piece.end;
            }
            prop_assert_eq!(end, text.len());
            let whole = tokenizer.encode_in_pieces(&text, sizes).unwrap();
            check_spans(&text, &whole)?;
        }
    }
}

#[test]
fn tokenizers_with_unusual_steps_are_cut_rarely() {
    let change_of = |key: &'static str, value: Value| move |json: &mut Value| json[key] = value.clone();
    let added = |content: &str, rstrip: bool| {
        json!([{"id": 50265, "content": content, "single_word": false, "lstrip": false, "rstrip": rstrip,
            "normalized": false, "special": false}])
    };
    let changes = [
        change_of(
            "pre_tokenizer",
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}),
        ),
        change_of(
            "pre_tokenizer",
            json!({"type": "Metaspace", "replacement": "\u{120}", "prepend_scheme": "always", "split": false}),
        ),
        change_of("normalizer", json!({"type": "Replace", "pattern": {"String": "a "}, "content": "b"})),
        change_of("added_tokens", added("New York", false)),
        change_of("added_tokens", added("New", true)),
        change_of("added_tokens", added("\u{4e2d}", false)),
    ];
    let takes_space = json!([{"id": 30522, "content": "New", "single_word": false, "lstrip": true, "rstrip": false,
        "normalized": true, "special": false}]);
    let wordpiece = minilm_json(|json| json["added_tokens"] = takes_space.clone());
    for json in changes.map(roberta_json).into_iter().chain([wordpiece]) {
        let tokenizer = load(&[("tokenizer.json", &json)]);
        assert!(!tokenizer.cut_rule.is_exact());
        let text = "a New York \u{4e2d} New one";
        assert_eq!(tokenizer.encode(text).unwrap(), tokenizer.encode_piece(text, 0..text.len()).unwrap());
        // Longer ones are cut before white space, and spans stay exact.
        let long = format!("{text} {text}").repeat(1 << 17);
        check_spans(&long, &tokenizer.encode(&long).unwrap()).unwrap();
        assert!(tokenizer.cut_rule.pieces(&long, PIECES).count() > 1);
    }
}

/// Also where the pieces of a text are cut within words, the words alone begin with a space.
#[test]
fn words_of_sentencepiece_begin_in_pieces_as_in_the_whole() {
    for (name, file) in [("albert", "spiece.model"), ("unigram", "sentencepiece.bpe.model")] {
        let model = unpacked(&format!("../golden/tokenizer/pieces-{name}.model.gz"));
        let one_step = load(&[(file, &model)]);
        let mut json: Value = serde_json::from_str(&one_step.inner.to_string(false).unwrap()).unwrap();
        let steps = [json!({"type": "WhitespaceSplit"}), json["pre_tokenizer"].take()];
        json["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": steps});
        let two_steps = load(&[("tokenizer.json", json.to_string().as_bytes())]);
        for (steps, tokenizer) in [one_step, two_steps].iter().enumerate() {
            assert!(!tokenizer.cut_rule.is_exact());
            let begins = |text: &str, tokens: &Tokens| {
                check_spans(text, tokens).unwrap();
                let token = |id: &u32| tokenizer.inner.id_to_token(*id).unwrap();
                let begin = tokens.ids.iter().zip(&tokens.spans).filter(|(id, _)| token(id).starts_with('\u{2581}'));
                begin.map(|(_, span)| span.start).collect::<Vec<_>>()
            };
            for part in ["in\u{e9}te", "some\n", "some thing\u{3000}"] {
                let text = part.repeat(1_200_000 / part.len()) + " one two";
                assert!(tokenizer.cut_rule.pieces(&text, PIECES).count() > 1);
                let whole = begins(&text, &tokenizer.encode_piece(&text, 0..text.len()).unwrap());
                let found = begins(&text, &tokenizer.encode(&text).unwrap());
                assert_eq!(found.len(), whole.len(), "{name} with {} steps, {part:?}", steps + 1);
                assert!(found == whole, "{name} with {} steps, {part:?}", steps + 1);
            }
        }
    }
}

#[test]
fn long_texts() {
    // The text repeats one line, so its tokens are known without tokenizing it at once.
    let line = "The quick brown fox\njumps over the lazy dog; caf\u{e9} \u{1f600}\r\n\n</s>.\n";
    for tokenizer in [roberta(None), minilm(None)] {
        let count = 20_000;
        let one = tokenizer.encode(line).unwrap();
        let tokens = tokenizer.encode(&line.repeat(count)).unwrap();
        assert_eq!(tokens.ids.len(), count * one.ids.len());
        for (at, ids) in tokens.ids.chunks(one.ids.len()).enumerate() {
            assert_eq!(ids, one.ids);
            let ByteSpan32 { start, end } = tokens.spans[at * one.ids.len()];
            assert_eq!(start as usize, at * line.len());
            assert_eq!(end - start, 3);
        }
    }
}

#[test]
fn long_runs() {
    // A run without a place to cut is one piece. The regex engine of the pre-tokenizer gives up after a million
    // backtracking steps; the tokens must be right all the same.
    for (tokenizer, runs) in [(roberta(None), [" ", "\u{3000}", "x"]), (minilm(None), [" ", "\u{301}", "x"])] {
        for run in runs {
            let text = format!("a{} b c", run.repeat(1_100_000));
            let tokens = tokenizer.encode(&text).unwrap();
            let ends: Vec<_> = tokens.spans.iter().rev().take(2).map(|span| text.len() as u32 - span.end).collect();
            assert_eq!(ends, [0, 2], "a run of {run:?}");
        }
    }
}

/// Files on which the tokenizers crate itself panics.
#[test]
fn a_tokenizer_that_contradicts_itself_is_an_error() {
    let file = |model: &str, normalizer: &str, pre_tokenizer: &str| {
        format!(
            r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{normalizer},
                "pre_tokenizer":{pre_tokenizer},"post_processor":null,"decoder":null,"model":{model}}}"#
        )
    };
    let model = r#"{"type":"BPE","vocab":{"<s>":0,"</s>":1,"a":2,"b":3,"ab":4},"merges":["a b"]}"#;
    let prefixed = model.replace(r#""merges""#, r#""continuing_subword_prefix":"xxx","merges""#);
    for json in [
        file(&prefixed, "null", "null"),
        file(model, r#"{"type":"Precompiled","precompiled_charsmap":"AAAA"}"#, "null"),
        file(model, "null", r#"{"type":"FixedLength","length":0}"#),
    ] {
        let read = |name: &str| Ok((name == "tokenizer.json").then(|| Cow::Owned(json.clone().into_bytes())));
        assert!(matches!(Tokenizer::load(read), Err(Error::Format { .. })), "{json}");
    }
}

/// The Unigram model of XLM-RoBERTa has `<s>` among its pieces, with the best score.
#[test]
fn text_never_gives_special_tokens_of_xlm_roberta() {
    let json = include_bytes!("../../tests/golden/convert/xlm-roberta-qa/tokenizer.json");
    let tokenizer = load(&[("tokenizer.json", json)]);
    let stored = tokenizers::Tokenizer::from_bytes(json).unwrap();
    let special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id.unwrap()];
    assert_eq!((special, tokenizer.mask_token_id, tokenizer.unk_token_id), ([0, 2, 1], Some(15), Some(3)));
    for text in ["a b", "a is bread?", "cab ? xyz", "  a\n b "] {
        assert_eq!(tokenizer.encode(text).unwrap().ids, stored.encode(text, false).unwrap().get_ids(), "{text:?}");
    }
    for text in ["<s>", "a </s> b", "a<pad>b <mask>"] {
        let ids = tokenizer.encode(text).unwrap().ids;
        assert!(ids.iter().all(|id| !special.contains(id) && *id != 15), "{text:?}: {ids:?}");
    }
}
