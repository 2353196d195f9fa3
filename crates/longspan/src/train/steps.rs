//! The loop: steps, evaluations, savings; over anything that learns, so that it can be tested without a model.
//!
//! Where a run stops, at whatever moment, the state on the disk is that after some step with all that was due at that step,
//! or with an evaluation still due, which comes first when the run goes on. The weights that are kept follow the state: when
//! the best are those of the state, they are written once more.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use super::optimizer::{Optimizer, Stride};
use super::schedule::learning_rate;
use super::state::{self, Best, Identity, Progress};
use super::{DevReport, Event, Figures, Settings, StepReport};
use crate::config::Config;
use crate::model::{Dropout, Parameters, Task, TrainableModel};
use crate::prefetch::prefetch;
use crate::{Error, Result, random};

/// Steps whose inputs may be ready before the model comes to them.
const STEPS_READY_MAX: usize = 2;

/// A loss above so many times the running mean is high, if it is above as many as well: near 0 losses jump.
const HIGH: f64 = 3.0;
/// After so many high losses in a row the run has gone astray.
const HIGH_STEPS: usize = 20;
/// Decay of the running mean.
const MEAN_DECAY: f64 = 0.98;

/// Where inputs come from.
pub(crate) trait Inputs: Sync {
    /// The plan of a pass.
    type Pass: Send;
    /// What goes through the model in a pass.
    type Input: Send;

    /// What is said where there are none.
    const NONE: &'static str;

    /// The steps of an epoch, and the passes of each.
    fn epoch(&self, epoch: usize) -> Vec<Vec<Self::Pass>>;

    /// Makes the inputs of a pass.
    fn input(&self, pass: &Self::Pass) -> Result<Self::Input>;
}

/// What learns.
pub(crate) trait Learner {
    /// What goes through it in a pass.
    type Input;

    /// Its weights.
    fn parameters(&self) -> &Parameters;

    /// Changes them, unless `change` fails.
    fn update<R>(&mut self, change: impl FnOnce(&mut Parameters) -> Result<R>) -> Result<R>;

    /// Adds the gradient of the sum of the losses of the terms.
    ///
    /// - `place`: step, from 1, and sequences of the step before those of the pass
    fn pass(&mut self, place: (usize, usize), input: &Self::Input, gradients: &mut Parameters) -> Result<Passed>;

    /// Measures weights. Those with the highest score are the best.
    fn evaluate(&self, weights: &Parameters) -> Result<(f64, Figures)>;

    /// Writes weights where the result of the run is.
    fn keep(&self, weights: &Parameters) -> Result<()>;
}

/// What a pass, or all those of a step, came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    /// Sum over the terms.
    pub loss: f64,
    /// What the loss is a mean of: sequences, or masked tokens.
    pub terms: usize,
    pub sequences: usize,
    pub tokens: usize,
    pub flop: f64,
}

/// What learns, as the settings say it.
///
/// # Errors
/// Those of [`TrainableModel::new`].
pub(crate) fn trainable(
    settings: &Settings,
    config: &Config,
    task: Task,
    parameters: Parameters,
) -> Result<TrainableModel> {
    let trainable = TrainableModel::new(config.clone(), task, settings.precision, parameters)?;
    let trainable = trainable.with_frozen_layers(settings.trained.frozen_layers());
    Ok(if settings.recompute { trainable.with_recomputation() } else { trainable })
}

/// What a pass drops.
///
/// - `place`: as [`Learner::pass`] has it
pub(crate) fn dropout(settings: &Settings, (step, first_sequence): (usize, usize)) -> Dropout {
    let seed = random::number(settings.seed, &[step as u64]);
    Dropout { share: settings.dropout as f32, seed, first_sequence }
}

/// How a run goes.
pub(crate) struct Course<'a> {
    pub settings: &'a Settings,
    /// Layers of the model.
    pub layers: usize,
    /// Whether there is anything to evaluate on.
    pub dev: bool,
    /// The folder of the result.
    pub out: &'a Path,
    /// Whether it goes on from the state there, if there is one.
    pub resume: bool,
    pub identity: Identity,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Steps done, in this run and those that it went on from.
    pub steps: usize,
    /// The evaluation of the weights that were kept; `None` where there was none.
    pub best: Option<Best>,
    /// Why it ended.
    pub end: End,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All steps were done.
    Done,
    /// Evaluations became no better.
    Patience,
    /// It was told to stop, and can go on.
    Stopped,
}

