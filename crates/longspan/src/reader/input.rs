//! The input of the model for a question and a window of a document.

use crate::tokenizer::Tokenizer;

/// `<s> question </s></s> document </s>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReaderInput {
    /// Token ids: (T).
    pub ids: Vec<u32>,
    /// As in BERT's pairs, 0 through the last separator before the document and 1 after it, if the tokenizer makes such
    /// types, else 0; models with one type ignore them: (T).
    pub token_type_ids: Vec<u32>,
    /// Tokens before the document.
    pub before: usize,
}

impl ReaderInput {
    /// - `separators`: how many stand between question and document
    /// - `question`, `document`: token ids
    pub fn new(tokenizer: &Tokenizer, separators: usize, question: &[u32], document: &[u32]) -> Self {
        let before = 1 + question.len() + separators;
        let mut ids = Vec::with_capacity(before + document.len() + 1);
        ids.push(tokenizer.cls_token_id);
        ids.extend(question);
        ids.resize(before, tokenizer.sep_token_id);
        ids.extend(document);
        ids.push(tokenizer.sep_token_id);
        let mut token_type_ids = vec![0; before];
        token_type_ids.resize(ids.len(), tokenizer.document_type());
        Self { ids, token_type_ids, before }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::io::Read;
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    /// The files of a case by their names in a checkpoint: data, or models of SentencePiece.
    fn read(case: &Value, name: &str) -> Option<Cow<'static, [u8]>> {
        let files = case["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap());
        let (source, file) = files.filter_map(|file| file.split_once('-')).find(|(_, file)| *file == name)?;
        let path = match file.ends_with(".model") {
            true => format!("golden/tokenizer/pieces-{source}.model.gz"),
            false => format!("data/{source}-{file}.gz"),
        };
        let packed = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)).unwrap();
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut content).unwrap();
        Some(content.into())
    }

    #[test]
    fn each_kind_gets_its_pairs_as_transformers_makes_them() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tokenizer/pairs.json");
        let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for case in golden["pairs"].as_array().unwrap() {
            let config = Config::from_json(json!({"model_type": case["model_type"]}).to_string().as_bytes()).unwrap();
            let config_json = config.to_json();
            let tokenizer = Tokenizer::load(|name| {
                Ok(match name {
                    "config.json" => Some(config_json.clone().into_bytes().into()),
                    "tokenizer_config.json" => {
                        case.get("tokenizer_config").map(|config| config.to_string().into_bytes().into())
                    }
                    _ => read(case, name),
                })
            });
            let mut tokenizer = tokenizer.unwrap();
            tokenizer.fit_pairs(&config);
            let [question, document] =
                ["question", "document"].map(|text| tokenizer.encode(golden[text].as_str().unwrap()).unwrap().ids);
            let input = ReaderInput::new(&tokenizer, tokenizer.separators(&config), &question, &document);
            assert_eq!(json!(input.ids), case["input_ids"], "{}", case["model_type"]);
            assert_eq!(input.ids.len(), input.before + document.len() + 1);
            let types = input.token_type_ids;
            match case["token_type_ids"].is_null() {
                true => assert!(types.iter().all(|&kind| kind == 0), "{}", case["model_type"]),
                false => assert_eq!(json!(types), case["token_type_ids"], "{}", case["model_type"]),
            }
        }
    }
}
