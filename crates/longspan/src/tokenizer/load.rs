//! From the files of a checkpoint to a tokenizer.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Map;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    AddedToken, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer as Inner,
};

use super::check::check;
use super::form::{BERT, PairForm, ROBERTA, TokenizerClass, UsualNames};
use super::outline::{check_count, check_values, merges_of};
use super::pieces::CutRule;
use super::sentencepiece::{self, PieceOptions};
use super::{Tokenizer, format_error};
use crate::config::{ModelKind, kind_of, tokenizer_class};
use crate::error::unless_it_panics;
use crate::{Error, Result, json};

pub(super) type Read<'a> = &'a dyn Fn(&str) -> Result<Option<Cow<'static, [u8]>>>;

const TOKENIZER_JSON: &str = "tokenizer.json";
const VOCAB_JSON: &str = "vocab.json";
const MERGES_TXT: &str = "merges.txt";
const VOCAB_TXT: &str = "vocab.txt";
/// The kind of the model decides which form its pieces have.
const MODEL_CONFIG: &str = "config.json";
pub(super) const CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";

/// The keys of `tokenizer_config.json` that matter here.
#[derive(Debug, Default, Deserialize)]
struct TokenizerConfig {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    add_prefix_space: Option<bool>,
    keep_accents: Option<bool>,
    tokenizer_class: Option<String>,
    model_input_names: Option<Vec<String>>,
    added_tokens_decoder: Option<BTreeMap<u32, TokenAdded>>,
    #[serde(flatten)]
    special: SpecialTokens,
}

/// The names of the special tokens, in `tokenizer_config.json` or `special_tokens_map.json`.
#[derive(Debug, Default, Deserialize)]
struct SpecialTokens {
    cls_token: Option<TokenName>,
    sep_token: Option<TokenName>,
    pad_token: Option<TokenName>,
    mask_token: Option<TokenName>,
    unk_token: Option<TokenName>,
}

/// A token, as a string or as an object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TokenName {
    Text(String),
    Token { content: String },
}

impl TokenName {
    fn content(&self) -> &str {
        match self {
            TokenName::Text(content) | TokenName::Token { content } => content,
        }
    }
}

/// An entry of `added_tokens_decoder`.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct TokenAdded {
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

impl Default for TokenAdded {
    fn default() -> Self {
        let (single_word, lstrip, rstrip, normalized, special) = (false, false, false, true, false);
        Self { content: String::new(), single_word, lstrip, rstrip, normalized, special }
    }
}

impl Tokenizer {
    /// Loads `tokenizer.json`, or `vocab.json` + `merges.txt`, or `vocab.txt`, or `sentencepiece.bpe.model`, or
    /// `spiece.model`; `read` gives the content of a file.
    ///
    /// `tokenizer_config.json` and `special_tokens_map.json` are taken into account. Without the former no prefix space is
    /// added and WordPiece lower-cases.
    ///
    /// # Errors
    /// [`Error::MissingTokenizer`] when there is none of these files, [`Error::Format`] when one of them is malformed or
    /// `[CLS]` or `[SEP]` is missing, and those of `read`.
    pub fn load(read: impl Fn(&str) -> Result<Option<Cow<'static, [u8]>>>) -> Result<Self> {
        guarded(|| load_and_try(&read))
    }
}

/// Turns a panic into an error: the crate `tokenizers` panics on some files that contradict themselves.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    unless_it_panics(run).unwrap_or_else(|| Err(format_error(TOKENIZER_JSON, "its parts contradict each other")))
}

fn load_and_try(read: Read<'_>) -> Result<Tokenizer> {
    let TokenizerFiles { file, mut inner, cls, sep, pad, mask, unk, pairs } = TokenizerFiles::read(read)?;
    let (cls_token_id, sep_token_id) = (cls.1, sep.1);
    let [pad_token_id, mask_token_id, unk_token_id] = [&pad, &mask, &unk].map(|role| role.as_ref().map(|role| role.1));
    let roles: Vec<_> = [Some(cls), Some(sep), pad, mask, unk].into_iter().flatten().collect();
    only_text(&mut inner, &roles).map_err(|error| format_error(file, error))?;
    let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
    let cut_rule = CutRule::of(&inner);
    let tokenizer = Tokenizer {
        cls_token_id,
        sep_token_id,
        pad_token_id,
        mask_token_id,
        unk_token_id,
        vocab_size,
        pairs,
        pair_types: pairs.pair_types.unwrap_or(true),
        file,
        embeddings: usize::MAX,
        unknown: Vec::new(),
        inner,
        cut_rule,
    };
    check_literals(&tokenizer, &roles)?;
    Ok(tokenizer)
}

