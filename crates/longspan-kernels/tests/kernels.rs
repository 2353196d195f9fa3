//! Every kernel, on every instruction set of this machine, is compared with the plain f64 loops of `reference`.
//!
//! Sizes are 1, around those of a vector and a tile, odd, and those of models; every second case is not aligned. Bounds
//! are derived: the error of a chain of K multiply-adds in f32 is at most (K + 1)·2⁻²⁴·Σ|a·b|.

mod common;

use std::io::Write;
use std::ops::Range;

use longspan_kernels::{
    Arithmetic, Isa, Keys, Matrix, MatrixMut, Panels, Precision, Queries, Start, Tiles, Visibility, activate,
    add_layer_norm, attend, encode, layer_norm, product, reference,
};

use common::{ACTIVATIONS, Band, ULP, numbers, wide};

#[track_caller]
fn check(isa: Isa, case: &str, found: &[f32], expected: &[f64], bound: impl Fn(usize) -> f64) {
    assert_eq!(found.len(), expected.len(), "{isa} {case}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= bound(i), "{isa} {case} [{i}]: {found} for {expected}, bound {:e}", bound(i));
    }
}

#[test]
fn instruction_sets() {
    let names = |sets: Vec<Isa>| sets.iter().map(Isa::to_string).collect::<Vec<_>>().join(", ");
    // Written directly, because the test runner would capture `eprintln!`.
    let line = format!("instruction sets tested: {}; lacking: {}\n", names(Isa::available()), names(Isa::missing()));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Ok(required) = std::env::var("LONGSPAN_REQUIRE_ISA") {
        let available = names(Isa::available());
        assert!(
            available.split(", ").any(|isa| isa == required),
            "`{required}` is required, this machine has {available}"
        );
    }
}

const PRODUCTS: [(usize, usize, usize); 17] = [
    (1, 1, 1),
    (1, 2, 768),
    (2, 17, 3),
    (3, 31, 15),
    (5, 32, 16),
    (6, 33, 17),
    (7, 8, 64),
    (11, 9, 255),
    (12, 64, 256),
    (13, 65, 257),
    (25, 7, 513),
    (24, 16, 32),
    (47, 384, 384),
    (96, 96, 1536),
    (31, 33, 64),
    (32, 32, 384),
    (70, 40, 1100),
];

/// Every `Arithmetic` of this machine.
fn arithmetics() -> impl Iterator<Item = Arithmetic> {
    let precisions = [Precision::F32, Precision::Bf16, Precision::Int8];
    Isa::available().into_iter().flat_map(move |isa| precisions.map(|precision| Arithmetic { isa, precision }))
}

/// The numbers that a product multiplies after rounding to its format.
fn rounded(precision: Precision, x: &[f32]) -> Vec<f32> {
    match precision {
        Precision::Bf16 => x.iter().map(|&x| half::bf16::from_f32(x).to_f32()).collect(),
        _ => x.to_vec(),
    }
}

/// Integers that int8 represents exactly: each block extends from −128 to 127, or for weights from −127 to 127.
fn whole_numbers(rows: usize, k: usize, least: f32, seed: u64) -> Vec<f32> {
    let mut x: Vec<f32> = numbers(rows * k, seed).iter().map(|x| (x * 127.0).round()).collect();
    for row in x.chunks_exact_mut(k) {
        for block in row.chunks_mut(384).filter(|block| block.len() > 1) {
            (block[0], block[1]) = (least, 127.0);
        }
        if k == 1 {
            row[0] = 127.0;
        }
    }
    x
}

fn tiles(arithmetic: Arithmetic, x: &[f32], k: usize) -> Tiles {
    let mut tiles = Tiles::new(arithmetic);
    tiles.encode(Matrix::new(x, k));
    tiles
}

fn panels(arithmetic: Arithmetic, weight: &[f32], k: usize) -> Panels {
    let row = |j: usize, x: &mut [f32]| x.copy_from_slice(&weight[j * k..][..k]);
    Panels::from_columns(arithmetic, k, weight.len() / k, row)
}

