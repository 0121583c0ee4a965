//! Further tampering by a superuser, hostile values, and the roles that may bypass the triggers.

use rylie_db::audit::{FileSink, Outside as Checkpoints, Tampering, Verifier};
use rylie_db::maintenance::{self, erase_from_audit, seal_audit, verify_audit};
use rylie_db::prelude::*;
use rylie_db::repositories::AuditFilter;
use rylie_testkit::World;

use super::world;
use crate::support::audit::{Outside, found, record, sealed, superuser, verified, victim};
use crate::support::sql::{Sql, is_sqlite};

#[tokio::test]
async fn a_batch_that_was_removed_in_the_name_of_retention_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run("DELETE FROM \"AuditLog\" WHERE id IN (SELECT record_id FROM rylie_audit_leaf WHERE batch = 1)").await;
    sql.run("DELETE FROM rylie_audit_leaf WHERE batch = 1").await;
    sql.run("UPDATE rylie_audit_batch SET removed_at = sealed_at WHERE batch = 1").await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.batch), (Tampering::Removed, Some(1)));
}

#[tokio::test]
async fn nothing_hides_in_a_batch_that_retention_removed() {
    let (world, outside) = sealed(world().await).await;
    world.env().forward(chrono::TimeDelta::days(100));
    outside.retain(&world, 90).await.unwrap();
    assert_eq!(outside.verify(&world).await.first_bad, None);
    let mut sql = superuser(&world).await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") VALUES ('planted', 'x', 'x', 'y', 'platform')").await;
    let leaf = if is_sqlite(world.url()) { "x'00'" } else { "'\\x00'::bytea" };
    sql.run(&format!("INSERT INTO rylie_audit_leaf (batch, number, tenant_number, record_id, leaf) VALUES (1, 1, 0, 'planted', {leaf})")).await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Added, Some("planted")));
}

#[tokio::test]
async fn a_database_that_is_older_than_the_last_verification_is_noticed() {
    let (world, outside) = sealed(world().await).await;
    let progress = outside.verify(&world).await.progress;
    let mut sql = superuser(&world).await;
    sql.run("DELETE FROM \"AuditLog\" WHERE id IN (SELECT record_id FROM rylie_audit_leaf WHERE batch = 2)").await;
    for table in ["leaf", "tenant", "batch"] {
        sql.run(&format!("DELETE FROM rylie_audit_{table} WHERE batch = 2")).await;
    }
    let resumed = async || {
        let reader = world.database().audit_reader().await.unwrap();
        let verifier = Verifier::new(&[], Checkpoints::default()).resume(progress.clone());
        verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap().first_bad.unwrap()
    };

    assert_eq!((resumed().await.what, resumed().await.batch), (Tampering::RolledBack, Some(2)));
    seal_audit(&*world.store(), &outside.key, &[]).await.unwrap();
    assert_eq!((resumed().await.what, resumed().await.batch), (Tampering::Rehashed, Some(2)));
}

#[tokio::test]
async fn two_checkpoints_of_one_batch_outside_are_noticed() {
    let (world, outside) = sealed(world().await).await;
    let mut other = outside.checkpoints().remove(1).checkpoint().clone();
    other.total += 1;
    let mut kept = outside.checkpoints();
    kept.push(other.sign(&outside.key));

    let finding = verified(&world, kept).await.first_bad.unwrap();

    assert_eq!((finding.what, finding.batch), (Tampering::Rehashed, Some(2)));
}

#[tokio::test]
async fn values_that_cannot_be_read_are_a_changed_record() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    let change =
        if is_sqlite(world.url()) { "\"createdAt\" = 'never', action = x'ff'" } else { "\"createdAt\" = 'infinity'" };
    sql.run(&format!("UPDATE \"AuditLog\" SET {change} WHERE id = '{id}'")).await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record), (Tampering::Changed, Some(id)));
}

#[tokio::test]
async fn a_record_with_an_empty_key_is_not_overlooked() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") VALUES ('', 'x', 'x', 'y', 'platform')").await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Added, Some("")));
}

