//! A record of any size stops neither sealing nor reading: long texts count by their length and digest.

use rylie_db::audit::{Proof, Tampering, Text};
use rylie_db::entities::Env;
use rylie_db::maintenance::check_tenant_audit;
use rylie_db::prelude::{Action, Event, KeysetRequest, Progress};
use rylie_db::repositories::AuditFilter;
use rylie_testkit::World;

use super::world;
use crate::support::audit::{Outside, found, record, superuser};
use crate::support::sql::{Sql, is_sqlite};

/// Returns an expression for a text of so many MiB.
fn text(world: &World, megabytes: u32) -> String {
    let bytes = megabytes << 20;
    if is_sqlite(world.url()) {
        format!("replace(hex(zeroblob({})), '0', 'x')", bytes / 2)
    } else {
        format!("repeat('x', {bytes})")
    }
}

fn document(world: &World, text: &str) -> String {
    if is_sqlite(world.url()) { format!("'\"' || {text} || '\"'") } else { format!("to_jsonb({text})") }
}

/// Inserts a record of before the limit, which is only an earlier build's or an owner's.
async fn insert(world: &World, id: &str, tenant: &str, columns: &[(&str, String)]) {
    let names: Vec<String> = columns.iter().map(|(name, _)| format!(", \"{name}\"")).collect();
    let values: Vec<String> = columns.iter().map(|(_, value)| format!(", {value}")).collect();
    let mut sql = Sql::connect(world.url()).await;
    if is_sqlite(world.url()) {
        sql.run("DROP TRIGGER IF EXISTS \"AuditLog_size\"").await;
    }
    sql.run(&format!(
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\"{}) VALUES ('{id}', 'ann', 'LONG', 'y', '{tenant}'{})",
        names.concat(),
        values.concat()
    ))
    .await;
}

#[tokio::test]
async fn records_with_long_texts_are_sealed_verified_listed_and_exported() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    let tenant = agency.agency.tenant_id.as_str();
    let long = text(&world, 17);
    insert(&world, "agent", tenant, &[("userAgent", long.clone())]).await;
    insert(&world, "details", tenant, &[("details", document(&world, &long))]).await;
    insert(&world, "two", tenant, &[("ipAddress", long.clone()), ("userAgent", long.clone())]).await;
    insert(&world, "whole", tenant, &[("userAgent", text(&world, 16))]).await;
    record(&agency, 2).await;

    assert!(outside.seal(&world).await >= 6);

    let verification = outside.verify(&world).await;
    assert_eq!((verification.first_bad, verification.seen.quarantined), (None, 0));
    let reader = world.database().audit_reader().await.unwrap();
    for id in ["agent", "details", "two"] {
        let json = serde_json::to_string(&reader.prove(id).await.unwrap()).unwrap();
        assert!(json.len() < 10_000 && json.contains("\"bytes\":178257"), "{json}");
        assert!(Proof::parse(&json).unwrap().check().is_ok());
    }
    drop(reader);
    let unit = world.platform().await.unwrap();
    let filter = AuditFilter { action: Some("LONG".to_owned()), ..AuditFilter::default() };
    let listed = unit.audit().list_after(filter, KeysetRequest::first(10)).await.unwrap().items;
    drop(unit);
    assert_eq!(listed.len(), 4);
    let agent = listed.iter().find(|record| record.id.as_str() == "agent").unwrap().user_agent.clone().unwrap();
    assert!(agent.ends_with("x [... 17825792 bytes]") && agent.len() < 1_100, "{agent}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let tenant = &agency.agency.tenant_id;
    world.database().export_tenant(tenant, &file, Some(&outside.key), &Progress::none()).await.unwrap();
    let checked = check_tenant_audit(&file, &[outside.key.public()], &outside.checkpoints().into_iter().collect());
    assert!(checked.unwrap().records >= 6);
    // The only whole text among them has 16 MiB.
    assert!(std::fs::metadata(&file).unwrap().len() < 18 << 20);

    let mut sql = superuser(&world).await;
    sql.run(&format!("UPDATE \"AuditLog\" SET \"ipAddress\" = {} WHERE id = 'two'", long.replace("'x'", "'y'"))).await;
    let finding = found(&world, &outside).await;
    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Changed, Some("two")));
}

#[tokio::test]
async fn a_long_text_is_erased_with_its_person() {
    let (world, outside) = (world().await, Outside::new());
    insert(&world, "agent", "platform", &[("userAgent", text(&world, 17))]).await;
    insert(&world, "other", "platform", &[("userAgent", text(&world, 9))]).await;
    insert(&world, "third", "platform", &[("userAgent", text(&world, 9))]).await;
    outside.seal(&world).await;

    let erased = rylie_db::maintenance::erase_from_audit(&*world.store(), &"ann".parse().unwrap()).await.unwrap();

    assert_eq!(erased, 3);
    outside.seal(&world).await;
    let verification = outside.verify(&world).await;
    assert_eq!((verification.first_bad, verification.seen.erased), (None, 3));
}

#[tokio::test]
async fn a_text_that_spells_the_digest_of_a_long_one_is_another() {
    let (world, outside) = (world().await, Outside::new());
    insert(&world, "agent", "platform", &[("userAgent", text(&world, 17))]).await;
    outside.seal(&world).await;
    let sha256 = Text::from("x".repeat(17 << 20)).long().unwrap().sha256();
    let mut sql = superuser(&world).await;

    for spelled in [format!("{{\"bytes\":17825792,\"sha256\":\"{sha256}\"}}"), format!("long 17825792 {sha256}")] {
        sql.run(&format!("UPDATE \"AuditLog\" SET \"userAgent\" = '{spelled}' WHERE id = 'agent'")).await;
        assert_eq!(found(&world, &outside).await.what, Tampering::Changed);
    }
}

#[tokio::test]
async fn a_new_record_has_no_text_of_more_than_a_mebibyte() {
    let world = world().await;
    let sqlite = is_sqlite(world.url());
    let one = text(&world, 1);
    for (column, value, fits) in [
        ("userAgent", one.clone(), true),
        ("userAgent", format!("{one} || 'x'"), false),
        ("action", format!("{one} || 'x'"), false),
        ("details", if sqlite { one.clone() } else { format!("to_jsonb({one} || 'x')") }, true),
        ("details", if sqlite { text(&world, 17) } else { format!("to_jsonb({})", text(&world, 17)) }, false),
    ] {
        let columns: Vec<&str> =
            ["id", "userId", "action", "resource"].into_iter().filter(|name| *name != column).collect();
        let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
        let row = vec![format!("'{}'", uuid(&world)); columns.len()].join(", ");
        let insert = format!("INSERT INTO \"AuditLog\" ({}, \"{column}\") VALUES ({row}, {value})", names.join(", "));
        let mut sql = Sql::connect(world.url()).await;
        let role = if sqlite { "" } else { "SET LOCAL ROLE rylie_platform;" };
        let result = sql.try_run(&format!("BEGIN; {role} {insert}; COMMIT")).await;
        match result {
            Ok(()) => assert!(fits, "{column}"),
            Err(error) => assert!(!fits && error.to_string().contains("is too long"), "{column}: {error}"),
        }
    }
    let unit = world.platform().await.unwrap();
    let event = Event::new(Action::Other("LONG".into())).with("text", "x".repeat(17 << 20));
    let refused = unit.audit().record(event).await.unwrap_err();
    assert_eq!(refused.to_string(), "a value is not acceptable: it does not fit the column");
}

fn uuid(world: &World) -> String {
    world.env().new_id()
}
