//! Filling the tenant key of a live database: the work is linear, each batch is short, and it ends with its client.
//! PostgreSQL only.

use std::time::Duration;

use rylie_migration::{AdoptOptions, DeployProgress, MIGRATIONS, Options, Step, steps_sent};
use rylie_testkit::{Cluster, DelayProxy, Lost};

use crate::support::old_service::{fill, make_base, record_base};
use crate::support::sql::{Sql, deploy, migrations};

/// The planner's statistics at the beginning of an adoption.
#[derive(Clone, Copy, Debug)]
enum Statistics {
    /// As maintained by autovacuum.
    Fresh,
    /// From a time with hardly any rows.
    Stale,
    /// None.
    Missing,
    /// None, and the server cannot gather any.
    Impossible,
}

/// Adds three tasks a request, and a user of an agency for every tenth.
async fn add_tasks(sql: &mut Sql, from: u32, to: u32) {
    sql.run(&format!(
        "INSERT INTO \"Agency\" (id, name, \"updatedAt\") SELECT 'a' || n, 'n', now() FROM generate_series({from}, {to}, 100) n; \
         INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") \
         SELECT 'u' || n, 'u' || n, 'a' || ({from} + (n - {from}) / 100 * 100), now() FROM generate_series({from}, {to}, 10) n; \
         INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
         SELECT 'r' || lpad(n::text, 9, '0'), u.id, u.\"agencyId\", 't', 'd', 'x', now() \
         FROM generate_series({from}, {to}, 3) n JOIN \"User\" u ON u.id = 'u' || ({from} + (n - {from}) / 10 * 10); \
         INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") \
         SELECT 't' || lpad(n::text, 9, '0'), r.\"userId\", r.id, 't', 'PAGE', now() FROM generate_series({from}, {to}) n \
         JOIN \"Request\" r ON r.id = 'r' || lpad(({from} + (n - {from}) / 3 * 3)::text, 9, '0')"
    ))
    .await;
}

/// Returns the rows that all statements of an adoption read, per task.
async fn rows_read(tasks: u32, statistics: Statistics) -> u64 {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    make_base(&database.url()).await;
    let mut sql = Sql::connect(&database.url()).await;
    if matches!(statistics, Statistics::Stale) {
        add_tasks(&mut sql, 1, 10).await;
        sql.run("ANALYZE").await;
    }
    add_tasks(&mut sql, 101, 100 + tasks).await;
    if matches!(statistics, Statistics::Fresh) {
        sql.run("VACUUM ANALYZE").await;
    }
    if matches!(statistics, Statistics::Impossible) {
        no_statistics(&mut sql).await;
    }
    let before = counted(&mut sql).await;
    migrations(&database.url()).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    wait_for_end(&mut sql).await;
    let missing = "SELECT count(*)::text FROM \"Task\" WHERE \"tenantId\" IS NULL";
    assert_eq!(sql.one(missing).await, "0");
    (counted(&mut sql).await - before) / u64::from(tasks)
}

/// Makes `ANALYZE` of the filled tables fail: it computes an index's expression, and this one fails for it.
async fn no_statistics(sql: &mut Sql) {
    sql.run(
        "CREATE FUNCTION unanalyzed(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN \
         IF EXISTS (SELECT FROM pg_stat_progress_analyze WHERE pid = pg_backend_pid()) THEN RAISE 'no statistics'; END IF; \
         RETURN t; END $$",
    )
    .await;
    for table in ["Agency", "User", "Request", "Task"] {
        sql.run(&format!("CREATE INDEX \"unanalyzed_{table}\" ON \"{table}\" (unanalyzed(id))")).await;
        sql.try_run(&format!("ANALYZE \"{table}\"")).await.unwrap_err();
    }
}

async fn counted(sql: &mut Sql) -> u64 {
    let read = "SELECT pg_stat_force_next_flush()::text || sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables";
    sql.one(read).await.parse().unwrap()
}

/// A session reports its counts when it ends.
async fn wait_for_end(sql: &mut Sql) {
    let session =
        "SELECT 'one' FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rylie/%'";
    for _ in 0..200 {
        if sql.all(session).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the session of a migration that is gone is still there");
}

/// Eight times as many tasks take eight times the work, with any statistics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_reads_each_row_as_often_however_many_there_are() {
    for statistics in [Statistics::Fresh, Statistics::Stale, Statistics::Missing, Statistics::Impossible] {
        let (few, many) = (rows_read(1_000, statistics).await, rows_read(8_000, statistics).await);

        assert!(many <= few + few / 4, "{statistics:?}: {few} rows a task with 1,000 tasks, {many} with 8,000");
        assert!(many < 100, "{statistics:?}: {many} rows a task");
    }
}

