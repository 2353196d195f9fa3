//! `longspan.json`: Longspan's own settings of a checkpoint, beside its `config.json`.

use serde::Deserialize;

use crate::checkpoint::Source;
use crate::{Error, Result};

const FILE: &str = "longspan.json";

/// What a checkpoint says about how it is to be asked. Every key may be left out, and so may the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// No answer when `null_odds` is larger than this. Default 0.
    pub null_score_diff_threshold: f64,
    /// Tokens of the longest answer. Default 30.
    pub max_answer_length: usize,
    /// Separators between question and document: 2, or 1 for allenai's TriviaQA checkpoints. Default 2.
    pub separators: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { null_score_diff_threshold: 0.0, max_answer_length: 30, separators: 2 }
    }
}

impl Settings {
    /// The settings of a checkpoint.
    ///
    /// # Errors
    /// As [`Settings::from_json`], and when the file cannot be read.
    pub fn load(source: &Source) -> Result<Self> {
        source.read(FILE)?.map_or(Ok(Self::default()), |json| Self::from_json(&json))
    }

    /// Reads and checks the content of a `longspan.json`.
    ///
    /// # Errors
    /// [`Error::Format`] when the JSON is malformed, a value makes no sense, or a key is not known: a setting is never
    /// silently left out.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let wrong = |message: String| Error::Format { file: FILE.into(), message };
        let settings: Self = serde_json::from_slice(json).map_err(|e| wrong(e.to_string()))?;
        let Self { max_answer_length, separators, .. } = settings;
        if max_answer_length == 0 {
            return Err(wrong(format!("max_answer_length {max_answer_length}: expected 1 or more")));
        }
        if !(1..=2).contains(&separators) {
            return Err(wrong(format!("separators {separators}: expected 1 or 2")));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_checked() {
        let settings = Settings::from_json(br#"{"null_score_diff_threshold": -2.5, "separators": 1}"#).unwrap();
        assert_eq!((settings.null_score_diff_threshold, settings.separators), (-2.5, 1));
        assert_eq!(Settings::from_json(b"{}").unwrap(), Settings::default());
        for (json, message) in [
            (r#"{"separators": 3}"#, "separators 3: expected 1 or 2"),
            (r#"{"max_answer_length": 0}"#, "max_answer_length 0"),
            (r#"{"treshold": 1}"#, "unknown field `treshold`"),
            ("", "EOF"),
        ] {
            let error = Settings::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{json}: {error}");
        }
    }
}
