//! `sentencepiece.bpe.model` or `spiece.model` → the tokenizer that transformers makes of it, as `convert_slow_tokenizer.py`
//! has it.
//!
//! The file is a message of protocol buffers, `sentencepiece_model.proto`. Each kind of model has its own rule for the ids
//! of the pieces, and ALBERT its own steps.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::precompiled::Precompiled;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::{Lowercase, NFKD, Sequence, Strip, StripAccents};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{AddedToken, NormalizerWrapper, Tokenizer as Inner};

use super::growth::{GROWTH_MAX, growth};
use super::outline::{TOKEN_BYTES_MAX, check_bytes, check_count, check_trie};
use crate::config::ModelKind;
use crate::error::excerpt;

/// The files, each with the form that it has unless another is named.
pub(super) const FILES: [(&str, PieceForm); 2] =
    [("sentencepiece.bpe.model", PieceForm::XlmRoberta), ("spiece.model", PieceForm::Albert)];

/// Which ids the pieces get, and which steps come before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceForm {
    /// The special tokens of fairseq come first.
    XlmRoberta,
    /// The same, but some of them stand a second time among the pieces, and that is used.
    Camembert,
    /// The ids of the file.
    Albert,
}

/// Options of ALBERT's steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct PieceOptions {
    pub form: PieceForm,
    pub lowercase: bool,
    pub keep_accents: bool,
}

/// The space in pieces.
const SPACE: char = '\u{2581}';
/// The longest piece of byte-pair encoding: all places in a piece are tried.
const BPE_PIECE_BYTES_MAX: usize = 256;
/// What an added token takes in `tokenizer.json` beside its text, about.
const ADDED_BYTES: usize = 128;

/// The parts of the file that matter here.
struct PieceModel<'a> {
    pieces: Vec<ScoredPiece<'a>>,
    is_bpe: bool,
    unk_id: usize,
    unk_piece: &'a str,
    /// The map of characters that the normaliser uses; empty if there is none.
    charsmap: &'a [u8],
}

#[derive(Clone, Copy)]
struct ScoredPiece<'a> {
    text: &'a str,
    score: f32,
    kind: u64,
}

/// Kinds of pieces that are not parts of texts, or are found in texts as they are.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// Makes the tokenizer, and counts its merges.
pub(super) fn read(content: &[u8], options: PieceOptions) -> Result<(Inner, usize), String> {
    let model = PieceModel::parse(content)?;
    let vocabulary = vocabulary(&model.pieces, options.form);
    check_trie(vocabulary.iter().map(|(text, _)| &**text).collect())?;
    let unk_id = if options.form == PieceForm::Albert { model.unk_id } else { 3 };
    let failed = |error: tokenizers::Error| error.to_string();
    let (mut inner, merges) = match model.is_bpe {
        false => {
            let pieces = vocabulary.into_iter().map(|(text, score)| (text.into_owned(), score.into())).collect();
            (Inner::new(Unigram::from(pieces, Some(unk_id), false).map_err(|error| error.to_string())?), 0)
        }
        true => {
            let merges = merges(&model.pieces, &vocabulary)?;
            let count = merges.len();
            let ids: Vocab = vocabulary.iter().zip(0..).map(|((text, _), id)| (text.to_string(), id)).collect();
            let builder = BPE::builder().vocab_and_merges(ids, merges).fuse_unk(true);
            (Inner::new(builder.unk_token(model.unk_piece.into()).build().map_err(failed)?), count)
        }
    };
    let found =
        model.found_in_texts().map(|piece| AddedToken::from(piece.text, piece.kind == CONTROL).normalized(false));
    inner.add_tokens(found.collect::<Vec<_>>()).map_err(failed)?;
    inner.with_normalizer(Some(steps(&model, options)?)).map_err(failed)?;
    inner.with_pre_tokenizer(Some(Metaspace::new(SPACE, PrependScheme::Always, true)));
    let factor = growth(inner.get_normalizer(), inner.get_pre_tokenizer());
    if factor > GROWTH_MAX {
        return Err(format!("its steps may make {factor:.0} bytes of one, at most {GROWTH_MAX} are allowed"));
    }
    Ok((inner, merges))
}

