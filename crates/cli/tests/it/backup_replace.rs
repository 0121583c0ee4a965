//! `rylie backup restore --replace`: over an existing database, or not at all.

use rylie_testkit::World;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::backup::{Fixture, largest_file, on_both};
use crate::backup_defects::edit_manifest;
use crate::support::Outcome;

/// The database that is replaced: that of the world, or on SQLite a copy of its file that no process has open.
async fn target(fixture: &Fixture) -> String {
    if fixture.world.is_postgres() {
        return fixture.world.url().to_owned();
    }
    let path = fixture.folder.path("live.db");
    fixture.sql(&format!("VACUUM INTO '{}'", path.display())).await;
    format!("sqlite://{}", path.display())
}

async fn count(url: &str, sql: &str) -> i64 {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        return count;
    }
    let mut connection = PgConnection::connect(url).await.unwrap();
    let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}

async fn run_at(url: &str, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn replace(fixture: &Fixture, made: &Value, to: &str, words: &[&str]) -> Outcome {
    let id = made["id"].as_str().unwrap();
    fixture.run(&[&["backup", "restore", id, "--to", to, "--replace", "--json"], words].concat())
}

/// Sessions of a PostgreSQL server are ended; a file must have none.
fn ending(fixture: &Fixture) -> &'static [&'static str] {
    if fixture.world.is_postgres() { &["--end-sessions"] } else { &[] }
}

const AGENCIES: &str = "SELECT count(*) FROM \"Agency\"";
const RENAMED: &str = "SELECT count(*) FROM \"Agency\" WHERE name = 'After'";

async fn a_database_is_replaced_at_once_and_the_old_one_is_kept(fixture: Fixture) {
    let made = fixture.create();
    let to = target(&fixture).await;
    run_at(&to, "UPDATE \"Agency\" SET name = 'After'").await;

    let restored = replace(&fixture, &made, &to, ending(&fixture)).expect(0).json();

    assert_eq!((count(&to, AGENCIES).await, count(&to, RENAMED).await), (2, 0));
    let kept = restored["kept_as"].as_str().unwrap();
    let old = if fixture.world.is_postgres() {
        let (_, name) = fixture.world.url().split_once("rylie_test_").unwrap();
        let name = format!("rylie_test_{}", name.split('?').next().unwrap());
        assert!(kept.starts_with(&name), "{kept}");
        fixture.world.url().replace(&name, kept)
    } else {
        format!("sqlite://{kept}")
    };
    assert_eq!(count(&old, RENAMED).await, 2);
    let recorded = "SELECT count(*) FROM \"AuditLog\" WHERE action = 'BACKUP_RESTORED'";
    assert_eq!(count(&to, recorded).await, 1);
    fixture.run(&["drift", "--database-url", &to]).expect(0);
}

async fn a_database_that_is_not_empty_takes_the_flag_and_both_steps_of_the_mark(fixture: Fixture) {
    fixture.run(&["environment", "mark", "production"]).expect(0);
    let made = fixture.create();
    let to = target(&fixture).await;
    run_at(&to, "UPDATE \"Agency\" SET name = 'After'").await;
    let id = made["id"].as_str().unwrap();

    fixture.run(&["backup", "restore", id, "--to", &to]).expect(4).line_says("--replace");
    replace(&fixture, &made, &to, ending(&fixture)).expect(4).line_says("production");
    assert_eq!(count(&to, RENAMED).await, 2);

    let mark = ["environment", "mark", "staging", "--reason", "to restore", "--database-url", &to];
    fixture.run(&mark).expect(0);
    replace(&fixture, &made, &to, ending(&fixture)).expect(0);
    assert_eq!(count(&to, RENAMED).await, 0);
    let show = fixture.run(&["environment", "show", "--json", "--database-url", &to]).expect(0).json();
    assert_eq!(show["environment"], "production", "as it was in the backup");
}

async fn another_database_is_not_replaced(fixture: Fixture) {
    let made = fixture.create();
    let to = target(&fixture).await;
    run_at(&to, "UPDATE rylie_database SET fingerprint = 'another'").await;

    replace(&fixture, &made, &to, ending(&fixture)).expect(4).line_says("fingerprints differ");
}

