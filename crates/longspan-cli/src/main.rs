//! `longspan`: exact answers from long documents, or an honest 'no answer'.
//!
//! ```text
//! commands     one file or folder for each command; none imports another
//! ── shared by commands ──
//! run          a run of training: folder, display, metrics
//! data         documents, datasets, and the answers of a model
//! model        finds the checkpoint
//! cli          every command and option
//! recipe       the values that a run of training was given, as options and as a file
//! folder       folders that the program writes into
//! machine      instruction set, and the machine's peak
//! memory       the peak of resident memory
//! terminal     answers as text or JSON, tables, bars, errors and hints
//! status       the exit status
//! ```

mod cli;

mod commands;

mod data;
mod folder;
mod machine;
mod memory;
mod model;
mod recipe;
mod run;
mod status;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::commands::{ask, bench, calibrate, convert, eval, fetch, info, pages, pretrain, train};
use crate::status::Status;
use crate::terminal::hints;

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::choose_colours(cli.color);
    let ended = match cli.command {
        Command::Ask(args) => ask::run(&args),
        Command::Eval(args) => eval::run(&args).map(|()| Status::Answered),
        Command::Calibrate(args) => calibrate::run(&args).map(|()| Status::Answered),
        Command::Convert(args) => convert::run(&args).map(|()| Status::Answered),
        Command::Train(args) => train::run(&args).map(|()| Status::Answered),
        Command::Pretrain(args) => pretrain::run(&args).map(|()| Status::Answered),
        Command::Info(args) => info::run(&args).map(|()| Status::Answered),
        Command::Bench(args) => bench::run(&args).map(|()| Status::Answered),
        Command::Fetch(args) => fetch::run(&args).map(|()| Status::Answered),
        Command::Completions { shell } => pages::completions(shell).map(|()| Status::Answered),
        Command::Man { command } => pages::man(command.as_deref()).map(|()| Status::Answered),
    };
    let status = ended.unwrap_or_else(|error| {
        hints::report(&error);
        Status::Failed
    });
    ExitCode::from(status as u8)
}