#[tokio::test]
async fn an_added_record_does_not_hide_in_a_batch_before_the_first() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let leaf = if is_sqlite(world.url()) { "x'00'" } else { "'\\x00'::bytea" };
    sql.run("INSERT INTO rylie_audit_batch SELECT 0, sealed_at, records, total, checkpoint, NULL FROM rylie_audit_batch WHERE batch = 1").await;
    sql.run(&format!("INSERT INTO rylie_audit_leaf (batch, number, tenant_number, record_id, leaf) VALUES (0, 0, 0, 'planted', {leaf})")).await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") VALUES ('planted', 'x', 'x', 'y', 'platform')").await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Added, Some("planted")));
}

#[tokio::test]
async fn a_sealed_record_that_waits_to_be_sealed_again_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    sql.run(&format!("INSERT INTO rylie_audit_pending (position, record_id) VALUES (9999, '{id}')")).await;

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record), (Tampering::Added, Some(id)));
}

#[tokio::test]
async fn a_part_that_is_made_to_look_erased_is_a_changed_record() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    let id = victim(&mut sql).await;
    let zeros = if is_sqlite(world.url()) {
        format!("x'{}'", "00".repeat(32))
    } else {
        format!("'\\x{}'::bytea", "00".repeat(32))
    };
    for change in [format!("who = {zeros}"), format!("who = {zeros}, who_salt = NULL"), "what_salt = NULL".to_owned()] {
        sql.run(&format!("UPDATE rylie_audit_leaf SET {change} WHERE record_id = '{id}'")).await;

        let finding = found(&world, &outside).await;

        assert_eq!((finding.what, finding.record.as_ref()), (Tampering::Changed, Some(&id)), "{change}");
    }
}

/// Empties a part with its commitment, as an erasure does, without a record of the erasure.
async fn empty(world: &World, sql: &mut Sql, id: &str, part: &str) {
    let record = world.database().audit_reader().await.unwrap().prove(id).await.unwrap().record;
    let (commitment, values) = match part {
        "who" => (
            record.who.commitment(),
            "\"userId\" = 'erased', \"onBehalfOf\" = NULL, \"ipAddress\" = NULL, \"userAgent\" = NULL, \"correlationId\" = NULL",
        ),
        _ => (record.what.commitment(), "\"resourceId\" = NULL, details = NULL"),
    };
    let bytes = if is_sqlite(world.url()) { format!("x'{commitment}'") } else { format!("'\\x{commitment}'::bytea") };
    sql.run(&format!("UPDATE rylie_audit_leaf SET {part} = {bytes}, {part}_salt = NULL WHERE record_id = '{id}'"))
        .await;
    sql.run(&format!("UPDATE \"AuditLog\" SET {values} WHERE id = '{id}'")).await;
}

#[tokio::test]
async fn a_part_that_is_emptied_as_by_an_erasure_is_named() {
    for part in ["who", "what"] {
        let (world, outside) = sealed(world().await).await;
        let mut sql = superuser(&world).await;
        let id = victim(&mut sql).await;
        empty(&world, &mut sql, &id, part).await;

        let finding = found(&world, &outside).await;

        assert_eq!((finding.what, finding.record), (Tampering::Emptied, Some(id)), "{part}");
    }
}

#[tokio::test]
async fn an_erasure_covers_the_records_and_the_parts_that_it_names() {
    let (world, outside) = sealed(world().await).await;
    let agency = world.agency().await.unwrap();
    record(&agency, 2).await;
    outside.seal(&world).await;
    assert!(erase_from_audit(&*world.store(), &agency.admin.user.id).await.unwrap() > 0);
    assert_eq!(outside.verify(&world).await.first_bad, None);
    outside.seal(&world).await;
    let verification = outside.verify(&world).await;
    assert_eq!(verification.first_bad, None);
    assert!(verification.seen.erased > 0);
    let mut sql = superuser(&world).await;
    let erased = "SELECT l.record_id FROM rylie_audit_leaf l JOIN \"AuditLog\" a ON a.id = l.record_id \
         WHERE l.who IS NOT NULL AND l.what IS NULL AND a.details IS NOT NULL LIMIT 1";
    let id = sql.one(erased).await;

    empty(&world, &mut sql, &id, "what").await;

    let finding = found(&world, &outside).await;
    assert_eq!((finding.what, finding.record), (Tampering::Emptied, Some(id)));
}

