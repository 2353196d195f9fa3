//! Attention of all tokens over their windows and the global tokens, by the local projections.
//!
//! Heads of sequences are worked off one by one, long ones in pieces, each with the keys that its windows reach.

use std::ops::Range;

use longspan_kernels::{CHUNK, Keys, Matrix, MatrixMut, Queries, Sight, attend};

use super::encoder::Pass;
use super::split::{self, Pool};
use super::times::Phase;

/// Queries of a piece at most: with the keys of their windows they stay in the second cache.
const QUERIES_MAX: usize = 1024;

/// Some queries of one head of one sequence.
struct Piece {
    sequence: usize,
    head: usize,
    queries: Range<usize>,
}

struct Workspace {
    keys: Keys,
    globals: Keys,
    queries: Queries,
}

/// - `qkv`: (T, 3C / group), query, key and value side by side
/// - `attended`: by sequence (H, T, D), replaced; rows of global tokens get what they would get if they were not
pub(crate) fn local_attention(pass: &Pass<'_>, qkv: Matrix<'_, i32>, one_sided_window: usize, attended: &mut [f32]) {
    let (config, arithmetic) = (&pass.model.config, pass.model.computing.attention);
    let (heads, d) = (config.num_attention_heads, config.head_size());
    let mut pieces = Vec::new();
    for sequence in 0..pass.batch.sequences() {
        let t = pass.batch.range(sequence).len();
        let parts = split::parts(t, QUERIES_MAX, heads * pass.batch.sequences());
        for head in 0..heads {
            let ranges = split::ranges(t, parts, arithmetic.panel_width());
            pieces.extend(ranges.into_iter().map(|queries| Piece { sequence, head, queries }));
        }
    }
    let workspaces = Pool::new();
    let new = || Workspace {
        keys: Keys::new(arithmetic),
        globals: Keys::new(arithmetic),
        queries: Queries::new(arithmetic, d),
    };
    split::for_each(
        &pieces,
        attended,
        |piece| piece.queries.len() * d,
        |piece, out| {
            let qkv = qkv.rows_in(pass.batch.range(piece.sequence));
            let globals = pass.batch.globals(piece.sequence);
            pass.times.count(Phase::LocalAttention, 1, || {
                workspaces.with(new, |workspace| {
                    attend_piece(
                        piece,
                        qkv,
                        (heads, d / arithmetic.group()),
                        globals,
                        one_sided_window,
                        out,
                        workspace,
                    );
                });
            });
        },
    );
}

/// - `qkv`: (tokens of the sequence, 3C / group)
/// - `heads`: how many there are, and how many groups each has
/// - `out`: (queries, D)
fn attend_piece(
    piece: &Piece,
    qkv: Matrix<'_, i32>,
    (heads, width): (usize, usize),
    globals: &[usize],
    one_sided_window: usize,
    out: &mut [f32],
    workspace: &mut Workspace,
) {
    let Workspace { keys, globals: global_keys, queries } = workspace;
    let [q, k, v] = [0, heads, 2 * heads].map(|first| {
        let column = (first + piece.head) * width;
        qkv.columns_in(column..column + width)
    });
    let first = piece.queries.start.saturating_sub(one_sided_window) / CHUNK * CHUNK;
    let reached = first..qkv.rows().min(piece.queries.end + one_sided_window);
    keys.set(k.rows_in(reached.clone()), v.rows_in(reached));
    if !globals.is_empty() {
        let gather = |x: Matrix<'_, i32>| globals.iter().flat_map(|&i| x.row(i)).copied().collect::<Vec<_>>();
        global_keys.set(Matrix::new(&gather(k), width), Matrix::new(&gather(v), width));
    }
    let d = out.len() / piece.queries.len();
    for (block, out) in out.chunks_mut(queries.count_max() * d).enumerate() {
        let from = piece.queries.start + block * queries.count_max();
        queries.set(q.rows_in(from..from + out.len() / d));
        if !globals.is_empty() {
            attend(queries, global_keys, Sight::All);
        }
        let sight = Sight::Window { query: from, key: first, one_sided_window, hidden: globals };
        attend(queries, keys, sight);
        queries.write(&mut MatrixMut::new(out, d));
    }
}
