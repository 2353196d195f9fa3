//! Classes of tokenizers, and the pairs that their files state.

use super::*;

#[test]
fn other_classes_than_those_that_are_known_need_a_tokenizer_json() {
    let (spiece, json) = (unpacked("../golden/tokenizer/pieces-albert.model.gz"), minilm_json(|_| ()));
    for (class, file, content, expected) in [
        (
            "BertJapaneseTokenizer",
            "vocab.txt",
            &MINILM[..],
            "`BertTokenizer`, `DistilBertTokenizer`, `ElectraTokenizer`",
        ),
        (
            "HerbertTokenizerFast",
            "vocab.json",
            &b"{}"[..],
            "`RobertaTokenizer`, `LongformerTokenizer`, `BartTokenizer`",
        ),
        ("T5Tokenizer", "spiece.model", &spiece[..], "`AlbertTokenizer`"),
    ] {
        let class_json = json!({ "tokenizer_class": class }).to_string();
        for config in ["tokenizer_config.json", "config.json"] {
            let files = [(file, content), ("merges.txt", &b""[..]), (config, class_json.as_bytes())];
            let only = "of other classes only `tokenizer.json` is read";
            check_error(&files, &format!("`{file}`: tokenizer_class `{class}`: expected {expected}; {only}"));
            load(&[&files[..], &[("tokenizer.json", &json[..])]].concat());
        }
    }
    for (class, file, content) in
        [("ElectraTokenizerFast", "vocab.txt", &MINILM[..]), ("AlbertTokenizer", "spiece.model", &spiece[..])]
    {
        let class_json = json!({ "tokenizer_class": class }).to_string();
        load(&[(file, content), ("tokenizer_config.json", class_json.as_bytes())]);
    }
}

#[test]
fn the_form_of_pairs_is_that_of_the_tokenizer() {
    let config = |kind: &str| Config::from_json(json!({ "model_type": kind }).to_string().as_bytes()).unwrap();
    let form = |json: &[u8], config_json: &Value, kind: &str| {
        let config_json = config_json.to_string();
        let mut tokenizer = load(&[("tokenizer.json", json), ("tokenizer_config.json", config_json.as_bytes())]);
        tokenizer.fit_pairs(&config(kind));
        (tokenizer.separators(&config(kind)), tokenizer.document_type())
    };
    let (none, padded) = (
        json!({}),
        json!({"strategy": {"Fixed": 40}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}),
    );
    let with = |processor: Value| {
        minilm_json(|json| (json["post_processor"], json["padding"]) = (processor.clone(), padded.clone()))
    };
    let bert = minilm_json(|json| json["padding"] = padded.clone());
    let two = json!({"type": "RobertaProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101], "trim_offsets": true,
        "add_prefix_space": false});
    for kind in ["roberta", "bert", "distilbert"] {
        assert_eq!(form(&bert, &none, kind), (1, 1), "{kind}");
        assert_eq!(form(&bert, &json!({"tokenizer_class": "DistilBertTokenizer"}), kind), (1, 0), "{kind}");
        assert_eq!(form(&bert, &json!({"model_input_names": ["input_ids"]}), kind), (1, 0), "{kind}");
        assert_eq!(form(&with(two.clone()), &none, kind), (2, 0), "{kind}");
        assert_eq!(form(&with(json!({"type": "Sequence", "processors": [two]})), &none, kind), (2, 0), "{kind}");
    }
    let long = json!({"model_type": "bert", "attention_window": 8}).to_string();
    assert_eq!(load(&[("tokenizer.json", &bert)]).separators(&Config::from_json(long.as_bytes()).unwrap()), 2);
    // None, or one that would grow without end: the kind decides, or the class.
    let texts = vec![json!({"Sequence": {"id": "A", "type_id": 0}}); 15];
    let many = json!({"type": "TemplateProcessing", "single": texts, "pair": texts, "special_tokens": {}});
    for processor in [Value::Null, json!({"type": "Sequence", "processors": vec![many; 3]})] {
        assert_eq!(form(&with(processor.clone()), &none, "roberta"), (2, 0));
        assert_eq!(form(&with(processor.clone()), &none, "bert"), (1, 1));
        assert_eq!(form(&with(processor), &json!({"tokenizer_class": "BertTokenizer"}), "roberta"), (1, 1));
    }
}

#[test]
fn usual_special_tokens_are_those_of_the_class_or_the_kind() {
    let albert = unpacked("../golden/tokenizer/pieces-albert.model.gz");
    let spiece = [&albert[..], b"\n\x07\n\x03<s>\x18\x03\n\x08\n\x04</s>\x18\x03"].concat();
    let vocab = [&MINILM[..], b"<s>\n</s>\n<pad>\n<mask>\n<unk>\n"].concat();
    let json = minilm_json(|json| {
        for (name, id) in ["<s>", "</s>", "<pad>", "<mask>", "<unk>"].into_iter().zip(30_522..) {
            json["model"]["vocab"][name] = Value::from(id);
        }
    });
    let special = |tokenizer: &Tokenizer| {
        let optional = [tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.unk_token_id];
        (tokenizer.cls_token_id, tokenizer.sep_token_id, optional)
    };
    let bert = (101, 102, [Some(0), Some(103), Some(100)]);
    let roberta = (30_522, 30_523, [Some(30_524), Some(30_525), Some(30_526)]);
    let of_albert = special(&load(&[("spiece.model", &albert)]));
    for (file, content, config, expected) in [
        ("spiece.model", &spiece, json!({}), of_albert),
        ("spiece.model", &spiece, json!({"model_type": "albert"}), of_albert),
        ("vocab.txt", &vocab, json!({}), bert),
        ("vocab.txt", &vocab, json!({"model_type": "longformer"}), bert),
        ("vocab.txt", &vocab, json!({"model_type": "electra"}), bert),
        ("tokenizer.json", &json, json!({}), roberta),
        ("tokenizer.json", &json, json!({"model_type": "roberta"}), roberta),
        ("tokenizer.json", &json, json!({"model_type": "distilbert"}), bert),
        ("tokenizer.json", &json, json!({"model_type": "roberta", "tokenizer_class": "BertTokenizerFast"}), bert),
        ("tokenizer.json", &json, json!({"model_type": "bert", "tokenizer_class": "RobertaTokenizer"}), roberta),
    ] {
        let config_json = config.to_string();
        let tokenizer = load(&[(file, content), ("config.json", config_json.as_bytes())]);
        assert_eq!(special(&tokenizer), expected, "{file} {config}");
    }
}

#[test]
fn named_tokens_that_reading_does_not_need_may_be_missing() {
    let json = minilm_json(|_| ());
    let named = json!({"pad_token": "<pad>", "mask_token": "<mask>", "added_tokens_decoder": null});
    let tokenizer = minilm(Some(named));
    assert_eq!([tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.unk_token_id], [None, None, Some(100)]);
    let map = br#"{"pad_token": "<pad>", "mask_token": "<mask>", "unk_token": "<unk>"}"#;
    let tokenizer = load(&[("tokenizer.json", &json), ("special_tokens_map.json", map)]);
    assert_eq!([tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.unk_token_id], [None; 3]);
    let text = "Hello [MASK] \u{4e00}\u{1f600}";
    assert_eq!(tokenizer.encode(text).unwrap(), minilm(None).encode(text).unwrap());
}
