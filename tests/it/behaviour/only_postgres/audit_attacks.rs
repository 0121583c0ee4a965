//! The setting that the audit log's triggers read. PostgreSQL only: SQLite has no roles.

use super::world;
use rylie_db::audit::Tampering;
use rylie_db::maintenance::seal_audit;

use crate::support::audit::{found, record, sealed, superuser};
use crate::support::sql::Sql;

#[tokio::test]
async fn the_setting_that_the_triggers_look_at_gives_no_role_a_right() {
    let (world, _outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    for role in ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_auditor", "rylie_sealer"] {
        for keeper in ["retention", "erasure"] {
            for attempt in [
                "UPDATE \"AuditLog\" SET action = 'x'",
                "DELETE FROM \"AuditLog\"",
                "TRUNCATE \"AuditLog\"",
                "UPDATE rylie_audit_batch SET removed_at = NULL",
                "UPDATE rylie_audit_leaf SET number = 1",
                "DELETE FROM rylie_audit_leaf",
                "TRUNCATE rylie_audit_tenant",
            ] {
                let text =
                    format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL rylie.audit_keeper = '{keeper}'; {attempt}");
                let refused = sql.try_run(&text).await.unwrap_err().to_string();
                sql.run("ROLLBACK").await;
                assert!(refused.contains("permission denied"), "{role} {keeper} {attempt}: {refused}");
            }
        }
    }
}

#[tokio::test]
async fn only_the_sealer_removes_and_only_what_is_declared() {
    let (world, _outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    for (role, reason) in [
        ("rylie_tenant", "permission denied for function"),
        ("rylie_identity", "permission denied for function"),
        ("rylie_auditor", "permission denied for function"),
        ("rylie_platform", "permission denied for function"),
        ("rylie_sealer", "no signed checkpoint declares the batch"),
    ] {
        let refused = sql
            .try_run(&format!(
                "BEGIN; SET LOCAL ROLE {role}; SELECT public.rylie_audit_remove_batch(1, now()::timestamp)"
            ))
            .await;
        sql.run("ROLLBACK").await;
        assert!(refused.unwrap_err().to_string().contains(reason), "{role}");
    }
}

#[tokio::test]
async fn the_setting_does_not_outlive_the_function_that_made_it() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    world.env().forward(chrono::TimeDelta::days(100));
    // Restores batches that were declared as removed, for the functions to find.
    sql.run("SET session_replication_role = replica").await;
    sql.run("CREATE TABLE kept AS SELECT * FROM \"AuditLog\"").await;
    sql.run("CREATE TABLE leaves AS SELECT * FROM rylie_audit_leaf WHERE batch <= 2").await;
    outside.retain(&world, 90).await.unwrap();
    sql.run("INSERT INTO \"AuditLog\" SELECT * FROM kept ON CONFLICT DO NOTHING").await;
    sql.run("INSERT INTO rylie_audit_leaf SELECT * FROM leaves").await;
    sql.run("UPDATE rylie_audit_batch SET removed_at = NULL WHERE batch <= 2").await;
    sql.run("SET session_replication_role = origin").await;
    let id = sql.one("SELECT record_id FROM rylie_audit_leaf WHERE batch = 2 LIMIT 1").await;
    let caught = "DO $$ BEGIN PERFORM public.rylie_audit_remove_batch(1, 'infinity'); PERFORM public.rylie_audit_remove_batch(1, 'infinity'); \
         EXCEPTION WHEN OTHERS THEN NULL; END $$";
    for call in [
        "SELECT public.rylie_audit_remove_batch(1, 'infinity')".to_owned(),
        format!("SELECT public.rylie_audit_erase('{id}', 'who', '\\x00')"),
        format!("SELECT public.rylie_audit_erase('{id}', 'nothing', '\\x00')"),
        // The second removal fails inside a savepoint of the caller, together with the first one.
        "SAVEPOINT s; SELECT public.rylie_audit_remove_batch(1, 'infinity'); ROLLBACK TO s".to_owned(),
        caught.to_owned(),
    ] {
        sql.run(&format!("BEGIN; {call}")).await;
        assert_eq!(sql.one("SELECT coalesce(current_setting('rylie.audit_keeper', true), '')").await, "", "{call}");
        let refused = sql.try_run("DELETE FROM \"AuditLog\"").await;
        sql.run("ROLLBACK").await;
        assert!(refused.unwrap_err().to_string().contains("only added to"), "{call}");
    }
}

