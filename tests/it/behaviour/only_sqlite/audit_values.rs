//! Values of other types in text columns. SQLite only: PostgreSQL stores only text there.

use rylie_db::audit::Tampering;
use rylie_db::maintenance::{check_tenant_audit, erase_from_audit};
use rylie_db::prelude::{KeysetRequest, Progress, UserId};
use rylie_db::repositories::AuditFilter;

use super::world;
use crate::support::audit::{Outside, found, record, sealed, superuser};
use crate::support::sql::Sql;

#[tokio::test]
async fn texts_that_are_none_are_sealed_and_distinguished_on_sqlite() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    for (id, action, details) in [
        ("blob", "x'ff'", "x'00'"),
        ("bytes", "CAST(x'ff' AS text)", "'no JSON'"),
        ("twice", "'x'", "'{\"a\":1,\"a\":2}'"),
    ] {
        sql.run(&format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, details) VALUES ('{id}', 'x', {action}, 'y', {details})")).await;
    }
    outside.seal(&world).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);
    let mut sql = superuser(&world).await;

    for (id, change, back) in [
        ("blob", "action = x'fe'", "action = x'ff'"),
        ("twice", "details = '{\"a\":2}'", "details = '{\"a\":1,\"a\":2}'"),
        ("twice", "\"createdAt\" = \"createdAt\" || '+05:00'", "\"createdAt\" = replace(\"createdAt\", '+05:00', '')"),
    ] {
        sql.run(&format!("UPDATE \"AuditLog\" SET {change} WHERE id = '{id}'")).await;
        let finding = found(&world, &outside).await;
        assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Changed, Some(id)), "{change}");
        sql.run(&format!("UPDATE \"AuditLog\" SET {back} WHERE id = '{id}'")).await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{back}");
    }
}

#[tokio::test]
async fn a_nul_in_any_text_is_sealed_and_verifies_on_sqlite() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    let columns = ["id", "userId", "action", "resource", "resourceId", "tenantId", "ipAddress", "correlationId"];
    // Twice, so that the tenants have a count before the second batch.
    for round in 0..2 {
        for (number, with_nul) in columns.iter().enumerate() {
            let values: Vec<String> = columns
                .iter()
                .map(|name| {
                    let nul = if name == with_nul { "|| char(0) || 'b'" } else { "" };
                    if *name == "id" { format!("'{round}{number}' {nul}") } else { format!("'a' {nul}") }
                })
                .collect();
            let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
            sql.run(&format!("INSERT INTO \"AuditLog\" ({}) VALUES ({})", names.join(", "), values.join(", "))).await;
        }
        assert!(outside.seal(&world).await >= columns.len() as u64);
        assert_eq!(outside.verify(&world).await.first_bad, None);
    }
    assert_eq!(sql.one("SELECT CAST(count(*) AS text) FROM rylie_audit_pending p JOIN \"AuditLog\" a ON a.id = p.record_id WHERE a.action LIKE 'a%'").await, "0");
    let mut sql = superuser(&world).await;
    sql.run("UPDATE \"AuditLog\" SET action = 'c' WHERE id = '00' || char(0) || 'b'").await;

    assert_eq!(found(&world, &outside).await.what, Tampering::Changed);
}

#[tokio::test]
async fn an_id_that_is_no_text_is_sealed_and_verifies_on_sqlite() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    for id in ["x'ff'", "CAST(x'fffe' AS text)", "'blob 00'", "'bytes 00'", "x'00ff'"] {
        sql.run(&format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ({id}, 'x', 'x', 'y')"))
            .await;
    }
    outside.seal(&world).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);
    let mut sql = superuser(&world).await;
    sql.run("UPDATE \"AuditLog\" SET action = 'z' WHERE id = x'00ff'").await;
    let finding = found(&world, &outside).await;
    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Changed, Some("blob 00FF")));
    sql.run("UPDATE \"AuditLog\" SET action = 'x' WHERE id = x'00ff'").await;
    sql.run("DELETE FROM \"AuditLog\" WHERE id = x'ff'").await;
    let finding = found(&world, &outside).await;
    assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Removed, Some("blob FF")));
}

