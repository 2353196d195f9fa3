//! `longspan health`: whether a server is ready, for containers and service managers.

use std::time::Duration;

use anyhow::{Context, Result};
use longspan::error::excerpt;

use crate::cli::HealthArgs;
use crate::status::Status;
use crate::terminal;
use crate::terminal::hints::fault;

/// The longest time for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the command: prints what the server says.
pub fn run(args: &HealthArgs) -> Result<Status> {
    let url = format!("{}/health", args.url.trim_end_matches('/'));
    let is_address = ["http://", "https://"].iter().any(|scheme| args.url.starts_with(scheme));
    if !is_address {
        let hint = "the address of a server begins with its scheme, such as http://127.0.0.1:8737";
        return Err(fault(format!("{}: no address of a server", excerpt(&args.url)), hint));
    }
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).build();
    let response = ureq::Agent::new_with_config(config).get(&url).call();
    let mut response = response.map_err(|error| fault(format!("{url}: {error}"), "start it with `longspan serve`"))?;
    let is_ready = response.status().is_success();
    let said = response.body_mut().read_to_string().with_context(|| url.clone())?;
    terminal::print(format!("{}\n", terminal::one_line(&said)).as_bytes()).context("standard output")?;
    Ok(if is_ready { Status::Answered } else { Status::Unanswered })
}