/// The tokens with their scores, in the order of their ids.
fn vocabulary<'a>(pieces: &[ScoredPiece<'a>], form: PieceForm) -> Vec<(Cow<'a, str>, f32)> {
    let special = |texts: &[&'static str]| texts.iter().map(|&text| (Cow::Borrowed(text), 0.0)).collect::<Vec<_>>();
    let from = |first: usize| {
        pieces.get(first..).unwrap_or_default().iter().map(|piece| (Cow::Borrowed(piece.text), piece.score))
    };
    match form {
        PieceForm::XlmRoberta => {
            special(&["<s>", "<pad>", "</s>", "<unk>"]).into_iter().chain(from(3)).chain(special(&["<mask>"])).collect()
        }
        PieceForm::Camembert => {
            let mut all = special(&["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>"]);
            all.push(("<unk>NOTUSED".into(), -100.0));
            all.into_iter().chain(from(1)).chain(special(&["<mask>"])).collect()
        }
        // A number and a comma were not one piece when the model was trained.
        PieceForm::Albert => from(0)
            .map(|(text, score)| {
                let before = text.strip_suffix(',').and_then(|before| before.chars().next_back());
                let is_number = before.is_some_and(|digit| digit.is_numeric());
                (text, if is_number { score - 100.0 } else { score })
            })
            .collect(),
    }
}

/// Pairs of tokens that make a token, the better tokens first: `generate_merges`.
fn merges(pieces: &[ScoredPiece<'_>], vocabulary: &[(Cow<'_, str>, f32)]) -> Result<Vec<(String, String)>, String> {
    if let Some(piece) = pieces.iter().find(|piece| piece.text.len() > BPE_PIECE_BYTES_MAX) {
        return Err(format!("a piece of {} bytes, at most {BPE_PIECE_BYTES_MAX} are read", piece.text.len()));
    }
    let ids: HashMap<&str, usize> = pieces.iter().enumerate().map(|(id, piece)| (piece.text, id)).collect();
    let mut all = Vec::new();
    for (text, score) in vocabulary {
        let cuts = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
        let pairs = cuts.filter_map(|(left, right)| Some((*ids.get(left)?, *ids.get(right)?, left, right)));
        let mut own: Vec<_> = pairs.collect();
        own.sort_unstable_by_key(|&(left, right, ..)| (left, right));
        all.extend(own.into_iter().map(|(_, _, left, right)| (*score, left, right)));
        check_count(all.len())?;
    }
    let size = |text: &str| text.chars().count();
    // Equal pairs stay in their order.
    all.sort_by(|(a, a_left, a_right), (b, b_left, b_right)| {
        b.total_cmp(a).then(size(b_left).cmp(&size(a_left))).then(size(b_right).cmp(&size(a_right)))
    });
    Ok(all.into_iter().map(|(_, left, right)| (left.to_owned(), right.to_owned())).collect())
}

fn steps(model: &PieceModel<'_>, options: PieceOptions) -> Result<NormalizerWrapper, String> {
    let replace = |pattern: ReplacePattern, by: &str| -> Result<NormalizerWrapper, String> {
        Ok(Replace::new(pattern, by).map_err(|error| error.to_string())?.into())
    };
    let text = |text: &str| ReplacePattern::String(text.into());
    let spaces = ReplacePattern::Regex(" {2,}".into());
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    let is_albert = options.form == PieceForm::Albert;
    if is_albert {
        steps.extend([replace(text("``"), "\"")?, replace(text("''"), "\"")?]);
        if !options.keep_accents {
            steps.extend([NFKD.into(), StripAccents.into()]);
        }
        if options.lowercase {
            steps.push(Lowercase.into());
        }
    }
    if !model.charsmap.is_empty() {
        steps.push(Precompiled::from(model.charsmap).map_err(|error| error.to_string())?.into());
    }
    if is_albert {
        steps.push(replace(spaces, " ")?);
    } else {
        steps.extend([Strip::new(false, true).into(), replace(spaces, &SPACE.to_string())?]);
    }
    Ok(Sequence::new(steps).into())
}

