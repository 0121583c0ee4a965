//! Units of the calling process that read row by row.

use crate::doctor::report::{Limits, Outcome, Verdict};

/// Returns the outcome of `queries.loops`. `loops`: the source line that opened the units, their statement, the most
/// repetitions in one unit, and the number of such units.
#[must_use]
pub fn loop_outcome(loops: &[(String, String, u64, u64)], limits: &Limits) -> Outcome {
    loops.iter().fold(
        Outcome::ok("no unit repeats a statement row by row"),
        |outcome, (line, statement, most, units)| {
            #[expect(clippy::cast_precision_loss, reason = "a count, for a threshold")]
            let times = *most as f64;
            let level = if times >= limits.critical {
                Verdict::Critical
            } else if times >= limits.warning {
                Verdict::Warning
            } else {
                return outcome;
            };
            let detail =
                format!("units opened here repeat `{statement}` up to {most} times, one row each; {units} did");
            outcome.with(level, format!("line {line}"), detail)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_a_finding_with_its_source_line() {
        let limits = Limits::fixed(20.0, 500.0, "");
        let found = |most| loop_outcome(&[("src/a.rs:7".to_owned(), "SELECT User".to_owned(), most, 3)], &limits);
        assert!(found(19).evidence.is_empty());
        assert_eq!(found(20).evidence[0].level, Verdict::Warning);
        assert_eq!(found(500).evidence[0].level, Verdict::Critical);
        assert!(found(20).evidence[0].object.contains("src/a.rs:7"));
    }
}