async fn a_restore_that_fails_leaves_the_old_database_as_it_was(fixture: Fixture) {
    let made = fixture.create();
    let to = target(&fixture).await;
    run_at(&to, "UPDATE \"Agency\" SET name = 'After'").await;
    // Its checksum is right, its contents are not.
    let path = largest_file(&fixture, &made["id"]);
    let whole = std::fs::read(&path).unwrap();
    let bytes = [&whole[..whole.len() / 2], &vec![0; whole.len() - whole.len() / 2]].concat();
    std::fs::write(&path, &bytes).unwrap();
    edit_manifest(&fixture, &made["id"], |manifest| {
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
        let sha256: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = if fixture.world.is_postgres() { "dump/" } else { "" };
        let name = format!("{folder}{}", path.file_name().unwrap().to_str().unwrap());
        manifest["files"][&name] = json!({ "bytes": bytes.len(), "sha256": sha256.concat() });
    });

    let failed = replace(&fixture, &made, &to, ending(&fixture));

    assert_ne!(failed.code, Some(0), "{failed:?}");
    assert_eq!((count(&to, AGENCIES).await, count(&to, RENAMED).await), (2, 2));
    if fixture.world.is_postgres() {
        let left = "SELECT count(*) FROM pg_database \
             WHERE datname LIKE left(current_database(), 37) || '\\_restoring\\_%'";
        assert_eq!(count(&to, left).await, 0);
    } else {
        let left = fixture.folder.path("").read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("restoring")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

async fn a_database_in_use_is_not_replaced(fixture: Fixture) {
    let made = fixture.create();
    // The world has it open.
    let to = fixture.world.url().to_owned();
    let _unit = fixture.world.platform().await.unwrap();

    let refused = replace(&fixture, &made, &to, &[]).expect(4);

    assert!(refused.err.contains("stop the services"), "{refused:?}");
    assert_eq!(count(&to, AGENCIES).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_settings_and_rights_go_to_the_new_database() {
    let fixture = Fixture::on(World::postgres().await.unwrap()).await;
    if crate::backup::is_newer_than_the_programs(&fixture).await {
        fixture.run(&["backup", "create"]).expect(4);
        return;
    }
    let made = fixture.create();
    let to = fixture.world.url().to_owned();
    let name = to.split("rylie_test_").nth(1).unwrap().split('?').next().unwrap();
    let database = format!("rylie_test_{name}");
    fixture
        .sql(&format!(
            "CREATE ROLE o_{name}; ALTER DATABASE {database} OWNER TO o_{name}; REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; \
             GRANT CONNECT ON DATABASE {database} TO pg_monitor WITH GRANT OPTION; \
             ALTER DATABASE {database} SET search_path TO public, pg_temp; ALTER DATABASE {database} SET work_mem TO '5MB'"
        ))
        .await;
    let state = "SELECT count(*) FROM pg_database d WHERE datname = current_database() AND pg_get_userbyid(datdba) LIKE 'o\\_%' \
         AND NOT has_database_privilege('pg_read_all_stats', d.oid, 'CONNECT') \
         AND has_database_privilege('pg_monitor', d.oid, 'CONNECT WITH GRANT OPTION') \
         AND current_setting('work_mem') = '5MB' AND current_schemas(false)::text LIKE '{public%'";
    assert_eq!(count(&to, state).await, 1);

    replace(&fixture, &made, &to, &["--end-sessions"]).expect(0);

    assert_eq!(count(&to, state).await, 1);
    assert_eq!(count(&to, "SELECT count(*) FROM pg_shdescription WHERE description LIKE 'rylie: %'").await, 0);
}

on_both! {
    a_database_is_replaced_at_once_and_the_old_one_is_kept,
    a_database_that_is_not_empty_takes_the_flag_and_both_steps_of_the_mark,
    another_database_is_not_replaced,
    a_restore_that_fails_leaves_the_old_database_as_it_was,
    a_database_in_use_is_not_replaced,
}
