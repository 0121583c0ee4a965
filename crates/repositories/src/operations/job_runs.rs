//! The scheduler's runs: one row per job and due time.
//!
//! Leases use the database's clock only. The clocks of the processes may be wrong, and may jump.
//!
//! This file is long because each statement is next to the guarantee that it implements.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_entities::Timestamp;
use sea_orm::{DbBackend, QueryResult, Value};
use serde::Serialize;

use crate::tx::Tx;
use crate::{Error, Result};

/// Job runs. They contain no tenant's rows, so access is not recorded.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait JobRunRepository: Send + Sync {
    /// Registers a job: its due times count from `at`. Does nothing if the job is already registered.
    async fn register(&self, job: &str, at: DateTime<Utc>) -> Result<()>;

    /// Returns the latest settled due time of each job: claimed, skipped, or stored by [`register`](Self::register).
    /// Excludes jobs that were never registered. One statement.
    async fn settled(&self, jobs: &[String]) -> Result<HashMap<String, DateTime<Utc>>>;

    /// Returns when the database was initialised. Earlier due times do not count. Fails with [`Error::NotFound`] if
    /// `rylie_database` has no row.
    async fn begun(&self) -> Result<DateTime<Utc>>;

    /// Returns every running run, including abandoned ones. One statement.
    async fn running(&self) -> Result<Vec<JobRun>>;

    /// Returns the run that began last, running or finished.
    async fn last_run(&self, job: &str) -> Result<Option<JobRun>>;

    /// Returns the run that failed last.
    async fn last_failure(&self, job: &str) -> Result<Option<JobRun>>;

    /// Claims a due time for one caller among all processes. Returns `None` if it or a later one is claimed, or if
    /// another run of the job is running. A `manual` run is independent of the schedule and settles no due time.
    async fn claim(
        &self,
        job: &str,
        due: DateTime<Utc>,
        manual: bool,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<Lease>>;

    /// Takes over a run whose lease has expired. Returns `None` if its holder is alive or another process was faster.
    async fn take_over(&self, run: &Lease, holder: &str, lease: Duration) -> Result<Option<Lease>>;

    /// Renews a lease from now; `false` if it is lost.
    async fn prolong(&self, held: &Lease, lease: Duration) -> Result<bool>;

    /// Releases a lease, so that another process may take the run over at once.
    async fn release(&self, held: &Lease) -> Result<()>;

    /// Finishes a run, as done or as failed with this error. Returns `false` and changes nothing if the lease is lost.
    /// In one unit with the job's work, both take effect or neither does.
    #[allow(clippy::needless_lifetimes, reason = "the mock needs the name")]
    async fn finish<'a>(&self, held: &Lease, error: Option<&'a str>) -> Result<bool>;

    /// Settles a due time without a run.
    async fn skip(&self, job: &str, due: DateTime<Utc>) -> Result<()>;

    /// Deletes at most `batch` runs that were due before `before`. Each job's last settled due time and running runs
    /// are kept at any age. Returns the number of deleted runs.
    async fn forget(&self, before: DateTime<Utc>, batch: u64) -> Result<u64>;
}

/// The right to execute one run until another process takes it over. `attempt` is the fencing token: each takeover
/// increases it, and writes under an older one are refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// Name of the job.
    pub job: String,
    /// When the run was due.
    pub due: DateTime<Utc>,
    /// 1 at first; each takeover adds 1.
    pub attempt: i64,
}

/// The status of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunStatus {
    /// Running, or its holder has died.
    Running,
    /// Succeeded.
    Done,
    /// Failed.
    Failed,
}

/// One run of a job. All times except `due` are the database's.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct JobRun {
    /// Name of the job.
    pub job: String,
    /// When it was due; for a manual run, when it was requested.
    pub due: DateTime<Utc>,
    /// Whether a person requested it.
    pub manual: bool,
    /// Its status.
    pub status: RunStatus,
    /// The process that holds or held it.
    pub holder: String,
    /// Number of processes that have held it.
    pub attempt: i64,
    /// When the last attempt began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
    /// Why it failed, without values of rows or parameters.
    pub error: Option<String>,
    /// Whether its lease has expired, so that another process may take it over.
    pub abandoned: bool,
}

impl JobRun {
    /// Returns the lease that is needed to take the run over.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease { job: self.job.clone(), due: self.due, attempt: self.attempt }
    }
}

