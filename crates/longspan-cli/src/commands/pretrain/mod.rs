//! `longspan pretrain`: a model and long documents → an encoder for long documents.
//!
//! ```text
//! text         files and folders → documents
//! bits         the loss before and after the run
//! ```

mod bits;
mod text;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use longspan::checkpoint::Source;
use longspan::pretrain::{self, Measuring, MlmJob, TokenFile, Tokenized, has_head, measure, source_tokens};
use longspan::tokenizer::Tokenizer;
use longspan::train::{RunOutcome, TrainSettings};

use crate::cli::PretrainArgs;
use crate::folder as folders;
use crate::machine::instruction_set;
use crate::model::{self, Checkpoint, named};
use crate::run::folder::{self, RunFolder};
use crate::run::made;
use crate::run::metrics::Metrics;
use crate::run::watch::RunWatcher;
use crate::terminal::hints::fault;
use crate::terminal::progress::Bar;
use crate::terminal::{self, counted};
use bits::Stage;
use text::Texts;

/// Tokenized texts, in the folder of the run.
const TOKENS: &str = "tokens";
/// The run of a new head alone, in the folder of the run.
const HEAD: &str = "head";
/// The last stage.
const AFTER: &str = "after";

/// Runs the command.
pub fn run(args: &PretrainArgs) -> Result<()> {
    instruction_set()?; // first, for a recipe may ask for the best precision of the machine
    let recipe = folder::recipe(&args.run, &args.recipe)?;
    let command = recipe.command_settings()?;
    let field = command.text_field.as_str();
    if command.text.is_empty() {
        return Err(fault("no text to learn from", "--text PATH names it, or `text` in the recipe does"));
    }
    let texts = Texts::find(&command.text)?;
    let valid = if command.valid.is_empty() { None } else { Some(Texts::find(&command.valid)?) };
    args.run.threads.start()?;
    let base = model::find(&args.run.model(command.model.as_deref()))?;
    let config = named(&base.name, base.source.config())?;
    let all = recipe.all_settings(config.max_tokens())?;
    let (settings, mlm) = (&all.train, &all.task);
    let out = &args.run.out;
    let has_one = named(&base.name, has_head(&base.source))?;
    let head = if has_one { None } else { all.of_head(config.num_hidden_layers) };
    for settings in head.iter().chain([settings]) {
        named(&base.name, pretrain::check(&base.source, settings, mlm))?;
    }
    if !has_one && head.is_none() && settings.train_only.is_some() {
        let message = "--train-only positions: the model has no head, and --head-steps 0 trains none";
        return Err(fault(message, "leave out one of the two"));
    }
    if !args.run.resume {
        let note = Bar::note();
        note.say(&format!("checking texts: {}", texts.size()));
        texts.check(field)?;
        valid.as_ref().map_or(Ok(()), |valid| valid.check(field))?;
    }

    let RunFolder { metrics, resume } = folder::prepare(&args.run, &all)?;
    folders::make(&out.join(TOKENS))?;
    let train = tokenized(&texts, field, &base, &out.join(TOKENS).join("text.bin"))?;
    let valid = valid.map(|valid| tokenized(&valid, field, &base, &out.join(TOKENS).join("valid.bin"))).transpose()?;
    let job = MlmJob { base: &base.source, train: &train, valid: valid.as_ref(), mlm, settings, out, resume };
    let source = match &head {
        None => base.source.clone(),
        Some(settings) => begun(&job, settings)?,
    };
    let job = MlmJob { base: &source, ..job };
    let mut stages = before(&job)?;
    let outcome = trained(&job, metrics)?;
    let mut shown = made(out, &outcome);
    if let Some(valid) = &valid {
        let measuring = Measuring::new(settings, mlm, None);
        stages.push(stage(AFTER, &Source::Folder(out.clone()), valid, &measuring, mlm.max_tokens)?);
        bits::write(out, &stages)?;
        shown += &format!("\n{}", bits::table(&stages));
    }
    let name = terminal::one_line(&out.display().to_string());
    shown += &format!("\nnext:\n  longspan train -m {name} --train DATA --dev DATA --out NEW\n");
    terminal::print(shown.as_bytes()).context("standard output")
}

/// The texts as tokens, in a file that is made if it is missing.
fn tokenized(texts: &Texts, field: &str, base: &Checkpoint, path: &Path) -> Result<TokenFile> {
    let source = &base.source;
    let tokenizer = named(&base.name, Tokenizer::load(|name| source.read(name)))?;
    let (text, files, vocabulary) = (texts.checksum, texts.files(), source.tokenizer_checksum()?);
    let identity = format!("text {text:08x} in {files} files, field {field}, tokenizer {vocabulary:08x}");
    if !path.exists() {
        say(&format!("tokenizing texts: {}", texts.size()));
    }
    let bar = Bar::share(texts.bytes);
    let mut on_progress = |done: Tokenized| {
        bar.say(&format!("{}, {}", counted(done.documents, "document"), counted(done.tokens, "token")));
    };
    TokenFile::build(path, &identity, &tokenizer, texts.documents(field, &bar), &mut on_progress)
}

/// The base with a new head that was trained alone.
fn begun(job: &MlmJob<'_>, settings: &TrainSettings) -> Result<Source> {
    let out = job.out.join(HEAD);
    folders::make(&out)?;
    say("training a new head alone first");
    let job = MlmJob { valid: None, settings, out: &out, resume: true, ..*job };
    trained(&job, Metrics::open(&out)?)?;
    Ok(Source::Folder(out))
}

fn trained(job: &MlmJob<'_>, metrics: Metrics) -> Result<RunOutcome> {
    let watch = RunWatcher::new(job.out, metrics, instruction_set()?, job.settings.precision);
    Ok(watch.watch(|watch| pretrain::run(job, watch)).0?)
}

/// Measures the model before the run, and the source that it was converted from at its own length.
fn before(job: &MlmJob<'_>) -> Result<Vec<Stage>> {
    let Some(valid) = job.valid else { return Ok(Vec::new()) };
    if let Some(earlier) = bits::read(job.out).filter(|_| job.resume) {
        return Ok(earlier.into_iter().filter(|stage| stage.name != AFTER).collect());
    }
    if !has_head(job.base)? {
        return Ok(Vec::new());
    }
    let mut stages = Vec::new();
    let tokens = job.mlm.max_tokens;
    if let Some(own) = source_tokens(job.base)?.filter(|own| *own < tokens) {
        let measuring = Measuring::new(job.settings, job.mlm, Some(own));
        stages.push(stage("source", job.base, valid, &measuring, own)?);
    }
    let measuring = Measuring::new(job.settings, job.mlm, None);
    stages.push(stage("before", job.base, valid, &measuring, tokens)?);
    bits::write(job.out, &stages)?;
    Ok(stages)
}

/// Prints a line to standard error, if that is open.
fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

fn stage(name: &str, model: &Source, valid: &TokenFile, measuring: &Measuring<'_>, tokens: usize) -> Result<Stage> {
    say(&format!("measuring bits of masked tokens: {name}"));
    let note = Bar::note();
    let mut on_progress =
        |done: usize, all: usize| note.say(&format!("measuring {name}: {done} of {}", counted(all, "input")));
    Ok(Stage::new(name, tokens, &measure(model, valid, measuring, &mut on_progress)?))
}
