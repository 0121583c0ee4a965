//! Durations in text form.

use std::time::Duration;

const LONGEST: Duration = Duration::from_hours(7 * 24);

/// Parses `30s`, `10m`, `2h` or `1d`. Returns `None` for anything else, and for more than seven days.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, seconds) = match text.char_indices().next_back()? {
        (end, 's') => (&text[..end], 1),
        (end, 'm') => (&text[..end], 60),
        (end, 'h') => (&text[..end], 3_600),
        (end, 'd') => (&text[..end], 86_400),
        _ => return None,
    };
    let number: u64 = number.trim_end().parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(seconds)?)).filter(|duration| *duration <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_seconds_minutes_hours_and_days() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("2 h", 7_200), ("7d", 604_800)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "10", "-1s", "1w", "8d", "1.5h", "99999999999999999999s", "ß", "10é"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
