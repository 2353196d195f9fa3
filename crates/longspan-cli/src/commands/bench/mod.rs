//! `longspan bench`: how fast this machine runs a model, and how much of the machine that uses.
//!
//! ```text
//! bench_model  the model: a checkpoint, or a known size with random weights
//! flops        the multiplications and additions of a pass
//! timing       times of passes and of their parts
//! training     steps of training
//! report       the measurements, for people and as JSON
//! ```

mod bench_model;
mod flops;
mod timing;

mod report;
mod training;

use std::time::Instant;

use anyhow::{Context, Result};
use longspan::config::Config;
use longspan::model::{Batch, Model, Precision, Sequence};
use longspan::random;
use longspan_kernels::{Arithmetic, Isa};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::cli::{BenchArgs, TrainingTask, cannot_start};
use crate::machine::{cores, instruction_set, products};
use crate::memory::PeakMemory;
use crate::terminal::hints::fault;
use crate::terminal::progress::Bar;
use crate::terminal::{self, counted};
use bench_model::BenchModel;
use flops::BatchSize;
use report::{BenchMachine, BenchReport, BenchRun, PeakRate, ProductRate};
use timing::PassTimes;
use training::TrainingTargets;

/// Tokens with global attention without `--globals`.
const GLOBALS: usize = 12;

/// Lengths without `--lengths`.
const LENGTHS: [usize; 3] = [128, 512, 4096];

/// Tokens of the largest batch: far more than any machine needs to be busy, far less than fills its memory.
const BATCH_TOKENS_MAX: usize = 1 << 20;

/// Products of a base model on a whole input: attention's output, the feed-forward's middle and its output.
const PRODUCTS: [products::Size; 3] = [
    products::Size { m: 4096, n: 768, k: 768 },
    products::Size { m: 4096, n: 3072, k: 768 },
    products::Size { m: 4096, n: 768, k: 3072 },
];

/// What is to be measured.
struct BenchPlan<'a> {
    args: &'a BenchArgs,
    isa: Isa,
    precisions: Vec<Precision>,
    threads: Vec<usize>,
    batches: Vec<BatchSize>,
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<()> {
    let isa = instruction_set()?; // before anything is fetched for it
    let model = BenchModel::find(args)?;
    let plan = BenchPlan::new(args, isa, &model.config)?;
    let report = measure(&plan, &model)?;
    let shown = if args.json { serde_json::to_string(&report)? + "\n" } else { report.table()? };
    terminal::print(shown.as_bytes()).context("standard output")
}

impl<'a> BenchPlan<'a> {
    fn new(args: &'a BenchArgs, isa: Isa, config: &Config) -> Result<Self> {
        let precisions: longspan::Result<Vec<_>> = args.precision.iter().map(|which| which.on_this_machine()).collect();
        if args.training.is_some() && precisions.as_ref().is_ok_and(|all| all.contains(&Precision::Int8)) {
            return Err(fault("--precision int8: training computes in f32 or bf16", "leave out --training, or int8"));
        }
        let globals = globals(args, config)?;
        let batch = |tokens: usize| BatchSize { sequences: args.sequences, tokens, globals: globals.min(tokens) };
        let threads = if args.threads.is_empty() { vec![cores()] } else { each_once(args.threads.clone()) };
        let batches = lengths(args, config.max_tokens())?.into_iter().map(batch).collect();
        Ok(Self { args, isa, precisions: each_once(precisions?), threads, batches })
    }
}

/// Tokens with global attention.
fn globals(args: &BenchArgs, config: &Config) -> Result<usize> {
    let without = match args.training {
        Some(TrainingTask::MaskedLm) => "in masked language modelling no token is global",
        _ if !config.is_long => "in a short model all tokens see all",
        _ => return Ok(args.globals.unwrap_or(GLOBALS)),
    };
    match args.globals {
        None | Some(0) => Ok(0),
        Some(globals) => Err(fault(format!("--globals {globals}: {without}"), "leave out --globals")),
    }
}

