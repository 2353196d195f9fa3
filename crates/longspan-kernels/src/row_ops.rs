//! Operations on rows: layer norm and activations, forward and backward; cross-entropy and its gradient; and the exponential.
//!
//! ```text
//! layer_norm(x)    = (x - mean) / sqrt(variance + eps) * weight + bias      variance over N, not N - 1
//! gelu(x)          = x/2 * (1 + erf(x / sqrt 2))
//! gelu_tanh(x)     = x/2 * (1 + tanh(u)),  u = sqrt(2/pi) * (x + 0.044715 x³)
//! relu(x)          = max(x, 0)
//! cross_entropy(x) = log(sum of e^x) - x[target]
//! ```
//!
//! The lane of a number is its index in the row modulo the length of a vector, and lanes are added in one order, so a
//! sum depends on its row alone. The end of a row is padded to a whole vector with numbers that do not change the
//! result.

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps};
use rten_simd::{Isa as Token, Simd, SimdOp};

use crate::activation::Activation;
use crate::isa::Isa;

/// Layer norm of each row of `x` in place.
///
/// - `x`: (T, C)
/// - `weight`, `bias`: (C)
pub fn layer_norm(isa: Isa, x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    isa.run(LayerNorm { x, residual: None, weight, bias, eps });
}

/// Layer norm of each row of `x + residual`, written to `x`.
///
/// - `x`, `residual`: (T, C)
/// - `weight`, `bias`: (C)
pub fn add_layer_norm(isa: Isa, x: &mut [f32], residual: &[f32], weight: &[f32], bias: &[f32], eps: f32) {
    assert_eq!(x.len(), residual.len(), "{} numbers and a residual of {}", x.len(), residual.len());
    isa.run(LayerNorm { x, residual: Some(residual), weight, bias, eps });
}

/// The activation of every number in place.
///
/// The absolute error is at most 5e-7 · max(1, |x|).
pub fn activate(isa: Isa, activation: Activation, x: &mut [f32]) {
    match activation {
        Activation::Gelu => isa.run(Gelu { x }),
        Activation::GeluTanh => isa.run(GeluTanh { x }),
        // NaN stays NaN.
        Activation::Relu => x.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x }),
    }
}

/// The gradients of a layer norm's parameters, to which [`layer_norm_backward`] adds.
pub struct NormGradients<'a> {
    /// Of the weight: (C).
    pub dweight: &'a mut [f32],
    /// Of the bias: (C).
    pub dbias: &'a mut [f32],
}

/// The backward pass of [`layer_norm`].
///
/// ```text
/// z = (x - mean) / sqrt(variance + eps)        g = dout * weight
/// dx = (g - mean(g) - z * mean(g * z)) / sqrt(variance + eps)
/// dweight += dout * z        dbias += dout
/// ```
///
/// - `x`: (T, C), the input of the forward pass
/// - `dout`: (T, C), becomes dx
/// - `weight`: (C)
pub fn layer_norm_backward(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dout: &mut [f32],
    NormGradients { dweight, dbias }: NormGradients<'_>,
) {
    let c = weight.len();
    assert_eq!(x.len(), dout.len(), "{} numbers and {} gradients", x.len(), dout.len());
    assert_eq!(x.len() % c, 0, "{} numbers cannot be rows of {c}", x.len());
    assert!(dweight.len() == c && dbias.len() == c, "{} and {} gradients for {c}", dweight.len(), dbias.len());
    isa.run(LayerNormBackward { x, weight, eps, dout, dweight, dbias, z: vec![0.0; c] });
}

