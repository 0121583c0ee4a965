//! The sealer and the table owner may seal, remove and erase. PostgreSQL only: SQLite has no roles.

use rylie_db::audit::FileSink;
use rylie_db::maintenance::{self, erase_from_audit, seal_audit};
use rylie_db::prelude::*;
use rylie_db::repositories;
use rylie_migration::{Login, Password, Provision};
use rylie_testkit::World;

use super::world;
use crate::support::audit::{found, record, sealed, superuser};
use crate::support::logins::{in_order, url_as};
use crate::support::sql::{Sql, migrations};

const SEALS: [&str; 4] = ["rylie_audit_batch", "rylie_audit_tenant", "rylie_audit_leaf", "rylie_audit_pending"];

/// Runs a statement in a transaction of the role, and rolls it back. Returns its error, if any.
async fn refused(sql: &mut Sql, role: &str, statement: &str) -> Option<String> {
    let done = sql.try_run(&format!("BEGIN; SET LOCAL ROLE {role}; {statement}")).await;
    sql.run("ROLLBACK").await;
    done.err().map(|error| error.to_string())
}

#[tokio::test]
async fn no_unit_role_writes_to_the_seals() {
    let (world, _outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    for role in ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors", "rylie_auditor"] {
        for table in SEALS {
            for attempt in [
                format!("INSERT INTO {table} SELECT * FROM {table}"),
                format!("UPDATE {table} SET batch = 1"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table}"),
                format!("LOCK TABLE {table} IN SHARE MODE"),
            ] {
                let attempt =
                    if table == "rylie_audit_pending" { attempt.replace("SET batch", "SET position") } else { attempt };
                let error = refused(&mut sql, role, &attempt).await.unwrap_or_default();
                assert!(error.contains("permission denied"), "{role}: {attempt}: {error}");
            }
        }
        for call in ["rylie_audit_remove_batch(1, now()::timestamp)", "rylie_audit_erase('x', 'who', '\\x00')"] {
            let error = refused(&mut sql, role, &format!("SELECT public.{call}")).await.unwrap_or_default();
            assert!(error.contains("permission denied for function"), "{role}: {call}: {error}");
        }
    }
}

#[tokio::test]
async fn the_sealer_adds_seals_and_changes_and_reads_nothing_else() {
    let (world, _outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    for attempt in [
        "UPDATE rylie_audit_batch SET records = 0",
        "DELETE FROM rylie_audit_leaf",
        "UPDATE rylie_audit_pending SET position = 0",
        "INSERT INTO rylie_audit_pending SELECT * FROM rylie_audit_pending",
        "SELECT id FROM \"AuditLog\"",
        "DELETE FROM \"AuditLog\"",
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('x', 'x', 'x', 'x')",
        "SELECT id FROM \"User\"",
    ] {
        let error = refused(&mut sql, "rylie_sealer", attempt).await.unwrap_or_default();
        assert!(error.contains("permission denied"), "{attempt}: {error}");
    }
    assert_eq!(refused(&mut sql, "rylie_sealer", "DELETE FROM rylie_audit_pending").await, None);
}

#[tokio::test]
async fn a_declaration_that_is_no_checkpoint_removes_nothing() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    let newest = outside.checkpoints().pop().unwrap().to_text();
    let third = newest.replace("batch 2\n", "batch 3\n").replace("removed 0\n", "removed 1\n");
    for text in [
        "x\nremoved 1\n".to_owned(),
        newest.replace("removed 0\n", "removed 1\n"),
        // In its own row, without the link to its predecessor.
        third.clone(),
        third.replace("removed 1\n", "removed 1\nremoved 1\n"),
        third.replace("removed 1\n", "removed 9\n"),
        format!("{newest}{third}"),
    ] {
        let insert = format!(
            "INSERT INTO rylie_audit_batch (batch, sealed_at, records, total, checkpoint) VALUES (3, now(), 0, 0, '{text}')"
        );
        let call = "SELECT public.rylie_audit_remove_batch(1, now()::timestamp)";
        assert_eq!(refused(&mut sql, "rylie_sealer", &insert).await, None);
        let error = refused(&mut sql, "rylie_sealer", &format!("{insert}; {call}")).await.unwrap_or_default();
        assert!(error.contains("the newest checkpoint is none"), "{text}: {error}");
    }
}

/// Creates a login of this kind, named after the database. The test drops it at the end.
async fn login(world: &World, kind: &str) -> (String, Database) {
    let database = Sql::connect(world.url()).await.one("SELECT current_database()::text").await;
    let name = format!("{kind}_{}", database.trim_start_matches("rylie_test_"));
    let login = Some(Login { name: name.clone(), password: Some(Password::new("x").unwrap()) });
    let wanted = match kind {
        "app" => Provision { app: login, ..Provision::default() },
        _ => Provision { sealer: login, ..Provision::default() },
    };
    migrations(world.url()).await.provision(&wanted).await.unwrap();
    let database = Database::connect(Config::new(&url_as(world.url(), &name)).unwrap()).await.unwrap();
    (name, database)
}

fn may_not_seal<T: std::fmt::Debug>(outcome: &Result<T, maintenance::Error>) -> bool {
    matches!(outcome, Err(maintenance::Error::Data { source: repositories::Error::MayNotSeal, .. }))
}

