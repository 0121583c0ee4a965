//! The pool of the calling process.

use std::fmt::Write;

use crate::doctor::report::{Outcome, Verdict};

/// Returns the outcome of `activity.pool` for a pool with `waiting` callers. `holders`: the source lines that hold a
/// connection, the longest first.
#[must_use]
pub fn pool_outcome(open: u32, idle: usize, waiting: usize, holders: &[String]) -> Outcome {
    if waiting == 0 {
        return Outcome::ok(format!("{open} connections are open, {idle} of them idle; no caller waits"));
    }
    let mut detail = format!("{waiting} callers wait");
    for (number, holder) in holders.iter().take(5).enumerate() {
        // Writing to a text cannot fail.
        let _ = write!(detail, "{} {holder}", if number == 0 { "; held by" } else { "," });
    }
    Outcome::found(if waiting > 10 { Verdict::Critical } else { Verdict::Warning }, "pool", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_callers_are_a_finding_with_the_lines_that_hold_connections() {
        assert!(pool_outcome(10, 3, 0, &[]).evidence.is_empty());
        let found = pool_outcome(10, 0, 11, &["src/a.rs:7 (3s)".to_owned()]);
        assert_eq!(found.evidence[0].level, Verdict::Critical);
        assert!(found.evidence[0].detail.contains("src/a.rs:7"));
    }
}
