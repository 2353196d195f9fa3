//! The options of the commands that train.

use clap::Args;

use crate::run::command_settings::{PretrainRecipe, TrainRecipe};
use crate::run::folder::RunArgs;

/// Arguments of `longspan train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Where it writes, and on what it runs.
    #[command(flatten)]
    pub run: RunArgs,
    /// What it does.
    #[command(flatten)]
    pub recipe: TrainRecipe,
}

/// Arguments of `longspan pretrain`.
#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// Where it writes, and on what it runs.
    #[command(flatten)]
    pub run: RunArgs,
    /// What it does.
    #[command(flatten)]
    pub recipe: PretrainRecipe,
}
