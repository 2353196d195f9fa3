//! Pseudorandom numbers. Each is a function of a seed and a place, independent of all earlier numbers.

/// The number at a place, uniform over all u64.
///
/// Each part of the place is mixed in by the function of SplitMix64: Steele, Lea, Flood, "Fast splittable
/// pseudorandom number generators" (OOPSLA 2014).
pub fn number(seed: u64, place: &[u64]) -> u64 {
    place.iter().fold(mix(seed), |state, part| mix(state ^ mix(*part)))
}

/// The number at a place as a fraction, at least 0 and below 1.
pub fn fraction(seed: u64, place: &[u64]) -> f64 {
    (number(seed, place) >> 11) as f64 / (1_u64 << 53) as f64
}

fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_splitmix64() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn fractions_are_spread_evenly_over_seeds_and_places() {
        let mut counts = [0; 10];
        for place in 0..10_000 {
            counts[(10.0 * fraction(place % 7, &[place, 3])) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
        assert_ne!(number(1, &[1, 2]), number(1, &[2, 1]));
        assert_ne!(number(1, &[0]), number(1, &[0, 0]));
    }
}