#[test]
fn products() {
    for arithmetic in arithmetics() {
        let Arithmetic { isa, precision } = arithmetic;
        for (case, &(m, n, k)) in PRODUCTS.iter().enumerate() {
            let off = case % 2;
            let int8 = precision == Precision::Int8;
            let a = if int8 { whole_numbers(m, k, -128.0, 1) } else { rounded(precision, &numbers(m * k, 1)) };
            let weight = if int8 { whole_numbers(n, k, -127.0, 2) } else { rounded(precision, &numbers(n * k, 2)) };
            let bias = numbers(n, 3);
            let (tiles, panels) = (tiles(arithmetic, &a, k), panels(arithmetic, &weight, k));
            let mut out = vec![f32::NAN; m * n + off];
            product(tiles.all(), panels.all(), Start::Bias(&bias), &mut MatrixMut::new(&mut out[off..], n));

            let expected = reference::linear(&wide(&a), &wide(&weight), &wide(&bias));
            let absolute = |x: &[f32]| x.iter().map(|x| f64::from(x.abs())).collect::<Vec<_>>();
            let sizes = reference::linear(&absolute(&a), &absolute(&weight), &absolute(&bias));
            let bound = |i: usize| (k + 1) as f64 * ULP / 2.0 * sizes[i];
            check(isa, &format!("{precision} product {m}x{n}x{k}"), &out[off..], &expected, bound);
        }
    }
}

/// In int8, the error of each factor is at most half a step.
#[test]
fn int8_products_are_within_rounding() {
    let (m, n, k) = (19, 70, 900);
    let (a, weight) = (numbers(m * k, 1), numbers(n * k, 2));
    let expected = reference::linear(&wide(&a), &wide(&weight), &vec![0.0; n]);
    let mut first: Option<Vec<f32>> = None;
    for isa in Isa::available() {
        let arithmetic = Arithmetic { isa, precision: Precision::Int8 };
        let mut out = vec![f32::NAN; m * n];
        let (tiles, panels) = (tiles(arithmetic, &a, k), panels(arithmetic, &weight, k));
        product(tiles.all(), panels.all(), Start::Zero, &mut MatrixMut::new(&mut out, n));
        // Steps are 2/255 and 1/127, the other factor is about 0.58: six standard deviations of 900 independent errors.
        let deviation = (900.0f64 / 12.0).sqrt() * 0.58 * (2.0 / 255.0 + 1.0 / 127.0);
        check(isa, "int8", &out, &expected, |_| 6.0 * deviation);
        let first = first.get_or_insert_with(|| out.clone());
        let largest = out.iter().zip(first.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest < 1e-4, "{isa}: sums of integers differ by {largest}");
    }
}

/// The whole product has the same bits as parts of its rows and columns, computed in two steps over K.
#[test]
fn products_do_not_depend_on_their_division() {
    let (m, n, k) = (77, 150, 900);
    for arithmetic in arithmetics() {
        let (a, weight) = (numbers(m * k, 1), numbers(n * k, 2));
        let (a, b) = (tiles(arithmetic, &a, k), panels(arithmetic, &weight, k));
        let mut whole = vec![0.0; m * n];
        product(a.all(), b.all(), Start::Zero, &mut MatrixMut::new(&mut whole, n));

        let mut parts = vec![f32::NAN; m * n];
        for rows in [0..60, 60..m] {
            // 60 is no multiple of the 32 rows of a slab of AMX, so A is packed again for each part.
            let own: Vec<f32> = numbers(m * k, 1)[rows.start * k..rows.end * k].to_vec();
            let a = tiles(arithmetic, &own, k);
            for columns in [0..64, 64..n] {
                for part in [0..384, 384..k] {
                    let start = if part.start == 0 { Start::Zero } else { Start::Out };
                    let out = &mut parts[rows.start * n + columns.start..];
                    let mut out = MatrixMut::with_stride(out, n, columns.len(), rows.len());
                    let b = b.part(part.clone(), columns.clone());
                    product(a.part(0..rows.len(), part), b, start, &mut out);
                }
            }
        }
        assert_eq!(whole, parts, "{arithmetic:?}");
    }
}

