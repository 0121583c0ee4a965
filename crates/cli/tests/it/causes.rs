//! Failures of the server are told with its reason, its SQLSTATE and a remedy, in one line.

use rylie_testkit::{Cluster, PostgresDatabase};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::Folder;

/// The commands that connect in different ways: over the migrations, and over the pool.
const COMMANDS: [&str; 2] = ["migrate status", "maintain usage"];

async fn empty() -> PostgresDatabase {
    Cluster::shared().await.unwrap().empty_database().await.unwrap()
}

/// Returns the URL over TCP, where the server asks for a password.
async fn over_tcp(database: &PostgresDatabase) -> String {
    database.url_at(&Cluster::shared().await.unwrap().address())
}

async fn execute(database: &PostgresDatabase, sql: &str) {
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[track_caller]
fn fails(command: &str, url: &str, code: i32, parts: &[&str]) {
    let outcome = Folder::new().run(command.split(' ').chain(["--database-url", url])).expect(code);
    let lines: Vec<&str> = outcome.err.lines().filter(|line| line.starts_with("rylie: ")).collect();
    assert!(lines.len() == 1 && parts.iter().all(|part| lines[0].contains(part)), "{outcome:#?}");
    assert!(!lines[0].contains("-v shows the cause"), "the line says it all: {outcome:#?}");
    assert!(!outcome.err.contains("canary"), "{outcome:?}");
}

#[test]
fn a_server_that_is_down_is_reported() {
    for command in COMMANDS {
        fails(command, "postgres://me:canary@127.0.0.1:1/db", 1, &["refused", "check that the server runs"]);
    }
}

#[test]
fn a_port_that_is_no_port_is_bad_usage() {
    for command in COMMANDS {
        fails(command, "postgres://me:canary@127.0.0.1:99999/db", 2, &["the port of the database URL"]);
    }
}

#[test]
fn another_schema_is_bad_usage() {
    for command in COMMANDS {
        fails(command, "postgres://me:canary@127.0.0.1:1/db?schema=other", 2, &["`schema`", "`public`"]);
    }
}

#[test]
fn a_wrong_setting_of_tls_is_bad_usage() {
    for command in COMMANDS {
        let cases = [
            ("sslmod=require", "a parameter of the database URL"),
            ("sslmode=bogus", "the parameter `sslmode`"),
            ("sslmode=verify-ca&sslrootcert=/nosuch.crt", "the file that `sslrootcert`"),
        ];
        for (parameter, part) in cases {
            fails(command, &format!("postgres://me:canary@127.0.0.1:1/db?{parameter}"), 2, &[part]);
        }
        fails(command, "postgres://me:canary/1@127.0.0.1:1/db", 2, &["the port of the database URL", "%2F"]);
    }
}

#[test]
fn an_ipv6_address_is_not_looked_up_as_a_name() {
    for command in COMMANDS {
        let outcome =
            Folder::new().run(command.split(' ').chain(["--database-url", "postgres://me@[::1]:1/db"])).expect(1);
        outcome.says("failed: ");
        assert!(!outcome.err.contains("lookup"), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_reported() {
    let url = over_tcp(&empty().await).await;
    let (login, place) = url.rsplit_once('@').unwrap();
    let wrong = format!("{}:canary@{place}", login.rsplit_once(':').unwrap().0);
    for command in COMMANDS {
        fails(command, &wrong, 1, &["password authentication failed", "(28P01)", "correct the user or the password"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_database_is_reported() {
    let url = empty().await.url().replacen("/rylie_test_", "/missing_", 1);
    for command in COMMANDS {
        fails(command, &url, 1, &["does not exist", "(3D000)", "create the database"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_reported() {
    let url = over_tcp(&empty().await).await;
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}sslmode=require", url.replace("sslmode=disable", "application_name=x"));
    for command in COMMANDS {
        fails(command, &url, 1, &["does not support TLS", "`sslmode`"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_reported() {
    let database = empty().await;
    Folder::new().run(["migrate", "deploy", "--database-url", &database.url()]).expect(0);
    let login = format!("{}_none", database.name());
    execute(&database, &format!("CREATE ROLE \"{login}\" LOGIN")).await;
    for command in COMMANDS {
        fails(command, &database.url_as(&login), 1, &["permission denied", "(42501)", "grant this login the right"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported() {
    let database = empty().await;
    Folder::new().run(["migrate", "deploy", "--database-url", &database.url()]).expect(0);
    execute(
        &database,
        "CREATE FUNCTION rylie_full_disk() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN \
         RAISE disk_full USING MESSAGE = 'could not extend file'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON \"User\" FOR EACH ROW EXECUTE FUNCTION rylie_full_disk()",
    )
    .await;
    fails("seed", &database.url(), 1, &["could not extend file (53100)", "free space on the disk"]);
}