/// The backward pass of [`activate`].
///
/// - `x`: (n), the input of the forward pass; becomes the activation of x
/// - `dout`: (n), becomes dx = dout * slope(x). That of GELU is Φ(x) + x φ(x), where Φ is the normal distribution and φ its
///   density; that of ReLU is 0 at 0, as in torch
pub fn activate_backward(isa: Isa, activation: Activation, x: &mut [f32], dout: &mut [f32]) {
    assert_eq!(x.len(), dout.len(), "{} numbers and {} gradients", x.len(), dout.len());
    match activation {
        Activation::Gelu => isa.run(GeluBackward { x, dout }),
        Activation::GeluTanh => isa.run(GeluTanhBackward { x, dout }),
        Activation::Relu => {
            for (x, d) in x.iter_mut().zip(dout) {
                if *x <= 0.0 {
                    (*x, *d) = (0.0, 0.0);
                }
            }
        }
    }
}

/// The cross-entropy, in nats, of a row of logits and a target. The logits become its gradient: softmax(x), minus 1 at
/// the target.
///
/// - `x`: (N); logits of −∞ are ignored
pub fn cross_entropy(isa: Isa, x: &mut [f32], target: usize) -> f32 {
    assert!(target < x.len(), "target {target} of {} logits", x.len());
    isa.run(CrossEntropy { x, target })
}

/// Adds every row of `x` to `out`, in order.
///
/// - `x`: (T, C)
/// - `out`: (C)
pub fn add_rows(isa: Isa, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len() % out.len(), 0, "{} numbers cannot be rows of {}", x.len(), out.len());
    isa.run(AddRows { x, out });
}

/// Replaces every vector of `$row` by `$body`, a function of that vector, of the vectors of other rows at the same
/// place, and of the mask of valid lanes. The end of a row is padded with zeros, whose lanes are not valid.
///
/// It is a macro because a closure would be compiled without the instruction set of its caller.
macro_rules! each {
    ($isa:ident, $row:expr, [$($y:ident = $other:expr),*], |$x:ident, $valid:ident| $body:expr) => {{
        let ops = $isa.f32();
        let (row, lanes) = (&mut *$row, ops.len());
        let whole = row.len() / lanes * lanes;
        let $valid = ops.first_n_mask(lanes);
        for at in (0..whole).step_by(lanes) {
            $(let $y = ops.load(&$other[at..at + lanes]);)*
            let vector = &mut row[at..at + lanes];
            let $x = ops.load(vector);
            ops.store($body, vector);
        }
        if whole < row.len() {
            $(let $y = ops.load_pad(&$other[whole..]).0;)*
            let ($x, $valid) = ops.load_pad(&row[whole..]);
            let result = ($body).to_array();
            row[whole..].iter_mut().zip(result).for_each(|(x, y)| *x = y);
        }
    }};
}

struct LayerNorm<'a> {
    x: &'a mut [f32],
    residual: Option<&'a [f32]>,
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
}

impl SimdOp for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(self, isa: I) {
        let ops = isa.f32();
        let c = self.weight.len();
        assert_eq!(self.bias.len(), c, "a weight of {c} and a bias of {}", self.bias.len());
        assert_eq!(self.x.len() % c, 0, "{} numbers cannot be rows of {c}", self.x.len());
        for (i, row) in self.x.chunks_exact_mut(c).enumerate() {
            if let Some(residual) = self.residual {
                let residual = &residual[i * c..(i + 1) * c];
                each!(isa, row, [r = residual], |x, _valid| ops.add(x, r));
            }
            let scale = ops.splat(centre(isa, row, self.eps));
            each!(isa, row, [w = self.weight, b = self.bias], |x, _valid| ops.mul_add(ops.mul(x, scale), w, b));
        }
    }
}

/// Subtracts the mean of a row from its numbers, and returns 1 / sqrt(variance + eps).
#[inline(always)]
fn centre<I: Token>(isa: I, row: &mut [f32], eps: f32) -> f32 {
    let ops = isa.f32();
    let over = 1.0 / row.len() as f32;
    let mut sum = ops.zero();
    each!(isa, row, [], |x, _valid| {
        sum = ops.add(sum, x);
        x
    });
    let mean = ops.splat(sum_lanes(sum) * over);
    let mut squares = ops.zero();
    each!(isa, row, [], |x, valid| {
        // Padding holds 0, but 0 - mean is not 0, so it is masked.
        let x = ops.select(ops.sub(x, mean), ops.zero(), valid);
        squares = ops.mul_add(x, x, squares);
        x
    });
    1.0 / (sum_lanes(squares) * over + eps).sqrt()
}

