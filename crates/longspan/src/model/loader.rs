//! The values of parameters: those of a checkpoint, those of a model in training, or random ones.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::tensor_names::TensorNames;
use super::{Parameter, Parameters, Task, parameters};
use crate::checkpoint::Tensors;
use crate::config::Config;
use crate::tensor::TensorView;
use crate::{Result, random};

/// The value of every parameter of the list. Those of a checkpoint are all there and have the right shape.
pub(crate) struct Loader<'a> {
    /// Shape and source of each, by name.
    parameters: HashMap<String, (Vec<usize>, ParameterSource<'a>)>,
    tensors: Option<&'a Tensors>,
}

/// Where the values of a parameter come from.
enum ParameterSource<'a> {
    /// By its name in the checkpoint.
    Stored(String, TensorView<'a>),
    Values(&'a [f32]),
    Random,
}

impl<'a> Loader<'a> {
    /// Finds every parameter before any is read.
    pub fn new(config: &Config, task: Task, tensors: &'a Tensors) -> Result<Self> {
        task.check_head(config)?;
        Self::with_names(&TensorNames::find(config.kind, tensors)?, config, task, tensors)
    }

    fn with_names(names: &TensorNames, config: &Config, task: Task, tensors: &'a Tensors) -> Result<Self> {
        let found = names.find_all(config, task, tensors, |parameter| parameter.shape.clone())?;
        let stored = |(own, (name, view)): (Parameter, (String, TensorView<'a>))| {
            (own.name, (own.shape, ParameterSource::Stored(name, view)))
        };
        Ok(Self {
            parameters: parameters(config, task).into_iter().zip(found).map(stored).collect(),
            tensors: Some(tensors),
        })
    }

    /// Like [`Loader::new`], but the checkpoint may lack the head, all of it. Returns whether it has one.
    fn perhaps_without_head(config: &Config, task: Task, tensors: &'a Tensors) -> Result<(Self, bool)> {
        task.check_head(config)?;
        let names = TensorNames::find(config.kind, tensors)?;
        let (list, encoder) = (parameters(config, task), parameters(config, Task::Encoder).len());
        let has_head = list[encoder..].iter().any(|parameter| names.has(tensors, &parameter.name));
        Ok((Self::with_names(&names, config, if has_head { task } else { Task::Encoder }, tensors)?, has_head))
    }

    /// The values of a model in training.
    pub fn of(all: &'a Parameters) -> Self {
        let values = |p: &Parameter| ParameterSource::Values(&all.values()[p.range()]);
        let parameters = all.list().iter().map(|p| (p.name.clone(), (p.shape.clone(), values(p))));
        Self { parameters: parameters.collect(), tensors: None }
    }

    /// Weights under which hidden states keep their size, for measurements.
    pub fn random(config: &Config, task: Task) -> Self {
        let parameters = parameters(config, task).into_iter().map(|p| (p.name, (p.shape, ParameterSource::Random)));
        Self { parameters: parameters.collect(), tensors: None }
    }

    /// One parameter, widened to f32.
    pub fn read(&self, name: &str) -> Vec<f32> {
        let mut values = vec![0.0; self.get(name).0.iter().product()];
        self.copy(name, &mut values);
        values
    }

    /// Writes one parameter, widened to f32, over zeros.
    pub fn copy(&self, name: &str, values: &mut [f32]) {
        match self.get(name) {
            (_, ParameterSource::Stored(_, view)) => view.copy_to(values),
            (_, ParameterSource::Values(own)) => values.copy_from_slice(own),
            (_, ParameterSource::Random) if name.ends_with("orm.weight") => values.fill(1.0),
            (shape, ParameterSource::Random) if shape.len() == 1 => {}
            (shape, ParameterSource::Random) => {
                let matrix = self.matrix(name);
                values.chunks_exact_mut(shape[1]).enumerate().for_each(|(i, row)| matrix.row(i, row));
            }
        }
    }

    /// A parameter that is read row by row.
    pub fn matrix(&self, name: &str) -> ParameterRows<'_> {
        let (shape, source) = self.get(name);
        ParameterRows { name: name.into(), rows: shape[0], columns: shape[1], source }
    }

    fn get(&self, name: &str) -> &(Vec<usize>, ParameterSource<'a>) {
        self.parameters.get(name).unwrap_or_else(|| panic!("`{name}` is not in the list of parameters"))
    }

    /// Releases the pages of the parameters whose names begin with `prefix`, once they are packed.
    pub fn release(&self, prefix: &str) {
        let Some(tensors) = self.tensors else { return };
        for (_, (_, source)) in self.parameters.iter().filter(|(name, _)| name.starts_with(prefix)) {
            if let ParameterSource::Stored(name, _) = source {
                tensors.release(name);
            }
        }
    }
}

/// The rows of a parameter.
pub(crate) struct ParameterRows<'a> {
    name: String,
    pub rows: usize,
    pub columns: usize,
    source: &'a ParameterSource<'a>,
}

