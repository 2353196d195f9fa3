//! Training against torch: losses, the gradient of every parameter, and ten steps of AdamW.
//!
//! The golden files and the script that made them are in `tests/golden/training`; its opening comment explains them.

mod common;

use std::path::Path;

use longspan::checkpoint::{Source, Tensors, write_safetensors};
use longspan::config::Config;
use longspan::model::reference::ReferenceModel;
use longspan::model::{
    Batch, Dropout, Logits, Parameters, Precision, Sequence, Task, TrainableModel, TrainingPass, parameters,
};
use longspan::random;
use longspan::tensor::DType;
use longspan::train::loss::{GoldSpan, Teacher, question_answering, teacher_probabilities};
use longspan::train::{Optimizer, StepScale, TrainSettings};

use common::{Golden, check, narrow, squares};

const FOLDERS: [&str; 4] = ["head16", "head24-bert", "head32", "wide"];

/// The folder whose weights follow from a formula. It has only some of the gradients.
const WIDE: &str = "wide";

/// The folder with ten steps, and the batches that the steps take in turn.
const STEPS: (&str, [&str; 2]) = ("head16", ["ragged", "second"]);

/// Largest difference of logits, losses and their gradients in f32.
const TOLERANCE: f32 = 2e-5;

const TEACHER_WEIGHT: f64 = 0.3;

/// A batch, its gold answers and the expected results.
struct Case {
    batch: Batch,
    golds: Vec<Vec<GoldSpan>>,
    /// For each sequence the probabilities of the teacher, if it has one: (T, 2).
    taught: Vec<Option<Vec<f64>>>,
    /// (T, 2)
    logits: Vec<f32>,
    /// (T, 2)
    dlogits: Vec<f32>,
}

fn open(name: &'static str) -> Golden {
    Golden::open("training", name)
}

fn trainable(golden: &Golden, precision: Precision) -> TrainableModel {
    let parameters = match golden.name {
        WIDE => formula(&golden.config),
        _ => {
            let tensors = Tensors::open(&Source::Folder(golden.folder.clone())).unwrap();
            Parameters::load(&golden.config, Task::QuestionAnswering, &tensors, 1).unwrap()
        }
    };
    TrainableModel::new(golden.config.clone(), Task::QuestionAnswering, precision, parameters).unwrap()
}

fn case(golden: &Golden, name: &str) -> Case {
    let (mut golds, mut teacher, mut taught) = (Vec::new(), Vec::new(), Vec::new());
    let (mut logits, mut dlogits) = (Vec::new(), Vec::new());
    let batch = golden.batch(name, |sequence| {
        let side_by_side = |start: &str, end: &str| -> Vec<f32> {
            let [start, end] = [start, end].map(|field| golden.numbers.get(&format!("{sequence}.{field}")));
            start
                .into_iter()
                .flatten()
                .zip(end.into_iter().flatten())
                .flat_map(|(s, e)| [*s as f32, *e as f32])
                .collect()
        };
        let [start, end] = ["gold_start", "gold_end"].map(|field| golden.places(&format!("{sequence}.{field}")));
        golds.push(start.into_iter().zip(end).map(|(start, end)| GoldSpan { start, end }).collect());
        logits.extend(side_by_side("start_logits", "end_logits"));
        dlogits.extend(side_by_side("dstart_logits", "dend_logits"));
        teacher.extend(side_by_side("teacher_start_logits", "teacher_end_logits"));
        let probabilities = side_by_side("teacher_start", "teacher_end");
        taught.push((!probabilities.is_empty()).then(|| probabilities.into_iter().map(f64::from).collect()));
    });
    if !teacher.is_empty() {
        taught = teacher_probabilities(&batch, &Logits { values: teacher, columns: 2 }, 1.0);
    }
    Case { batch, golds, taught, logits, dlogits }
}

/// The weights of `wide`: see the opening comment of `make.py`.
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
fn gradients(trainable: &TrainableModel, case: &Case, pass: &mut TrainingPass) -> (f64, Logits, Vec<f32>, Parameters) {
    let logits = trainable.forward(&case.batch, Dropout::NONE, pass);
    let teacher = Teacher { probabilities: &case.taught, weight: TEACHER_WEIGHT };
    let (loss, mut dlogits) = question_answering(&case.batch, &logits, &case.golds, Some(teacher));
    let sequences = case.batch.sequences() as f64;
    dlogits.iter_mut().for_each(|d| *d = (f64::from(*d) / sequences) as f32);
    let mut gradients = Parameters::zeros(trainable.config(), Task::QuestionAnswering);
    trainable.backward(&case.batch, pass, &dlogits, &mut gradients);
    (loss / sequences, logits, dlogits, gradients)
}

