//! The training loop: steps, evaluations and saving. It is generic over the learner, so that tests need no model.
//!
//! Whenever a run is interrupted, the state on disk is that after some step. Everything due at that step has been done,
//! except perhaps an evaluation, which comes first when the run resumes. The kept weights are written after the state: if
//! the state says that its own weights are the best, they are written once more on resuming.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use super::optimizer::{Optimizer, StepScale};
use super::schedule::learning_rate;
use super::settings_table::STEPS_MAX;
use super::state::{self, BestEvaluation, Identity, RunProgress};
use super::{DevFigures, DevReport, RunEvent, StepReport, TrainSettings};
use crate::model::{Dropout, Parameters};
use crate::prefetch::prefetch;
use crate::{Error, Result, random};

/// Steps whose inputs may be prepared ahead.
const STEPS_READY_MAX: usize = 2;

/// A loss is high if it is above this multiple of the running mean, and above this number, since small losses jump.
const HIGH: f64 = 3.0;
/// After this many high losses in a row the run has diverged.
const HIGH_STEPS: usize = 20;
/// Decay of the running mean.
const MEAN_DECAY: f64 = 0.98;

/// A source of inputs.
pub(crate) trait Inputs: Sync {
    /// The plan of a pass.
    type Pass: Send;
    /// The input of a pass.
    type Input: Send;

    /// The error message if there are no inputs.
    const NONE: &'static str;

    /// The steps of an epoch, and the passes of each.
    fn epoch(&self, epoch: usize) -> Vec<Vec<Self::Pass>>;

    /// Makes the inputs of a pass.
    fn input(&self, pass: &Self::Pass) -> Result<Self::Input>;
}

/// A model in training.
pub(crate) trait Learner {
    /// The input of a pass.
    type Input;

    /// Its weights.
    fn parameters(&self) -> &Parameters;

    /// Changes them. Where `change` fails, they may be partly changed, and the learner must not be used again.
    fn update<R>(&mut self, change: impl FnOnce(&mut Parameters) -> Result<R>) -> Result<R>;

    /// Adds the gradient of the sum of all loss terms to `gradients`.
    fn pass(&mut self, at: PassPosition, input: &Self::Input, gradients: &mut Parameters) -> Result<PassStats>;

    /// Evaluates weights. Gives a score, the higher the better, and the measurements.
    fn evaluate(&self, weights: &Parameters) -> Result<(f64, DevFigures)>;

    /// Writes weights as the result of the run.
    fn keep(&self, weights: &Parameters) -> Result<()>;
}

/// The place of a pass in a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassPosition {
    /// The step, from 1.
    pub step: usize,
    /// The sequences of the step before those of the pass.
    pub first_sequence: usize,
}

/// Sums over a pass or a step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PassStats {
    /// Sum over the terms.
    pub loss: f64,
    /// Number of terms that the loss is a mean of: sequences or masked tokens.
    pub terms: usize,
    pub sequences: usize,
    pub tokens: usize,
    pub flop: f64,
}

/// The dropout of a pass.
pub(crate) fn dropout(settings: &TrainSettings, PassPosition { step, first_sequence }: PassPosition) -> Dropout {
    let seed = random::number(settings.seed, &[step as u64]);
    Dropout { share: settings.dropout as f32, seed, first_sequence }
}

/// What a run does.
pub(crate) struct RunPlan<'a> {
    pub settings: &'a TrainSettings,
    /// Layers of the model.
    pub layers: usize,
    /// Whether there are data to evaluate on.
    pub dev: bool,
    /// The folder of the result.
    pub out: &'a Path,
    /// Whether to resume from the state in that folder, if there is one.
    pub resume: bool,
    pub identity: Identity,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOutcome {
    /// Steps done, including those before it was resumed.
    pub steps: usize,
    /// The evaluation of the kept weights; `None` if there was none.
    pub best: Option<BestEvaluation>,
    /// Why it ended.
    pub end: RunEnd,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All steps were done.
    Done,
    /// Evaluations stopped improving.
    Patience,
    /// The caller stopped it; it can be resumed.
    Stopped,
}

/// Receives the events of a run; the run stops where it breaks.
pub(crate) type OnRunEvent<'w> = dyn FnMut(&RunEvent) -> ControlFlow<()> + 'w;