/// What is told of a run, and whether it goes on after that.
pub(crate) type Watch<'w> = dyn FnMut(&Event) -> ControlFlow<()> + 'w;

/// Trains.
pub(crate) fn train<I: Inputs, L: Learner<Input = I::Input>>(
    course: Course<'_>,
    inputs: &I,
    learner: &mut L,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    let epochs = steps_of_epochs(course.settings, |epoch| inputs.epoch(epoch).len());
    let steps: usize = epochs.iter().map(|(taken, _)| taken).sum();
    if steps == 0 {
        return Err(Error::NoData(I::NONE.into()));
    }
    let Settings { optimizer, trained, .. } = course.settings;
    let mut optimizer = Optimizer::new(optimizer, course.layers, *trained, learner.parameters());
    let progress = match course.resume {
        true => learner.update(|weights| state::load(course.out, &course.identity, weights, &mut optimizer))?,
        false => None,
    };
    let progress = progress.unwrap_or_default();
    let mut gradients = learner.parameters().clone();
    gradients.values_mut().fill(0.0);
    let (saved, done) = (progress.step, progress.step);
    let mut going = Going { course, steps, learner, optimizer, gradients, progress, saved, watch, stopped: false };
    if done > 0 && going.is_best() {
        going.keep()?;
    }
    prefetch(ready(inputs, &epochs, done), STEPS_READY_MAX, |ready| {
        let end = loop {
            if let Some(end) = going.settle()? {
                break end;
            }
            going.step(ready)?;
        };
        Ok(Outcome { steps: going.progress.step, best: going.progress.best.clone(), end })
    })
}

/// For each epoch how many of its steps are taken, and how many it has.
fn steps_of_epochs(settings: &Settings, steps: impl Fn(usize) -> usize) -> Vec<(usize, usize)> {
    let Settings { epochs, steps: wanted, .. } = *settings;
    if wanted > 0 {
        let mut left = wanted;
        let epochs = (0..).map(steps).map_while(|all| {
            let taken = left.min(all);
            left -= taken;
            (taken > 0).then_some((taken, all))
        });
        return epochs.collect();
    }
    let taken = |epoch: usize| {
        let all = steps(epoch);
        let share = (epochs - epoch as f64).min(1.0);
        // One at least: a small share of few steps is something.
        (((share * all as f64).round() as usize).max(all.min(1)), all)
    };
    (0..epochs.ceil() as usize).map(taken).collect()
}

/// The inputs of a step.
struct Ready<T> {
    /// Epochs done after it.
    epoch: f64,
    passes: Vec<T>,
}

/// The inputs of all steps after the first `done`.
fn ready<'a, I: Inputs>(
    inputs: &'a I,
    epochs: &'a [(usize, usize)],
    done: usize,
) -> impl Iterator<Item = Result<Ready<I::Input>>> + 'a {
    let before = move |epoch: usize| epochs[..epoch].iter().map(|(taken, _)| taken).sum::<usize>();
    let of_epoch = move |(epoch, &(taken, all)): (usize, &(usize, usize))| {
        let skip = done.saturating_sub(before(epoch)).min(taken);
        let plans = if skip < taken { inputs.epoch(epoch) } else { Vec::new() };
        plans.into_iter().enumerate().take(taken).skip(skip).map(move |(i, passes)| {
            let passes = passes.iter().map(|pass| inputs.input(pass)).collect::<Result<_>>()?;
            Ok(Ready { epoch: epoch as f64 + (i + 1) as f64 / all as f64, passes })
        })
    };
    epochs.iter().enumerate().flat_map(of_epoch)
}

/// A run under way.
struct Going<'a, 'l, 'w, L> {
    course: Course<'a>,
    steps: usize,
    learner: &'l mut L,
    optimizer: Optimizer,
    gradients: Parameters,
    progress: Progress,
    /// Steps before the last saving.
    saved: usize,
    watch: &'w mut Watch<'w>,
    /// Whether it was told to stop.
    stopped: bool,
}

