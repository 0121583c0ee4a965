//! A deploy killed with SIGKILL, at each statement of a migration outside a transaction. PostgreSQL only.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rylie_migration::{DeployProgress, Engine, Error, MIGRATIONS, MigrationState, Refusal, Resolution, Step};

use crate::support::made::{List, Made, list, migrations_of};
use crate::support::sql::{Sql, deploy, from, migrations, schema};

const URL: &str = "RYLIE_TEST_KILLED_DEPLOY";
/// The step before which the process kills itself.
const STEP: &str = "RYLIE_TEST_KILLED_BEFORE";

const NAME: &str = "m99990101_000001_do_five";

/// Five statements that can each be blocked: by an advisory lock of their number, the last one by an old snapshot.
fn five() -> List {
    let insert = |n: u8, condition: &str| {
        format!("INSERT INTO five SELECT {n} FROM (SELECT pg_advisory_xact_lock({n})) held {condition}").into()
    };
    let up = vec![
        Step::Sql(
            "DO $$ BEGIN PERFORM pg_advisory_xact_lock(1); CREATE TABLE IF NOT EXISTS five (n integer); END $$".into(),
        ),
        Step::Sql(insert(2, "WHERE NOT EXISTS (SELECT FROM five WHERE n = 2)")),
        Step::Once(insert(3, "")),
        Step::OnceNonTransactional(insert(4, "")),
        Step::ConcurrentIndex {
            name: "five_n_idx".into(),
            sql: "CREATE INDEX CONCURRENTLY IF NOT EXISTS five_n_idx ON five (n)".into(),
        },
    ];
    list([Made { name: NAME, up, down: vec![Step::Sql("DROP TABLE IF EXISTS five".into())], verify: None }])
}

/// Not a separate test: the others start and kill this process.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "started by other tests"]
async fn a_deploy_to_be_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let last: Option<usize> = std::env::var(STEP).ok().and_then(|step| step.parse().ok());
    let mut kill = |progress: DeployProgress<'_>| {
        if matches!(progress, DeployProgress::Step { migration: NAME, step, .. } if Some(step) == last) {
            Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
        }
    };
    migrations_of(&url, five()).await.deploy(&mut kill).await.unwrap();
}

fn start(url: &str, before: Option<usize>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "migration::kill::a_deploy_to_be_killed"]).env(URL, url);
    if let Some(step) = before {
        command.env(STEP, step.to_string());
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

pub(crate) async fn a_deploy_killed_between_two_statements_goes_on(url: &str) {
    migrations_of(url, five()).await.deploy(&mut |_| ()).await.unwrap();
    for step in 1..=5 {
        let mut whole = migrations_of(url, five()).await;
        whole.down(1, &mut |_| ()).await.unwrap();

        assert!(!start(url, Some(step)).wait().unwrap().success());

        assert_eq!(migrations(url).await.with_list(five()).status().await.unwrap().len(), 3);
        finish(url, step, false).await;
    }
}

pub(crate) async fn a_deploy_killed_in_a_statement_goes_on_or_names_the_doubt(url: &str) {
    migrations_of(url, five()).await.deploy(&mut |_| ()).await.unwrap();
    for step in 1..=5 {
        for done in [true, false] {
            migrations_of(url, five()).await.down(1, &mut |_| ()).await.unwrap();
            kill_in(url, step, done).await;
            finish(url, step, done).await;
        }
    }
}

/// Kills the process while the server executes this statement. The server then completes it or does not.
async fn kill_in(url: &str, step: usize, done: bool) {
    let (mut holder, mut sql) = (Sql::connect(url).await, Sql::connect(url).await);
    let (hold, release) = match step {
        5 => ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1".to_owned(), "COMMIT"),
        step => (format!("SELECT pg_advisory_lock({step})"), "SELECT pg_advisory_unlock_all()"),
    };
    holder.run(&hold).await;
    let mut child = start(url, None);
    let waiting = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name LIKE 'rylie/%' AND wait_event_type = 'Lock'";
    let pid = loop {
        if let Some(pid) = sql.all(waiting).await.pop() {
            break pid;
        }
        assert!(child.try_wait().unwrap().is_none(), "the deploy was not held up at {step}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    child.kill().unwrap();
    child.wait().unwrap();
    if !done {
        sql.run(&format!("SELECT pg_terminate_backend({pid}, 5000)")).await;
    }
    holder.run(release).await;
}

/// The next run: in the end each statement was done once, and the one in doubt is named.
async fn finish(url: &str, step: usize, done: bool) {
    let mut next = migrations_of(url, five()).await;
    let outcome = next.deploy(&mut |_| ()).await;
    let mut sql = Sql::connect(url).await;
    if step == 4 {
        match outcome {
            Err(Error::Refused(Refusal::InDoubt { step, statement, .. })) => {
                assert_eq!(step, 4);
                assert!(statement.starts_with("INSERT INTO five SELECT 4"), "{statement}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(next.status().await.unwrap().pop().unwrap().state, MigrationState::InDoubt);
        let found = sql.one("SELECT count(*)::text FROM five WHERE n = 4").await;
        assert_eq!(found, if done { "1" } else { "0" });
        let resolution = if done { Resolution::Applied } else { Resolution::RolledBack };
        next.resolve(NAME, resolution, "looked into the table").await.unwrap();
        next.deploy(&mut |_| ()).await.unwrap();
    } else {
        assert_eq!(outcome.unwrap(), [NAME], "killed at {step}");
    }
    assert_eq!(sql.all("SELECT n::text FROM five ORDER BY n").await, ["2", "3", "4"], "killed at {step}");
    let valid = "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'five_n_idx'::regclass";
    assert_eq!(sql.one(valid).await, "true");
}

/// Every step can run twice. The runner relies on it when it repeats a step in doubt.
pub(crate) async fn every_step_may_be_done_twice(url: &str) {
    deploy(url).await;
    let expected = schema(url).await;
    for migration in MIGRATIONS.iter().filter(|migration| !migration.in_transaction(Engine::Postgres)) {
        migrations(url).await.down(from(migration.name()), &mut |_| ()).await.unwrap();
        let mut sql = Sql::connect(url).await;
        for step in migration.up(Engine::Postgres) {
            let statement = step.statement().replace("$1", "''");
            for _ in 0..if step.is_repeatable() { 2 } else { 1 } {
                sql.run(&statement).await;
            }
        }
        for step in migration.down(Engine::Postgres).iter().chain(&migration.down(Engine::Postgres)) {
            // The second time, the object of a trigger or a policy may be missing. That error is harmless.
            sql.try_run(step.statement()).await.unwrap_or(());
        }
        deploy(url).await;
        assert_eq!(schema(url).await, expected, "{}", migration.name());
    }
}
