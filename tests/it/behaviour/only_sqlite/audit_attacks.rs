//! `REPLACE` deletes a row without firing its triggers. SQLite only: PostgreSQL has no such statement.

use super::world;
use crate::support::audit::{sealed, victim};
use crate::support::sql::Sql;

#[tokio::test]
async fn nothing_is_replaced() {
    let (world, _outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    let id = victim(&mut sql).await;
    for attempt in [
        format!("REPLACE INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('{id}', 'x', 'x', 'y')"),
        format!(
            "REPLACE INTO \"AuditLog\" (rowid, id, \"userId\", action, resource) SELECT rowid, 'new', 'x', 'x', 'y' FROM \"AuditLog\" WHERE id = '{id}'"
        ),
        "REPLACE INTO rylie_audit_batch SELECT batch, sealed_at, records, total, 'x', NULL FROM rylie_audit_batch"
            .to_owned(),
        "REPLACE INTO rylie_audit_tenant SELECT batch, number, tenant, records, 7, root FROM rylie_audit_tenant"
            .to_owned(),
        format!(
            "REPLACE INTO rylie_audit_leaf (batch, number, tenant_number, record_id, leaf) VALUES (99, 1, 1, '{id}', x'00')"
        ),
        format!("UPDATE OR REPLACE \"AuditLog\" SET id = '{id}' WHERE id <> '{id}'"),
    ] {
        assert!(sql.try_run(&attempt).await.unwrap_err().to_string().contains("only added to"), "{attempt}");
    }
}
