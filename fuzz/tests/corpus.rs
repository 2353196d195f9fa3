//! All seeds and regressions, and some thousands of mutations, which are the same in every run.

use longspan_fuzz::mutate::{Draws, change_bytes, mutated};
use longspan_fuzz::seeds::{regressions, seeds};
use longspan_fuzz::targets::TARGETS;
use longspan_fuzz::trial::trial;

/// Mutations of a target for each of its shares.
const MUTATIONS: usize = 50;

#[test]
fn seeds_are_taken() {
    for target in &TARGETS {
        let seeds = seeds(target);
        let tried = seeds.iter().map(|seed| trial(target, seed).unwrap_or_else(|e| panic!("{}: {e}", target.name)));
        let taken = tried.filter(|taken| *taken).count();
        println!("{}: {taken} of {} seeds taken", target.name, seeds.len());
        assert!(3 * taken > seeds.len(), "{}: {taken} of {} seeds taken", target.name, seeds.len());
    }
}

#[test]
fn regressions_hold() {
    let mut wrong = Vec::new();
    for target in &TARGETS {
        for (name, case) in regressions(target) {
            wrong.extend(trial(target, &case).err().map(|error| format!("{} {name}: {error}", target.name)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn mutations_hold() {
    let mut wrong = Vec::new();
    for target in &TARGETS {
        let seeds: Vec<Vec<u8>> = seeds(target).into_iter().filter(|seed| seed.len() <= target.bytes_max).collect();
        let mut taken = 0;
        let count = MUTATIONS * target.share as usize;
        for number in 0..count {
            let mut draws = Draws::new(number as u64);
            let mut case = seeds[number % seeds.len()].clone();
            for _ in 0..=draws.below(2) {
                let mut bytes = Draws::new(draws.below(1 << 40) as u64);
                let mut change = |file: &mut Vec<u8>, bytes_max: usize| change_bytes(file, bytes_max, &mut bytes);
                case = mutated(target, &case, &mut draws, &mut change);
            }
            match trial(target, &case) {
                Ok(is_taken) => taken += usize::from(is_taken),
                Err(error) => wrong.push(format!("{} {number}: {error}", target.name)),
            }
        }
        println!("{}: {taken} of {count} mutations taken", target.name);
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
