//! The measurements, as JSON with the fields as keys, and as tables for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::timing::{Seconds, parts};
use crate::cli::TrainingTask;
use crate::terminal::numbers::{megabytes, milliseconds, percent, rate};
use crate::terminal::table::{aligned, row};
use crate::terminal::{counted, one_line};

/// Printed where several models ran.
const MEMORY: &str = "MB counts what earlier runs left behind; for exact memory start the program for each.";

/// All measurements.
#[derive(Debug, Default, Serialize)]
pub struct BenchReport {
    pub machine: BenchMachine,
    pub model: String,
    /// The size of the model, in words.
    #[serde(skip)]
    pub size: String,
    /// The task, where runs are steps of training.
    pub training: Option<TrainingTask>,
    pub peaks: Vec<PeakRate>,
    pub products: Vec<ProductRate>,
    pub runs: Vec<BenchRun>,
}

/// The machine that was measured.
#[derive(Debug, Default, Serialize)]
pub struct BenchMachine {
    pub cores: usize,
    pub instruction_set: String,
}

/// The highest rate of products.
#[derive(Debug, Serialize)]
pub struct PeakRate {
    pub precision: String,
    pub threads: usize,
    pub gflops: f64,
}

/// A product of matrices (M, K) · (K, N).
#[derive(Debug, Serialize)]
pub struct ProductRate {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub precision: String,
    pub threads: usize,
    pub gflops: f64,
    pub share_of_peak: f64,
}

/// Passes of one batch through one model.
#[derive(Debug, Serialize)]
pub struct BenchRun {
    pub tokens: usize,
    pub sequences: usize,
    pub precision: String,
    pub threads: usize,
    pub globals: usize,
    pub passes: usize,
    pub load_seconds: f64,
    pub seconds: Seconds,
    pub tokens_per_second: f64,
    /// Work of one pass.
    pub gflop: f64,
    /// Work per second.
    pub gflops: f64,
    pub share_of_peak: f64,
    /// Shares of the time of all threads, by the names of [`parts`].
    pub phases: BTreeMap<String, f64>,
    pub peak_memory_bytes: Option<u64>,
}

impl BenchReport {
    /// For people.
    pub fn table(&self) -> Result<String> {
        let mut shown = String::new();
        let BenchMachine { cores, instruction_set } = &self.machine;
        writeln!(shown, "machine  {instruction_set}, {}", counted(*cores, "core"))?;
        writeln!(shown, "model    {}", one_line(&self.model))?;
        writeln!(shown, "         {}", self.size)?;
        let (passes, phases) = match self.training {
            None => ("passes of the model", "where their time goes, in percent; attention is q, k, v to output"),
            Some(TrainingTask::Questions) => ("steps of training", "where their time goes, in percent"),
            Some(TrainingTask::MaskedLm) => ("steps of masked language modelling", "where their time goes, in percent"),
        };
        for (title, rows) in [
            ("peak of products, and loading of the model", self.peak_rows()),
            ("products of matrices, rows × columns × reduced", self.product_rows()),
            (passes, self.run_rows()),
            (phases, self.phase_rows()),
        ] {
            if rows.len() > 1 {
                writeln!(shown, "\n{title}\n")?;
                shown.push_str(&aligned(&rows));
            }
        }
        if self.peaks.len() > 1 {
            writeln!(shown, "\n{MEMORY}")?;
        }
        Ok(shown)
    }

    fn peak_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![row(["precision", "threads", "GFLOP/s", "load ms"])];
        for PeakRate { precision, threads, gflops } in &self.peaks {
            let runs = self.runs.iter().find(|run| run.precision == *precision && run.threads == *threads);
            let load = runs.map_or("–".into(), |run| milliseconds(run.load_seconds));
            rows.push(row([precision, &threads.to_string(), &rate(*gflops), &load]));
        }
        rows
    }

    fn product_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![row(["precision", "threads", "size", "GFLOP/s", "of peak"])];
        for ProductRate { m, n, k, precision, threads, gflops, share_of_peak } in &self.products {
            let size = format!("{m} × {n} × {k}");
            rows.push(row([precision, &threads.to_string(), &size, &rate(*gflops), &percent(*share_of_peak)]));
        }
        rows
    }

    fn run_rows(&self) -> Vec<Vec<String>> {
        let heads = ["precision", "threads", "input", "ms", "min to max", "tokens/s", "GFLOP/s", "of peak", "MB"];
        let mut rows = vec![row(heads)];
        for run in &self.runs {
            let Seconds { median, min, max } = run.seconds;
            rows.push(row([
                &run.precision,
                &run.threads.to_string(),
                &run.input(),
                &milliseconds(median),
                &format!("{} to {}", milliseconds(min), milliseconds(max)),
                &rate(run.tokens_per_second),
                &rate(run.gflops),
                &percent(run.share_of_peak),
                &run.peak_memory_bytes.map_or("–".into(), megabytes),
            ]));
        }
        rows
    }

    fn phase_rows(&self) -> Vec<Vec<String>> {
        let columns = parts(self.training);
        let mut rows = vec![row(["precision", "threads", "input"])];
        rows[0].extend(columns.iter().map(|(_, heading)| heading.to_string()));
        for run in &self.runs {
            let mut cells = row([&run.precision, &run.threads.to_string(), &run.input()]);
            let share = |key: &str| run.phases.get(key).copied().unwrap_or(0.0);
            cells.extend(columns.iter().map(|(key, _)| format!("{:.1}", 100.0 * share(key))));
            rows.push(cells);
        }
        rows
    }
}

impl BenchRun {
    /// The sizes of its batch.
    fn input(&self) -> String {
        format!("{} × {}", self.sequences, self.tokens)
    }
}
