//! The options of the commands that train.

use std::path::PathBuf;

use clap::Args;

use super::common::ThreadsArgs;
use crate::run::pretrain_recipe::PretrainRecipe;
use crate::run::train_recipe::TrainRecipe;

/// Arguments of `longspan train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Where it writes, and on what.
    #[command(flatten)]
    pub run: RunArgs,
    /// What is done, as far as the command line says it.
    #[command(flatten)]
    pub said: TrainRecipe,
}

/// Arguments of `longspan pretrain`.
#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// Where it writes, and on what.
    #[command(flatten)]
    pub run: RunArgs,
    /// What is done, as far as the command line says it.
    #[command(flatten)]
    pub said: PretrainRecipe,
}

/// What is of one machine or one folder, and so in no recipe.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Write the trained model, and what there is to see of the run, into this folder
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub out: PathBuf,
    /// Go on with the run in --out that was broken off
    #[arg(long)]
    pub resume: bool,
    /// A recipe: TOML with the names of the options, `_` for `-`; options beat it
    #[arg(long = "recipe", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub recipe_file: Option<PathBuf>,
    /// Use no network: models of the hub must be in the cache
    #[arg(long)]
    pub offline: bool,
    /// What it runs on.
    #[command(flatten)]
    pub threads: ThreadsArgs,
}
