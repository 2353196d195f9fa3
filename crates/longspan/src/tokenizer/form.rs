//! The form of pairs of texts, as transformers takes it from the files of a tokenizer: from the post-processor of
//! `tokenizer.json`, or from the class; and which class reads which vocabulary file and has which special tokens.

use tokenizers::{PostProcessorWrapper, Tokenizer as Inner};

use crate::config::ModelKind;
use crate::error::unless_it_panics;

/// What the files of a tokenizer state about pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PairForm {
    /// Separators between the texts.
    pub separators: Option<usize>,
    /// Whether the second text has a type of its own.
    pub pair_types: Option<bool>,
}

/// A class of transformers that reads a vocabulary file as this crate does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TokenizerClass {
    /// Its name without `Tokenizer` and `Fast`.
    name: &'static str,
    file: &'static str,
    separators: usize,
    pair_types: bool,
    names: &'static UsualNames,
}

/// The names of special tokens where the files of a tokenizer state none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UsualNames {
    pub cls: &'static str,
    pub sep: &'static str,
    pub pad: &'static str,
    pub mask: &'static str,
    pub unk: &'static str,
}

pub(super) static ROBERTA: UsualNames =
    UsualNames { cls: "<s>", sep: "</s>", pad: "<pad>", mask: "<mask>", unk: "<unk>" };
pub(super) static BERT: UsualNames =
    UsualNames { cls: "[CLS]", sep: "[SEP]", pad: "[PAD]", mask: "[MASK]", unk: "[UNK]" };
static ALBERT: UsualNames = UsualNames { cls: "[CLS]", sep: "[SEP]", pad: "<pad>", mask: "[MASK]", unk: "<unk>" };

const fn class(
    name: &'static str,
    file: &'static str,
    separators: usize,
    pair_types: bool,
    names: &'static UsualNames,
) -> TokenizerClass {
    TokenizerClass { name, file, separators, pair_types, names }
}

/// Those of the kinds of models, and one that is the same as RoBERTa's. Of a file, the first is usual.
static CLASSES: [TokenizerClass; 9] = [
    class("Bert", "vocab.txt", 1, true, &BERT),
    class("DistilBert", "vocab.txt", 1, false, &BERT),
    class("Electra", "vocab.txt", 1, true, &BERT),
    class("Roberta", "vocab.json", 2, false, &ROBERTA),
    class("Longformer", "vocab.json", 2, false, &ROBERTA),
    class("Bart", "vocab.json", 2, false, &ROBERTA),
    class("XLMRoberta", "sentencepiece.bpe.model", 2, false, &ROBERTA),
    class("Camembert", "sentencepiece.bpe.model", 2, false, &ROBERTA),
    class("Albert", "spiece.model", 1, true, &ALBERT),
];

impl TokenizerClass {
    /// The class with a name such as `BertTokenizerFast`.
    fn of(name: &str) -> Option<&'static Self> {
        let name = name.strip_suffix("Fast").unwrap_or(name).strip_suffix("Tokenizer")?;
        CLASSES.iter().find(|class| class.name == name)
    }

    /// The usual names of special tokens: those of the class, of the kind of the model if its class reads the file, or of
    /// the file.
    ///
    /// - `name`: `tokenizer_class`
    pub fn usual_names(name: Option<&str>, kind: Option<&ModelKind>, file: &str) -> Option<&'static UsualNames> {
        let of_kind = || CLASSES.iter().find(|class| kind.is_some_and(|kind| kind.class == class.name));
        let of_file = || CLASSES.iter().find(|class| class.file == file);
        let reads = |class: &&Self| class.file == file || of_file().is_none();
        name.and_then(Self::of).or_else(|| of_kind().filter(reads)).or_else(of_file).map(|class| class.names)
    }

    /// Checks that the named class reads a vocabulary file as this crate does.
    pub fn check(name: &str, file: &str) -> Result<(), String> {
        if Self::of(name).is_some_and(|class| class.file == file) {
            return Ok(());
        }
        let known = CLASSES.iter().filter(|class| class.file == file);
        let known: Vec<_> = known.map(|class| format!("`{}Tokenizer`", class.name)).collect();
        let expected = format!("expected {}", known.join(", "));
        Err(format!("tokenizer_class `{name}`: {expected}; of other classes only `tokenizer.json` is read"))
    }
}

impl PairForm {
    /// - `encoded`: what the post-processor makes
    /// - `class`: `tokenizer_class`
    /// - `inputs`: `model_input_names`
    pub fn stated(encoded: Option<Self>, class: Option<&str>, inputs: Option<&[String]>) -> Self {
        let class = class.and_then(TokenizerClass::of);
        let of_class =
            class.map(|class| Self { separators: Some(class.separators), pair_types: Some(class.pair_types) });
        let form = encoded.or(of_class).unwrap_or_default();
        // Types that are no input of the model are 0.
        let are_inputs = inputs.map(|names| names.iter().any(|name| name == "token_type_ids"));
        match are_inputs.or(class.map(|class| class.pair_types)) {
            Some(false) => Self { pair_types: Some(false), ..form },
            _ => form,
        }
    }

    /// The form in which a tokenizer encodes pairs; `None` if it has no post-processor, or one that makes something else.
    /// Truncation and padding must be off.
    ///
    /// - `cls`, `sep`: ids of the special tokens
    pub fn encoded(inner: &Inner, cls: u32, sep: u32) -> Option<Self> {
        // Each template in a sequence may multiply what the one before made.
        if forming(inner.get_post_processor()?) > 1 {
            return None;
        }
        let ids = |text: &str| inner.encode(text, false).ok().map(|encoding| encoding.get_ids().to_vec());
        let encode = || Some((ids("a b")?, ids("c")?, inner.encode(("a b", "c"), true).ok()?));
        let (first, second, pair) = unless_it_panics(encode).flatten()?;
        [1, 2].into_iter().find_map(|separators| {
            let between = vec![sep; separators];
            let expected = [&[cls][..], &first, &between, &second, &[sep]].concat();
            let (before, behind) = pair.get_type_ids().split_at_checked(1 + first.len() + separators)?;
            let are = |types: &[u32], wanted: u32| types.iter().all(|&found| found == wanted);
            let pair_types = match () {
                () if pair.get_ids() != expected || !are(before, 0) => return None,
                () if are(behind, 0) => false,
                () if are(behind, 1) => true,
                () => return None,
            };
            Some(Self { separators: Some(separators), pair_types: Some(pair_types) })
        })
    }
}

/// How many processors add tokens.
fn forming(processor: &PostProcessorWrapper) -> usize {
    match processor {
        PostProcessorWrapper::ByteLevel(_) => 0,
        PostProcessorWrapper::Sequence(sequence) => sequence.as_ref().iter().map(forming).sum(),
        _ => 1,
    }
}
