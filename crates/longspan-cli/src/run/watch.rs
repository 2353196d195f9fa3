//! The progress of a run on the terminal, and its records in the folder.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use longspan::checkpoint::write_whole;
use longspan::train::{DevReport, RunEvent, RunOutcome, StepReport};
use longspan_kernels::{Arithmetic, Isa, Precision};

use super::metrics::{MetricPoint, Metrics};
use super::plot::{Curves, Smoothed};
use super::tensorboard::EventFile;
use crate::machine::products;
use crate::terminal::hints;
use crate::terminal::progress::StepBar;
use crate::terminal::thousands;

const TENSORBOARD: &str = "tensorboard";
const PLOT: &str = "loss.svg";

/// Shows and records a run.
pub struct RunWatcher {
    folder: PathBuf,
    /// Peak of the machine, in floating-point operations per second.
    peak: Option<f64>,
    bar: StepBar,
    metrics: Metrics,
    /// Whether there was an event.
    begun: bool,
    /// Opened at the first event.
    events: Option<EventFile>,
    curves: Curves,
    pace: Pace,
    /// Whether a failure to write was reported.
    warned: bool,
}

impl RunWatcher {
    /// Watches a run in a folder, with this arithmetic.
    pub fn new(folder: &Path, metrics: Metrics, isa: Isa, precision: Precision) -> Self {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build();
        let peak = threads.ok().map(|pool| 1e9 * products::peak(Arithmetic { isa, precision }, &pool));
        Self {
            folder: folder.to_owned(),
            peak: peak.filter(|peak| peak.is_normal()),
            bar: StepBar::new(),
            metrics,
            begun: false,
            events: None,
            curves: Curves::default(),
            pace: Pace::default(),
            warned: false,
        }
    }

    /// Shows and records an event. A failure to write is reported once and does not end the run, because the weights are
    /// worth more than the records.
    fn on_event(&mut self, event: &RunEvent) {
        let begun = self.begin(event);
        let written = match event {
            RunEvent::Step(report) => self.step(report),
            RunEvent::Dev(report) => self.dev(report),
            RunEvent::Saved { .. } => Ok(()),
        };
        if let (Err(error), false) = (begun.and(written), self.warned) {
            self.warned = true;
            self.bar.say(&format!("warning: {error}: the run continues, but its records have gaps"));
        }
    }

    /// Watches a run to its end. Gives its result, and whether it came to a step.
    pub fn watch(
        mut self,
        run: impl FnOnce(&mut dyn FnMut(&RunEvent) -> ControlFlow<()>) -> longspan::Result<RunOutcome>,
    ) -> (longspan::Result<RunOutcome>, bool) {
        let outcome = run(&mut |event| {
            self.on_event(event);
            ControlFlow::Continue(())
        });
        // A run that was killed after its last step may have no plot of it.
        let earlier = match &outcome {
            Ok(RunOutcome { steps, .. }) if !self.begun => self.metrics.begin(&RunEvent::Saved { step: *steps }),
            _ => Ok(Vec::new()),
        };
        let drawn = earlier.and_then(|points| {
            points.into_iter().for_each(|point| self.curves.add(point));
            self.draw()
        });
        if let Err(error) = drawn {
            hints::warn(&error.to_string());
        }
        (outcome, self.begun)
    }

    /// Before the first event, reads the records of the earlier part of the run.
    fn begin(&mut self, event: &RunEvent) -> Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        self.metrics.begin(event)?.into_iter().for_each(|point| self.curves.add(point));
        let step = match event {
            RunEvent::Step(report) => report.step,
            RunEvent::Dev(report) => report.step,
            RunEvent::Saved { step } => *step,
        };
        self.events = Some(EventFile::begin(&self.folder.join(TENSORBOARD), step)?);
        Ok(())
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        let StepReport { step, steps, loss, learning_rate, gradient_norm, tokens, seconds, flop, .. } = report;
        self.curves.add(MetricPoint::Loss { step: *step, loss: *loss });
        self.pace.add(report);
        let share = self.peak.filter(|_| *flop > 0.0).map(|peak| flop / seconds / peak);
        self.bar.update(*step, *steps, &self.pace.line(report, self.curves.loss().unwrap_or(*loss), self.peak));
        self.metrics.add_step(report, share)?;
        let Some(events) = &mut self.events else { return Ok(()) };
        let scalars = [
            ("loss", *loss),
            ("learning_rate", *learning_rate),
            ("gradient_norm", *gradient_norm),
            ("tokens_per_second", *tokens as f64 / seconds),
        ];
        events.add(*step, &scalars)
    }

    fn dev(&mut self, report: &DevReport) -> Result<()> {
        self.bar.say(&evaluated(report));
        if let Some(point) = MetricPoint::of_dev(report.step, |name| report.figures.get(name)) {
            self.curves.add(point);
        }
        self.metrics.add_dev(report)?;
        if let Some(events) = &mut self.events {
            let named: Vec<_> = report.figures.0.iter().map(|(name, value)| (format!("dev/{name}"), *value)).collect();
            let scalars: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            events.add(report.step, &scalars)?;
        }
        self.draw()
    }

    fn draw(&self) -> Result<()> {
        let Some(svg) = self.curves.svg() else { return Ok(()) };
        write_whole(&self.folder.join(PLOT), svg.as_bytes()).context("the plot of the loss")
    }
}

