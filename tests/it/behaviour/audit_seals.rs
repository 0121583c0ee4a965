//! The log proves its integrity: tampering by a superuser is detected, proofs hold without the database, and the
//! application cannot change the log.

use std::time::Duration;

use chrono::TimeDelta;
use rylie_db::audit::{self, FileSink, Part, Proof, Tampering, TenantCheck, Verifier};
use rylie_db::entities::AuditLog;
use rylie_db::maintenance::{erase_from_audit, seal_audit, verify_audit};
use rylie_db::prelude::*;
use rylie_db::repositories::{self, AuditFilter, SettingsChanges};
use rylie_testkit::{TestAgency, World};

use super::world;
use crate::support::audit::{Outside, found, record, sealed, superuser, verified, victim};
use crate::support::sql::{Sql, is_sqlite};

#[tokio::test]
async fn a_log_that_nobody_touched_verifies() {
    let (world, outside) = sealed(world().await).await;

    let verification = outside.verify(&world).await;

    assert_eq!(verification.first_bad, None);
    assert_eq!((verification.seen.batches, verification.progress.batch), (2, 2));
    assert_eq!(verification.seen.records, verification.progress.total);
    assert_eq!(verification.seen.keys.len(), 1);
}

#[tokio::test]
async fn a_changed_record_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    for change in
        ["action = 'NOTHING'", "\"userId\" = 'somebody'", "details = '{}'", "\"createdAt\" = '2020-01-01 00:00:00'"]
    {
        let column = change.split(' ').next().unwrap();
        sql.run(&format!("CREATE TABLE kept AS SELECT {column} AS value FROM \"AuditLog\" WHERE id = '{id}'")).await;
        sql.run(&format!("UPDATE \"AuditLog\" SET {change} WHERE id = '{id}'")).await;

        let finding = found(&world, &outside).await;

        assert_eq!(
            (finding.what, finding.batch, finding.record.as_ref()),
            (Tampering::Changed, Some(1), Some(&id)),
            "{change}"
        );
        sql.run(&format!("UPDATE \"AuditLog\" SET {column} = (SELECT value FROM kept) WHERE id = '{id}'")).await;
        sql.run("DROP TABLE kept").await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{change}");
    }
}

#[tokio::test]
async fn a_record_changed_with_the_hash_kept_of_it_is_noticed() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    sql.run(&format!("UPDATE \"AuditLog\" SET action = 'NOTHING' WHERE id = '{id}'")).await;
    let reader = world.database().audit_reader().await.unwrap();
    let tenant =
        sql.one(&format!("SELECT CAST(tenant_number AS text) FROM rylie_audit_leaf WHERE record_id = '{id}'")).await;
    let leaves = reader.leaves_of(1, tenant.parse().unwrap()).await.unwrap();
    drop(reader);
    let forged = leaves.into_iter().find(|leaf| leaf.id == id).unwrap().into_record().unwrap().leaf();
    let bytes = if is_sqlite(world.url()) { format!("x'{forged}'") } else { format!("'\\x{forged}'::bytea") };
    sql.run(&format!("UPDATE rylie_audit_leaf SET leaf = {bytes} WHERE record_id = '{id}'")).await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.batch), (Tampering::Changed, Some(1)));
    assert!(finding.tenant.is_some());
}

#[tokio::test]
async fn a_removed_record_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    sql.run(&format!("DELETE FROM \"AuditLog\" WHERE id = '{id}'")).await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record), (Tampering::Removed, Some(id)));
}

#[tokio::test]
async fn a_record_removed_before_it_was_sealed_is_named() {
    let (world, outside) = sealed(world().await).await;
    record(&world.agency().await.unwrap(), 1).await;
    let mut sql = superuser(&world).await;
    let id = sql.one("SELECT record_id FROM rylie_audit_pending ORDER BY position DESC LIMIT 1").await;
    sql.run(&format!("DELETE FROM \"AuditLog\" WHERE id = '{id}'")).await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record), (Tampering::Removed, Some(id)));
}

#[tokio::test]
async fn an_added_record_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") VALUES ('planted', 'x', 'x', 'y', 'platform')").await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Added, Some("planted")));
}

