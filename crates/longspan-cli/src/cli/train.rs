//! The options of the commands that train.

use clap::Args;

use crate::run::command_settings::{PretrainRecipe, TrainRecipe};
use crate::run::folder::RunArgs;

/// Arguments of `longspan train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The folder of the run, and the machine.
    #[command(flatten)]
    pub run: RunArgs,
    /// The settings of the run.
    #[command(flatten)]
    pub recipe: TrainRecipe,
}

/// Arguments of `longspan pretrain`.
#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// The folder of the run, and the machine.
    #[command(flatten)]
    pub run: RunArgs,
    /// The settings of the run.
    #[command(flatten)]
    pub recipe: PretrainRecipe,
}