struct Gelu<'a> {
    x: &'a mut [f32],
}

impl SimdOp for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(self, isa: I) {
        let ops = isa.f32();
        let (half, root) = (ops.splat(0.5), ops.splat(std::f32::consts::FRAC_1_SQRT_2));
        each!(isa, self.x, [], |x, _valid| {
            let half_x = ops.mul(x, half);
            ops.mul_add(half_x, erf(isa, ops.mul(x, root)), half_x)
        });
    }
}

struct GeluTanh<'a> {
    x: &'a mut [f32],
}

impl SimdOp for GeluTanh<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(self, isa: I) {
        let ops = isa.f32();
        each!(isa, self.x, [], |x, _valid| ops.mul(x, half_tanh(isa, x).0));
    }
}

/// (1 + tanh u) / 2 and the derivative of 2u, where 2u = x · (a + b x²).
///
/// The first is the logistic function of 2u: 1 / (1 + e^-2u), and for 2u < 0 the equal e^2u / (1 + e^2u), since [`exp`] takes
/// no number above 0.
#[inline(always)]
fn half_tanh<I: Token>(isa: I, x: I::F32) -> (I::F32, I::F32) {
    // 2 sqrt(2/pi), and 0.044715 times that
    const A: f32 = 1.595_769;
    const B: f32 = 0.071_354_814;
    let ops = isa.f32();
    let x2 = ops.mul(x, x);
    let twice_u = ops.mul(x, ops.mul_add(x2, ops.splat(B), ops.splat(A)));
    let is_negative = ops.lt(twice_u, ops.zero());
    let power = exp(isa, ops.select(twice_u, ops.sub(ops.zero(), twice_u), is_negative));
    let one = ops.splat(1.0);
    let below = ops.div(ops.select(power, one, is_negative), ops.add(one, power));
    (below, ops.mul_add(x2, ops.splat(3.0 * B), ops.splat(A)))
}

struct LayerNormBackward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    dout: &'a mut [f32],
    dweight: &'a mut [f32],
    dbias: &'a mut [f32],
    z: Vec<f32>, // (C)
}

impl SimdOp for LayerNormBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(mut self, isa: I) {
        let ops = isa.f32();
        let c = self.weight.len();
        let over = 1.0 / c as f32;
        let z = &mut self.z[..];
        for (x, dout) in self.x.chunks_exact(c).zip(self.dout.chunks_exact_mut(c)) {
            z.copy_from_slice(x);
            let scale = ops.splat(centre(isa, z, self.eps));
            each!(isa, z, [], |x, _valid| ops.mul(x, scale));
            each!(isa, self.dbias, [d = dout], |x, _valid| ops.add(x, d));
            each!(isa, self.dweight, [d = dout, z = z], |x, _valid| ops.mul_add(d, z, x));
            let (mut sum, mut with_z) = (ops.zero(), ops.zero());
            each!(isa, dout, [z = z, w = self.weight], |d, _valid| {
                let g = ops.mul(d, w);
                sum = ops.add(sum, g);
                with_z = ops.mul_add(g, z, with_z);
                g
            });
            let (mean, along) = (ops.splat(sum_lanes(sum) * over), ops.splat(-sum_lanes(with_z) * over));
            each!(isa, dout, [z = z], |g, _valid| ops.mul(ops.mul_add(along, z, ops.sub(g, mean)), scale));
        }
    }
}

struct CrossEntropy<'a> {
    x: &'a mut [f32],
    target: usize,
}