#[tokio::test]
async fn reordered_records_are_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    let number = sql.one(&format!("SELECT CAST(number AS text) FROM rylie_audit_leaf WHERE record_id = '{id}'")).await;
    for (from, to) in [
        (number.clone(), "-7".to_owned()),
        (format!("{number} + 1"), number.clone()),
        ("-7".to_owned(), format!("{number} + 1")),
    ] {
        sql.run(&format!("UPDATE rylie_audit_leaf SET number = {to} WHERE batch = 1 AND number = {from}")).await;
    }

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record), (Tampering::Reordered, Some(id)));
}

#[tokio::test]
async fn a_record_removed_with_its_hash_leaves_the_count_short() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    sql.run(&format!("DELETE FROM \"AuditLog\" WHERE id = '{id}'")).await;
    sql.run(&format!("DELETE FROM rylie_audit_leaf WHERE record_id = '{id}'")).await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.batch), (Tampering::CountShort, Some(1)));
}

#[tokio::test]
async fn a_log_made_anew_from_a_batch_on_differs_from_the_checkpoint_outside() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    sql.run(&format!("UPDATE \"AuditLog\" SET action = 'NOTHING' WHERE id = '{id}'")).await;
    for table in ["leaf", "tenant", "batch", "pending"] {
        sql.run(&format!("DELETE FROM rylie_audit_{table}")).await;
    }
    sql.run("INSERT INTO rylie_audit_pending (position, record_id) SELECT position, id FROM \"AuditLog\"").await;
    // A thief of the key can seal the change; no check inside the database then fails.
    seal_audit(&*world.store(), &outside.key, &[]).await.unwrap();
    seal_audit(&*world.store(), &outside.key, &[]).await.unwrap();
    assert_eq!(verified(&world, vec![]).await.first_bad.map(|finding| finding.what), superuser_traces(&world));

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.batch), (Tampering::Rehashed, Some(1)));
    let refused = seal_audit(&*world.store(), &outside.key, &[&FileSink(outside.file())]).await.unwrap_err();
    assert!(format!("{refused:?}").contains("Diverged"), "{refused:?}");
}

/// On SQLite, tampering here requires dropping the trigger that queues records, which appears as records added without
/// it.
fn superuser_traces(world: &World) -> Option<Tampering> {
    is_sqlite(world.url()).then_some(Tampering::Added)
}

#[tokio::test]
async fn an_older_copy_ends_before_the_checkpoint_outside() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run("DELETE FROM \"AuditLog\" WHERE id IN (SELECT record_id FROM rylie_audit_leaf WHERE batch = 2)").await;
    sql.run("DELETE FROM \"AuditLog\" WHERE id IN (SELECT record_id FROM rylie_audit_pending)").await;
    for table in ["leaf WHERE batch = 2", "tenant WHERE batch = 2", "batch WHERE batch = 2", "pending"] {
        sql.run(&format!("DELETE FROM rylie_audit_{table}")).await;
    }
    assert_eq!(verified(&world, vec![]).await.first_bad, None);

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.batch), (Tampering::RolledBack, Some(2)));
}

#[tokio::test]
async fn a_checkpoint_that_was_edited_is_noticed() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run("UPDATE rylie_audit_batch SET checkpoint = replace(checkpoint, 'batch 2', 'batch 3') WHERE batch = 2")
        .await;

    let finding = verified(&world, vec![]).await.first_bad.unwrap();

    assert_eq!((finding.what, finding.batch), (Tampering::ForgedCheckpoint, Some(2)));
    drop(outside);
}

#[tokio::test]
async fn a_key_that_is_not_trusted_is_noticed() {
    let (world, _outside) = sealed(world().await).await;
    let stranger = Outside::new().key.public();
    let reader = world.database().audit_reader().await.unwrap();

    let verification =
        verify_audit(&reader, Verifier::new(&[stranger], rylie_db::audit::Outside::default()), &mut |_, _| ())
            .await
            .unwrap();

    assert_eq!(verification.first_bad.unwrap().what, Tampering::ForgedCheckpoint);
}

#[tokio::test]
async fn a_verification_goes_on_where_another_stopped() {
    let (world, outside) = sealed(world().await).await;
    let progress = outside.verify(&world).await.progress;
    record(&world.agency().await.unwrap(), 4).await;
    let new = outside.seal(&world).await;
    let reader = world.database().audit_reader().await.unwrap();

    let verifier = Verifier::new(&[], outside.checkpoints().into_iter().collect()).resume(progress);
    let verification = verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap();

    assert_eq!(verification.first_bad, None);
    assert_eq!((verification.seen.batches, verification.seen.records), (1, new));
}

