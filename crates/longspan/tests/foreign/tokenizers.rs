//! Tokenizers of strangers: which are refused, with which message, and which are taken.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use longspan::checkpoint::Source;
use longspan::model::Precision;
use longspan::tokenizer::Tokenizer;
use longspan::{Error, Reader};
use serde_json::{Value, json};

use super::hostile::{added_token, character_map, replace, sequence, small_config, stored_map, tokenizer};
use super::{ALLOCATIONS, golden};

fn load(json: &Value) -> Result<Tokenizer, Error> {
    let content = json.to_string().into_bytes();
    Tokenizer::load(|name| Ok((name == "tokenizer.json").then(|| Cow::Owned(content.clone()))))
}

fn tens(count: usize) -> Value {
    sequence((0..count).map(|_| replace("String", "a", "aaaaaaaaaa")))
}

fn prepend(text: &str) -> Value {
    json!({"type": "Prepend", "prepend": text})
}

/// A byte-level BPE model with so many of its three merges.
fn merges(count: usize) -> Value {
    let vocab = json!({"[CLS]": 0, "[SEP]": 1, "a": 2, "b": 3, "aa": 4, "ab": 5, "aab": 6});
    json!({"type": "BPE", "vocab": vocab, "merges": (["a a", "a b", "a ab"])[..count]})
}

/// Texts may grow 1,024 times.
#[test]
fn steps_that_grow_texts_without_bound_are_refused() {
    let _counted = ALLOCATIONS.read();
    let byte_levels = |count: usize| {
        let step = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
        json!({"type": "Sequence", "pretokenizers": vec![step; count]})
    };
    let nested = |depth: usize| (0..depth).fold(tens(1), |inner, _| sequence([inner, tens(1)]));
    let named = |name: &str| json!({"type": name});
    let albert = [
        replace("String", "``", "\""),
        replace("String", "''", "\""),
        named("NFKD"),
        named("StripAccents"),
        named("Lowercase"),
        character_map("\u{fdfa}", 0, &"x".repeat(33)),
    ];
    let t5 = [character_map("\u{fdfa}", 0, &"x".repeat(33)), replace("Regex", " {2,}", "\u{2581}")];
    for (path, step, factor) in [
        ("/normalizer", tens(8), "100000000"),
        ("/normalizer", tens(4), "10000"),
        ("/normalizer", tens(100), "1e100"),
        ("/normalizer", tens(3), ""),
        ("/normalizer", nested(3), "10000"),
        ("/normalizer", nested(2), ""),
        ("/normalizer", sequence((0..4).map(|_| prepend("xxxxxxxxx"))), "10000"),
        ("/normalizer", prepend(&"x".repeat(1024)), "1025"),
        ("/normalizer", replace("String", "", &"x".repeat(1024)), "1025"),
        ("/normalizer", replace("Regex", "[a-z]", &"x".repeat(1024)), "1025"),
        ("/normalizer", replace("String", "ab", &"x".repeat(2050)), "1025"),
        ("/normalizer", replace("String", "ab", &"x".repeat(2048)), ""),
        ("/normalizer", character_map("a", 0, &"x".repeat(1025)), "1025"),
        ("/normalizer", character_map("\r\n", 0, &"x".repeat(2050)), "1025"),
        ("/normalizer", character_map("\u{e9}", 0, &"x".repeat(2050)), "1025"),
        ("/normalizer", character_map("\u{4e2d}", 0, &"x".repeat(3075)), "1025"),
        ("/normalizer", character_map("\u{4e2d}", 0, "one\0two"), ""),
        ("/normalizer", sequence((0..4).map(|_| character_map("a", 0, "aaaaaaaaaa"))), "10000"),
        ("/normalizer", sequence((0..3).map(|_| named("NFKC"))), "1331"),
        ("/normalizer", sequence((0..11).map(|_| named("ByteLevel"))), "2048"),
        ("/pre_tokenizer", byte_levels(7), "16402"), // three times for each, after BERT's normaliser
        ("/pre_tokenizer", byte_levels(1), ""),
        ("/normalizer", sequence(albert), ""),
        ("/normalizer", sequence(t5), ""),
    ] {
        let error = load(&tokenizer(&[(path, step.clone())])).err().map(|error| error.to_string());
        let expected = format!("`tokenizer.json`: its steps may make {factor} bytes of one, at most 1024 are allowed");
        assert_eq!(error, (!factor.is_empty()).then_some(expected), "{step}");
    }
}

#[test]
fn words_that_take_long_are_not_split() {
    let _counted = ALLOCATIONS.read();
    for (characters, is_refused) in [(100, false), (1000, false), (1001, true)] {
        let error = load(&tokenizer(&[("/model/max_input_chars_per_word", json!(characters))])).err();
        let expected = "`tokenizer.json`: max_input_chars_per_word 1001: at most 1000 are read".to_owned();
        assert_eq!(error.map(|error| error.to_string()), is_refused.then_some(expected));
    }
}

