//! `longspan`: exact answers from long documents, or an honest 'no answer'.
//!
//! ```text
//! cli          every command and option
//! ask          longspan ask            interactive   the same at a prompt
//! eval         longspan eval           calibrate     longspan calibrate
//! convert      longspan convert        train         longspan train
//! info         longspan info           fetch         longspan fetch
//! bench        longspan bench          pages         completions and manual pages
//! session      the model that is asked, and the asking
//! model        which checkpoint        embedded      the one in the program
//! documents    files and standard input, made text
//! finding      what one document says to one question, with its places; ranking
//! place        bytes → characters and lines
//! excerpt      the sentence around an answer
//! render       findings → terminal or JSON
//! progress     the bar while a long document is read
//! hints        errors → `error: …` and `hint: …`
//! memory       the most memory that was resident
//! ```

mod cli;

mod ask;
mod bench;
mod calibrate;
mod convert;
mod eval;
mod fetch;
mod info;
mod interactive;
mod pages;
mod pretrain;
mod train;

mod documents;
mod embedded;
mod excerpt;
mod finding;
mod hints;
mod memory;
mod model;
mod place;
mod progress;
mod render;
mod session;

use std::process::ExitCode;

use clap::Parser;

use crate::ask::Status;
use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    render::choose_colours(cli.color);
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
