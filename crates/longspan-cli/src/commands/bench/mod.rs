//! `longspan bench`: how fast this machine runs a model, and how much of the machine that is.
//!
//! ```text
//! subject      the model: a checkpoint, or a known size with random weights
//! work         the multiplications and additions of a pass
//! training     steps of training
//! report       what was measured, for people and as JSON
//! ```

mod report;
mod subject;
mod training;
mod work;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};
use longspan::config::Config;
use longspan::model::{Batch, Model, Phase, Precision, Sequence};
use longspan_kernels::{Arithmetic, Isa};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::cli::{BenchArgs, Training};
use crate::machine::products::Random;
use crate::machine::{instruction_set, products};
use crate::memory::PeakMemory;
use crate::terminal;
use crate::terminal::hints::fault;
use crate::terminal::progress::Note;
use report::{Machine, Peak, Product, Report, Run, Seconds};
use subject::Subject;
use training::Learnt;
use work::Input;

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
struct Plan {
    isa: Isa,
    precisions: Vec<Precision>,
    threads: Vec<usize>,
    inputs: Vec<Input>,
    passes: usize,
    products: bool,
    training: Option<Training>,
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<()> {
    let isa = instruction_set()?; // before anything is fetched for it
    let subject = Subject::find(args)?;
    let plan = Plan::new(args, isa, &subject.config)?;
    let report = measure(&plan, &subject)?;
    let shown = if args.json { serde_json::to_string(&report)? + "\n" } else { report.table()? };
    terminal::print(shown.as_bytes()).context("standard output")
}

impl Plan {
    fn new(args: &BenchArgs, isa: Isa, config: &Config) -> Result<Self> {
        let precisions: longspan::Result<Vec<_>> = args.precision.iter().map(|which| which.on_this_machine()).collect();
        if args.training.is_some() && precisions.as_ref().is_ok_and(|all| all.contains(&Precision::Int8)) {
            return Err(fault("--precision int8: training computes in f32 or bf16", "leave out --training, or int8"));
        }
        let mut threads = args.threads.iter().map(|&count| usize::from(count)).collect();
        if args.threads.is_empty() {
            threads = vec![cores()];
        }
        let globals = if args.training == Some(Training::MaskedLm) { 0 } else { args.globals };
        let inputs = lengths(args, config.max_tokens())?.into_iter().map(|tokens| Input {
            sequences: args.sequences,
            tokens,
            globals: globals.min(tokens),
        });
        Ok(Self {
            isa,
            precisions: each_once(precisions?),
            threads: each_once(threads),
            inputs: inputs.collect(),
            passes: args.passes,
            products: args.products,
            training: args.training,
        })
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
fn each_once<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Measures all that is planned, in the order in which it is shown.
fn measure(plan: &Plan, subject: &Subject) -> Result<Report> {
    let note = Note::new();
    let mut report = Report {
        machine: Machine { cores: cores(), instruction_set: plan.isa.to_string() },
        model: subject.name.clone(),
        size: subject.size(),
        training: plan.training,
        peaks: Vec::new(),
        products: Vec::new(),
        runs: Vec::new(),
    };
    let mut memory = PeakMemory::default();
    for &precision in &plan.precisions {
        for &threads in &plan.threads {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            let setting = Setting {
                plan,
                arithmetic: Arithmetic { isa: plan.isa, precision },
                pool: pool.with_context(|| format!("{threads} threads"))?,
                note: &note,
            };
            let peak = setting.measure_products(&mut report);
            setting.measure_model(subject, peak, &mut memory, &mut report.runs)?;
        }
    }
    Ok(report)
}

/// The times of passes or steps, in seconds, and the share of each of their parts.
type Times = (Vec<f64>, BTreeMap<String, f64>);

/// One precision on one number of threads.
struct Setting<'a> {
    plan: &'a Plan,
    arithmetic: Arithmetic,
    pool: ThreadPool,
    note: &'a Note,
}

impl Setting<'_> {
    fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn say(&self, what: &str) {
        let (precision, threads) = (self.arithmetic.precision, self.threads());
        let threads = if threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
        self.note.say(&format!("measuring {precision} on {threads}: {what}"));
    }

