//! Batch → encoder → head → logits.
