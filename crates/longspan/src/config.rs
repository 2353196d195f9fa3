//! `config.json`: the sizes of a Longformer, checked once.