/// No statement in batches joins a table to itself or scans a table, with any statistics.
pub(crate) async fn a_batch_reaches_its_rows_by_an_index(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    sql.run("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off").await;
    for analyzed in [false, true] {
        if analyzed {
            sql.run("ANALYZE").await;
        }
        for step in steps_sent(MIGRATIONS[2], rylie_migration::Engine::Postgres) {
            let Step::Batches(batches) = step else { continue };
            let batch = batches.replace("$1", "''").replace("$2", "500");
            let plan = sql.all(&format!("EXPLAIN {batch}")).await.join("\n");
            assert!(!plan.contains("Nested Loop") && !plan.contains("Seq Scan") && !plan.contains("Join"), "{plan}");
        }
    }
}

async fn slow_down(sql: &mut Sql, seconds: &str) {
    sql.run(&format!(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$; \
         CREATE TRIGGER slow BEFORE UPDATE ON \"Task\" FOR EACH ROW EXECUTE FUNCTION slow(); \
         ALTER TABLE \"Task\" ENABLE ALWAYS TRIGGER slow"
    ))
    .await;
}

async fn with_slow_tasks(url: &str, tasks: u32, seconds: &str) -> Sql {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    add_tasks(&mut sql, 1, tasks).await;
    record_base(&mut sql).await;
    slow_down(&mut sql, seconds).await;
    sql
}

/// A batch that would lock its rows too long is rolled back and retried with fewer rows. Each completed batch is
/// reported.
pub(crate) async fn a_batch_that_takes_too_long_is_made_smaller(url: &str) {
    let mut sql = with_slow_tasks(url, 120, "0.01").await;
    let mut reported = Vec::new();

    let mut hear = |progress: DeployProgress<'_>| {
        if let DeployProgress::Rows { done, .. } = progress {
            reported.push(done);
        }
    };
    migrations(url).await.deploy(&mut hear).await.unwrap();

    let filled = "SELECT count(*)::text FROM \"Task\" WHERE \"tenantId\" IS NOT NULL";
    assert_eq!(sql.one(filled).await, "120");
    assert!(reported.iter().any(|done| *done < 100), "120 rows of 10 ms each are more than one batch: {reported:?}");
}

/// A single row that exceeds the time limit of a batch still gets its key.
pub(crate) async fn a_slow_row_is_filled_all_the_same(url: &str) {
    let mut sql = with_slow_tasks(url, 2, "0.2").await;
    let options = Options { batch_timeout: Duration::from_millis(50), ..Options::default() };

    let mut migrations = rylie_migration::Migrations::connect_with(url, options).await.unwrap();
    migrations.deploy(&mut |_| ()).await.unwrap();

    assert_eq!(sql.one("SELECT count(*)::text FROM \"Task\" WHERE \"tenantId\" IS NOT NULL").await, "2");
}

/// A disconnected client leaves no statement that locks rows.
pub(crate) async fn a_batch_ends_with_its_client(url: &str) {
    let mut sql = with_slow_tasks(url, 5, "120").await;
    let gone = url.to_owned();
    let deploying = tokio::spawn(async move { migrations(&gone).await.deploy(&mut |_| ()).await });
    let asleep = "SELECT 'one' FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep' \
                  AND state_change < clock_timestamp() - interval '1 second'";
    while sql.all(asleep).await.is_empty() {
        assert!(!deploying.is_finished());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    deploying.abort();

    wait_for_end(&mut sql).await;
    assert_eq!(sql.one("SELECT count(*)::text FROM \"Task\" WHERE \"tenantId\" IS NULL").await, "5");
}

/// A client whose network stops inside a batch, or that is stopped itself, leaves no row locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_locks_no_row_for_a_client_that_stops() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let mut sql = with_slow_tasks(&database.url(), 1, "1").await;
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let through = database.url_at(&proxy.address().to_string());
    let options = Options { batch_timeout: Duration::from_mins(1), ..Options::default() };
    let deploying = tokio::spawn(async move {
        rylie_migration::Migrations::connect_with(&through, options).await.unwrap().deploy(&mut |_| ()).await
    });
    until(&mut sql, "wait_event = 'PgSleep'").await;

    proxy.lose(Lost::Everything);

    // Waits for the row and for the slow trigger.
    sql.run("SET lock_timeout = '20s'").await;
    sql.run("UPDATE \"Task\" SET title = 'written' WHERE id = 't000000001'").await;
    assert_eq!(sql.one("SELECT count(*)::text FROM \"Task\" WHERE \"tenantId\" IS NOT NULL").await, "1");
    deploying.abort();
}