impl ParameterRows<'_> {
    /// Row `i`: (K).
    pub fn row(&self, i: usize, out: &mut [f32]) {
        let Self { name, columns, source, .. } = self;
        match source {
            ParameterSource::Stored(_, view) => view.row(i).copy_to(out),
            ParameterSource::Values(values) => out.copy_from_slice(&values[i * columns..(i + 1) * columns]),
            ParameterSource::Random => {
                let mut hasher = DefaultHasher::new();
                (name, i).hash(&mut hasher);
                let mut state = hasher.finish() | 1;
                let size = (3.0 / *columns as f32).sqrt();
                for x in out {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    *x = ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * size;
                }
            }
        }
    }
}

impl Parameters {
    /// Random weights, for measurements: those of [`Model::random`](super::Model::random).
    pub fn random(config: &Config, task: Task) -> Self {
        let (mut all, loader) = (Self::zeros(config, task), Loader::random(config, task));
        for Parameter { name, .. } in parameters(config, task) {
            loader.copy(&name, all.get_mut(&name));
        }
        all
    }

    /// The weights of a checkpoint. A head that the checkpoint lacks altogether begins with weights that follow from
    /// the seed, normal with a deviation of 0.02, and biases of zero.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` asks for.
    pub fn load(config: &Config, task: Task, tensors: &Tensors, seed: u64) -> Result<Self> {
        let (list, encoder) = (parameters(config, task), parameters(config, Task::Encoder).len());
        // It compares every shape before the weights are allocated: sizes may be claims.
        let (loader, head_is_there) = Loader::perhaps_without_head(config, task, tensors)?;
        let mut all = Self::zeros(config, task);
        for (i, parameter) in list.iter().enumerate() {
            let values = &mut all.values_mut()[parameter.range()];
            if i < encoder || head_is_there {
                loader.copy(&parameter.name, values);
            } else {
                begin_head(parameter, values, random::number(seed, &[i as u64]));
            }
        }
        Ok(all)
    }

    /// Checks what [`Parameters::load`] finds, and reads none of it. Returns whether the checkpoint has the head.
    ///
    /// # Errors
    /// Those of [`Parameters::load`].
    pub(crate) fn check(config: &Config, task: Task, tensors: &Tensors) -> Result<bool> {
        Loader::perhaps_without_head(config, task, tensors).map(|(_, has_head)| has_head)
    }
}

/// The first values of a new head.
fn begin_head(parameter: &Parameter, values: &mut [f32], seed: u64) {
    if parameter.name.ends_with("norm.weight") {
        values.fill(1.0);
    } else if parameter.shape.len() > 1 {
        for (i, value) in values.iter_mut().enumerate() {
            let index = [i as u64];
            // Box and Muller: 1 - fraction is above zero.
            let radius = (-2.0 * (1.0 - random::fraction(seed, &index)).ln()).sqrt();
            let angle = std::f64::consts::TAU * random::fraction(seed.wrapping_add(1), &index);
            *value = (0.02 * radius * angle.cos()) as f32;
        }
    }
}