/// Returns the SQL of the current time of the database's clock.
fn now(engine: DbBackend) -> &'static str {
    match engine {
        DbBackend::Postgres => "(clock_timestamp() AT TIME ZONE 'UTC')::timestamp(3)",
        _ => "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    }
}

/// Returns the SQL of the current time plus `parameter` milliseconds.
fn later(engine: DbBackend, parameter: &str) -> String {
    match engine {
        DbBackend::Postgres => format!("({} + {parameter} * interval '1 millisecond')", now(engine)),
        _ => format!("strftime('%Y-%m-%d %H:%M:%f', 'now', ({parameter} / 1000.0) || ' seconds')"),
    }
}

fn millis(lease: Duration) -> Value {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX).into()
}

fn stored(at: DateTime<Utc>) -> Value {
    Timestamp::from(at).into()
}

/// The conditions of a lease that is still held.
const HELD: &str = "job = $1 AND due = $2 AND attempt = $3 AND status = 'running'";

fn held(lease: &Lease) -> Vec<Value> {
    vec![lease.job.as_str().into(), stored(lease.due), lease.attempt.into()]
}

#[async_trait]
impl JobRunRepository for Tx {
    async fn register(&self, job: &str, at: DateTime<Utc>) -> Result<()> {
        // The unique index on registered rows accepts one where several processes register a job concurrently.
        const SQL: &str = "INSERT INTO rylie_job_runs (job, due, status, manual) SELECT $1, $2, 'registered', false \
             WHERE NOT EXISTS (SELECT 1 FROM rylie_job_runs WHERE job = $1 AND NOT manual) ON CONFLICT DO NOTHING";
        let values = vec![job.into(), stored(at)];
        self.operations()?.run(SQL, values).await.map(drop)
    }

