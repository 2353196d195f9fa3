//! The folder of a run, and the recipe in it by which the run resumes.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use longspan::checkpoint::temporary_name;
use longspan::train::has_state;

use super::metrics::{self, Metrics};
use crate::cli::RunArgs;
use crate::folder::{self as folders, RESUME_HINT};
use crate::lines::read_to_limit;
use crate::recipe::{AllSettings, CommandSettings, RECIPE_BYTES_MAX, Recipe};
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
    folders::check_plain(&path)?;
    if !path.exists() || (!args.resume && has_state(&args.out)) {
        folders::check_no_file(&args.out)?;
        check_new(&args.out, args.resume)?; // before anything is fetched for it
    }
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

/// The folder of a run that is about to begin.
pub struct RunFolder {
    /// The file of metrics, which locks the folder.
    pub metrics: Metrics,
    /// Whether the run goes on where an earlier one ended.
    pub resume: bool,
}

/// Makes the folder of a run, locks it and writes the recipe into it. A folder where the same run was begun, and killed
/// before it saved its first state, is as good as a new one: the run goes on in it.
///
/// # Errors
/// When the folder is not empty, another run uses it, or it cannot be written.
pub fn prepare(args: &RunArgs, settings: &AllSettings<impl CommandSettings>) -> Result<RunFolder> {
    let (out, path) = (&args.out, args.out.join(RECIPE));
    let head = "# The complete recipe of this run, for --recipe in the folder where the run was started.\n\n";
    let recipe = format!("{head}{}", settings.to_toml()?);
    let read = || File::open(&path).and_then(|file| read_to_limit(file, RECIPE_BYTES_MAX));
    let is_begun = || match read() {
        Ok(found) => args.resume || (found == recipe.as_bytes() && !has_state(out)),
        Err(_) => false,
    };
    folders::make(out)?;
    if !is_begun() {
        check_new(out, args.resume)?;
    }
    let metrics = Metrics::open(out)?;
    if is_begun() {
        return Ok(RunFolder { metrics, resume: true });
    }
    check_new(out, args.resume)?; // again, for another run may have ended before the lock
    folders::write(&path, recipe.as_bytes()).inspect_err(|_| unmake(out))?;
    Ok(RunFolder { metrics, resume: args.resume })
}

/// Checks that a folder is missing, or has at most what a run leaves that is killed before its recipe is written.
fn check_new(out: &Path, resume: bool) -> Result<()> {
    let unwritten = temporary_name(RECIPE.as_ref());
    let is_left = |entry: fs::DirEntry| {
        let name = entry.file_name();
        name == unwritten || (name == metrics::FILE && entry.metadata().is_ok_and(|metadata| metadata.len() == 0))
    };
    let entries = fs::read_dir(out);
    let is_missing = entries.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if is_missing || entries.is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(is_left))) {
        return Ok(());
    }
    let hint = if resume { "no run was begun there: name the folder of one" } else { RESUME_HINT };
    Err(folders::not_empty(out, hint))
}

/// Removes what [`prepare`] made for a run that failed before its first step, so that another run may have the
/// folder. A file that cannot be removed does no harm.
pub fn unmake(folder: &Path) {
    for name in [RECIPE, metrics::FILE] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}