impl SimdOp for CrossEntropy<'_> {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Token>(self, isa: I) -> f32 {
        let ops = isa.f32();
        let mut largest = ops.splat(f32::NEG_INFINITY);
        each!(isa, self.x, [], |x, valid| {
            largest = ops.max(largest, ops.select(x, ops.splat(f32::NEG_INFINITY), valid));
            x
        });
        let largest = largest.to_array().into_iter().fold(f32::NEG_INFINITY, f32::max);
        let chosen = self.x[self.target] - largest;
        let mut sum = ops.zero();
        each!(isa, self.x, [], |x, valid| {
            let power = ops.select(exp(isa, ops.sub(x, ops.splat(largest))), ops.zero(), valid);
            sum = ops.add(sum, power);
            power
        });
        let sum = sum_lanes(sum);
        let over = ops.splat(1.0 / sum);
        each!(isa, self.x, [], |x, _valid| ops.mul(x, over));
        self.x[self.target] -= 1.0;
        sum.ln() - chosen
    }
}

struct AddRows<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
}

impl SimdOp for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(self, isa: I) {
        let ops = isa.f32();
        let (c, lanes) = (self.out.len(), ops.len());
        // The sums of some columns at a time stay in registers.
        const VECTORS: usize = 4;
        let mut first = 0;
        while first + VECTORS * lanes <= c {
            let out = &mut self.out[first..first + VECTORS * lanes];
            let mut sums = [ops.zero(); VECTORS];
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = ops.load(&out[i * lanes..]);
            }
            for row in self.x.chunks_exact(c) {
                let row = &row[first..first + VECTORS * lanes];
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = ops.add(*sum, ops.load(&row[i * lanes..]));
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                ops.store(sum, &mut out[i * lanes..]);
            }
            first += VECTORS * lanes;
        }
        for row in self.x.chunks_exact(c) {
            let (out, row) = (&mut self.out[first..], &row[first..]);
            each!(isa, out, [r = row], |x, _valid| ops.add(x, r));
        }
    }
}

/// Replaces `$xs` and `$douts` by the two results of `$body`, a function of a vector of each.
///
/// It is a macro because a closure would be compiled without the instruction set of its caller.
macro_rules! each_pair {
    ($isa:ident, $xs:expr, $douts:expr, |$x:ident, $d:ident| $body:expr) => {{
        let ops = $isa.f32();
        let lanes = ops.len();
        let (mut xs, mut douts) = ($xs.chunks_exact_mut(lanes), $douts.chunks_exact_mut(lanes));
        for (x, d) in xs.by_ref().zip(douts.by_ref()) {
            let ($x, $d) = (ops.load(x), ops.load(d));
            let (y, dx) = $body;
            ops.store(y, x);
            ops.store(dx, d);
        }
        let (x, d) = (xs.into_remainder(), douts.into_remainder());
        let ($x, $d) = (ops.load_pad(x).0, ops.load_pad(d).0);
        let (y, dx) = $body;
        x.iter_mut().zip(y.to_array()).for_each(|(x, y)| *x = y);
        d.iter_mut().zip(dx.to_array()).for_each(|(d, dx)| *d = dx);
    }};
}

struct GeluBackward<'a> {
    x: &'a mut [f32],
    dout: &'a mut [f32],
}

impl SimdOp for GeluBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(self, isa: I) {
        let ops = isa.f32();
        let (half, root) = (ops.splat(0.5), ops.splat(std::f32::consts::FRAC_1_SQRT_2));
        // 1 / sqrt(2 pi)
        let density = ops.splat(0.398_942_3);
        each_pair!(isa, self.x, self.dout, |x, d| {
            let below = ops.mul_add(half, erf(isa, ops.mul(x, root)), half);
            let at = ops.mul(density, exp(isa, ops.mul(ops.mul(x, x), ops.splat(-0.5))));
            (ops.mul(x, below), ops.mul(d, ops.mul_add(x, at, below)))
        });
    }
}

struct GeluTanhBackward<'a> {
    x: &'a mut [f32],
    dout: &'a mut [f32],
}

