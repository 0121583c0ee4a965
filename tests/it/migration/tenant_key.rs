//! The tenant key is correct for every writer, and cannot be forged.

use crate::support::old_service::{NOW, OF_USER, fill, fill_ours, make_base, record_base};
use crate::support::sql::{Sql, deploy, is_sqlite};

/// Asserts that all rows of a user belong to the tenant.
async fn assert_tenant(sql: &mut Sql, user: &str, tenant: &str) {
    assert_eq!(sql.tenant("User", user).await, tenant);
    assert_eq!(sql.tenant("Request", &format!("r-{user}")).await, tenant);
    assert_eq!(sql.tenant("Task", &format!("t-{user}")).await, tenant);
    assert_eq!(sql.tenant("SEOWorksTaskMapping", &format!("m-{user}")).await, tenant);
    for (table, ..) in OF_USER {
        assert_eq!(sql.tenant(table, &format!("c-{user}")).await, tenant, "{table}");
    }
}

async fn filled(url: &str) -> Sql {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    fill_ours(&mut sql).await;
    sql
}

/// A writer that does not set the column gets the correct value.
pub(crate) async fn a_writer_that_knows_nothing_of_it_gets_it(url: &str) {
    let mut sql = filled(url).await;

    assert_eq!(sql.tenant("Agency", "a1").await, "a1");
    for (user, tenant) in [("ann", "a1"), ("bob", "a2"), ("solo", "user:solo")] {
        assert_tenant(&mut sql, user, tenant).await;
        assert_eq!(sql.tenant("AuditLog", &format!("e-{user}")).await, tenant);
    }
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('e', 'nobody', 'x', 'y')").await;
    assert_eq!(sql.tenant("AuditLog", "e").await, "platform");
}

/// All existing rows are filled in, and no other column changes.
pub(crate) async fn old_rows_are_filled_in(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    record_base(&mut sql).await;
    deploy(url).await;

    for (user, tenant) in [("ann", "a1"), ("bob", "a2"), ("solo", "user:solo")] {
        assert_tenant(&mut sql, user, tenant).await;
        assert_eq!(sql.tenant("AuditLog", &format!("e-{user}")).await, tenant);
    }
    for table in ["User", "Request", "Task"] {
        let changed = format!("SELECT id FROM \"{table}\" WHERE \"updatedAt\" <> {NOW}");
        assert_eq!(sql.all(&changed).await, Vec::<String>::new(), "{table}");
    }
}

/// More rows than one batch.
pub(crate) async fn more_rows_than_a_batch_are_filled_in(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12001)";
    sql.run(&format!(
        "{numbers} INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") \
         SELECT 'n' || i, 'ann', 'r-ann', 't', 'PAGE', {NOW} FROM n"
    ))
    .await;
    record_base(&mut sql).await;
    deploy(url).await;

    assert_eq!(sql.one("SELECT CAST(count(*) AS text) FROM \"Task\" WHERE \"tenantId\" = 'a1'").await, "12002");
}

/// A user who changes agency takes all own rows along.
pub(crate) async fn a_change_of_agency_moves_the_children(url: &str) {
    let mut sql = filled(url).await;

    sql.run("UPDATE \"User\" SET \"agencyId\" = 'a2' WHERE id = 'ann'").await;
    sql.run("UPDATE \"Request\" SET \"agencyId\" = 'a2' WHERE \"userId\" = 'ann'").await;

    assert_tenant(&mut sql, "ann", "a2").await;
    assert_eq!(sql.tenant("UsageEvent", "c-ann").await, "a2");
    assert_eq!(sql.tenant("AuditLog", "e-ann").await, "a1");
}

/// When an agency is deleted, each user becomes a tenant.
pub(crate) async fn the_end_of_an_agency_moves_the_children(url: &str) {
    let mut sql = filled(url).await;

    sql.run("DELETE FROM \"Agency\" WHERE id = 'a1'").await;

    assert_tenant(&mut sql, "ann", "user:ann").await;
}

/// Changed ids are followed.
pub(crate) async fn a_change_of_ids_is_followed(url: &str) {
    let mut sql = filled(url).await;

    sql.run("UPDATE \"Agency\" SET id = 'a9' WHERE id = 'a1'").await;
    assert_eq!(sql.tenant("Agency", "a9").await, "a9");
    assert_tenant(&mut sql, "ann", "a9").await;

    sql.run("UPDATE \"Request\" SET id = 'r9' WHERE id = 'r-ann'").await;
    assert_eq!(sql.one("SELECT \"requestId\" FROM \"Task\" WHERE id = 't-ann'").await, "r9");
    sql.run("UPDATE \"User\" SET id = 'sola' WHERE id = 'solo'").await;
    assert_eq!(sql.tenant("User", "sola").await, "user:sola");
    assert_eq!(sql.tenant("Request", "r-solo").await, "user:sola");
    assert_eq!(sql.tenant("Task", "t-solo").await, "user:sola");
    assert_eq!(sql.tenant("GA4Connection", "c-solo").await, "user:sola");
}

