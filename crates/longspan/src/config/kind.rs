//! The kinds of models: one encoder, and a row of this table for what each has of its own.
//!
//! A short model is a Longformer whose windows cover its whole input, and in which no token is global.

use std::fmt;

/// What a kind of model has of its own. The names of the parameters are those of a Longformer, see
/// [`parameters`](fn@crate::model::parameters), and become those of the kind by [`ModelKind::stored_name`].
pub struct ModelKind {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// What the names of its classes in transformers begin with.
    pub class: &'static str,
    /// Prefixes of the names of its encoder, in a checkpoint that has a head. The first is usual, and is written.
    pub prefixes: &'static [&'static str],
    /// Whether the first token has the position after that of the padding; else it has the first position.
    pub positions_after_padding: bool,
    /// Separators between question and document, where the tokenizer's files state none.
    pub separators: usize,
    /// Whether the tokens of the document have a type of their own, where the tokenizer's files do not state it.
    pub pair_types: bool,
    /// Whether its embeddings may be narrower than the model, and are then projected to its width.
    pub narrow_embeddings: bool,
    /// Whether layers may share their weights.
    pub shared_layers: bool,
    /// Whether its head for masked language modelling has the activation of its layers; else it has GELU.
    pub lm_head_has_hidden_act: bool,
    /// Whether the head that classifies sequences has tanh.
    pub tanh_classifier: bool,
    /// Keys of `config.json` that transformers ignores.
    pub(super) ignored: &'static [&'static str],
    /// Keys of `config.json` that have other names than usual: (usual, own).
    keys: &'static [(&'static str, &'static str)],
    /// What transformers takes for keys that are missing, where it is not the usual.
    defaults: &'static [(&'static str, usize)],
    /// What transformers takes for a missing activation.
    pub hidden_act: &'static str,
    /// Parts of names of tensors that are not a Longformer's, in the order of replacement: (Longformer's, own).
    names: &'static [(&'static str, &'static str)],
}

/// The prefix of the encoder's names in the list of parameters, which are those of a Longformer.
pub(crate) const PREFIX: &str = "longformer.";

/// What transformers takes for missing keys of most kinds.
const DEFAULTS: [(&str, usize); 14] = [
    ("vocab_size", 30_522),
    ("embedding_size", 128),
    ("hidden_size", 768),
    ("num_hidden_layers", 12),
    ("num_hidden_groups", 1),
    ("num_attention_heads", 12),
    ("intermediate_size", 3072),
    ("max_position_embeddings", 512),
    ("type_vocab_size", 2),
    ("pad_token_id", 0),
    ("bos_token_id", 0),
    ("eos_token_id", 2),
    ("sep_token_id", 2),
    ("num_labels", 2),
];

/// Devlin et al., arXiv 1810.04805.
const BERT: ModelKind = ModelKind {
    model_type: "bert",
    class: "Bert",
    prefixes: &["bert."],
    positions_after_padding: false,
    separators: 1,
    pair_types: true,
    narrow_embeddings: false,
    shared_layers: false,
    lm_head_has_hidden_act: true,
    tanh_classifier: true,
    ignored: &[],
    keys: &[],
    defaults: &[],
    hidden_act: "gelu",
    names: &[
        ("lm_head.dense.", "cls.predictions.transform.dense."),
        ("lm_head.layer_norm.", "cls.predictions.transform.LayerNorm."),
        ("lm_head.bias", "cls.predictions.bias"),
        // BERT's pooler is the dense layer of RoBERTa's classifier.
        ("classifier.dense.", "bert.pooler.dense."),
        ("classifier.out_proj.", "classifier."),
    ],
};

/// Liu et al., arXiv 1907.11692.
const ROBERTA: ModelKind = ModelKind {
    model_type: "roberta",
    class: "Roberta",
    prefixes: &["roberta.", PREFIX],
    positions_after_padding: true,
    separators: 2,
    pair_types: false,
    lm_head_has_hidden_act: false,
    defaults: &[("vocab_size", 50_265), ("pad_token_id", 1)],
    names: &[],
    ..BERT
};

/// Beltagy et al., arXiv 2004.05150. The first have RoBERTa's names; those made of BERT have two types of tokens.
const LONGFORMER: ModelKind = ModelKind {
    model_type: "longformer",
    class: "Longformer",
    prefixes: &[PREFIX, "roberta."],
    pair_types: true,
    ..ROBERTA
};