impl SimdOp for GeluTanhBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(self, isa: I) {
        let ops = isa.f32();
        let one = ops.splat(1.0);
        each_pair!(isa, self.x, self.dout, |x, d| {
            // The slope of the logistic function is f (1 - f).
            let (below, inner) = half_tanh(isa, x);
            let slope = ops.mul(ops.mul(below, ops.sub(one, below)), inner);
            (ops.mul(x, below), ops.mul(d, ops.mul_add(x, slope, below)))
        });
    }
}

/// The sum of the lanes, from the first to the last.
#[inline(always)]
fn sum_lanes<S: Simd<Elem = f32>>(x: S) -> f32 {
    x.to_array().into_iter().sum()
}

/// e^x for x <= 0, with an error of at most 1.5 ULP plus the effect of |x| ULP of x. It is 0 below −87.7 and exactly 1
/// for x = 0. NaN stays NaN.
///
/// e^x = 2^n · 2^r, where n is the integer nearest to t = x · log2 e, and r = t − n, computed without the rounding of
/// t. Adding 1.5 · 2²³ + 127 to t leaves n + 127, the exponent bits of 2^n, in the lowest bits of the sum. For |r| <=
/// 1/2, 2^r is a polynomial with the smallest relative error (9e-8) for which 2^0 is exactly 1.
#[inline(always)]
pub(crate) fn exp<I: Token>(isa: I, x: I::F32) -> I::F32 {
    const MAGIC: f32 = 12_582_912.0 + 127.0;
    let ops = isa.f32();
    let ints = isa.i32();
    let log2e = ops.splat(std::f32::consts::LOG2_E);
    // At −127 ln 2 the exponent bits, and so the result, become 0. `select` keeps NaN, which a maximum might lose.
    let lowest = ops.splat(-88.029_69);
    let x = ops.select(lowest, x, ops.lt(x, lowest));
    let t = ops.mul_add(x, log2e, ops.splat(MAGIC));
    let n = ops.sub(ops.splat(MAGIC), t); // −n
    let r = ops.mul_add(x, log2e, n);
    let y = horner(isa, r, EXP2);
    let power = ints.shift_left::<23>(t.reinterpret_cast::<I::I32>());
    ops.mul(y, power.reinterpret_cast::<I::F32>())
}

#[allow(clippy::approx_constant, reason = "fitted, not ln 2")]
const EXP2: [f32; 6] = [0.001_326_472_7, 0.009_671_513, 0.055_507_336, 0.240_222_42, 0.693_147, 1.0];

/// erf(x), within 4e-7.
///
/// An odd rational function x P(x²) / Q(x²), fitted for |x| <= 4; beyond, erf differs from ±1 by less than 2e-8.
/// Eigen's fast float erf and XLA have the same coefficients.
#[inline(always)]
fn erf<I: Token>(isa: I, x: I::F32) -> I::F32 {
    let ops = isa.f32();
    let x = ops.clamp(x, ops.splat(-4.0), ops.splat(4.0));
    let x2 = ops.mul(x, x);
    let p = horner(isa, x2, ERF_P);
    let q = horner(isa, x2, ERF_Q);
    ops.div(ops.mul(x, p), q)
}

#[allow(clippy::excessive_precision, reason = "the digits of the source, rounded by the compiler")]
const ERF_P: [f32; 7] = [
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
];
#[allow(clippy::excessive_precision, reason = "the digits of the source, rounded by the compiler")]
const ERF_Q: [f32; 5] =
    [-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02];

/// A polynomial in x; the first coefficient is that of the highest power.
#[inline(always)]
fn horner<I: Token, const N: usize>(isa: I, x: I::F32, coefficients: [f32; N]) -> I::F32 {
    let ops = isa.f32();
    let mut y = ops.splat(coefficients[0]);
    for coefficient in &coefficients[1..] {
        y = ops.mul_add(y, x, ops.splat(*coefficient));
    }
    y
}
