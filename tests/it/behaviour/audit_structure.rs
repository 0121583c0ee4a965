//! Every record is either sealed or waiting, exactly once, and the seals match the checkpoints' counts. Any other
//! content is reported.

use rylie_db::audit::{Outside as Checkpoints, Tampering, Verifier};
use rylie_db::maintenance::{erase_from_audit, verify_audit};
use rylie_testkit::World;

use super::world;
use crate::support::audit::{found, record, sealed, superuser, victim};
use crate::support::sql::{Sql, is_sqlite};

fn bytes(world: &World, hex: &str) -> String {
    if is_sqlite(world.url()) { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") }
}

/// Inserts a record without its trigger, with a leaf of this number in the first batch.
async fn forge(world: &World, sql: &mut Sql, number: i64) {
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position) VALUES ('forged', 'x', 'x', 'y', 'platform', 7000)").await;
    let leaf = bytes(world, &"00".repeat(32));
    sql.run(&format!("INSERT INTO rylie_audit_leaf (batch, number, tenant_number, record_id, leaf) VALUES (1, {number}, 0, 'forged', {leaf})")).await;
}

#[tokio::test]
async fn a_record_does_not_hide_under_a_leaf_that_no_checkpoint_counts() {
    for number in [-1, i64::MIN, 5_000] {
        let (world, outside) = sealed(world().await).await;
        let mut sql = superuser(&world).await;
        forge(&world, &mut sql, number).await;

        let finding = found(&world, &outside).await;

        assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Added, Some("forged")), "{number}");
    }
}

#[tokio::test]
async fn a_verification_that_goes_on_finds_what_was_added_to_earlier_batches() {
    let (world, outside) = sealed(world().await).await;
    let progress = outside.verify(&world).await.progress;
    let mut sql = superuser(&world).await;
    forge(&world, &mut sql, -1).await;
    let reader = world.database().audit_reader().await.unwrap();

    let verifier = Verifier::new(&[], Checkpoints::default()).resume(progress);
    let finding = verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap().first_bad.unwrap();

    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Added, Some("forged")));
}

#[tokio::test]
async fn a_verification_that_goes_on_compares_the_total_of_its_state() {
    let (world, outside) = sealed(world().await).await;
    let mut progress = outside.verify(&world).await.progress;
    progress.total += 1;
    let reader = world.database().audit_reader().await.unwrap();

    let verifier = Verifier::new(&[], Checkpoints::default()).resume(progress);
    let finding = verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap().first_bad.unwrap();

    assert_eq!((finding.what, finding.batch), (Tampering::CountShort, Some(2)));
}

#[tokio::test]
async fn every_field_of_the_seals_is_held() {
    let (world, outside) = sealed(world().await).await;
    record(&world.agency().await.unwrap(), 1).await;
    let mut sql = superuser(&world).await;
    if !is_sqlite(world.url()) {
        // A superuser drops the keys and indexes that would reject these rows.
        sql.run("ALTER TABLE rylie_audit_batch DROP CONSTRAINT rylie_audit_batch_pkey; ALTER TABLE rylie_audit_tenant DROP CONSTRAINT rylie_audit_tenant_pkey; \
                 ALTER TABLE rylie_audit_leaf DROP CONSTRAINT rylie_audit_leaf_pkey; DROP INDEX rylie_audit_leaf_record, rylie_audit_tenant_key").await;
    }
    let id = victim(&mut sql).await;
    let of_another = "SELECT record_id FROM rylie_audit_leaf WHERE batch = 2 LIMIT 1";
    let other = sql.one(of_another).await;
    let zeros = bytes(&world, &"00".repeat(32));
    let salt = bytes(&world, &"00".repeat(16));
    let waits = sql.one("SELECT record_id FROM rylie_audit_pending ORDER BY position DESC LIMIT 1").await;
    let leaf = |change: &str| format!("UPDATE rylie_audit_leaf SET {change} WHERE record_id = '{id}'");
    let attacks = [
        leaf("batch = 9"),
        leaf("batch = 0"),
        leaf("number = -1"),
        leaf("number = 4000"),
        leaf("tenant_number = tenant_number + 1"),
        leaf("tenant_number = -1"),
        leaf("record_id = 'nobody'"),
        leaf(&format!("leaf = {zeros}")),
        leaf(&format!("who_salt = {salt}")),
        leaf(&format!("what_salt = {salt}")),
        leaf(&format!("who = {zeros}")),
        leaf(&format!("what = {zeros}")),
        "INSERT INTO rylie_audit_leaf (batch, number, tenant_number, record_id, leaf) SELECT batch, -5, tenant_number, 'nobody', leaf FROM rylie_audit_leaf WHERE batch = 1 AND number = 0".to_owned(),
        format!("INSERT INTO rylie_audit_leaf (batch, number, tenant_number, record_id, leaf) SELECT 77, 0, 0, 'nobody', leaf FROM rylie_audit_leaf WHERE record_id = '{id}'"),
        "UPDATE rylie_audit_tenant SET batch = 9 WHERE batch = 1 AND number = 0".to_owned(),
        "UPDATE rylie_audit_tenant SET number = -1 WHERE batch = 1 AND number = 0".to_owned(),
        "UPDATE rylie_audit_tenant SET tenant = 'nobody' WHERE batch = 1 AND number = 0".to_owned(),
        "UPDATE rylie_audit_tenant SET records = records + 1 WHERE batch = 1 AND number = 0".to_owned(),
        "UPDATE rylie_audit_tenant SET total = total + 1 WHERE batch = 1 AND number = 0".to_owned(),
        format!("UPDATE rylie_audit_tenant SET root = {zeros} WHERE batch = 1 AND number = 0"),
        "INSERT INTO rylie_audit_tenant SELECT batch, -1, 'nobody', 0, 0, root FROM rylie_audit_tenant WHERE batch = 1 AND number = 0".to_owned(),
        "INSERT INTO rylie_audit_tenant SELECT 44, 0, 'nobody', records, total, root FROM rylie_audit_tenant WHERE batch = 1 AND number = 0".to_owned(),
        "UPDATE rylie_audit_batch SET batch = 5 WHERE batch = 2".to_owned(),
        "UPDATE rylie_audit_batch SET sealed_at = '2020-01-01 00:00:00' WHERE batch = 1".to_owned(),
        "UPDATE rylie_audit_batch SET records = records + 1 WHERE batch = 1".to_owned(),
        "UPDATE rylie_audit_batch SET total = total + 1 WHERE batch = 2".to_owned(),
        "UPDATE rylie_audit_batch SET checkpoint = replace(checkpoint, 'total', 'Total') WHERE batch = 2".to_owned(),
        "UPDATE rylie_audit_batch SET removed_at = sealed_at WHERE batch = 1".to_owned(),
        "INSERT INTO rylie_audit_batch SELECT 0, sealed_at, records, total, checkpoint, NULL FROM rylie_audit_batch WHERE batch = 1".to_owned(),
        "INSERT INTO rylie_audit_batch SELECT 3, sealed_at, records, total, checkpoint, NULL FROM rylie_audit_batch WHERE batch = 2".to_owned(),
        format!("UPDATE rylie_audit_pending SET position = position + 100000 WHERE record_id = '{waits}'"),
        format!("UPDATE rylie_audit_pending SET record_id = 'nobody' WHERE record_id = '{waits}'"),
        format!("UPDATE rylie_audit_pending SET record_id = '{id}' WHERE record_id = '{waits}'"),
        format!("DELETE FROM rylie_audit_pending WHERE record_id = '{waits}'"),
        format!("INSERT INTO rylie_audit_pending (position, record_id) VALUES (99999, '{waits}')"),
        format!("INSERT INTO rylie_audit_pending (position, record_id) VALUES (99999, '{other}')"),
    ];
    assert_eq!(outside.verify(&world).await.first_bad, None);
    for table in TABLES {
        sql.run(&format!("CREATE TABLE \"kept_{table}\" AS SELECT * FROM \"{table}\"")).await;
    }
    for attack in attacks {
        sql.run(&attack).await;
        let first_bad = outside.verify(&world).await.first_bad;
        assert!(first_bad.is_some(), "{attack}");
        undo(&mut sql).await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{attack}");
    }
}