#[tokio::test]
async fn an_index_without_a_record_does_not_hide_it() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    // So many that a reader would use an index for a part of them.
    sql.run(
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position) \
         SELECT 'n' || n, 'x', 'x', 'y', 'platform', 100000 + n FROM generate_series(1, 45000) AS n; \
         INSERT INTO rylie_audit_pending (position, record_id) SELECT 100000 + n, 'n' || n FROM generate_series(1, 45000) AS n; \
         ANALYZE",
    )
    .await;
    outside.seal(&world).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);

    sql.run("UPDATE pg_index SET indisready = false WHERE indexrelid = '\"AuditLog_pkey\"'::regclass").await;
    let mut other = Sql::connect(world.url()).await;
    other.run("SET session_replication_role = replica").await;
    other
        .run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position) VALUES ('n45001x', 'x', 'FORGED', 'y', 'platform', 900000)")
        .await;
    sql.run("UPDATE pg_index SET indisready = true WHERE indexrelid = '\"AuditLog_pkey\"'::regclass").await;

    let finding = found(&world, &outside).await;
    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Added, Some("n45001x")));
}

#[tokio::test]
async fn a_leaf_in_the_place_of_the_next_batch_is_named_to_the_sealer() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run(
        "INSERT INTO rylie_audit_leaf (batch, number, tenant_number, record_id, leaf) \
         SELECT max(batch) + 1, 0, 0, 'planted', sha256('x') FROM rylie_audit_batch",
    )
    .await;
    let agency = world.agency().await.unwrap();
    record(&agency, 1).await;

    let refused = rylie_db::maintenance::seal_audit(&*world.store(), &outside.key, &[]).await.unwrap_err();

    let reason = std::error::Error::source(&refused).unwrap().to_string();
    assert!(reason.contains("that no checkpoint covers is in its place"), "{reason}");
}

#[tokio::test]
async fn a_false_entry_is_never_counted_by_a_checkpoint() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let root = "decode(repeat('00', 32), 'hex')";
    let tenant =
        sql.one("SELECT tenant FROM rylie_audit_tenant WHERE batch = 1 AND tenant <> 'platform' LIMIT 1").await;
    let entry = |batch: &str| {
        format!(
            "INSERT INTO rylie_audit_tenant (batch, number, tenant, records, total, root) VALUES ({batch}, 77, '{tenant}', 0, 5000, {root})"
        )
    };
    let waits = |id: &str| {
        format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") VALUES ('{id}', 'x', 'x', 'y', '{tenant}')"
        )
    };
    let mut writer = Sql::connect(world.url()).await;

    sql.run(&entry("999")).await;
    writer.run(&waits("first")).await;
    outside.seal(&world).await;
    assert_eq!(found(&world, &outside).await.what, Tampering::Added);
    sql.run("DELETE FROM rylie_audit_tenant WHERE batch = 999").await;
    assert_eq!(outside.verify(&world).await.first_bad, None);

    sql.run(&entry("(SELECT max(batch) FROM rylie_audit_batch) - 1")).await;
    writer.run(&waits("second")).await;
    outside.seal(&world).await;
    sql.run("DELETE FROM rylie_audit_tenant WHERE number = 77").await;
    assert_eq!(outside.verify(&world).await.first_bad, None);

    // A batch without a record of the tenant.
    outside.seal(&world).await;
    sql.run(&entry("(SELECT max(batch) FROM rylie_audit_batch)")).await;
    writer.run(&waits("third")).await;
    let refused = seal_audit(&*world.store(), &outside.key, &[]).await.unwrap_err();
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.contains("no checkpoint covers"), "{source}");
    sql.run("DELETE FROM rylie_audit_tenant WHERE number = 77").await;
    outside.seal(&world).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);
}

#[tokio::test]
async fn a_record_of_the_smallest_position_is_sealed() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run(&format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position) VALUES ('least', 'x', 'x', 'y', 'platform', {})", i64::MIN)).await;
    sql.run(&format!("INSERT INTO rylie_audit_pending (position, record_id) VALUES ({}, 'least')", i64::MIN)).await;
    outside.seal(&world).await;
    assert_eq!(sql.one("SELECT CAST(count(*) AS text) FROM rylie_audit_leaf WHERE record_id = 'least'").await, "1");
    assert_eq!(outside.verify(&world).await.first_bad, None);
}
