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