/// Sanh et al., arXiv 1910.01108.
const DISTILBERT: ModelKind = ModelKind {
    model_type: "distilbert",
    class: "DistilBert",
    prefixes: &["distilbert."],
    pair_types: false,
    ignored: &["layer_norm_eps", "type_vocab_size"],
    keys: &[
        ("hidden_size", "dim"),
        ("num_hidden_layers", "n_layers"),
        ("num_attention_heads", "n_heads"),
        ("intermediate_size", "hidden_dim"),
        ("hidden_act", "activation"),
        ("attention_probs_dropout_prob", "attention_dropout"),
        ("hidden_dropout_prob", "dropout"),
    ],
    defaults: &[("num_hidden_layers", 6), ("type_vocab_size", 0)],
    names: &[
        ("encoder.layer.", "transformer.layer."),
        ("attention.self.query.", "attention.q_lin."),
        ("attention.self.key.", "attention.k_lin."),
        ("attention.self.value.", "attention.v_lin."),
        ("attention.output.dense.", "attention.out_lin."),
        ("attention.output.LayerNorm.", "sa_layer_norm."),
        ("intermediate.dense.", "ffn.lin1."),
        ("output.dense.", "ffn.lin2."),
        ("output.LayerNorm.", "output_layer_norm."),
    ],
    ..BERT
};

/// Clark et al., arXiv 2003.10555.
const ELECTRA: ModelKind = ModelKind {
    model_type: "electra",
    class: "Electra",
    prefixes: &["electra."],
    narrow_embeddings: true,
    lm_head_has_hidden_act: false,
    tanh_classifier: false,
    defaults: &[("hidden_size", 256), ("num_attention_heads", 4), ("intermediate_size", 1024)],
    names: &[],
    ..BERT
};

/// Lan et al., arXiv 1909.11942.
const ALBERT: ModelKind = ModelKind {
    model_type: "albert",
    class: "Albert",
    prefixes: &["albert."],
    narrow_embeddings: true,
    shared_layers: true,
    defaults: &[
        ("vocab_size", 30_000),
        ("hidden_size", 4096),
        ("num_attention_heads", 64),
        ("intermediate_size", 16_384),
        ("bos_token_id", 2),
        ("eos_token_id", 3),
        ("sep_token_id", 3),
    ],
    hidden_act: "gelu_new",
    names: &[
        ("embeddings_project.", "encoder.embedding_hidden_mapping_in."),
        ("encoder.layer.", "encoder.albert_layer_groups."),
        ("attention.self.", "albert_layers.0.attention."),
        ("attention.output.", "albert_layers.0.attention."),
        ("intermediate.dense.", "albert_layers.0.ffn."),
        ("output.dense.", "albert_layers.0.ffn_output."),
        ("output.LayerNorm.", "albert_layers.0.full_layer_layer_norm."),
    ],
    ..BERT
};

/// All kinds.
static KINDS: [ModelKind; 8] = [
    LONGFORMER,
    BERT,
    ROBERTA,
    ModelKind { model_type: "xlm-roberta", class: "XLMRoberta", defaults: &[("pad_token_id", 1)], ..ROBERTA },
    ModelKind { model_type: "camembert", class: "Camembert", defaults: &[("pad_token_id", 1)], ..ROBERTA },
    DISTILBERT,
    ELECTRA,
    ALBERT,
];

/// [`ModelKind::ALL`] as a phrase for messages.
pub(super) const EXPECTED: &str =
    "expected `longformer`, `bert`, `roberta`, `xlm-roberta`, `camembert`, `distilbert`, `electra` or `albert`";

