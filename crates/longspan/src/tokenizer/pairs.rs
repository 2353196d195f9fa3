//! Makes the files of a tokenizer with which transformers encodes pairs as Longformer needs them.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use tokenizers::models::ModelWrapper;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PostProcessorWrapper, PreTokenizerWrapper};

use super::form::PairForm;
use super::format_error;
use super::load::{CONFIG, TokenizerFiles, guarded, read_json};
use crate::Result;

/// The files of a tokenizer beside a Longformer.
#[derive(Debug, Clone)]
pub struct PairFiles {
    /// `tokenizer.json`.
    pub tokenizer_json: Vec<u8>,
    /// `tokenizer_config.json`.
    pub tokenizer_config_json: Vec<u8>,
    /// Whether the source encoded pairs in another form.
    pub pairs_changed: bool,
}

impl PairFiles {
    /// Makes them from the files of any tokenizer that [`Tokenizer::load`](super::Tokenizer::load) takes.
    ///
    /// A pair is `<s> question </s></s> document </s>`, with the tokenizer's own names. With `token_types` the document and
    /// the last separator have type 1 and everything before them type 0; without, all types are 0. Nothing is truncated or
    /// padded unless the caller asks for it, and then at `max_tokens`.
    ///
    /// # Errors
    /// As [`Tokenizer::load`](super::Tokenizer::load).
    pub fn make(
        read: impl Fn(&str) -> Result<Option<Cow<'static, [u8]>>>,
        token_types: bool,
        max_tokens: usize,
    ) -> Result<Self> {
        guarded(|| {
            let mut opened = TokenizerFiles::read(&read)?;
            let file = opened.file;
            let failed = |error: tokenizers::Error| format_error(file, error);
            let pairs_changed = form_pairs(&mut opened, token_types).map_err(failed)?;
            let config: Map<String, Value> = read_json(&read, CONFIG)?.unwrap_or_default();
            let config = tokenizer_config(&opened, &config, token_types, max_tokens);
            Ok(Self {
                tokenizer_json: opened.inner.to_string(true).map_err(failed)?.into_bytes(),
                tokenizer_config_json: (format!("{config:#}\n")).into_bytes(),
                pairs_changed,
            })
        })
    }
}

/// Sets the form of pairs; `true` where transformers encoded them in another form before.
fn form_pairs(opened: &mut TokenizerFiles, token_types: bool) -> tokenizers::Result<bool> {
    let TokenizerFiles { inner, cls, sep, pad, mask, unk, .. } = &mut *opened;
    let known = inner.get_added_tokens_decoder();
    let roles = [Some(&*cls), Some(&*sep), pad.as_ref(), mask.as_ref(), unk.as_ref()].into_iter().flatten();
    let new = roles.filter(|(_, id)| !known.contains_key(id));
    // A mask absorbs the space before it, as in RoBERTa's training.
    let new = new.map(|(name, _)| AddedToken::from(name.clone(), true).lstrip(name == "<mask>"));
    let new: Vec<_> = new.collect();
    inner.add_special_tokens(new)?;
    let wanted = PairForm { separators: Some(2), pair_types: Some(token_types) };
    if PairForm::encoded(inner, cls.1, sep.1) == Some(wanted) {
        return Ok(false);
    }
    let TokenizerFiles { inner, cls, sep, .. } = opened;
    let post_processor: PostProcessorWrapper = match (inner.get_model(), inner.get_pre_tokenizer()) {
        // It leaves the space with which such tokens begin out of their offsets.
        (ModelWrapper::BPE(_), Some(PreTokenizerWrapper::ByteLevel(level))) if !token_types => {
            let processing = RobertaProcessing::new(sep.clone(), cls.clone()).trim_offsets(true);
            processing.add_prefix_space(level.add_prefix_space).into()
        }
        _ => {
            let second = u32::from(token_types);
            let (cls, sep) = (cls.clone(), sep.clone());
            let piece = |name: &str, token_type: u32| format!("{name}:{token_type}");
            let one = [piece(&cls.0, 0), piece("$A", 0), piece(&sep.0, 0)];
            let two = [piece(&sep.0, 0), piece("$B", second), piece(&sep.0, second)];
            let mut template = TemplateProcessing::builder();
            template.try_single(one.to_vec())?.try_pair([one, two].concat())?;
            template.special_tokens(vec![cls, sep]).build()?.into()
        }
    };
    // Vocabulary files of RoBERTa do not define pairs, and transformers encodes them in this form.
    let changed = token_types || inner.get_post_processor().is_some();
    inner.with_post_processor(Some(post_processor));
    Ok(changed)
}

/// The `tokenizer_config.json` for transformers. The class is the one that uses `tokenizer.json` unchanged.
fn tokenizer_config(
    files: &TokenizerFiles,
    source: &Map<String, Value>,
    token_types: bool,
    max_tokens: usize,
) -> Value {
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| config.insert(key.into(), value);
    set("tokenizer_class", json!("PreTrainedTokenizerFast"));
    set("model_max_length", json!(max_tokens));
    set("clean_up_tokenization_spaces", json!(false));
    // For Longspan these override tokenizer.json.
    for key in ["do_lower_case", "strip_accents", "tokenize_chinese_chars", "add_prefix_space"] {
        if let Some(value) = source.get(key).filter(|value| !value.is_null()) {
            set(key, value.clone());
        }
    }
    let (cls, sep) = (&files.cls.0, &files.sep.0);
    if cls == "<s>" {
        set("bos_token", json!(cls));
        set("eos_token", json!(sep));
    }
    set("cls_token", json!(cls));
    set("sep_token", json!(sep));
    for (key, role) in [("pad_token", &files.pad), ("mask_token", &files.mask), ("unk_token", &files.unk)] {
        if let Some((name, _)) = role {
            set(key, json!(name));
        }
    }
    let inputs: &[&str] = if token_types { &["token_type_ids"] } else { &[] };
    set("model_input_names", json!([&["input_ids"], inputs, &["attention_mask"]].concat()));
    Value::Object(config)
}