/// The same inside a transaction of several messages: the server ends the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_locks_no_row_for_a_client_that_stops() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = &database.url();
    deploy(url).await;
    let (mut sql, mut other) = (Sql::connect(url).await, Sql::connect(url).await);
    other.run("BEGIN; UPDATE rylie_database SET state = state").await;
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let through = database.url_at(&proxy.address().to_string());
    let marking = tokio::spawn(async move {
        let mut migrations = migrations(&through).await;
        migrations.mark_environment(rylie_migration::Environment::Staging, Some("a test")).await
    });
    until(&mut sql, "wait_event_type = 'Lock'").await;
    proxy.lose(Lost::Everything);

    other.run("COMMIT; SET lock_timeout = '20s'").await;

    until(&mut sql, "state = 'idle in transaction'").await;
    other.run("UPDATE rylie_database SET state = state").await;
    marking.abort();
}

/// Waits until a session of ours is in this state.
async fn until(sql: &mut Sql, state: &str) {
    let session = format!(
        "SELECT 'one' FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rylie/%' AND {state}"
    );
    for _ in 0..600 {
        if !sql.all(&session).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no session of ours: {state}");
}

/// Autovacuum works on a table that was just filled, and yields after `deadlock_timeout` at the earliest.
pub(crate) async fn statistics_wait_for_autovacuum(url: &str) {
    let (done, mut other, _) = analyzed_beside_a_vacuum(url).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.run("ROLLBACK").await;

    done.await.unwrap().unwrap();

    let known = "SELECT count(*)::text FROM pg_stats WHERE tablename = 'Task' AND attname = 'tenantId'";
    assert_eq!(other.one(known).await, "1");
}

/// One that goes on, as a vacuum against wraparound does, costs the statistics and not the migration.
pub(crate) async fn missing_statistics_fail_no_migration(url: &str) {
    let (done, mut other, mut observer) = analyzed_beside_a_vacuum(url).await;
    let analyzing = "SELECT 'one' FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'ANALYZE%'";
    while !observer.all(analyzing).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    other.run("ROLLBACK").await;

    done.await.unwrap().unwrap();
}

/// Deploys while another session holds a vacuum's lock on the tasks. Returns when our session waits for that lock.
async fn analyzed_beside_a_vacuum(
    url: &str,
) -> (tokio::task::JoinHandle<rylie_migration::Result<Vec<String>>>, Sql, Sql) {
    let (mut sql, mut observer) = (with_slow_tasks(url, 3, "0.5").await, Sql::connect(url).await);
    let gone = url.to_owned();
    let deploying = tokio::spawn(async move { migrations(&gone).await.deploy(&mut |_| ()).await });
    until(&mut observer, "wait_event = 'PgSleep'").await;
    sql.run("BEGIN; LOCK TABLE \"Task\" IN SHARE UPDATE EXCLUSIVE MODE").await;
    until(&mut observer, "wait_event_type = 'Lock' AND query LIKE 'ANALYZE%'").await;
    (deploying, sql, observer)
}

/// The login and the database may set other defaults for their sessions.
pub(crate) async fn a_batch_reads_what_is_committed(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    add_tasks(&mut sql, 1, 10).await;
    record_base(&mut sql).await;
    sql.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF current_setting('transaction_isolation') <> 'read committed' THEN RAISE 'isolation %', current_setting('transaction_isolation'); END IF; \
         RETURN NEW; END $$; CREATE TRIGGER refuse BEFORE UPDATE ON \"Task\" FOR EACH ROW EXECUTE FUNCTION refuse(); \
         ALTER TABLE \"Task\" ENABLE ALWAYS TRIGGER refuse; \
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); \
         EXECUTE format('ALTER DATABASE %I SET quote_all_identifiers = on', current_database()); END $$",
    )
    .await;

    deploy(url).await;

    assert_eq!(sql.one("SELECT count(*)::text FROM \"Task\" WHERE \"tenantId\" IS NULL").await, "0");
}

/// An earlier version may have been killed during its own statement.
pub(crate) async fn what_a_released_statement_began_is_continued(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    add_tasks(&mut sql, 1, 5_400).await;
    record_base(&mut sql).await;
    let released = MIGRATIONS[2].up(rylie_migration::Engine::Postgres);
    let of_tasks = |step: &Step| matches!(step, Step::Batches(sql) if sql.contains("FROM \"Task\" WHERE"));
    let last = released.iter().position(of_tasks).unwrap();
    for step in &released[..=last] {
        match step {
            // Users and requests fit into one batch.
            Step::Batches(batch) if !of_tasks(step) => {
                sql.all(&batch.replace("$1", "''").replace("SELECT nullif(id, '')", "SELECT 'done'")).await;
            }
            Step::Batches(batch) => {
                let half = batch.replace("$1", "''").replace("LIMIT 5000", "LIMIT 700");
                sql.run(&half).await;
            }
            step => sql.run(step.statement()).await,
        }
    }

    deploy(url).await;

    let wrong = "SELECT t.id FROM \"Task\" t JOIN \"Request\" r ON r.id = t.\"requestId\" WHERE t.\"tenantId\" IS DISTINCT FROM r.\"agencyId\"";
    assert_eq!(sql.all(wrong).await, Vec::<String>::new());
}
