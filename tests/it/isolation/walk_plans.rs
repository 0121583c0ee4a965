//! PostgreSQL's plans for the lists, in the tenant role.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_testkit::World;

use crate::support::sql::Sql;

/// The statement of a walk, with values in place.
const WALK: &str = r#"SELECT "Request"."id" FROM "Request" WHERE "Request"."deleted" = FALSE
    AND ("Request"."createdAt", "Request"."id") < (timestamp '2025-01-01 01:00:00', 'r-0003600')
    AND "Request"."tenantId" = 'big' ORDER BY "Request"."createdAt" DESC, "Request"."id" DESC LIMIT 51"#;

#[tokio::test]
async fn a_walk_begins_at_its_place_in_the_index_under_row_level_security() {
    let world = World::postgres().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    sql.run(r#"INSERT INTO "Agency" (id, name, "updatedAt") VALUES ('big', 'Big', now())"#).await;
    sql.run(r#"INSERT INTO "User" (id, email, "agencyId", "updatedAt") VALUES ('u', 'u@example.com', 'big', now())"#)
        .await;
    sql.run(
        r#"INSERT INTO "Request" (id, "userId", "agencyId", "tenantId", title, description, type, "createdAt", "updatedAt")
           SELECT 'r-' || lpad(n::text, 7, '0'), 'u', 'big', 'big', 't', '', 'page',
                  timestamp '2025-01-01' + n * interval '1 second', now() FROM generate_series(1, 20000) n"#,
    )
    .await;
    sql.run(r#"ANALYZE "Request""#).await;
    sql.run("SET ROLE rylie_tenant").await;
    sql.run("SELECT set_config('rylie.tenant', 'big', false)").await;

    let plan = sql.all(&format!("EXPLAIN (COSTS OFF) {WALK}")).await.join("\n");

    println!("{plan}");
    let condition = plan.lines().find(|line| line.contains("Index Cond")).unwrap_or_default();
    assert!(condition.contains("ROW(") && condition.contains("tenantId"), "{plan}");
}

/// The order is not accidental: of many requests the only pending one is the oldest. The statement is the driver's own,
/// and runs often enough for a generic plan.
#[tokio::test]
async fn a_list_of_a_rare_status_is_read_from_the_index_that_is_for_it() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let pending = agency.request().await.unwrap().id;
    let mut sql = Sql::connect(world.url()).await;
    sql.run(&format!(
        r#"INSERT INTO "Request" (id, "userId", "agencyId", "tenantId", title, description, type, status, "createdAt", "updatedAt")
           SELECT 'r-' || n, "userId", "agencyId", "tenantId", 't', '', 'page', 'COMPLETED', now() + n * interval '1 second', now()
           FROM "Request", generate_series(1, 20000) n WHERE id = '{pending}'"#,
    ))
    .await;
    sql.run(r#"VACUUM ANALYZE "Request""#).await;
    let database = world.connect_again(1).await.unwrap();

    for _ in 0..12 {
        let unit = database.store().tenant(&agency.scope()).await.unwrap();
        let filter = RequestFilter { status: Some(RequestStatus::Pending), ..Default::default() };
        let listed = unit.requests().list(filter.clone(), PageRequest::default()).await.unwrap();
        assert_eq!((listed.items[0].id.clone(), listed.total), (pending.clone(), 1));
        assert_eq!(unit.requests().list_after(filter, KeysetRequest::default()).await.unwrap().items.len(), 1);
    }

    // The server updates its counts when a session ends.
    database.close().await;
    let read = "SELECT coalesce(sum(idx_tup_read), 0)::text FROM pg_stat_user_indexes WHERE indexrelname";
    let of_pending = format!("{read} = 'Request_pending_idx'");
    let counted = async {
        while sql.all(&of_pending).await == ["0"] {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.expect("the index for pending requests was not read");
    let others = sql.all(&format!("{read} IN ('Request_tenantId_createdAt_idx', 'Request_tenantId_status_idx')")).await;
    let known = sql
        .all(
            "SELECT concat_ws(' ', attname, n_distinct, most_common_vals, most_common_freqs) FROM pg_stats WHERE tablename = 'Request' \
             UNION ALL SELECT concat_ws(' ', relname, reltuples, indisvalid, indcheckxmin) FROM pg_index JOIN pg_class c ON c.oid = indexrelid \
             WHERE indrelid = '\"Request\"'::regclass",
        )
        .await;
    let read = others[0].parse::<u64>().unwrap();
    assert!(read < 1_000, "{read} entries of other indexes were read; the planner knew {known:#?}");
}
