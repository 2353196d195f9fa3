//! The files of a revision, and which of them a supported model must have.

use serde::Deserialize;

use crate::checkpoint::{CONFIG, WEIGHTS, WeightsFile, weights_wanted};

/// The files of a revision, as the hub lists them.
#[derive(Deserialize)]
pub(super) struct RevisionFiles {
    /// The commit that the revision points to now.
    #[serde(rename = "sha")]
    pub commit: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl RevisionFiles {
    pub fn has(&self, file: &str) -> bool {
        self.siblings.iter().any(|sibling| sibling.rfilename == file)
    }
}

/// The ways to store a vocabulary. A model needs all files of one of them.
const VOCABULARIES: [&[&str]; 5] = [
    &["tokenizer.json"],
    &["vocab.json", "merges.txt"],
    &["vocab.txt"],
    &["sentencepiece.bpe.model"],
    &["spiece.model"],
];

/// The weights of a model with these files, or a description of the file that it lacks.
pub(super) fn weights(has: impl Fn(&str) -> bool) -> Result<&'static WeightsFile, &'static str> {
    if !has(CONFIG) {
        return Err("`config.json`");
    }
    if !VOCABULARIES.iter().any(|files| files.iter().all(|file| has(file))) {
        return Err(
            "vocabulary: `tokenizer.json`, `vocab.json` with `merges.txt`, `vocab.txt`, `sentencepiece.bpe.model` or \
             `spiece.model`",
        );
    }
    WEIGHTS.iter().find(|weights| has(weights.file)).ok_or_else(|| weights_wanted(has))
}
