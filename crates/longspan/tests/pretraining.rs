//! Masked language modelling against torch: the loss, and the gradient of every parameter.
//!
//! The golden files and the script that made them are in `tests/golden/pretraining`; its opening comment explains them.

mod common;

use longspan::checkpoint::{Source, Tensors};
use longspan::model::{Batch, Dropout, Masked, Model, Parameters, Precision, Task, TrainableModel, TrainingPass};

use common::{Golden, check, narrow};

const FOLDERS: [&str; 2] = ["odd", "bert"];

fn open(name: &'static str) -> (Golden, Parameters) {
    let golden = Golden::open("pretraining", name);
    let tensors = Tensors::open(&Source::Folder(golden.folder.clone())).unwrap();
    let parameters = Parameters::load(&golden.config, Task::MaskedLm, &tensors, 1).unwrap();
    (golden, parameters)
}

fn trainable((golden, parameters): &(Golden, Parameters), precision: Precision) -> TrainableModel {
    TrainableModel::new(golden.config.clone(), Task::MaskedLm, precision, parameters.clone()).unwrap()
}

fn case(golden: &Golden, name: &str) -> (Batch, Masked) {
    let (mut masked, mut lengths) = (Masked::default(), vec![0]);
    let batch = golden.batch(name, |sequence| {
        let places = |field: &str| golden.places(&format!("{sequence}.{field}"));
        let from = lengths[lengths.len() - 1];
        masked.places.extend(places("masked").iter().map(|place| from + place));
        masked.targets.extend(places("targets").iter().map(|&id| id as u32));
        lengths.push(from + places("input_ids").len());
    });
    (batch, masked)
}

/// The mean loss of the masked tokens, and the gradients of all parameters.
fn gradients(
    trainable: &TrainableModel,
    (batch, masked): &(Batch, Masked),
    pass: &mut TrainingPass,
) -> (f32, Parameters) {
    let mut gradients = Parameters::zeros(trainable.config(), Task::MaskedLm);
    let losses = trainable.masked_lm(batch, masked, Dropout::NONE, pass, &mut gradients);
    let count = losses.len() as f32;
    gradients.values_mut().iter_mut().for_each(|d| *d /= count);
    (losses.iter().sum::<f32>() / count, gradients)
}

#[test]
fn the_loss_and_every_gradient_agree_with_torch() {
    let (mut count, mut worst) = (0, 0.0f32);
    for name in FOLDERS {
        let opened = open(name);
        let golden = &opened.0;
        for trainable in [trainable(&opened, Precision::F32), trainable(&opened, Precision::F32).with_recomputation()] {
            let mut pass = TrainingPass::default();
            for name in golden.cases() {
                let (loss, found) = gradients(&trainable, &case(golden, name), &mut pass);
                check(name, &[loss], &narrow(&golden.numbers[&format!("loss.{name}")]), 2e-5);
                let (more, off) = golden.check_gradients(name, &found, false);
                (count, worst) = (count + more, worst.max(off));
            }
        }
    }
    println!("{count} gradients, off by {worst:e} of the largest number of each at most");
    assert!(count > 250, "{count} gradients only");
}

#[test]
fn bf16_gradients_are_as_exact_as_those_of_torch() {
    for name in FOLDERS {
        let opened = open(name);
        let [exact, rounded] = [Precision::F32, Precision::Bf16].map(|precision| trainable(&opened, precision));
        let mut pass = TrainingPass::default();
        for name in opened.0.cases() {
            let case = case(&opened.0, name);
            let [exact, rounded] = [&exact, &rounded].map(|trainable| gradients(trainable, &case, &mut pass).1);
            let (count, worst) = opened.0.check_rounded(name, &exact, &rounded);
            println!("{count} gradients; the worst: {}", worst.1);
            assert!(count > 35, "{count} gradients only");
        }
    }
}

/// The losses of a model for inference equal those of a trainable model, and those computed from its logits.
#[test]
fn losses_follow_from_the_logits() {
    for name in FOLDERS {
        let (golden, parameters) = open(name);
        let model = Model::from_parameters(golden.config.clone(), Task::MaskedLm, Precision::F32, &parameters).unwrap();
        for name in golden.cases() {
            let (batch, masked) = case(&golden, name);
            let logits = model.logits(&batch).unwrap();
            let loss = |(&place, &target): (&usize, &u32)| {
                let row = &logits.values[place * logits.columns..][..logits.columns];
                let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
                (sum.ln() - f64::from(row[target as usize])) as f32
            };
            let expected: Vec<f32> = masked.places.iter().zip(&masked.targets).map(loss).collect();
            check(name, &model.masked_lm_losses(&batch, &masked).unwrap(), &expected, 1e-5);
            assert!(model.masked_lm_losses(&batch, &Masked::default()).unwrap().is_empty());
        }
    }
}

/// Gradients of many masked tokens, in several blocks and chunks, have the same bits on any number of threads.
#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let opened = open("odd");
    for precision in [Precision::F32, Precision::Bf16] {
        let trainable = trainable(&opened, precision);
        let (mut batch, ids) = (Batch::new(), |n: u64| {
            (0..70).map(|i| 2 + (longspan::random::number(n, &[i]) % 59) as u32).collect::<Vec<_>>()
        });
        for n in 0..14 {
            batch.push(longspan::model::Sequence { ids: &ids(n), token_type_ids: None, globals: &[] });
        }
        let places: Vec<usize> = (0..batch.tokens()).filter(|t| t % 7 != 0).collect();
        assert!(places.len() > 800);
        let case = (batch, Masked { targets: places.iter().map(|&t| (t % 61) as u32).collect(), places });
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| gradients(&trainable, &case, &mut TrainingPass::default()))
        };
        let (loss, all) = on(1);
        assert!(on(2) == (loss, all.clone()) && on(3) == (loss, all), "{precision}");
    }
}

#[test]
fn a_frozen_encoder_does_not_change_the_gradients_of_the_head() {
    let opened = open("bert");
    let case = case(&opened.0, "ragged");
    let (.., all) = gradients(&trainable(&opened, Precision::F32), &case, &mut TrainingPass::default());
    let frozen = trainable(&opened, Precision::F32).with_frozen_layers(opened.0.config.num_hidden_layers);
    let (.., found) = gradients(&frozen, &case, &mut TrainingPass::default());
    for parameter in all.list() {
        let name = &parameter.name;
        let expected = if name.starts_with("lm_head") { all.get(name).to_vec() } else { vec![0.0; parameter.count()] };
        assert!(found.get(name) == expected, "{name}");
    }
}
