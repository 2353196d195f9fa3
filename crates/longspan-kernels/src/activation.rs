//! The activations that models have.

/// The function between the two products of a feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU in its exact form, with erf.
    Gelu,
    /// The approximation of GELU by tanh: Hendrycks and Gimpel, arXiv 1606.08415, section 2.
    GeluTanh,
    /// The larger of a number and 0.
    Relu,
}
