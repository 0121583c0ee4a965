//! A sealed audit log, its external checkpoints, and a superuser who tampers with it.

use std::path::PathBuf;
use std::time::Duration;

use rylie_db::audit::{FileSink, Finding, SignedCheckpoint, SigningKey, Verifier};
use rylie_db::maintenance::{self, retain_audit, seal_audit, verify_audit};
use rylie_db::prelude::*;
use rylie_testkit::{TestAgency, World};
use tempfile::TempDir;

use super::sql::{Sql, is_sqlite};

/// A signing key and a file of checkpoints, outside the database.
pub(crate) struct Outside {
    folder: TempDir,
    pub(crate) key: SigningKey,
}

impl Outside {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::create(&folder.path().join("key")).unwrap();
        Self { folder, key }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    /// Seals the waiting records. A sealing that failed before excludes others until its unit is rolled back, which
    /// happens in the background.
    pub(crate) async fn seal(&self, world: &World) -> u64 {
        let sink = FileSink(self.file());
        for _ in 0..1_000 {
            match seal_audit(&*world.store(), &self.key, &[&sink]).await {
                Err(maintenance::Error::Sealing) => tokio::time::sleep(Duration::from_millis(20)).await,
                sealed => return sealed.unwrap().records,
            }
        }
        panic!("an earlier sealing does not end");
    }

    pub(crate) async fn retain(
        &self,
        world: &World,
        days: u32,
    ) -> Result<maintenance::RetainedAudit, maintenance::Error> {
        retain_audit(&*world.store(), &self.key, &[&FileSink(self.file())], world.env().now(), days).await
    }

    pub(crate) fn checkpoints(&self) -> Vec<SignedCheckpoint> {
        SignedCheckpoint::parse_all(&std::fs::read_to_string(self.file()).unwrap()).unwrap()
    }

    pub(crate) async fn verify(&self, world: &World) -> maintenance::Verification {
        verified(world, self.checkpoints()).await
    }
}

pub(crate) async fn verified(world: &World, outside: Vec<SignedCheckpoint>) -> maintenance::Verification {
    let reader = world.database().audit_reader().await.unwrap();
    verify_audit(&reader, Verifier::new(&[], outside.into_iter().collect()), &mut |_, _| ()).await.unwrap()
}

pub(crate) async fn record(agency: &TestAgency<'_>, count: usize) {
    let unit = agency.unit().await.unwrap();
    for number in 0..count {
        let event = Event::new(Action::Other("REPORT_SENT".into())).on_row("Request", "r1").with("number", number);
        unit.audit().record(event).await.unwrap();
    }
    unit.commit().await.unwrap();
}

/// Creates two batches with records of two tenants, then one unsealed record.
pub(crate) async fn sealed(world: World) -> (World, Outside) {
    let outside = Outside::new();
    for _ in 0..2 {
        let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
        record(&ours, 3).await;
        record(&theirs, 2).await;
        assert!(outside.seal(&world).await > 5);
    }
    (world, outside)
}

/// Connects as a superuser with triggers disabled.
pub(crate) async fn superuser(world: &World) -> Sql {
    let mut sql = Sql::connect(world.url()).await;
    if is_sqlite(world.url()) {
        for trigger in sql.all("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '%_no_%'").await {
            sql.run(&format!("DROP TRIGGER \"{trigger}\"")).await;
        }
        sql.run("DROP TRIGGER \"AuditLog_complete\"").await;
        sql.run("DROP TRIGGER \"AuditLog_complete_tenant\"").await;
    } else {
        sql.run("SET session_replication_role = replica").await;
    }
    sql
}

/// Returns a sealed record of the first batch that is not the last one of its tenant.
pub(crate) async fn victim(sql: &mut Sql) -> String {
    sql.one(
        "SELECT a.record_id FROM rylie_audit_leaf a JOIN rylie_audit_leaf b ON b.batch = a.batch AND b.number = a.number + 1 \
         AND b.tenant_number = a.tenant_number WHERE a.batch = 1 ORDER BY a.number LIMIT 1",
    )
    .await
}

pub(crate) async fn found(world: &World, outside: &Outside) -> Finding {
    outside.verify(world).await.first_bad.unwrap()
}

/// Times outside the supported range. PostgreSQL only.
pub(crate) const ODD: [&str; 4] = ["'infinity'", "'-infinity'", "'0044-03-15 00:00:00 BC'", "'290000-01-01 00:00:00'"];

/// Inserts unsealed rows from before the restrictions existed. Returns their number.
pub(crate) async fn odd_rows(world: &World, tenant: &str) -> u64 {
    let insert =
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position, \"createdAt\") VALUES";
    if is_sqlite(world.url()) {
        let mut sql = Sql::connect(world.url()).await;
        let odd = ["'never'", "x'ff'", "'2026-01-01 00:00:00+05:00'", "'2026-01-15 12:00:60'", "7"];
        for (number, time) in odd.iter().enumerate() {
            sql.run(&format!("{insert} ('odd{number}', 'x', 'x', 'y', '{tenant}', NULL, {time})")).await;
        }
        return odd.len() as u64;
    }
    let mut sql = superuser(world).await;
    for (number, time) in ODD.iter().enumerate() {
        let position = 7_000 + number;
        sql.run(&format!("{insert} ('odd{number}', 'x', 'x', 'y', '{tenant}', {position}, {time})")).await;
        sql.run(&format!("INSERT INTO rylie_audit_pending (position, record_id) VALUES ({position}, 'odd{number}')"))
            .await;
    }
    ODD.len() as u64
}
