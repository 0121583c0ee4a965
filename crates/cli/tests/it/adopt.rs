//! `rylie adopt`

use rylie_db::migration::{Engine, MIGRATIONS};
use rylie_testkit::{Cluster, PostgresDatabase};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Folder, Outcome};

const ROWS: &str = r#"
    CREATE TABLE "Report" (id int);
    ALTER TABLE "User" ADD COLUMN "nickname" text;
    INSERT INTO "Agency" ("id", "name", "updatedAt") VALUES ('a1', 'North', now());
    INSERT INTO "User" ("id", "email", "agencyId", "updatedAt") VALUES ('u1', 'ann@north.example', 'a1', now()), ('u2', 'bob@example.com', NULL, now());
    INSERT INTO "Session" ("id", "sessionToken", "userId", "expires") VALUES ('s1', 't1', 'u1', now());
"#;

/// A database as Prisma creates one, owned by a role without further rights.
pub(crate) struct Prisma {
    database: PostgresDatabase,
    owner: String,
}

impl Prisma {
    pub(crate) async fn new() -> Self {
        let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
        let owner = format!("{}_owner", database.name());
        execute(&database.url(), &format!(r#"CREATE ROLE "{owner}" LOGIN; GRANT ALL ON SCHEMA public TO "{owner}"; GRANT CREATE ON DATABASE "{}" TO "{owner}""#, database.name())).await;
        let prisma = Self { database, owner };
        for step in MIGRATIONS[0].up(Engine::Postgres) {
            prisma.execute(step.statement()).await;
        }
        prisma.execute(ROWS).await;
        prisma
    }

    pub(crate) fn url(&self) -> String {
        self.database.url_as(&self.owner)
    }

    /// Returns the URL of a role that may create roles.
    pub(crate) fn superuser_url(&self) -> String {
        self.database.url()
    }

    /// Executes SQL as the old service would, logged in as the owner.
    pub(crate) async fn execute(&self, sql: &str) {
        execute(&self.url(), sql).await;
    }

    pub(crate) fn adopt(&self, flags: &[&str]) -> Outcome {
        let url = self.url();
        Folder::new().run([&["adopt", "--database-url", &url], flags].concat())
    }

    fn run(&self, command: &str) -> Outcome {
        let url = self.url();
        Folder::new().run(command.split(' ').chain(["--json", "--database-url", &url]))
    }
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn is_prismas(json: &Value) {
    assert_eq!(
        (&json["tables"]["User"], &json["tables"]["Session"], &json["tables"]["Task"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(json["extra"], json!(["table Report", "column User.nickname"]));
    assert_eq!(json["differences"], json!([]));
}

#[tokio::test]
async fn a_database_of_prisma_is_taken_over_and_loses_nothing() {
    let prisma = Prisma::new().await;

    let adopted = prisma.adopt(&["--json"]).expect(3);
    assert!(adopted.err.contains("row-level security is not in force"), "{adopted:?}");
    let json = adopted.json();

    is_prismas(&json);
    assert_eq!(json["applied"].as_array().unwrap().len(), MIGRATIONS.len());
    prisma.run("migrate status").expect(0);
    assert_eq!(prisma.run("environment show").expect(0).json()["environment"], "production");
    prisma.execute(r#"UPDATE "User" SET "nickname" = 'b' WHERE "id" = 'u2'"#).await;
    prisma
        .execute(
            r#"INSERT INTO "Session" ("id", "sessionToken", "userId", "expires") VALUES ('s2', 't2', 'u2', now())"#,
        )
        .await;
}

#[tokio::test]
async fn adopting_twice_does_nothing_the_second_time() {
    let prisma = Prisma::new().await;
    prisma.adopt(&[]).expect(3);

    let json = prisma.adopt(&["--json"]).expect(3).json();

    is_prismas(&json);
    assert_eq!(json["applied"], json!([]));
}

#[tokio::test]
async fn the_adoption_is_finished_once_the_roles_are_there() {
    let prisma = Prisma::new().await;
    prisma.adopt(&["--quiet"]).expect(3);
    prisma
        .adopt(&["--finish", "--without-backup", "--quiet"])
        .expect(4)
        .line_says("row-level security is not in force");

    let url = prisma.superuser_url();
    Folder::new().run(["migrate", "deploy", "--database-url", &url]).expect(0);

    prisma.adopt(&["--finish"]).expect(4).line_says("no folder of backups is set");
    let finished = prisma.adopt(&["--finish", "--without-backup", "--json"]).expect(0);
    assert_eq!(finished.json(), json!({ "finished": true }));
    assert!(finished.err.contains("rylie roles provision --backup NAME"), "{finished:?}");
    assert_eq!(prisma.run("environment show").expect(0).json()["state"], "fresh");
    assert_eq!(prisma.adopt(&["--finish", "--json"]).expect(0).json(), json!({ "finished": true, "changed": false }));
    is_prismas(&prisma.adopt(&["--json"]).expect(0).json());
}

#[tokio::test]
async fn the_end_is_refused_while_a_login_of_the_old_service_has_a_session() {
    let prisma = Prisma::new().await;
    let app = format!("{}_app", prisma.database.name());
    let guide = format!(
        r#"CREATE USER "{app}"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "{app}" "#
    );
    execute(&prisma.superuser_url(), &guide).await;
    let reported = prisma.adopt(&["--dry-run", "--json"]).expect(0).json();
    let login = reported["logins"].as_array().unwrap().iter().find(|login| login["login"] == json!(app)).unwrap();
    assert_eq!(login["via"], json!(["direct grant"]));
    assert_eq!(login["loses_at_finish"].as_array().unwrap().len(), 12);
    assert!(prisma.adopt(&["--dry-run"]).expect(0).out.contains(&format!("login {app} (by direct grant)")));
    let superuser = prisma.superuser_url();
    Folder::new().run(["adopt", "--quiet", "--database-url", &superuser]).expect(0);
    let session = PgConnection::connect(&prisma.database.url_as(&app)).await.unwrap();

    prisma.adopt(&["--finish"]).expect(4).line_says(&app);
    assert_eq!(prisma.run("environment show").expect(0).json()["state"], "coexistence");
    let outcome = prisma.adopt(&["--finish", "--yes", "--without-backup"]).expect(0);

    assert!(outcome.out.contains(&format!("login {app} has lost access to all rows of Account")), "{}", outcome.out);
    assert!(outcome.out.contains("pg_dump"), "{}", outcome.out);
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_dry_run_reports_and_changes_nothing() {
    let prisma = Prisma::new().await;

    let json = prisma.adopt(&["--dry-run", "--json"]).expect(0).json();

    is_prismas(&json);
    assert_eq!(json["applied"], json!([]));
    prisma.run("migrate status").expect(3);
    prisma.run("environment show").expect(1);
}

#[tokio::test]
async fn an_adopted_database_is_seeded_and_guarded() {
    let prisma = Prisma::new().await;
    prisma.run("seed").expect(1).line_says("rylie adopt");
    for command in ["migrate deploy", "migrate plan"] {
        prisma.run(command).expect(4).says("run `rylie adopt --dry-run`, then `rylie adopt`");
    }
    prisma.run("drift").expect(3).line_says("run `rylie adopt` first");
    prisma.adopt(&["--quiet"]).expect(3);

    prisma.run("seed").expect(0);
    assert_eq!(prisma.run("maintain sessions").expect(0).json()["deleted"], 1);
    prisma.run("migrate down").expect(4);
    prisma.run("migrate reset --force").expect(4);
}

#[tokio::test]
async fn a_missing_column_is_refused_and_named() {
    let prisma = Prisma::new().await;
    prisma.execute(r#"ALTER TABLE "User" DROP COLUMN "name""#).await;

    let outcome = prisma.adopt(&["--json"]).expect(4);

    assert_eq!(outcome.json()["differences"][0]["object"], "column User.name");
    outcome.line_says("column User.name");
    assert!(prisma.adopt(&["--dry-run"]).expect(4).out.contains("column User.name"));
    prisma.run("environment show").expect(1);
}

#[tokio::test]
async fn another_applications_database_is_refused() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    execute(&database.url(), "CREATE TABLE shop (id int)").await;

    let url = database.url();
    let outcome = Folder::new().run(["adopt", "--json", "--database-url", &url]).expect(4);

    assert!(outcome.json()["differences"].as_array().unwrap().len() >= 14);
}

#[tokio::test]
async fn an_empty_database_and_a_sqlite_file_are_not_adopted() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = database.url();
    Folder::new().run(["adopt", "--database-url", &url]).expect(4).says("nothing to adopt");
    Folder::migrated().run(["adopt"]).expect(4).says("SQLite");
}

#[tokio::test]
async fn a_table_of_another_role_is_not_taken_for_a_database_of_prisma() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let other = format!("{}_other", database.name());
    let sql =
        format!(r#"CREATE ROLE "{other}" LOGIN; CREATE TABLE "Task" (id text); ALTER TABLE "Task" OWNER TO "{other}""#);
    execute(&database.url(), &sql).await;

    let url = database.url();
    for command in ["migrate deploy", "migrate plan"] {
        let outcome = Folder::new().run(command.split(' ').chain(["--database-url", &url])).expect(4);
        outcome.says(&format!("table Task exists, belongs to role {other}"));
    }
}

#[tokio::test]
async fn a_backup_login_of_another_database_is_no_login_of_the_old_service() {
    let prisma = Prisma::new().await;
    let backup = format!("{}_backup", prisma.database.name());
    let other = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let (folder, url) = (Folder::new(), other.url());
    folder.write("backup.txt", "x\n");
    folder.run(["migrate", "deploy", "--quiet", "--database-url", &url]).expect(0);
    let words = ["roles", "provision", "--backup", &backup, "--backup-password-file", "backup.txt"];
    folder.run(words.into_iter().chain(["--database-url", &url])).expect(0);

    let reported = prisma.adopt(&["--dry-run", "--json"]).expect(0).json();

    let logins: Vec<_> = reported["logins"].as_array().unwrap().iter().map(|login| login["login"].clone()).collect();
    assert!(logins.contains(&json!(prisma.owner)) && !logins.contains(&json!(backup)), "{logins:?}");
}

/// The reading of the catalog waits for the lock, and would wait for as long as it is held.
#[tokio::test]
async fn an_adoption_that_is_blocked_names_the_blocking_session_in_time() {
    let prisma = Prisma::new().await;
    let mut blocker = PgConnection::connect(&prisma.superuser_url()).await.unwrap();
    let lock = r#"SET application_name = 'a-long-report'; BEGIN; LOCK TABLE "User" IN ACCESS EXCLUSIVE MODE"#;
    sqlx::raw_sql(lock).execute(&mut blocker).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut blocker).await.unwrap();

    for flags in [&["--dry-run"][..], &[]] {
        let url = prisma.url();
        let folder = Folder::new();
        let child = folder.start([&["adopt", "--quiet", "--database-url", &url], flags].concat());
        let outcome = tokio::time::timeout(
            std::time::Duration::from_mins(1),
            tokio::task::spawn_blocking(move || Outcome::of(child.wait_with_output().unwrap())),
        );
        let outcome = outcome.await.expect("it waits for ever").unwrap().expect(1);
        outcome.line_says(&format!("process {pid} (a-long-report"));
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    prisma.adopt(&["--quiet"]).expect(3);
}

#[tokio::test]
async fn a_deploy_that_waits_says_for_whom_and_shows_no_statement_of_the_driver() {
    let prisma = Prisma::new().await;
    let mut blocker = PgConnection::connect(&prisma.superuser_url()).await.unwrap();
    let read = r#"SET application_name = 'a-long-report'; BEGIN; SELECT count(*) FROM "User""#;
    sqlx::raw_sql(read).execute(&mut blocker).await.unwrap();
    let folder = Folder::new();
    let url = prisma.superuser_url();
    let child = folder.start(["adopt", "--database-url", &url]);
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;

    sqlx::raw_sql("COMMIT").execute(&mut blocker).await.unwrap();
    let outcome = Outcome::of(child.wait_with_output().unwrap()).expect(0);

    assert!(outcome.err.contains("waiting for process ") && outcome.err.contains("a-long-report"), "{outcome:#?}");
    for driver in ["sqlx::query", "slow statement", "elapsed", "ALTER TABLE", "SELECT"] {
        assert!(!outcome.err.contains(driver), "{driver}: {outcome:#?}");
    }
}
