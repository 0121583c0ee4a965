//! How the commands report a history that differs from this version's.

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::support::Folder;

const NAME: &str = "m20261123_000005_drop_audit_log_foreign_key";

async fn tamper(folder: &Folder, sql: &str) {
    let mut connection = SqliteConnection::connect(&folder.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.replace("$name", &format!("'{NAME}'")))).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn state(folder: &Folder, name: &str) -> String {
    let status = folder.run(["migrate", "status", "--json"]).expect(3).json();
    let found = status["migrations"].as_array().unwrap().iter().find(|migration| migration["name"] == name);
    found.map(|migration| migration["state"].as_str().unwrap().to_owned()).unwrap()
}

#[tokio::test]
async fn each_alteration_has_a_name_and_is_refused_by_every_command_that_builds_upon_it() {
    for (alteration, expected) in [
        ("UPDATE rylie_migrations SET checksum = 'x' WHERE name = $name", "edited"),
        ("UPDATE rylie_migrations SET chain = 'x' WHERE name = $name", "edited"),
        ("DELETE FROM seaql_migrations WHERE version = $name", "missing"),
        (
            "DELETE FROM seaql_migrations WHERE version = $name; DELETE FROM rylie_migrations WHERE name = $name",
            "inserted",
        ),
        (
            "UPDATE seaql_migrations SET version = 'm20261123_000005_other' WHERE version = $name; \
             UPDATE rylie_migrations SET name = 'm20261123_000005_other' WHERE name = $name",
            "renamed",
        ),
        ("UPDATE rylie_migrations SET in_doubt = 'x', step = 2 WHERE name = $name", "in-doubt"),
    ] {
        let folder = Folder::migrated();
        tamper(&folder, alteration).await;

        assert_eq!(state(&folder, NAME), expected, "{alteration}");

        let refused = folder.run(["migrate", "deploy"]).expect(4);
        refused.says(NAME);
        for advice in refused.err.split('`').filter(|text| text.starts_with("rylie migrate resolve")) {
            assert!(advice.ends_with(" --reason TEXT") && !advice.contains('|'), "it works when pasted: {advice}");
        }
        folder.run(["migrate", "down"]).expect(4).says("m20261123_000005_");
        folder.run(["migrate", "resolve", NAME, "--applied"]).expect(2);
        folder.run(["migrate", "resolve", NAME, "--applied", "--reason", "looked into it"]).expect(0);
    }
}

#[tokio::test]
async fn a_resolved_history_is_whole_again() {
    let folder = Folder::migrated();
    tamper(&folder, "UPDATE rylie_migrations SET checksum = 'x' WHERE name = $name").await;
    folder.run(["migrate", "resolve", NAME, "--applied", "--reason", "a comment only"]).expect(0);

    folder.run(["migrate", "status"]).expect(0);
    folder.run(["migrate", "deploy"]).expect(0);
    let audited = folder.run(["audit", "list", "--action", "MIGRATION_RESOLVED", "--json"]).expect(0).json();
    assert_eq!(audited["records"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn another_applications_file_is_neither_deployed_to_nor_reset() {
    let folder = Folder::new();
    std::fs::write(folder.path("rylie.db"), "").unwrap();
    tamper(&folder, "CREATE TABLE invoices (n integer); INSERT INTO invoices VALUES (1)").await;
    let before = std::fs::read(folder.path("rylie.db")).unwrap();

    folder.run(["migrate", "deploy"]).expect(4).says("belongs to another application");
    folder.run(["migrate", "reset", "--force"]).expect(4);
    folder.run(["migrate", "resolve", NAME, "--applied", "--reason", "x"]).expect(4);

    assert!(std::fs::read(folder.path("rylie.db")).unwrap() == before, "the file was changed");
    folder.run(["seed"]).expect(4).says("belongs to another application");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_reported_in_a_line() {
    let folder = Folder::new();
    folder.write("rylie.db", &"this is no database. ".repeat(100));
    for command in ["migrate status", "migrate deploy", "drift", "environment show"] {
        folder.run(command.split(' ')).expect(1).says("");
    }
}

#[test]
fn a_read_only_file_is_looked_at_and_not_written() {
    let folder = Folder::migrated();
    let url = "sqlite://rylie.db?mode=ro";
    folder.run(["migrate", "status", "--database-url", url]).expect(0);
    folder.run(["migrate", "deploy", "--database-url", url]).expect(0);
    folder.run(["migrate", "down"]).expect(0);

    folder.run(["migrate", "status", "--database-url", url]).expect(3);
    folder.run(["migrate", "deploy", "--quiet", "--database-url", url]).expect(1);
    folder.run(["environment", "mark", "production", "--database-url", url]).expect(1).says("");
    folder.run(["migrate", "deploy"]).expect(0);
}