#[tokio::test]
async fn a_proof_holds_without_the_database_and_for_its_record_alone() {
    let (world, outside) = sealed(world().await).await;
    let id = victim(&mut Sql::connect(world.url()).await).await;
    let reader = world.database().audit_reader().await.unwrap();
    let text = serde_json::to_string(&reader.prove(&id).await.unwrap()).unwrap();
    drop((reader, world));

    let mut proof = Proof::parse(&text).unwrap();
    assert_eq!(proof.check().unwrap(), outside.checkpoints()[0]);

    proof.record.action = "NOTHING".into();
    assert!(proof.check().is_err());
    assert!(Proof::parse(&text.replace("proof 1", "proof 2")).is_err());
}

#[tokio::test]
async fn a_tenants_batches_show_that_none_was_left_out() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    for _ in 0..3 {
        record(&agency, 2).await;
        outside.seal(&world).await;
    }
    let unit = world.platform().await.unwrap();
    let tenant = &agency.agency.tenant_id;
    let batches = unit.audit_seals().tenant_batches(tenant, 0, 100).await.unwrap();
    let latest = unit.audit_seals().last_checkpoint().await.unwrap().unwrap().to_text();
    let mut leaves = Vec::new();
    for batch in 1..=3 {
        leaves.push(unit.audit_seals().tenant_leaves(tenant, batch, -1, 100).await.unwrap());
    }
    let check = |kept: &[usize]| -> audit::Result<u64> {
        let mut check = TenantCheck::default();
        for at in kept {
            check.batch(&batches[*at])?;
            leaves[*at].iter().try_for_each(|(_, leaf)| check.leaf(leaf.leaf))?;
        }
        check.end(&latest)?;
        Ok(check.total())
    };

    let total = check(&[0, 1, 2]).unwrap();

    assert_eq!(total, batches.last().unwrap().place.entry.total);
    assert!(total >= 6);
    assert!(check(&[0, 2]).is_err());
    assert!(check(&[1, 2]).is_err());
}

#[tokio::test]
async fn nobody_updates_or_deletes_not_even_the_owner() {
    let (world, _outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    let mut attempts = vec![
        "UPDATE \"AuditLog\" SET action = 'x'",
        "DELETE FROM \"AuditLog\"",
        "UPDATE rylie_audit_leaf SET number = number + 1000",
        "DELETE FROM rylie_audit_leaf",
        "DELETE FROM rylie_audit_batch",
        "UPDATE rylie_audit_tenant SET total = 1",
    ];
    if !is_sqlite(world.url()) {
        attempts.extend(["TRUNCATE \"AuditLog\"", "TRUNCATE rylie_audit_batch"]);
    }
    for attempt in attempts {
        assert!(sql.try_run(attempt).await.unwrap_err().to_string().contains("only added to"), "{attempt}");
    }
}

#[tokio::test]
async fn what_the_old_service_inserts_is_completed_and_sealed() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('old', 'nobody', 'LOGIN', 'User')")
        .await;

    assert_eq!(sql.tenant("AuditLog", "old").await, "platform");
    assert_eq!(sql.one("SELECT CAST(count(*) AS text) FROM \"AuditLog\" WHERE id = 'old' AND position > 0").await, "1");
    outside.seal(&world).await;

    assert_eq!(outside.verify(&world).await.first_bad, None);
    let reader = world.database().audit_reader().await.unwrap();
    assert_eq!(reader.prove("old").await.unwrap().record.id, "old");
}

#[tokio::test]
async fn a_refused_attempt_is_recorded_though_the_unit_was_dropped() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap();
    let unit = user.unit().await.unwrap();
    for _ in 0..3 {
        let refused = unit.users().set_role(&user.user.id, UserRole::Admin).await;
        assert!(matches!(refused, Err(repositories::Error::Forbidden { .. })));
    }
    drop(unit);

    let records = eventually(&agency, "ACCESS_REFUSED").await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].user_id, user.user.id.as_str());
    assert_eq!(records[0].details.as_ref().unwrap()["attempted"], "administer users");
}

#[tokio::test]
async fn a_refused_entry_by_the_platform_unit_is_recorded() {
    let world = world().await;
    let agency = world.agency().await.unwrap();

    let refused = world.store().platform_for(&agency.admin.signed_in, "curious", Origin::default()).await;

    assert!(matches!(refused, Err(repositories::Error::Forbidden { .. })));
    assert_eq!(eventually(&agency, "ACCESS_REFUSED").await.len(), 1);
}

