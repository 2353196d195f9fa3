//! The backward pass of every kernel: the plain f64 loops of `reference` are compared with central differences, and the
//! kernels, on every instruction set of this machine, with those loops.

mod common;

use std::ops::Range;

use longspan_kernels::{
    Arithmetic, BackwardInputs, BackwardKeys, BackwardQueries, Isa, KEY_CHUNK, Keys, Matrix, MatrixMut, NormGradients,
    Panels, Precision, QUERY_BLOCK, Queries, Start, Tiles, Visibility, activate_backward, add_rows, attend,
    attend_backward, cross_entropy, decode, drop_row, encode, layer_norm_backward, product, reference,
};

use longspan_kernels::reference::{AttentionRows, LayerNormGradients};

use common::{ACTIVATIONS, Band, ULP, numbers, wide};

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[track_caller]
fn check(case: &str, found: &[f32], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= bound, "{case} [{i}]: {found} for {expected}, bound {bound:e}");
    }
}

/// Compares every number of the gradient of `f` at `x` with a central difference.
#[track_caller]
fn check_differences(case: &str, x: &[f64], gradient: &[f64], f: impl Fn(&[f64]) -> f64) {
    const STEP: f64 = 1e-5;
    assert_eq!(x.len(), gradient.len(), "{case}");
    for i in 0..x.len() {
        let at = |step: f64| {
            let mut x = x.to_vec();
            x[i] += step;
            f(&x)
        };
        let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        assert!((slope - gradient[i]).abs() <= 1e-7, "{case} [{i}]: {} for a slope of {slope}", gradient[i]);
    }
}

#[test]
fn reference_gradients_match_central_differences() {
    let (t, c, eps) = (3, 7, 1e-5);
    let [x, dout] = [1, 2].map(|seed| wide(&numbers(t * c, seed)));
    let [weight, bias] = [3, 4].map(|seed| wide(&numbers(c, seed)));
    let LayerNormGradients { dx, dweight, dbias } = reference::layer_norm_backward(&x, &weight, eps, &dout);
    let loss = |x: &[f64], weight: &[f64], bias: &[f64]| {
        let mut out = x.to_vec();
        reference::layer_norm(&mut out, weight, bias, eps);
        dot(&out, &dout)
    };
    check_differences("layer norm, x", &x, &dx, |x| loss(x, &weight, &bias));
    check_differences("layer norm, weight", &weight, &dweight, |weight| loss(&x, weight, &bias));
    check_differences("layer norm, bias", &bias, &dbias, |bias| loss(&x, &weight, bias));

    let x: Vec<f64> = (-80..80).map(|i| (f64::from(i) + 0.5) / 13.0).collect();
    for activation in ACTIVATIONS {
        let slopes: Vec<f64> = x.iter().map(|&x| reference::activate_backward(activation, x)).collect();
        let sum = |x: &[f64]| x.iter().map(|&x| reference::activate(activation, x)).sum();
        check_differences(&format!("{activation:?}"), &x, &slopes, sum);
    }

    let x = wide(&numbers(9, 5));
    let (_, dx) = reference::cross_entropy(&x, 4);
    check_differences("cross-entropy", &x, &dx, |x| reference::cross_entropy(x, 4).0);

    let (t, d) = (6, 3);
    let [q, k, v, dout] = [5, 6, 7, 8].map(|seed| wide(&numbers(t * d, seed)));
    let sees = |i: usize, j: usize| reference::sees(i, j, &[4], 1);
    let loss = |q: &[f64], k: &[f64], v: &[f64]| {
        let row = |i: usize| reference::weighted_sum(&reference::attention_row(&q[i * d..][..d], k, |j| sees(i, j)), v);
        (0..t).map(|i| dot(&row(i), &dout[i * d..][..d])).sum::<f64>()
    };
    let rows = AttentionRows { queries: q.clone(), keys: k.clone(), values: v.clone() };
    let found = reference::attention_backward(&rows, d, sees, &dout);
    check_differences("attention, queries", &q, &found.queries, |q| loss(q, &k, &v));
    check_differences("attention, keys", &k, &found.keys, |k| loss(&q, k, &v));
    check_differences("attention, values", &v, &found.values, |v| loss(&q, &k, v));
}

