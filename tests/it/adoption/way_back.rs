//! The way back: the audit log survives it, and it never stops half-way.

use rylie_db::audit::{FileSink, Finding, SignedCheckpoint, SigningKey, Verifier};
use rylie_db::maintenance::{seal_audit, verify_audit};
use rylie_db::prelude::*;
use rylie_migration::{AdoptOptions, Environment, Error, Login, MIGRATIONS, Password, Provision, Refusal, Sees};
use tempfile::TempDir;

use crate::support::logins::url_as;
use crate::support::old_service::{fill, make_base};
use crate::support::sql::{Sql, deploy, from, is_sqlite, migrations};

const REAL: AdoptOptions = AdoptOptions { dry_run: false };
const COUNT: &str = "SELECT CAST(count(*) AS text) FROM \"AuditLog\"";

/// The signing key and the checkpoints outside the database.
struct Outside {
    folder: TempDir,
    key: SigningKey,
}

impl Outside {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::create(&folder.path().join("key")).unwrap();
        Self { folder, key }
    }

    async fn seal(&self, database: &Database) -> u64 {
        let sink = FileSink(self.folder.path().join("checkpoints"));
        seal_audit(&*database.store(), &self.key, &[&sink]).await.unwrap().records
    }

    async fn verify(&self, url: &str) -> Option<Finding> {
        let database = connect(url).await;
        let text = std::fs::read_to_string(self.folder.path().join("checkpoints")).unwrap();
        let outside = SignedCheckpoint::parse_all(&text).unwrap();
        let reader = database.audit_reader().await.unwrap();
        let verifier = Verifier::new(&[], outside.into_iter().collect());
        let verification = verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap();
        drop(reader);
        database.close().await;
        verification.first_bad
    }
}

async fn connect(url: &str) -> Database {
    Database::connect(Config::new(url).unwrap()).await.unwrap()
}

async fn log(sql: &mut Sql) -> Vec<String> {
    let columns = "id, \"userId\", action, resource, \"resourceId\", details, \"createdAt\", \"tenantId\", position, \"onBehalfOf\", \"correlationId\"";
    let columns: Vec<String> =
        columns.split(", ").map(|column| format!("coalesce(CAST({column} AS text), '-')")).collect();
    sql.all(&format!("SELECT {} FROM \"AuditLog\" ORDER BY id", columns.join(" || '|' || "))).await
}

/// Adds records of users, jobs, the sealer, an operator and a deleted user. Half of them are sealed.
async fn record_each_actor(url: &str, outside: &Outside) {
    let mut sql = Sql::connect(url).await;
    let add = |id: &str, actor: &str, more: &str, values: &str| {
        format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource{more}) VALUES ('{id}', '{actor}', 'x', 'y'{values})"
        )
    };
    let database = connect(url).await;
    for number in 1..=2 {
        for actor in ["job:backups", "job:usage", "operator:root", "operator", "deleted-user"] {
            sql.run(&add(&format!("{number}-{actor}"), actor, "", "")).await;
        }
        // A user who acts in another agency and for another user.
        let (more, values) = (", \"tenantId\", \"onBehalfOf\", \"correlationId\"", ", 'a2', 'bob', 'c1'");
        sql.run(&add(&format!("{number}-ann"), "ann", more, values)).await;
        let unit = database.store().platform(Grant::job("reports", "a job of ours").unwrap()).await.unwrap();
        unit.commit().await.unwrap();
        if number == 1 {
            assert!(outside.seal(&database).await > 5);
        }
    }
    database.close().await;
}

pub(crate) async fn a_sealed_log_of_every_actor_survives_an_undone_adoption(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    migrations(url).await.adopt(REAL, &mut |_| ()).await.unwrap();
    let outside = Outside::new();
    record_each_actor(url, &outside).await;
    assert_eq!(outside.verify(url).await, None);
    let mut owner = migrations(url).await;
    owner.mark_environment(Environment::Staging, Some("the old service alone again")).await.unwrap();
    let before = log(&mut sql).await;

    assert_eq!(owner.down(MIGRATIONS.len(), &mut |_| ()).await.unwrap().len(), MIGRATIONS.len());

    assert_eq!(sql.one(COUNT).await, "5", "the old service's records and ours of its users stay");
    assert!(owner.needs_adoption().await.unwrap());
    for table in ["SEOWorksTaskMapping", "Task", "Request"] {
        sql.run(&format!("DELETE FROM \"{table}\"")).await;
    }
    sql.run("DELETE FROM \"User\" WHERE id = 'ann'").await;
    migrations(url).await.adopt(REAL, &mut |_| ()).await.unwrap();
    assert_eq!(log(&mut sql).await, before);
    assert_eq!(sql.all("SELECT relname::text FROM pg_class WHERE relname ~ '^rylie_(aside|operator)'").await, [""; 0]);
    assert_eq!(outside.verify(url).await, None);
    let database = connect(url).await;
    assert!(outside.seal(&database).await > 5, "sealing goes on after the last checkpoint");
    database.close().await;
    assert_eq!(outside.verify(url).await, None);
}

