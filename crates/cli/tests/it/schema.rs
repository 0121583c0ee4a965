//! `rylie drift`, `migrate plan`, `lint`, `new` and `squash`.

use rylie_testkit::Cluster;
use serde_json::json;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::support::Folder;

#[tokio::test]
async fn drift_names_what_was_found_and_what_fixes_it() {
    let folder = Folder::migrated();
    folder.run(["drift"]).expect(0);
    let mut sql = SqliteConnection::connect(&folder.url()).await.unwrap();
    sqlx::raw_sql("DROP INDEX \"Request_tenantId_createdAt_idx\"").execute(&mut sql).await.unwrap();

    let outcome = folder.run(["drift", "--json"]).expect(3);

    outcome.line_says("differences: 1");
    let json = outcome.json();
    assert_eq!(json["differences"][0]["object"], "index Request_tenantId_createdAt_idx");
    for field in ["expected", "found"] {
        assert!(json["differences"][0][field].is_string(), "{json}");
    }
    let fix = json["differences"][0]["fix"][0].as_str().unwrap().to_owned();
    sqlx::raw_sql(sqlx::AssertSqlSafe(fix)).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    folder.run(["drift"]).expect(0);
}

#[test]
fn looking_at_a_database_that_is_not_there_makes_none() {
    let folder = Folder::new();
    folder.run(["drift"]).expect(3);
    folder.run(["migrate", "plan"]).expect(0);
    folder.run(["migrate", "status"]).expect(3);
    assert!(!folder.path("rylie.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_each_statement_and_its_lock_and_nothing_once_it_is_done() {
    let (folder, database) = (Folder::new(), Cluster::shared().await.unwrap().empty_database().await.unwrap());
    let plan = || folder.run(["migrate", "plan", "--json", "--database-url", &database.url()]).expect(0).json();

    let statements = plan()["statements"].as_array().unwrap().clone();

    assert!(statements.iter().all(|one| one["sql"].is_string() && one["lock"].is_string()));
    let concurrent = statements.iter().find(|one| one["sql"].as_str().unwrap().contains("CONCURRENTLY")).unwrap();
    assert!(concurrent["lock"].as_str().unwrap().contains("SHARE UPDATE EXCLUSIVE"), "{concurrent}");
    folder.run(["migrate", "deploy", "--database-url", &database.url()]).expect(0);
    assert_eq!(plan(), json!({ "statements": [] }));
}

#[tokio::test]
async fn a_plan_is_refused_where_the_deploy_is() {
    let folder = Folder::migrated();
    let mut sql = SqliteConnection::connect(&folder.url()).await.unwrap();
    let edit = "UPDATE rylie_migrations SET checksum = 'other' WHERE name = (SELECT max(name) FROM rylie_migrations)";
    sqlx::raw_sql(edit).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();

    for command in ["deploy", "plan"] {
        folder.run(["migrate", command]).expect(4).says("was edited after it was applied");
    }
}

#[test]
fn lint_finds_the_hole_in_a_file_and_none_in_our_own_migrations() {
    let folder = Folder::new();
    folder.write("bad.sql", "SET lock_timeout = '2s';\nCREATE INDEX i ON \"Task\" (title);\n");

    let outcome = folder.run(["migrate", "lint", "bad.sql", "--json"]).expect(3);

    let finding = outcome.json()["findings"][0].clone();
    assert_eq!((&finding["file"], &finding["line"]), (&"bad.sql".into(), &2.into()));
    assert!(finding["rule"].is_string() && finding["fix"].is_string(), "{finding}");
    assert_eq!(folder.run(["migrate", "lint", "--json"]).expect(0).json(), json!({ "findings": [] }));
    folder.run(["migrate", "lint", "not-there.sql"]).expect(2);
}

#[test]
fn a_new_migration_is_a_file_that_is_never_overwritten() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("migration/src")).unwrap();

    let json = folder.run(["migrate", "new", "add_due_date", "--json"]).expect(0).json();

    let file = json["file"].as_str().unwrap();
    assert!(std::fs::read_to_string(folder.path(file)).unwrap().contains("struct AddDueDate"));
    assert_eq!((&json["postgres"], &json["sqlite"]), (&json!([]), &json!([])), "the entities match the schema");
    folder.run(["migrate", "new", "Add Due"]).expect(2);
    folder.run(["migrate", "new", "add_due", "--dir", "elsewhere"]).expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_squash_makes_a_database_that_counts_as_deployed() {
    let (folder, database) = (Folder::new(), Cluster::shared().await.unwrap().empty_database().await.unwrap());
    folder.run(["migrate", "squash", "--out", "all.sql"]).expect(0);
    folder.run(["migrate", "squash", "--out", "all.sql"]).expect(4);
    let mut sql = PgConnection::connect(&database.url()).await.unwrap();
    let text = std::fs::read_to_string(folder.path("all.sql")).unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut sql).await.unwrap();

    let url = database.url();
    assert_eq!(
        folder.run(["migrate", "deploy", "--json", "--database-url", &url]).expect(0).json(),
        json!({ "applied": [] })
    );
    folder.run(["migrate", "status", "--database-url", &url]).expect(0);
    folder.run(["drift", "--database-url", &url]).expect(0);
}
