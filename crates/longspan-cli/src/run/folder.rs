//! Where a run writes: its folder, and the recipe in it, by which it goes on.

use std::fs;
use std::path::Path;

use anyhow::Result;
use longspan::Precision;
use longspan::checkpoint::write_whole;

use super::course;
use super::metrics::{self, Metrics};
use super::recipe::Recipe;
use crate::cli::RunArgs;
use crate::folder as folders;
use crate::terminal::hints::fault;

/// The recipe that a run leaves behind, and goes on by.
const RECIPE: &str = "recipe.toml";

/// What the run does: what the command line says, else the recipe that it names; of a run that goes on, its own.
///
/// # Errors
/// When a recipe cannot be read, a value is out of its range, or a run that goes on would be another one.
pub fn recipe<R: Recipe>(args: &RunArgs, said: &R) -> Result<R> {
    said.check_options()?;
    let mut wanted = match &args.recipe_file {
        None => said.clone(),
        Some(path) => R::read(path)?.but(said)?,
    };
    let own = args.out.join(RECIPE);
    if !args.resume || !own.exists() {
        return Ok(wanted);
    }
    let own_recipe = R::read(&own)?;
    let course = wanted.course_mut();
    if course.precision.is_some() {
        // Of `auto` a recipe says what it came to.
        let is_f32 = course.numbers()? == Precision::F32;
        course.precision = Some(if is_f32 { course::Precision::F32 } else { course::Precision::Bf16 });
    }
    if let Some((option, has, wants)) = wanted.differs_from(&own_recipe)? {
        let message = format!("`{}`: that run has {option} {has}, this one would have {wants}", own.display());
        return Err(fault(message, "go on without other options than --threads, or name another folder"));
    }
    Ok(own_recipe)
}

/// Makes the folder and writes the recipe into it, before there is anything else to write. Gives the file of metrics,
/// which locks the folder.
///
/// # Errors
/// When the folder is not empty, or cannot be written.
pub fn prepare(args: &RunArgs, complete: &impl Recipe) -> Result<Metrics> {
    let own = args.out.join(RECIPE);
    if args.resume && own.exists() {
        return Metrics::open(&args.out);
    }
    folders::make_new(&args.out)?;
    let head = "# The recipe of this run, complete: --recipe takes it, from the same folder as the first time.\n\n";
    write_whole(&own, format!("{head}{}", complete.to_toml()?).as_bytes())?;
    Metrics::open(&args.out)
}

/// Takes away what [`prepare`] made for a run that did not come to its first step: another one may have the folder. What
/// cannot be removed does no harm.
pub fn unmake(folder: &Path) {
    for name in [RECIPE, metrics::FILE] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}
