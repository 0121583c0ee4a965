//! Every stored value is sealed, verified, listed and proven: unusual times, numbers of any precision, documents of any
//! depth.

use rylie_db::audit::{Document, Format, Part, Proof, Record, SignedCheckpoint, Tampering, TenantEntry, Tree};
use rylie_db::maintenance::check_tenant_audit;
use rylie_db::prelude::{KeysetRequest, PageRequest, Progress};
use rylie_db::repositories::{AuditFilter, LeafPlace};
use rylie_testkit::World;

use super::world;
use crate::support::audit::{Outside, found, odd_rows, record, superuser};
use crate::support::sql::{Sql, is_sqlite};
use crate::support::tenant_rows::seal;

#[tokio::test]
async fn rows_that_no_reader_can_hold_are_sealed_apart_and_stop_nothing() {
    let (world, outside) = (world().await, Outside::new());
    let odd = odd_rows(&world, "platform").await;

    assert!(outside.seal(&world).await >= odd);

    let verification = outside.verify(&world).await;
    assert_eq!((verification.first_bad, verification.seen.quarantined), (None, odd));
    let reader = world.database().audit_reader().await.unwrap();
    let proof = reader.prove("odd0").await.unwrap();
    drop(reader);
    assert!(Proof::parse(&serde_json::to_string(&proof).unwrap()).unwrap().check().is_ok());
    let mut sql = superuser(&world).await;
    let other = if is_sqlite(world.url()) { "'ever'" } else { "'-infinity'" };
    sql.run(&format!("UPDATE \"AuditLog\" SET \"createdAt\" = {other} WHERE id = 'odd0'")).await;
    let finding = found(&world, &outside).await;
    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Changed, Some("odd0")));
}

#[tokio::test]
async fn a_walk_returns_each_record_once_whatever_its_time_is() {
    let world = world().await;
    let sqlite = is_sqlite(world.url());
    let mut sql = superuser(&world).await;
    let times: &[&str] = if sqlite {
        &["'infinity'", "5", "x'ff'", "'2026-11-27T12:00:00Z'", "'2026-11-27 12:00:00'", "'2026-11-27 12:00:00.000'"]
    } else {
        &[
            "'infinity'",
            "'-infinity'",
            "'0044-03-15 00:00:00 BC'",
            "'290000-01-01'",
            "'290000-01-02'",
            "'2026-11-27 12:00:00'",
        ]
    };
    for (kind, time) in times.iter().enumerate() {
        let rows: Vec<String> =
            (0..30).map(|number| format!("('w{kind}-{number:02}', 'x', 'WALK', 'y', 'platform', {time})")).collect();
        let into = "\"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", \"createdAt\")";
        sql.run(&format!("INSERT INTO {into} VALUES {}", rows.join(", "))).await;
    }
    let unit = world.platform().await.unwrap();
    let filter = || AuditFilter { action: Some("WALK".to_owned()), ..AuditFilter::default() };

    for limit in [1, 7, 100] {
        let (mut ids, mut page) = (Vec::new(), KeysetRequest::first(limit));
        loop {
            let found = unit.audit().list_after(filter(), page).await.unwrap();
            ids.extend(found.items.into_iter().map(|record| record.id.to_string()));
            assert!(ids.len() <= times.len() * 30, "it is walked for ever");
            let Some(next) = found.next else { break };
            page = KeysetRequest::after(limit, next);
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), times.len() * 30, "by {limit}");
    }
    assert_eq!(unit.audit().list(filter(), PageRequest::new(5, 0)).await.unwrap().total, times.len() as u64 * 30);
}

#[tokio::test]
async fn a_record_with_an_empty_id_is_exported_with_its_tenant() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    let tenant = &agency.agency.tenant_id;
    let mut sql = Sql::connect(world.url()).await;
    sql.run(&format!(
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") VALUES ('', 'x', 'x', 'y', '{}')",
        tenant.as_str()
    ))
    .await;
    record(&agency, 2).await;
    outside.seal(&world).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");

    world.database().export_tenant(tenant, &file, Some(&outside.key), &Progress::none()).await.unwrap();

    let checked = check_tenant_audit(&file, &[outside.key.public()], &outside.checkpoints().into_iter().collect());
    assert!(checked.unwrap().records > 2);
    assert!(std::fs::read_to_string(&file).unwrap().contains("\"id\":\"\""));
}

