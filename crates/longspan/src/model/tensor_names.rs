//! The names of parameters in a checkpoint: those of its kind, behind what the program that wrote it put before them.

use std::collections::BTreeSet;

use super::parameters::{WORDS, layer_name, parameters};
use super::{Parameter, Task};
use crate::checkpoint::{CONFIG, Tensors};
use crate::config::{Config, ModelKind};
use crate::tensor::TensorView;
use crate::{Error, FormatKind, Result};

/// The names of parameters in one checkpoint.
pub(crate) struct TensorNames {
    pub kind: &'static ModelKind,
    /// Prefix of the encoder's names, which stands for that of the kind: `bert.`, `module.bert.`, or nothing in a file of an
    /// encoder alone.
    pub encoder: String,
    /// Prefix of the names of a head: nothing, or what wrappers such as `DataParallel` put before all names.
    wrapper: String,
}

impl TensorNames {
    /// Finds the prefixes.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] where no encoder of the kind is found.
    pub fn find(kind: &'static ModelKind, tensors: &Tensors) -> Result<Self> {
        let words = kind.stored_name(WORDS);
        let bare = words.strip_prefix(kind.prefixes[0]).unwrap_or(&words);
        let of_others = |prefix: &str| {
            let mut others = ModelKind::ALL.iter().flat_map(|other| other.prefixes);
            others.any(|other| !kind.prefixes.contains(other) && ends_with_part(prefix, other))
        };
        let own = |prefix: &str| {
            let rank = kind.prefixes.iter().position(|own| ends_with_part(prefix, own));
            let wrapper = rank.map_or(prefix, |rank| &prefix[..prefix.len() - kind.prefixes[rank].len()]);
            (rank.unwrap_or(kind.prefixes.len()), wrapper.len(), prefix.to_owned(), wrapper.to_owned())
        };
        let prefixes = tensors.names().filter_map(|name| name.strip_suffix(bare));
        let prefixes = prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
        // The usual prefix is best, then the shortest wrapper.
        let best = prefixes.filter(|prefix| !of_others(prefix)).map(own).min();
        let (_, _, encoder, wrapper) = best.ok_or_else(|| Error::MissingTensor { name: words.clone() })?;
        Ok(Self { kind, encoder, wrapper })
    }

    /// The name in the checkpoint of a parameter, by its name in the list.
    pub fn name(&self, name: &str) -> String {
        let stored = self.kind.stored_name(name);
        match stored.strip_prefix(self.kind.prefixes[0]) {
            Some(rest) => format!("{}{rest}", self.encoder),
            None => format!("{}{stored}", self.wrapper),
        }
    }

    /// A tensor and its name; norms have others in files converted from TensorFlow.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] and [`Error::TensorType`].
    pub fn get<'a>(&self, tensors: &'a Tensors, name: &str) -> Result<(String, TensorView<'a>)> {
        let name = self.name(name);
        let old = name.replace("orm.weight", "orm.gamma").replace("orm.bias", "orm.beta");
        for name in [&name, &old] {
            if let Some(view) = tensors.get(name)? {
                return Ok((name.clone(), view));
            }
        }
        Err(Error::MissingTensor { name })
    }

    /// Whether the checkpoint has a parameter.
    pub fn has(&self, tensors: &Tensors, name: &str) -> bool {
        self.get(tensors, name).is_ok()
    }

    /// Finds the parameters of the list, in its order, each with its name in the checkpoint. `expected` has the shape of one.
    ///
    /// # Errors
    /// [`Error::MissingHead`] where the head is missing, [`Error::MissingTensor`], [`Error::TensorType`], [`Error::TensorShape`],
    /// and [`Error::Format`] where the encoder has more than its kind.
    pub fn find_all<'a>(
        &self,
        config: &Config,
        task: Task,
        tensors: &'a Tensors,
        expected: impl Fn(&Parameter) -> Vec<usize>,
    ) -> Result<Vec<(String, TensorView<'a>)>> {
        let list = parameters(config, task);
        let head = &list[parameters(config, Task::Encoder).len()..];
        if !head.is_empty() && head.iter().all(|parameter| !self.has(tensors, &parameter.name)) {
            return Err(Error::MissingHead { wanted: task.head(), found: self.other_head(tensors) });
        }
        let mut found = Vec::with_capacity(list.len());
        for parameter in &list {
            let (name, view) = self.get(tensors, &parameter.name)?;
            let expected = expected(parameter);
            if view.shape != expected {
                return Err(Error::TensorShape { name, expected, found: view.shape });
            }
            found.push((name, view));
        }
        let more = format!("{}.attention.self.query.weight", layer_name(config.num_hidden_groups));
        if self.has(tensors, &more) {
            let key = if config.kind.shared_layers { "num_hidden_groups" } else { "num_hidden_layers" };
            let message = format!("{key} {}: the weights have more", config.num_hidden_groups);
            return Err(Error::format(CONFIG, FormatKind::Config, message));
        }
        self.check_layers(&found, tensors)?;
        Ok(found)
    }

    /// An encoder that has more in its layers, such as adapters, or distances as positions, would compute something else.
    fn check_layers(&self, found: &[(String, TensorView<'_>)], tensors: &Tensors) -> Result<()> {
        let layer = self.name(&layer_name(0));
        let layers = layer.trim_end_matches('0');
        let used: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let is_more = |name: &&str| name.starts_with(layers) && !used.contains(name);
        // Files of both names of norms, and buffers, are harmless.
        let is_harmless = |name: &str| {
            let ends = ["weight", "bias", "gamma", "beta"];
            let is_second_name = name.rsplit_once('.').is_some_and(|(module, end)| {
                ends.contains(&end) && ends.iter().any(|end| used.contains(&*format!("{module}.{end}")))
            });
            is_second_name || name.ends_with("position_ids")
        };
        match tensors.names().filter(is_more).find(|name| !is_harmless(name)) {
            Some(name) => {
                let model_type = self.kind.model_type;
                let message = format!("model_type `{model_type}`: it has no `{name}`, which the weights have");
                Err(Error::format(CONFIG, FormatKind::Config, message))
            }
            None => Ok(()),
        }
    }

    /// The head that the checkpoint has instead, if it is a known one.
    fn other_head(&self, tensors: &Tensors) -> Option<&'static str> {
        let heads = [
            ("qa_outputs.", "question answering"),
            ("classifier.", "classification"),
            ("lm_head.", "masked language modelling"),
            ("cls.predictions.", "masked language modelling"),
            ("vocab_transform.", "masked language modelling"),
            ("generator_predictions.", "masked language modelling"),
            ("predictions.", "masked language modelling"),
            ("discriminator_predictions.", "the detection of replaced tokens"),
        ];
        let has = |head: &str| tensors.names().any(|name| name.starts_with(&format!("{}{head}", self.wrapper)));
        heads.into_iter().find(|(head, _)| has(head)).map(|(_, task)| task)
    }
}

/// Whether a prefix of names ends with this part, whole.
fn ends_with_part(prefix: &str, part: &str) -> bool {
    prefix.strip_suffix(part).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