#[test]
fn row_kernels_backward() {
    for isa in Isa::available() {
        for (case, c) in [1, 3, 4, 7, 8, 15, 16, 17, 33, 384, 769].into_iter().enumerate() {
            let (t, off, eps) = (3, case % 2, 1e-5);
            let [x, dout] = [1, 2].map(|seed| numbers(t * c + off, seed));
            let weight = numbers(c, 3);
            let mut dx = dout.clone();
            let [mut dweight, mut dbias] = [4, 5].map(|seed| numbers(c, seed));
            let before = [wide(&dweight), wide(&dbias)];
            let gradients = NormGradients { dweight: &mut dweight, dbias: &mut dbias };
            layer_norm_backward(isa, &x[off..], &weight, eps, &mut dx[off..], gradients);
            let wide_in = [&x[off..], &weight, &dout[off..]].map(wide);
            let expected = reference::layer_norm_backward(&wide_in[0], &wide_in[1], eps.into(), &wide_in[2]);
            let added = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x + y).collect::<Vec<_>>();
            // The variance of two or three numbers may be small, and errors grow with 1 / deviation.
            let bound = if c < 4 { 1e-2 } else { 64.0 * ULP };
            let name = format!("{isa} layer norm of {c}");
            check(&name, &dx[off..], &expected.dx, bound);
            check(&format!("{name}, weight"), &dweight, &added(&before[0], &expected.dweight), bound);
            check(&format!("{name}, bias"), &dbias, &added(&before[1], &expected.dbias), bound);

            for activation in ACTIVATIONS {
                let mut y: Vec<f32> = x[off..].iter().map(|x| x * 8.0).collect();
                let inputs = wide(&y);
                let mut dx = dout[off..].to_vec();
                activate_backward(isa, activation, &mut y, &mut dx);
                let expected: Vec<f64> = inputs.iter().map(|&x| reference::activate(activation, x)).collect();
                check(&format!("{isa} {activation:?} of {c}"), &y, &expected, 4e-6);
                let slopes = inputs.iter().zip(&dout[off..]);
                let slope = |x| reference::activate_backward(activation, x);
                let expected: Vec<f64> = slopes.map(|(&x, &d)| f64::from(d) * slope(x)).collect();
                check(&format!("{isa} {activation:?} backward of {c}"), &dx, &expected, 2e-6);
            }
        }
    }
}

#[test]
fn cross_entropies_and_their_gradients() {
    for isa in Isa::available() {
        for (case, n) in [1, 2, 7, 15, 16, 17, 33, 50_265].into_iter().enumerate() {
            let (off, target) = (case % 2, case * 31 % n);
            // Some rows are far from zero; others have such a spread that most exponentials vanish.
            let (centre, spread) = [(0.0, 4.0), (1e3, 4.0), (-50.0, 400.0)][case % 3];
            let mut x: Vec<f32> = numbers(n + off, 6).iter().map(|x| centre + spread * x).collect();
            let (expected, gradient) = reference::cross_entropy(&wide(&x[off..]), target);
            let loss = cross_entropy(isa, &mut x[off..], target);
            let name = format!("{isa} cross-entropy of {n}");
            check(&name, &[loss], &[expected], 64.0 * ULP * (1.0 + expected.abs()));
            check(&format!("{name}, gradient"), &x[off..], &gradient, 64.0 * ULP);
        }
        let mut x = [0.5, f32::NEG_INFINITY, 0.5];
        let loss = cross_entropy(isa, &mut x, 0);
        check(&format!("{isa} cross-entropy with a logit of −∞"), &[loss], &[2f64.ln()], 4.0 * ULP);
        assert_eq!(x, [-0.5, 0.0, 0.5], "{isa}");
        assert!(cross_entropy(isa, &mut [1.0, f32::NAN, 2.0], 0).is_nan(), "{isa}");
    }
}

#[test]
fn added_rows() {
    for isa in Isa::available() {
        for c in [1, 7, 16, 33, 64, 130, 384] {
            let (x, before) = (numbers(5 * c, 1), numbers(c, 2));
            let mut found = before.clone();
            add_rows(isa, &x, &mut found);
            let sum = |j: usize| (0..5).fold(before[j], |sum, i| sum + x[i * c + j]);
            assert_eq!(found, (0..c).map(sum).collect::<Vec<_>>(), "{isa} {c}");
        }
    }
}

