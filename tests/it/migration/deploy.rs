//! Concurrent deploys, and deploys after an interruption.

use std::time::Duration;

use rylie_migration::{DeployProgress, Engine, Error, MIGRATIONS, MigrationState, Migrations, Options, Refusal, Step};

use crate::support::made::{Made, list, migrations_of};
use crate::support::old_service::{fill, make_base, record_base};
use crate::support::sql::{Sql, deploy, from, is_sqlite, migrations, schema};

/// Eight start together on an empty database: each migration is applied once, and all eight succeed.
pub(crate) async fn eight_at_once_apply_each_migration_once(url: &str) {
    let eight: Vec<_> = (0..8).map(|_| tokio::spawn(start(url.to_owned()))).collect();
    let mut applied = Vec::new();
    for one in eight {
        applied.extend(one.await.unwrap());
    }
    applied.sort();

    let names: Vec<_> = MIGRATIONS.iter().map(|migration| migration.name()).collect();
    assert_eq!(applied, names);
}

async fn start(url: String) -> Vec<String> {
    deploy(&url).await
}

/// A second deploy changes nothing.
pub(crate) async fn a_second_deploy_has_nothing_to_do(url: &str) {
    deploy(url).await;
    assert_eq!(deploy(url).await, Vec::<String>::new());
}

/// After a kill at any step, the next run completes the work. PostgreSQL only; on SQLite a migration is one
/// transaction. Tests one step in ten, counted from a printed seed, or each step with `RYLIE_TEST_EVERY_STEP=1`.
pub(crate) async fn a_killed_deploy_is_taken_up_again(url: &str) {
    let every = if std::env::var_os("RYLIE_TEST_EVERY_STEP").is_some() { 1 } else { 10 };
    let seed =
        std::env::var("RYLIE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(std::process::id() as usize);
    println!("RYLIE_SEED={seed}");
    deploy(url).await;
    let expected = schema(url).await;
    let mut whole = migrations(url).await;
    for migration in MIGRATIONS.iter().filter(|migration| !migration.in_transaction(Engine::Postgres)) {
        let steps = migration.up(Engine::Postgres);
        for killed in (seed % every.min(steps.len() + 1)..=steps.len()).step_by(every) {
            let behind = MIGRATIONS.iter().rev().take_while(|other| other.name() >= migration.name()).count();
            whole.down(behind, &mut |_| ()).await.unwrap();
            // Also the step that was done but not recorded before the kill.
            do_steps(url, &steps[..killed]).await;
            whole.deploy(&mut |_| ()).await.unwrap();
        }
    }
    assert_eq!(schema(url).await, expected);
}

async fn do_steps(url: &str, steps: &[Step]) {
    let mut sql = Sql::connect(url).await;
    for step in steps {
        match step {
            // Killed during the batches, in the worst case before the first.
            Step::Batches(_) => (),
            step => sql.try_run(step.statement()).await.unwrap_or(()),
        }
    }
}

/// An invalid index is rebuilt. PostgreSQL only.
pub(crate) async fn an_invalid_index_is_made_anew(url: &str) {
    deploy(url).await;
    let mut migrations = migrations(url).await;
    migrations.down(from("replace_indexes"), &mut |_| ()).await.unwrap();
    let mut sql = Sql::connect(url).await;
    sql.run("CREATE INDEX \"Session_expires_idx\" ON \"Session\" (expires)").await;
    sql.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Session_expires_idx\"'::regclass").await;

    migrations.deploy(&mut |_| ()).await.unwrap();

    let valid = "SELECT indisvalid::text FROM pg_index WHERE indexrelid = '\"Session_expires_idx\"'::regclass";
    assert_eq!(sql.one(valid).await, "true");
}

/// A lock timeout names the holder. PostgreSQL only.
pub(crate) async fn a_held_lock_is_named(url: &str) {
    let (mut holder, pid) = hold_lock(url).await;
    let options = Options { wait: Duration::from_millis(300), ..Options::default() };
    let mut migrations = Migrations::connect_with(url, options).await.unwrap();
    let mut waited = false;

    let outcome = migrations.deploy(&mut |progress| waited |= matches!(progress, DeployProgress::Waiting { .. })).await;

    assert!(waited);
    match outcome {
        Err(Error::Locked { holder, .. }) => assert_eq!(holder.map(|holder| holder.pid), Some(pid)),
        other => panic!("{other:?}"),
    }
    holder.run("SELECT pg_advisory_unlock_all()").await;
    assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap().len(), MIGRATIONS.len());
}

