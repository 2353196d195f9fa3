//! Data of strangers: how much memory they may take, and how many damaged files are accepted.

mod budgets;
mod damage;
#[path = "../../../longspan/tests/damage/mod.rs"]
mod damage_trials;

use std::io::Write;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;

/// An allocator counts the memory of the whole process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn gz(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
