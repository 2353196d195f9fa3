//! The model is loaded, and documents that nobody uses go.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use longspan::ReadOptions;
use longspan_ask::{Asker, Content, Format};

use super::ask::TOP_K_MAX;
use super::engine::ServeEngine;
use super::metrics::BuildFacts;
use super::state::{InfoObject, LimitsObject, ServedModel, ServerState};
use crate::cli::{MachineArgs, ModelArgs};
use crate::machine::instruction_set;
use crate::model::{self, OpenedModel};

/// How often idle documents are looked for.
const IDLE_PAUSE_MIN: Duration = Duration::from_millis(100);
const IDLE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A first question, so that the first one of a user does not wait for memory.
const WARM_UP: [&str; 2] = ["Who installed the pump?", "The pump was installed in May 1911 by Ada Brown."];

/// Loads the model, asks it a first question, and starts its engine.
///
/// # Errors
/// When the model cannot be loaded.
pub fn load_model(args: &ModelArgs, machine: &MachineArgs, state: &ServerState) -> Result<()> {
    let OpenedModel { checkpoint, reader } = model::open(args, machine)?;
    let reader = Arc::new(reader);
    let asker = Asker::new(reader.clone(), ReadOptions::default());
    let [question, text] = WARM_UP;
    let pair = (asker.question(question)?, asker.document("warm-up", Content::plain(text))?);
    let answers = asker.ask(&[(&pair.0, &pair.1)], &mut |_| ControlFlow::Continue(()));
    answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (settings, limits, http_limits) = (reader.settings(), &state.limits, &state.http_limits);
    let info = InfoObject {
        version: env!("CARGO_PKG_VERSION"),
        model: checkpoint.name,
        precision: reader.model().precision().to_string(),
        instruction_set: instruction_set()?.to_string(),
        max_tokens: reader.model().config().max_tokens(),
        threshold: settings.null_score_diff_threshold,
        abstain: settings.abstain.iter().map(|(abstain, threshold)| (abstain.name(), *threshold)).collect(),
        max_answer_length: settings.max_answer_length,
        calibrated_on: settings.calibration.as_ref().map(|calibration| calibration.fitted_on.clone()),
        formats: Format::ALL.map(Format::name).into(),
        needs_key: state.access.key_digest.is_some(),
        limits: LimitsObject {
            max_body: http_limits.max_body,
            max_upload: limits.max_upload,
            max_document_tokens: limits.max_document_tokens,
            max_pairs: http_limits.max_pairs,
            max_queued_tokens: limits.max_queued_tokens,
            top_k: TOP_K_MAX,
            request_timeout: limits.request_timeout.as_secs_f64(),
            cache_ttl: limits.cache_ttl.as_secs_f64(),
        },
    };
    state.metrics.set_build(&BuildFacts {
        version: info.version,
        model: &info.model,
        precision: &info.precision,
        instruction_set: &info.instruction_set,
    });
    let engine =
        ServeEngine::start(&asker, reader.model().batch_tokens(), limits.max_queued_tokens, state.metrics.clone());
    let model = ServedModel { reader, engine: engine.context("the engine")?, info };
    let _ = state.model.set(model); // it is loaded once
    Ok(())
}

/// Removes documents that are not used, from time to time.
pub async fn remove_idle(state: Arc<ServerState>) {
    let pause = state.limits.cache_ttl.clamp(IDLE_PAUSE_MIN, IDLE_PAUSE_MAX);
    loop {
        tokio::time::sleep(pause).await;
        state.store.remove_idle();
    }
}
