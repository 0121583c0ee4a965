//! Reports which sessions block a statement that still runs, or how far it is.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::Blocker;

/// The time limit of one check, including its connection. A shorter interval between checks is the limit instead.
pub(crate) const WITHIN: Duration = Duration::from_secs(5);

/// When the first look is made: an operator sees within a second why nothing happens.
const FIRST: Duration = Duration::from_millis(700);

/// The pause between two looks.
const AGAIN: Duration = Duration::from_secs(1);

/// Receives a report after 0.7 seconds, and then every second until the statement ends.
pub type OnWait = Arc<dyn Fn(&Wait) + Send + Sync>;

/// A statement that still runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wait {
    /// How long it has run.
    pub lasted: Duration,
    /// The sessions whose locks it waits for; empty while it works.
    pub blockers: Vec<Blocker>,
    /// Its phase, where the server reports one: index builds, `ANALYZE`, `VACUUM`.
    pub phase: Option<String>,
    /// How much of the phase is done, from 0 to 100.
    pub percent: Option<u8>,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.blockers.is_empty() {
            let blockers: Vec<String> = self.blockers.iter().map(ToString::to_string).collect();
            return write!(f, "waiting for {}", blockers.join(", "));
        }
        write!(f, "still running after {} s", self.lasted.as_secs())?;
        if let Some(phase) = &self.phase {
            write!(f, ": {phase}")?;
        }
        self.percent.map_or(Ok(()), |percent| write!(f, ", {percent} %"))
    }
}

#[derive(Deserialize)]
struct Found {
    blockers: Vec<Blocker>,
    phase: Option<String>,
    percent: Option<i64>,
}

/// Looks at the session by a second connection, which is opened for the first look.
#[derive(Default)]
pub(crate) struct Looks {
    observer: Option<PgConnection>,
    pub(crate) listener: Option<OnWait>,
    /// When the first look is made; `None` for the default.
    pub(crate) first: Option<Duration>,
    pub(crate) blockers: Vec<Blocker>,
}

impl Looks {
    /// Reports until it is dropped.
    pub(crate) async fn report(&mut self, options: &PgConnectOptions, process: i32) -> Infallible {
        let began = Instant::now();
        tokio::time::sleep(self.first.unwrap_or(FIRST).min(FIRST)).await;
        let mut is_first = true;
        loop {
            if let Ok(Ok(found)) = tokio::time::timeout(WITHIN, self.look(options, process)).await {
                // Those of an earlier statement do not matter any more.
                if std::mem::take(&mut is_first) {
                    self.blockers.clear();
                }
                self.tell(found, began.elapsed());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Opens the second connection before it is needed, for waits that are shorter than a connection takes.
    pub(crate) async fn prepare(&mut self, options: &PgConnectOptions) {
        if self.observer.is_none() {
            self.observer = tokio::time::timeout(WITHIN, connect(options)).await.ok().and_then(Result::ok);
        }
    }

    fn tell(&mut self, found: Found, lasted: Duration) {
        let Found { blockers, phase, percent } = found;
        if !blockers.is_empty() {
            self.blockers.clone_from(&blockers);
        }
        let percent = percent.and_then(|percent| u8::try_from(percent.clamp(0, 100)).ok());
        let wait = Wait { lasted, blockers, phase, percent };
        if let Some(listener) = &self.listener {
            listener(&wait);
        } else {
            tracing::info!("{wait}");
        }
    }

    async fn look(&mut self, options: &PgConnectOptions, process: i32) -> sqlx::Result<Found> {
        // A look that is interrupted closes its connection.
        let mut observer = match self.observer.take() {
            Some(observer) => observer,
            None => connect(options).await?,
        };
        let sql = AssertSqlSafe(SQL.replace("$columns", Blocker::COLUMNS).replace("$process", &process.to_string()));
        let json: String = sqlx::query_scalar(sql).persistent(false).fetch_one(&mut observer).await?;
        self.observer = Some(observer);
        serde_json::from_str(&json).map_err(|error| sqlx::Error::Decode(error.into()))
    }
}

async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let mut observer = options.connect().await?;
    sqlx::raw_sql("SET search_path = pg_catalog, pg_temp").execute(&mut observer).await?;
    Ok(observer)
}

const SQL: &str = include_str!("wait.sql");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_names_its_blockers_first() {
        let blocker = Blocker {
            pid: 7,
            login: Some("app".to_owned()),
            application: Some("shop".to_owned()),
            state: Some("idle in transaction".to_owned()),
            since_seconds: Some(31),
        };
        let wait = Wait { blockers: vec![blocker], phase: Some("building index".to_owned()), ..Wait::default() };
        assert_eq!(wait.to_string(), "waiting for process 7 (shop, login app, idle in transaction, for 31 s)");
    }

    #[test]
    fn a_working_statement_shows_its_phase() {
        let lasted = Duration::from_secs(20);
        let wait = Wait { lasted, phase: Some("building index".to_owned()), percent: Some(43), blockers: Vec::new() };
        assert_eq!(wait.to_string(), "still running after 20 s: building index, 43 %");
    }
}
