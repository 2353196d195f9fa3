//! `metrics.jsonl`: one JSON object per line for each step and each evaluation, so that any tool can follow a run. A run
//! that resumes removes the lines that it will repeat, so that the file equals that of an uninterrupted run, except for
//! the times.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use longspan::train::{DevReport, RunEvent, StepReport};
use serde::Serializer;
use serde_json::{Value, json};

use crate::folder as folders;
use crate::folder::cannot_write;
use crate::terminal::hints::fault;

/// Its name.
pub const FILE: &str = "metrics.jsonl";

/// The longest line; JSON needs about ten times its length in memory.
const LINE_BYTES_MAX: usize = 1 << 16;

/// The part of a line that is plotted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricPoint {
    /// Mean loss of a step.
    Loss { step: usize, loss: f64 },
    /// F1 of an evaluation.
    F1 { step: usize, f1: f64 },
    /// Bits of an evaluation.
    Bits { step: usize, bits: f64 },
}

impl MetricPoint {
    /// The point of an evaluation, from its measurements.
    pub fn of_dev(step: usize, figure: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        let of_bits = || figure("bits").map(|bits| MetricPoint::Bits { step, bits });
        figure("f1").map(|f1| MetricPoint::F1 { step, f1 }).or_else(of_bits)
    }
}

/// The file. It is locked while a run uses its folder.
pub struct Metrics {
    path: PathBuf,
    file: File,
    /// The points in the file when the run started, each with the end of its line, until the first event.
    earlier: Vec<(MetricPoint, u64)>,
}