#[test]
fn panels_from_rows_are_those_from_columns() {
    for arithmetic in arithmetics().filter(|arithmetic| arithmetic.precision != Precision::Int8) {
        let (m, n, k) = (5, 70, 45);
        let (a, weight) = (numbers(m * k, 1), numbers(n * k, 2));
        let a = tiles(arithmetic, &a, k);
        let from_rows = Panels::from_rows(arithmetic, k, n, |i, row| {
            row.iter_mut().enumerate().for_each(|(j, x)| *x = weight[j * k + i]);
        });
        let [mut one, mut other] = [vec![0.0; m * n], vec![0.0; m * n]];
        product(a.all(), panels(arithmetic, &weight, k).all(), Start::Zero, &mut MatrixMut::new(&mut one, n));
        product(a.all(), from_rows.all(), Start::Zero, &mut MatrixMut::new(&mut other, n));
        assert_eq!(one, other, "{arithmetic:?}");
    }
}

#[test]
fn layer_norms() {
    for isa in Isa::available() {
        for (case, c) in [1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 100, 384, 513, 768].into_iter().enumerate() {
            let off = case % 2;
            let t = 3;
            let x: Vec<f32> = numbers(t * c + off, 5)[off..].iter().map(|x| x * 4.0 + 1.0).collect();
            let (residual, weight, bias) = (numbers(t * c, 6), numbers(c, 7), numbers(c, 8));

            let mut found = x.clone();
            layer_norm(isa, &mut found, &weight, &bias, 1e-5);
            let mut expected = wide(&x);
            reference::layer_norm(&mut expected, &wide(&weight), &wide(&bias), 1e-5);
            // The variance of up to three numbers can be as small as eps, and the error grows with 1/√variance.
            let bound = |_| if c < 4 { 1e-3 } else { 20.0 * ULP };
            check(isa, &format!("layer norm {c}"), &found, &expected, bound);

            let mut found = x.clone();
            add_layer_norm(isa, &mut found, &residual, &weight, &bias, 1e-5);
            let mut expected: Vec<f64> = x.iter().zip(&residual).map(|(a, b)| f64::from(a + b)).collect();
            reference::layer_norm(&mut expected, &wide(&weight), &wide(&bias), 1e-5);
            check(isa, &format!("add, layer norm {c}"), &found, &expected, bound);
        }
    }
}

#[test]
fn nan_propagates() {
    for arithmetic in arithmetics() {
        let Arithmetic { isa, precision } = arithmetic;
        let mut row = numbers(40, 9);
        row[20] = f32::NAN;
        for activation in ACTIVATIONS {
            let mut activations = row.clone();
            activate(isa, activation, &mut activations);
            assert!(activations[20].is_nan(), "{isa} {activation:?}");
        }

        // A NaN anywhere in B makes the product NaN; an infinity makes it NaN or infinite.
        for (place, what) in [(0, f32::NAN), (5, f32::NAN), (39, f32::NAN), (20, f32::INFINITY)] {
            let mut weight = [0.5; 40];
            weight[place] = what;
            let mut out = [0.0];
            let (a, b) = (tiles(arithmetic, &[1.0; 40], 40), panels(arithmetic, &weight, 40));
            product(a.all(), b.all(), Start::Zero, &mut MatrixMut::new(&mut out, 1));
            assert!(!out[0].is_finite(), "{isa} {precision}: {what} in a weight gives {}", out[0]);
        }
        let ones = panels(arithmetic, &[1.0; 40], 40);
        let mut out = [0.0];
        product(tiles(arithmetic, &row, 40).all(), ones.all(), Start::Zero, &mut MatrixMut::new(&mut out, 1));
        assert!(out[0].is_nan(), "{isa} {precision}: {}", out[0]);
        if precision != Precision::Int8 {
            let mut seen = Attention::new(arithmetic, &row, &numbers(40, 3), &numbers(40, 4), 1);
            let out = seen.attend(0..40, Visibility::All);
            assert!(out[20 * seen.d].is_nan(), "{isa} {precision}: NaN in a query");
            let mut seen = Attention::new(arithmetic, &numbers(40, 3), &row, &numbers(40, 4), 1);
            assert!(
                seen.attend(0..40, Visibility::All).iter().step_by(seen.d).all(|x| x.is_nan()),
                "{isa} {precision}: NaN in a key"
            );
        }
    }
}