/// A tokenizer as its files define it, and its special tokens with their ids.
pub(super) struct TokenizerFiles {
    pub file: &'static str,
    pub inner: Inner,
    pub cls: (String, u32),
    pub sep: (String, u32),
    pub pad: Option<(String, u32)>,
    pub mask: Option<(String, u32)>,
    pub unk: Option<(String, u32)>,
    pub pairs: PairForm,
}

impl TokenizerFiles {
    pub fn read(read: Read<'_>) -> Result<Self> {
        let config: TokenizerConfig = read_json(read, CONFIG)?.unwrap_or_default();
        let special: SpecialTokens = read_json(read, SPECIAL_TOKENS)?.unwrap_or_default();

        // A faulty `config.json` is an error where the model is read.
        let model: Map<_, _> = read_json(read, MODEL_CONFIG).ok().flatten().unwrap_or_default();
        let class = config.tokenizer_class.as_deref().or(tokenizer_class(&model));
        let kind = kind_of(&model).ok();
        let (file, mut inner, merges) = opened(read, &config, &special, class, kind)?;
        inner.with_truncation(None).map_err(|error| format_error(file, error))?;
        inner.with_padding(None);

        // By the name in the files, the first file first, else by the usual names.
        let of_class = TokenizerClass::usual_names(class, kind, file);
        let named = |role: fn(&SpecialTokens) -> &Option<TokenName>| {
            [&config.special, &special].into_iter().find_map(|tokens| role(tokens).as_ref()).map(TokenName::content)
        };
        let find = |named: Option<&str>, usual: fn(&UsualNames) -> &'static str| {
            let of = |name: &str| inner.token_to_id(name).map(|id| (name.to_owned(), id));
            let usual = || of_class.into_iter().chain([&ROBERTA, &BERT]).map(usual).find_map(of);
            named.map_or_else(usual, of)
        };
        // Each input has these two. What needs another one has an error of its own where it is missing.
        let (named_cls, named_sep) = (named(|tokens| &tokens.cls_token), named(|tokens| &tokens.sep_token));
        let missing = |named: Option<&str>, usual: &str| {
            let message = match named {
                Some(name) => format!("no token `{name}` in the vocabulary"),
                None => format!("the vocabulary has neither {usual}"),
            };
            format_error(file, message)
        };
        let cls = find(named_cls, |names| names.cls).ok_or_else(|| missing(named_cls, "`<s>` nor `[CLS]`"))?;
        let sep = find(named_sep, |names| names.sep).ok_or_else(|| missing(named_sep, "`</s>` nor `[SEP]`"))?;
        let pad = find(named(|tokens| &tokens.pad_token), |names| names.pad);
        let mask = find(named(|tokens| &tokens.mask_token), |names| names.mask);
        let unk = find(named(|tokens| &tokens.unk_token), |names| names.unk);
        let special: Vec<u32> = [Some(&cls), Some(&sep), pad.as_ref(), mask.as_ref(), unk.as_ref()]
            .into_iter()
            .flatten()
            .map(|role| role.1)
            .collect();
        check(&inner, merges, &special).map_err(|error| format_error(file, error))?;
        let encoded = PairForm::encoded(&inner, cls.1, sep.1);
        let pairs = PairForm::stated(encoded, class, config.model_input_names.as_deref());
        Ok(Self { file, inner, cls, sep, pad, mask, unk, pairs })
    }
}

/// The file that is read, the tokenizer that it defines, and how many merges it has.
fn opened(
    read: Read<'_>,
    config: &TokenizerConfig,
    special: &SpecialTokens,
    class: Option<&str>,
    kind: Option<&ModelKind>,
) -> Result<(&'static str, Inner, usize)> {
    let checked = |file: &str| {
        let check = class.map_or(Ok(()), |class| TokenizerClass::check(class, file));
        check.map_err(|error| format_error(file, error))
    };
    if let Some(json) = read(TOKENIZER_JSON)? {
        let merges = merges_of(&json).map_err(|error| format_error(TOKENIZER_JSON, error))?;
        let inner = Inner::from_bytes(&json).map_err(|error| format_error(TOKENIZER_JSON, error))?;
        return Ok((TOKENIZER_JSON, with_config(inner, config)?, merges));
    }
    if let (Some(vocab), Some(merges)) = (read(VOCAB_JSON)?, read(MERGES_TXT)?) {
        checked(VOCAB_JSON)?;
        let (inner, merges) = byte_level_bpe(&vocab, &merges, config)?;
        return Ok((VOCAB_JSON, with_added_tokens(inner, read, config)?, merges));
    }
    if let Some(vocab) = read(VOCAB_TXT)? {
        checked(VOCAB_TXT)?;
        let unk_token = config.special.unk_token.as_ref().or(special.unk_token.as_ref());
        let inner = wordpiece(&vocab, unk_token.map_or("[UNK]", TokenName::content), config)?;
        return Ok((VOCAB_TXT, with_added_tokens(inner, read, config)?, 0));
    }
    for (file, form) in sentencepiece::FILES {
        let Some(content) = read(file)? else { continue };
        checked(file)?;
        let options = PieceOptions {
            form: sentencepiece::form(form, class, kind),
            lowercase: config.do_lower_case.unwrap_or(true),
            keep_accents: config.keep_accents.unwrap_or(false),
        };
        let (inner, merges) = sentencepiece::read(&content, options).map_err(|error| format_error(file, error))?;
        return Ok((file, with_added_tokens(inner, read, config)?, merges));
    }
    Err(Error::MissingTokenizer)
}

