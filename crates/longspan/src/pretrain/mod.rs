//! Pretraining: long documents → a better encoder, by masked language modelling.
//!
//! ```text
//! text         the document in a line of JSON
//! token_file   documents, tokenized once, in a memory-mapped file
//! sequences    the documents joined and cut into inputs
//! masking      which tokens of an input are masked, and what replaces them
//! bits         loss per masked token, by the position in the input
//! run          training for masked language modelling
//! ```
//!
//! The objective is that of Devlin et al., "BERT" (arXiv 1810.04805), the packing FULL-SENTENCES of Liu et al., "RoBERTa"
//! (arXiv 1907.11692), the use for long inputs that of Beltagy et al., "Longformer" (arXiv 2004.05150), section 5.

mod text;
mod token_file;

mod masking;
mod sequences;

mod bits;
mod run;

use crate::config::{Config, ModelKind};
use crate::train::settings_table::{self, ABOVE_ZERO_TO_ONE, Domain, TOKENS_MAX};
use crate::{Error, Result};

pub use bits::{Bits, BitsStretch, Measuring, STRETCH, measure, source_tokens};
pub use run::{MlmJob, check, has_head, head_flop, run};
pub use text::text_of_json;
pub use token_file::{TokenFile, Tokenized};

settings_table::declare! {
    /// How masked language modelling makes inputs of documents.
    pub struct MlmSettings;
    "Inputs" {
        /// Tokens of an input.
        max_tokens: usize = 4096, Domain::Whole(3, TOKENS_MAX), "the model's positions, at most 4096";
        /// Share of the tokens to mask, above 0, at most 1.
        mask_share: f64 = 0.15, ABOVE_ZERO_TO_ONE;
        /// Mask all tokens of a word or none.
        whole_words: bool = false, Domain::Flag;
    }
}

/// Checks that a model is one that is pretrained: heads of short models for masked language modelling differ.
fn check_kind(config: &Config) -> Result<()> {
    match config.kind == ModelKind::LONGFORMER {
        true => Ok(()),
        false => {
            let expected = "expected `longformer`, which `longspan convert` makes of a short model";
            Err(Error::ModelType { found: config.kind.model_type.into(), expected })
        }
    }
}