/// Takes the migration lock manually. Returns the connection and its process id.
async fn hold_lock(url: &str) -> (Sql, i32) {
    let mut sql = Sql::connect(url).await;
    sql.run("SELECT pg_advisory_lock(8248743392429763943)").await;
    let pid = sql.one("SELECT pg_backend_pid()::text").await.parse().unwrap();
    (sql, pid)
}

/// A table in use is awaited in short, repeated attempts that do not block others, and its users are named. PostgreSQL
/// only.
pub(crate) async fn a_table_in_use_is_waited_for_in_short_turns(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    record_base(&mut sql).await;
    sql.run("BEGIN; SELECT * FROM \"Agency\"").await;
    let pid: i32 = sql.one("SELECT pg_backend_pid()::text").await.parse().unwrap();
    let options = Options { lock_timeout: Duration::from_millis(200), attempts: 3, ..Options::default() };
    let mut migrations = Migrations::connect_with(url, options).await.unwrap();

    match migrations.deploy(&mut |_| ()).await {
        Err(error @ Error::Blocked { .. }) => {
            let reported = error.to_string();
            assert!(
                reported.contains(&format!("process {pid} (")) && reported.contains("idle in transaction, for "),
                "{reported}"
            );
        }
        other => panic!("{other:?}"),
    }

    let ending = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sql.run("COMMIT").await;
    };
    let mut quiet = |_: DeployProgress<'_>| ();
    let (outcome, ()) = tokio::join!(migrations.deploy(&mut quiet), ending);
    outcome.unwrap();
}

/// Writes continue while old rows are filled in: none is lost, and every row is correct at the end. PostgreSQL only.
pub(crate) async fn writes_go_on_meanwhile(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    sql.run(
        "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") \
         SELECT 'n' || i, 'ann', 'r-ann', 't', 'PAGE', now() FROM generate_series(1, 60000) i",
    )
    .await;
    record_base(&mut sql).await;

    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = tokio::spawn(async move {
        let mut written = 0;
        while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            let agency = if written % 2 == 0 { "a2" } else { "a1" };
            sql.run(&format!("UPDATE \"Request\" SET \"agencyId\" = '{agency}' WHERE id = 'r-solo'")).await;
            sql.run(&format!(
                "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES ('w{written}', 'solo', 'r-solo', 't', 'PAGE', now())"
            ))
            .await;
            written += 1;
        }
        (sql, written)
    });
    deploy(url).await;
    stop.send(()).unwrap();
    let (mut sql, written) = writer.await.unwrap();

    assert!(written > 0);
    assert_eq!(sql.one("SELECT count(*)::text FROM \"Task\"").await, (60_003 + written).to_string());
    let wrong = "SELECT t.id FROM \"Task\" t JOIN \"Request\" r ON r.id = t.\"requestId\" WHERE t.\"tenantId\" <> r.\"tenantId\"";
    assert_eq!(sql.all(wrong).await, Vec::<String>::new());
}

/// Reads the status of an empty database and writes nothing.
pub(crate) async fn status_only_reads(url: &str) {
    let empty = schema(url).await;
    let status = migrations(url).await.status().await.unwrap();

    assert!(status.iter().all(|migration| migration.state == MigrationState::Pending));
    assert_eq!(schema(url).await, empty);
    let tables = if is_sqlite(url) {
        "SELECT name FROM sqlite_schema"
    } else {
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    };
    assert_eq!(Sql::connect(url).await.all(tables).await, Vec::<String>::new());
}

/// A migration of a later version is shown as unknown. It does not prevent this version from starting, and is not
/// reverted.
pub(crate) async fn a_later_version_is_left_alone(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    sql.run("INSERT INTO seaql_migrations VALUES ('m29990101_000001_later', 0)").await;

    let mut migrations = migrations(url).await;
    assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap(), Vec::<String>::new());
    assert_eq!(migrations.status().await.unwrap().last().unwrap().state, MigrationState::Unknown);
    assert!(matches!(migrations.down(1, &mut |_| ()).await, Err(Error::Refused(_))));
}

