//! Training against torch: losses, the gradient of every parameter, and ten steps of AdamW.
//!
//! The golden files and the script that made them stand in `tests/golden/training`; its head says what they hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use longspan::checkpoint::{Source, Tensors};
use longspan::config::Config;
use longspan::model::{
    Batch, Dropout, Logits, Parameters, Precision, Sequence, Task, Trainee, TrainingPass, parameters,
};
use longspan::random;
use longspan::train::loss::{Golds, Teacher, question_answering};
use longspan::train::{Optimizer, OptimizerSettings, Stride};
use safetensors::SafeTensors;

const FOLDERS: [&str; 4] = ["head16", "head24-bert", "head32", "wide"];

/// The folder whose weights follow from a formula, and which holds only some of its gradients.
const WIDE: &str = "wide";

/// The folder with ten steps, and the batches that they take in turn.
const STEPS: (&str, [&str; 2]) = ("head16", ["ragged", "second"]);

/// Largest difference of logits, losses and their gradients in f32.
const TOLERANCE: f32 = 2e-5;

/// A gradient may be off by this, and by `SHARE` of the parameter's largest one. Where the true gradient is zero, as
/// that of the biases of keys, the first decides.
const ABSOLUTE: f32 = 1e-5;
const SHARE: f32 = 1e-4;

/// How many times the error of torch in bf16 autocast ours in bf16 may have: of the gradient as a whole, and of each matrix.
const BF16_ERRORS: f64 = 2.0;

/// The same of each bias and norm: of so few numbers an error is one draw of chance, torch's too.
const BF16_ERRORS_OF_VECTORS: f64 = 2.5;

const TEACHER_WEIGHT: f64 = 0.3;

/// What torch says of one folder.
struct Golden {
    name: &'static str,
    config: Config,
    numbers: BTreeMap<String, Vec<f64>>,
}