#[test]
fn every_gradient_agrees_with_torch() {
    let (mut count, mut worst) = (0, 0.0f32);
    for name in FOLDERS {
        let golden = open(name);
        // Activations are saved or recomputed; batches of other sizes reuse the memory of a pass.
        for trainable in [trainable(&golden, Precision::F32), trainable(&golden, Precision::F32).with_recomputation()] {
            let mut pass = TrainingPass::default();
            for name in golden.cases() {
                let (what, case) = (format!("{} {name}", golden.name), case(&golden, name));
                let (loss, logits, dlogits, gradients) = gradients(&trainable, &case, &mut pass);
                check(&what, &logits.values, &case.logits, TOLERANCE);
                check(&what, &dlogits, &case.dlogits, TOLERANCE);
                check(&what, &[loss as f32], &narrow(&golden.numbers[&format!("loss.{name}")]), TOLERANCE);
                let (more, off) = golden.check_gradients(name, &gradients, golden.name == WIDE);
                (count, worst) = (count + more, worst.max(off));
            }
        }
    }
    println!("{count} gradients, off by {worst:e} of the largest number of each at most");
    assert!(count > 600, "{count} gradients only");
}

#[test]
fn bf16_gradients_are_as_exact_as_those_of_torch() {
    let (mut count, mut worst) = (0, (0.0, String::new()));
    for name in FOLDERS {
        let golden = open(name);
        let (exact, rounded) = (trainable(&golden, Precision::F32), trainable(&golden, Precision::Bf16));
        let mut pass = TrainingPass::default();
        for name in golden.cases().into_iter().filter(|case| golden.has_gradients(case)) {
            let case = case(&golden, name);
            let (.., exact) = gradients(&exact, &case, &mut pass);
            let (.., rounded) = gradients(&rounded, &case, &mut pass);
            let (more, found) = golden.check_rounded(name, &exact, &rounded);
            count += more;
            worst = if found.0 > worst.0 { found } else { worst };
        }
    }
    println!("{count} gradients; the worst: {}", worst.1);
    assert!(count > 300, "{count} gradients only");
}

#[test]
fn ten_steps_agree_with_torch() {
    let golden = open(STEPS.0);
    let cases = STEPS.1.map(|name| case(&golden, name));
    let mut trainable = trainable(&golden, Precision::F32);
    let initial = trainable.parameters().clone();
    let settings = TrainSettings { weight_decay: 0.01, ..Default::default() };
    let mut optimizer = Optimizer::new(&settings, golden.config.num_hidden_layers, &initial);
    let mut pass = TrainingPass::default();
    let steps = |what: &str| &golden.numbers[&format!("steps.{what}")];
    let rates = steps("learning_rates");
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for (i, rate) in rates.iter().enumerate() {
        let (loss, _, _, mut gradients) = gradients(&trainable, &cases[i % cases.len()], &mut pass);
        let norm = optimizer.norm(gradients.values());
        losses.push(loss as f32);
        norms.push(norm as f32);
        let scale = (2.5 / (norm + 1e-6)).min(1.0);
        let step_scale = StepScale { step: i + 1, learning_rate: *rate, scale };
        let updated = trainable.update(|weights| {
            optimizer.step(step_scale, weights.values_mut(), gradients.values_mut());
            Ok(())
        });
        updated.unwrap();
    }
    let (last, ..) = gradients(&trainable, &cases[0], &mut pass);
    let off = check("losses", &losses, &narrow(steps("losses")), TOLERANCE);
    println!("losses {losses:?}, off by {off:e} at most");
    check("gradient norms", &norms, &narrow(steps("gradient_norms")), 1e-4);
    check("final loss", &[last as f32], &narrow(steps("final_loss")), TOLERANCE);
    for parameter in initial.list() {
        let name = &parameter.name;
        // Where the true gradient is zero, AdamW makes whole steps out of rounding errors. There, two runs of torch differ
        // as well.
        let noise = golden.numbers[&format!("final_noise.{name}")][0];
        let allowed = if noise > 1e-5 { 5e-3 } else { 1e-5 };
        check(name, trainable.parameters().get(name), &narrow(&golden.numbers[&format!("final.{name}")]), allowed);
    }
}

/// Dropout is a function of the seed and the place. So the backward pass drops the same numbers as the forward pass, with
/// saved and with recomputed activations, and the gradient is that of the loss with dropout.
#[test]
fn the_backward_pass_has_the_dropout_of_the_forward_pass() {
    let golden = open(STEPS.0);
    let (case, mut pass) = (case(&golden, STEPS.1[0]), TrainingPass::default());
    let dropout = Dropout { share: 0.3, seed: 5, first_sequence: 2 };
    let loss = |trainable: &TrainableModel, pass: &mut TrainingPass| {
        let logits = trainable.forward(&case.batch, dropout, pass);
        question_answering(&case.batch, &logits, &case.golds, None)
    };
    let mut found = Vec::new();
    for trainable in [trainable(&golden, Precision::F32), trainable(&golden, Precision::F32).with_recomputation()] {
        let (_, dlogits) = loss(&trainable, &mut pass);
        let mut gradients = Parameters::zeros(&golden.config, Task::QuestionAnswering);
        trainable.backward(&case.batch, &mut pass, &dlogits, &mut gradients);
        found.push(gradients);
    }
    assert!(found[0] == found[1]);
    // A parameter that moves along its gradient changes the loss by the square of the gradient's norm.
    for name in ["embeddings.word_embeddings", "encoder.layer.0.output.dense", "encoder.layer.1.attention.self.value"] {
        let name = format!("longformer.{name}.weight");
        let gradient = found[0].get(&name).to_vec();
        let square = squares(&gradient, &gradient).1;
        let at = |step: f64| {
            let mut trainable = trainable(&golden, Precision::F32);
            let change = |weights: &mut Parameters| {
                let size = (step / square.sqrt()) as f32;
                weights.get_mut(&name).iter_mut().zip(&gradient).for_each(|(w, g)| *w += size * g);
                Ok(())
            };
            trainable.update(change).unwrap();
            loss(&trainable, &mut TrainingPass::default()).0
        };
        let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
        assert!((slope / square.sqrt() - 1.0).abs() < 0.01, "{name}: {slope} for {}", square.sqrt());
    }
}

