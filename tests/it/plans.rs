//! How PostgreSQL reads the lists, as the tenant's role sees them.

use rylie_testkit::World;

use crate::migration::sql::Sql;

/// What a walk sends, with its values in place.
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
