//! Tables of text, and the numbers in them.

use crate::terminal::thousands;

/// A row of cells.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(String::from).to_vec()
}

/// Columns as wide as they must be; the first is text, the others are numbers.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let width_of = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width_of).collect();
    let mut shown = String::new();
    for row in rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        shown.push_str(line.trim_end());
        shown.push('\n');
    }
    shown
}

/// A number with four digits behind the point, or fewer where these are zeros.
pub fn short(number: f64) -> String {
    let digits = format!("{number:.4}");
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').to_owned() } else { digits }
}

/// Bytes as megabytes, rounded up.
pub fn megabytes(bytes: u64) -> String {
    thousands(bytes.div_ceil(1_000_000) as usize)
}

/// A share, as whole percent.
pub fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

/// Seconds as milliseconds, with three digits or more.
pub fn milliseconds(seconds: f64) -> String {
    rate(1000.0 * seconds)
}

/// A positive number with three digits or more.
pub fn rate(number: f64) -> String {
    match number {
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        _ => thousands(number.round() as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (number, shown) in [(0.123, "0.12"), (9.5, "9.50"), (31.25, "31.2"), (731.4, "731"), (5602.0, "5,602")] {
            assert_eq!(rate(number), shown);
        }
    }

    #[test]
    fn short_numbers_have_no_needless_digits() {
        let inf = f64::INFINITY;
        for (number, shown) in [(0.0, "0"), (-1.474_900_7, "-1.4749"), (2.5, "2.5"), (100.0, "100"), (inf, "inf")] {
            assert_eq!(short(number), shown);
        }
    }

    #[test]
    fn columns_stand_below_their_heads() {
        let rows = [row(["a", "number"]), row(["long", "1 × 2"])];
        assert_eq!(aligned(&rows), "a     number\nlong   1 × 2\n");
    }
}
