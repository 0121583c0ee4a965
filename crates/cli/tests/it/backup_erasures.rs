//! `rylie backup restore`: who was erased after the backup is not back.

use rylie_db::entities::{Env, SystemEnv};
use rylie_testkit::{Cluster, PostgresDatabase};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::backup::{Fixture, on_both};
use crate::backup_defects::edit_manifest;
use crate::support::Outcome;

/// A time that both engines read.
const NOW: &str = "CURRENT_TIMESTAMP";

/// An empty database, or the path of a file.
struct Target {
    url: String,
    _database: Option<PostgresDatabase>,
}

impl Target {
    async fn of(fixture: &Fixture) -> Self {
        if !fixture.world.is_postgres() {
            return Self { url: format!("sqlite://{}", fixture.folder.path("restored.db").display()), _database: None };
        }
        let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
        Self { url: database.url(), _database: Some(database) }
    }

    /// A file is removed, so that another backup can be restored there; a database goes by itself.
    fn remove(self) {
        if let Some(path) = self.url.strip_prefix("sqlite://") {
            for beside in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{path}{beside}"));
            }
        }
    }

    async fn count(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            return sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        }
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }
}

fn restore(fixture: &Fixture, made: &Value, target: &Target, code: i32) -> Outcome {
    let words = ["backup", "restore", made["id"].as_str().unwrap(), "--to", &target.url, "--json"];
    fixture.run(&words).expect(code)
}

/// The agencies of a backup, in order.
fn agencies(made: &Value) -> Vec<String> {
    let tenants = made["tenants"].as_object().unwrap();
    tenants.iter().filter(|(_, rows)| rows["Agency"] == 1).map(|(id, _)| id.clone()).collect()
}

async fn a_missing_list_of_erasures_stops_the_restore_where_the_database_is_gone(fixture: Fixture) {
    let made = fixture.create();
    let target = Target::of(&fixture).await;
    std::fs::remove_file(fixture.folder.path("backups/erasures.txt")).unwrap();
    let restore = |more: &[&str]| {
        let words = ["backup", "restore", made["id"].as_str().unwrap(), "--to", &target.url];
        let gone = if fixture.world.is_postgres() { "postgres://x@127.0.0.1:1/gone" } else { "sqlite://gone.db" };
        let mut command = fixture.command(&[&words, more].concat());
        Outcome::of(command.env("DATABASE_URL", gone).output().unwrap())
    };

    let refused = restore(&[]).expect(4);
    assert!(refused.err.contains("the list of erasures is missing"), "{refused:?}");
    restore(&["--without-erasures"]).expect(0);
}

async fn a_tenant_that_was_erased_after_the_backup_is_not_back(fixture: Fixture) {
    fixture.run(&["environment", "mark", "production"]).expect(0);
    let made = fixture.create();
    let (gone, stays) = (&agencies(&made)[0], &agencies(&made)[1]);
    fixture.run(&["environment", "mark", "development", "--reason", "to erase"]).expect(0);
    fixture.run(&["tenant", "erase", gone, "--yes"]).expect(0);
    let target = Target::of(&fixture).await;

    let restored = restore(&fixture, &made, &target, 0).json();

    assert_eq!(restored["erased_again"], json!({ "tenants": [gone], "users": [] }));
    for table in ["Agency", "User", "Request", "GA4Connection"] {
        let of = |tenant: &str| format!("SELECT count(*) FROM \"{table}\" WHERE \"tenantId\" = '{tenant}'");
        assert_eq!((target.count(&of(gone)).await, target.count(&of(stays)).await), (0, 1), "{table}");
    }
    let recorded = "SELECT count(*) FROM \"AuditLog\" WHERE action IN ('BACKUP_RESTORED', 'TENANT_ERASED')";
    assert_eq!(target.count(recorded).await, 2);
    let mark = fixture.run(&["environment", "show", "--json", "--database-url", &target.url]).expect(0).json();
    assert_eq!(mark["environment"], "production", "as it was in the backup");
}

