//! `longspan.json`: Longspan's own settings of a checkpoint, beside its `config.json`.

use serde::Deserialize;

use crate::{Error, Result};

/// Name of the file.
pub(crate) const FILE: &str = "longspan.json";

/// What a checkpoint says about how it is to be asked. Every key may be left out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// No answer when `null_odds` is larger than this.
    pub null_score_diff_threshold: Option<f64>,
    /// Tokens of the longest answer.
    pub max_answer_length: Option<usize>,
    /// Separators between question and document: 2, or 1 for allenai's TriviaQA checkpoints.
    pub separators: Option<usize>,
}

impl Settings {
    /// Reads and checks the content of a `longspan.json`.
    ///
    /// # Errors
    /// [`Error::Format`] when the JSON is malformed, a value makes no sense, or a key is not known: a setting is never
    /// silently left out.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let wrong = |message: String| Error::Format { file: FILE.into(), message };
        let settings: Self = serde_json::from_slice(json).map_err(|e| wrong(e.to_string()))?;
        if let Some(length @ 0) = settings.max_answer_length {
            return Err(wrong(format!("max_answer_length {length}: expected 1 or more")));
        }
        if let Some(separators) = settings.separators.filter(|count| !(1..=2).contains(count)) {
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
        assert_eq!((settings.null_score_diff_threshold, settings.separators), (Some(-2.5), Some(1)));
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
