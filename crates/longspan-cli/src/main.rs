//! `longspan`: exact answers from long documents, or an honest 'no answer'.
//!
//! ```text
//! commands     one file or folder for each command; none imports another
//! serve        `longspan serve` and `longspan mcp`: the server, its API and its page
//! ── shared by commands ──
//! run          a run of training: folder, display, metrics
//! data         documents, datasets, and the answers of a model
//! model        finds the checkpoint
//! cli          every command and option
//! recipe       the values that a run of training was given, as options and as a file
//! folder       folders that the program writes into
//! machine      instruction set, and the machine's peak
//! lines        lines from elsewhere, to a limit
//! memory       the peak of resident memory
//! panics       bugs, reported as errors
//! terminal     answers as text or JSON, tables, bars, errors and hints
//! status       the exit status
//! ```

mod cli;

mod commands;

mod data;
mod folder;
mod lines;
mod machine;
mod memory;
mod model;
mod panics;
mod recipe;
mod run;
mod serve;
mod status;
mod terminal;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli::Command;
use crate::commands::{ask, bench, calibrate, cite, convert, eval, fetch, health, info, pages, pretrain, text, train};
use crate::status::Status;
use crate::terminal::hints;

fn main() -> ExitCode {
    ExitCode::from(panics::reported(run) as u8)
}

fn run() -> Status {
    let ended = match cli::read() {
        Ok(cli) => {
            terminal::choose_colours(cli.color);
            command(cli.command)
        }
        Err(page) if page.use_stderr() => {
            let _ = page.print(); // where standard error is closed there is nobody to tell
            Ok(Status::Failed)
        }
        Err(page) => terminal::printed(page.print()).context("standard output").map(|()| Status::Answered),
    };
    ended.unwrap_or_else(|error| {
        hints::report(&error);
        Status::Failed
    })
}

fn command(command: Command) -> Result<Status> {
    let done = match command {
        Command::Ask(args) => return ask::run(&args),
        Command::Cite(args) => return cite::run(&args),
        Command::Text(args) => text::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Mcp(args) => serve::run_mcp(&args),
        Command::Health(args) => return health::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Pretrain(args) => pretrain::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { command } => pages::man(command.as_deref()),
    };
    done.map(|()| Status::Answered)
}