impl Metrics {
    /// Opens the file of a folder; makes it if it is missing.
    ///
    /// # Errors
    /// When another run uses the folder, or the file was not written by a run.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let (mut earlier, mut end) = (Vec::new(), 0);
        let file = folders::open_record(&path, &mut |number, line| {
            end += line.len() as u64;
            let Some(point) = point(line) else {
                let message = format!("`{}`: line {number} was not written by a run", path.display());
                return Err(fault(message, "the file is damaged or belongs to another program: choose another folder"));
            };
            earlier.push((point, end));
            Ok(())
        })?;
        Ok(Self { path, file, earlier })
    }

    /// Removes the lines that a run will repeat, given its first event. Gives the points that remain.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(&mut self, first: &RunEvent) -> Result<Vec<MetricPoint>> {
        // The first step whose loss comes again, and the first that is evaluated again.
        let (loss_from, dev_from) = match first {
            RunEvent::Step(report) => (report.step, report.step),
            RunEvent::Dev(report) => (report.step + 1, report.step),
            RunEvent::Saved { step } => (step + 1, step + 1),
        };
        let comes_again = |point: &MetricPoint| match *point {
            MetricPoint::Loss { step, .. } => step >= loss_from,
            MetricPoint::F1 { step, .. } | MetricPoint::Bits { step, .. } => step >= dev_from,
        };
        let stays = self.earlier.iter().position(|(point, _)| comes_again(point)).unwrap_or(self.earlier.len());
        let end = stays.checked_sub(1).map_or(0, |last| self.earlier[last].1);
        self.file.set_len(end).map_err(|error| cannot_write(&self.path, &error))?;
        Ok(self.earlier.drain(..).take(stays).map(|(point, _)| point).collect())
    }

    /// Adds a step, with its share of the machine's peak if that is known.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_step(&mut self, report: &StepReport, share_of_peak: Option<f64>) -> Result<()> {
        self.add([
            ("kind", json!("step")),
            ("step", json!(report.step)),
            ("steps", json!(report.steps)),
            ("epoch", json!(report.epoch)),
            ("loss", json!(report.loss)),
            ("learning_rate", json!(report.learning_rate)),
            ("gradient_norm", json!(report.gradient_norm)),
            ("tokens", json!(report.tokens)),
            ("sequences", json!(report.sequences)),
            ("seconds", json!(report.seconds)),
            ("tokens_per_second", json!(report.tokens as f64 / report.seconds)),
            ("share_of_peak", json!(share_of_peak)),
        ])
    }

    /// Adds an evaluation.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_dev(&mut self, report: &DevReport) -> Result<()> {
        // In order of their names.
        let figures: BTreeMap<&str, f64> = report.figures.0.iter().map(|(name, value)| (&**name, *value)).collect();
        let figures = figures.into_iter().map(|(name, value)| (name, json!(value)));
        let first = [("kind", json!("dev")), ("step", json!(report.step))];
        let last = [("is_best", json!(report.is_best)), ("seconds", json!(report.seconds))];
        self.add(first.into_iter().chain(figures).chain(last))
    }

    fn add<'a>(&mut self, line: impl IntoIterator<Item = (&'a str, Value)>) -> Result<()> {
        // One write per line, so that readers see complete lines.
        let mut bytes = Vec::new();
        serde_json::Serializer::new(&mut bytes).collect_map(line)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Reads a line. A number that is not finite was written as null.
fn point(line: &[u8]) -> Option<MetricPoint> {
    let line: Value = serde_json::from_slice(Some(line).filter(|line| line.len() <= LINE_BYTES_MAX)?).ok()?;
    let step = usize::try_from(line["step"].as_u64()?).ok()?;
    let number = |key: &str| line.get(key).map(|value| value.as_f64().unwrap_or(f64::NAN));
    match line["kind"].as_str()? {
        "step" => Some(MetricPoint::Loss { step, loss: number("loss")? }),
        "dev" => MetricPoint::of_dev(step, number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::tests::{dev, step};

    fn add(metrics: &mut Metrics, event: &RunEvent) {
        match event {
            RunEvent::Step(report) => metrics.add_step(report, Some(0.5)).unwrap(),
            RunEvent::Dev(report) => metrics.add_dev(report).unwrap(),
            RunEvent::Saved { .. } => {}
        }
    }

    #[test]
    fn a_run_that_goes_on_leaves_the_file_of_one_that_was_never_stopped() {
        let _no_new_process = crate::folder::PROCESSES.read();
        // Saved after step 2, evaluated after steps 2 and 4.
        let events = [
            RunEvent::Step(step(1, 2.5)),
            RunEvent::Step(step(2, f64::INFINITY)),
            RunEvent::Dev(dev(2, 40.0, true)),
            RunEvent::Saved { step: 2 },
            RunEvent::Step(step(3, 1.5)),
            RunEvent::Step(step(4, 1.25)),
            RunEvent::Dev(dev(4, 50.0, true)),
            RunEvent::Saved { step: 4 },
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut metrics = Metrics::open(folder.path()).unwrap();
        assert_eq!(metrics.begin(&events[0]).unwrap(), []);
        events.iter().for_each(|event| add(&mut metrics, event));
        drop(metrics);
        let whole = fs::read(&path).unwrap();
        let first = r#"{"kind":"step","step":1,"steps":4,"epoch":0.25,"loss":2.5,"#;
        assert!(whole.starts_with(first.as_bytes()), "{}", String::from_utf8_lossy(&whole));
        // Wherever the file was cut off, and from wherever the run goes on that still has what came before.
        let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').map(|at| at + 1).collect();
        for (from, kept) in [(0, 0), (2, 2), (4, 3)] {
            for length in ends[..].iter().flat_map(|&end| [end - 7, end]).chain([0]) {
                if kept > 0 && length < ends[kept - 1] {
                    continue;
                }
                fs::write(&path, &whole[..length]).unwrap();
                let mut metrics = Metrics::open(folder.path()).unwrap();
                assert_eq!(metrics.begin(&events[from]).unwrap().len(), kept, "{from} {length}");
                events[from..].iter().for_each(|event| add(&mut metrics, event));
                drop(metrics);
                assert_eq!(fs::read(&path).unwrap(), whole, "from event {from}, file of {length} bytes");
            }
        }
    }

    #[test]
    fn two_runs_do_not_share_a_folder_and_other_files_are_refused() {
        let _no_new_process = crate::folder::PROCESSES.read();
        let folder = tempfile::tempdir().unwrap();
        let refused = || Metrics::open(folder.path()).err().unwrap().to_string();
        let first = Metrics::open(folder.path()).unwrap();
        assert!(refused().ends_with("another run is using it"));
        drop(first);
        for content in ["{}\n", "{\"kind\":\"step\",\"step\":1}\n", "{\"kind\":\"dev\",\"step\":-1,\"f1\":1}\n", "\n"] {
            fs::write(folder.path().join(FILE), content).unwrap();
            assert!(refused().ends_with("line 1 was not written by a run"), "{content}");
        }
    }
}