#[tokio::test]
async fn the_services_login_neither_seals_nor_removes_nor_erases() {
    let (world, outside) = sealed(world().await).await;
    let agency = world.agency().await.unwrap();
    record(&agency, 2).await;
    outside.seal(&world).await;
    let (name, service) = login(&world, "app").await;

    assert!(may_not_seal(&seal_audit(&*service.store(), &outside.key, &[]).await));
    assert!(may_not_seal(&erase_from_audit(&*service.store(), &agency.admin.user.id).await));
    world.env().forward(chrono::TimeDelta::days(100));
    let now = world.env().now();
    assert!(may_not_seal(&maintenance::retain_audit(&*service.store(), &outside.key, &[], now, 90).await));

    assert!(service.check_roles().await.unwrap().iter().all(in_order));
    let mut sql = Sql::connect(&url_as(world.url(), &name)).await;
    assert!(sql.try_run("SET ROLE rylie_sealer").await.is_err());
    let verification = outside.verify(&world).await;
    assert_eq!((verification.first_bad, verification.seen.erased), (None, 0));
}

#[tokio::test]
async fn a_sealers_login_seals_removes_and_erases() {
    let (world, outside) = sealed(world().await).await;
    let agency = world.agency().await.unwrap();
    record(&agency, 2).await;
    let (_, sealer) = login(&world, "sealer").await;
    let sink = FileSink(outside.file());

    assert!(seal_audit(&*sealer.store(), &outside.key, &[&sink]).await.unwrap().records > 0);
    assert!(erase_from_audit(&*sealer.store(), &agency.admin.user.id).await.unwrap() > 0);
    let now = rylie_db::entities::Env::now(&rylie_db::entities::SystemEnv) + chrono::TimeDelta::days(400);
    assert!(maintenance::retain_audit(&*sealer.store(), &outside.key, &[&sink], now, 1).await.unwrap().records > 0);
    seal_audit(&*sealer.store(), &outside.key, &[&sink]).await.unwrap();

    assert_eq!(outside.verify(&world).await.first_bad, None);
    let warned: Vec<_> = sealer.check_roles().await.unwrap().into_iter().filter(|check| !in_order(check)).collect();
    assert_eq!(warned.iter().map(|check| check.id).collect::<Vec<_>>(), ["roles.sealer"]);
}

#[tokio::test]
async fn what_only_a_superuser_can_hide_is_found() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run("UPDATE rylie_audit_batch SET removed_at = now() WHERE batch = 1").await;

    assert_eq!(found(&world, &outside).await.batch, Some(1));
}

#[tokio::test]
async fn a_removal_checks_every_link_of_the_chain() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    // Batch 3 does not follow batch 2; batch 4 follows batch 3 and declares a removal.
    let newest = outside.checkpoints().pop().unwrap().to_text();
    let previous = |text: &str, digest: &str| {
        let line = text.lines().find(|line| line.starts_with("previous ")).unwrap().to_owned();
        text.replace(&line, &format!("previous {digest}"))
    };
    let third = previous(&newest.replace("batch 2\n", "batch 3\n"), &"0".repeat(64));
    let body = third.split_once("signature ").unwrap().0;
    let digest = rylie_db::audit::Digest::of(body.as_bytes()).to_string();
    let fourth = previous(&newest.replace("batch 2\n", "batch 4\n").replace("removed 0\n", "removed 1\n"), &digest);
    let insert = |batch: i32, text: &str| {
        format!(
            "INSERT INTO rylie_audit_batch (batch, sealed_at, records, total, checkpoint) VALUES ({batch}, now(), 0, 0, '{text}')"
        )
    };
    let attempt = format!(
        "{}; {}; SELECT public.rylie_audit_remove_batch(1, now()::timestamp)",
        insert(3, &third),
        insert(4, &fourth)
    );

    let error = refused(&mut sql, "rylie_sealer", &attempt).await.unwrap_or_default();

    assert!(error.contains("does not follow the one before"), "{error}");
}

#[tokio::test]
async fn no_role_of_a_unit_changes_a_column_of_the_log() {
    const ROLES: [&str; 6] =
        ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors", "rylie_auditor", "rylie_sealer"];
    let (world, _outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    let mut tried = 0;
    for table in ["AuditLog", SEALS[0], SEALS[1], SEALS[2], SEALS[3]] {
        let columns = format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
        );
        for column in sql.all(&columns).await {
            for role in ROLES {
                let attempt = format!("UPDATE public.\"{table}\" SET \"{column}\" = \"{column}\"");
                let error = refused(&mut sql, role, &attempt).await.unwrap_or_default();
                assert!(error.contains("permission denied"), "{role}: {attempt}: {error}");
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[tokio::test]
async fn sealing_does_not_stop_for_the_longest_texts_that_the_log_takes() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = Sql::connect(world.url()).await;
    let long = |length: usize, salt: &str| {
        format!("(SELECT left(string_agg(md5(i::text || '{salt}'), ''), {length}) FROM generate_series(1, 90) i)")
    };
    let mut taken = 0;
    for (number, (id, tenant)) in
        [(2_690, 10), (2_400, 200), (1_300, 1_300), (10, 2_600), (10, 2_400)].into_iter().enumerate()
    {
        let (id, tenant) = (long(id, &format!("i{number}")), long(tenant, "t"));
        let insert = format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") SELECT {id}, 'x', 'x', 'x', {tenant}"
        );
        taken += u32::from(sql.try_run(&insert).await.is_ok());
    }

    outside.seal(&world).await;

    assert!(taken > 0);
    assert_eq!(sql.one("SELECT count(*)::text FROM rylie_audit_pending p JOIN \"AuditLog\" a ON a.id = p.record_id WHERE a.action = 'x'").await, "0");
    assert_eq!(outside.verify(&world).await.first_bad, None);
}
