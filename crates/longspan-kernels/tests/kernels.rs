//! Every kernel on every instruction set of this machine, against the plain f64 loops of `reference`.
//!
//! Sizes are 1, around a vector and a tile, odd, and real ones; every second case starts off alignment. Bounds are
//! derived: a chain of K multiply-adds in f32 errs by at most (K + 1)·2⁻²⁴·Σ|a·b|.

use std::io::Write;

use longspan_kernels::{
    BandAttention, Isa, Matrix, MatrixMut, Panels, Scratch, Start, add_layer_norm, band_attention, full_attention,
    gelu, layer_norm, product, reference, softmax,
};

const ULP: f64 = 1.0 / (1 << 23) as f64;

/// Numbers between -1 and 1, the same for the same seed (xorshift).
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

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
    // Written past the test runner, which would keep it to itself.
    let line = format!("instruction sets tested: {}; lacking: {}\n", names(Isa::available()), names(Isa::missing()));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Ok(required) = std::env::var("LONGSPAN_REQUIRE_ISA") {
        let available = names(Isa::available());
        assert!(available.split(", ").any(|isa| isa == required), "`{required}` is required, there is {available}");
    }
}

const PRODUCTS: [(usize, usize, usize); 14] = [
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
];

#[test]
fn products() {
    for isa in Isa::available() {
        for (case, &(m, n, k)) in PRODUCTS.iter().enumerate() {
            let off = case % 2;
            let a = numbers(m * k + off, 1);
            let weight = numbers(n * k + off, 2);
            let bias = numbers(n, 3);
            let (a, weight) = (&a[off..], &weight[off..]);
            let panels = Panels::from_columns(isa, Matrix::new(weight, k));
            let mut out = vec![f32::NAN; m * n + off];
            let mut scratch = Scratch::default();
            let a_rows = Matrix::new(a, k);
            let mut c = MatrixMut::new(&mut out[off..], n);
            product(isa, a_rows, panels.all(), Start::Bias(&bias), &mut c, &mut scratch);

            let expected = reference::linear(&wide(a), &wide(weight), &wide(&bias));
            let absolute = |x: &[f32]| x.iter().map(|x| f64::from(x.abs())).collect::<Vec<_>>();
            let sizes = reference::linear(&absolute(a), &absolute(weight), &absolute(&bias));
            let bound = |i: usize| (k + 1) as f64 * ULP / 2.0 * sizes[i];
            check(isa, &format!("product {m}x{n}x{k}"), &out[off..], &expected, bound);
        }
    }
}

/// The same bits from the whole, from parts of the rows and columns, in two steps over K, and from rows as from columns.
#[test]
fn products_do_not_depend_on_how_they_are_cut() {
    let (m, n, k) = (29, 150, 700);
    for isa in Isa::available() {
        let (a, weight) = (numbers(m * k, 1), numbers(n * k, 2));
        let transposed: Vec<f32> = (0..k * n).map(|i| weight[i % n * k + i / n]).collect();
        let a = Matrix::new(&a, k);
        let panels = Panels::from_columns(isa, Matrix::new(&weight, k));
        let from_rows = Panels::from_rows(isa, Matrix::new(&transposed, n));
        let mut scratch = Scratch::default();
        let mut whole = vec![0.0; m * n];
        product(isa, a, panels.all(), Start::Zero, &mut MatrixMut::new(&mut whole, n), &mut scratch);

        let mut parts = vec![f32::NAN; m * n];
        for rows in [0..10, 10..11, 11..m] {
            for columns in [0..64, 64..n] {
                for part in [0..100, 100..k] {
                    let a = a.rows_in(rows.clone()).columns_in(part.clone());
                    let start = if part.start == 0 { Start::Zero } else { Start::Out };
                    let out = &mut parts[rows.start * n + columns.start..];
                    let mut out = MatrixMut::with_stride(out, n, columns.len(), rows.len());
                    product(isa, a, from_rows.part(part, columns.clone()), start, &mut out, &mut scratch);
                }
            }
        }
        assert_eq!(whole, parts, "{isa}");
    }
}

#[test]
fn rows() {
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
            // With one or two numbers the variance can be as small as eps: the error grows with 1/√variance.
            let bound = |_| if c < 4 { 1e-3 } else { 20.0 * ULP };
            check(isa, &format!("layer norm {c}"), &found, &expected, bound);

            let mut found = x.clone();
            add_layer_norm(isa, &mut found, &residual, &weight, &bias, 1e-5);
            let mut expected: Vec<f64> = x.iter().zip(&residual).map(|(a, b)| f64::from(a + b)).collect();
            reference::layer_norm(&mut expected, &wide(&weight), &wide(&bias), 1e-5);
            check(isa, &format!("add, layer norm {c}"), &found, &expected, bound);

            let mut found: Vec<f32> = x[..c].iter().map(|x| x * 10.0).collect();
            found[c / 2] = f32::NEG_INFINITY;
            found[0] = 3.0;
            let mut expected = wide(&found);
            softmax(isa, &mut found);
            reference::softmax(&mut expected);
            // x - max is rounded before the exponential: an error relative to p of |x - max| ULP, here up to 100.
            let bound = |i: usize| (c as f64 + 108.0) * ULP * expected[i] + 1e-37;
            check(isa, &format!("softmax {c}"), &found, &expected, bound);
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for isa in Isa::available() {
        for c in [3, 16, 40] {
            let mut row = numbers(c, 9);
            row[c / 2] = f32::NAN;
            let mut activations = row.clone();
            softmax(isa, &mut row);
            assert!(row.iter().all(|x| x.is_nan()), "{isa} softmax of {c}: {row:?}");
            gelu(isa, &mut activations);
            assert!(activations[c / 2].is_nan(), "{isa} gelu of {c}");
        }
    }
}

