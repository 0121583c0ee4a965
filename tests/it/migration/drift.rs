//! Compares the live schema with that of the migrations: each drift is named, and its proposed fix works.

use std::path::Path;

use rylie_migration::{AdoptOptions, Drift, Snapshot};
use rylie_testkit::{Cluster, PostgresDatabase, SqliteDatabase};

use crate::support::old_service::make_base;
use crate::support::sql::{Sql, deploy, from, migrations};

mod planted;

async fn drift(url: &str) -> Drift {
    migrations(url).await.drift().await.unwrap()
}

fn objects(drift: &Drift) -> Vec<&str> {
    drift.differences.iter().map(|difference| difference.object.as_str()).collect()
}

async fn migrated() -> (PostgresDatabase, Sql) {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    deploy(&database.url()).await;
    let sql = Sql::connect(&database.url()).await;
    (database, sql)
}

/// Executes the proposed fixes, each statement separately.
async fn fix(sql: &mut Sql, drift: &Drift) {
    for statement in drift.differences.iter().flat_map(|difference| &difference.fix) {
        sql.run(statement).await;
    }
}

#[tokio::test]
async fn the_file_of_the_expected_schema_is_what_all_migrations_make() {
    let (database, _sql) = migrated().await;
    let live = migrations(&database.url()).await.snapshot().await.unwrap();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migration/src/drift/expected.json");
        return std::fs::write(path, serde_json::to_string_pretty(&live).unwrap() + "\n").unwrap();
    }
    assert!(
        live == Snapshot::expected(),
        "expected.json is behind: run this test with UPDATE_SNAPSHOTS=1 and look at the difference"
    );
}

#[tokio::test]
async fn a_fresh_database_has_none() {
    let (database, _sql) = migrated().await;
    assert_eq!(drift(&database.url()).await, Drift::default());
}

#[tokio::test]
async fn an_adopted_database_has_none_before_and_after_the_adoption_is_finished() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = database.url();
    make_base(&url).await;
    let mut sql = Sql::connect(&url).await;
    sql.run("CREATE TABLE \"Report\" (id text PRIMARY KEY); ALTER TABLE \"Agency\" ADD COLUMN metadata jsonb; CREATE INDEX by_hand ON \"Task\" (title)").await;
    migrations(&url).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    let left_alone = ["column Agency.metadata", "index Task.by_hand", "table Report"];

    let found = drift(&url).await;
    assert_eq!((objects(&found), found.extra.clone()), (vec![], left_alone.map(str::to_owned).to_vec()));

    migrations(&url).await.finish_adoption(&mut |_| ()).await.unwrap();
    let found = drift(&url).await;
    assert_eq!((objects(&found), found.extra.clone()), (vec![], left_alone.map(str::to_owned).to_vec()));
}

/// In either state, the other state's flag is a drift.
#[tokio::test]
async fn what_is_forced_follows_the_mark() {
    // Logins of other tests' databases would count as logins of the old service.
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    deploy(&database.url()).await;
    let mut sql = Sql::connect(&database.url()).await;
    sql.run("UPDATE rylie_database SET state = 'coexistence'").await;

    let found = drift(&database.url()).await;

    assert_eq!((found.differences[0].expected.as_str(), found.differences[0].found.as_str()), ("enabled", "forced"));
    assert!(objects(&found).iter().all(|object| object.starts_with("row security of table ")), "{found:?}");
}

#[tokio::test]
async fn while_migrations_are_pending_they_are_named_and_nothing_else() {
    let (database, _sql) = migrated().await;
    migrations(&database.url()).await.down(from("replace_indexes"), &mut |_| ()).await.unwrap();

    let found = drift(&database.url()).await;

    assert_eq!((found.pending.len(), found.differences.len()), (from("replace_indexes"), 0));
}

/// Roles belong to the server: missing ones are one difference, not one for each policy and right.
#[tokio::test]
async fn missing_roles_are_one_difference() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let mut sql = Sql::connect(&database.url()).await;
    sql.run(&format!(
        "CREATE ROLE plain LOGIN; GRANT ALL ON SCHEMA public TO plain; GRANT CREATE ON DATABASE \"{}\" TO plain",
        database.name()
    ))
    .await;
    let url = database.url_as("plain");
    deploy(&url).await;

    let found = drift(&url).await;

    assert_eq!(objects(&found), ["roles of the units"]);
    deploy(&database.url()).await;
    assert_eq!(drift(&url).await, Drift::default());
}

#[tokio::test]
async fn a_role_that_was_given_more_is_named_and_fixed() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    deploy(&database.url()).await;
    let mut sql = Sql::connect(&database.url()).await;
    sql.run("ALTER ROLE rylie_tenant BYPASSRLS; ALTER ROLE rylie_doors INHERIT; REVOKE USAGE ON SCHEMA public FROM rylie_identity, PUBLIC").await;

    let found = drift(&database.url()).await;

    assert_eq!(objects(&found), ["role rylie_doors", "role rylie_tenant", "rights of rylie_identity on schema public"]);
    fix(&mut sql, &found).await;
    assert_eq!(drift(&database.url()).await, Drift::default());
}

/// In production, with a read-only login.
#[tokio::test]
async fn it_takes_no_right_but_to_read_the_record_and_the_mark() {
    let (database, mut sql) = migrated().await;
    let role = format!("looker_of_{}", database.name());
    sql.run(&format!(
        "CREATE ROLE \"{role}\" LOGIN; ALTER ROLE \"{role}\" SET default_transaction_read_only = on; GRANT SELECT ON seaql_migrations, rylie_database TO \"{role}\"; \
         ALTER TABLE \"Task\" DROP COLUMN priority"
    ))
    .await;

    let found = drift(&database.url_as(&role)).await;

    assert!(objects(&found).contains(&"column Task.priority"), "{found:?}");
}

#[tokio::test]
async fn a_readers_own_policy_is_left_alone_and_one_that_writes_is_not() {
    let (database, mut sql) = migrated().await;
    sql.run("CREATE POLICY rylie_reader_ann ON \"Task\" FOR SELECT TO pg_monitor USING (true)").await;
    assert_eq!(drift(&database.url()).await, Drift::default());

    sql.run("CREATE POLICY rylie_reader_bob ON \"Task\" TO pg_monitor USING (true)").await;
    assert_eq!(objects(&drift(&database.url()).await), ["policy Task.rylie_reader_bob"]);
}

#[tokio::test]
async fn a_fresh_sqlite_database_has_none() {
    let database = SqliteDatabase::new().unwrap();
    deploy(&database.url()).await;
    assert_eq!(drift(&database.url()).await, Drift::default());
}

#[tokio::test]
async fn a_new_sqlite_database_has_everything_pending() {
    let database = SqliteDatabase::new().unwrap();
    assert_eq!(drift(&database.url()).await.pending.len(), rylie_migration::MIGRATIONS.len());
}
