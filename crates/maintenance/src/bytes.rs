//! Sizes in text form.

use crate::error::{Error, Result};

const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];

/// Parses a size such as `10GB`, `512 MB` or `1073741824`. Units are powers of 1,024, as in PostgreSQL. Fails with
/// [`Error::Invalid`] for anything else.
pub fn parse_bytes(text: &str) -> Result<i64> {
    let wrong = || Error::invalid("the size", "it must be a whole number with B, kB, MB, GB or TB, such as 10GB");
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let number: i64 = text[..end].parse().map_err(|_| wrong())?;
    let power = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "kb" => 1,
        "mb" => 2,
        "gb" => 3,
        "tb" => 4,
        _ => return Err(wrong()),
    };
    number.checked_mul(1_024_i64.pow(power)).ok_or_else(wrong)
}

/// Formats a size as PostgreSQL's `pg_size_pretty` does: `8192 bytes`, `24 kB`, `11 GB`.
#[must_use]
pub fn pretty_bytes(bytes: i64) -> String {
    const LIMIT: u64 = 10 * 1_024;
    let (sign, size) = (if bytes < 0 { "-" } else { "" }, bytes.unsigned_abs());
    if size < LIMIT {
        return format!("{sign}{size} bytes");
    }
    // One bit more than is shown, for rounding.
    let mut halves = size >> 9;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"");
    while halves >= 2 * LIMIT - 1 {
        let Some(larger) = units.next() else { break };
        (unit, halves) = (larger, halves >> 10);
    }
    format!("{sign}{} {unit}", halves.div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_the_server_writes_them() {
        // From `SELECT pg_size_pretty(n::bigint)` on PostgreSQL 15.
        for (bytes, text) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (10_485_247, "10239 kB"),
            (10_485_248, "10 MB"),
            (1_073_741_824, "1024 MB"),
            (11_811_160_064, "11 GB"),
            (-10_240, "-10 kB"),
        ] {
            assert_eq!(pretty_bytes(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, bytes) in [("10GB", 10 << 30), ("1 MB", 1 << 20), ("7", 7), ("8kb", 8_192), ("0B", 0)] {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "GB", "-1GB", "1.5GB", "10XB", "99999999999999999999", "9999999999TB", "1é"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
