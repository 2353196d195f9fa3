//! The options of the commands that train.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::{ModelArgs, ThreadsArgs};
use crate::recipe::command_settings::{PretrainRecipe, TrainRecipe};

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

/// The options that belong to one machine or one folder, and so to no recipe.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Write the trained model, and all records of the run, into this folder
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Resume the interrupted run in --out
    #[arg(long)]
    pub resume: bool,
    /// Read options from a recipe: TOML with the names of the options, `_` for `-`; options given here override it
    #[arg(long = "recipe", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub recipe_file: Option<PathBuf>,
    /// Do not use the network: models on the hub must be in the cache
    #[arg(long)]
    offline: bool,
    /// What it runs on.
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

impl RunArgs {
    /// The arguments that name a model; without a name, the embedded one.
    pub fn model(&self, name: Option<&str>) -> ModelArgs {
        ModelArgs { model: name.map(Into::into), offline: self.offline }
    }
}
