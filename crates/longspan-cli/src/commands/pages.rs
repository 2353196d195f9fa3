//! Completions and manual pages, made from the definitions of the command line.

use anyhow::{Context, Result};
use clap_complete::Shell;
use clap_mangen::Man;
use longspan::error::excerpt;

use crate::cli;
use crate::terminal;
use crate::terminal::hints::fault;

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "longspan", &mut script);
    terminal::print(&script).context("standard output")
}

/// Prints the manual page of the program, or that of one of its commands.
pub fn man(command: Option<&str>) -> Result<()> {
    let mut program = cli::command().disable_help_subcommand(true);
    program.build();
    let about = match command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            fault(format!("`{}`: no such command", excerpt(name)), "`longspan --help` lists the commands")
        })?,
    };
    let mut page = Vec::new();
    Man::new(about).render(&mut page).context("manual page")?;
    terminal::print(&page).context("standard output")
}