/// On a new database the policies are forced, and SQLite has other triggers.
pub(crate) async fn a_sealed_log_of_every_actor_survives_a_redeploy(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    let outside = Outside::new();
    record_each_actor(url, &outside).await;
    let before = log(&mut sql).await;

    for steps in [from("create_audit_seals"), from("add_audit_columns"), from("add_tenant_key"), MIGRATIONS.len() - 1] {
        migrations(url).await.down(steps, &mut |_| ()).await.unwrap();
        if !is_sqlite(url) && steps == MIGRATIONS.len() - 1 {
            sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('0', 'bob', 'x', 'y')").await;
        }
        deploy(url).await;
        let mut after = log(&mut sql).await;
        after.retain(|record| !record.starts_with("0|"));
        assert_eq!(after, before, "after {steps} steps");
        assert_eq!(outside.verify(url).await, None, "after {steps} steps");
    }
    let database = connect(url).await;
    assert!(outside.seal(&database).await > 5);
    database.close().await;
    assert_eq!(outside.verify(url).await, None);
}

/// A record that appears after the others were moved makes the foreign key fail; it is then moved as well.
pub(crate) async fn a_record_that_is_written_meanwhile_does_not_stop_it(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    let mut owner = migrations(url).await;
    owner.down(from("drop_audit_log_foreign_key") - 1, &mut |_| ()).await.unwrap();
    let add = "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('late', 'job:late', 'x', 'y')";
    let late = url.to_owned();
    let mut began = false;
    owner
        .down(1, &mut |_| {
            if !std::mem::replace(&mut began, true) {
                let late = late.clone();
                let writer = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async { Sql::connect(&late).await.run(add).await });
                });
                writer.join().unwrap();
            }
        })
        .await
        .unwrap();

    assert_eq!(sql.one(COUNT).await, "0");
    deploy(url).await;
    assert_eq!(sql.one("SELECT \"userId\" FROM \"AuditLog\" WHERE id = 'late'").await, "job:late");
}

/// The policies go, so the reader's rights must go with them.
pub(crate) async fn a_reader_of_one_tenant_does_not_see_others_afterwards(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    let reader = sql.one("SELECT 'reader_' || current_database()").await.replace("rylie_test_", "");
    let password = Some(Password::new("x").unwrap());
    let wanted = Provision {
        readonly: Some(Login { name: reader.clone(), password }),
        sees: Some(Sees::Tenant("a1".to_owned())),
        ..Provision::default()
    };
    migrations(url).await.provision(&wanted).await.unwrap();
    let mut as_reader = Sql::connect(&url_as(url, &reader)).await;
    assert_eq!(as_reader.all("SELECT id FROM \"Request\"").await, ["r-ann"]);

    migrations(url).await.down(MIGRATIONS.len() - 1, &mut |_| ()).await.unwrap();

    assert!(as_reader.try_run("SELECT id FROM \"Request\"").await.is_err());
    assert_eq!(sql.all("SELECT polname::text FROM pg_policy").await, [""; 0]);
}

/// Killed after the copy and in the middle of dropping: the copy is complete, and is not made again of less.
pub(crate) async fn an_interrupted_reversal_keeps_the_log(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    let outside = Outside::new();
    record_each_actor(url, &outside).await;
    let before = log(&mut sql).await;
    migrations(url).await.down(from("create_audit_seals") - 1, &mut |_| ()).await.unwrap();
    let mut blocker = Sql::connect(url).await;
    blocker.run("BEGIN; SELECT count(*) FROM rylie_audit_tenant").await;
    let reverting = async {
        let mut owner = migrations(url).await;
        owner.down(1, &mut |_| ()).await
    };
    assert!(tokio::time::timeout(std::time::Duration::from_secs(2), reverting).await.is_err(), "it waits for the lock");
    blocker.run("ROLLBACK").await;

    migrations(url).await.down(1, &mut |_| ()).await.unwrap();
    deploy(url).await;

    assert_eq!(log(&mut sql).await, before);
    assert_eq!(outside.verify(url).await, None);
}

pub(crate) async fn what_depends_on_our_objects_is_named_before_the_first_step(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    let mut owner = migrations(url).await;
    for (made, object, gone) in [
        (
            "CREATE VIEW deleted_tasks AS SELECT id FROM \"Task\" WHERE deleted",
            "view deleted_tasks",
            "DROP VIEW deleted_tasks",
        ),
        (
            "CREATE TABLE notes (run text REFERENCES rylie_alert_deliveries)",
            "constraint notes_run_fkey on table notes",
            "DROP TABLE notes",
        ),
        (
            "CREATE POLICY mine ON \"Task\" USING (\"tenantId\" = 'a1')",
            "policy mine on table \"Task\"",
            "DROP POLICY mine ON \"Task\"",
        ),
        (
            "ALTER TABLE \"Request\" ADD COLUMN label text GENERATED ALWAYS AS (\"tenantId\" || title) STORED",
            "default value for column label of table \"Request\"",
            "ALTER TABLE \"Request\" DROP COLUMN label",
        ),
    ] {
        sql.run(made).await;
        match owner.down(MIGRATIONS.len() - 1, &mut |_| ()).await {
            Err(Error::Refused(Refusal::Dependents { objects })) => assert_eq!(objects, [object]),
            other => panic!("{other:?}"),
        }
        assert!(owner.pending().await.unwrap().is_empty(), "nothing was reverted");
        sql.run(gone).await;
    }
    owner.down(MIGRATIONS.len() - 1, &mut |_| ()).await.unwrap();
}