/// Trains.
pub(crate) fn train<I: Inputs, L: Learner<Input = I::Input>>(
    plan: RunPlan<'_>,
    inputs: &I,
    learner: &mut L,
    on_event: &mut OnRunEvent<'_>,
) -> Result<RunOutcome> {
    let epochs = steps_of_epochs(plan.settings, |epoch| inputs.epoch(epoch).len())?;
    let steps: usize = epochs.iter().map(|(taken, _)| taken).sum();
    if steps == 0 {
        return Err(Error::NoData(I::NONE.into()));
    }
    let mut optimizer = Optimizer::new(plan.settings, plan.layers, learner.parameters());
    let progress = match plan.resume {
        true => learner.update(|weights| state::load(plan.out, &plan.identity, steps, weights, &mut optimizer))?,
        false => None,
    };
    let progress = progress.unwrap_or_default();
    let mut gradients = learner.parameters().clone();
    gradients.values_mut().fill(0.0);
    let (saved, done) = (progress.step, progress.step);
    let mut training =
        TrainingLoop { plan, steps, learner, optimizer, gradients, progress, saved, on_event, stopped: false };
    if done > 0 && training.is_best() {
        training.keep()?;
    }
    prefetch(step_inputs(inputs, &epochs, done), STEPS_READY_MAX, |step_inputs| {
        let end = loop {
            if let Some(end) = training.after_step()? {
                break end;
            }
            training.step(step_inputs)?;
        };
        Ok(RunOutcome { steps: training.progress.step, best: training.progress.best.clone(), end })
    })
}

/// For each epoch the number of steps taken, and the number that it has.
///
/// # Errors
/// [`Error::Option`] if they are too many.
fn steps_of_epochs(settings: &TrainSettings, steps: impl Fn(usize) -> usize) -> Result<Vec<(usize, usize)>> {
    let TrainSettings { epochs, steps: wanted, .. } = *settings;
    let (mut found, mut total) = (Vec::new(), 0);
    while if wanted > 0 { total < wanted } else { (found.len() as f64) < epochs } {
        let all = steps(found.len());
        let share = (epochs - found.len() as f64).min(1.0);
        let taken = match wanted {
            // At least one: a small share of a few steps must not round to none.
            0 => ((share * all as f64).round() as usize).max(all.min(1)),
            _ if all == 0 => break,
            _ => all.min(wanted - total),
        };
        found.push((taken, all));
        total += taken;
        if total as u64 > STEPS_MAX {
            let message =
                format!("{epochs}: {total} steps in the first {}, a run has {STEPS_MAX} at most", found.len());
            return Err(Error::option("epochs", message));
        }
    }
    Ok(found)
}

/// The inputs of a step.
struct StepInputs<T> {
    /// Epochs done after it.
    epoch: f64,
    passes: Vec<T>,
}

/// The inputs of all steps after the first `done`.
fn step_inputs<'a, I: Inputs>(
    inputs: &'a I,
    epochs: &'a [(usize, usize)],
    done: usize,
) -> impl Iterator<Item = Result<StepInputs<I::Input>>> + 'a {
    let before = move |epoch: usize| epochs[..epoch].iter().map(|(taken, _)| taken).sum::<usize>();
    let of_epoch = move |(epoch, &(taken, all)): (usize, &(usize, usize))| {
        let skip = done.saturating_sub(before(epoch)).min(taken);
        let plans = if skip < taken { inputs.epoch(epoch) } else { Vec::new() };
        plans.into_iter().enumerate().take(taken).skip(skip).map(move |(i, passes)| {
            let passes = passes.iter().map(|pass| inputs.input(pass)).collect::<Result<_>>()?;
            Ok(StepInputs { epoch: epoch as f64 + (i + 1) as f64 / all as f64, passes })
        })
    };
    epochs.iter().enumerate().flat_map(of_epoch)
}

/// The state of the loop.
struct TrainingLoop<'a, 'l, 'w, L> {
    plan: RunPlan<'a>,
    steps: usize,
    learner: &'l mut L,
    optimizer: Optimizer,
    gradients: Parameters,
    progress: RunProgress,
    /// Steps before the last saved state.
    saved: usize,
    on_event: &'w mut OnRunEvent<'w>,
    /// Whether the caller stopped it.
    stopped: bool,
}

