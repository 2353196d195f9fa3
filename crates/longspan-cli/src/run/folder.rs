//! The folder of a run, and the recipe in it by which the run resumes.

use std::fs;
use std::path::Path;

use anyhow::Result;
use longspan::checkpoint::write_whole;

use super::metrics::{self, Metrics};
use crate::cli::RunArgs;
use crate::folder as folders;
use crate::recipe::{AllSettings, CommandSettings, Recipe};
use crate::terminal::hints::fault;

/// The recipe that a run leaves behind, and resumes by.
const RECIPE: &str = "recipe.toml";

/// The recipe of a run: that of `--recipe`, overridden by the options; of a run that resumes, its own.
///
/// # Errors
/// When a recipe cannot be read, or a run that resumes would be another one.
pub fn recipe<C: CommandSettings>(args: &RunArgs, options: &Recipe<C>) -> Result<Recipe<C>> {
    let wanted = match &args.recipe_file {
        None => options.clone(),
        Some(path) => Recipe::open(path)?.overridden_by(options),
    };
    let path = args.out.join(RECIPE);
    if !args.resume || !path.exists() {
        return Ok(wanted);
    }
    let own = Recipe::open(&path)?;
    if let Some(difference) = wanted.difference_from(&own) {
        let message = format!("`{}`: that run has {difference}", path.display());
        return Err(fault(message, "resume without options other than --threads, or choose another folder"));
    }
    Ok(own)
}

/// Makes the folder of a run and writes the recipe into it before anything else. Gives the file of metrics, which locks
/// the folder.
///
/// # Errors
/// When the folder is not empty, or cannot be written.
pub fn prepare(args: &RunArgs, settings: &AllSettings<impl CommandSettings>) -> Result<Metrics> {
    let path = args.out.join(RECIPE);
    if args.resume && path.exists() {
        return Metrics::open(&args.out);
    }
    folders::make_new(&args.out)?;
    let head = "# The complete recipe of this run, for --recipe in the folder where the run was started.\n\n";
    write_whole(&path, format!("{head}{}", settings.to_toml()?).as_bytes())?;
    Metrics::open(&args.out)
}

/// Removes what [`prepare`] made for a run that failed before its first step, so that another run may have the
/// folder. A file that cannot be removed does no harm.
pub fn unmake(folder: &Path) {
    for name in [RECIPE, metrics::FILE] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}
