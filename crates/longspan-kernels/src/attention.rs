//! Attention of a block of queries in one pass over the keys, with a running maximum.
//!
//! ```text
//! m = −∞, s = 0, o = 0                                  for each query: running maximum, sum of weights, weighted sum
//! for each chunk of keys:
//!     x[j]  = q · k[j]                                  (q is scaled already), −∞ for a key that the query does not see
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
//! 1. Queries are the columns of both products, one panel of them: they stand in the lanes of vectors, and maximum, sum
//!    and scaling need no step across lanes. Keys are rows of A, values are transposed: `x = K·qᵀ`, `oᵀ = Vᵀ·p`.
//! 2. Weights leave the softmax in the groups that the second product reads.
//! 3. Chunks begin at multiples of [`KEY_CHUNK`], counted from the first token of the sequence. A key that is not seen has
//!    the weight 0 and, its value being finite, changes no bit of m, s and o: so a result does not depend on how queries
//!    were put into blocks.
//! 4. −∞ as the first maximum would give −∞ − −∞: the lowest finite number takes its place.

mod backward;
mod forward;
mod visibility;

pub use backward::{BackwardInputs, BackwardKeys, BackwardQueries, QUERY_BLOCK, attend_backward};
pub use forward::{Keys, Queries, attend};
pub use visibility::{KEY_CHUNK, Visibility};