/// The tokenizer of RoBERTa and similar models, and how many merges it has.
fn byte_level_bpe(vocab: &[u8], merges: &[u8], config: &TokenizerConfig) -> Result<(Inner, usize)> {
    check_values(utf8(VOCAB_JSON, vocab)?).map_err(|error| format_error(VOCAB_JSON, error))?;
    let vocab: HashMap<String, u32> = serde_json::from_slice(vocab).map_err(|error| format_error(VOCAB_JSON, error))?;
    let vocab: Vocab = vocab.into_iter().collect();
    let mut pairs = Vec::new();
    let merges = utf8(MERGES_TXT, merges)?;
    check_count(merges.lines().count()).map_err(|error| format_error(MERGES_TXT, error))?;
    for (number, line) in (1..).zip(merges.lines()) {
        if line.is_empty() || line.starts_with("#version") {
            continue;
        }
        let pair = line.split_once(' ').filter(|(_, right)| !right.contains(' '));
        let (left, right) = pair
            .ok_or_else(|| format_error(MERGES_TXT, format!("line {number}: expected two tokens, found `{line}`")))?;
        pairs.push((left.to_owned(), right.to_owned()));
    }
    let merges = pairs.len();
    let bpe = BPE::builder().vocab_and_merges(vocab, pairs).build().map_err(|error| format_error(MERGES_TXT, error))?;
    let mut inner = Inner::new(bpe);
    inner.with_pre_tokenizer(Some(ByteLevel::new(config.add_prefix_space.unwrap_or(false), true, true)));
    Ok((inner, merges))
}

/// The tokenizer of BERT and similar models.
fn wordpiece(vocab: &[u8], unk_token: &str, config: &TokenizerConfig) -> Result<Inner> {
    let vocab = utf8(VOCAB_TXT, vocab)?;
    check_count(vocab.lines().count()).map_err(|error| format_error(VOCAB_TXT, error))?;
    let vocab: Vocab = (0..).zip(vocab.lines()).map(|(id, token)| (token.to_owned(), id)).collect();
    if !vocab.contains_key(unk_token) {
        return Err(format_error(VOCAB_TXT, format!("no token `{unk_token}` in the vocabulary")));
    }
    let builder = WordPiece::builder().vocab(vocab).unk_token(unk_token.to_owned());
    let mut inner = Inner::new(builder.build().map_err(|error| format_error(VOCAB_TXT, error))?);
    inner.with_pre_tokenizer(Some(BertPreTokenizer));
    let lowercase = config.do_lower_case.unwrap_or(true);
    let chinese = config.tokenize_chinese_chars.unwrap_or(true);
    let normalizer = BertNormalizer::new(true, chinese, config.strip_accents, lowercase);
    inner.with_normalizer(Some(normalizer)).map_err(|error| format_error(VOCAB_TXT, error))?;
    Ok(inner)
}

/// The values of `tokenizer_config.json` override those of `tokenizer.json`, as in transformers.
fn with_config(mut inner: Inner, config: &TokenizerConfig) -> Result<Inner> {
    if let Some(add_prefix_space) = config.add_prefix_space {
        let mut split = inner.get_pre_tokenizer().cloned();
        match &mut split {
            Some(PreTokenizerWrapper::ByteLevel(level)) => level.add_prefix_space = add_prefix_space,
            Some(PreTokenizerWrapper::Sequence(sequence)) => {
                for step in sequence.as_mut() {
                    if let PreTokenizerWrapper::ByteLevel(level) = step {
                        level.add_prefix_space = add_prefix_space;
                    }
                }
            }
            _ => {}
        }
        inner.with_pre_tokenizer(split);
    }
    if let Some(NormalizerWrapper::BertNormalizer(normalizer)) = inner.get_normalizer() {
        let mut normalizer = *normalizer;
        normalizer.lowercase = config.do_lower_case.unwrap_or(normalizer.lowercase);
        normalizer.handle_chinese_chars = config.tokenize_chinese_chars.unwrap_or(normalizer.handle_chinese_chars);
        normalizer.strip_accents = config.strip_accents.or(normalizer.strip_accents);
        inner.with_normalizer(Some(normalizer)).map_err(|error| format_error(TOKENIZER_JSON, error))?;
    }
    Ok(inner)
}