/// The speed of a run.
#[derive(Default)]
struct Pace {
    /// The end of the first step since the start of the program, and its number.
    first: Option<(Instant, usize)>,
    tokens: Smoothed,
    flop: Smoothed,
    seconds: Smoothed,
}

impl Pace {
    fn add(&mut self, report: &StepReport) {
        self.first.get_or_insert((Instant::now(), report.step));
        self.tokens.add(report.tokens as f64);
        self.flop.add(report.flop);
        self.seconds.add(report.seconds);
    }

    /// One line about a step. Speeds are those of the last steps; the time left follows from the whole run so far,
    /// evaluations included.
    fn line(&self, report: &StepReport, loss: f64, peak: Option<f64>) -> String {
        let StepReport { step, steps, learning_rate, seconds, .. } = report;
        let rate = |of: &Smoothed| of.mean().zip(self.seconds.mean()).map(|(done, seconds)| done / seconds);
        let a_step = match self.first {
            Some((since, first)) if *step > first => since.elapsed().as_secs_f64() / (step - first) as f64,
            _ => *seconds,
        };
        let left = duration(a_step * steps.saturating_sub(*step) as f64);
        // The most important figures come first, because a narrow terminal cuts off the end.
        let mut line = format!("step {}/{}, {left} left, loss {loss:.4}", thousands(*step), thousands(*steps));
        if let Some(tokens) = rate(&self.tokens) {
            line.push_str(&format!(", {} tokens/s", thousands(tokens.round() as usize)));
        }
        if let Some((flop, peak)) = rate(&self.flop).zip(peak).filter(|(flop, _)| *flop > 0.0) {
            line.push_str(&format!(", {:.0}% of peak", 100.0 * flop / peak));
        }
        line + &format!(", learning rate {learning_rate:.1e}")
    }
}

/// One line about an evaluation.
fn evaluated(report: &DevReport) -> String {
    let DevReport { step, figures, is_best, seconds } = report;
    let best = if *is_best { ": the best so far" } else { "" };
    let figure = |name: &str| figures.get(name).unwrap_or(f64::NAN);
    let measured = match figures.get("bits") {
        Some(bits) => format!("{bits:.4} bits a masked token, {:.4} a character", figure("bits_per_character")),
        None => format!(
            "exact {:.2}, F1 {:.2}, at the threshold {:.2} F1 {:.2}",
            figure("exact"),
            figure("f1"),
            figure("best_f1_thresh"),
            figure("best_f1")
        ),
    };
    format!("step {}, evaluated in {}: {measured}{best}", thousands(*step), duration(*seconds))
}

/// Seconds as a clock shows them: `0:07`, `12:00`, `3:25:45`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan::Error;

    use crate::run::tests::{dev, step};

    #[test]
    fn a_step_and_an_evaluation_are_a_line_each() {
        let mut pace = Pace::default();
        let report = StepReport { steps: 12_000, ..step(1, 2.0) };
        pace.add(&report);
        let line = pace.line(&report, 2.25, Some(4e9));
        let expected = "step 1/12,000, 1:40:00 left, loss 2.2500, 16,384 tokens/s, 50% of peak, learning rate 5.0e-5";
        assert_eq!(line, expected);
        assert!(!pace.line(&report, 2.25, None).contains("peak"));
        let line = "step 1, evaluated in 1:05: exact 40.00, F1 41.00, at the threshold -1.50 F1 42.00";
        assert_eq!(evaluated(&dev(1, 41.0, true)), format!("{line}: the best so far"));
        assert_eq!(evaluated(&dev(1, 41.0, false)), line);
    }

    #[test]
    fn durations_are_those_of_a_clock() {
        for (seconds, shown) in
            [(0.0, "0:00"), (-1.0, "0:00"), (59.7, "1:00"), (3599.0, "59:59"), (12_345.0, "3:25:45")]
        {
            assert_eq!(duration(seconds), shown);
        }
    }

    #[test]
    fn a_run_leaves_its_files_behind() {
        let _no_new_process = crate::folder::PROCESSES.read();
        let folder = tempfile::tempdir().unwrap();
        let isa = Isa::current().unwrap();
        let watch = |events: &[RunEvent]| {
            let metrics = Metrics::open(folder.path()).unwrap();
            let watch = RunWatcher::new(folder.path(), metrics, isa, Precision::F32);
            let (_, begun) = watch.watch(|watch| {
                assert!(events.iter().all(|event| watch(event).is_continue()));
                Err(Error::Cancelled)
            });
            assert!(begun);
        };
        let events = [RunEvent::Step(step(1, 3.0)), RunEvent::Step(step(2, 2.0)), RunEvent::Dev(dev(2, 41.0, true))];
        watch(&events);
        // It goes on from step 1.
        watch(&events[1..]);
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let kinds = ["\"kind\":\"step\",\"step\":1,", "\"kind\":\"step\",\"step\":2,", "\"kind\":\"dev\",\"step\":2,"];
        let metrics = read("metrics.jsonl");
        assert_eq!(metrics.lines().count(), kinds.len());
        assert!(metrics.lines().zip(kinds).all(|(line, kind)| line.contains(kind)), "{metrics}");
        assert!(read("loss.svg").contains("F1 on --dev"));
        assert_eq!(std::fs::read_dir(folder.path().join(TENSORBOARD)).unwrap().count(), 2, "one a run");
    }
}
