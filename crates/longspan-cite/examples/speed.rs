//! How fast quotations are checked, on one thread, after the texts were read.
//!
//! ```console
//! cargo run -p longspan-cite --release --example speed -- QUOTES TEXT...
//! ```
//!
//! QUOTES has a quotation on each line.

use std::time::Instant;
use std::{env, fs};

use longspan_cite::{CitationCheck, Finding, TextLayout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = env::args_os().skip(1);
    let quotes = fs::read_to_string(paths.next().ok_or("give QUOTES TEXT...")?)?;
    let quotes: Vec<&str> = quotes.lines().collect();
    let texts = paths.map(fs::read_to_string).collect::<Result<Vec<String>, _>>()?;
    let bytes: usize = texts.iter().map(String::len).sum();

    let started = Instant::now();
    let check = CitationCheck::new(&quotes)?;
    let (mut is_proven, mut is_altered) = (vec![false; quotes.len()], vec![false; quotes.len()]);
    for text in &texts {
        for (index, finding) in check.find_proven(text, &TextLayout::of_plain(text), &[]).iter().enumerate() {
            is_proven[index] |= matches!(finding, Finding::Proven { .. });
        }
    }
    let is_wanted: Vec<bool> = is_proven.iter().map(|is_proven| !is_proven).collect();
    for text in &texts {
        for (index, finding) in check.find_nearest(text, &TextLayout::of_plain(text), &is_wanted) {
            is_altered[index] |= matches!(finding, Finding::Altered { .. });
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let proven = is_proven.iter().filter(|is| **is).count();
    let altered = is_altered.iter().filter(|is| **is).count();
    println!("{} quotations, {} texts of {bytes} bytes: {seconds:.3} s", quotes.len(), texts.len());
    println!("{proven} proven, {altered} altered in some text");
    Ok(())
}