async fn a_tenant_is_not_back_although_the_clock_of_the_backup_was_ahead(fixture: Fixture) {
    let made = fixture.create();
    let gone = &agencies(&made)[0];
    edit_manifest(&fixture, &made["id"], |manifest| manifest["made_at"] = json!("2099-01-01T00:00:00Z"));
    fixture.run(&["tenant", "erase", gone, "--yes"]).expect(0);
    let target = Target::of(&fixture).await;

    let words = ["backup", "restore", made["id"].as_str().unwrap(), "--to", &target.url, "--unsigned", "--json"];
    let restored = fixture.run(&words).expect(0).json();

    assert_eq!(restored["erased_again"]["tenants"], json!([gone]));
}

async fn a_user_who_was_removed_after_the_backup_is_not_back(fixture: Fixture) {
    let (one, other) = (fixture.world.user().build().await.unwrap(), fixture.world.user().build().await.unwrap());
    let request = other.request().await.unwrap();
    // Retention would remove those that have ended by the system's clock.
    fixture.sql("UPDATE \"Session\" SET expires = '2099-01-01 00:00:00'").await;
    let made = fixture.create();
    // The command has the system's clock.
    fixture.world.env().forward(SystemEnv.now() - fixture.world.env().now());
    let unit = fixture.world.platform().await.unwrap();
    unit.users().remove(&one.user.id).await.unwrap();
    unit.commit().await.unwrap();
    fixture.world.env().forward(chrono::TimeDelta::seconds(1));
    fixture.sql(&format!("DELETE FROM \"Request\" WHERE id = '{}'", request.id)).await;
    let unit = fixture.world.platform().await.unwrap();
    unit.users().remove(&other.user.id).await.unwrap();
    unit.commit().await.unwrap();
    let target = Target::of(&fixture).await;

    let restored = restore(&fixture, &made, &target, 0).json();

    assert_eq!(restored["erased_again"]["users"], json!([one.user.id, other.user.id]));
    let user = |id: &str| format!("SELECT count(*) FROM \"User\" WHERE id = '{id}'");
    assert_eq!(target.count(&user(one.user.id.as_str())).await, 0);
    let named = format!("{} AND email LIKE 'erased-%' AND name IS NULL", user(other.user.id.as_str()));
    assert_eq!(target.count(&named).await, 1, "an id without personal data, as a request names it");
    let email = format!("SELECT count(*) FROM \"User\" WHERE email = '{}'", other.user.email);
    assert_eq!(target.count(&email).await, 0);
    assert_eq!(target.count("SELECT count(*) FROM \"Session\"").await, 2, "those of the agencies");
}

async fn a_tenant_that_came_back_before_the_backup_stays(fixture: Fixture) {
    let tenant = agencies(&fixture.create())[0].clone();
    fixture.run(&["tenant", "export", &tenant, "--out", "one.jsonl"]).expect(0);
    fixture.run(&["tenant", "erase", &tenant, "--yes"]).expect(0);
    fixture.run(&["tenant", "import", "one.jsonl"]).expect(0);
    let made = fixture.create();
    let target = Target::of(&fixture).await;

    let restored = restore(&fixture, &made, &target, 0).json();

    assert_eq!(restored["erased_again"], json!({ "tenants": [], "users": [] }));
    assert_eq!(target.count("SELECT count(*) FROM \"Agency\"").await, 2);
}