impl<L: Learner> Going<'_, '_, '_, L> {
    fn step(&mut self, ready: &mut dyn Iterator<Item = Result<Ready<L::Input>>>) -> Result<()> {
        let started = Instant::now();
        let step = self.progress.step + 1;
        let Ready { epoch, passes } = ready.next().expect("inputs of every step, or an error")?;
        let mut sum = Passed::default();
        for input in &passes {
            let passed = self.learner.pass((step, sum.sequences), input, &mut self.gradients)?;
            sum.loss += passed.loss;
            sum.terms += passed.terms;
            sum.sequences += passed.sequences;
            sum.tokens += passed.tokens;
            sum.flop += passed.flop;
        }
        let Settings { optimizer: settings, .. } = self.course.settings;
        let share = 1.0 / sum.terms.max(1) as f64;
        let loss = if sum.terms > 0 { sum.loss * share } else { f64::NAN };
        let gradient_norm = self.optimizer.norm(self.gradients.values()) * share;
        if sum.terms > 0 {
            self.check(step, loss, gradient_norm)?;
        }
        // As torch clips: not quite to the norm.
        let clip = if settings.clip_norm > 0.0 { (settings.clip_norm / (gradient_norm + 1e-6)).min(1.0) } else { 1.0 };
        let learning_rate = learning_rate(settings, step, self.steps);
        let stride = Stride { step, learning_rate, scale: share * clip };
        let (optimizer, gradients) = (&mut self.optimizer, self.gradients.values_mut());
        self.learner.update(|weights| {
            optimizer.step(stride, weights.values_mut(), gradients);
            Ok(())
        })?;
        self.progress.step = step;
        let Passed { tokens, sequences, flop, .. } = sum;
        let (steps, seconds) = (self.steps, started.elapsed().as_secs_f64());
        self.tell(Event::Step(StepReport {
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

    /// Stops a run that has gone astray, before its weights change.
    fn check(&mut self, step: usize, loss: f64, gradient_norm: f64) -> Result<()> {
        let astray = |message| Err(Error::Diverged { step, message });
        if !loss.is_finite() {
            return astray(format!("the loss is {loss}"));
        }
        if !gradient_norm.is_finite() {
            return astray(format!("the norm of the gradient is {gradient_norm}"));
        }
        let Progress { mean_loss, high, .. } = &mut self.progress;
        if *mean_loss > 0.0 && loss > HIGH * mean_loss.max(1.0) {
            *high += 1;
            if *high == HIGH_STEPS {
                return astray(format!("the loss is {loss:.3}, and was {mean_loss:.3} {HIGH_STEPS} steps ago"));
            }
        } else {
            *high = 0;
            *mean_loss = if *mean_loss == 0.0 { loss } else { MEAN_DECAY * *mean_loss + (1.0 - MEAN_DECAY) * loss };
        }
        Ok(())
    }

    /// Does what is due between two steps; says whether the run ends here.
    fn settle(&mut self) -> Result<Option<End>> {
        let Settings { dev_every, save_every, patience, .. } = *self.course.settings;
        let step = self.progress.step;
        let done = step == self.steps;
        let due = |every: usize| done || (every > 0 && step.is_multiple_of(every));
        // What was saved on the way to a divergence would be of no use.
        let save = done || self.stopped || (self.progress.high == 0 && due(save_every));
        let evaluate = self.course.dev && self.progress.evaluated < step && due(dev_every) && !self.stopped;
        if save && self.saved < step {
            self.save_state()?; // before an evaluation, which may take long
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
            () if self.stopped => Some(End::Stopped),
            () if done => Some(End::Done),
            () if tired => Some(End::Patience),
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
            self.progress.best = Some(Best { step, score, figures: figures.clone() });
            self.progress.worse = 0;
        } else {
            self.progress.worse += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        self.tell(Event::Dev(DevReport { step, figures, is_best, seconds }));
        Ok(())
    }

    /// Writes the state; after it come the weights where they are those to keep: a run that is broken off in between goes on
    /// from a state that says so.
    fn save_state(&mut self) -> Result<()> {
        let Self { course, progress, optimizer, .. } = self;
        state::save(course.out, &course.identity, progress, self.learner.parameters(), optimizer)?;
        self.saved = self.progress.step;
        self.tell(Event::Saved { step: self.saved });
        Ok(())
    }

    /// Whether the weights as they are now are those to keep: the best, or the last where nothing says yet which are good.
    fn is_best(&self) -> bool {
        self.progress.best.as_ref().is_none_or(|best| best.step == self.progress.step)
    }

    fn keep(&self) -> Result<()> {
        self.learner.keep(self.weights())
    }

    /// What is evaluated and kept.
    fn weights(&self) -> &Parameters {
        self.optimizer.average.as_ref().unwrap_or(self.learner.parameters())
    }

    fn tell(&mut self, event: Event) {
        self.stopped |= (self.watch)(&event).is_break();
    }
}

#[cfg(test)]
mod tests;
