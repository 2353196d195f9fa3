//! What a person sees of a run while it goes, and what it leaves behind of that.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use longspan::checkpoint::write_whole;
use longspan::train::{DevReport, Event, StepReport};
use longspan_kernels::{Arithmetic, Isa, Precision};

use super::metrics::{Metrics, Point};
use super::plot::{Curves, Smoothed};
use super::tensorboard::EventFile;
use crate::machine::products;
use crate::terminal::hints;
use crate::terminal::progress::StepBar;
use crate::terminal::thousands;

const TENSORBOARD: &str = "tensorboard";
const PLOT: &str = "loss.svg";

/// Watches a run.
pub struct Watch {
    folder: PathBuf,
    /// Floating-point operations a second that the machine can do at most.
    peak: Option<f64>,
    bar: StepBar,
    metrics: Metrics,
    /// Whether there was an event yet.
    begun: bool,
    /// From the first event on.
    events: Option<EventFile>,
    curves: Curves,
    pace: Pace,
    /// Whether it was said that something cannot be written.
    told: bool,
}

impl Watch {
    /// Watches a run in a folder, which computes in this arithmetic.
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
            told: false,
        }
    }

    /// Takes what a run tells of. Where it cannot be written down, that is said once and the run goes on: the weights
    /// are worth more.
    pub fn see(&mut self, event: &Event) {
        if let Err(error) = self.take(event)
            && !self.told
        {
            self.told = true;
            self.bar.say(&format!("warning: {error}: the run goes on, but what is written of it has gaps"));
        }
    }

    /// Whether the run came to a step.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Writes the picture for the last time, and clears the bar.
    pub fn end(self) {
        if let Err(error) = self.draw() {
            hints::warn(&error.to_string());
        }
    }

    fn take(&mut self, event: &Event) -> Result<()> {
        let begun = self.begin(event);
        let written = match event {
            Event::Step(report) => self.step(report),
            Event::Dev(report) => self.dev(report),
            Event::Saved { .. } => Ok(()),
        };
        begun.and(written)
    }

    /// Before the first event: takes up what an earlier run left.
    fn begin(&mut self, event: &Event) -> Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        for point in self.metrics.begin(event)? {
            self.curves.add(point);
        }
        let step = match event {
            Event::Step(report) => report.step,
            Event::Dev(report) => report.step,
            Event::Saved { step } => *step,
        };
        self.events = Some(EventFile::begin(&self.folder.join(TENSORBOARD), step)?);
        Ok(())
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        let StepReport { step, steps, loss, learning_rate, gradient_norm, tokens, seconds, flop, .. } = report;
        self.curves.add(Point::Loss { step: *step, loss: *loss });
        self.pace.add(report);
        let share = self.peak.filter(|_| *flop > 0.0).map(|peak| flop / seconds / peak);
        self.bar.update(*step, *steps, &self.pace.said(report, self.curves.loss().unwrap_or(*loss), self.peak));
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
        if let Some(point) = Point::of_dev(report.step, |name| report.figures.get(name)) {
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

/// How fast a run goes.
#[derive(Default)]
struct Pace {
    /// When the first step of this run had ended, and which one it was.
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

    /// One line about a step; speeds are those of the last steps, the time left comes from all of this run, evaluations
    /// among them.
    fn said(&self, report: &StepReport, loss: f64, peak: Option<f64>) -> String {
        let StepReport { step, steps, learning_rate, seconds, .. } = report;
        let rate = |of: &Smoothed| of.mean().zip(self.seconds.mean()).map(|(done, seconds)| done / seconds);
        let a_step = match self.first {
            Some((since, first)) if *step > first => since.elapsed().as_secs_f64() / (step - first) as f64,
            _ => *seconds,
        };
        let left = duration(a_step * steps.saturating_sub(*step) as f64);
        // What matters most comes first: a narrow terminal cuts the end off.
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
    use crate::run::tests::{dev, step};

    #[test]
    fn a_step_and_an_evaluation_are_a_line_each() {
        let mut pace = Pace::default();
        let report = StepReport { steps: 12_000, ..step(1, 2.0) };
        pace.add(&report);
        let line = pace.said(&report, 2.25, Some(4e9));
        let expected = "step 1/12,000, 1:40:00 left, loss 2.2500, 16,384 tokens/s, 50% of peak, learning rate 5.0e-5";
        assert_eq!(line, expected);
        assert!(!pace.said(&report, 2.25, None).contains("peak"));
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
        let folder = tempfile::tempdir().unwrap();
        let isa = Isa::current().unwrap();
        let watch = |events: &[Event]| {
            let metrics = Metrics::open(folder.path()).unwrap();
            let mut watch = Watch::new(folder.path(), metrics, isa, Precision::F32);
            events.iter().for_each(|event| watch.see(event));
            assert!(!watch.told);
            watch.end();
        };
        let events = [Event::Step(step(1, 3.0)), Event::Step(step(2, 2.0)), Event::Dev(dev(2, 41.0, true))];
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
