//! Row-level security alone, against the forms of SQL that the attack suite does not generate: every kind of join and
//! nested query, aggregates, `MERGE`, locks as an oracle, statistics, and what reaches outside the database.

use super::protected;
use crate::support::raw::{DENIED, Raw};

/// Queries without a tenant condition; the tenant's own rows are the only ones in the result.
const READS: [(&str, &str); 14] = [
    (r#"SELECT count(*)::text FROM "Task" t JOIN "Request" r ON r.id = t."requestId""#, "1"),
    (r#"SELECT count(*)::text FROM "Request" r LEFT JOIN "User" u ON u.id <> r."userId""#, "1"),
    (r#"SELECT count(*)::text FROM "Request" a CROSS JOIN "Request" b"#, "1"),
    (r#"SELECT count(*)::text FROM "Request" WHERE "userId" IN (SELECT id FROM "User" WHERE email LIKE 'bob%')"#, "0"),
    (r#"SELECT EXISTS (SELECT FROM "User" WHERE email LIKE 'bob%')::text"#, "false"),
    (r#"WITH r AS MATERIALIZED (SELECT * FROM "Request") SELECT count(*)::text FROM r"#, "1"),
    (
        r#"WITH RECURSIVE r AS (SELECT id, 1 AS n FROM "Request" UNION ALL SELECT q.id, n + 1 FROM "Request" q JOIN r ON n < 2) SELECT count(*)::text FROM r"#,
        "2",
    ),
    (r#"SELECT count(*)::text FROM (SELECT id FROM "Request" UNION ALL SELECT id FROM "Task") AS two"#, "2"),
    (
        r#"SELECT count(*)::text FROM "User" u, LATERAL (SELECT id FROM "Request" r WHERE r."tenantId" <> u."tenantId") AS others"#,
        "0",
    ),
    (r#"SELECT (count(*) OVER ())::text FROM "Request" LIMIT 1"#, "1"),
    (r#"SELECT count(DISTINCT "tenantId")::text FROM "Request""#, "1"),
    (r#"SELECT min("tenantId") || max("tenantId") FROM "Request""#, "a1a1"),
    (r#"SELECT string_agg("tenantId", ',') FROM "Request" GROUP BY GROUPING SETS (("type"), ()) LIMIT 1"#, "a1"),
    (r#"SELECT count(*)::text FROM "Request" TABLESAMPLE SYSTEM (100)"#, "1"),
];

#[tokio::test]
async fn no_form_of_a_query_shows_another_tenants_rows() {
    let (_database, mut raw) = protected().await;
    for (sql, expected) in READS {
        assert_eq!(raw.as_tenant("a1", sql).await, Ok(vec![expected.to_owned()]), "{sql}");
    }
}

#[tokio::test]
async fn a_merge_neither_changes_nor_takes_another_tenants_row() {
    let (_database, mut raw) = protected().await;
    let all = r#"MERGE INTO "Request" r USING (SELECT 1) AS one ON true WHEN MATCHED THEN UPDATE SET title = 'taken'"#;
    let removed = r#"MERGE INTO "Task" t USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE"#;
    let foreign = "SELECT string_agg(md5(t::text), ',' ORDER BY id) FROM \"$\" t WHERE \"tenantId\" <> 'a1'";
    let picture = async |raw: &mut Raw| {
        let requests = raw.rows(&foreign.replace('$', "Request")).await.unwrap();
        (requests, raw.rows(&foreign.replace('$', "Task")).await.unwrap())
    };
    let before = picture(&mut raw).await;

    // A row that the policy hides is an error of the whole statement in a MERGE.
    for merge in [all, removed] {
        raw.run("BEGIN; SET LOCAL ROLE rylie_tenant; SET LOCAL rylie.tenant = 'a1'").await;
        assert_eq!(raw.rows(merge).await, Err(DENIED.to_owned()), "{merge}");
        raw.run("COMMIT").await;
        assert_eq!(picture(&mut raw).await, before, "{merge}");
    }
    let own = all.replace("ON true", "ON r.\"tenantId\" = 'a1'");
    raw.run("BEGIN; SET LOCAL ROLE rylie_tenant; SET LOCAL rylie.tenant = 'a1'").await;
    raw.run(&own).await;
    raw.run("COMMIT").await;
    assert_eq!(raw.as_tenant("a1", r#"SELECT title FROM "Request""#).await, Ok(vec!["taken".to_owned()]));
    assert_eq!(picture(&mut raw).await, before);
    let inserted = r#"MERGE INTO "Agency" a USING (SELECT 'stolen' AS id) AS new ON a.id = new.id
        WHEN NOT MATCHED THEN INSERT (id, name, "updatedAt", "tenantId") VALUES (new.id, 'n', now(), 'a2')"#;
    assert_eq!(raw.as_tenant("a1", inserted).await, Err(DENIED.to_owned()));
}

/// A lock that waits for another tenant's row would show that there is one.
#[tokio::test]
async fn a_lock_does_not_wait_for_another_tenants_row() {
    let (database, mut raw) = protected().await;
    let mut holder = Raw::connect(&database.url()).await;
    holder.run(r#"BEGIN; SELECT id FROM "Request" WHERE "tenantId" = 'a2' FOR UPDATE"#).await;
    for lock in ["FOR UPDATE NOWAIT", "FOR NO KEY UPDATE NOWAIT", "FOR SHARE NOWAIT", "FOR KEY SHARE NOWAIT"] {
        let sql = format!(r#"SELECT "tenantId" FROM "Request" {lock}"#);
        assert_eq!(raw.as_tenant("a1", &sql).await, Ok(vec!["a1".to_owned()]), "{lock}");
    }
    let update = r#"UPDATE "Request" SET title = title WHERE "tenantId" = 'a2'"#;
    let sql = format!("SET LOCAL lock_timeout = '2s'; {update}");
    assert_eq!(raw.as_tenant("a1", &sql).await, Ok(vec![]), "the update does not wait");
    holder.run("ROLLBACK").await;
}

/// The planner's statistics contain values of all tenants.
#[tokio::test]
async fn statistics_of_a_tenants_table_are_hidden() {
    let (_database, mut raw) = protected().await;
    raw.run(r#"CREATE STATISTICS planted (mcv) ON title, "tenantId" FROM "Request"; ANALYZE"#).await;
    let known = "SELECT count(*)::text FROM pg_stats WHERE tablename = 'Request'";
    assert_ne!(raw.rows(known).await, Ok(vec!["0".to_owned()]), "there are statistics");
    for view in ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"] {
        let sql = format!(
            "SELECT tablename::text FROM {view} WHERE schemaname = 'public' AND tablename IN ('Request', 'Task', 'User')"
        );
        assert_eq!(raw.as_tenant("a1", &sql).await, Ok(vec![]), "{view}");
    }
    for table in ["pg_statistic", "pg_statistic_ext_data"] {
        assert_eq!(raw.as_tenant("a1", &format!("SELECT 1 FROM {table}")).await, Err(DENIED.to_owned()), "{table}");
    }
}

#[tokio::test]
async fn nothing_outside_the_database_is_reached() {
    let (_database, mut raw) = protected().await;
    for sql in [
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT pg_stat_file('PG_VERSION')::text",
        "SELECT lo_import('/etc/hostname')::text",
        "COPY (SELECT 1) TO '/tmp/taken'",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "CREATE EXTENSION dblink",
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
        "SELECT pg_create_logical_replication_slot('s', 'test_decoding')::text",
        "SELECT pg_create_physical_replication_slot('s')::text",
        "CREATE PUBLICATION p FOR ALL TABLES",
        "SELECT pg_switch_wal()::text",
        "SELECT pg_reload_conf()::text",
        "ALTER SYSTEM SET row_security = off",
        "SET session_replication_role = replica",
        "CREATE TABLE public.mine (id text)",
        "CREATE FUNCTION public.mine() RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
    ] {
        let refused = raw.as_tenant("a1", sql).await.unwrap_err();
        // An extension or a wrapper that is not installed has other codes.
        assert!([DENIED, "0A000", "58P01", "42704", "25001"].contains(&&*refused), "{refused}: {sql}");
    }
}
