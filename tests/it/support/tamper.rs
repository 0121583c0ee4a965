//! A sealed log with a retained, an erased and a pending part, and its tables as they were, to tamper with them often.

use rylie_db::audit::{Finding, Outside as Checkpoints, SignedCheckpoint, Verifier, Witness, WitnessState, Witnesses};
use rylie_db::maintenance::{erase_from_audit, seal_audit, verify_audit, witness_audit};
use rylie_testkit::World;
use tempfile::TempDir;

use super::audit::{Outside, record, superuser};
use super::sql::{Sql, is_sqlite};

/// The tables of the log, the log first.
pub(crate) const TABLES: [&str; 5] =
    ["\"AuditLog\"", "rylie_audit_batch", "rylie_audit_tenant", "rylie_audit_leaf", "rylie_audit_pending"];

/// A database, what is kept of it outside, and a superuser.
pub(crate) struct Tampered {
    pub(crate) world: World,
    pub(crate) outside: Outside,
    pub(crate) sql: Sql,
    /// SQLite's triggers that complete a record, which the superuser has dropped.
    complete: Vec<String>,
    witnessed: Witnesses,
    _folder: TempDir,
}

impl Tampered {
    /// Creates batches 1 and 2, which retention removes; 3 to 6 with records of several tenants and an erasure; and
    /// a pending record. A witness has seen all of them.
    pub(crate) async fn new(world: World) -> Self {
        let outside = Outside::new();
        let agency = world.agency().await.unwrap();
        for _ in 0..2 {
            record(&agency, 2).await;
            outside.seal(&world).await;
        }
        world.env().forward(chrono::TimeDelta::days(100));
        outside.retain(&world, 90).await.unwrap();
        let other = world.agency().await.unwrap();
        for _ in 0..2 {
            record(&agency, 3).await;
            record(&other, 2).await;
            outside.seal(&world).await;
        }
        erase_from_audit(&*world.store(), &other.admin.user.id).await.unwrap();
        outside.seal(&world).await;
        record(&agency, 3).await;
        outside.seal(&world).await;
        record(&agency, 1).await;
        let (folder, witnessed) = witnessed(&outside);
        drop((agency, other));
        let mut complete = Vec::new();
        if is_sqlite(world.url()) {
            let triggers = "SELECT sql FROM sqlite_schema WHERE name LIKE 'AuditLog_complete%'";
            complete = Sql::connect(world.url()).await.all(triggers).await;
        }
        let mut sql = superuser(&world).await;
        for (number, table) in TABLES.iter().enumerate() {
            sql.run(&format!("CREATE TABLE kept_{number} AS SELECT * FROM {table}")).await;
        }
        Self { world, outside, sql, complete, witnessed, _folder: folder }
    }

    /// Puts every row back.
    pub(crate) async fn restore(&mut self) {
        let mut all = String::from("BEGIN;");
        for (number, table) in TABLES.iter().enumerate() {
            all += &format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{number};");
        }
        self.sql.run(&(all + "COMMIT")).await;
    }

    /// Returns whether the tables differ from what they were.
    pub(crate) async fn is_changed(&mut self) -> bool {
        for (number, table) in TABLES.iter().enumerate() {
            let rows = |from: &str, other: &str| {
                format!("SELECT count(*) FROM (SELECT * FROM {from} EXCEPT SELECT * FROM {other}) AS d")
            };
            let kept = format!("kept_{number}");
            let counts = format!(
                "SELECT CAST(({}) + ({}) + abs((SELECT count(*) FROM {table}) - (SELECT count(*) FROM {kept})) AS text)",
                rows(table, &kept),
                rows(&kept, table)
            );
            if self.sql.one(&counts).await != "0" {
                return true;
            }
        }
        false
    }

    /// Verifies with everything that is kept outside.
    pub(crate) async fn finding(&self) -> Option<Finding> {
        let outside: Checkpoints = self.outside.checkpoints().into_iter().collect();
        self.verify(Verifier::new(&[], outside).witnessed(self.witnessed.clone())).await
    }

    /// Verifies with the statement of the witness alone.
    pub(crate) async fn finding_by_witness(&self) -> Option<Finding> {
        self.verify(Verifier::new(&[], Checkpoints::default()).witnessed(self.witnessed.clone())).await
    }

    /// Verifies with nothing from outside.
    pub(crate) async fn finding_alone(&self) -> Option<Finding> {
        self.verify(Verifier::new(&[], Checkpoints::default())).await
    }

    async fn verify(&self, verifier: Verifier) -> Option<Finding> {
        let reader = self.world.database().audit_reader().await.unwrap();
        verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap().first_bad
    }

    /// Seals the log again from a batch on, with the right key, as a holder of database and key can.
    pub(crate) async fn rebuild(&mut self, from: u64) {
        for table in ["leaf", "tenant", "batch"] {
            self.sql.run(&format!("DELETE FROM rylie_audit_{table} WHERE batch >= {from}")).await;
        }
        self.sql.run("DELETE FROM rylie_audit_pending").await;
        self.sql
            .run(
                "INSERT INTO rylie_audit_pending (position, record_id) SELECT position, id FROM \"AuditLog\" a \
                 WHERE NOT EXISTS (SELECT 1 FROM rylie_audit_leaf l WHERE l.record_id = a.id)",
            )
            .await;
        for trigger in self.complete.clone() {
            self.sql.run(&trigger).await;
        }
        // As many batches as before, so that the log only differs.
        let mut last = 0;
        while last < self.outside.checkpoints().len() as u64 {
            let sealed = seal_audit(&*self.world.store(), &self.outside.key, &[]).await.unwrap();
            last = sealed.checkpoints.last().map_or(last, |sealed| sealed.checkpoint().batch);
        }
        if !self.complete.is_empty() {
            self.sql.run("DROP TRIGGER \"AuditLog_complete\"").await;
            self.sql.run("DROP TRIGGER \"AuditLog_complete_tenant\"").await;
        }
    }

    /// Returns the checkpoints of the database.
    pub(crate) fn checkpoints(&self) -> Vec<SignedCheckpoint> {
        self.outside.checkpoints()
    }
}

/// Lets a witness see the published checkpoints.
fn witnessed(outside: &Outside) -> (TempDir, Witnesses) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = rylie_db::audit::SigningKey::create(&path("key")).unwrap();
    let mut witness = Witness::open(key, "w", &path("state"), &path("statements"), true).unwrap();
    assert_eq!(*witness.seen(), WitnessState::default());
    witness_audit(&outside.file().to_string_lossy(), &mut witness, &[], 1).unwrap();
    let mut witnesses = Witnesses::new(vec![witness.name().clone()], None).unwrap();
    witnesses.read(&path("statements")).unwrap();
    (folder, witnesses)
}
