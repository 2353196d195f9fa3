//! All layers, forward and backward: `LongformerEncoder.forward` in transformers' modeling_longformer.py.

use super::Parameters;
use super::activations::{
    ActivationGradients, Activations, BackwardLayer, LayerActivations, LayerScratch, PassBuffers,
};
use super::embeddings::{embed, embed_backward};
use super::layer::layer;
use super::layer_backward::layer_backward;
use super::pass::{Pass, TrainingMode};

/// The last hidden states of a batch: (T, C).
pub(crate) fn forward(pass: &Pass<'_>, buffers: PassBuffers) -> Vec<f32> {
    let PassBuffers { mut x, mut scratch } = buffers;
    embed(pass, &mut x);
    for index in 0..pass.model.config.num_hidden_layers {
        layer(pass, index, &mut x, &mut scratch, None);
    }
    x
}

/// The same, and saves what [`backward`] needs.
pub(crate) fn forward_saving(pass: &Pass<'_>, training: &TrainingMode<'_>, saved: &mut Activations) {
    let mut x = vec![0.0; pass.batch.tokens() * pass.model.config.hidden_size];
    let mut scratch = LayerScratch::new(pass);
    embed(pass, &mut x);
    let trained = pass.model.config.num_hidden_layers - training.frozen_layers;
    let Activations { layers, inputs, last } = saved;
    layers.resize_with(if training.recompute { 1 } else { trained }, LayerActivations::default);
    inputs.resize_with(if training.recompute { trained } else { 0 }, Vec::new);
    for index in 0..pass.model.config.num_hidden_layers {
        let save = match index.checked_sub(training.frozen_layers) {
            None => None,
            Some(place) if training.recompute => {
                inputs[place].clone_from(&x);
                None
            }
            Some(place) => Some(&mut layers[place]),
        };
        layer(pass, index, &mut x, &mut scratch, save);
    }
    *last = x;
}

/// Adds the gradients of the layers that are not frozen, and where none is, those of the embeddings.
///
/// - `saved`: by [`forward_saving`] over the same batch; inputs of layers are lost in recomputation
/// - `dx`: gradients of the last hidden states: (T, C)
pub(crate) fn backward(
    pass: &Pass<'_>,
    training: &TrainingMode<'_>,
    saved: &mut Activations,
    dacts: &mut ActivationGradients,
    mut dx: Vec<f32>,
    gradients: &mut Parameters,
) {
    dacts.resize(pass);
    for index in (training.frozen_layers..pass.model.config.num_hidden_layers).rev() {
        let place = index - training.frozen_layers;
        let activations = if training.recompute {
            let activations = &mut saved.layers[0];
            let scratch = &mut LayerScratch::new(pass);
            layer(pass, index, &mut saved.inputs[place], scratch, Some(&mut *activations));
            activations
        } else {
            &mut saved.layers[place]
        };
        let layer = &training.weights.layers[pass.model.config.group_of_layer(index)];
        let own = BackwardLayer { pass, index, layer, saved: activations };
        layer_backward(own, dacts, &mut dx, gradients);
    }
    if training.frozen_layers == 0 {
        let projection = training.weights.projection.as_ref();
        embed_backward(pass, projection, &mut dx, &mut dacts.factors, gradients);
    }
}
