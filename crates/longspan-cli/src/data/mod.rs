//! Files and datasets that commands read, and what a model answered to the questions of a dataset.

pub mod answers;
pub mod asking;
pub mod documents;
pub mod gathered;
pub mod results;
pub mod squad;