/// A lock that is awaited inside the server prevents another process's concurrent index build from completing.
pub(crate) async fn eight_at_once_build_an_index_concurrently(url: &str) {
    let make = |name, sql: &'static str| Made { up: vec![Step::Sql(sql.into())], ..Made::table(name, "indexed") };
    let index = Step::ConcurrentIndex {
        name: "indexed_n_idx".into(),
        sql: "CREATE INDEX CONCURRENTLY IF NOT EXISTS indexed_n_idx ON indexed (n)".into(),
    };
    let list = list([
        make("m99990101_000001_a", "CREATE TABLE IF NOT EXISTS indexed AS SELECT n FROM generate_series(1, 100000) n"),
        Made { up: vec![index], ..Made::table("m99990101_000002_b", "indexed") },
    ]);
    let eight: Vec<_> = (0..8)
        .map(|_| {
            let url = url.to_owned();
            tokio::spawn(async move { migrations_of(&url, list).await.deploy(&mut |_| ()).await.unwrap() })
        })
        .collect();
    let mut applied = Vec::new();
    for one in eight {
        applied.extend(one.await.unwrap());
    }
    applied.sort();

    assert_eq!(applied, list.iter().map(|migration| migration.name()).collect::<Vec<_>>());
}

/// The next deploy drops the remains of an interrupted `REINDEX CONCURRENTLY`, and rebuilds another invalid index.
pub(crate) async fn leftovers_of_a_reindex_are_removed(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    sql.run("CREATE INDEX \"Session_expires_idx_ccnew\" ON \"Session\" (expires)").await;
    sql.run(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('\"Session_expires_idx_ccnew\"'::regclass, '\"Agency_tenantId_idx\"'::regclass)",
    )
    .await;

    assert_eq!(deploy(url).await, Vec::<String>::new());

    let left = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid OR indexrelid::regclass::text ~ '_cc(new|old)'";
    assert_eq!(sql.all(left).await, Vec::<String>::new());
}

/// A change that waits for an idle transaction blocks readers, but never longer than its own lock timeout.
pub(crate) async fn readers_do_not_queue_behind_a_waiting_change(url: &str) {
    deploy(url).await;
    let mut idle = Sql::connect(url).await;
    idle.run("BEGIN; SELECT id FROM \"Agency\"").await;
    let change = Step::Sql("ALTER TABLE \"Agency\" ADD COLUMN IF NOT EXISTS extra text".into());
    let mut list = MIGRATIONS.to_vec();
    list.push(Box::leak(Box::new(Made { up: vec![change], ..Made::table("m99990101_000001_alter", "none") })));
    let options = Options { lock_timeout: Duration::from_millis(300), attempts: 5, ..Options::default() };
    let mut migrations = Migrations::connect_with(url, options).await.unwrap().with_list(list.leak());
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let mut reader = Sql::connect(url).await;
    // The server ends a read that waits longer, and the test fails.
    reader.run("SET lock_timeout = '2s'").await;
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            reader.run("SELECT id FROM \"Agency\"").await;
            read += 1;
        }
        read
    });

    let outcome = migrations.deploy(&mut |_| ()).await;

    stop.send(()).unwrap();
    assert!(reading.await.unwrap() > 0);
    assert!(matches!(outcome, Err(Error::Blocked { attempts: 5, .. })), "{outcome:?}");
    let status = migrations.status().await.unwrap().pop().unwrap();
    assert_eq!(
        (status.state, status.detail.as_deref()),
        (MigrationState::Failed, Some("being applied, step 1: error 55P03"))
    );
}

/// `IF NOT EXISTS` would keep a table that has one of our names and another shape.
pub(crate) async fn a_table_of_another_shape_is_refused_by_name(url: &str) {
    let behind = from("create_job_runs");
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    migrations(url).await.down(behind, &mut |_| ()).await.unwrap();
    for (made, detail) in [
        ("CREATE TABLE rylie_job_runs (job text)", "it lacks the column"),
        ("CREATE TABLE rylie_alerts (name integer, target integer)", "it lacks the column"),
    ] {
        sql.run(made).await;
        let table = made.split_whitespace().nth(2).unwrap();

        match migrations(url).await.deploy(&mut |_| ()).await {
            Err(Error::Refused(Refusal::OtherShape { table: named, detail: found })) => {
                assert_eq!(named, table);
                assert!(found.starts_with(detail), "{found}");
            }
            other => panic!("{other:?}"),
        }
        sql.run(&format!("DROP TABLE {table}")).await;
    }
    deploy(url).await;
    assert_eq!(
        migrations(url).await.status().await.unwrap().iter().filter(|one| one.state != MigrationState::Applied).count(),
        0
    );
}