/// Waits for events that are recorded in the background.
async fn eventually(agency: &TestAgency<'_>, action: &str) -> Vec<AuditLog> {
    for _ in 0..500 {
        let unit = agency.unit().await.unwrap();
        let filter = AuditFilter { action: Some(action.to_owned()), ..Default::default() };
        let records = unit.audit().list(filter, PageRequest::default()).await.unwrap().items;
        if !records.is_empty() {
            return records;
        }
        drop(unit);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was recorded");
}

#[tokio::test]
async fn impersonation_names_both() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let root = world.user().role(UserRole::SuperAdmin).build().await.unwrap();
    assert!(agency.scope().impersonated_by(&agency.admin.signed_in).is_err());
    let scope = agency.scope().impersonated_by(&root.signed_in).unwrap();
    let unit = world.store().tenant(&scope).await.unwrap();
    unit.audit().record(Event::new(Action::Deleted).on_row("Request", "r")).await.unwrap();
    unit.commit().await.unwrap();

    let record = &eventually(&agency, "DELETED").await[0];

    assert_eq!(record.user_id, root.user.id.as_str());
    assert_eq!(record.on_behalf_of.as_deref(), Some(agency.admin.user.id.as_str()));
}

#[tokio::test]
async fn records_are_found_by_actor_time_and_correlation() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let origin = Origin { correlation: Some("call-7".into()), ..Default::default() };
    let unit = world.store().tenant(&TenantScope::of(&agency.admin.signed_in, origin)).await.unwrap();
    unit.audit().record(Event::new(Action::Deleted).on_row("Request", "r")).await.unwrap();
    unit.commit().await.unwrap();
    let now = world.env().now();
    let unit = agency.unit().await.unwrap();
    let count = async |filter| unit.audit().list(filter, PageRequest::default()).await.unwrap().total;

    let call = || AuditFilter { correlation: Some("call-7".into()), ..Default::default() };
    assert_eq!(count(call()).await, 1);
    assert_eq!(count(AuditFilter { actor: Some(agency.admin.user.id.to_string()), ..call() }).await, 1);
    assert_eq!(count(AuditFilter { actor: Some("somebody".into()), ..call() }).await, 0);
    assert_eq!(count(AuditFilter { from: Some(now), ..call() }).await, 1);
    assert_eq!(count(AuditFilter { until: Some(now), ..call() }).await, 0);
    assert_eq!(count(AuditFilter { correlation: Some("call-8".into()), ..Default::default() }).await, 0);
}

#[tokio::test]
async fn retention_removes_old_batches_and_verification_says_so() {
    let (world, outside) = sealed(world().await).await;
    world.env().forward(TimeDelta::days(100));
    record(&world.agency().await.unwrap(), 2).await;
    outside.seal(&world).await;

    assert!(outside.retain(&world, 0).await.is_err());
    let removed = outside.retain(&world, 90).await.unwrap();

    assert_eq!(removed.batches, 2);
    let verification = outside.verify(&world).await;
    assert_eq!(verification.first_bad, None);
    assert_eq!((verification.seen.removed_batches, verification.seen.removed_records), (2, removed.records));
    assert!(verification.seen.records > 0);
    assert_eq!(outside.retain(&world, 90).await.unwrap().batches, 0);
}

#[tokio::test]
async fn a_person_is_erased_and_the_proof_still_holds() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    record(&agency, 3).await;
    outside.seal(&world).await;
    let admin = &agency.admin.user.id;
    let id = eventually(&agency, "REPORT_SENT").await[0].id.to_string();

    // Three reports by the administrator, and the record of adding the administrator.
    assert_eq!(erase_from_audit(&*world.store(), admin).await.unwrap(), 4);

    let verification = outside.verify(&world).await;
    assert_eq!((verification.first_bad, verification.seen.erased), (None, 4));
    let reader = world.database().audit_reader().await.unwrap();
    let proof = reader.prove(&id).await.unwrap();
    assert!(matches!(proof.record.who, Part::Erased(_)));
    assert!(proof.check().is_ok());
    let mut sql = Sql::connect(world.url()).await;
    let left = format!(
        "SELECT CAST(count(*) AS text) FROM \"AuditLog\" WHERE \"userId\" = '{admin}' OR \"resourceId\" = '{admin}'"
    );
    assert_eq!(sql.one(&left).await, "0");
}

