//! Options of the commands that train, by name.

/// Headings of the help.
pub const INPUTS: &str = "Inputs";
/// See `INPUTS`.
pub const OPTIMIZER: &str = "Optimizer";
/// See `INPUTS`.
pub const WATCHED: &str = "Evaluation and saving";

/// Hint to options that are out of their range.
pub const OPTIONS_HINT: &str = "`longspan train --help` and `longspan pretrain --help` explain the options";

/// A key as it is typed on the command line.
pub fn option(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}
