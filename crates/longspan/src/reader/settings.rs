//! `longspan.json`: Longspan's own settings of a checkpoint, beside its `config.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::abstain::Abstain;
use crate::checkpoint::{LONGSPAN, Source};
use crate::{Error, FormatKind, Result, json};

/// How a checkpoint is to be asked. Every key may be left out, and so may the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ReaderSettings {
    /// There is no answer when `null_odds` is larger than this. Default 0.
    pub null_score_diff_threshold: f64,
    /// The thresholds that have a name; that of [`Abstain::Balanced`] is `null_score_diff_threshold`. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub abstain: BTreeMap<Abstain, f64>,
    /// Tokens of the longest answer. Default 30.
    pub max_answer_length: usize,
    /// Whether no answer may run over a border: see [`ReadOptions`](crate::ReadOptions::respect_borders). Default false, as
    /// in transformers.
    pub respect_borders: bool,
    /// Separators between question and document: 2, or 1 for BERT and its like, and for allenai's TriviaQA checkpoints.
    /// Default: those of the tokenizer's files, or of the model's kind.
    pub separators: usize,
    /// Tokens of the verification window: see [`ReadOptions`](crate::ReadOptions::verify_tokens). Threshold and calibration
    /// are fitted with it. Default 0: none is read.
    pub verify_tokens: usize,
    /// How scores become probabilities of being right; without it they are the model's own shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// How the scores of a checkpoint become probabilities of being right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The probability that an answer is an exact match with one that people gave. Fitted on answers; the scores of the other
    /// spans listed are on the same scale.
    pub score: Logistic,
    /// The probability that people found no answer. Fitted on abstentions.
    pub no_answer_score: Logistic,
    /// The data that it was fitted on, in words.
    pub fitted_on: String,
}

/// σ(a·logit(score) + b·ln(tokens) + c), where σ is the logistic function and logit its inverse.
///
/// With a alone this is temperature scaling. It includes the tokens of the document because the same score means less where
/// more spans could be the answer, and c because the share of questions without an answer differs from that in training. Platt,
/// "Probabilistic outputs for support vector machines" (1999).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logistic {
    /// a.
    pub logit: f64,
    /// b.
    pub ln_tokens: f64,
    /// c.
    pub constant: f64,
}

/// Logits are clamped to this magnitude, so that scores of 0 and 1 keep a finite logit.
const LOGIT_MAX: f64 = 36.0;

/// More tokens than any document has: its offsets have 32 bits.
const DOCUMENT_TOKENS_MAX: f64 = 4294967296.0;

impl Logistic {
    /// The probability for a score about a document of so many tokens.
    ///
    /// ```
    /// use longspan::reader::Logistic;
    /// let unchanged = Logistic { logit: 1.0, ln_tokens: 0.0, constant: 0.0 };
    /// assert!((unchanged.probability(0.3, 7) - 0.3).abs() < 1e-12);
    /// ```
    pub fn probability(&self, score: f64, tokens: usize) -> f64 {
        let [logit, ln_tokens] = Self::features(score, tokens);
        1.0 / (1.0 + (-(self.logit * logit + self.ln_tokens * ln_tokens + self.constant)).exp())
    }

    /// Whether the probability is a number for every score of every document. The sum of the terms has no limit only if one
    /// of them has none.
    fn is_finite(&self) -> bool {
        let terms = [self.logit * LOGIT_MAX, self.ln_tokens * DOCUMENT_TOKENS_MAX.ln(), self.constant];
        terms.iter().map(|term| term.abs()).sum::<f64>().is_finite()
    }

    /// logit(score) and ln(tokens).
    pub(crate) fn features(score: f64, tokens: usize) -> [f64; 2] {
        [(score / (1.0 - score)).ln().clamp(-LOGIT_MAX, LOGIT_MAX), (tokens as f64).ln()]
    }
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self {
            null_score_diff_threshold: 0.0,
            abstain: BTreeMap::new(),
            max_answer_length: 30,
            respect_borders: false,
            separators: 2,
            verify_tokens: 0,
            calibration: None,
        }
    }
}

impl ReaderSettings {
    /// Name of the file.
    pub const FILE: &str = LONGSPAN;

    /// The settings of a checkpoint.
    ///
    /// - `separators`: those where the file states none, see [`Tokenizer::separators`](crate::tokenizer::Tokenizer::separators)
    ///
    /// # Errors
    /// As [`ReaderSettings::from_json`], and when the file cannot be read.
    pub fn load(source: &Source, separators: usize) -> Result<Self> {
        let usual = Self { separators, ..Self::default() };
        let Some(json) = source.read(Self::FILE)? else { return Ok(usual) };
        let settings = Self::from_json(&json)?;
        let states_separators = json::fields(&json, ["separators"]).is_ok_and(|[separators]| separators.is_some());
        Ok(if states_separators { settings } else { Self { separators, ..settings } })
    }

