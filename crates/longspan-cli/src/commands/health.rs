//! `longspan health`: whether a server is ready, for containers and service managers.

use anyhow::{Context, Result};

use crate::cli::HealthArgs;
use crate::status::Status;
use crate::terminal;
use crate::terminal::hints::fault;

/// Runs the command: prints what the server says.
pub fn run(args: &HealthArgs) -> Result<Status> {
    let url = format!("{}/health", args.url.trim_end_matches('/'));
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let response = ureq::Agent::new_with_config(config).get(&url).call();
    let mut response = response.map_err(|error| fault(format!("{url}: {error}"), "start it with `longspan serve`"))?;
    let is_ready = response.status().is_success();
    let said = response.body_mut().read_to_string().with_context(|| url.clone())?;
    terminal::print(format!("{}\n", terminal::one_line(&said)).as_bytes()).context("standard output")?;
    Ok(if is_ready { Status::Answered } else { Status::Unanswered })
}