impl<L: Learner> TrainingLoop<'_, '_, '_, L> {
    fn step(&mut self, step_inputs: &mut dyn Iterator<Item = Result<StepInputs<L::Input>>>) -> Result<()> {
        let started = Instant::now();
        let step = self.progress.step + 1;
        let StepInputs { epoch, passes } = step_inputs.next().expect("inputs of every step, or an error")?;
        let mut sum = PassStats::default();
        for input in &passes {
            let stats =
                self.learner.pass(PassPosition { step, first_sequence: sum.sequences }, input, &mut self.gradients)?;
            sum.loss += stats.loss;
            sum.terms += stats.terms;
            sum.sequences += stats.sequences;
            sum.tokens += stats.tokens;
            sum.flop += stats.flop;
        }
        let settings = self.plan.settings;
        let share = 1.0 / sum.terms.max(1) as f64;
        let loss = if sum.terms > 0 { sum.loss * share } else { f64::NAN };
        let gradient_norm = self.optimizer.norm(self.gradients.values()) * share;
        if sum.terms > 0 {
            self.check(step, loss, gradient_norm)?;
        }
        // Like torch, which clips to slightly less than the norm.
        let clip = if settings.clip_norm > 0.0 { (settings.clip_norm / (gradient_norm + 1e-6)).min(1.0) } else { 1.0 };
        let learning_rate = learning_rate(settings, step, self.steps);
        let step_scale = StepScale { step, learning_rate, scale: share * clip };
        let (optimizer, gradients) = (&mut self.optimizer, self.gradients.values_mut());
        self.learner.update(|weights| {
            optimizer.step(step_scale, weights.values_mut(), gradients);
            Ok(())
        })?;
        self.progress.step = step;
        let PassStats { tokens, sequences, flop, .. } = sum;
        let (steps, seconds) = (self.steps, started.elapsed().as_secs_f64());
        self.emit(RunEvent::Step(StepReport {
            step,
            steps,
            epoch,
            loss,
            learning_rate,
            gradient_norm,
            tokens,
            sequences,
            seconds,
            flop,
        }));
        Ok(())
    }

    /// Stops a run that diverges, before its weights change.
    fn check(&mut self, step: usize, loss: f64, gradient_norm: f64) -> Result<()> {
        let diverged = |message| Err(Error::Diverged { step, message });
        if !loss.is_finite() {
            return diverged(format!("the loss is {loss}"));
        }
        if !gradient_norm.is_finite() {
            return diverged(format!("the norm of the gradient is {gradient_norm}"));
        }
        let RunProgress { mean_loss, high, .. } = &mut self.progress;
        if *mean_loss > 0.0 && loss > HIGH * mean_loss.max(1.0) {
            *high += 1;
            if *high >= HIGH_STEPS {
                return diverged(format!("the loss is {loss:.3}, and was {mean_loss:.3} {HIGH_STEPS} steps ago"));
            }
        } else {
            *high = 0;
            *mean_loss = if *mean_loss == 0.0 { loss } else { MEAN_DECAY * *mean_loss + (1.0 - MEAN_DECAY) * loss };
        }
        Ok(())
    }

    /// Does the work that is due after a step. Gives the reason if the run ends here.
    fn after_step(&mut self) -> Result<Option<RunEnd>> {
        let TrainSettings { dev_every, save_every, patience, .. } = *self.plan.settings;
        let step = self.progress.step;
        let done = step == self.steps;
        let due = |every: usize| done || (every > 0 && step.is_multiple_of(every));
        // A state saved while the run diverges would be useless.
        let save = done || self.stopped || (self.progress.high == 0 && due(save_every));
        let evaluate = self.plan.dev && self.progress.evaluated < step && due(dev_every) && !self.stopped;
        if save && self.saved < step {
            self.save_state()?; // before the evaluation, which may take long
            if !evaluate && self.is_best() {
                self.keep()?;
            }
        }
        if evaluate {
            self.evaluate()?;
            if self.progress.high == 0 || done {
                self.save_state()?;
                if self.is_best() {
                    self.keep()?;
                }
            }
        }
        let tired = patience > 0 && self.progress.worse >= patience;
        Ok(match () {
            () if self.stopped => Some(RunEnd::Stopped),
            () if done => Some(RunEnd::Done),
            () if tired => Some(RunEnd::Patience),
            () => None,
        })
    }

    fn evaluate(&mut self) -> Result<()> {
        let started = Instant::now();
        let (score, figures) = self.learner.evaluate(self.weights())?;
        let step = self.progress.step;
        let is_best = self.progress.best.as_ref().is_none_or(|best| score > best.score);
        self.progress.evaluated = step;
        if is_best {
            self.progress.best = Some(BestEvaluation { step, score, figures: figures.clone() });
            self.progress.worse = 0;
        } else {
            self.progress.worse += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        self.emit(RunEvent::Dev(DevReport { step, figures, is_best, seconds }));
        Ok(())
    }

    /// Writes the state. The kept weights must be written after it: a run that is interrupted in between resumes from a
    /// state that says that they are due.
    fn save_state(&mut self) -> Result<()> {
        let Self { plan, progress, optimizer, .. } = self;
        state::save(plan.out, &plan.identity, progress, self.learner.parameters(), optimizer)?;
        self.saved = self.progress.step;
        self.emit(RunEvent::Saved { step: self.saved });
        Ok(())
    }

    /// Whether the present weights are the ones to keep: the best, or the last if there was no evaluation yet.
    fn is_best(&self) -> bool {
        self.progress.best.as_ref().is_none_or(|best| best.step == self.progress.step)
    }

    fn keep(&self) -> Result<()> {
        self.learner.keep(self.weights())
    }

    /// The weights that are evaluated and kept.
    fn weights(&self) -> &Parameters {
        self.optimizer.average.as_ref().unwrap_or(self.learner.parameters())
    }

    fn emit(&mut self, event: RunEvent) {
        self.stopped |= (self.on_event)(&event).is_break();
    }
}

#[cfg(test)]
mod tests;