#[test]
fn gelu_and_exp_over_their_ranges() {
    for isa in Isa::available() {
        let x: Vec<f32> = (-12_000..=12_001).map(|i| i as f32 / 1000.0).collect();
        let mut found = x.clone();
        gelu(isa, &mut found);
        let expected: Vec<f64> = x.iter().map(|&x| reference::gelu(x.into())).collect();
        check(isa, "gelu", &found, &expected, |i| 5e-7 * f64::from(x[i].abs()).max(1.0));

        // A softmax of one 0 and one x is e^x / (1 + e^x).
        for x in (0..=1000).map(|i| -f64::from(i) / 10.0) {
            let mut row = [0.0, x as f32];
            softmax(isa, &mut row);
            let exact = f64::from(x as f32).exp();
            let bound = |i: usize| if i == 0 || x > -86.9 { 6.0 * ULP * [1.0, exact][i] } else { 1e-37 };
            check(isa, &format!("exp {x}"), &row, &[1.0 / (1.0 + exact), exact / (1.0 + exact)], bound);
        }
    }
}

/// (tokens, head size, one-sided window, global tokens, first query, queries)
type Band = (usize, usize, usize, &'static [usize], usize, usize);

const BANDS: [Band; 9] = [
    (1, 32, 4, &[], 0, 1),
    (5, 1, 1, &[0], 0, 5),
    (40, 32, 4, &[], 0, 40),
    (40, 32, 4, &[0, 1, 2, 20, 39], 0, 40),
    (97, 64, 16, &[0, 3, 50], 33, 31),
    (97, 24, 128, &[7], 90, 7),
    (300, 64, 32, &[0, 1, 2, 3, 4, 5, 299], 131, 64),
    (64, 32, 8, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], 16, 48),
    (700, 64, 256, &[0, 1, 2], 640, 60),
];

#[test]
fn attention() {
    for isa in Isa::available() {
        for (t, d, w, globals, first, m) in BANDS {
            let case = format!("band {t} tokens, head {d}, window {w}, {} globals, {m} from {first}", globals.len());
            let (q, k, v) = (numbers(t * d, 1), numbers(t * d, 2), numbers(t * d, 3));
            let pick = |x: &[f32]| globals.iter().flat_map(|&j| x[j * d..][..d].to_vec()).collect::<Vec<_>>();
            let keys = Panels::from_columns(isa, Matrix::new(&k, d));
            let values = Panels::from_rows(isa, Matrix::new(&v, d));
            let (gk, gv) = (pick(&k), pick(&v));
            let seen = BandAttention {
                keys: &keys,
                values: &values,
                global_keys: &Panels::from_columns(isa, Matrix::new(&gk, d)),
                global_values: &Panels::from_rows(isa, Matrix::new(&gv, d)),
                globals,
                one_sided_window: w,
            };
            let mut scratch = Scratch::default();
            let queries = Matrix::new(&q, d).rows_in(first..first + m);
            let mut found = vec![f32::NAN; m * d];
            band_attention(isa, seen, queries, first, &mut MatrixMut::new(&mut found, d), &mut scratch);
            let expected = |sees: &dyn Fn(usize, usize) -> bool| -> Vec<f64> {
                let (q, k, v) = (wide(&q), wide(&k), wide(&v));
                let rows = first..first + m;
                rows.flat_map(|i| {
                    let p = reference::attention_row(&q[i * d..][..d], &k, |j| sees(i, j));
                    reference::weighted_sum(&p, &v)
                })
                .collect()
            };
            // Scores of size √d err by d·2⁻²³ at most, which the exponential turns into a relative error of p.
            let bound = |_| (2 * d + t) as f64 * ULP;
            check(isa, &case, &found, &expected(&|i, j| reference::sees(i, j, globals, w)), bound);

            // One query at a time gives the same bits as the block.
            for i in 0..m {
                let mut one = vec![f32::NAN; d];
                let query = queries.rows_in(i..i + 1);
                band_attention(isa, seen, query, first + i, &mut MatrixMut::new(&mut one, d), &mut scratch);
                assert_eq!(one, found[i * d..][..d], "{isa} {case}, query {i} alone");
            }

            full_attention(isa, &keys, &values, queries, &mut MatrixMut::new(&mut found, d), &mut scratch);
            check(isa, &format!("full, {case}"), &found, &expected(&|_, _| true), bound);
        }
    }
}
