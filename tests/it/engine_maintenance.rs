//! Engine maintenance on both engines.

use rylie_db::maintenance::{Engine, Error, analyze, check_integrity, reindex, sizes, vacuum};
use rylie_testkit::{Cluster, PostgresDatabase, World};

use crate::support::sql::{Sql, deploy, is_sqlite};

fn engine(world: &World) -> Engine {
    Engine::new(world.url()).unwrap()
}

/// Adds many rows and deletes all but one in twenty.
async fn with_dead_rows(world: &World) -> Sql {
    let mut sql = Sql::connect(world.url()).await;
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)";
    sql.run(&format!(
        "INSERT INTO \"VerificationToken\" (identifier, token, expires) {numbers} \
         SELECT 'somebody' || i || '@example.com', 'a-token-of-some-length-' || i, '2026-01-01 00:00:00' FROM n"
    ))
    .await;
    sql.run("DELETE FROM \"VerificationToken\" WHERE token NOT LIKE '%7' OR token LIKE '%77'").await;
    if !is_sqlite(world.url()) {
        // A session reports its statistics to the server once a second.
        sql.run("SELECT pg_stat_force_next_flush()").await;
    }
    sql
}

#[tokio::test]
async fn postgres_vacuums_what_has_dead_rows_and_nothing_twice() {
    let world = World::postgres().await.unwrap();
    let _sql = with_dead_rows(&world).await;

    let done = vacuum(&engine(&world), false).await.unwrap();
    assert!(done.vacuumed.iter().any(|table| table == "VerificationToken"), "{done:?}");
    let again = vacuum(&engine(&world), false).await.unwrap();
    assert!(!again.vacuumed.iter().any(|table| table == "VerificationToken"), "{again:?}");
    let all = vacuum(&engine(&world), true).await.unwrap();
    assert!(all.vacuumed.len() > 10, "{all:?}");
}

#[tokio::test]
async fn postgres_skips_a_table_that_somebody_holds() {
    let world = World::postgres().await.unwrap();
    let mut sql = with_dead_rows(&world).await;
    sql.run("BEGIN; LOCK TABLE \"VerificationToken\" IN SHARE MODE").await;

    let done = vacuum(&engine(&world), false).await.unwrap();

    assert!(done.skipped.iter().any(|table| table == "VerificationToken"), "{done:?}");
}

#[tokio::test]
async fn postgres_analyzes_what_has_changed() {
    let world = World::postgres().await.unwrap();
    let _sql = with_dead_rows(&world).await;

    let done = analyze(&engine(&world), false).await.unwrap();
    assert!(done.analyzed.iter().any(|table| table == "VerificationToken"), "{done:?}");
    let again = analyze(&engine(&world), false).await.unwrap();
    assert!(!again.analyzed.iter().any(|table| table == "VerificationToken"), "{again:?}");
}

#[tokio::test]
async fn postgres_rebuilds_bloated_indexes_and_no_others() {
    let world = World::postgres().await.unwrap();
    let mut sql = with_dead_rows(&world).await;
    sql.run("VACUUM ANALYZE \"VerificationToken\"").await;
    let before = sql.one("SELECT pg_indexes_size('\"VerificationToken\"')::text").await;

    let done = reindex(&engine(&world), false).await.unwrap();

    assert!(done.reindexed.iter().any(|index| index.starts_with("VerificationToken")), "{done:?}");
    assert!(done.freed_bytes > 0, "{done:?}");
    let after = sql.one("SELECT pg_indexes_size('\"VerificationToken\"')::text").await;
    assert!(after.parse::<i64>().unwrap() * 2 < before.parse::<i64>().unwrap(), "{before} and {after}");
    assert!(reindex(&engine(&world), false).await.unwrap().reindexed.is_empty());
}

#[tokio::test]
async fn postgres_drops_what_a_failed_rebuild_left_behind() {
    let world = World::postgres().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    sql.run("CREATE INDEX \"Request_title_ccnew\" ON \"Request\" (title)").await;
    sql.run("CREATE INDEX \"Request_valid_ccnew\" ON \"Request\" (title)").await;
    sql.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Request_title_ccnew\"'::regclass").await;

    let done = reindex(&engine(&world), false).await.unwrap();

    assert_eq!(done.dropped, ["Request_title_ccnew"]);
    let left = sql.all("SELECT relname::text FROM pg_class WHERE relname LIKE 'Request%ccnew'").await;
    assert_eq!(left, ["Request_valid_ccnew"], "one that is valid is somebody's");
}

