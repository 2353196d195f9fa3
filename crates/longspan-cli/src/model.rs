//! Finds the checkpoint: the embedded one, a folder, or one on the Hugging Face hub.

use std::path::{Path, PathBuf};

use anyhow::Result;
use longspan::checkpoint::{Source, is_free};
use longspan::error::{HubFault, excerpt};
use longspan::hub::{CachedFiles, Hub, Repository};
use longspan::model::Task;
use longspan::{Error, ErrorKind, Reader};
use longspan_ask::{could_be_on_hub, embedded_name};

use crate::cli::{MachineArgs, ModelArgs};
use crate::folder::{self, not_empty};
use crate::machine::instruction_set;
use crate::terminal::hints::fault;
use crate::terminal::progress::DownloadBar;

/// A checkpoint and its name in every output.
pub struct Checkpoint {
    /// The name as given, or that of the embedded model.
    pub name: String,
    /// Its files.
    pub source: Source,
    /// Whether it is a folder that the user named, not the embedded model or one in the cache of the hub.
    pub is_local: bool,
}

/// The name of the embedded model on the command line. A folder of this name is `./embedded`.
const EMBEDDED: &str = "embedded";

/// Finds the checkpoint; one of the hub is fetched if it is not in the cache.
pub fn find(args: &ModelArgs) -> Result<Checkpoint> {
    find_as("--model", args)
}

/// Finds a checkpoint that is named by something else than `--model`.
///
/// - `argument`: what names it, as the command line calls it
pub fn find_as(argument: &str, args: &ModelArgs) -> Result<Checkpoint> {
    let Some(given) = args.model.as_deref().filter(|name| *name != EMBEDDED) else {
        return Ok(Checkpoint {
            name: embedded_name(&Source::embedded()),
            source: Source::embedded(),
            is_local: false,
        });
    };
    if given.is_empty() {
        let hint = "name a folder or ORG/NAME[@REVISION] on the Hugging Face hub; `embedded` is the embedded model";
        return Err(fault(format!("{argument}: the name of the model is empty"), hint));
    }
    let path = Path::new(given);
    let name = path.display().to_string();
    if path.is_dir() {
        return Ok(Checkpoint { name, source: Source::Folder(path.into()), is_local: true });
    }
    if path.exists() {
        return Err(fault(
            format!("`{}`: a file, not a folder", excerpt(&name)),
            "a model is the folder that holds its files",
        ));
    }
    let Some(given) = given.to_str().filter(|given| could_be_on_hub(given)) else {
        let hint = "a model is a folder, or ORG/NAME[@REVISION] on the Hugging Face hub";
        return Err(fault(format!("`{}`: no such folder", excerpt(&name)), hint));
    };
    let folder = from_hub(given, args.offline, CachedFiles::Keep).map_err(|error| match given.contains('/') {
        true => error,
        false => error.context(format!("`{}`: no such folder", excerpt(&name))),
    })?;
    Ok(Checkpoint { name, source: Source::Folder(folder), is_local: false })
}

/// A checkpoint and its reader.
pub struct OpenedModel {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its reader.
    pub reader: Reader,
}

/// Finds and opens the checkpoint.
pub fn open(args: &ModelArgs, machine: &MachineArgs) -> Result<OpenedModel> {
    instruction_set()?; // before anything is fetched for it
    let checkpoint = find(args)?;
    let precision = machine.precision.on_this_machine()?;
    let reader = named(&checkpoint.name, Reader::from_source(&checkpoint.source, precision))?;
    Ok(OpenedModel { checkpoint, reader })
}

/// Finds what fills the folder `out`. A folder that has files may have the result already, but only of a model that is in the
/// cache since: nothing is fetched for it.
///
/// # Errors
/// When the folder has files and the model is not in the cache, and those of `find`.
pub fn for_folder<T>(out: &Path, args: &ModelArgs, find: impl FnOnce(&ModelArgs) -> Result<T>) -> Result<T> {
    folder::check_no_file(out)?;
    if is_free(out)? {
        return find(args);
    }
    let cached = ModelArgs { model: args.model.clone(), offline: true };
    find(&cached).map_err(|error| match error.downcast_ref() {
        Some(Error::Hub { fault: HubFault::NotCached, .. }) => not_empty(out, "name a new folder"),
        _ => error,
    })
}

/// The folder of a model of the hub, fetched where the cache lacks it.
pub fn from_hub(name: &str, offline: bool, cached_files: CachedFiles) -> Result<PathBuf> {
    let (repository, mut bar) = (Repository::parse(name)?, DownloadBar::default());
    let hub = Hub::from_env();
    let hub = Hub { offline: hub.offline || offline, cached_files, ..hub };
    Ok(hub.fetch(&repository, &mut |event| bar.update(event))?)
}

/// Adds the name of the checkpoint to an error, unless the error has a path in its folder or is about something else.
pub fn named<T>(name: &str, result: longspan::Result<T>) -> Result<T> {
    result.map_err(|error| {
        let has_path = error.path().is_some_and(|path| path.starts_with(name));
        let is_other = matches!(error, Error::Write { .. }) || error.kind() == ErrorKind::Option;
        let error = anyhow::Error::from(error);
        if has_path || is_other { error } else { error.context(format!("model `{}`", excerpt(name))) }
    })
}

/// The task in words.
pub fn task_name(task: Task) -> &'static str {
    match task {
        Task::Encoder => "encoder",
        Task::QuestionAnswering => "question answering",
        Task::MaskedLm => "masked language model",
        Task::SequenceClassification => "sequence classification",
        Task::TokenClassification => "token classification",
        Task::MultipleChoice => "multiple choice",
    }
}

/// The attention window of all layers, or that of each.
pub fn windows(windows: &[usize]) -> String {
    match windows {
        [first, rest @ ..] if rest.iter().all(|window| window == first) => format!("{first} in every layer"),
        _ => windows.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_windows_are_named_once() {
        assert_eq!(windows(&[256, 256]), "256 in every layer");
        assert_eq!(windows(&[32, 64]), "32, 64");
    }

    #[test]
    fn the_embedded_model_has_a_name() {
        let name = embedded_name(&Source::embedded());
        assert!(name.ends_with(" (embedded)"), "{name}");
    }
}