    async fn settled(&self, jobs: &[String]) -> Result<HashMap<String, DateTime<Utc>>> {
        let names = serde_json::Value::from(jobs.to_vec()).to_string();
        let each = match self.engine() {
            DbBackend::Postgres => "json_array_elements_text($1::json) AS j(job)",
            _ => "(SELECT value AS job FROM json_each($1)) AS j",
        };
        let sql = format!(
            "SELECT j.job, (SELECT r.due FROM rylie_job_runs r WHERE r.job = j.job AND NOT r.manual ORDER BY r.due DESC LIMIT 1) AS due \
             FROM {each}"
        );
        let rows = self.operations()?.rows(&sql, vec![names.into()]).await?;
        let rows = rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index::<Option<Timestamp>>(1)?)));
        let rows: Result<Vec<(String, Option<Timestamp>)>> = rows.collect();
        Ok(rows?.into_iter().filter_map(|(job, due)| Some((job, due?.utc()))).collect())
    }

    async fn begun(&self) -> Result<DateTime<Utc>> {
        let rows = self.operations()?.rows("SELECT created_at FROM rylie_database", Vec::new()).await?;
        let mark = rows.first().ok_or(Error::NotFound { entity: "rylie_database" })?;
        Ok(mark.try_get::<Timestamp>("", "created_at")?.utc())
    }

    async fn running(&self) -> Result<Vec<JobRun>> {
        self.runs("status = 'running' ORDER BY job", Vec::new()).await
    }

    async fn last_run(&self, job: &str) -> Result<Option<JobRun>> {
        let condition = "job = $1 AND status IN ('running', 'done', 'failed') ORDER BY due DESC LIMIT 1";
        Ok(self.runs(condition, vec![job.into()]).await?.pop())
    }

    async fn last_failure(&self, job: &str) -> Result<Option<JobRun>> {
        let condition = "job = $1 AND status = 'failed' ORDER BY due DESC LIMIT 1";
        Ok(self.runs(condition, vec![job.into()]).await?.pop())
    }

    async fn claim(
        &self,
        job: &str,
        due: DateTime<Utc>,
        manual: bool,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<Lease>> {
        let engine = self.engine();
        // Unique are (job, due) and a job's running run: a due time is claimed once, and no runs overlap.
        let sql = format!(
            "INSERT INTO rylie_job_runs (job, due, status, manual, holder, attempt, started, leased_until) \
             SELECT $1, $2, 'running', $3, $4, 1, {}, {} WHERE $3 OR NOT EXISTS (\
             SELECT 1 FROM rylie_job_runs WHERE job = $1 AND due >= $2 AND NOT manual) ON CONFLICT DO NOTHING",
            now(engine),
            later(engine, "$5")
        );
        let values = vec![job.into(), stored(due), manual.into(), holder.into(), millis(lease)];
        let claimed = self.operations()?.run(&sql, values).await? > 0;
        Ok(claimed.then(|| Lease { job: job.to_owned(), due, attempt: 1 }))
    }

    async fn take_over(&self, run: &Lease, holder: &str, lease: Duration) -> Result<Option<Lease>> {
        let engine = self.engine();
        let sql = format!(
            "UPDATE rylie_job_runs SET holder = $4, attempt = attempt + 1, started = {now}, leased_until = {} \
             WHERE {HELD} AND leased_until <= {now}",
            later(engine, "$5"),
            now = now(engine)
        );
        let values = [held(run), vec![holder.into(), millis(lease)]].concat();
        let cached = self.operations()?.run(&sql, values).await? > 0;
        Ok(cached.then(|| Lease { attempt: run.attempt + 1, ..run.clone() }))
    }

    async fn prolong(&self, lease: &Lease, by: Duration) -> Result<bool> {
        let sql = format!("UPDATE rylie_job_runs SET leased_until = {} WHERE {HELD}", later(self.engine(), "$4"));
        Ok(self.operations()?.run(&sql, [held(lease), vec![millis(by)]].concat()).await? > 0)
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let sql = format!("UPDATE rylie_job_runs SET leased_until = {} WHERE {HELD}", now(self.engine()));
        self.operations()?.run(&sql, held(lease)).await.map(drop)
    }

    #[allow(clippy::needless_lifetimes, reason = "as the trait")]
    async fn finish<'a>(&self, lease: &Lease, error: Option<&'a str>) -> Result<bool> {
        let sql = format!(
            "UPDATE rylie_job_runs SET status = $4, error = $5, finished = {}, leased_until = NULL WHERE {HELD}",
            now(self.engine())
        );
        let status = if error.is_some() { "failed" } else { "done" };
        let values = [held(lease), vec![status.into(), error.map(str::to_owned).into()]].concat();
        Ok(self.operations()?.run(&sql, values).await? > 0)
    }

    async fn skip(&self, job: &str, due: DateTime<Utc>) -> Result<()> {
        const SQL: &str = "INSERT INTO rylie_job_runs (job, due, status, manual) VALUES ($1, $2, 'skipped', false) \
             ON CONFLICT DO NOTHING";
        self.operations()?.run(SQL, vec![job.into(), stored(due)]).await.map(drop)
    }

    async fn forget(&self, before: DateTime<Utc>, batch: u64) -> Result<u64> {
        const SQL: &str = "DELETE FROM rylie_job_runs WHERE (job, due) IN (\
             SELECT r.job, r.due FROM rylie_job_runs r WHERE r.due < $1 AND r.status <> 'running' AND (r.manual OR EXISTS (\
             SELECT 1 FROM rylie_job_runs l WHERE l.job = r.job AND l.due > r.due AND NOT l.manual)) ORDER BY r.due LIMIT $2)";
        let batch = i64::try_from(batch).unwrap_or(i64::MAX);
        self.operations()?.run(SQL, vec![stored(before), batch.into()]).await
    }
}

impl Tx {
    async fn runs(&self, condition: &str, values: Vec<Value>) -> Result<Vec<JobRun>> {
        let sql = format!(
            "SELECT job, due, manual, status, holder, attempt, started, finished, error, \
             status = 'running' AND leased_until <= {} AS abandoned FROM rylie_job_runs WHERE {condition}",
            now(self.engine())
        );
        self.operations()?.rows(&sql, values).await?.iter().map(run).collect()
    }
}

fn run(row: &QueryResult) -> Result<JobRun> {
    let at = |column: &str| row.try_get::<Option<Timestamp>>("", column).map(|at| at.map(Timestamp::utc));
    let status: String = row.try_get("", "status")?;
    Ok(JobRun {
        job: row.try_get("", "job")?,
        due: row.try_get::<Timestamp>("", "due")?.utc(),
        manual: row.try_get("", "manual")?,
        status: match status.as_str() {
            "running" => RunStatus::Running,
            "done" => RunStatus::Done,
            _ => RunStatus::Failed,
        },
        holder: row.try_get("", "holder")?,
        attempt: row.try_get("", "attempt")?,
        started: at("started")?,
        finished: at("finished")?,
        error: row.try_get("", "error")?,
        abandoned: row.try_get("", "abandoned")?,
    })
}