#[tokio::test]
async fn two_ids_with_one_text_neither_stop_a_sealer_nor_accuse_the_log_on_sqlite() {
    for (first, second) in [
        ("CAST(x'ff' AS TEXT)", "'bytes ff'"),
        ("'bytes ff'", "CAST(x'ff' AS TEXT)"),
        ("x'ff'", "'blob FF'"),
        ("'blob FF'", "x'ff'"),
    ] {
        for sealed_between in [true, false] {
            let (world, outside) = (world().await, Outside::new());
            outside.seal(&world).await;
            let mut sql = Sql::connect(world.url()).await;
            for (id, seal) in [(first, sealed_between), (second, true), ("'plain'", true)] {
                sql.run(&format!(
                    "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ({id}, 'x', 'x', 'y')"
                ))
                .await;
                if seal {
                    outside.seal(&world).await;
                }
                assert_eq!(outside.verify(&world).await.first_bad, None, "{first}, {second}, {id}");
            }
            // The second one has no place of its own, so it waits.
            let waits = format!("SELECT CAST(count(*) AS text) FROM rylie_audit_pending WHERE record_id = {second}");
            assert_eq!(sql.one(&waits).await, "1", "{first}, {second}");
            let mut sql = superuser(&world).await;
            sql.run(&format!("UPDATE \"AuditLog\" SET action = 'z' WHERE id = {first}")).await;
            assert_eq!(found(&world, &outside).await.what, Tampering::Changed, "{first}, {second}");
        }
    }
}

#[tokio::test]
async fn a_person_is_erased_from_records_of_any_id_and_the_log_verifies_on_sqlite() {
    for (first, second) in [("x'ff'", "'blob FF'"), ("CAST(x'fffe' AS TEXT)", "'bytes fffe'")] {
        let (world, outside) = (world().await, Outside::new());
        let mut sql = Sql::connect(world.url()).await;
        for (id, user) in [(first, "'victim'"), (second, "'victim'"), ("'plain'", "CAST('victim' AS BLOB)")] {
            sql.run(&format!(
                "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ({id}, {user}, 'x', 'y')"
            ))
            .await;
        }
        outside.seal(&world).await;
        let victim: UserId = "victim".parse().unwrap();
        assert_eq!(erase_from_audit(&*world.store(), &victim).await.unwrap(), 2, "{first}");
        let left = "SELECT group_concat(typeof(id) || ' ' || hex(id)) FROM \"AuditLog\" WHERE CAST(\"userId\" AS TEXT) = 'victim'";
        let spelled = format!("SELECT 'text ' || hex({second})");
        // It waits for ever, because another record has its place.
        assert_eq!(sql.one(left).await, sql.one(&spelled).await, "{first}");
        outside.seal(&world).await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{first}");
    }
}

#[tokio::test]
async fn a_record_that_no_erasure_can_name_stops_no_other_and_is_reported_on_sqlite() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    for id in ["CAST(x'780079' AS TEXT)", "'plain'"] {
        sql.run(&format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ({id}, 'victim', 'x', 'y')"
        ))
        .await;
    }
    outside.seal(&world).await;
    let victim: UserId = "victim".parse().unwrap();
    let error = erase_from_audit(&*world.store(), &victim).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("NUL"), "{source}");
    let left = "SELECT CAST(count(*) AS TEXT) FROM \"AuditLog\" WHERE \"userId\" = 'victim'";
    assert_eq!(sql.one(left).await, "1");
    outside.seal(&world).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);
}