/// A row with a new parent moves to that parent's tenant.
pub(crate) async fn a_row_follows_its_new_parent(url: &str) {
    let mut sql = filled(url).await;

    sql.run("UPDATE \"Task\" SET \"requestId\" = 'r-bob', status = 'COMPLETED' WHERE id = 't-ann'").await;
    assert_eq!(sql.tenant("Task", "t-ann").await, "a2");

    sql.run("UPDATE \"Account\" SET \"userId\" = 'solo' WHERE id = 'c-ann'").await;
    assert_eq!(sql.tenant("Account", "c-ann").await, "user:solo");
}

/// A key that differs from the parent's is refused; a root's is corrected.
pub(crate) async fn a_forged_tenant_is_refused(url: &str) {
    let mut sql = filled(url).await;

    let insert = "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\", \"tenantId\") VALUES ('f', 'ann', 'r-ann', 't', 'PAGE', '2026-01-01 00:00:00.000', 'a2')";
    assert_foreign_key(sql.try_run(insert).await);
    assert_foreign_key(sql.try_run("UPDATE \"Task\" SET \"tenantId\" = 'a2' WHERE id = 't-ann'").await);
    assert_foreign_key(sql.try_run("UPDATE \"Session\" SET \"tenantId\" = 'a2' WHERE id = 'c-ann'").await);
    assert_foreign_key(
        sql.try_run("UPDATE \"Task\" SET \"requestId\" = 'r-bob', \"tenantId\" = 'a3' WHERE id = 't-ann'").await,
    );
    sql.run("UPDATE \"User\" SET \"tenantId\" = 'a2' WHERE id = 'ann'").await;

    assert_tenant(&mut sql, "ann", "a1").await;
}

/// A row with a missing parent still fails by the foreign key.
pub(crate) async fn an_unknown_parent_is_the_foreign_keys_error(url: &str) {
    let mut sql = filled(url).await;

    let insert = "INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) VALUES ('s', 's', 'nobody', '2026-01-01 00:00:00.000')";
    assert_foreign_key(sql.try_run(insert).await);
}

fn assert_foreign_key(outcome: sqlx::Result<()>) {
    let error = outcome.expect_err("this should have been refused");
    assert!(error.as_database_error().unwrap().is_foreign_key_violation(), "{error}");
}

/// New rows are not deleted; the old service may omit the columns.
pub(crate) async fn rows_begin_undeleted(url: &str) {
    let mut sql = filled(url).await;
    for table in ["Request", "Task"] {
        let count =
            format!("SELECT CAST(count(*) AS text) FROM \"{table}\" WHERE NOT deleted AND \"deletedAt\" IS NULL");
        assert_eq!(sql.one(&count).await, "3");
    }
}

/// Deleting a user keeps the evidence.
pub(crate) async fn the_audit_log_outlives_its_actor(url: &str) {
    let mut sql = filled(url).await;
    for table in ["Task", "Request"] {
        sql.run(&format!("DELETE FROM \"{table}\" WHERE \"userId\" = 'ann'")).await;
    }
    sql.run("DELETE FROM \"User\" WHERE id = 'ann'").await;

    assert_eq!(sql.tenant("AuditLog", "e-ann").await, "a1");
    assert_eq!(sql.all("SELECT id FROM \"Account\" WHERE id = 'c-ann'").await, Vec::<String>::new());
}

/// Each column of a foreign key is the first of an index, so that no cascade scans a table.
pub(crate) async fn each_foreign_key_is_led_by_an_index(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    let without = if is_sqlite(url) {
        "SELECT t.name || '.' || k.\"from\" FROM sqlite_schema t, pragma_foreign_key_list(t.name) k WHERE t.type = 'table' AND k.seq = 0 \
         AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name) i, pragma_index_info(i.name) c WHERE c.seqno = 0 AND c.name = k.\"from\" AND NOT i.partial)"
    } else {
        "SELECT conname::text FROM pg_constraint k WHERE contype = 'f' AND NOT EXISTS \
         (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1] AND i.indpred IS NULL AND i.indisvalid)"
    };
    assert_eq!(sql.all(without).await, Vec::<String>::new());
}