/// Adds the tokens that are listed beside the vocabulary files, each with the id that it must get.
fn with_added_tokens(mut inner: Inner, read: Read<'_>, config: &TokenizerConfig) -> Result<Inner> {
    let named: HashMap<String, u32> = read_json(read, ADDED_TOKENS)?.unwrap_or_default();
    let mut added: BTreeMap<u32, AddedToken> =
        named.into_iter().map(|(content, id)| (id, AddedToken::from(content, false))).collect();
    for (id, token) in config.added_tokens_decoder.iter().flatten() {
        let added_token = AddedToken::from(token.content.clone(), token.special)
            .single_word(token.single_word)
            .lstrip(token.lstrip)
            .rstrip(token.rstrip)
            .normalized(token.normalized);
        added.insert(*id, added_token);
    }
    inner.add_tokens(added.values().cloned()).map_err(|error| format_error(ADDED_TOKENS, error))?;
    for (id, token) in &added {
        let found = inner.token_to_id(&token.content);
        if found != Some(*id) {
            let found = found.map_or("none".to_owned(), |id| id.to_string());
            let message = format!("added token `{}`: expected id {id}, the vocabulary gives {found}", token.content);
            return Err(format_error(CONFIG, message));
        }
    }
    Ok(inner)
}

/// Restricts a tokenizer to turning text into tokens: no template, no dropout, and special
/// tokens that are never recognised in a text.
fn only_text(inner: &mut Inner, roles: &[(String, u32)]) -> tokenizers::Result<()> {
    inner.with_post_processor(None::<PostProcessorWrapper>);
    // Some files list a special token as an ordinary one; adding it again makes it special.
    inner.add_special_tokens(roles.iter().map(|(name, _)| AddedToken::from(name.clone(), true)))?;
    inner.set_encode_special_tokens(true);
    if let ModelWrapper::BPE(bpe) = inner.get_model()
        && bpe.dropout.is_some()
    {
        let mut bpe = bpe.clone();
        bpe.dropout = None;
        inner.with_model(bpe);
    }
    if let ModelWrapper::Unigram(unigram) = inner.get_model() {
        let unigram = unigram_without(unigram, roles)?;
        inner.with_model(unigram);
    }
    Ok(())
}

/// The model of XLM-RoBERTa lists special tokens among its pieces, with the best scores, so it would recognise them in a
/// text. This adds a space before them, which no piece of a text contains, since Metaspace writes spaces with another
/// character. As added tokens they keep their ids.
fn unigram_without(unigram: &Unigram, roles: &[(String, u32)]) -> tokenizers::Result<Unigram> {
    let unk_id = serde_json::to_value(unigram)?["unk_id"].as_u64().map(|id| id as usize);
    let is_special = |name: &str, id: usize| {
        Some(id) != unk_id && roles.iter().any(|(role, role_id)| role == name && *role_id as usize == id)
    };
    let piece = |(id, (name, score)): (usize, &(String, f64))| {
        let name = if is_special(name, id) { format!(" {name}") } else { name.clone() };
        (name, *score)
    };
    let pieces = unigram.iter().enumerate().map(piece).collect();
    Unigram::from(pieces, unk_id, unigram.byte_fallback())
}

/// A word model may know its special tokens as words. A text that contains `[SEP]` would then become a special token.
fn check_literals(tokenizer: &Tokenizer, roles: &[(String, u32)]) -> Result<()> {
    for (name, id) in roles.iter().filter(|(_, id)| Some(*id) != tokenizer.unk_token_id) {
        for text in [name.clone(), format!("{name} a {name} b{name}{name}\n{name}")] {
            if tokenizer.tokens(&text, 0..text.len())?.ids.contains(id) {
                return Err(format_error(tokenizer.file, format!("the text `{name}` would become the special token")));
            }
        }
    }
    Ok(())
}

pub(super) fn read_json<T: DeserializeOwned>(read: Read<'_>, file: &str) -> Result<Option<T>> {
    let Some(content) = read(file)? else { return Ok(None) };
    serde_json::from_slice(&json::of_python(&content)).map(Some).map_err(|error| format_error(file, error))
}

fn utf8<'a>(file: &str, content: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(content).map_err(|error| format_error(file, error))
}