/// The lengths to run, all of which the model and memory have room for.
fn lengths(args: &BenchArgs, tokens_max: usize) -> Result<Vec<usize>> {
    let mut lengths = each_once(args.lengths.clone());
    if lengths.is_empty() {
        lengths = LENGTHS.into_iter().filter(|&tokens| tokens <= tokens_max).collect();
    }
    if lengths.is_empty() {
        lengths = vec![tokens_max];
    }
    for &tokens in &lengths {
        if tokens > tokens_max {
            let message = format!("--lengths {tokens}: the model has positions for {tokens_max} tokens");
            return Err(fault(message, "give shorter lengths; --sequences makes larger batches of them"));
        }
        let all = tokens.saturating_mul(args.sequences);
        if all > BATCH_TOKENS_MAX {
            let sequences = args.sequences;
            let message = format!("--sequences {sequences}: {all} tokens in a batch, the most is {BATCH_TOKENS_MAX}");
            return Err(fault(message, "give fewer sequences or shorter lengths"));
        }
    }
    Ok(lengths)
}

/// The values in their order, without those that came before.
fn each_once<T: PartialEq + Copy>(values: Vec<T>) -> Vec<T> {
    (0..values.len()).filter(|&at| !values[..at].contains(&values[at])).map(|at| values[at]).collect()
}

/// Measures everything in the plan, in the order in which it is shown.
fn measure(plan: &BenchPlan<'_>, model: &BenchModel) -> Result<BenchReport> {
    let note = Bar::note();
    let mut report = BenchReport {
        machine: BenchMachine { cores: cores(), instruction_set: plan.isa.to_string() },
        model: model.name.clone(),
        size: model.size(),
        training: plan.args.training,
        ..BenchReport::default()
    };
    let mut memory = PeakMemory::default();
    for &precision in &plan.precisions {
        for &threads in &plan.threads {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            let setting = BenchSetting {
                plan,
                arithmetic: Arithmetic { isa: plan.isa, precision },
                pool: pool.map_err(|error| cannot_start(threads, &error))?,
                note: &note,
            };
            let peak = setting.measure_products(&mut report);
            report.runs.extend(setting.measure_model(model, peak, &mut memory)?);
        }
    }
    Ok(report)
}

/// One precision on one number of threads.
struct BenchSetting<'a> {
    plan: &'a BenchPlan<'a>,
    arithmetic: Arithmetic,
    pool: ThreadPool,
    note: &'a Bar,
}