const BANDS: [Band; 8] = [
    (1, 32, 4, &[], 0..1),
    (5, 2, 1, &[0], 1..5),
    (40, 32, 4, &[1, 2, 20], 0..40),
    (97, 64, 16, &[3, 50], 33..64),
    (97, 24, 128, &[7], 90..97),
    (300, 64, 32, &[0, 1, 2, 3, 4, 5, 299], 131..195),
    (250, 32, 300, &[], 0..250),
    (700, 32, 100, &[0, 1, 2, 400], 0..700),
];

/// Rows of numbers encoded as groups, and the numbers that these decode to.
fn encoded(arithmetic: Arithmetic, x: &[f32], columns: usize) -> (Vec<i32>, Vec<f32>) {
    let groups = columns / arithmetic.group();
    let mut out = vec![0; x.len() / arithmetic.group()];
    encode(arithmetic, Matrix::new(x, columns), &mut MatrixMut::new(&mut out, groups));
    let mut back = vec![f32::NAN; x.len()];
    decode(arithmetic, Matrix::new(&out, groups), &mut MatrixMut::new(&mut back, columns));
    (out, back)
}

#[test]
fn attention_gradients() {
    for isa in Isa::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            let arithmetic = Arithmetic { isa, precision };
            for (t, d, w, masked, rows) in BANDS {
                let found = attention_of(arithmetic, (t, d, w, masked, rows.clone()));
                let [(_, q), (_, k), (_, v), (_, dout)] =
                    [1, 2, 3, 4].map(|seed| encoded(arithmetic, &numbers(t * d, seed), d));
                let mut dout = wide(&dout);
                dout[..rows.start * d].fill(0.0);
                dout[rows.end * d..].fill(0.0);
                // A masked query may see no key at all, so it is left out.
                masked.iter().for_each(|&i| dout[i * d..(i + 1) * d].fill(0.0));
                let sees = |i: usize, j: usize| i.abs_diff(j) <= w && !masked.contains(&j) || masked.contains(&i);
                let inputs = AttentionRows { queries: wide(&q), keys: wide(&k), values: wide(&v) };
                let expected = reference::attention_backward(&inputs, d, sees, &dout);
                // In bf16 weights and gradients of scores are rounded to 8 bits before they are multiplied.
                let bound = if precision == Precision::Bf16 { 0.03 } else { 2e-5 };
                let case = format!("{isa} {precision} {t} tokens, head {d}, window {w}, {rows:?}");
                let [dqueries, dkeys, dvalues] = &found;
                check(&format!("{case}: queries"), dqueries, &expected.queries, bound);
                check(&format!("{case}: keys"), dkeys, &expected.keys, bound);
                check(&format!("{case}: values"), dvalues, &expected.values, bound);
            }
        }
    }
}

/// The gradients of queries, keys and values by the kernels, in blocks.
fn attention_of(arithmetic: Arithmetic, (t, d, w, masked, rows): Band) -> [Vec<f32>; 3] {
    let [(q, _), (k, _), (v, _), (mut douts, dout_numbers)] =
        [1, 2, 3, 4].map(|seed| encoded(arithmetic, &numbers(t * d, seed), d));
    let groups = d / arithmetic.group();
    let own = |x: &[i32], range: Range<usize>| x[range.start * groups..range.end * groups].to_vec();
    masked.iter().for_each(|&i| douts[i * groups..(i + 1) * groups].fill(0));
    let mut keys = Keys::new(arithmetic);
    keys.set(Matrix::new(&k, groups), Matrix::new(&v, groups));
    let mut backward_keys = BackwardKeys::new(arithmetic);
    backward_keys.set(Matrix::new(&k, groups), Matrix::new(&v, groups));
    let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0; t * d]);
    let mut block = BackwardQueries::new(arithmetic, d);
    for first in rows.clone().step_by(QUERY_BLOCK) {
        let rows = first..rows.end.min(first + QUERY_BLOCK);
        let (mut out, mut log_sums) = (vec![0.0; rows.len() * d], vec![0.0; rows.len()]);
        let mut queries = Queries::new(arithmetic, d);
        let step = queries.count_max();
        for i in (0..rows.len()).step_by(step) {
            let part = i..rows.len().min(i + step);
            queries.set(Matrix::new(&own(&q, first + part.start..first + part.end), groups));
            let visibility = Visibility::Window { query: first + i, key: 0, one_sided_window: w, masked };
            attend(&mut queries, &keys, visibility);
            queries.write(&mut MatrixMut::new(&mut out[part.start * d..part.end * d], d));
            queries.log_sums(&mut log_sums[part]);
        }
        let dout = &dout_numbers[rows.start * d..rows.end * d];
        let delta = |i: usize| {
            let masked = masked.contains(&(first + i));
            let products = out[i * d..(i + 1) * d].iter().zip(&dout[i * d..(i + 1) * d]);
            if masked { 0.0 } else { products.map(|(x, y)| x * y).sum() }
        };
        let deltas: Vec<f32> = (0..rows.len()).map(delta).collect();
        block.set(BackwardInputs {
            queries: Matrix::new(&own(&q, rows.clone()), groups),
            douts: Matrix::new(&own(&douts, rows.clone()), groups),
            log_sums: &log_sums,
            deltas: &deltas,
        });
        let visibility = Visibility::Window { query: first, key: 0, one_sided_window: w, masked };
        let (mut dk, mut dv) = (MatrixMut::new(&mut dk, d), MatrixMut::new(&mut dv, d));
        attend_backward(&mut block, &backward_keys, visibility, &mut dk, &mut dv);
        block.write(&mut MatrixMut::new(&mut dq[rows.start * d..rows.end * d], d));
    }
    [dq, dk, dv]
}

