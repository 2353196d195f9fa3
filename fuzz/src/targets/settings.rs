//! The settings of a checkpoint: what is read can be written and read again, and its numbers are numbers.

use longspan::config::Config;
use longspan::reader::ReaderSettings;

use super::checks::taken;

pub fn config(case: &[u8]) -> bool {
    let Some(config) = taken(Config::from_json(case)) else { return false };
    let again = Config::from_json(config.to_json().as_bytes());
    assert_eq!(again.expect("what was written is read"), config);
    assert!(config.max_tokens() > 0 && config.head_size() > 0, "{config:?}");
    true
}

pub fn reader_settings(case: &[u8]) -> bool {
    let Some(settings) = taken(ReaderSettings::from_json(case)) else { return false };
    let again = ReaderSettings::from_json(settings.to_json().as_bytes());
    assert_eq!(again.expect("what was written is read"), settings);
    if let Some(calibration) = settings.calibration {
        for logistic in [calibration.score, calibration.no_answer_score] {
            for score in [0.0, 1e-300, 0.3, 1.0] {
                for tokens in [1, 7, 1 << 32] {
                    let probability = logistic.probability(score, tokens);
                    assert!((0.0..=1.0).contains(&probability), "{probability} of {score}, {tokens}: {logistic:?}");
                }
            }
        }
    }
    true
}
