//! Bytes of strangers: how much memory a hostile file may take.

mod budgets;
mod hostile;

use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}
