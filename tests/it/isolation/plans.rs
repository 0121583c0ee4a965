//! Plans of the lists in the tenant role: under a policy, only leak-proof operators can use an index.

use super::protected;
use crate::support::raw::Raw;

/// Twenty tenants with rows, one of them with half of all rows.
const ROWS: &str = "
    INSERT INTO \"Agency\" (id, name, \"updatedAt\") SELECT 'p' || i, 'n', now() FROM generate_series(1, 20) i;
    INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") SELECT 'u' || i, 'u' || i, 'p' || i, now() FROM generate_series(1, 20) i;
    INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, status, \"createdAt\", \"updatedAt\")
        SELECT 'q' || i, 'u' || t, 'p' || t, 't', 'd', 'x', (CASE WHEN i % 50 = 0 THEN 'PENDING' ELSE 'COMPLETED' END)::\"RequestStatus\",
               timestamp '2026-01-01' + i * interval '1 minute', now()
        FROM (SELECT i, CASE WHEN i % 2 = 0 THEN 1 ELSE 2 + i % 19 END AS t FROM generate_series(1, 8000) i) rows;
    INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"createdAt\", \"updatedAt\")
        SELECT 't' || id, \"userId\", id, 't', 'PAGE', \"createdAt\", now() FROM \"Request\" WHERE id LIKE 'q%';
    INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"createdAt\")
        SELECT 'e' || id, \"userId\", 'x', 'y', \"createdAt\" FROM \"Request\" WHERE id LIKE 'q%';
    ANALYZE";

/// Returns the plan of a statement that is prepared as the driver does, after enough runs for a generic plan.
async fn plan(raw: &mut Raw, statement: &str, parameters: &str) -> String {
    raw.run("BEGIN; SET LOCAL ROLE rylie_tenant; SET LOCAL rylie.tenant = 'p1'").await;
    raw.run(&format!("PREPARE list AS {statement}")).await;
    for _ in 0..7 {
        raw.run(&format!("EXECUTE list({parameters})")).await;
    }
    let plan = raw.rows(&format!("EXPLAIN (COSTS off) EXECUTE list({parameters})")).await.unwrap().join("\n");
    raw.run("ROLLBACK; DEALLOCATE list").await;
    plan
}

#[tokio::test]
async fn lists_are_read_in_the_order_of_their_index() {
    let (_database, mut raw) = protected().await;
    raw.run(ROWS).await;

    for (table, list, parameters, index) in [
        ("Request", "NOT deleted AND \"tenantId\" = $1", "'p1'", "Request_tenantId_createdAt_idx"),
        (
            "Request",
            "NOT deleted AND status = CAST($2 AS \"RequestStatus\") AND \"tenantId\" = $1",
            "'p1', 'PENDING'",
            "Request_pending_idx",
        ),
        (
            "Request",
            "NOT deleted AND (\"createdAt\", id) < ($2, $3) AND \"tenantId\" = $1",
            "'p1', '2026-01-03', 'q1'",
            "Request_tenantId_createdAt_idx",
        ),
        ("Task", "NOT deleted AND \"tenantId\" = $1", "'p1'", "Task_tenantId_createdAt_idx"),
        ("AuditLog", "\"tenantId\" = $1", "'p1'", "AuditLog_tenantId_createdAt_idx"),
    ] {
        let statement = format!("SELECT * FROM \"{table}\" WHERE {list} ORDER BY \"createdAt\" DESC, id DESC LIMIT 50");

        let plan = plan(&mut raw, &statement, parameters).await;

        assert!(plan.contains(&format!("Index Scan using \"{index}\"")) && !plan.contains("Sort"), "{list}:\n{plan}");
    }
}