/// A batch with what it teaches and what is expected of it.
struct Case {
    batch: Batch,
    golds: Vec<Golds>,
    /// (T, 2), where there is one.
    teacher: Option<Logits>,
    /// (T, 2)
    logits: Vec<f32>,
    /// (T, 2)
    dlogits: Vec<f32>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/training").join(name)
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

impl Golden {
    fn open(name: &'static str) -> Self {
        let bytes = std::fs::read(folder(name).join("golden.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let read = |name: &str| -> Vec<f64> {
            let tensor = file.tensor(name).unwrap();
            let data = tensor.data();
            match tensor.dtype() {
                safetensors::Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
                safetensors::Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
                _ => data.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect(),
            }
        };
        let numbers = file.names().into_iter().map(|name| (name.to_string(), read(name))).collect();
        Self { name, config: Source::Folder(folder(name)).config().unwrap(), numbers }
    }

    fn parameters(&self) -> Parameters {
        if self.name == WIDE {
            return formula(&self.config);
        }
        let tensors = Tensors::open(&Source::Folder(folder(self.name))).unwrap();
        Parameters::load(&self.config, Task::QuestionAnswering, &tensors, 1).unwrap()
    }

    fn trainee(&self, precision: Precision) -> Trainee {
        Trainee::new(self.config.clone(), Task::QuestionAnswering, precision, self.parameters()).unwrap()
    }

    fn cases(&self) -> Vec<&str> {
        self.numbers.keys().filter_map(|key| key.strip_prefix("loss.")).collect()
    }

    fn has_gradients(&self, case: &str) -> bool {
        self.numbers.contains_key(&format!("bf16_error.{case}"))
    }

    fn case(&self, case: &str) -> Case {
        let (mut batch, mut golds, mut teacher) = (Batch::new(), Vec::new(), Vec::new());
        let (mut logits, mut dlogits) = (Vec::new(), Vec::new());
        for n in 0.. {
            let field = |field: &str| self.numbers.get(&format!("{case}.{n}.{field}"));
            let places = |name: &str| -> Vec<usize> {
                field(name).map_or(Vec::new(), |x| x.iter().map(|&x| x as usize).collect())
            };
            let ids = |name: &str| places(name).iter().map(|&x| x as u32).collect::<Vec<_>>();
            let side_by_side = |start: &str, end: &str| -> Vec<f32> {
                let (start, end) = (field(start).into_iter().flatten(), field(end).into_iter().flatten());
                start.zip(end).flat_map(|(s, e)| [*s as f32, *e as f32]).collect()
            };
            if field("input_ids").is_none() {
                break;
            }
            let (ids, types, globals) = (ids("input_ids"), ids("token_type_ids"), places("global"));
            batch.push(Sequence { ids: &ids, token_type_ids: &types, globals: &globals });
            golds.push(places("gold_start").into_iter().zip(places("gold_end")).collect());
            logits.extend(side_by_side("start_logits", "end_logits"));
            dlogits.extend(side_by_side("dstart_logits", "dend_logits"));
            teacher.extend(side_by_side("teacher_start_logits", "teacher_end_logits"));
        }
        let teacher = (!teacher.is_empty()).then_some(Logits { values: teacher, columns: 2 });
        Case { batch, golds, teacher, logits, dlogits }
    }
}

/// The weights of `wide`: see the head of `make.py`.
fn formula(config: &Config) -> Parameters {
    let mut all = Parameters::zeros(config, Task::QuestionAnswering);
    let mut list = parameters(config, Task::QuestionAnswering);
    list.sort_by(|a, b| a.name.cmp(&b.name));
    for (p, parameter) in list.iter().enumerate() {
        let (name, matrix) = (&parameter.name, parameter.shape.len() > 1);
        let sharp = ["query", "key", "qa_outputs"].iter().any(|part| name.contains(part));
        let gain = if sharp { 1.6 } else { 1.0 };
        let (centre, spread) = match matrix {
            _ if name.ends_with("LayerNorm.weight") => (1.0, 0.3),
            false => (0.0, 0.3),
            true if name.contains("embeddings") => (0.0, 0.5),
            true => (0.0, gain * (3.0 / parameter.shape[1] as f64).sqrt()),
        };
        for (e, value) in all.get_mut(name).iter_mut().enumerate() {
            let fraction = random::fraction(1, &[p as u64, e as u64]);
            *value = (centre + spread * (2.0 * fraction - 1.0)) as f32;
        }
    }
    all
}

/// The mean loss of a batch, its gradient by the logits, and the gradients of all parameters.
fn gradients(trainee: &Trainee, case: &Case, pass: &mut TrainingPass) -> (f64, Logits, Vec<f32>, Parameters) {
    let logits = trainee.forward(&case.batch, Dropout::NONE, pass);
    let teacher = case.teacher.as_ref().map(|logits| Teacher { logits, weight: TEACHER_WEIGHT });
    let (loss, mut dlogits) = question_answering(&case.batch, &logits, &case.golds, teacher);
    let sequences = case.batch.sequences() as f64;
    dlogits.iter_mut().for_each(|d| *d = (f64::from(*d) / sequences) as f32);
    let mut gradients = Parameters::zeros(trainee.config(), Task::QuestionAnswering);
    trainee.backward(&case.batch, pass, &dlogits, &mut gradients);
    (loss / sequences, logits, dlogits, gradients)
}

/// The largest difference, which must not exceed `allowed`.
#[track_caller]
fn check(what: &str, found: &[f32], expected: &[f32], allowed: f32) -> f32 {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut largest = 0.0f32;
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let difference = (a - b).abs();
        assert!(difference <= allowed, "{what} [{i}]: {a} for {b}, off by {difference:e} of {allowed:e}");
        largest = largest.max(difference);
    }
    largest
}

/// |a − b|², |b|²
fn squares(a: &[f32], b: &[f32]) -> (f64, f64) {
    let square = |x: f64| x * x;
    let off = a.iter().zip(b).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    (off, b.iter().map(|b| square((*b).into())).sum())
}

/// How many gradients the case has, and the largest difference as a share of the largest number of its parameter.
fn check_gradients(golden: &Golden, name: &str, trainee: &Trainee, pass: &mut TrainingPass) -> (usize, f32) {
    let what = format!("{} {name}", golden.name);
    let case = golden.case(name);
    let (loss, logits, dlogits, gradients) = gradients(trainee, &case, pass);
    check(&what, &logits.values, &case.logits, TOLERANCE);
    check(&what, &dlogits, &case.dlogits, TOLERANCE);
    check(&what, &[loss as f32], &narrow(&golden.numbers[&format!("loss.{name}")]), TOLERANCE);
    let (mut count, mut worst) = (0, 0.0f32);
    for parameter in gradients.list().iter().filter(|_| golden.has_gradients(name)) {
        let found = gradients.get(&parameter.name);
        let what = format!("{what} {}", parameter.name);
        match golden.numbers.get(&format!("grad.{name}.{}", parameter.name)) {
            Some(expected) => {
                let expected = narrow(expected);
                let largest = expected.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                let off = check(&what, found, &expected, ABSOLUTE + SHARE * largest);
                worst = if largest > ABSOLUTE { worst.max(off / largest) } else { worst };
                count += 1;
            }
            None if golden.name == WIDE => {}
            // A parameter that does not take part.
            None => assert!(found.iter().all(|&d| d == 0.0), "{what}: a gradient"),
        }
    }
    (count, worst)
}

#[test]
fn every_gradient_agrees_with_torch() {
    let (mut count, mut worst) = (0, 0.0f32);
    for name in FOLDERS {
        let golden = Golden::open(name);
        // What is kept, or computed again; and the memory of a pass serves batches of other sizes.
        for trainee in [golden.trainee(Precision::F32), golden.trainee(Precision::F32).with_recomputation()] {
            let mut pass = TrainingPass::default();
            for case in golden.cases() {
                let (more, off) = check_gradients(&golden, case, &trainee, &mut pass);
                (count, worst) = (count + more, worst.max(off));
            }
        }
    }
    println!("{count} gradients, off by {worst:e} of the largest number of each at most");
    assert!(count > 600, "{count} gradients only");
}

/// Rounding to bf16 costs no more than twice what it costs torch.
#[test]
fn bf16_gradients_are_as_near_as_those_of_torch() {
    let (mut count, mut worst) = (0, (0.0, String::new()));
    for name in FOLDERS {
        let golden = Golden::open(name);
        let (exact, rounded) = (golden.trainee(Precision::F32), golden.trainee(Precision::Bf16));
        let mut pass = TrainingPass::default();
        for name in golden.cases().into_iter().filter(|case| golden.has_gradients(case)) {
            let case = golden.case(name);
            let (.., exact) = gradients(&exact, &case, &mut pass);
            let (.., rounded) = gradients(&rounded, &case, &mut pass);
            let (mut all_off, mut all) = (0.0, 0.0);
            for parameter in exact.list() {
                let (off, square) = squares(rounded.get(&parameter.name), exact.get(&parameter.name));
                (all_off, all) = (all_off + off, all + square);
                let key = format!("bf16_error.{name}.{}", parameter.name);
                let Some(torch) = golden.numbers.get(&key) else { continue };
                let (error, torch) = ((off / square).sqrt(), torch[0]);
                let what = format!("{} {key}: {error:.4}, torch has {torch:.4}", golden.name);
                let allowed = if parameter.shape.len() > 1 { BF16_ERRORS } else { BF16_ERRORS_OF_VECTORS };
                assert!(error <= allowed * torch, "{what}");
                worst = if error / torch > worst.0 { (error / torch, what) } else { worst };
                count += 1;
            }
            let (error, torch) = ((all_off / all).sqrt(), golden.numbers[&format!("bf16_error.{name}")][0]);
            println!("{} {name}: the gradient as a whole is off by {error:.4}, torch by {torch:.4}", golden.name);
            assert!(error <= BF16_ERRORS * torch, "{} {name}: {error}, torch has {torch}", golden.name);
        }
    }
    println!("{count} gradients; the worst: {}", worst.1);
    assert!(count > 300, "{count} gradients only");
}

#[test]
fn ten_steps_are_those_of_torch() {
    let golden = Golden::open(STEPS.0);
    let cases = STEPS.1.map(|name| golden.case(name));
    let mut trainee = golden.trainee(Precision::F32);
    let initial = trainee.parameters().clone();
    let settings = OptimizerSettings { weight_decay: 0.01, ..OptimizerSettings::default() };
    let mut optimizer = Optimizer::new(&settings, golden.config.num_hidden_layers, 0, &initial);
    let mut pass = TrainingPass::default();
    let steps = |what: &str| &golden.numbers[&format!("steps.{what}")];
    let rates = steps("learning_rates");
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for (i, rate) in rates.iter().enumerate() {
        let (loss, _, _, mut gradients) = gradients(&trainee, &cases[i % cases.len()], &mut pass);
        let norm = optimizer.norm(gradients.values());
        losses.push(loss as f32);
        norms.push(norm as f32);
        let scale = (2.5 / (norm + 1e-6)).min(1.0);
        let stride = Stride { step: i + 1, learning_rate: *rate, scale };
        trainee.update(|weights| optimizer.step(stride, weights.values_mut(), gradients.values_mut()));
    }
    let (last, ..) = gradients(&trainee, &cases[0], &mut pass);
    let off = check("losses", &losses, &narrow(steps("losses")), TOLERANCE);
    println!("losses {losses:?}, off by {off:e} at most");
    check("gradient norms", &norms, &narrow(steps("gradient_norms")), 1e-4);
    check("final loss", &[last as f32], &narrow(steps("final_loss")), TOLERANCE);
    for parameter in initial.list() {
        let name = &parameter.name;
        // AdamW makes steps of what is a rounding error beside other gradients, where there is nothing else: there
        // torch does not agree with itself either.
        let noise = golden.numbers[&format!("final_noise.{name}")][0];
        let allowed = if noise > 1e-5 { 5e-3 } else { 1e-5 };
        check(name, trainee.parameters().get(name), &narrow(&golden.numbers[&format!("final.{name}")]), allowed);
    }
}

/// Dropout is a function of the seed and the place: the way back drops what was dropped on the way forth, whether that
/// was kept or is computed again, and its gradient is that of the loss with it.
#[test]
fn the_way_back_drops_what_was_dropped() {
    let golden = Golden::open(STEPS.0);
    let (case, mut pass) = (golden.case(STEPS.1[0]), TrainingPass::default());
    let dropout = Dropout { share: 0.3, seed: 5, first_sequence: 2 };
    let loss = |trainee: &Trainee, pass: &mut TrainingPass| {
        let logits = trainee.forward(&case.batch, dropout, pass);
        question_answering(&case.batch, &logits, &case.golds, None)
    };
    let mut found = Vec::new();
    for trainee in [golden.trainee(Precision::F32), golden.trainee(Precision::F32).with_recomputation()] {
        let (_, dlogits) = loss(&trainee, &mut pass);
        let mut gradients = Parameters::zeros(&golden.config, Task::QuestionAnswering);
        trainee.backward(&case.batch, &mut pass, &dlogits, &mut gradients);
        found.push(gradients);
    }
    assert!(found[0] == found[1]);
    // Along its own gradient a parameter changes the loss by the square of the gradient's norm.
    for name in ["embeddings.word_embeddings", "encoder.layer.0.output.dense", "encoder.layer.1.attention.self.value"] {
        let name = format!("longformer.{name}.weight");
        let gradient = found[0].get(&name).to_vec();
        let square = squares(&gradient, &gradient).1;
        let at = |step: f64| {
            let mut trainee = golden.trainee(Precision::F32);
            trainee.update(|weights| {
                let size = (step / square.sqrt()) as f32;
                weights.get_mut(&name).iter_mut().zip(&gradient).for_each(|(w, g)| *w += size * g);
            });
            loss(&trainee, &mut TrainingPass::default()).0
        };
        let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
        assert!((slope / square.sqrt() - 1.0).abs() < 0.01, "{name}: {slope} for {}", square.sqrt());
    }
}

#[test]
fn frozen_layers_have_no_gradients_and_leave_the_others_theirs() {
    let golden = Golden::open(STEPS.0);
    let (case, layers) = (golden.case(STEPS.1[0]), golden.config.num_hidden_layers);
    let (.., all) = gradients(&golden.trainee(Precision::F32), &case, &mut TrainingPass::default());
    for frozen in 1..=layers {
        for recompute in [false, true] {
            let trainee = golden.trainee(Precision::F32).with_frozen_layers(frozen);
            let trainee = if recompute { trainee.with_recomputation() } else { trainee };
            let (.., found) = gradients(&trainee, &case, &mut TrainingPass::default());
            for parameter in all.list() {
                let name = &parameter.name;
                let layer = name.split("layer.").nth(1).map(|rest| rest[..1].parse::<usize>().unwrap());
                let is_frozen = name.contains("embeddings") || layer.is_some_and(|layer| layer < frozen);
                let expected = if is_frozen { vec![0.0; parameter.count()] } else { all.get(name).to_vec() };
                assert!(found.get(name) == expected, "{frozen} frozen layers, {name}");
            }
        }
    }
}