impl ModelKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &KINDS;

    /// The kind of long models.
    pub const LONGFORMER: &'static Self = &KINDS[0];

    /// The kind with a `model_type`.
    pub fn of_type(model_type: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.model_type == model_type)
    }

    /// The kind of a class of transformers, such as `RobertaForQuestionAnswering`, or of Longformer's authors, such as
    /// `BertLongForMaskedLM`; and what the class is for, such as `ForQuestionAnswering`.
    pub fn of_class(name: &str) -> Option<(&'static Self, &str)> {
        KINDS.iter().find_map(|kind| {
            let rest = name.strip_prefix(kind.class)?;
            Some((kind, rest.strip_prefix("Long").unwrap_or(rest)))
        })
    }

    /// The name that a parameter of the list has in a checkpoint of this kind.
    pub fn stored_name(&self, name: &str) -> String {
        let (prefix, rest) = match name.strip_prefix(PREFIX) {
            Some(rest) => (self.prefixes[0], rest),
            None => ("", name),
        };
        let rest = self.names.iter().fold(rest.to_owned(), |rest, (usual, own)| rest.replace(usual, own));
        format!("{prefix}{rest}")
    }

    /// The name of a key of `config.json`.
    pub(super) fn key<'a>(&self, usual: &'a str) -> &'a str {
        self.keys.iter().find(|(key, _)| *key == usual).map_or(usual, |(_, own)| *own)
    }

    /// What transformers takes for a missing key.
    pub(super) fn default_of(&self, key: &str) -> Option<usize> {
        let find = |defaults: &[(&str, usize)]| defaults.iter().find(|(own, _)| *own == key).map(|(_, value)| *value);
        find(self.defaults).or_else(|| find(&DEFAULTS))
    }
}

impl PartialEq for ModelKind {
    fn eq(&self, other: &Self) -> bool {
        self.model_type == other.model_type
    }
}

impl Eq for ModelKind {}

impl fmt::Debug for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_the_kind() {
        for (model_type, name, expected) in [
            (
                "longformer",
                "longformer.encoder.layer.3.output.dense.bias",
                "longformer.encoder.layer.3.output.dense.bias",
            ),
            ("bert", "longformer.encoder.layer.3.output.dense.bias", "bert.encoder.layer.3.output.dense.bias"),
            ("bert", "lm_head.layer_norm.weight", "cls.predictions.transform.LayerNorm.weight"),
            ("bert", "classifier.dense.bias", "bert.pooler.dense.bias"),
            ("bert", "classifier.out_proj.bias", "classifier.bias"),
            ("camembert", "longformer.embeddings.LayerNorm.bias", "roberta.embeddings.LayerNorm.bias"),
            ("camembert", "qa_outputs.bias", "qa_outputs.bias"),
            (
                "distilbert",
                "longformer.encoder.layer.0.output.dense.bias",
                "distilbert.transformer.layer.0.ffn.lin2.bias",
            ),
            (
                "distilbert",
                "longformer.encoder.layer.1.attention.output.dense.weight",
                "distilbert.transformer.layer.1.attention.out_lin.weight",
            ),
            (
                "distilbert",
                "longformer.encoder.layer.1.attention.output.LayerNorm.weight",
                "distilbert.transformer.layer.1.sa_layer_norm.weight",
            ),
            (
                "distilbert",
                "longformer.encoder.layer.1.output.LayerNorm.weight",
                "distilbert.transformer.layer.1.output_layer_norm.weight",
            ),
            ("albert", "longformer.embeddings_project.bias", "albert.encoder.embedding_hidden_mapping_in.bias"),
            (
                "albert",
                "longformer.encoder.layer.0.attention.output.LayerNorm.bias",
                "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.LayerNorm.bias",
            ),
            (
                "albert",
                "longformer.encoder.layer.0.output.LayerNorm.bias",
                "albert.encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm.bias",
            ),
            (
                "albert",
                "longformer.encoder.layer.1.output.dense.weight",
                "albert.encoder.albert_layer_groups.1.albert_layers.0.ffn_output.weight",
            ),
        ] {
            assert_eq!(ModelKind::of_type(model_type).unwrap().stored_name(name), expected, "{model_type}");
        }
    }

    #[test]
    fn classes_name_the_kind_and_the_task() {
        for (class, model_type, task) in [
            ("XLMRobertaForQuestionAnswering", "xlm-roberta", "ForQuestionAnswering"),
            ("DistilBertModel", "distilbert", "Model"),
            ("BertLongForMaskedLM", "bert", "ForMaskedLM"),
        ] {
            let (kind, rest) = ModelKind::of_class(class).unwrap();
            assert_eq!((kind.model_type, rest), (model_type, task));
        }
        assert!(ModelKind::of_class("T5ForQuestionAnswering").is_none());
        for kind in ModelKind::ALL {
            assert!(EXPECTED.contains(&format!("`{}`", kind.model_type)), "{EXPECTED}");
        }
    }
}