/// The gradient of a weight: the left operand is transposed, the right one is packed from rows.
#[test]
fn sums_over_tokens() {
    for isa in Isa::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            let arithmetic = Arithmetic { isa, precision };
            for (t, n, k) in
                [(1, 2, 2), (2, 4, 6), (31, 34, 30), (32, 32, 32), (33, 70, 66), (500, 40, 100), (769, 96, 64)]
            {
                let (dout, dout_numbers) = encoded(arithmetic, &numbers(t * n, 1), n);
                let (x, x_numbers) = encoded(arithmetic, &numbers(t * k, 2), k);
                // Both are filled twice: the first content must have no effect.
                let (mut tiles, mut panels) = (Tiles::new(arithmetic), Panels::new(arithmetic));
                let (noise, more) = (vec![i32::MAX / 3; 900 * 64], 64);
                tiles.copy_transposed(Matrix::new(&noise, more));
                panels.set_rows(Matrix::new(&noise, more));
                tiles.copy_transposed(Matrix::new(&dout, n / arithmetic.group()));
                panels.set_rows(Matrix::new(&x, k / arithmetic.group()));
                let mut found = vec![f32::NAN; n * k];
                product(tiles.all(), panels.all(), Start::Zero, &mut MatrixMut::new(&mut found, k));
                let mut expected = vec![0.0; n * k];
                for (dout, x) in dout_numbers.chunks_exact(n).zip(x_numbers.chunks_exact(k)) {
                    for (i, d) in dout.iter().enumerate() {
                        for (j, x) in x.iter().enumerate() {
                            expected[i * k + j] += f64::from(*d) * f64::from(*x);
                        }
                    }
                }
                check(&format!("{isa} {precision} {n}x{k} over {t}"), &found, &expected, (t + 1) as f64 * ULP);
            }
        }
    }
}

#[test]
fn dropout_is_a_function_of_its_key() {
    for isa in Isa::available() {
        let x = vec![1.0; 10_007];
        let dropped = |key: u64, share: f32| {
            let mut x = x.clone();
            drop_row(isa, &mut x, key, share);
            x
        };
        for share in [0.1, 0.5] {
            let found = dropped(7, share);
            assert_eq!(found, dropped(7, share), "{isa}");
            assert_ne!(found, dropped(8, share), "{isa}");
            assert!(found.iter().all(|&x| x == 0.0 || (x - 1.0 / (1.0 - share)).abs() < 1e-6), "{isa}");
            let zeros = found.iter().filter(|&&x| x == 0.0).count() as f32 / 10_007.0;
            assert!((zeros - share).abs() < 0.02, "{isa}: {zeros} of {share}");
            let portable = {
                let mut x = x.clone();
                drop_row(Isa::Portable, &mut x, 7, share);
                x
            };
            assert_eq!(found, portable, "{isa}");
        }
        assert_eq!(dropped(7, 0.0), x, "{isa}");
    }
}

const _: () = assert!(QUERY_BLOCK.is_multiple_of(32) && KEY_CHUNK.is_multiple_of(32));