#[test]
fn hostile_tokenizers_are_refused() {
    let _counted = ALLOCATIONS.read();
    let added = |content: &str, set: &[&str]| ("/added_tokens", added_token(15, content, set));
    let long = "x".repeat(2049);
    let strip = json!({"type": "Strip", "strip_left": true, "strip_right": true});
    let steps = sequence((0..128).map(|_| replace("String", "a", "a")));
    for (changes, message) in [
        (vec![added("\u{200b}", &["normalized"])], "nothing is left of the added token 15 once it is normalized"),
        (vec![added("\u{301}", &["normalized"])], "nothing is left of the added token 15"),
        (vec![added("\u{200b}", &["normalized", "special"])], "nothing is left of the added token 15"),
        (vec![added(" \n", &["normalized"]), ("/normalizer", strip)], "nothing is left of the added token 15"),
        (
            vec![added("zz", &["normalized"]), ("/normalizer", replace("String", "z", ""))],
            "nothing is left of the added token 15",
        ),
        (vec![added(" ", &["rstrip"])], "the added token 15 begins with white space, which the added token 15 takes"),
        (
            vec![added("\nx", &[]), ("/added_tokens", added_token(16, "y", &["rstrip"]))],
            "the added token 15 begins with white space, which the added token 16 takes",
        ),
        (vec![("bread", json!(2))], "the tokens `[CLS]` and `bread` have the same id, 2"),
        (vec![("new", json!(5))], "the tokens `a` and `new` have the same id, 5"),
        (vec![("new", json!(16)), added("added", &[])], "the tokens `added` and `new` have the same id, 16"),
        (vec![("new", json!(1 << 25))], "a token has the id 33554432, the largest that is read is 16777216"),
        (vec![("new", json!(u32::MAX))], "a token has the id 4294967295"),
        (vec![(&long, json!(15))], "a token of 2049 bytes, at most 2048 are read"),
        (vec![added(&long, &[])], "a token of 2049 bytes, at most 2048 are read"),
        (vec![("/model/unk_token", json!(long))], "a token of 2049 bytes, at most 2048 are read"),
        (vec![("/model/continuing_subword_prefix", json!(long))], "a token of 2049 bytes, at most 2048 are read"),
        (vec![("/normalizer", steps)], "normalizer of 7459 bytes in 257 objects, at most 16384 and 256 are read"),
        (
            vec![("/normalizer", replace("Regex", &"x".repeat(20_000), ""))],
            "normalizer of 20054 bytes in 2 objects, at most 16384 and 256 are read",
        ),
        (vec![("/decoder", json!({"type": "Fuse", "x": "x".repeat(20_000)}))], "decoder of 20022 bytes"),
        (vec![("/post_processor", json!(vec![0; 10_000]))], "post_processor of 20001 bytes"),
        (vec![("/added_tokens", json!("x".repeat(5 << 20)))], "added_tokens of 5243"),
        (vec![("/normalizer", stored_map(&[255, 255, 255, 255, 0]))], "its precompiled_charsmap is damaged"),
        (vec![("/normalizer", stored_map(b"ab"))], "its precompiled_charsmap is damaged"),
        (
            vec![("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "?"}))],
            "its precompiled_charsmap is damaged",
        ),
        // A value beyond the texts, at which the crate `tokenizers` panics.
        (vec![("/normalizer", character_map("a", 9, "text"))], "its parts contradict each other"),
        (vec![("/model", merges(0))], "0 merges for 3 tokens of several characters: a file is cut"),
        (vec![("/model", merges(1))], "1 merges for 3 tokens of several characters: a file is cut"),
    ] {
        let error = load(&tokenizer(&changes)).expect_err(message).to_string();
        assert!(error.starts_with(&format!("`tokenizer.json`: {message}")), "{message}: {error}");
        assert_eq!(error.lines().count(), 1);
    }
    for changes in [
        vec![],
        vec![added("", &["normalized"])],
        vec![added("\u{200b}", &[])],
        vec![added(" ", &["lstrip"])],
        vec![added("bread", &["normalized"])],
        vec![("/added_tokens", added_token(3, "bread", &[]))], // it keeps the id of the vocabulary, 12
        vec![("new", json!(20))],
        vec![("/model/vocab", tokenizer(&[])["model"]["vocab"].clone())],
    ] {
        load(&tokenizer(&changes)).unwrap_or_else(|error| panic!("{changes:?}: {error}"));
    }
    // One merge may be missing.
    for count in [2, 3] {
        load(&tokenizer(&[("/model", merges(count)), ("/normalizer", Value::Null)])).unwrap();
    }
}

/// Some panics of the crate `tokenizers` depend on the text.
#[test]
fn a_text_that_a_tokenizer_cannot_take_is_an_error() {
    let _counted = ALLOCATIONS.read();
    let tokenizer = load(&tokenizer(&[("/normalizer", character_map("\u{4e2d}", 9, "text"))])).unwrap();
    assert!(tokenizer.encode("what is bread?").is_ok());
    let texts = ["\u{4e2d}".to_owned(), format!("{} \u{4e2d}", "what is bread? ".repeat(100_000))];
    for text in texts {
        let error = tokenizer.encode(&text).unwrap_err().to_string();
        assert_eq!(error, "`tokenizer.json`: its parts contradict each other");
    }
}

/// Steps can write a special token where the text has none.
#[test]
fn no_text_says_a_special_token() {
    let _counted = ALLOCATIONS.read();
    let words =
        json!({"type": "WordLevel", "vocab": {"[CLS]": 0, "[SEP]": 1, "[UNK]": 2, "a": 3}, "unk_token": "[UNK]"});
    let steps = sequence([replace("String", "[", ""), replace("String", "zz", "[SEP]")]);
    let split = json!({"type": "WhitespaceSplit"});
    let model = [("/model", words), ("/normalizer", steps), ("/pre_tokenizer", split)];
    let tokenizer_of_words = load(&tokenizer(&model)).unwrap();
    assert_eq!(tokenizer_of_words.encode("a [SEP] b").unwrap().ids, [3, 2, 2]);
    let error = tokenizer_of_words.encode("a zz b").unwrap_err().to_string();
    assert_eq!(error, "`tokenizer.json`: a text would become the special token 1");

    let mut whole = merges(3);
    whole["ignore_merges"] = json!(true);
    let model = [("/model", whole), ("/normalizer", Value::Null), ("/pre_tokenizer", Value::Null)];
    let error = load(&tokenizer(&model)).unwrap_err().to_string();
    assert_eq!(error, "`tokenizer.json`: the text `[CLS]` would become the special token");
}

#[test]
fn a_token_of_vocab_txt_may_come_twice() {
    let _counted = ALLOCATIONS.read();
    let vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nbread\n\nbread\n\nis";
    let read = |name: &str| Ok((name == "vocab.txt").then_some(Cow::Borrowed(vocab.as_bytes())));
    let tokenizer = Tokenizer::load(read).unwrap();
    assert_eq!(tokenizer.encode("bread is").unwrap().ids, [6, 8]);
}

/// Opens a folder with these files of a golden folder, cut.
fn open_cut(model: &Path, kept: &[&str], cut: impl Fn(&str, &str) -> String) -> String {
    let folder = tempfile::tempdir().unwrap();
    for name in kept {
        let content = fs::read_to_string(model.join(name)).unwrap();
        fs::write(folder.path().join(name), cut(name, &content)).unwrap();
    }
    Reader::from_source(&Source::Folder(folder.path().into()), Precision::F32).err().expect("no error").to_string()
}

/// Tokens and merges are compared before the weights are looked for.
#[test]
fn cut_vocabularies_are_errors_that_count_tokens() {
    let _counted = ALLOCATIONS.read();
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/embedded");
    let vocab_txt = |tokens: usize| {
        open_cut(&embedded, &["config.json", "tokenizer.json"], |name, content| {
            let mut json: Value = serde_json::from_str(content).unwrap();
            if name == "tokenizer.json" {
                let vocab = json["model"]["vocab"].as_object_mut().unwrap();
                vocab.retain(|_, id| id.as_u64().unwrap() < tokens as u64);
            }
            json.to_string()
        })
    };
    let most = "at most one of 32 may be missing";
    let cut = |tokens| format!("`tokenizer`: {tokens} tokens in `tokenizer.json`, the model has 30522: {most}");
    assert_eq!(vocab_txt(8217), cut(8217));
    assert_eq!(vocab_txt(29_500), cut(29_500));
    for padded in [29_600, 30_522] {
        let error = vocab_txt(padded);
        assert!(error.contains("no weights"), "{error}");
    }

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), small_config(16)).unwrap();
    for name in ["vocab.json", "merges.txt"] {
        fs::copy(golden("convert/roberta-qa").join(name), folder.path().join(name)).unwrap();
    }
    let merges_cut = open_cut(folder.path(), &["config.json", "vocab.json", "merges.txt"], |name, content| {
        content.chars().take(if name == "merges.txt" { 18 } else { usize::MAX }).collect()
    });
    assert_eq!(merges_cut, "`vocab.json`: 1 merges for 3 tokens of several characters: a file is cut");
}
