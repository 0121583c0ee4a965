//! What an operator meets while a live database is taken over.

use std::process::Command;
use std::time::Duration;

use rylie_testkit::Cluster;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::adopt::Prisma;
use crate::support::{Folder, Outcome};

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

async fn text(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_one(connection).await.unwrap()
}

/// Runs the command as the owner.
fn command(prisma: &Prisma, words: &str) -> Outcome {
    let url = prisma.url();
    Folder::new().run(words.split(' ').chain(["--database-url", &url]))
}

/// The owner sees neither the state nor the kind of another login's session.
#[tokio::test]
async fn a_login_that_may_not_end_a_session_learns_the_grant() {
    let prisma = Prisma::new().await;
    let mut superuser = connect(&prisma.superuser_url()).await;
    let owner = text(&mut superuser, "SELECT tableowner::text FROM pg_tables WHERE tablename = 'User'").await;
    let other = owner.replace("_owner", "_other");
    run(&mut superuser, &format!("CREATE ROLE \"{other}\" LOGIN")).await;
    let mut session = connect(&prisma.url().replace(&owner, &other)).await;
    let pid = text(&mut session, "SELECT pg_backend_pid()::text").await;

    for verb in ["cancel", "terminate"] {
        let outcome = command(&prisma, &format!("doctor {verb} {pid} --yes")).expect(1);
        outcome.line_says(&format!("GRANT pg_signal_backend TO {owner}"));
    }
    run(&mut superuser, &format!("GRANT pg_signal_backend TO \"{owner}\"")).await;
    command(&prisma, &format!("doctor terminate {pid} --yes")).expect(0);

    assert!(sqlx::raw_sql("SELECT 1").execute(&mut session).await.is_err());
}

#[test]
fn a_database_that_cannot_be_reached_is_a_finding_of_every_group() {
    let url = "postgres://postgres@127.0.0.1:1/none";
    for group in ["isolation", "tables", "isolation.policy"] {
        let outcome = Folder::new().run(["doctor", "--only", group, "--database-url", url]).expect(3);
        assert!(outcome.err.contains("server.reachable"), "{outcome:?}");
    }
}

#[tokio::test]
async fn sizes_are_shown_before_an_adoption() {
    let prisma = Prisma::new().await;

    let sizes = command(&prisma, "size --json").expect(0).json();
    assert_eq!(sizes["tenants"], Value::Null);
    assert!(sizes["database_bytes"].as_i64().unwrap() > 1_000_000, "{sizes}");
    command(&prisma, "size --alert-above 1MB").expect(3).line_says("more than the threshold");
    command(&prisma, "size --alert-above 1TB").expect(0);
}

#[tokio::test]
async fn a_command_that_needs_an_adoption_names_it() {
    let prisma = Prisma::new().await;

    for (words, code) in [("roles check", 4), ("audit verify", 1), ("adopt --finish", 4)] {
        command(&prisma, words).expect(code).line_says("`rylie adopt`");
    }
    let empty = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let finished = Folder::new().run(["adopt", "--finish", "--database-url", &empty.url()]);
    finished.expect(4).line_says("there is nothing to adopt");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_adoption_says_that_it_continues() {
    let prisma = Prisma::new().await;
    let (mut other, mut observer) = (connect(&prisma.url()).await, connect(&prisma.superuser_url()).await);
    run(&mut other, "BEGIN; LOCK TABLE \"Task\" IN ROW EXCLUSIVE MODE").await;
    let url = prisma.url();
    let child = Folder::new().start(["adopt", "--database-url", &url]);
    let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rylie/%' AND wait_event_type = 'Lock'";
    while text(&mut observer, waiting).await == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();

    let outcome = Outcome::of(child.wait_with_output().unwrap());
    let outcome = outcome.expect(130);
    assert!(outcome.err.contains("run the same command again"), "{outcome:?}");
    run(&mut other, "ROLLBACK").await;
    prisma.adopt(&[]).expect(3);
}

/// Its text is the old service's, and may quote a row.
#[tokio::test]
async fn the_text_of_another_s_trigger_is_not_printed() {
    let prisma = Prisma::new().await;
    prisma
        .execute(
            "CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'canary of %', NEW.email; END $$; \
             CREATE TRIGGER closed BEFORE UPDATE ON \"User\" FOR EACH ROW EXECUTE FUNCTION closed()",
        )
        .await;
    let refused = prisma.adopt(&["--quiet"]).expect(4);
    refused.line_says("DISABLE TRIGGER closed");

    let failed = prisma.adopt(&["--fire-triggers"]).expect(1);

    assert!(failed.err.contains("P0001") && !failed.err.contains("canary"), "{failed:?}");
    prisma.execute("DROP TRIGGER closed ON \"User\"").await;
    prisma.adopt(&[]).expect(3);
}

#[tokio::test]
async fn a_reserved_name_is_no_login() {
    let prisma = Prisma::new().await;
    let url = prisma.superuser_url();
    Folder::new().run(["adopt", "--database-url", &url]).expect(0);

    let refused = Folder::new().run(["roles", "provision", "--app", "public", "--database-url", &url]);

    refused.expect(4).line_says("is reserved");
}
