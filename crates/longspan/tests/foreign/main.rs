//! Bytes of strangers: what is refused, how much memory a hostile file may take, and how much damage is noticed.

mod budgets;
mod damage;
#[path = "../damage/mod.rs"]
mod damage_trials;
mod hostile;
mod tokenizers;

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, RwLock};

/// The tests of one program run at once and share its allocator and its threads. The one that counts writes, the others
/// read. Each takes the lock first, so that there are two threads whichever comes first.
static ALLOCATIONS: LazyLock<RwLock<()>> = LazyLock::new(|| {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    RwLock::new(())
});

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}
