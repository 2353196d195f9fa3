//! The exit status of the program.

/// The exit status; the worst one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Every question was answered.
    Answered = 0,
    /// Some question had no answer.
    Unanswered = 1,
    /// Something went wrong.
    Failed = 2,
}