const TABLES: [&str; 4] = ["rylie_audit_batch", "rylie_audit_tenant", "rylie_audit_leaf", "rylie_audit_pending"];

async fn undo(sql: &mut Sql) {
    for table in TABLES {
        sql.run(&format!("DELETE FROM \"{table}\"")).await;
        sql.run(&format!("INSERT INTO \"{table}\" SELECT * FROM \"kept_{table}\"")).await;
    }
}

#[tokio::test]
async fn a_leaf_under_another_tenants_number_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run(
        "UPDATE rylie_audit_leaf SET tenant_number = 0 WHERE batch = 1 AND tenant_number = 1 \
             AND number > (SELECT min(number) FROM rylie_audit_leaf WHERE batch = 1 AND tenant_number = 1)",
    )
    .await;

    assert!(outside.verify(&world).await.first_bad.is_some());
}

#[tokio::test]
async fn an_erasure_that_waits_to_be_sealed_is_reported() {
    let (world, outside) = sealed(world().await).await;
    let agency = world.agency().await.unwrap();
    record(&agency, 2).await;
    outside.seal(&world).await;
    erase_from_audit(&*world.store(), &agency.admin.user.id).await.unwrap();

    let before = outside.verify(&world).await;
    outside.seal(&world).await;
    let after = outside.verify(&world).await;

    assert_eq!((before.first_bad, after.first_bad), (None, None));
    assert!(before.seen.erased > 0);
    assert_eq!(before.seen.erasures_waiting, before.seen.erased);
    assert_eq!(after.seen.erasures_waiting, 0);
}

#[tokio::test]
async fn an_erasure_whose_record_was_hidden_is_named() {
    let (world, outside) = sealed(world().await).await;
    let agency = world.agency().await.unwrap();
    record(&agency, 2).await;
    outside.seal(&world).await;
    erase_from_audit(&*world.store(), &agency.admin.user.id).await.unwrap();
    let mut sql = superuser(&world).await;
    let erasure = "SELECT id FROM \"AuditLog\" WHERE action = 'SUBJECT_ERASED'";
    let leaf = bytes(&world, &"00".repeat(32));
    sql.run(&format!("DELETE FROM rylie_audit_pending WHERE record_id IN ({erasure})")).await;
    assert_eq!(found(&world, &outside).await.what, Tampering::Emptied);
    for (batch, number) in [(1, -1), (3, -1)] {
        sql.run(&format!("INSERT INTO rylie_audit_leaf (batch, number, tenant_number, record_id, leaf) SELECT {batch}, {number}, 0, id, {leaf} FROM ({erasure}) e")).await;

        assert_eq!(found(&world, &outside).await.what, Tampering::Emptied, "{batch}");
        sql.run(&format!("DELETE FROM rylie_audit_leaf WHERE batch = {batch} AND number = {number}")).await;
    }
}
