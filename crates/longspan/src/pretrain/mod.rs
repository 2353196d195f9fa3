//! Pretraining: long documents → a better encoder, by masked language modelling.
//!
//! ```text
//! token_file   documents, tokenized once, in a file that is mapped into memory
//! sequences    the documents end to end, cut into inputs
//! masking      which tokens of an input are hidden, and what stands there instead
//! bits         what a model loses at hidden tokens, by how much stands before them
//! run          training, by the loop of every run
//! ```
//!
//! The objective is that of Devlin et al., "BERT" (arXiv 1810.04805), the packing FULL-SENTENCES of Liu et al., "RoBERTa"
//! (arXiv 1907.11692), the use for long inputs that of Beltagy et al., "Longformer" (arXiv 2004.05150), section 5.

mod token_file;

mod masking;
mod sequences;

mod bits;
mod run;

use masking::Masking;

pub use bits::{Bits, Measuring, STRETCH, Stretch, measure, source_tokens};
pub use run::{Job, check, has_head, head_flop, run};
pub use token_file::{TokenFile, Tokenized};

/// How inputs are made of documents.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageSettings {
    /// Tokens of an input.
    pub max_tokens: usize,
    /// Share of the tokens that are hidden: 0 to 1.
    pub mask_share: f64,
    /// Whether all tokens of a word are hidden or none.
    pub whole_words: bool,
}

impl Default for LanguageSettings {
    fn default() -> Self {
        Self { max_tokens: 4096, mask_share: 0.15, whole_words: false }
    }
}