#[tokio::test]
async fn values_of_any_type_are_listed_and_exported_as_their_texts_on_sqlite() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    let tenant = &agency.agency.tenant_id;
    let mut sql = Sql::connect(world.url()).await;
    let time = "\"createdAt\"";
    for (id, column, value) in [
        ("x'7231'", "action", "'TYPES'"),
        ("x'ff'", "action", "'TYPES'"),
        ("CAST(x'fe' AS TEXT)", "action", "'TYPES'"),
        ("'agent'", "\"userAgent\"", "x'ff'"),
        ("'action'", "action", "CAST('abc' AS BLOB)"),
        ("'user'", "\"userId\"", "CAST(x'ff' AS TEXT)"),
        ("'address'", "\"ipAddress\"", "CAST(x'ff' AS TEXT)"),
        ("'time'", time, "x'ff'"),
        ("'details'", "details", "x'ff'"),
    ] {
        let others: Vec<&str> = ["\"userId\"", "action"].into_iter().filter(|name| *name != column).collect();
        sql.run(&format!(
            "INSERT INTO \"AuditLog\" (id, resource, \"tenantId\", {column}, {}) VALUES ({id}, 'TYPES', '{}', {value}, {})",
            others.join(", "),
            tenant.as_str(),
            vec!["'x'"; others.len()].join(", ")
        ))
        .await;
    }
    outside.seal(&world).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);

    let unit = world.platform().await.unwrap();
    let filter = || AuditFilter { resource: Some("TYPES".to_owned()), ..AuditFilter::default() };
    for limit in [1, 3, 100] {
        let (mut ids, mut page) = (Vec::new(), KeysetRequest::first(limit));
        loop {
            let found = unit.audit().list_after(filter(), page).await.unwrap();
            ids.extend(found.items.into_iter().map(|record| record.id.to_string()));
            assert!(ids.len() <= 9, "it is walked for ever");
            let Some(next) = found.next else { break };
            page = KeysetRequest::after(limit, next);
        }
        ids.sort();
        let expected = ["action", "address", "agent", "blob 7231", "blob FF", "bytes fe", "details", "time", "user"];
        assert_eq!(ids, expected, "by {limit}");
    }
    let listed = unit.audit().list_after(filter(), KeysetRequest::first(100)).await.unwrap().items;
    let of = |id: &str| listed.iter().find(|record| record.id.as_str() == id).unwrap();
    assert_eq!(of("agent").user_agent.as_deref(), Some("blob FF"));
    assert_eq!(of("user").user_id, "bytes ff");
    assert_eq!(of("action").action, "blob 616263");
    drop(unit);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    world.database().export_tenant(tenant, &file, Some(&outside.key), &Progress::none()).await.unwrap();
    let checked = check_tenant_audit(&file, &[outside.key.public()], &outside.checkpoints().into_iter().collect());
    assert!(checked.unwrap().records >= 9);
}

#[tokio::test]
async fn a_seal_of_another_type_is_noticed_on_sqlite() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    for (table, column) in [
        ("rylie_audit_leaf", "leaf"),
        ("rylie_audit_leaf", "who_salt"),
        ("rylie_audit_leaf", "what_salt"),
        ("rylie_audit_tenant", "root"),
    ] {
        sql.run(&format!("UPDATE {table} SET {column} = CAST({column} AS text) WHERE batch = 1 AND number = 0")).await;
        assert_eq!(found(&world, &outside).await.what, Tampering::Changed, "{table}.{column}");
        sql.run(&format!("UPDATE {table} SET {column} = CAST({column} AS blob) WHERE batch = 1 AND number = 0")).await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{table}.{column}");
    }
}

#[tokio::test]
async fn a_pending_row_without_a_number_does_not_stop_a_sealer_on_sqlite() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    record(&agency, 2).await;
    let mut sql = superuser(&world).await;
    sql.run(
        "CREATE TABLE kept AS SELECT * FROM rylie_audit_pending; DROP TABLE rylie_audit_pending; \
         CREATE TABLE rylie_audit_pending (position bigint PRIMARY KEY, record_id TEXT NOT NULL); \
         INSERT INTO rylie_audit_pending SELECT * FROM kept; \
         INSERT INTO rylie_audit_pending VALUES ('text', 'a'), (x'ff', 'b'), (1.5, 'c')",
    )
    .await;

    assert!(outside.seal(&world).await >= 2);

    assert!(outside.verify(&world).await.first_bad.is_some());
}

#[tokio::test]
async fn a_blob_of_more_than_a_page_is_sealed_and_verified_on_sqlite() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    sql.run("DROP TRIGGER \"AuditLog_size\"").await;
    let into = "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"userAgent\") VALUES";
    sql.run(&format!("{into} ('blob', 'x', 'x', 'y', zeroblob(40000000)), ('bytes', 'x', 'x', 'y', CAST(zeroblob(40000000) || x'ff' AS TEXT))"))
        .await;

    outside.seal(&world).await;

    assert_eq!(outside.verify(&world).await.first_bad, None);
    let mut sql = superuser(&world).await;
    sql.run("UPDATE \"AuditLog\" SET \"userAgent\" = zeroblob(40000001) WHERE id = 'blob'").await;
    assert_eq!(found(&world, &outside).await.record.as_deref(), Some("blob"));
}