/// Numbers that are too small for a scale become 0, not something else.
#[test]
fn tiny_numbers_are_zero_in_int8() {
    for isa in Isa::available() {
        let arithmetic = Arithmetic { isa, precision: Precision::Int8 };
        for (x, weight) in [(1e-43, 1.0), (1e-38, 1.0), (1.0, 1e-44), (0.0, 1.0), (1.0, 0.0)] {
            let (mut a, mut b) = ([0.0; 70], [0.0; 70]);
            (a[3], b[3]) = (x, weight);
            let mut out = [f32::NAN];
            let (a, b) = (tiles(arithmetic, &a, 70), panels(arithmetic, &b, 70));
            product(a.all(), b.all(), Start::Zero, &mut MatrixMut::new(&mut out, 1));
            assert!(out[0].abs() <= 1e-30, "{isa}: {x} times {weight} gives {}", out[0]);
        }
    }
}

#[test]
fn activations_and_exp_are_exact_over_their_ranges() {
    for isa in Isa::available() {
        let x: Vec<f32> = (-12_000..=12_001).map(|i| i as f32 / 1000.0).chain([-1e30, -300.0, 300.0, 1e30]).collect();
        for activation in ACTIVATIONS {
            let mut found = x.clone();
            activate(isa, activation, &mut found);
            let expected: Vec<f64> = x.iter().map(|&x| reference::activate(activation, x.into())).collect();
            let bound = |i: usize| 5e-7 * f64::from(x[i].abs()).max(1.0);
            check(isa, &format!("{activation:?}"), &found, &expected, bound);
        }

        // The weights of keys 0 and x under the query 1 are 1 / (1 + e^x) and e^x / (1 + e^x); the value of x is 1.
        let arithmetic = Arithmetic { isa, precision: Precision::F32 };
        for x in (0..=1000).map(|i| -(i as f32) / 10.0) {
            let out = Attention::new(arithmetic, &[1.0, 1.0], &[0.0, x], &[0.0, 1.0], 1).attend(0..1, Visibility::All);
            let exact = f64::from(x).exp();
            // The exponent x is exact to half an ULP of its size.
            let bound = if x > -87.6 { (4.0 + f64::from(x.abs())) * ULP * exact } else { 1e-37 };
            check(isa, &format!("exp {x}"), &out, &[exact / (1.0 + exact)], |_| bound);
        }
    }
}

/// One head of one sequence.
struct Attention {
    arithmetic: Arithmetic,
    d: usize,
    groups: usize,     // of a row
    queries: Vec<i32>, // (T, groups)
    keys: Keys,
}

impl Attention {
    /// Queries, keys and values are (T, D).
    fn new(arithmetic: Arithmetic, queries: &[f32], keys: &[f32], values: &[f32], d: usize) -> Self {
        // A group holds two bf16, so a head of one number is padded with a zero.
        let group = if arithmetic.precision == Precision::Bf16 { 2 } else { 1 };
        let columns = d.next_multiple_of(group);
        let encoded = |x: &[f32]| {
            let x: Vec<f32> = x
                .chunks_exact(d)
                .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, columns - d)))
                .collect();
            let groups = columns / group;
            let mut out = vec![0; x.len() / columns * groups];
            encode(arithmetic, Matrix::new(&x, columns), &mut MatrixMut::new(&mut out, groups));
            (out, groups)
        };
        let (keys, groups) = encoded(keys);
        let mut packed = Keys::new(arithmetic);
        packed.set(Matrix::new(&keys, groups), Matrix::new(&encoded(values).0, groups));
        Self { arithmetic, d: columns, groups, queries: encoded(queries).0, keys: packed }
    }

    /// The attention of the queries of these tokens: (rows, D).
    fn attend(&mut self, rows: Range<usize>, visibility: Visibility<'_>) -> Vec<f32> {
        let groups = self.groups;
        let mut block = Queries::new(self.arithmetic, self.d);
        let all = Matrix::new(&self.queries, groups);
        let mut out = vec![f32::NAN; rows.len() * self.d];
        let step = block.count_max();
        for first in rows.clone().step_by(step) {
            let own = first..rows.end.min(first + step);
            block.set(all.rows_in(own.clone()));
            let visibility = match visibility {
                Visibility::Window { key, one_sided_window, masked, .. } => {
                    Visibility::Window { query: first, key, one_sided_window, masked }
                }
                all => all,
            };
            attend(&mut block, &self.keys, visibility);
            block.write(&mut MatrixMut::new(
                &mut out[(own.start - rows.start) * self.d..(own.end - rows.start) * self.d],
                self.d,
            ));
        }
        out
    }
}

