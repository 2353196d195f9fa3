//! Gives a target to libFuzzer. `FUZZ_TARGET` names it; without it, the targets and their shares are listed. Seeds are
//! written into the folder `FUZZ_SEEDS`. All arguments are libFuzzer's.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use longspan_fuzz::mutate::{Draws, mutated};
use longspan_fuzz::seeds::{regressions, seeds};
use longspan_fuzz::targets::{FuzzTarget, TARGETS, named};
use longspan_fuzz::trial::trial;

/// The target of this process.
fn target() -> &'static FuzzTarget {
    static TARGET: OnceLock<&FuzzTarget> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        named(&name).unwrap_or_else(|| {
            TARGETS.iter().for_each(|FuzzTarget { name, share, bytes_max, .. }| println!("{name} {share} {bytes_max}"));
            std::process::exit(if name.is_empty() { 0 } else { 2 })
        })
    })
}

fn write_seeds() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    let cases = seeds(target()).into_iter().chain(regressions(target()).into_iter().map(|(_, case)| case));
    for (number, case) in cases.enumerate() {
        fs::write(folder.join(format!("seed-{number}")), case).expect("a folder for seeds");
    }
}

fuzz_target!(
    init: {
        target();
        write_seeds();
    },
    |case: &[u8]| {
        if let Err(message) = trial(target(), case) {
            eprintln!("{}: {message}", target().name);
            std::process::abort();
        }
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut change = |file: &mut Vec<u8>, bytes_max: usize| {
        let bytes = file.len().min(bytes_max);
        // A file gets at most twice as long at a time, so that small files are not copied in large buffers.
        let bytes_max = bytes_max.min(2 * bytes + 256);
        file.resize(bytes_max, 0);
        file.truncate(bytes_max);
        let bytes = fuzzer_mutate(file, bytes, bytes_max);
        file.truncate(bytes);
    };
    let case = mutated(target(), &data[..size], &mut Draws::new(seed.into()), &mut change);
    let bytes = case.len().min(max_size);
    data[..bytes].copy_from_slice(&case[..bytes]);
    bytes
});
