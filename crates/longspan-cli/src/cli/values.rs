//! Parsers of option values.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use longspan::GlobalAttention;

/// Most tokens, spans, questions and the like of an option: as many as the positions of the largest model that is read.
const COUNT_MAX: usize = 1 << 24;
/// Most spans of a question: their line in `answers.jsonl` must stay shorter than `RECORD_LINE_BYTES_MAX`.
const SPANS_MAX: usize = 10_000;
const THREADS_MAX: usize = 4096;
/// A year.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// A whole number from 1 on.
pub fn count(text: &str) -> Result<usize, String> {
    whole(text, 1..=COUNT_MAX)
}

/// A whole number from 0 on.
pub fn count_or_zero(text: &str) -> Result<usize, String> {
    whole(text, 0..=COUNT_MAX)
}

/// A number of spans.
pub fn spans(text: &str) -> Result<usize, String> {
    whole(text, 1..=SPANS_MAX)
}

/// The seed of random numbers.
pub fn seed(text: &str) -> Result<u64, String> {
    whole(text, 0..=u64::MAX)
}

/// A number of threads.
pub fn threads(text: &str) -> Result<usize, String> {
    whole(text, 1..=THREADS_MAX)
}

fn whole<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
}

/// A number of bytes, with K, M or G for those of 1024.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if text.ends_with('K') => (digits, 10),
        Some(digits) if text.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (text, 0),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.ok_or_else(|| "expected a number of bytes such as 500000, 64K, 8M or 2G".into())
}

/// A time in seconds, of at most a year.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds, such as 30 or 0.5".into())
}

/// A number or an infinity.
pub fn threshold(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| !x.is_nan()).ok_or_else(|| "expected a number, such as 0, -2.5 or inf".into())
}

/// A number above 0 and up to 1.
pub fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "expected a number between 0 and 1, such as 0.9".into())
}

/// The tokens with global attention.
pub fn global_attention(text: &str) -> Result<GlobalAttention, String> {
    match text {
        "question" => Ok(GlobalAttention::Question),
        "first" => Ok(GlobalAttention::First),
        "none" => Ok(GlobalAttention::None),
        positions => match positions.split(',').map(|position| position.trim().parse()).collect() {
            Ok(positions) => Ok(GlobalAttention::List(positions)),
            Err(_) => Err("expected `question`, `first`, `none`, or positions such as `0,1,5`".into()),
        },
    }
}

/// The name of a host or an address, without a port.
pub fn host_name(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_name = !name.is_empty() && name.chars().all(is_plain);
    let expected = || "expected a name such as qa.example.com, without a scheme or a port".to_owned();
    if is_name || name.parse::<IpAddr>().is_ok() { Ok(name.to_ascii_lowercase()) } else { Err(expected()) }
}

/// A site as browsers name it in the Origin header.
pub fn origin(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let expected = || "expected scheme://host or scheme://host:port alone, such as https://example.com".to_owned();
    let (scheme, authority) = lower.split_once("://").ok_or_else(expected)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let is_host = host_name(host).is_ok() && (host.starts_with('[') || !host.contains(':'));
    if !(is_scheme && is_port && is_host) {
        return Err(expected());
    }
    // Browsers leave out the port that is usual.
    let is_usual = matches!((scheme, port), ("http", Some("80")) | ("https", Some("443")));
    Ok(if is_usual { format!("{scheme}://{host}") } else { lower })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_sites_are_those_that_requests_can_have() {
        for (text, name) in
            [("qa.example.com", "qa.example.com"), ("QA", "qa"), ("[::1]", "::1"), ("10.0.0.1", "10.0.0.1")]
        {
            assert_eq!(host_name(text).as_deref(), Ok(name));
        }
        for bad in ["", "qa.example.com:8443", "https://qa.example.com", "a b", "qa/", "[::1]:80", "*"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
        for (text, site) in [
            ("https://example.com", "https://example.com"),
            ("HTTPS://Example.com:443", "https://example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("chrome-extension://abc", "chrome-extension://abc"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(site));
        }
        for bad in [
            "*",
            "",
            "null",
            "example.com",
            "https://",
            "https://example.com/",
            "https://a.b?c",
            "https://é.com",
            "https://u@a.b",
            "http://a:b",
            "http://a:99999",
            "http://::1",
            "a b://c",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_and_seconds_have_units() {
        assert_eq!(["7", "64K", "8M", "2G"].map(bytes), [Ok(7), Ok(64 << 10), Ok(8 << 20), Ok(2 << 30)]);
        assert_eq!([seconds("0.5"), seconds("60")], [Ok(Duration::from_millis(500)), Ok(Duration::from_secs(60))]);
        for bad in ["", "M", "1T", "-1", "99999999999G", "1.5M"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        for bad in ["", "-1", "inf", "NaN", "1e300"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
