//! Another application's SQLite file stays unchanged, and no command creates a database by accident.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::support::Folder;

/// Every command that opens the database, with the arguments that it needs for that.
const COMMANDS: [&str; 24] = [
    "migrate status",
    "migrate plan",
    "migrate down",
    "migrate resolve m20261123_000001_create_base_tables --applied --reason x",
    "drift",
    "adopt --dry-run",
    "adopt",
    "adopt --finish",
    "seed",
    "environment show",
    "environment mark production",
    "roles show",
    "roles check",
    "keys report",
    "keys reencrypt",
    "audit list",
    "audit prove x",
    "audit erase ann",
    "maintain status",
    "maintain sessions",
    "maintain vacuum --all",
    "maintain run --once",
    "size",
    "tenant erase a1 --yes",
];

/// Returns the bytes of every file in the folder.
fn files(folder: &Folder) -> BTreeMap<std::ffi::OsString, Vec<u8>> {
    let entries = std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect()
}

async fn with_invoices(journal: &str) -> Folder {
    let folder = Folder::new();
    folder.write("rylie.db", "");
    let mut other = SqliteConnection::connect(&folder.url()).await.unwrap();
    let sql =
        format!("PRAGMA journal_mode = {journal}; CREATE TABLE invoices (n integer); INSERT INTO invoices VALUES (1)");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    folder
}

#[tokio::test]
async fn another_applications_file_is_the_same_to_the_byte_after_every_command() {
    for journal in ["DELETE", "WAL"] {
        let folder = with_invoices(journal).await;
        folder.run(["keys", "generate", "--out", "keyring.json"]).expect(0);
        folder.write("rylie.toml", "keyring = 'keyring.json'\n");
        let before = files(&folder);

        for command in COMMANDS.into_iter().chain(["migrate deploy", "migrate reset --force"]) {
            let outcome = folder.run(command.split(' '));
            assert!(matches!(outcome.code, Some(0 | 1 | 3 | 4)), "{command}: {outcome:?}");
            assert!(files(&folder) == before, "{journal}, {command}: {:?}", files(&folder).keys());
        }
        for command in ["seed", "size", "maintain status"] {
            folder.run(command.split(' ')).expect(4).says("belongs to another application");
        }
    }
}

#[tokio::test]
async fn a_file_that_its_application_has_open_stays_the_same_too() {
    let folder = with_invoices("WAL").await;
    let mut other = SqliteConnection::connect(&folder.url()).await.unwrap();
    sqlx::raw_sql("INSERT INTO invoices VALUES (2)").execute(&mut other).await.unwrap();
    // Readers also write the index of the write-ahead log, so it is not compared.
    let both = |folder: &Folder| ["rylie.db", "rylie.db-wal"].map(|name| std::fs::read(folder.path(name)).unwrap());
    let before = both(&folder);
    assert!(!before[1].is_empty());

    for command in ["seed", "size", "maintain status", "tenant erase a1 --yes"] {
        folder.run(command.split(' ')).expect(4).says("belongs to another application");
        assert!(both(&folder) == before, "{command}");
    }
}

#[test]
fn a_file_that_cannot_be_made_is_reported_with_the_way_to_make_it() {
    for command in [&["migrate", "deploy"][..], &["migrate", "reset", "--force"]] {
        for address in ["sqlite://other.db", "sqlite:other.db?mode=rw", "sqlite://nowhere/other.db?mode=rwc"] {
            let folder = Folder::new();
            let outcome = folder.run([command, &["--database-url", address]].concat()).expect(1);
            outcome.says("end the address with `?mode=rwc`");
            assert!(files(&folder).is_empty(), "{address}");
        }
    }
    Folder::new().run(["migrate", "deploy", "--database-url", "sqlite://other.db?mode=rwc"]).expect(0);
}

#[test]
fn no_command_but_those_that_deploy_makes_a_database() {
    let folder = Folder::new();
    folder.run(["keys", "generate", "--out", "keyring.json"]).expect(0);
    folder.write("rylie.toml", "keyring = 'keyring.json'\n");
    for command in COMMANDS {
        let outcome = folder.run(command.split(' '));
        assert!(matches!(outcome.code, Some(0 | 1 | 3 | 4)), "{command}: {outcome:?}");
        assert!(!folder.path("rylie.db").exists(), "{command}");
    }
    for command in ["seed", "size", "maintain status", "keys report", "audit list", "migrate down"] {
        folder.run(command.split(' ')).expect(1).says("run `rylie migrate deploy` to create one");
    }
    folder.run(["migrate", "deploy"]).expect(0);
    folder.run(["size"]).expect(0);
}