#[test]
fn frozen_layers_have_no_gradients_and_do_not_change_the_others() {
    let golden = open(STEPS.0);
    let (case, layers) = (case(&golden, STEPS.1[0]), golden.config.num_hidden_layers);
    let (.., all) = gradients(&trainable(&golden, Precision::F32), &case, &mut TrainingPass::default());
    for frozen in 1..=layers {
        for recompute in [false, true] {
            let trainable = trainable(&golden, Precision::F32).with_frozen_layers(frozen);
            let trainable = if recompute { trainable.with_recomputation() } else { trainable };
            let (.., found) = gradients(&trainable, &case, &mut TrainingPass::default());
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

/// The gradients of short models are the slopes of a loss, which is computed in f64 by the reference: along a random
/// direction of each parameter, by central differences.
#[test]
fn gradients_of_short_models_are_slopes() {
    const STEP: f32 = 2e-4;
    for name in ["short-bert-head24", "short-roberta", "short-distilbert-relu", "short-electra", "short-albert-groups"]
    {
        let source = Source::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(name));
        let (config, task) = (source.config().unwrap(), Task::QuestionAnswering);
        let parameters = Parameters::load(&config, task, &Tensors::open(&source).unwrap(), 0).unwrap();
        let sequences: [&[u32]; 2] = [&[101, 7, 8, 102, 11, 12, 13, 14, 102], &[101, 9, 102, 3, 102]];
        let types: [&[u32]; 2] = [&[0, 0, 0, 0, 1, 1, 1, 1, 1], &[0, 0, 0, 1, 1]];
        let inputs = || {
            sequences.into_iter().zip(types).map(|(ids, types)| Sequence {
                ids,
                token_type_ids: Some(types),
                globals: &[0],
            })
        };
        let mut batch = Batch::new();
        inputs().for_each(|sequence| batch.push(sequence));
        let dlogits: Vec<f32> = (0..2 * batch.tokens()).map(|i| ((i * 37 % 19) as f32 - 9.0) / 10.0).collect();

        let mut model = TrainableModel::new(config.clone(), task, Precision::F32, parameters.clone()).unwrap();
        let mut found = Vec::new();
        for recompute in [false, true] {
            if recompute {
                model = model.with_recomputation();
            }
            let (mut pass, mut gradients) = (TrainingPass::default(), Parameters::zeros(&config, task));
            model.forward(&batch, Dropout::NONE, &mut pass);
            model.backward(&batch, &mut pass, &dlogits, &mut gradients);
            found.push(gradients);
        }
        assert!(found[0] == found[1], "{name}: another result where layers are computed again");

        let folder = tempfile::tempdir().unwrap();
        let loss = |parameters: &Parameters| -> f64 {
            write_safetensors(&folder.path().join("model.safetensors"), DType::F32, &parameters.tensors(), &[])
                .unwrap();
            let tensors = Tensors::open(&Source::Folder(folder.path().into())).unwrap();
            let reference = ReferenceModel::load(config.clone(), task, &tensors).unwrap();
            let logits = inputs().flat_map(|sequence| reference.trace(sequence).logits);
            logits.zip(&dlogits).map(|(logit, &d)| logit * f64::from(d)).sum()
        };
        for (number, parameter) in parameters.list().iter().enumerate() {
            let direction: Vec<f32> =
                (0..parameter.count()).map(|i| random::fraction(number as u64, &[i as u64]) as f32 - 0.5).collect();
            let moved = |step: f32| {
                let mut moved = parameters.clone();
                let values = &mut moved.values_mut()[parameter.range()];
                values.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
                loss(&moved)
            };
            let slope = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
            let own = &found[0].values()[parameter.range()];
            let along: f64 = own.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
            let size = squares(own, own).1.sqrt();
            // A step may cross the bend of ReLU.
            let bound = if name.ends_with("relu") { 2e-2 } else { 2e-3 };
            assert!(
                (along - slope).abs() < bound * (1.0 + size),
                "{name} {}: {along} for {slope}",
                parameter.stored_name
            );
        }
    }
}
