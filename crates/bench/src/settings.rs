//! Settings from the environment.

use std::time::Duration;

use crate::Result;

/// Returns the owner's URL of the database, `DATABASE_URL`.
pub(crate) fn owner_url() -> Result<String> {
    text("DATABASE_URL").ok_or_else(|| "DATABASE_URL is not set; set it to a PostgreSQL database, as its owner".into())
}

/// Returns the service's URL: `SERVICE_DATABASE_URL`, or the owner's URL with the login that `prepare` creates.
pub(crate) fn service_url() -> Result<String> {
    if let Some(url) = text("SERVICE_DATABASE_URL") {
        return Ok(url);
    }
    let owner = owner_url()?;
    let (scheme, rest) = owner.split_once("://").ok_or("DATABASE_URL must have the form postgres://…")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    Ok(format!("{scheme}://{LOGIN}:{LOGIN}@{place}"))
}

/// The service's login and its password. The data is synthetic.
pub(crate) const LOGIN: &str = "rylie_bench";

/// Returns the measured time of a loop: `RUN_S`, by default 5 seconds.
pub(crate) fn run_time() -> Duration {
    Duration::from_secs_f64(number("RUN_S", 5.0))
}

/// Returns the warm-up time of a loop: `WARM_S`, by default 2 seconds.
pub(crate) fn warm_up() -> Duration {
    Duration::from_secs_f64(number("WARM_S", 2.0))
}

/// Returns the number of operations of a loop, which replaces the time: `OPS`, for a profiler.
pub(crate) fn operations() -> Option<u64> {
    text("OPS").and_then(|text| text.parse().ok())
}

/// Returns the repetitions of a bulk operation: `REPS`, by default 3.
pub(crate) fn repetitions() -> u64 {
    whole("REPS", 3)
}

/// Returns the maximum number of connections: `POOL_MAX`, by default 10.
pub(crate) fn connections() -> u32 {
    text("POOL_MAX").and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Returns settings of the service that are set in the environment: `BEHIND_POOLER` and `REPLICA_URLS`.
pub(crate) fn of_service() -> impl Iterator<Item = (&'static str, String)> {
    let settings = [("behind_pooler", "BEHIND_POOLER"), ("replica_urls", "REPLICA_URLS")];
    settings.into_iter().filter_map(|(setting, variable)| Some((setting, text(variable)?)))
}

/// Returns the number of requests in the data set: `REQUESTS`, by default 200,000.
pub(crate) fn requests() -> u64 {
    whole("REQUESTS", 200_000)
}

/// Returns the number of users in the data set: `USERS`, by default 10,000.
pub(crate) fn users() -> u64 {
    whole("USERS", 10_000)
}

/// Returns the number of expired sessions to remove: `SESSIONS`, by default 50,000. As many are still valid.
pub(crate) fn sessions() -> u64 {
    whole("SESSIONS", 50_000)
}

/// Returns the number of usage events, half of them old: `EVENTS`, by default 100,000.
pub(crate) fn events() -> u64 {
    whole("EVENTS", 100_000)
}

/// Returns the number of rows before a deep page: `DEPTH`, by default 10,000.
pub(crate) fn depth() -> u64 {
    whole("DEPTH", 10_000)
}

fn whole(name: &str, default: u64) -> u64 {
    text(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn number(name: &str, default: f64) -> f64 {
    text(name).and_then(|text| text.parse().ok()).filter(|seconds: &f64| *seconds >= 0.0).unwrap_or(default)
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
