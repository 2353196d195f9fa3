//! Shared by the tests of training and pretraining: golden files, and comparisons with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use longspan::checkpoint::Source;
use longspan::config::Config;
use longspan::model::{Batch, Parameters, Sequence};
use safetensors::SafeTensors;

/// A gradient may differ by this plus `SHARE` of the largest gradient of its parameter. The first term matters where the
/// true gradient is zero, as for the biases of keys.
pub const ABSOLUTE: f32 = 1e-5;
const SHARE: f32 = 1e-4;

/// The most that our error in bf16 may be, as a multiple of torch's error in bf16 autocast: of the whole gradient, and of
/// each matrix.
const BF16_ERRORS: f64 = 2.0;

/// The same for each bias and norm. They have so few numbers that both errors vary by chance.
const BF16_ERRORS_OF_VECTORS: f64 = 2.5;

/// The results of torch for one checkpoint.
pub struct Golden {
    pub name: &'static str,
    pub folder: PathBuf,
    pub config: Config,
    pub numbers: BTreeMap<String, Vec<f64>>,
}

pub fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

impl Golden {
    /// - `of`: the folder of folders in `tests/golden`
    pub fn open(of: &str, name: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(of).join(name);
        let bytes = std::fs::read(folder.join("golden.safetensors")).unwrap();
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
        let config = Source::Folder(folder.clone()).config().unwrap();
        Self { name, folder, config, numbers }
    }

    pub fn cases(&self) -> Vec<&str> {
        self.numbers.keys().filter_map(|key| key.strip_prefix("loss.")).collect()
    }

    pub fn has_gradients(&self, case: &str) -> bool {
        self.numbers.contains_key(&format!("bf16_error.{case}"))
    }

    /// The sequences of a case; `of_each` receives the name of each.
    pub fn batch(&self, case: &str, mut of_each: impl FnMut(&str)) -> Batch {
        let mut batch = Batch::new();
        for n in 0.. {
            let name = format!("{case}.{n}");
            let ids =
                |field: &str| self.places(&format!("{name}.{field}")).iter().map(|&x| x as u32).collect::<Vec<_>>();
            let (ids, types, globals) =
                (ids("input_ids"), ids("token_type_ids"), self.places(&format!("{name}.global")));
            if ids.is_empty() {
                break;
            }
            batch.push(Sequence {
                ids: &ids,
                token_type_ids: (!types.is_empty()).then_some(&types[..]),
                globals: &globals,
            });
            of_each(&name);
        }
        batch
    }

    /// The whole numbers of a tensor; empty if there is no such tensor.
    pub fn places(&self, name: &str) -> Vec<usize> {
        self.numbers.get(name).map_or(Vec::new(), |x| x.iter().map(|&x| x as usize).collect())
    }

    /// Checks all gradients of a case. Returns their number, and the largest difference as a share of the largest number of
    /// its parameter.
    ///
    /// - `may_lack`: whether the file may have only some of them; if not, those that it lacks must be zero
    pub fn check_gradients(&self, case: &str, gradients: &Parameters, may_lack: bool) -> (usize, f32) {
        let (mut count, mut worst) = (0, 0.0f32);
        for parameter in gradients.list().iter().filter(|_| self.has_gradients(case)) {
            let found = gradients.get(&parameter.name);
            let what = format!("{} {case} {}", self.name, parameter.name);
            match self.numbers.get(&format!("grad.{case}.{}", parameter.name)) {
                Some(expected) => {
                    let expected = narrow(expected);
                    let largest = expected.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                    let off = check(&what, found, &expected, ABSOLUTE + SHARE * largest);
                    worst = if largest > ABSOLUTE { worst.max(off / largest) } else { worst };
                    count += 1;
                }
                None if may_lack => {}
                // The parameter has no effect on the loss.
                None => assert!(found.iter().all(|&d| d == 0.0), "{what}: expected no gradient"),
            }
        }
        (count, worst)
    }

    /// Checks that the errors of rounding are at most the allowed multiple of torch's. Returns the number of gradients of
    /// the case, and the worst of them.
    pub fn check_rounded(&self, case: &str, exact: &Parameters, rounded: &Parameters) -> (usize, (f64, String)) {
        let (mut count, mut worst) = (0, (0.0, String::new()));
        let (mut all_off, mut all) = (0.0, 0.0);
        for parameter in exact.list() {
            let (off, square) = squares(rounded.get(&parameter.name), exact.get(&parameter.name));
            (all_off, all) = (all_off + off, all + square);
            let key = format!("bf16_error.{case}.{}", parameter.name);
            let Some(torch) = self.numbers.get(&key) else { continue };
            let (error, torch) = ((off / square).sqrt(), torch[0]);
            let what = format!("{} {key}: {error:.4}, torch has {torch:.4}", self.name);
            let allowed = if parameter.shape.len() > 1 { BF16_ERRORS } else { BF16_ERRORS_OF_VECTORS };
            assert!(error <= allowed * torch, "{what}");
            worst = if error / torch > worst.0 { (error / torch, what) } else { worst };
            count += 1;
        }
        let (error, torch) = ((all_off / all).sqrt(), self.numbers[&format!("bf16_error.{case}")][0]);
        println!("{} {case}: the gradient as a whole is off by {error:.4}, torch by {torch:.4}", self.name);
        assert!(error <= BF16_ERRORS * torch, "{} {case}: {error}, torch has {torch}", self.name);
        (count, worst)
    }
}

/// The largest difference, which must not exceed `allowed`.
#[track_caller]
pub fn check(what: &str, found: &[f32], expected: &[f32], allowed: f32) -> f32 {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut largest = 0.0f32;
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let difference = (a - b).abs();
        assert!(difference <= allowed, "{what} [{i}]: {a} for {b}, difference {difference:e}, allowed {allowed:e}");
        largest = largest.max(difference);
    }
    largest
}

/// |a − b|², |b|²
pub fn squares(a: &[f32], b: &[f32]) -> (f64, f64) {
    let square = |x: f64| x * x;
    let off = a.iter().zip(b).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    (off, b.iter().map(|b| square((*b).into())).sum())
}