/// Returns details that are hard for a parser of numbers or documents.
fn details() -> Vec<String> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut all: Vec<String> = (0..200)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            format!("{{\"n\": {:e}}}", f64::from_bits(seed & 0x7fdf_ffff_ffff_ffff))
        })
        .collect();
    all.extend((0..100).map(|number| format!("[14.4285714285714286{number}, 0.1{number}234567890123456789]")));
    all.extend([120, 125, 126, 127, 128, 400].map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))));
    all.extend(
        ["null", "[null]", "1e400", "-0", "1.0", "1E2", "{}", "\"text\"", "18446744073709551616"].map(str::to_owned),
    );
    all
}

async fn with_details(world: &World) -> usize {
    let mut sql = Sql::connect(world.url()).await;
    let details = details();
    let rows: Vec<String> = details
        .iter()
        .enumerate()
        .map(|(number, details)| format!("('d{number}', 'x', 'x', 'y', '{details}')"))
        .collect();
    sql.run(&format!(
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, details) VALUES {}",
        rows.join(", ")
    ))
    .await;
    details.len()
}

async fn every_proof_holds(world: &World, count: usize) {
    let reader = world.database().audit_reader().await.unwrap();
    for number in 0..count {
        let proof = reader.prove(&format!("d{number}")).await.unwrap();
        let text = serde_json::to_string_pretty(&proof).unwrap();
        assert!(Proof::parse(&text).unwrap().check().is_ok(), "{text}");
    }
}

#[tokio::test]
async fn quarantined_records_are_exported_with_their_tenant_and_checked() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    let tenant = &agency.agency.tenant_id;
    record(&agency, 1).await;
    let mut odd = odd_rows(&world, tenant.as_str()).await;
    if is_sqlite(world.url()) {
        let mut sql = superuser(&world).await;
        sql.run(&format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position, \"createdAt\") VALUES ('place', 'x', 'x', 'y', '{}', 'abc', '2026-01-01 00:00:00')", tenant.as_str())).await;
        sql.run("INSERT INTO rylie_audit_pending (position, record_id) VALUES (9001, 'place')").await;
        odd += 1;
    }
    outside.seal(&world).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");

    world.database().export_tenant(tenant, &file, Some(&outside.key), &Progress::none()).await.unwrap();

    let trusted = [outside.key.public()];
    let check =
        |file: &std::path::Path| check_tenant_audit(file, &trusted, &outside.checkpoints().into_iter().collect());
    let checked = check(&file).unwrap();
    assert_eq!((checked.quarantined, checked.emptied, checked.head.is_some()), (odd, 0, true));
    assert!(checked.records > odd);
    let lines: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    let changed = |change: &dyn Fn(&str) -> Option<String>| {
        let lines: Vec<String> = lines.iter().map(|line| change(line).unwrap_or_else(|| line.clone())).collect();
        assert_ne!(lines[..], std::fs::read_to_string(&file).unwrap().lines().collect::<Vec<_>>()[..]);
        let forged = folder.path().join("forged");
        std::fs::write(&forged, seal(lines).join("\n") + "\n").unwrap();
        check(&forged)
    };
    // A record is not excused by a claim that it is quarantined, and a quarantined one is held to its values.
    let excused =
        |line: &str| line.contains("\"leaf\":{").then(|| line.replace("}}}}", "},\"unreadable\":\"never\"}}}"));
    let edited =
        |line: &str| line.contains("\"id\":\"odd0\"").then(|| line.replace("\"action\":\"x\"", "\"action\":\"z\""));
    let array = |line: &str| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        let leaf = value.pointer_mut("/audit/leaf")?;
        *leaf = leaf.as_object().unwrap().values().cloned().collect();
        Some(value.to_string())
    };
    assert!(changed(&excused).is_err());
    assert!(changed(&edited).is_err());
    assert!(changed(&array).is_err());
    // Neither an unreadable time nor an unreadable position becomes a value that the hash does not have.
    let dated = |line: &str| {
        let is_odd = line.contains("\"id\":\"odd0\"") && line.contains("\"createdAt\":null");
        is_odd.then(|| line.replace("\"createdAt\":null", "\"createdAt\":\"1970-01-01T00:00:00Z\""))
    };
    let placed = |line: &str| {
        let is_odd = line.contains("\"id\":\"odd0\"") && line.contains("\"position\":");
        let mut value: serde_json::Value = is_odd.then(|| serde_json::from_str(line).unwrap())?;
        value["row"]["position"] = serde_json::json!(1.5);
        Some(value.to_string())
    };
    let missing = |line: &str| {
        let is_odd = line.contains("\"id\":\"odd0\"") && line.contains("\"details\":null,");
        is_odd.then(|| line.replace("\"details\":null,", ""))
    };
    assert!(changed(&dated).is_err());
    assert!(changed(&placed).is_err());
    assert!(changed(&missing).is_err());
}

