//! Numbers for people.

use indicatif::HumanCount;

/// The digits in groups of three.
pub fn thousands(number: usize) -> String {
    HumanCount(number as u64).to_string()
}

/// A number of things, such as `1 thread` or `1,024 tokens`.
pub fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", thousands(number))
}

/// A number with up to four decimals, without trailing zeros.
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
    fn digits_come_in_groups_of_three() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (26_600_002, "26,600,002")] {
            assert_eq!(thousands(number), shown);
        }
    }

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
}
