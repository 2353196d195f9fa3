//! How ready a reader is to answer, in words: three thresholds, which `longspan calibrate` fits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How ready a reader is to answer: the name of a threshold of the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Abstain {
    /// At least 85% of the answers that are given are exact matches.
    Strict,
    /// The threshold of the checkpoint, which is used where nothing else is asked for.
    Balanced,
    /// At most one in five of the questions that have an answer is refused.
    Eager,
}

impl Abstain {
    /// All of them; the thresholds rise in this order.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Balanced, Self::Eager];

    /// Its name in options and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Balanced => "balanced",
            Self::Eager => "eager",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|abstain| abstain.name() == name)
    }
}

impl fmt::Display for Abstain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Abstain> for &'static str {
    fn from(abstain: Abstain) -> Self {
        abstain.name()
    }
}

impl TryFrom<String> for Abstain {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let expected = || Self::ALL.map(Self::name).join(", ");
        Self::from_name(&name).ok_or_else(|| format!("unknown name `{name}`, expected one of {}", expected()))
    }
}
