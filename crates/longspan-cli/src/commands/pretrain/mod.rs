//! `longspan pretrain`: a model and long documents → an encoder that knows long documents.
//!
//! ```text
//! text         files and folders → documents
//! bits         what the valid text says of the run
//! ```

mod bits;
mod text;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use longspan::checkpoint::Source;
use longspan::pretrain::{self, Job, Measuring, TokenFile, Tokenized, has_head, measure, source_tokens};
use longspan::tokenizer::Tokenizer;
use longspan::train::{Outcome, Settings, Trained};

use crate::cli::PretrainArgs;
use crate::folder as folders;
use crate::machine::instruction_set;
use crate::model::{Checkpoint, named};
use crate::run::folder;
use crate::run::metrics::Metrics;
use crate::run::pretrain_recipe::PretrainRecipe;
use crate::run::watch::Watch;
use crate::run::{find, made};
use crate::terminal::hints::fault;
use crate::terminal::progress::Bar;
use crate::terminal::{self, thousands};
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
    let recipe = folder::recipe(&args.run, &args.said)?;
    if recipe.text.is_empty() {
        return Err(fault("no text to learn from", "--text PATH names it, or `text` in the recipe does"));
    }
    let texts = Texts::find(&recipe.text)?;
    let valid = if recipe.valid.is_empty() { None } else { Some(Texts::find(&recipe.valid)?) };
    args.run.threads.start()?;
    instruction_set()?; // before anything is fetched for it
    let base = find(recipe.course.model.as_deref(), &args.run)?;
    let config = named(&base.name, base.source.config())?;
    let (settings, language) = recipe.settings(config.max_tokens())?;
    let out = &args.run.out;
    let has_one = has_head(&base.source)?;
    let head = if has_one { None } else { recipe.head(&settings, config.num_hidden_layers) };
    for settings in head.iter().chain([&settings]) {
        pretrain::check(&base.source, settings, &language)?;
    }
    if !has_one && head.is_none() && settings.trained == Trained::Positions {
        let message = "--train-only positions: the model has no head, and --head-steps 0 trains none";
        return Err(fault(message, "leave out one of the two"));
    }
    if !args.run.resume {
        let note = Bar::note();
        note.say(&format!("checking texts: {:.1} MB in {} files", texts.bytes as f64 / 1e6, texts.files()));
        texts.check(recipe.text_field())?;
        valid.as_ref().map_or(Ok(()), |valid| valid.check(recipe.text_field()))?;
    }

    let metrics = folder::prepare(&args.run, &recipe.complete(&settings, &language))?;
    folders::make(&out.join(TOKENS))?;
    let train = tokenized(&texts, &recipe, &base, &out.join(TOKENS).join("text.bin"))?;
    let valid =
        valid.map(|valid| tokenized(&valid, &recipe, &base, &out.join(TOKENS).join("valid.bin"))).transpose()?;
    let job = Job {
        base: &base.source,
        train: &train,
        valid: valid.as_ref(),
        language: &language,
        settings: &settings,
        out,
        resume: args.run.resume,
    };
    let source = match &head {
        None => base.source.clone(),
        Some(settings) => begun(&job, settings)?,
    };
    let job = Job { base: &source, ..job };
    let mut stages = before(&job)?;
    let outcome = trained(&job, metrics)?;
    let mut shown = made(out, &outcome);
    if let Some(valid) = &valid {
        let tokens = language.max_tokens;
        let measuring = Measuring::new(&settings, &language, None);
        stages.push(stage(AFTER, &Source::Folder(out.clone()), valid, &measuring, tokens)?);
        bits::write(out, &stages)?;
        shown += &format!("\n{}", bits::table(&stages));
    }
    let name = terminal::one_line(&out.display().to_string());
    shown += &format!("\nnext:\n  longspan train -m {name} --train DATA --dev DATA --out NEW\n");
    terminal::print(shown.as_bytes()).context("standard output")
}

/// The texts as tokens of the base's tokenizer, in a file that is made where it is not there.
fn tokenized(texts: &Texts, recipe: &PretrainRecipe, base: &Checkpoint, path: &Path) -> Result<TokenFile> {
    let source = &base.source;
    let tokenizer = named(&base.name, Tokenizer::load(|name| source.read(name)))?;
    let field = recipe.text_field();
    let identity = format!(
        "text {:08x} in {} files, field {field}, tokenizer {:08x}",
        texts.checksum,
        texts.files(),
        source.tokenizer_checksum()?
    );
    if !path.exists() {
        say(&format!("texts are tokenized: {:.1} MB in {} files", texts.bytes as f64 / 1e6, texts.files()));
    }
    let bar = Bar::share(texts.bytes);
    let mut told = |done: Tokenized| {
        bar.set_position(texts.read.get());
        bar.say(&format!("{} documents, {} tokens", thousands(done.documents), thousands(done.tokens)));
    };
    TokenFile::build(path, &identity, &tokenizer, texts.documents(field), &mut told)
}

/// The base with a new head, which is trained alone.
fn begun(job: &Job<'_>, settings: &Settings) -> Result<Source> {
    let out = job.out.join(HEAD);
    folders::make(&out)?;
    say("a new head is trained alone first");
    let job = Job { valid: None, settings, out: &out, resume: true, ..*job };
    trained(&job, Metrics::open(&out)?)?;
    Ok(Source::Folder(out))
}

fn trained(job: &Job<'_>, metrics: Metrics) -> Result<Outcome> {
    let mut watch = Watch::new(job.out, metrics, instruction_set()?, job.settings.precision);
    let outcome = pretrain::run(job, &mut |event| {
        watch.see(event);
        ControlFlow::Continue(())
    });
    watch.end();
    Ok(outcome?)
}

/// What the valid text says before the run: of the model, and of the one that it was made of, at its own length.
fn before(job: &Job<'_>) -> Result<Vec<Stage>> {
    let mut stages = Vec::new();
    let Some(valid) = job.valid else { return Ok(stages) };
    if let Some(earlier) = bits::read(job.out).filter(|_| job.resume) {
        return Ok(earlier.into_iter().filter(|stage| stage.name != AFTER).collect());
    }
    if !has_head(job.base)? {
        return Ok(stages);
    }
    let tokens = job.language.max_tokens;
    if let Some(own) = source_tokens(job.base)?.filter(|own| *own < tokens) {
        let measuring = Measuring::new(job.settings, job.language, Some(own));
        stages.push(stage("source", job.base, valid, &measuring, own)?);
    }
    let measuring = Measuring::new(job.settings, job.language, None);
    stages.push(stage("before", job.base, valid, &measuring, tokens)?);
    bits::write(job.out, &stages)?;
    Ok(stages)
}

/// Says what begins, where there is somebody to tell.
fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

fn stage(name: &str, model: &Source, valid: &TokenFile, measuring: &Measuring<'_>, tokens: usize) -> Result<Stage> {
    say(&format!("bits of masked tokens are measured: {name}"));
    let note = Bar::note();
    let mut told = |done: usize, all: usize| note.say(&format!("measuring {name}: {done} of {all} inputs"));
    Ok(Stage::new(name, tokens, &measure(model, valid, measuring, &mut told)?))
}
