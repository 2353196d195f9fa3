//! From logits to spans: one normalisation over all windows.