#[tokio::test]
async fn what_others_record_in_the_name_of_an_erasure_covers_nothing_and_fails_nothing() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    let mut privileged = superuser(&world).await;
    let id = victim(&mut privileged).await;
    empty(&world, &mut privileged, &id, "who").await;
    for (number, (tenant, details)) in [
        ("north", format!(r#"{{"who": ["{id}"]}}"#)),
        ("platform", r#"{"who": 7}"#.to_owned()),
        ("platform", "[[]]".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        sql.run(&format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", details) \
             VALUES ('e{number}', 'x', 'SUBJECT_ERASED', 'Platform', '{tenant}', '{details}')"
        ))
        .await;
    }

    let finding = found(&world, &outside).await;

    assert_eq!((finding.what, finding.record), (Tampering::Emptied, Some(id)));
}

#[tokio::test]
async fn an_erasure_names_the_same_records_on_both_engines() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    insert(&mut sql, "7", "NULL").await;
    outside.seal(&world).await;
    let mut privileged = superuser(&world).await;
    empty(&world, &mut privileged, "7", "who").await;
    let mut number = 9_000;
    for (details, names) in [
        (r#"{"who": "7"}"#, false),
        (r#"{"who": {"a": "7"}}"#, false),
        (r#"{"who": [7]}"#, false),
        (r#"{"who": [["7"], {"a": "7"}]}"#, false),
        (r#"{"who": ["7"], "who": []}"#, false),
        (r#"{"what": ["7"]}"#, false),
        (r#"{"who": [], "who": [1, "7"]}"#, true),
    ] {
        number += 1;
        let values =
            format!("('e{number}', 'x', 'SUBJECT_ERASED', 'Platform', 'platform', '{details}', '2026-01-01 00:00:00')");
        privileged.run(&format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", details, \"createdAt\") VALUES {values}")).await;
        privileged
            .run(&format!("INSERT INTO rylie_audit_pending (position, record_id) VALUES ({number}, 'e{number}')"))
            .await;

        let verification = outside.verify(&world).await;

        let found = verification.first_bad.map(|finding| (finding.what, finding.record.unwrap_or_default()));
        assert_eq!(found, (!names).then(|| (Tampering::Emptied, "7".to_owned())), "{details}");
    }
}

#[tokio::test]
async fn records_of_one_position_are_sealed_and_verify() {
    let (world, outside) = (world().await, Outside::new());
    let mut triggers = Vec::new();
    if is_sqlite(world.url()) {
        let complete = "SELECT sql FROM sqlite_schema WHERE name LIKE 'AuditLog_complete%'";
        triggers = Sql::connect(world.url()).await.all(complete).await;
    }
    let mut sql = superuser(&world).await;
    for (id, time, position) in [("b", "02", 9_001), ("c", "01", 9_002), ("a", "03", 9_003)] {
        sql.run(&format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", \"createdAt\", position) \
             VALUES ('{id}', 'x', 'x', 'y', 'platform', '2026-01-{time} 00:00:00', 9001)"
        ))
        .await;
        sql.run(&format!("INSERT INTO rylie_audit_pending (position, record_id) VALUES ({position}, '{id}')")).await;
    }
    for trigger in triggers {
        sql.run(&trigger).await;
    }
    outside.seal(&world).await;

    assert_eq!(outside.verify(&world).await.first_bad, None);
    let leaves = "SELECT record_id FROM rylie_audit_leaf WHERE record_id IN ('a', 'b', 'c') ORDER BY number";
    assert_eq!(sql.all(leaves).await, ["b", "c", "a"]);
    sql.run("UPDATE rylie_audit_leaf SET number = -number - 1 WHERE record_id IN ('a', 'c')").await;
    sql.run("UPDATE rylie_audit_leaf SET number = -number WHERE record_id = 'c'").await;
    sql.run("UPDATE rylie_audit_leaf SET number = -number - 2 WHERE record_id = 'a'").await;
    assert_eq!(found(&world, &outside).await.what, Tampering::Changed, "their order is sealed");
}

/// Inserts `details` as the old service, or any writer with that right, could.
async fn insert(sql: &mut Sql, id: &str, details: &str) {
    sql.run(&format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, details) VALUES ('{id}', 'x', 'LOGIN', 'User', {details})")).await;
}

#[tokio::test]
async fn details_that_are_deep_or_out_of_range_are_listed_as_their_text() {
    let world = world().await;
    let mut sql = Sql::connect(world.url()).await;
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    insert(&mut sql, "deep", &format!("'{deep}'")).await;
    insert(&mut sql, "large", "'{\"number\": 1e400}'").await;
    insert(&mut sql, "plain", "'{\"pages\": 3}'").await;
    let unit = world.platform().await.unwrap();
    let filter = || AuditFilter { action: Some("LOGIN".to_owned()), ..AuditFilter::default() };

    let listed = unit.audit().list(filter(), PageRequest::new(10, 0)).await.unwrap().items;
    let walked = unit.audit().list_after(filter(), KeysetRequest::first(10)).await.unwrap().items;

    assert_eq!(listed, walked);
    let details = |id: &str| listed.iter().find(|record| record.id.as_str() == id).unwrap().details.clone().unwrap();
    assert_eq!(details("deep").as_str(), Some(&*deep));
    assert!(details("large").is_string());
    assert_eq!(details("plain")["pages"], 3);
}

#[tokio::test]
async fn details_that_are_deep_or_out_of_range_are_sealed_and_verify() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    insert(&mut sql, "deep", &format!("'{}{}'", "[".repeat(500), "]".repeat(500))).await;
    insert(&mut sql, "large", "'{\"number\": 1e400}'").await;
    insert(&mut sql, "null", "'null'").await;

    assert!(outside.seal(&world).await >= 3);

    assert_eq!(outside.verify(&world).await.first_bad, None);
    let reader = world.database().audit_reader().await.unwrap();
    assert!(reader.prove("deep").await.unwrap().check().is_ok());
    drop(reader);
    let mut sql = superuser(&world).await;
    sql.run(&format!("UPDATE \"AuditLog\" SET details = '{}{}' WHERE id = 'deep'", "[".repeat(501), "]".repeat(501)))
        .await;
    assert_eq!(found(&world, &outside).await.record.as_deref(), Some("deep"));
}

#[tokio::test]
async fn long_details_are_sealed_in_several_batches_and_verify() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    let text = if is_sqlite(world.url()) {
        "json_quote(printf('%.*c', 4000000, 'x'))"
    } else {
        "to_jsonb(repeat('x', 4000000))"
    };
    for number in 0..12 {
        insert(&mut sql, &format!("long{number}"), text).await;
    }

    assert!(outside.seal(&world).await >= 12);

    assert!(outside.checkpoints().len() > 1);
    assert_eq!(outside.verify(&world).await.first_bad, None);
}

#[tokio::test]
async fn of_sealers_at_once_one_seals_and_nothing_is_sealed_twice() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    for _ in 0..5 {
        record(&agency, 5).await;
        let seal = async || seal_audit(&*world.store(), &outside.key, &[&FileSink(outside.file())]).await;
        let (a, b, c, d) = tokio::join!(seal(), seal(), seal(), seal());
        let outcomes = [a, b, c, d];
        assert!(outcomes.iter().any(Result::is_ok));
        for outcome in outcomes {
            assert!(matches!(outcome, Ok(_) | Err(maintenance::Error::Sealing)), "{outcome:?}");
        }
    }

    outside.seal(&world).await;
    let verification = outside.verify(&world).await;
    assert_eq!(verification.first_bad, None);
    assert_eq!(outside.checkpoints().last().unwrap().checkpoint().batch, verification.progress.batch);
}

#[tokio::test]
async fn a_log_whose_tables_are_gone_was_removed_where_a_checkpoint_is_known() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    for table in ["leaf", "tenant", "batch", "pending"] {
        let cascade = if is_sqlite(world.url()) { "" } else { " CASCADE" };
        sql.run(&format!("DROP TABLE rylie_audit_{table}{cascade}")).await;
    }
    assert_eq!(found(&world, &outside).await.what, Tampering::Removed);
}
