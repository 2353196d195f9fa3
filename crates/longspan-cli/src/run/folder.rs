//! The folder of a run, and the recipe in it by which the run resumes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueHint};
use longspan::checkpoint::write_whole;

use super::metrics::{self, Metrics};
use super::recipe::{AllSettings, CommandSettings, Recipe};
use crate::cli::{ModelArgs, ThreadsArgs};
use crate::folder as folders;
use crate::model::{self, Checkpoint};
use crate::terminal::hints::fault;

/// The recipe that a run leaves behind, and resumes by.
const RECIPE: &str = "recipe.toml";

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
    recipe_file: Option<PathBuf>,
    /// Do not use the network: models on the hub must be in the cache
    #[arg(long)]
    offline: bool,
    /// What it runs on.
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

impl RunArgs {
    /// Finds a model; without a name, the one in the program.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be fetched.
    pub fn find(&self, name: Option<&str>) -> Result<Checkpoint> {
        model::find(&ModelArgs { model: name.map(str::to_owned), offline: self.offline })
    }

    /// The recipe of the run: that of `--recipe`, overridden by the options; of a run that resumes, its own.
    ///
    /// # Errors
    /// When a recipe cannot be read, or a run that resumes would be another one.
    pub fn recipe<C: CommandSettings>(&self, options: &Recipe<C>) -> Result<Recipe<C>> {
        let wanted = match &self.recipe_file {
            None => options.clone(),
            Some(path) => Recipe::open(path)?.overridden_by(options),
        };
        let path = self.out.join(RECIPE);
        if !self.resume || !path.exists() {
            return Ok(wanted);
        }
        let own = Recipe::open(&path)?;
        if let Some((option, has, wants)) = wanted.differs_from(&own) {
            let message = format!("`{}`: that run has {option} {has}, this one would have {wants}", path.display());
            return Err(fault(message, "resume without options other than --threads, or choose another folder"));
        }
        Ok(own)
    }

    /// Makes the folder and writes the recipe into it before anything else. Gives the file of metrics, which locks the
    /// folder.
    ///
    /// # Errors
    /// When the folder is not empty, or cannot be written.
    pub fn prepare(&self, settings: &AllSettings<impl CommandSettings>) -> Result<Metrics> {
        let path = self.out.join(RECIPE);
        if self.resume && path.exists() {
            return Metrics::open(&self.out);
        }
        folders::make_new(&self.out)?;
        let head = "# The complete recipe of this run, for --recipe in the folder where the run was started.\n\n";
        write_whole(&path, format!("{head}{}", settings.to_toml()?).as_bytes())?;
        Metrics::open(&self.out)
    }
}

/// Removes what [`RunArgs::prepare`] made for a run that failed before its first step, so that another run may have the
/// folder. A file that cannot be removed does no harm.
pub fn unmake(folder: &Path) {
    for name in [RECIPE, metrics::FILE] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}
