//! `rylie backup restore`: who was erased after the backup is not back.

use rylie_db::entities::{Env, SystemEnv};
use rylie_testkit::{Cluster, PostgresDatabase};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::backup::{Fixture, on_both};
use crate::support::Outcome;

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

async fn a_user_who_was_removed_after_the_backup_is_not_back(fixture: Fixture) {
    let (one, other) = (fixture.world.user().build().await.unwrap(), fixture.world.user().build().await.unwrap());
    let request = other.request().await.unwrap();
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
    a_tenant_that_was_erased_after_the_backup_is_not_back,
    a_user_who_was_removed_after_the_backup_is_not_back,
    a_tenant_that_came_back_before_the_backup_stays,
    a_list_of_erasures_that_was_changed_stops_the_restore,
}