const BANDS: [Band; 9] = [
    (1, 32, 4, &[], 0..1),
    (5, 2, 1, &[0], 1..5),
    (40, 32, 4, &[], 0..40),
    (40, 32, 4, &[1, 2, 20], 0..40),
    (97, 64, 16, &[3, 50], 33..64),
    (97, 24, 128, &[7], 90..97),
    (300, 64, 32, &[0, 1, 2, 3, 4, 5, 299], 131..195),
    (64, 32, 8, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], 20..64),
    (700, 64, 256, &[0, 1, 2, 400], 0..700),
];

#[test]
fn attention() {
    for arithmetic in arithmetics().filter(|arithmetic| arithmetic.precision != Precision::Int8) {
        let Arithmetic { isa, precision } = arithmetic;
        for (t, d, w, masked, rows) in BANDS {
            let case = format!("{precision} {t} tokens, head {d}, window {w}, queries {rows:?}");
            let [q, k, v] = [1, 2, 3].map(|seed| rounded(precision, &numbers(t * d, seed)));
            let mut seen = Attention::new(arithmetic, &q, &k, &v, d);
            let expected = |sees: &dyn Fn(usize, usize) -> bool| -> Vec<f64> {
                let (q, k, v) = (wide(&q), wide(&k), wide(&v));
                rows.clone()
                    .flat_map(|i| {
                        let p = reference::attention_row(&q[i * d..][..d], &k, |j| sees(i, j));
                        reference::weighted_sum(&p, &v)
                    })
                    .collect()
            };
            // The error of scores of size √d is at most d·2⁻²³, which the exponential turns into a relative error of p.
            // In bf16, p itself is rounded to 8 bits.
            let of_weights = if precision == Precision::Bf16 { 1.0 / 256.0 } else { 0.0 };
            let bound = |_| (2 * d + t) as f64 * ULP + of_weights;

            let window = Visibility::Window { query: 0, key: 0, one_sided_window: w, masked };
            let sees = |i: usize, j: usize| i.abs_diff(j) <= w && !masked.contains(&j);
            // A masked query may see no key, so its result does not matter.
            let found = seen.attend(rows.clone(), window);
            let (mut seen_found, mut seen_expected) = (Vec::new(), Vec::new());
            for (i, (row, expected)) in found.chunks(d).zip(expected(&sees).chunks(d)).enumerate() {
                if !masked.contains(&(rows.start + i)) {
                    seen_found.extend(row);
                    seen_expected.extend(expected);
                }
            }
            check(isa, &format!("band, {case}"), &seen_found, &seen_expected, bound);

            // A query alone gives the same bits as in the block.
            for i in rows.clone().filter(|i| !masked.contains(i)) {
                let one = seen.attend(i..i + 1, window);
                assert_eq!(one, found[(i - rows.start) * d..][..d], "{isa} {case}, query {i} alone");
            }
            let found = seen.attend(rows.clone(), Visibility::All);
            check(isa, &format!("full, {case}"), &found, &expected(&|_, _| true), bound);
        }
    }
}

/// Two parts of the keys, the first a multiple of the chunk, give the same bits as all keys together.
#[test]
fn attention_continues_with_further_keys() {
    for arithmetic in arithmetics().filter(|arithmetic| arithmetic.precision != Precision::Int8) {
        let (t, d) = (300, 32);
        let [q, k, v] = [1, 2, 3].map(|seed| numbers(t * d, seed));
        let mut whole = Attention::new(arithmetic, &q, &k, &v, d);
        let mut block = Queries::new(arithmetic, d);
        block.set(Matrix::new(&whole.queries, whole.groups).rows_in(0..3));
        for part in [0..192, 192..t] {
            let own = part.start * d..part.end * d;
            attend(&mut block, &Attention::new(arithmetic, &q, &k[own.clone()], &v[own], d).keys, Visibility::All);
        }
        let mut found = vec![f32::NAN; 3 * d];
        block.write(&mut MatrixMut::new(&mut found, d));
        assert_eq!(found, whole.attend(0..3, Visibility::All), "{arithmetic:?}");
    }
}
