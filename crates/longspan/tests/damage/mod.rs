//! How much damage a reader notices, for every test program that asks: of a file, bits are flipped, one at a time, and ends
//! are cut off, evenly spread over the file.

/// The most flips and the most cuts.
const TRIALS_MAX: usize = 1000;

/// How many damaged files are taken, of how many: with a flipped bit, and cut.
pub fn taken(name: &str, whole: &[u8], is_taken: impl Fn(&[u8]) -> bool) -> [[usize; 2]; 2] {
    assert!(is_taken(whole), "{name}: the whole file is refused");
    let flips = TRIALS_MAX.min(8 * whole.len());
    let flipped = (0..flips).filter(|i| {
        let (mut content, bit) = (whole.to_vec(), i * 8 * whole.len() / flips);
        content[bit / 8] ^= 1 << (bit % 8);
        is_taken(&content)
    });
    let flipped = flipped.count();
    let cuts = TRIALS_MAX.min(whole.len());
    let cut = (0..cuts).filter(|i| is_taken(&whole[..i * whole.len() / cuts])).count();
    println!("{name}: {flipped} of {flips} flipped bits and {cut} of {cuts} cuts are taken");
    [[flipped, flips], [cut, cuts]]
}
