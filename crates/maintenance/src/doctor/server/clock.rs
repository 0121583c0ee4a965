//! The clocks of the server and of this machine.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rylie_entities::{Env, SystemEnv};
use sqlx::Row;

use crate::doctor::report::{Limits, Outcome, Verdict};
use crate::doctor::session::Session;

/// Compares the clocks. Half of the round trip is the error.
pub(crate) async fn clock(session: &mut Session, limits: &Limits) -> Outcome {
    let asked = Instant::now();
    let rows = session.rows("", "SELECT extract(epoch FROM clock_timestamp())::float8").await;
    let trip = asked.elapsed();
    let here = SystemTime::from(SystemEnv.now()).duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let there = match rows {
        Ok(rows) => rows.first().and_then(|row| row.try_get::<f64, _>(0).ok()),
        Err(failed) => return failed.outcome(),
    };
    let Some(there) = there else { return Outcome::not_checked("the server did not tell its time") };
    let differ = (here.as_secs_f64() - trip.as_secs_f64() / 2.0 - there).abs();
    clock_outcome(differ, limits)
}

/// Returns the outcome of `server.clock` for clocks that differ by some seconds.
#[must_use]
pub fn clock_outcome(differ: f64, limits: &Limits) -> Outcome {
    let detail = format!("the clocks differ by {differ:.1} s");
    if differ >= limits.critical {
        Outcome::found(Verdict::Critical, "server", detail)
    } else if differ >= limits.warning {
        Outcome::found(Verdict::Warning, "server", detail)
    } else {
        Outcome::ok(detail)
    }
}