    /// Reads and checks the content of a `longspan.json`.
    ///
    /// # Errors
    /// [`Error::Format`] when the JSON is malformed, a value is out of its range, or a key is unknown: no setting is silently
    /// ignored.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let wrong = |message: String| Error::format(Self::FILE, FormatKind::Settings, message);
        let settings: Self = serde_json::from_slice(json).map_err(|e| wrong(e.to_string()))?;
        let Self { max_answer_length, separators, .. } = settings;
        if max_answer_length == 0 {
            return Err(wrong(format!("max_answer_length {max_answer_length}: expected 1 or more")));
        }
        if !(1..=2).contains(&separators) {
            return Err(wrong(format!("separators {separators}: expected 1 or 2")));
        }
        let (abstain, threshold) = (&settings.abstain, settings.null_score_diff_threshold);
        if !abstain.is_empty() && abstain.get(&Abstain::Balanced) != Some(&threshold) {
            let balanced = abstain.get(&Abstain::Balanced).map_or("missing".into(), f64::to_string);
            return Err(wrong(format!(
                "abstain: balanced is {balanced}: expected null_score_diff_threshold, {threshold}"
            )));
        }
        if let Some(((lower, low), (upper, high))) = abstain.iter().zip(abstain.iter().skip(1)).find(|(a, b)| a.1 > b.1)
        {
            return Err(wrong(format!("abstain: {lower} is {low}, above {upper}, {high}: expected rising thresholds")));
        }
        if let Some(Calibration { score, no_answer_score, .. }) = &settings.calibration {
            for (name, logistic) in [("score", score), ("no_answer_score", no_answer_score)] {
                let Logistic { logit, ln_tokens, constant } = logistic;
                if !logistic.is_finite() {
                    let terms = format!("{logit:e}, {ln_tokens:e}, {constant:e}");
                    return Err(wrong(format!("calibration of {name}: {terms} give scores that are no numbers")));
                }
            }
        }
        Ok(settings)
    }

    /// The content of a `longspan.json` with these settings.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("finite numbers and text") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(logit: &str, ln_tokens: &str, constant: &str) -> String {
        let changed = format!(r#"{{"logit": {logit}, "ln_tokens": {ln_tokens}, "constant": {constant}}}"#);
        let usual = r#"{"logit": 1, "ln_tokens": 0, "constant": 0}"#;
        format!(r#"{{"calibration": {{"score": {changed}, "no_answer_score": {usual}, "fitted_on": ""}}}}"#)
    }

    #[test]
    fn settings_are_read_and_checked() {
        let settings = ReaderSettings::from_json(br#"{"null_score_diff_threshold": -2.5, "separators": 1}"#).unwrap();
        assert_eq!((settings.null_score_diff_threshold, settings.separators), (-2.5, 1));
        assert_eq!(ReaderSettings::from_json(b"{}").unwrap(), ReaderSettings::default());
        let steep = ReaderSettings::from_json(calibration("1e306", "-1e306", "0").as_bytes()).unwrap();
        let score = steep.calibration.unwrap().score;
        for tokens in [1, u32::MAX as usize] {
            let scores = [0.0, f64::MIN_POSITIVE, 0.5, 1.0 - f64::EPSILON, 1.0].map(|s| score.probability(s, tokens));
            assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
        }
        for (json, message) in [
            (r#"{"separators": 3}"#, "separators 3: expected 1 or 2"),
            (r#"{"max_answer_length": 0}"#, "max_answer_length 0"),
            (r#"{"treshold": 1}"#, "unknown field `treshold`"),
            (r#"{"abstain": {"bold": 1}}"#, "unknown name `bold`, expected one of strict, balanced, eager"),
            (r#"{"abstain": {"eager": 1}}"#, "balanced is missing: expected null_score_diff_threshold, 0"),
            (r#"{"abstain": {"balanced": 1}}"#, "balanced is 1: expected null_score_diff_threshold, 0"),
            (r#"{"abstain": {"balanced": 0, "strict": 0.5}}"#, "strict is 0.5, above balanced, 0: expected rising"),
            (r#"{"abstain": {"balanced": 0, "eager": 1e400}}"#, "number out of range"),
            (r#"{"calibration": {"score": {"logit": 1}}}"#, "missing field `ln_tokens`"),
            (&calibration("1e308", "0", "0"), "calibration of score: 1e308, 0e0, 0e0 give scores that are no numbers"),
            (&calibration("0", "-1e308", "0"), "calibration of score: 0e0, -1e308, 0e0 give"),
            (&calibration("1e307", "-1e306", "-1e308"), "calibration of score: 1e307, -1e306, -1e308 give"),
            (&calibration("1e400", "0", "0"), "number out of range"),
            (r#"{"null_score_diff_threshold": 1e400}"#, "number out of range"),
            ("", "EOF"),
        ] {
            let error = ReaderSettings::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{json}: {error}");
        }
    }

    #[test]
    fn written_settings_read_back_equal() {
        let score = Logistic { logit: 0.9, ln_tokens: -0.1234567890123, constant: 1e-7 };
        let calibration = Calibration { score, no_answer_score: score, fitted_on: "a \"file\"".into() };
        let abstain = [(Abstain::Strict, -3.5), (Abstain::Balanced, -1.5), (Abstain::Eager, -1.5)].into();
        let calibration = Some(calibration);
        let settings = ReaderSettings { null_score_diff_threshold: -1.5, abstain, calibration, ..Default::default() };
        assert!(settings.to_json().contains("\"abstain\": {\n    \"strict\": -3.5,"), "{}", settings.to_json());
        assert_eq!(ReaderSettings::from_json(settings.to_json().as_bytes()).unwrap(), settings);
        let plain = ReaderSettings::default();
        assert_eq!(ReaderSettings::from_json(plain.to_json().as_bytes()).unwrap(), plain);
        assert!(!plain.to_json().contains("abstain"));
    }

    #[test]
    fn probabilities_rise_with_the_score_and_stay_between_0_and_1() {
        let logistic = Logistic { logit: 2.0, ln_tokens: -1.0, constant: 0.5 };
        let scores = [0.0, 1e-300, 1e-9, 0.2, 0.5, 0.9, 1.0 - 1e-9, 1.0];
        let found = scores.map(|score| logistic.probability(score, 3));
        assert!(found.windows(2).all(|pair| pair[0] <= pair[1]), "{found:?}");
        assert!(found.iter().all(|p| (0.0..=1.0).contains(p)), "{found:?}");
        assert!(logistic.probability(0.5, 9) < logistic.probability(0.5, 3));
    }
}