async fn a_thousand_erasures_stay_erased_whichever_older_backup_is_restored(fixture: Fixture) {
    const NUMBER: usize = 1_000;
    let sql: Vec<String> = (0..NUMBER)
        .map(|number| {
            format!(
                "INSERT INTO \"User\" (id, email, \"updatedAt\") VALUES ('gone{number:04}', 'gone{number}@example.org', {NOW});"
            )
        })
        .collect();
    fixture.sql(&sql.concat()).await;
    let before = fixture.create();
    fixture.world.env().forward(SystemEnv.now() - fixture.world.env().now());
    let mut between = None;
    for number in 0..NUMBER {
        let unit = fixture.world.platform().await.unwrap();
        unit.users().remove(&format!("gone{number:04}").parse().unwrap()).await.unwrap();
        unit.commit().await.unwrap();
        if number == NUMBER / 2 {
            between = Some(fixture.create());
        }
    }

    for (made, again) in [(before, NUMBER), (between.unwrap(), NUMBER / 2 - 1)] {
        let target = Target::of(&fixture).await;
        let restored = restore(&fixture, &made, &target, 0).json();
        assert_eq!(restored["erased_again"]["users"].as_array().unwrap().len(), again);
        assert_eq!(target.count("SELECT count(*) FROM \"User\" WHERE id LIKE 'gone%'").await, 0);
        assert_eq!(target.count("SELECT count(*) FROM \"User\" WHERE email LIKE 'gone%'").await, 0);
        target.remove();
    }
}

async fn a_list_of_erasures_that_another_key_signed_stops_the_restore(fixture: Fixture) {
    let made = fixture.create();
    fixture.run(&["tenant", "erase", &agencies(&made)[0], "--yes"]).expect(0);
    std::fs::remove_file(fixture.folder.path("backups").join("erasures.txt")).unwrap();
    fixture.run(&["audit", "keygen", "--out", "other.key"]).expect(0);
    let mut other = fixture.command(&["backup", "create"]);
    Outcome::of(other.env("RYLIE_AUDIT_KEY", "other.key").output().unwrap()).expect(0);
    let target = Target::of(&fixture).await;

    let stopped = restore(&fixture, &made, &target, 3);
    assert!(stopped.err.contains("unknown key"), "{stopped:?}");
}

async fn retention_is_applied_before_the_copy_opens(fixture: Fixture) {
    let requests = "SELECT count(*) FROM \"Request\"";
    fixture.sql("UPDATE \"Session\" SET expires = '2020-01-01 00:00:00'").await;
    let old = "UPDATE \"Request\" SET deleted = TRUE, \"deletedAt\" = '2020-01-01 00:00:00' WHERE id = (SELECT min(id) FROM \"Request\")";
    fixture.sql(old).await;
    let made = fixture.create();
    let target = Target::of(&fixture).await;

    let restored = restore(&fixture, &made, &target, 0).json();

    assert_eq!((&restored["retention"]["sessions"], &restored["retention"]["requests"]), (&json!(2), &json!(1)));
    assert_eq!(target.count("SELECT count(*) FROM \"Session\"").await, 0);
    assert_eq!(target.count(requests).await, 1);
}

async fn a_list_of_erasures_that_was_changed_stops_the_restore(fixture: Fixture) {
    let made = fixture.create();
    fixture.run(&["tenant", "erase", &agencies(&made)[0], "--yes"]).expect(0);
    let list = fixture.folder.path("backups").join("erasures.txt");
    let text = std::fs::read_to_string(&list).unwrap();
    assert!(text.contains(&agencies(&made)[0]));
    std::fs::write(&list, text.replace("\"tenant\"", "\"user\"")).unwrap();
    let target = Target::of(&fixture).await;

    let stopped = restore(&fixture, &made, &target, 3);
    assert!(stopped.err.contains("erasures.txt is damaged"), "{stopped:?}");
}

on_both! {
    a_tenant_is_not_back_although_the_clock_of_the_backup_was_ahead,
    a_missing_list_of_erasures_stops_the_restore_where_the_database_is_gone,
    a_tenant_that_was_erased_after_the_backup_is_not_back,
    a_user_who_was_removed_after_the_backup_is_not_back,
    a_tenant_that_came_back_before_the_backup_stays,
    a_list_of_erasures_that_another_key_signed_stops_the_restore,
    a_list_of_erasures_that_was_changed_stops_the_restore,
    a_thousand_erasures_stay_erased_whichever_older_backup_is_restored,
    retention_is_applied_before_the_copy_opens,
}