#[tokio::test]
async fn logging_switched_off_leaves_a_last_record_and_silences_no_security_event() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let switch = async |on| {
        let unit = world.platform().await.unwrap();
        unit.settings().ensure().await.unwrap();
        let changes = SettingsChanges { audit_logging: Some(on), ..Default::default() };
        unit.settings().update(changes).await.unwrap();
        unit.commit().await.unwrap();
    };
    switch(false).await;
    record(&agency, 2).await;
    let unit = agency.unit().await.unwrap();
    unit.audit().record(Event::new(Action::Deleted).on_row("Request", "r")).await.unwrap();
    unit.commit().await.unwrap();
    switch(true).await;
    record(&agency, 1).await;

    assert_eq!(eventually(&agency, "DELETED").await.len(), 1);
    assert_eq!(eventually(&agency, "REPORT_SENT").await.len(), 1);
    let unit = world.platform().await.unwrap();
    for action in ["AUDIT_LOGGING_STOPPED", "AUDIT_LOGGING_STARTED"] {
        let filter = AuditFilter { action: Some(action.into()), ..Default::default() };
        assert_eq!(unit.audit().list(filter, PageRequest::default()).await.unwrap().total, 1, "{action}");
    }
}

#[tokio::test]
async fn logging_switched_off_in_a_unit_that_is_dropped_stays_on() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = world.platform().await.unwrap();
    unit.settings().ensure().await.unwrap();
    unit.commit().await.unwrap();
    let unit = world.platform().await.unwrap();
    unit.settings().update(SettingsChanges { audit_logging: Some(false), ..Default::default() }).await.unwrap();
    // For an ordinary event, the unit reads the setting in its own transaction.
    unit.audit().record(Event::new(Action::Other("REPORT_SENT".into())).on_row("Request", "r1")).await.unwrap();
    drop(unit);

    record(&agency, 1).await;

    assert_eq!(eventually(&agency, "REPORT_SENT").await.len(), 1);
}

#[tokio::test]
async fn a_copy_with_a_fingerprint_of_its_own_goes_on_with_the_log() {
    let world = world().await;
    let (agency, outside) = (world.agency().await.unwrap(), Outside::new());
    record(&agency, 3).await;
    outside.seal(&world).await;

    crate::support::sql::migrations(world.url()).await.renew_fingerprint().await.unwrap();
    record(&agency, 2).await;
    assert!(outside.seal(&world).await > 2, "the records, and that of the renewal");

    let checkpoints = outside.checkpoints();
    assert_ne!(checkpoints[0].checkpoint().database, checkpoints[1].checkpoint().database);
    let verification = outside.verify(&world).await;
    assert_eq!(verification.first_bad, None);
}

#[tokio::test]
async fn checkpoints_from_after_a_change_of_the_fingerprint_suffice() {
    let world = world().await;
    let (agency, outside) = (world.agency().await.unwrap(), Outside::new());
    record(&agency, 3).await;
    outside.seal(&world).await;
    let begun = outside.verify(&world).await.progress;
    crate::support::sql::migrations(world.url()).await.renew_fingerprint().await.unwrap();
    outside.seal(&world).await;
    outside.seal(&world).await;
    let newest = outside.checkpoints().split_off(2);
    assert_eq!(newest.len(), 1);

    assert_eq!(verified(&world, newest.clone()).await.first_bad, None);

    let reader = world.database().audit_reader().await.unwrap();
    let resumed = Verifier::new(&[], newest.iter().cloned().collect()).resume(begun);
    assert_eq!(verify_audit(&reader, resumed, &mut |_, _| ()).await.unwrap().first_bad, None);
    drop(reader);
    let (foreign, others) = sealed(super::world().await).await;
    for trusted in [vec![], vec![others.key.public()]] {
        let reader = foreign.database().audit_reader().await.unwrap();
        let verifier = Verifier::new(&trusted, newest.iter().cloned().collect());
        let finding = verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap().first_bad.unwrap();
        assert_eq!((finding.what, finding.batch), (Tampering::OtherDatabase, Some(1)), "{trusted:?}");
    }
}