impl<'a> PieceModel<'a> {
    fn parse(content: &'a [u8]) -> Result<Self, String> {
        let mut model = Self { pieces: Vec::new(), is_bpe: false, unk_id: 0, unk_piece: "<unk>", charsmap: &[] };
        for field in MessageFields(content) {
            match field? {
                (1, FieldValue::Bytes(piece)) => model.pieces.push(ScoredPiece::parse(piece)?),
                (2, FieldValue::Bytes(trainer)) => {
                    for field in MessageFields(trainer) {
                        match field? {
                            (3, FieldValue::Number(1)) => {}
                            (3, FieldValue::Number(2)) => model.is_bpe = true,
                            (3, FieldValue::Number(_)) => {
                                return Err("a model of SentencePiece other than unigram or BPE".into());
                            }
                            (40, FieldValue::Number(id)) => model.unk_id = id as usize,
                            (45, FieldValue::Bytes(piece)) => model.unk_piece = utf8(piece)?,
                            _ => {}
                        }
                    }
                }
                (3, FieldValue::Bytes(normalizer)) => {
                    for field in MessageFields(normalizer) {
                        if let (2, FieldValue::Bytes(charsmap)) = field? {
                            model.charsmap = charsmap;
                        }
                    }
                }
                _ => {}
            }
            check_count(2 * model.pieces.len())?;
        }
        model.check_sizes()?;
        if let Some((trie_bytes, rest)) = model.charsmap.split_first_chunk()
            && u32::from_le_bytes(*trie_bytes) as usize > rest.len()
        {
            return Err("its precompiled_charsmap is damaged".into());
        }
        match model.pieces.get(model.unk_id) {
            Some(_) => Ok(model),
            None => Err(format!("{} pieces, of which none is for unknown characters", model.pieces.len())),
        }
    }

    /// The pieces that are added tokens.
    fn found_in_texts(&self) -> impl Iterator<Item = &ScoredPiece<'a>> {
        self.pieces.iter().filter(|piece| [CONTROL, USER_DEFINED].contains(&piece.kind))
    }

    /// Checks that no two pieces have one text, and the sections that `tokenizer.json` has too.
    fn check_sizes(&self) -> Result<(), String> {
        check_bytes("precompiled_charsmap", self.charsmap.len())?;
        check_bytes("added_tokens", self.found_in_texts().map(|piece| ADDED_BYTES + piece.text.len()).sum())?;
        let mut texts = HashSet::with_capacity(self.pieces.len());
        match self.pieces.iter().find(|piece| !texts.insert(piece.text)) {
            Some(piece) => Err(format!("the piece `{}` is there twice", excerpt(piece.text))),
            None => Ok(()),
        }
    }
}

impl<'a> ScoredPiece<'a> {
    fn parse(content: &'a [u8]) -> Result<Self, String> {
        let mut piece = Self { text: "", score: 0.0, kind: 1 };
        for field in MessageFields(content) {
            match field? {
                (1, FieldValue::Bytes(text)) => piece.text = utf8(text)?,
                (2, FieldValue::Word(bits)) => piece.score = f32::from_bits(bits),
                (3, FieldValue::Number(kind)) => piece.kind = kind,
                _ => {}
            }
        }
        match piece.text.len() {
            0 => Err("a piece without a text".into()),
            1..=TOKEN_BYTES_MAX if piece.score.is_finite() => Ok(piece),
            1..=TOKEN_BYTES_MAX => Err(format!("a piece with the score {}", piece.score)),
            bytes => Err(format!("a piece of {bytes} bytes, at most {TOKEN_BYTES_MAX} are read")),
        }
    }
}

fn utf8(text: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(text).map_err(|error| error.to_string())
}

/// The fields of a message of protocol buffers: <https://protobuf.dev/programming-guides/encoding/>.
struct MessageFields<'a>(&'a [u8]);

/// A field by its type on the wire.
enum FieldValue<'a> {
    Number(u64),
    Word(u32),
    Bytes(&'a [u8]),
}

impl<'a> Iterator for MessageFields<'a> {
    type Item = Result<(u64, FieldValue<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "damaged: no model of SentencePiece, or cut off".into()))
    }
}

impl<'a> MessageFields<'a> {
    fn field(&mut self) -> Option<(u64, FieldValue<'a>)> {
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => FieldValue::Number(self.number()?),
            1 => {
                self.bytes(8)?;
                FieldValue::Number(0) // no field of interest is one
            }
            2 => {
                let count = self.number()?;
                FieldValue::Bytes(self.bytes(count)?)
            }
            5 => FieldValue::Word(u32::from_le_bytes(*self.bytes(4)?.first_chunk()?)),
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    /// Seven bits of each byte, the lowest first; the last byte is below 128.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// The form of a file: that of its name, unless it is one of CamemBERT.
///
/// - `class`: `tokenizer_class`
/// - `kind`: that of the model
pub(super) fn form(of_file: PieceForm, class: Option<&str>, kind: Option<&ModelKind>) -> PieceForm {
    let is_of_kind = || kind.is_some_and(|kind| kind.model_type == "camembert");
    let is_camembert = class.map_or_else(is_of_kind, |class| class.starts_with("Camembert"));
    if is_camembert { PieceForm::Camembert } else { of_file }
}
