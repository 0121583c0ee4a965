//! Attacks that PostgreSQL does not know: `REPLACE` deletes a row without firing its triggers, and a writer of the file
//! can change the text of an index.

use rylie_db::audit::Tampering;

use super::world;
use crate::support::audit::{found, sealed, superuser, victim};
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

/// The index does not have the row, and a search by it does not find the row.
#[tokio::test]
async fn an_index_that_lacks_a_row_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run("CREATE INDEX partial ON \"AuditLog\" (id) WHERE position < 5000").await;
    assert_eq!(outside.verify(&world).await.first_bad, None);
    sql.run(
        "DROP TRIGGER IF EXISTS \"AuditLog_complete\"; \
         INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position) VALUES ('forged', 'x', 'x', 'y', 'platform', 7000)",
    )
    .await;
    sql.run(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ' WHERE position < 5000', '') WHERE name = 'partial'; \
         PRAGMA writable_schema = RESET",
    )
    .await;
    // Another change of the schema, so that open connections read it again.
    sql.run("CREATE TABLE later (id integer)").await;

    let finding = found(&world, &outside).await;

    assert!(finding.what == Tampering::Hidden && finding.detail.contains("partial"), "{finding:?}");
}