    /// The peak, in GFLOP/s, and the products where they are asked for.
    fn measure_products(&self, report: &mut Report) -> f64 {
        let (precision, threads) = (self.arithmetic.precision.to_string(), self.threads());
        self.say("peak");
        let peak = products::peak(self.arithmetic, &self.pool);
        report.peaks.push(Peak { precision: precision.clone(), threads, gflops: peak });
        for size in PRODUCTS.iter().filter(|_| self.plan.products) {
            let products::Size { m, n, k } = *size;
            self.say(&format!("product {m} × {n} × {k}"));
            let gflops = products::rate(self.arithmetic, *size, &self.pool);
            let precision = precision.clone();
            report.products.push(Product { m, n, k, precision, threads, gflops, share_of_peak: gflops / peak });
        }
        peak
    }

    /// All inputs, through one model.
    fn measure_model(&self, subject: &Subject, peak: f64, memory: &mut PeakMemory, runs: &mut Vec<Run>) -> Result<()> {
        self.say("loading the model");
        memory.reset();
        let started = Instant::now();
        let load = || self.pool.install(|| subject.load(self.arithmetic.precision));
        let model = if self.plan.training.is_some() { None } else { Some(load()?) };
        let load_seconds = started.elapsed().as_secs_f64();
        let loaded = memory.read();
        for (number, input) in self.plan.inputs.iter().enumerate() {
            if number > 0 {
                memory.reset();
            }
            let ((times, phases), flop) = match &model {
                Some(model) => (self.pool.install(|| self.passes(model, input)), work::flop(&subject.config, input)),
                None => self.steps(subject, input)?,
            };
            let (seconds, gflop) = (Seconds::of(times), flop / 1e9);
            runs.push(Run {
                tokens: input.tokens,
                sequences: input.sequences,
                precision: self.arithmetic.precision.to_string(),
                threads: self.threads(),
                globals: input.globals,
                passes: self.plan.passes,
                load_seconds,
                tokens_per_second: (input.sequences * input.tokens) as f64 / seconds.median,
                gflop,
                gflops: gflop / seconds.median,
                share_of_peak: gflop / seconds.median / peak,
                seconds,
                phases,
                // Other lengths do not count, the loading does.
                peak_memory_bytes: memory.read().map(|bytes| bytes.max(loaded.unwrap_or(0))),
            });
        }
        Ok(())
    }

    /// Steps of training: their times with the share of each part in them, and the operations of one.
    fn steps(&self, subject: &Subject, input: &Input) -> Result<(Times, f64)> {
        let Input { sequences, tokens, .. } = input;
        let say = |step| self.say(&format!("{sequences} × {tokens} tokens, step {step} of {}", self.plan.passes));
        let batch = batch(&subject.config, input);
        let learnt = Learnt::new(self.plan.training.unwrap_or(Training::Questions), &batch);
        let model = (&subject.config, subject.parameters(learnt.task())?);
        let precision = self.arithmetic.precision;
        let times =
            self.pool.install(|| training::steps(model, precision, (&batch, &learnt), self.plan.passes, say))?;
        Ok((times, longspan::train::flop(&subject.config, &batch, 0) + learnt.flop(&subject.config)))
    }

    /// The time of every pass but the first, and the share of each phase in them.
    fn passes(&self, model: &Model, input: &Input) -> Times {
        let batch = batch(model.config(), input);
        let mut times = Vec::new();
        let mut phases = [0.0; Phase::ALL.len()];
        for pass in 0..=self.plan.passes {
            let Input { sequences, tokens, .. } = input;
            self.say(&format!("{sequences} × {tokens} tokens, pass {pass} of {}", self.plan.passes));
            let started = Instant::now();
            let (_, by_phase) = model.cpu().timed_logits(&batch);
            if pass > 0 {
                times.push(started.elapsed().as_secs_f64());
                phases.iter_mut().zip(by_phase).for_each(|(sum, (_, time))| *sum += time.as_secs_f64());
            }
        }
        let all: f64 = phases.iter().sum();
        let share = |(phase, time): (&Phase, f64)| (report::key(*phase), time / all);
        (times, Phase::ALL.iter().zip(phases).map(share).collect())
    }
}

/// Inputs of random words.
fn batch(config: &Config, input: &Input) -> Batch {
    let ids = random_ids(input.tokens * input.sequences, config.vocab_size);
    let globals: Vec<usize> = (0..input.globals).collect();
    let mut batch = Batch::new();
    for ids in ids.chunks_exact(input.tokens) {
        batch.push(Sequence { ids, token_type_ids: &[], globals: &globals });
    }
    batch
}

/// Ids that are none of the special tokens, which stand at the beginning of most vocabularies.
fn random_ids(count: usize, vocab_size: usize) -> Vec<u32> {
    let special = 5.min(vocab_size - 1);
    let mut random = Random(1);
    (0..count).map(|_| (special + random.next() as usize % (vocab_size - special)) as u32).collect()
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
