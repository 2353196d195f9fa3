//! The tasks of models.

use std::ops::Range;

use longspan_kernels::Activation;

use crate::Result;
use crate::config::{Config, ModelKind, wrong};

/// The task of a model decides which head it has, and which tokens are global by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// No head: only hidden states.
    Encoder,
    /// The start and the end of an answer: two logits for each token.
    QuestionAnswering,
    /// The original token behind a mask: V logits for each token.
    MaskedLm,
    /// The class of a sequence: `num_labels` logits for each sequence.
    SequenceClassification,
    /// The class of a token: `num_labels` logits for each token.
    TokenClassification,
    /// How well a choice fits: one logit for each sequence, a sequence being a context with one choice.
    MultipleChoice,
}

impl Task {
    /// The task of a class of transformers such as `LongformerForQuestionAnswering`.
    pub fn from_architecture(name: &str) -> Option<Task> {
        let (_, class) = ModelKind::of_class(name)?;
        Self::CLASSES.into_iter().find(|(_, own)| *own == class).map(|(task, _)| task)
    }

    /// The class of transformers for this task in models of a kind.
    pub fn architecture(self, kind: &ModelKind) -> String {
        let class = Self::CLASSES.iter().find(|(task, _)| *task == self).map_or("", |(_, class)| class);
        format!("{}{class}", kind.class)
    }

    /// What the names of classes of transformers end with.
    const CLASSES: [(Task, &'static str); 6] = [
        (Task::Encoder, "Model"),
        (Task::QuestionAnswering, "ForQuestionAnswering"),
        (Task::MaskedLm, "ForMaskedLM"),
        (Task::SequenceClassification, "ForSequenceClassification"),
        (Task::TokenClassification, "ForTokenClassification"),
        (Task::MultipleChoice, "ForMultipleChoice"),
    ];

    /// What its head is for, in messages.
    pub(crate) fn head(self) -> &'static str {
        match self {
            Task::Encoder => "nothing",
            Task::QuestionAnswering => "question answering",
            Task::MaskedLm => "masked language modelling",
            Task::SequenceClassification | Task::TokenClassification => "classification",
            Task::MultipleChoice => "multiple choice",
        }
    }

    /// Checks that its head has the function that [`heads`](super::heads) computes.
    pub(crate) fn check_head(self, config: &Config) -> Result<()> {
        let kind = config.kind;
        let message = match self {
            Task::MaskedLm if kind.lm_head_has_hidden_act && config.hidden_act != Activation::Gelu => {
                "hidden_act: the head for masked language modelling has it too, and only `gelu` is known there"
                    .to_owned()
            }
            Task::SequenceClassification if !kind.tanh_classifier => {
                format!("model_type `{}`: its head for classification has GELU, only tanh is known", kind.model_type)
            }
            _ => return Ok(()),
        };
        Err(wrong(message))
    }

    /// The positions that are global by default in an input of `tokens`, `first_segment` of which come before the first
    /// separator (`<s>` and the question). The second segment begins after two separators. As
    /// `_compute_global_attention_mask` in transformers' modeling_longformer.py.
    pub fn default_globals(self, first_segment: usize, tokens: usize) -> Range<usize> {
        match self {
            Task::QuestionAnswering => 0..first_segment,
            Task::SequenceClassification => 0..1,
            Task::MultipleChoice => (first_segment + 2).min(tokens)..tokens,
            Task::Encoder | Task::MaskedLm | Task::TokenClassification => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_with_another_function_is_refused() {
        let check = |keys: &str, task: Task| {
            let checked = task.check_head(&Config::from_json(keys.as_bytes()).unwrap());
            checked.map_err(|error| error.to_string()).err().unwrap_or_default()
        };
        let relu = r#"{"model_type":"bert","hidden_act":"relu"}"#;
        assert!(check(relu, Task::MaskedLm).contains("only `gelu` is known"));
        let electra = r#"{"model_type":"electra"}"#;
        assert!(check(electra, Task::SequenceClassification).contains("model_type `electra`: its head"));
        for (keys, task) in [
            (relu, Task::QuestionAnswering),
            (electra, Task::QuestionAnswering),
            (r#"{"model_type":"bert"}"#, Task::MaskedLm),
            (r#"{"model_type":"bert"}"#, Task::SequenceClassification),
            (r#"{"model_type":"roberta","hidden_act":"gelu_new"}"#, Task::MaskedLm),
        ] {
            assert_eq!(check(keys, task), "", "{keys}");
        }
    }
}
