//! SQuAD: reading the data, and the official exact match and F1.