#[tokio::test]
async fn proofs_hold_whatever_the_details_say() {
    let (world, outside) = (world().await, Outside::new());
    let count = with_details(&world).await;
    outside.seal(&world).await;

    assert_eq!(outside.verify(&world).await.first_bad, None);
    every_proof_holds(&world, count).await;
    assert!(outside.checkpoints().iter().all(|checkpoint| checkpoint.format() == Format::Two));
}

#[tokio::test]
async fn a_number_is_held_to_its_last_digit() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, details) VALUES ('n', 'x', 'x', 'y', '{\"n\": 0.12345678901234567891}')").await;
    outside.seal(&world).await;
    let mut sql = superuser(&world).await;
    sql.run("UPDATE \"AuditLog\" SET details = '{\"n\": 0.12345678901234567892}' WHERE id = 'n'").await;

    assert_eq!(found(&world, &outside).await.record.as_deref(), Some("n"));
}

/// Converts the only batch to the first format, as earlier builds sealed it.
async fn in_the_first_format(world: &World, outside: &Outside) {
    let reader = world.database().audit_reader().await.unwrap();
    let tenants = reader.tenants_after(LeafPlace { batch: 0, number: 0 }, 1_000).await.unwrap();
    let mut leaves = Vec::new();
    for number in tenants.iter().map(|tenant| tenant.place.number) {
        leaves.extend(reader.leaves_of(1, number).await.unwrap().into_iter().map(|leaf| (number, leaf)));
    }
    drop(reader);
    let first = |mut record: Record| {
        if let Part::Open { value, .. } = &mut record.what
            && let Some(Document::Text(text)) = value.details.take()
        {
            value.details = Some(Document::Parsed(text));
        }
        record
    };
    let bytes = |digest| if is_sqlite(world.url()) { format!("x'{digest}'") } else { format!("'\\x{digest}'::bytea") };
    // Of SQLite's triggers, only those that reject changes are dropped: records are still queued.
    let mut sql = if is_sqlite(world.url()) { Sql::connect(world.url()).await } else { superuser(world).await };
    if is_sqlite(world.url()) {
        for trigger in sql.all("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '%_no_%'").await {
            sql.run(&format!("DROP TRIGGER \"{trigger}\"")).await;
        }
    }
    let mut entries: Vec<TenantEntry> = tenants.into_iter().map(|placed| placed.tenant.entry).collect();
    let mut trees: Vec<Tree> = entries.iter().map(|_| Tree::default()).collect();
    for (number, (tenant, leaf)) in leaves.into_iter().enumerate() {
        let leaf = first(leaf.into_record().unwrap()).leaf();
        trees[usize::try_from(tenant).unwrap()].push(leaf);
        sql.run(&format!("UPDATE rylie_audit_leaf SET leaf = {} WHERE batch = 1 AND number = {number}", bytes(leaf)))
            .await;
    }
    for (number, (entry, tree)) in entries.iter_mut().zip(&trees).enumerate() {
        entry.root = tree.root();
        sql.run(&format!(
            "UPDATE rylie_audit_tenant SET root = {} WHERE batch = 1 AND number = {number}",
            bytes(entry.root)
        ))
        .await;
    }
    let mut checkpoint = outside.checkpoints().remove(0).checkpoint().clone();
    checkpoint.root = entries.iter().map(TenantEntry::leaf).collect::<Tree>().root();
    let text = checkpoint.sign_as(Format::One, &outside.key).to_text();
    sql.run(&format!("UPDATE rylie_audit_batch SET checkpoint = '{text}' WHERE batch = 1")).await;
    std::fs::write(outside.file(), text).unwrap();
}

#[tokio::test]
async fn batches_of_the_first_format_go_on_to_verify() {
    let (world, outside) = (world().await, Outside::new());
    let count = with_details(&world).await;
    outside.seal(&world).await;
    in_the_first_format(&world, &outside).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);

    outside.seal(&world).await;

    assert_eq!(outside.verify(&world).await.first_bad, None);
    let formats: Vec<Format> = outside.checkpoints().iter().map(SignedCheckpoint::format).collect();
    assert_eq!(formats, [Format::One, Format::Two]);
    every_proof_holds(&world, count).await;
}
