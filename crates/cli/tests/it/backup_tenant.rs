//! `rylie backup restore --tenant`: one tenant as it was, while the others go on.

use rylie_testkit::World;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::backup::{Fixture, is_newer_than_the_programs, on_both};
use crate::support::Outcome;

async fn count(fixture: &Fixture, sql: &str) -> i64 {
    let sql = AssertSqlSafe(sql.to_owned());
    if fixture.world.is_postgres() {
        let mut connection = PgConnection::connect(fixture.world.url()).await.unwrap();
        return sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    }
    let mut connection = SqliteConnection::connect(fixture.world.url()).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

fn agencies(made: &Value) -> [String; 2] {
    let tenants = made["tenants"].as_object().unwrap();
    let of: Vec<String> = tenants.iter().filter(|(_, rows)| rows["Agency"] == 1).map(|(id, _)| id.clone()).collect();
    of.try_into().unwrap()
}

fn restore(fixture: &Fixture, made: &Value, tenant: &str) -> Outcome {
    fixture.run(&["backup", "restore", made["id"].as_str().unwrap(), "--tenant", tenant, "--json"])
}

async fn one_tenant_is_as_it_was_and_the_others_keep_their_changes(fixture: Fixture) {
    let made = fixture.create();
    let [one, other] = agencies(&made);
    fixture.sql("UPDATE \"Agency\" SET name = 'After'").await;
    fixture.sql(&format!("DELETE FROM \"GA4Connection\" WHERE \"tenantId\" = '{one}'")).await;
    fixture.sql(&format!("DELETE FROM \"Request\" WHERE \"tenantId\" = '{one}'")).await;

    let restored = restore(&fixture, &made, &one).expect(0).json();

    assert_eq!((&restored["tenant"], &restored["restored_rows"]["Request"]), (&json!(one), &json!(1)));
    let rows = |table: &str, more: &str| format!("SELECT count(*) FROM \"{table}\" WHERE \"tenantId\" = '{one}'{more}");
    for table in ["Agency", "User", "Request", "GA4Connection"] {
        assert_eq!(count(&fixture, &rows(table, "")).await, 1, "{table}");
    }
    assert_eq!(count(&fixture, &rows("Agency", " AND name = 'After'")).await, 0);
    let kept = format!("SELECT count(*) FROM \"Agency\" WHERE \"tenantId\" = '{other}' AND name = 'After'");
    assert_eq!(count(&fixture, &kept).await, 1);
    assert_eq!(count(&fixture, &rows("Session", "")).await, 0, "sessions are not brought back");
    let recorded =
        format!("SELECT count(*) FROM \"AuditLog\" WHERE action = 'BACKUP_RESTORED' AND \"resourceId\" = '{one}'");
    assert_eq!(count(&fixture, &recorded).await, 1);
    // Its secrets open, and it was not erased: a later restore keeps it.
    fixture.run(&["keys", "report"]).expect(0);
    assert!(!fixture.run(&["audit", "list", "--json"]).expect(0).out.contains("TENANT_ERASED"));
}

async fn a_tenant_that_was_lost_is_brought_back_and_one_that_was_erased_is_not(fixture: Fixture) {
    let made = fixture.create();
    let [one, other] = agencies(&made);
    for table in ["GA4Connection", "Request", "Session", "Account", "User", "Agency"] {
        fixture.sql(&format!("DELETE FROM \"{table}\" WHERE \"tenantId\" = '{one}'")).await;
    }
    fixture.run(&["tenant", "erase", &other, "--yes"]).expect(0);

    restore(&fixture, &made, &one).expect(0);
    restore(&fixture, &made, &other).expect(4).says("it was erased after the backup");

    assert_eq!(count(&fixture, &format!("SELECT count(*) FROM \"Agency\" WHERE id = '{one}'")).await, 1);
    assert_eq!(count(&fixture, &format!("SELECT count(*) FROM \"Agency\" WHERE id = '{other}'")).await, 0);
}

async fn a_user_whom_another_tenant_names_gets_the_data_back(fixture: Fixture) {
    let made = fixture.create();
    let [one, other] = agencies(&made);
    let user = format!("(SELECT id FROM \"User\" WHERE \"tenantId\" = '{one}')");
    fixture.sql(&format!("UPDATE \"Request\" SET \"userId\" = {user} WHERE \"tenantId\" = '{other}'")).await;

    restore(&fixture, &made, &one).expect(0);

    let back = format!(
        "SELECT count(*) FROM \"User\" JOIN \"Request\" ON \"Request\".\"userId\" = \"User\".id \
         WHERE \"Request\".\"tenantId\" = '{other}' AND \"User\".\"tenantId\" = '{one}' AND email NOT LIKE 'erased-%'"
    );
    assert_eq!(count(&fixture, &back).await, 1);
}

async fn production_takes_the_two_steps_and_nothing_else_is_named_with_it(fixture: Fixture) {
    fixture.run(&["environment", "mark", "production"]).expect(0);
    let made = fixture.create();
    let [one, _] = agencies(&made);
    fixture.sql("UPDATE \"Agency\" SET name = 'After'").await;
    let id = made["id"].as_str().unwrap();

    restore(&fixture, &made, &one).expect(4).says("production");
    assert_eq!(count(&fixture, "SELECT count(*) FROM \"Agency\" WHERE name = 'After'").await, 2);
    fixture.run(&["backup", "restore", id, "--tenant", &one, "--to", "sqlite://x.db"]).expect(2);
    let at = fixture.run(&["backup", "restore", "--tenant", &one, "--at", "2026-11-26T00:00:00Z"]);
    if fixture.world.is_postgres() {
        at.expect(2).says("pitr_folder");
    } else {
        at.expect(4).says("SQLite has no log");
    }
    fixture.run(&["environment", "mark", "staging", "--reason", "to restore one tenant"]).expect(0);
    restore(&fixture, &made, &one).expect(0);
    restore(&fixture, &made, "01a218f8-ae2b-754d-b736-509abe88b3f3").expect(4).says("does not have the tenant");
}

/// The handbook's own owner: a login that is no superuser, and owns the database.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_an_owner_who_is_no_superuser_give_a_tenant_back() {
    let fixture = Fixture::on(World::postgres().await.unwrap()).await;
    if is_newer_than_the_programs(&fixture).await {
        return;
    }
    let name = fixture.world.url().split("rylie_test_").nth(1).unwrap().split('?').next().unwrap();
    let name = format!("rylie_test_{name}");
    fixture
        .sql(&format!(
            "CREATE ROLE {name}_owner LOGIN; ALTER DATABASE {name} OWNER TO {name}_owner; DO $do$ DECLARE change text; BEGIN \
             FOR change IN SELECT format('ALTER TABLE %s OWNER TO {name}_owner', c.oid::regclass) FROM pg_class c \
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') OR relkind = 'S' AND relname = 'rylie_audit_position' UNION ALL \
               SELECT format('ALTER ROUTINE %s OWNER TO {name}_owner', p.oid::regprocedure) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace UNION ALL \
               SELECT format('ALTER TYPE %s OWNER TO {name}_owner', t.oid::regtype) FROM pg_type t WHERE typnamespace = 'public'::regnamespace AND typtype = 'e' \
             LOOP EXECUTE change; END LOOP; END $do$"
        ))
        .await;
    let made = fixture.create();
    let [one, other] = agencies(&made);
    fixture.sql("UPDATE \"Agency\" SET name = 'After'").await;

    restore(&fixture, &made, &one).expect(0);

    let changed = |tenant: &str| format!("SELECT count(*) FROM \"Agency\" WHERE id = '{tenant}' AND name = 'After'");
    assert_eq!(count(&fixture, &changed(&one)).await, 0);
    assert_eq!(count(&fixture, &changed(&other)).await, 1);
    restore(&fixture, &made, "nobody").expect(4).says("does not have the tenant");
}

on_both! {
    one_tenant_is_as_it_was_and_the_others_keep_their_changes,
    a_tenant_that_was_lost_is_brought_back_and_one_that_was_erased_is_not,
    a_user_whom_another_tenant_names_gets_the_data_back,
    production_takes_the_two_steps_and_nothing_else_is_named_with_it,
}