#[tokio::test]
async fn the_state_of_another_database_is_named_as_such() {
    let (foreign, others) = sealed(world().await).await;
    let state = others.verify(&foreign).await.progress;
    assert_eq!(state.batch, 2);
    let (world, outside) = (world().await, Outside::new());
    crate::support::sql::migrations(world.url()).await.renew_fingerprint().await.unwrap();
    let agency = world.agency().await.unwrap();
    // A log that is shorter than the state, one of its length, and a longer one.
    for batches in 1..=3 {
        record(&agency, 2).await;
        outside.seal(&world).await;
        for external in [vec![], outside.checkpoints()] {
            let reader = world.database().audit_reader().await.unwrap();
            let verifier = Verifier::new(&[], external.into_iter().collect()).resume(state.clone());

            let verification = verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap();

            let finding = verification.first_bad.unwrap();
            assert_eq!(finding.what, Tampering::OtherDatabase, "{batches} batches: {finding}");
            assert_eq!(verification.progress, state, "the state stays");
        }
    }
}

#[tokio::test]
async fn the_state_of_an_older_log_holds_after_a_change_of_the_fingerprint() {
    let (world, outside) = sealed(world().await).await;
    let state = outside.verify(&world).await.progress;
    crate::support::sql::migrations(world.url()).await.renew_fingerprint().await.unwrap();
    outside.seal(&world).await;

    let reader = world.database().audit_reader().await.unwrap();
    let verifier = Verifier::new(&[], outside.checkpoints().into_iter().collect()).resume(state);

    let verification = verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap();
    assert_eq!(verification.first_bad, None);
    assert_eq!(verification.progress.batch, 3);
}

#[tokio::test]
async fn a_log_rebuilt_after_a_change_of_the_fingerprint_differs_from_the_checkpoint_outside() {
    let world = world().await;
    let outside = Outside::new();
    outside.seal(&world).await;
    crate::support::sql::migrations(world.url()).await.renew_fingerprint().await.unwrap();
    outside.seal(&world).await;
    let published = outside.checkpoints().pop().unwrap();
    let forged = audit::Checkpoint {
        time: published.checkpoint().time + TimeDelta::seconds(1),
        ..published.checkpoint().clone()
    };
    let mut sql = superuser(&world).await;
    let text = forged.sign(&outside.key).to_text();
    sql.run(&format!("UPDATE rylie_audit_batch SET checkpoint = '{text}' WHERE batch = 2")).await;

    let finding = verified(&world, vec![published]).await.first_bad.unwrap();

    assert_eq!((finding.what, finding.batch), (Tampering::Rehashed, Some(2)));
}

#[tokio::test]
async fn a_sealers_clock_far_ahead_does_not_stop_retention() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    for days in [0, 1_000, -1_000] {
        world.env().forward(chrono::TimeDelta::days(days));
        record(&agency, 2).await;
        outside.seal(&world).await;
    }
    let times: Vec<_> = outside.checkpoints().iter().map(|sealed| sealed.checkpoint().time).collect();
    assert!(times[1] > times[2], "the wrong time is not repeated");
    world.env().forward(chrono::TimeDelta::days(100));

    let removed = outside.retain(&world, 90).await.unwrap();

    assert_eq!(removed.batches, 3);
    assert_eq!(outside.verify(&world).await.first_bad, None);
}

#[tokio::test]
async fn a_clock_far_behind_removes_no_record_too_early() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    for days in [0, -1_000] {
        world.env().forward(chrono::TimeDelta::days(days));
        record(&agency, 2).await;
        outside.seal(&world).await;
    }
    world.env().forward(chrono::TimeDelta::days(1_010));

    assert_eq!(outside.retain(&world, 90).await.unwrap().batches, 0);
}

#[tokio::test]
async fn retention_removes_nothing_where_the_chain_of_checkpoints_is_broken() {
    let (world, outside) = sealed(world().await).await;
    let agency = world.agency().await.unwrap();
    record(&agency, 1).await;
    outside.seal(&world).await;
    let mut other = outside.checkpoints().remove(1).checkpoint().clone();
    other.tenants += 1;
    let mut sql = superuser(&world).await;
    let text = other.sign(&outside.key).to_text();
    sql.run(&format!("UPDATE rylie_audit_batch SET checkpoint = '{text}' WHERE batch = 2")).await;
    world.env().forward(chrono::TimeDelta::days(100));

    let refused = outside.retain(&world, 90).await;

    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(
        sql.all("SELECT CAST(batch AS text) FROM rylie_audit_batch WHERE removed_at IS NOT NULL").await,
        [""; 0]
    );
}