impl BenchSetting<'_> {
    fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn say(&self, what: &str) {
        let (precision, threads) = (self.arithmetic.precision, counted(self.threads(), "thread"));
        self.note.say(&format!("measuring {precision} on {threads}: {what}"));
    }

    /// Measures the peak, in GFLOP/s, and the products where they are asked for.
    fn measure_products(&self, report: &mut BenchReport) -> f64 {
        let (precision, threads) = (self.arithmetic.precision.to_string(), self.threads());
        self.say("peak");
        let peak = products::peak(self.arithmetic, &self.pool);
        report.peaks.push(PeakRate { precision: precision.clone(), threads, gflops: peak });
        for size in PRODUCTS.iter().filter(|_| self.plan.args.products) {
            let products::Size { m, n, k } = *size;
            self.say(&format!("product {m} × {n} × {k}"));
            let gflops = products::rate(self.arithmetic, *size, &self.pool);
            let precision = precision.clone();
            report.products.push(ProductRate { m, n, k, precision, threads, gflops, share_of_peak: gflops / peak });
        }
        peak
    }

    /// Measures all batches with one model.
    fn measure_model(&self, model: &BenchModel, peak: f64, memory: &mut PeakMemory) -> Result<Vec<BenchRun>> {
        self.say("loading the model");
        memory.reset();
        let started = Instant::now();
        let load = || self.pool.install(|| model.load(self.arithmetic.precision));
        let loaded = if self.plan.args.training.is_some() { None } else { Some(load()?) };
        let load_seconds = started.elapsed().as_secs_f64();
        let load_bytes = memory.read();
        let mut runs = Vec::new();
        for (number, size) in self.plan.batches.iter().enumerate() {
            if number > 0 {
                memory.reset();
            }
            let (times, flop) = match &loaded {
                Some(loaded) => (self.pool.install(|| self.passes(loaded, size)), flops::flop(&model.config, size)),
                None => self.steps(model, size)?,
            };
            let (seconds, gflop) = (times.summary(), flop / 1e9);
            runs.push(BenchRun {
                tokens: size.tokens,
                sequences: size.sequences,
                precision: self.arithmetic.precision.to_string(),
                threads: self.threads(),
                globals: size.globals,
                passes: self.plan.args.passes,
                load_seconds,
                tokens_per_second: (size.sequences * size.tokens) as f64 / seconds.median,
                gflop,
                gflops: gflop / seconds.median,
                share_of_peak: gflop / seconds.median / peak,
                seconds,
                phases: times.shares(self.plan.args.training),
                // Other lengths do not count, the loading does.
                peak_memory_bytes: memory.read().map(|bytes| bytes.max(load_bytes.unwrap_or(0))),
            });
        }
        Ok(runs)
    }

    /// Steps of training: their times, and the operations of one.
    fn steps(&self, model: &BenchModel, size: &BatchSize) -> Result<(PassTimes, f64)> {
        let config = &model.config;
        let batch = batch(config, size);
        let targets = TrainingTargets::new(self.plan.args.training.unwrap_or(TrainingTask::Questions), &batch);
        let (parameters, precision) = (model.parameters(targets.task())?, self.arithmetic.precision);
        let say = |step: usize| self.say_pass(size, "step", step);
        let steps = || targets.steps(config, precision, parameters, &batch, self.plan.args.passes, say);
        let times = self.pool.install(steps)?;
        Ok((times, longspan::train::flop(config, &batch, 0) + targets.flop(config)))
    }

    /// The times of every pass but the first.
    fn passes(&self, model: &Model, size: &BatchSize) -> PassTimes {
        let batch = batch(model.config(), size);
        let mut times = PassTimes::default();
        for pass in 0..=self.plan.args.passes {
            self.say_pass(size, "pass", pass);
            let started = Instant::now();
            let (_, by_phase) = model.cpu().timed_logits(&batch);
            if pass > 0 {
                let by_phase = by_phase.into_iter().map(|(_, time)| time.as_secs_f64());
                times.add(started.elapsed().as_secs_f64(), by_phase);
            }
        }
        times
    }

    fn say_pass(&self, size: &BatchSize, kind: &str, number: usize) {
        let BatchSize { sequences, tokens, .. } = size;
        self.say(&format!("{sequences} × {tokens} tokens, {kind} {number} of {}", self.plan.args.passes));
    }
}

/// Inputs of random words.
fn batch(config: &Config, size: &BatchSize) -> Batch {
    let ids = random_ids(size.tokens * size.sequences, config.vocab_size);
    let globals: Vec<usize> = (0..size.globals).collect();
    let mut batch = Batch::new();
    for ids in ids.chunks_exact(size.tokens) {
        batch.push(Sequence { ids, token_type_ids: None, globals: &globals });
    }
    batch
}

/// Ids that are none of the special tokens, which stand at the beginning of most vocabularies.
fn random_ids(count: usize, vocab_size: usize) -> Vec<u32> {
    let special = 5.min(vocab_size - 1);
    let id = |at: usize| special + random::number(1, &[at as u64]) as usize % (vocab_size - special);
    (0..count).map(|at| id(at) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_those_of_words() {
        for vocab_size in [1, 5, 6, 120, 50_265] {
            let ids = random_ids(1000, vocab_size);
            let special = if vocab_size > 5 { 5 } else { vocab_size as u32 - 1 };
            assert!(ids.iter().all(|&id| id >= special && (id as usize) < vocab_size), "{vocab_size}");
            assert_eq!(ids, random_ids(1000, vocab_size));
        }
    }

    #[test]
    fn values_of_a_list_count_once() {
        assert_eq!(each_once(vec![4, 1, 4, 2, 1]), [4, 1, 2]);
        assert!(each_once(Vec::<usize>::new()).is_empty());
    }
}
