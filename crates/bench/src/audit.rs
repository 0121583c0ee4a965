//! Seals and verifies an audit log, on PostgreSQL or SQLite. Each step runs in its own process, so that its peak memory
//! is its own.

use std::time::Instant;

use rylie_db::audit::{Outside, SigningKey, Verifier};
use rylie_db::maintenance::{seal_audit, verify_audit};
use rylie_db::prelude::{Config, Database};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use crate::measure::median;
use crate::process::{ServerTime, cpu_seconds, peak_memory};
use crate::{Result, settings};

/// Adds the records of a round, on PostgreSQL and on SQLite: 200 tenants, 1,000 users, and details of 100 to 200 bytes.
const FILL: [&str; 2] = [include_str!("audit/postgres.sql"), include_str!("audit/sqlite.sql")];

/// Measures `records` new records in each of `REPS` rounds, and prints one line of JSON for each step and its medians.
pub(crate) async fn compare(records: u64) -> Result<()> {
    connect().await?.migrate().await?;
    let (mut sealing, mut verifying) = (Vec::new(), Vec::new());
    for round in 1..=settings::repetitions() {
        fill(records, round).await?;
        sealing.push(in_own_process("audit-seal").await?);
        verifying.push(in_own_process("audit-verify").await?);
    }
    for (step, rates) in [("seal", sealing), ("verify", verifying)] {
        println!(r#"{{"step":"{step}","median_records_per_s":{:.0}}}"#, median(rates));
    }
    Ok(())
}

/// Seals all waiting records.
pub(crate) async fn seal() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = SigningKey::create(&folder.path().join("key"))?;
    let database = connect().await?;
    let begun = Begun::now().await?;
    let records = seal_audit(&*database.store(), &key, &[]).await?.records;
    begun.report("seal", records).await
}

/// Verifies the whole log, without checkpoints from outside.
pub(crate) async fn verify() -> Result<()> {
    let database = connect().await?;
    let begun = Begun::now().await?;
    let reader = database.audit_reader().await?;
    let verification = verify_audit(&reader, Verifier::new(&[], Outside::default()), &mut |_, _| ()).await?;
    match verification.first_bad {
        None => begun.report("verify", verification.seen.records).await,
        Some(finding) => Err(finding.to_string().into()),
    }
}

/// The beginning of a step.
struct Begun {
    at: Instant,
    client: f64,
    server: Option<ServerTime>,
}

impl Begun {
    async fn now() -> Result<Self> {
        Ok(Self { server: server_time().await?, client: cpu_seconds(), at: Instant::now() })
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of records is far below 2^52")]
    async fn report(self, step: &str, records: u64) -> Result<()> {
        let (seconds, client, records) = (self.at.elapsed().as_secs_f64(), cpu_seconds() - self.client, records as f64);
        let server = server_time().await?.zip(self.server).and_then(|(now, before)| now.seconds_since(before));
        let server = server.map_or_else(|| "null".to_owned(), |seconds| format!("{seconds:.2}"));
        println!(
            r#"{{"step":"{step}","records":{records:.0},"secs":{seconds:.3},"records_per_s":{:.0},"client_cpu_s":{client:.2},"server_cpu_s":{server},"rss_peak_mb":{:.1}}}"#,
            records / seconds,
            peak_memory(),
        );
        Ok(())
    }
}

/// Returns the processor time of the server; `None` if the server is not on this machine. SQLite works in the client.
async fn server_time() -> Result<Option<ServerTime>> {
    if sqlite() {
        return Ok(None);
    }
    let mut owner = PgConnection::connect(&settings::owner_url()?).await?;
    let backend = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut owner).await?.try_get(0)?;
    // Read before the connection is closed, which ends the process.
    let time = ServerTime::of(backend);
    owner.close().await?;
    Ok(time)
}

/// Runs a step in a new process, prints its line, and returns its rate.
async fn in_own_process(step: &str) -> Result<f64> {
    let mut run = tokio::process::Command::new(std::env::current_exe()?);
    let done = run.arg(step).stderr(std::process::Stdio::inherit()).output().await?;
    if !done.status.success() {
        return Err(format!("{step} failed").into());
    }
    let line = String::from_utf8(done.stdout)?;
    print!("{line}");
    let parsed: serde_json::Value = serde_json::from_str(&line)?;
    parsed["records_per_s"].as_f64().ok_or_else(|| "no rate".into())
}

async fn connect() -> Result<Database> {
    let config = Config::builder().set("database_url", settings::owner_url()?)?.build()?;
    Ok(Database::connect(config).await?)
}

async fn fill(records: u64, round: u64) -> Result<()> {
    let url = settings::owner_url()?;
    let statement =
        |sql: &str| AssertSqlSafe(sql.replace("$RECORDS", &records.to_string()).replace("$ROUND", &round.to_string()));
    if sqlite() {
        let mut owner = SqliteConnection::connect(&url).await?;
        sqlx::raw_sql(statement(FILL[1])).execute(&mut owner).await?;
        owner.close().await?;
    } else {
        let mut owner = PgConnection::connect(&url).await?;
        sqlx::raw_sql(statement(FILL[0])).execute(&mut owner).await?;
        owner.close().await?;
    }
    Ok(())
}

fn sqlite() -> bool {
    settings::owner_url().is_ok_and(|url| url.starts_with("sqlite:"))
}