#[tokio::test]
async fn postgres_is_measured_by_a_login_that_may_only_connect() {
    let world = World::postgres().await.unwrap();
    world.agency().await.unwrap().request().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    // Logins belong to the whole server, which tests share.
    let login = format!("size_reader_{}", std::process::id());
    sql.run(&format!("CREATE ROLE {login} LOGIN")).await;
    let url = world.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let place = rest.split_once('@').map_or(rest, |(_, place)| place);
    let login_url = if rest.contains('@') {
        format!("{scheme}://{login}@{place}")
    } else {
        format!("{url}{}user={login}", if url.contains('?') { '&' } else { '?' })
    };

    let found = sizes(&Engine::new(&login_url).unwrap(), true).await;

    sql.run(&format!("DROP ROLE {login}")).await;
    let found = found.unwrap();
    assert!(found.database_bytes > 0 && found.tables.iter().any(|table| table.name == "Request"));
    assert_eq!(found.tenants, None, "it may not read the rows");
}

async fn migrated() -> PostgresDatabase {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    deploy(&database.url()).await;
    database
}

/// Returns the errors of vacuuming, analyzing and reindexing all tables.
async fn failures(url: &str) -> [Error; 3] {
    let engine = Engine::new(url).unwrap();
    [
        vacuum(&engine, true).await.unwrap_err(),
        analyze(&engine, true).await.unwrap_err(),
        reindex(&engine, true).await.unwrap_err(),
    ]
}

/// Without this check PostgreSQL would warn and do nothing, or fail with another message.
#[tokio::test]
async fn a_login_that_does_not_own_the_tables_learns_who_may_care_for_them() {
    let database = migrated().await;
    let mut sql = Sql::connect(&database.url()).await;
    let role = format!("carer_{}", database.name());
    sql.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT CREATE ON SCHEMA public TO {role}")).await;
    let url = database.url_as(&role);
    // Owning any table is not enough: the login must own the platform's tables.
    Sql::connect(&url).await.run("CREATE TABLE public.of_its_own (n integer)").await;

    let failures = failures(&url).await;

    sql.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    for error in failures {
        assert!(matches!(error, Error::NotOwner) && error.to_string().contains("log in as the owner"), "{error:?}");
    }
}

#[tokio::test]
async fn behind_a_pooler_the_care_of_the_engine_says_that_it_takes_the_server_itself() {
    let database = migrated().await;
    let url = database.url_through_pooler().await.unwrap();

    for error in failures(&url).await {
        assert!(matches!(error, Error::Pooled) && error.to_string().contains("the server itself"), "{error:?}");
    }
}

#[tokio::test]
async fn sqlite_gives_free_pages_back() {
    let world = World::sqlite().await.unwrap();
    let _sql = with_dead_rows(&world).await;

    let done = vacuum(&engine(&world), false).await.unwrap();
    assert_eq!(done.vacuumed, ["main"]);
    assert!(done.freed_bytes > 0);
    assert!(vacuum(&engine(&world), false).await.unwrap().vacuumed.is_empty());
    assert!(!analyze(&engine(&world), true).await.unwrap().analyzed.is_empty());
    assert_eq!(reindex(&engine(&world), true).await.unwrap().reindexed, ["main"]);
}

#[tokio::test]
async fn sqlite_reports_a_damaged_file() {
    let world = World::sqlite().await.unwrap();
    assert!(check_integrity(&engine(&world)).await.unwrap().damage.is_empty());
    let mut sql = Sql::connect(world.url()).await;
    sql.run("PRAGMA foreign_keys = off").await;
    sql.run("INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires, \"tenantId\") VALUES ('s', 't', 'nobody', '2026-01-01 00:00:00', 'nobody')")
        .await;

    let damage = check_integrity(&engine(&world)).await.unwrap().damage;

    assert!(damage.iter().any(|line| line.contains("refers to nothing in User")), "{damage:?}");
}
