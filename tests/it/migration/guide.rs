//! The SQL of the platform's operations guide runs unchanged.

use rylie_testkit::World;

use crate::support::sql::Sql;

const STATEMENTS: [&str; 9] = [
    r#"ALTER TABLE "Request" ADD COLUMN IF NOT EXISTS "legacyId" TEXT"#,
    r#"CREATE INDEX IF NOT EXISTS "Request_legacyId_idx" ON "Request"("legacyId")"#,
    r#"EXPLAIN ANALYZE SELECT * FROM "Request" WHERE "agencyId" = 'agency123' AND "status" = 'PENDING'"#,
    r#"CREATE INDEX IF NOT EXISTS "Request_agencyId_status_idx" ON "Request"("agencyId", "status")"#,
    "SELECT
       table_name,
       pg_size_pretty(pg_total_relation_size(quote_ident(table_name))) as total_size,
       pg_size_pretty(pg_relation_size(quote_ident(table_name))) as table_size,
       pg_size_pretty(pg_indexes_size(quote_ident(table_name))) as index_size
     FROM information_schema.tables
     WHERE table_schema = 'public'
     ORDER BY pg_total_relation_size(quote_ident(table_name)) DESC",
    "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns WHERE table_name = 'Request'",
    "SELECT relation::regclass, mode, pid, pg_blocking_pids(pid) as blocked_by FROM pg_locks WHERE NOT granted",
    "SELECT pid, query, age(clock_timestamp(), query_start) as time FROM pg_stat_activity
     WHERE pid IN (SELECT unnest(pg_blocking_pids(pid)) FROM pg_locks WHERE NOT granted)",
    "VACUUM ANALYZE",
];

#[tokio::test]
async fn the_guides_statements_run() {
    let world = World::postgres().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    for statement in STATEMENTS {
        sql.run(statement).await;
    }
}

#[tokio::test]
async fn the_guides_index_is_there_already_and_not_made_twice() {
    let world = World::postgres().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    sql.run(STATEMENTS[3]).await;

    let indexes = "SELECT indexdef FROM pg_indexes WHERE indexname = 'Request_agencyId_status_idx'";
    assert!(sql.one(indexes).await.ends_with(r#"USING btree ("agencyId", status)"#));
}
