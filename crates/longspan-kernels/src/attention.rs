//! Attention of a block of queries in one pass over the keys, with a running maximum; and its backward pass.
//!
//! ```text
//! m = −∞, s = 0, o = 0                                  for each query: running maximum, sum of weights, weighted sum
//! for each chunk of keys:
//!     x[j]  = q · k[j]                                  (q is scaled), −∞ for a key that the query does not see
//!     m'    = max(m, max over j of x[j])
//!     p[j]  = exp(x[j] − m')
//!     s     = s · exp(m − m') + sum over j of p[j]
//!     o     = o · exp(m − m') + sum over j of p[j] · v[j]
//!     m     = m'
//! out = o / s
//! ```
//!
//! (Dao et al., "FlashAttention", arXiv 2205.14135, section 3.1.)
//!
//! 1. Queries are the columns of both products, one panel of them: each has a lane of the vectors, so maximum, sum and
//!    scaling never cross lanes. Keys are rows of A, values are transposed: `x = K·qᵀ`, `oᵀ = Vᵀ·p`.
//! 2. The softmax stores weights in the groups that the second product reads.
//! 3. Chunks begin at multiples of [`KEY_CHUNK`], counted from the first token of the sequence. A masked key has the
//!    weight 0 and a finite value, so it changes no bit of m, s and o. Hence a result does not depend on the block that
//!    its query is in.
//! 4. The first maximum is the lowest finite number instead of −∞, because −∞ − −∞ would be NaN.

mod backward;
mod forward;
mod visibility;

pub use backward::{BackwardInputs, BackwardKeys, BackwardQueries, QUERY_BLOCK, attend_backward};
pub use forward::{Keys, Queries, attend};
pub use visibility::{KEY_CHUNK, Visibility};
