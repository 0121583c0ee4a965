//! The logins of a service and of readers. PostgreSQL only.

use std::path::Path;

use rylie_db::prelude::*;
use rylie_migration::{
    CheckStatus, Environment, Error, Login, MigrationState, Migrations, Password, Provision, Refusal, SECRET_COLUMNS,
    Sees, Step,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::support::logins::{in_order, url_as};
use crate::support::made::Made;
use crate::support::old_service::fill;
use crate::support::sql::{Sql, deploy, migrations};

/// Returns a unique name: logins belong to the whole server.
async fn name(url: &str, kind: &str) -> String {
    let database = Sql::connect(url).await.one("SELECT current_database()::text").await;
    format!("{kind}_{}", database.trim_start_matches("rylie_test_"))
}

#[expect(clippy::unnecessary_wraps, reason = "as `Provision` takes it")]
fn login(name: &str) -> Option<Login> {
    Some(Login { name: name.to_owned(), password: Some(Password::new("x").unwrap()) })
}

/// Provisions a reader with this visibility.
async fn reader(url: &str, sees: Option<Sees>) -> (Sql, String) {
    let name = name(url, "reader").await;
    let wanted = Provision { readonly: login(&name), sees, ..Provision::default() };
    migrations(url).await.provision(&wanted).await.unwrap();
    (Sql::connect(&url_as(url, &name)).await, name)
}

/// Creates a migrated database with rows of several tenants.
async fn filled(url: &str) {
    deploy(url).await;
    fill(&mut Sql::connect(url).await).await;
}

pub(crate) async fn a_service_is_bound_and_ready(url: &str) {
    deploy(url).await;
    let app = name(url, "app").await;
    let wanted = Provision { app: login(&app), ..Provision::default() };
    let mut owner = migrations(url).await;
    for _ in 0..2 {
        owner.provision(&wanted).await.unwrap();
    }

    let service = Database::connect(Config::new(&url_as(url, &app)).unwrap()).await.unwrap();
    let health = service.health().await.unwrap();
    assert!(health.is_ready() && health.row_level_security && health.exempt_login.is_none());
    assert!(service.check_roles().await.unwrap().iter().all(in_order));
    assert_eq!(service.migrate().await.unwrap(), Vec::<String>::new());
    let unit = service.store().platform(Grant::job("test", "to test").unwrap()).await.unwrap();
    unit.agency_administration().add(NewAgency::new("North")).await.unwrap();
    unit.commit().await.unwrap();

    // Without a unit's database role the login has no right at all; it never has one on the environment marker.
    let mut sql = Sql::connect(&url_as(url, &app)).await;
    assert!(sql.try_run("SELECT id FROM \"User\"").await.is_err());
    for role in ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors"] {
        sql.run(&format!("SET ROLE {role}")).await;
        assert!(sql.try_run("UPDATE rylie_database SET environment = 'development'").await.is_err(), "{role}");
        sql.run("RESET ROLE").await;
    }
    let marked =
        Migrations::connect(&url_as(url, &app)).await.unwrap().mark_environment(Environment::Staging, None).await;
    assert!(matches!(marked, Err(Error::Refused(Refusal::NotOwner { .. }))), "{marked:?}");
    // The owner's login is not for a service.
    let owners = Database::connect(Config::new(url).unwrap()).await.unwrap();
    assert!(owners.health().await.unwrap().exempt_login.is_some());
}

pub(crate) async fn a_login_that_only_joined_the_role_learns_its_missing_right(url: &str) {
    deploy(url).await;
    let app = name(url, "joined").await;
    let mut sql = Sql::connect(url).await;
    sql.run(&format!("CREATE ROLE \"{app}\" LOGIN PASSWORD 'x'; GRANT rylie_doors TO \"{app}\"")).await;
    let service = Database::connect(Config::new(&url_as(url, &app)).unwrap()).await.unwrap();
    let unit = service.store().platform(Grant::job("test", "to test").unwrap()).await.unwrap();
    unit.agency_administration().add(NewAgency::new("North")).await.unwrap();
    unit.commit().await.unwrap();

    let refused = service.health().await.unwrap_err();
    assert!(matches!(refused, rylie_db::Error::MayNotReadMigrations(_)), "{refused:?}");
    assert!(matches!(service.is_migrated().await, Err(rylie_db::Error::MayNotReadMigrations(_))));

    sql.run(&format!("GRANT SELECT ON rylie_database, seaql_migrations, rylie_migrations TO \"{app}\"")).await;
    assert!(service.health().await.unwrap().is_ready() && service.is_migrated().await.unwrap());
}

pub(crate) async fn a_reader_of_one_tenant_cannot_see_another(url: &str) {
    filled(url).await;
    let (mut sql, name) = reader(url, None).await;
    assert_eq!(sql.one("SELECT count(*)::text FROM \"Request\"").await, "0");

    let (_, _) = reader(url, Some(Sees::Tenant("a1".into()))).await;
    let tenants = "SELECT DISTINCT \"tenantId\" FROM \"Request\" UNION SELECT DISTINCT \"tenantId\" FROM \"User\"";
    assert_eq!(sql.all(tenants).await, ["a1"]);
    sql.run("SET rylie.tenant = 'a2'").await;
    assert_eq!(sql.all(tenants).await, ["a1"]);
    assert!(sql.try_run("SET ROLE rylie_platform").await.is_err());
    assert!(sql.try_run("UPDATE \"Request\" SET title = 'x'").await.is_err());
    assert!(sql.try_run("SELECT * FROM \"SystemSettings\"").await.is_err());
    // It may read the state of the migrations, and not change it.
    let mut status = Migrations::connect_to_read(&url_as(url, &name)).await.unwrap();
    assert!(status.status().await.unwrap().iter().all(|migration| migration.state == MigrationState::Applied));
}

pub(crate) async fn a_reader_sees_no_column_with_a_secret(url: &str) {
    filled(url).await;
    let (mut sql, _) = reader(url, Some(Sees::EveryTenant { reason: "a report".into() })).await;

    for (table, columns) in SECRET_COLUMNS {
        for column in *columns {
            let read = sql.try_run(&format!("SELECT \"{column}\" FROM \"{table}\"")).await;
            assert!(read.is_err(), "{table}.{column}");
        }
    }
    assert_ne!(sql.one("SELECT count(email)::text FROM \"User\"").await, "0");
}

pub(crate) async fn who_sees_every_tenant_is_declared_and_audited(url: &str) {
    filled(url).await;
    let refused = Provision {
        readonly: login(&name(url, "reader").await),
        sees: Some(Sees::EveryTenant { reason: " ".into() }),
        ..Provision::default()
    };
    assert!(matches!(migrations(url).await.provision(&refused).await, Err(Error::Usage(_))));

    let (mut sql, name) = reader(url, Some(Sees::EveryTenant { reason: "the monthly report".into() })).await;

    assert_eq!(sql.one("SELECT count(DISTINCT \"tenantId\")::text FROM \"User\"").await, "3");
    let event = "SELECT details::text FROM \"AuditLog\" WHERE action = 'ROLES_PROVISIONED'";
    let event = Sql::connect(url).await.one(event).await;
    assert!(event.contains("the monthly report") && event.contains(&name), "{event}");
}

/// A deploy opens tables of a migration; default privileges open tables that the owner creates manually.
pub(crate) async fn tables_to_come_are_opened(url: &str) {
    filled(url).await;
    let app = name(url, "app").await;
    let wanted = Provision { app: login(&app), ..Provision::default() };
    migrations(url).await.provision(&wanted).await.unwrap();
    let (_, name) = reader(url, Some(Sees::Tenant("a1".into()))).await;
    let mut owner = Sql::connect(url).await;
    owner.run(&format!("REVOKE ALL ON \"Task\" FROM \"{name}\"")).await;

    let mut list = rylie_migration::MIGRATIONS.to_vec();
    list.push(Box::leak(Box::new(Made {
        up: vec![Step::Sql("CREATE TABLE IF NOT EXISTS made (id int)".into())],
        ..Made::table("m99990101_000001_make", "made")
    })));
    migrations(url).await.with_list(list.leak()).deploy(&mut |_| ()).await.unwrap();
    owner.run("CREATE TABLE by_hand (id int)").await;

    let granted = "SELECT has_table_privilege('rylie_platform', 'made', 'SELECT')::text || has_table_privilege('rylie_platform', 'by_hand', 'DELETE')::text \
         || has_any_column_privilege('$', '\"Task\"', 'SELECT')::text";
    assert_eq!(owner.one(&granted.replace('$', &name)).await, "falsetruetrue");
}

pub(crate) async fn nobody_may_delete_from_the_audit_log(url: &str) {
    deploy(url).await;
    let app = name(url, "app").await;
    let (_, _) = reader(url, Some(Sees::EveryTenant { reason: "a report".into() })).await;
    migrations(url).await.provision(&Provision { app: login(&app), ..Provision::default() }).await.unwrap();
    let mut sql = Sql::connect(url).await;
    let may = "SELECT rolname::text FROM pg_roles WHERE rolcanlogin IS NOT NULL AND NOT rolsuper AND NOT pg_has_role(oid, (SELECT relowner FROM pg_class \
         WHERE oid = '\"AuditLog\"'::regclass), 'MEMBER') AND (has_table_privilege(oid, '\"AuditLog\"', 'DELETE') \
         OR has_table_privilege(oid, '\"AuditLog\"', 'UPDATE') OR has_table_privilege(oid, '\"AuditLog\"', 'TRUNCATE')) \
         AND rolname NOT IN ('pg_write_all_data')";
    assert_eq!(sql.all(may).await, Vec::<String>::new());

    sql.run(&format!("GRANT DELETE ON \"AuditLog\" TO \"{app}\"")).await;
    let checks = migrations(url).await.check_roles().await.unwrap();
    let check = checks.iter().find(|check| check.id == "roles.audit_log").unwrap();
    assert!(check.status == CheckStatus::Fail && check.detail.contains(&app), "{check:?}");
}

/// Lists each right on our internal tables by role, except the owner's. Any right that is not in the list is a gap.
pub(crate) async fn our_own_tables_are_open_to_whom_they_are_for(url: &str) {
    deploy(url).await;
    let app = name(url, "app").await;
    migrations(url).await.provision(&Provision { app: login(&app), ..Provision::default() }).await.unwrap();
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    let (_, one) = reader(url, Some(Sees::Tenant("a1".into()))).await;
    let granted = "SELECT DISTINCT grantee || ' ' || privilege_type || ' ' || c.relname FROM pg_class c, LATERAL ( \
         SELECT coalesce(pg_get_userbyid(nullif(e.grantee, 0))::text, 'PUBLIC') AS grantee, privilege_type FROM aclexplode(c.relacl) e \
         WHERE e.grantee <> c.relowner UNION SELECT coalesce(pg_get_userbyid(nullif(e.grantee, 0))::text, 'PUBLIC'), privilege_type \
         FROM pg_attribute a, aclexplode(a.attacl) e WHERE a.attrelid = c.oid AND e.grantee <> c.relowner) rights \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S', 'v') \
         AND (c.relname LIKE 'rylie%' OR c.relname LIKE 'seaql%') ORDER BY 1";

    let mut found = sql.all(granted).await;

    let mut expected: Vec<String> = Vec::new();
    for (role, rights, tables) in [
        (app.as_str(), "SELECT", "rylie_database rylie_migrations seaql_migrations"),
        (one.as_str(), "SELECT", "rylie_database rylie_migrations seaql_migrations"),
        (
            "rylie_auditor",
            "SELECT",
            "rylie_audit_batch rylie_audit_leaf rylie_audit_pending rylie_audit_tenant rylie_database",
        ),
        ("rylie_platform", "SELECT", "rylie_audit_batch rylie_audit_leaf rylie_audit_pending rylie_audit_tenant"),
        ("rylie_sealer", "INSERT SELECT", "rylie_audit_batch rylie_audit_leaf rylie_audit_tenant"),
        ("rylie_sealer", "DELETE SELECT", "rylie_audit_pending"),
        ("rylie_platform", "SELECT", "rylie_database"),
        (
            "rylie_platform",
            "DELETE INSERT SELECT UPDATE",
            "rylie_alert_deliveries rylie_alerts rylie_job_runs rylie_size_history",
        ),
    ] {
        let rights = || rights.split(' ');
        expected
            .extend(tables.split(' ').flat_map(|table| rights().map(move |right| format!("{role} {right} {table}"))));
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// A reader of every tenant can write nothing, and reads no salt.
pub(crate) async fn a_reader_of_every_tenant_may_write_nothing(url: &str) {
    filled(url).await;
    let (mut sql, name) = reader(url, Some(Sees::EveryTenant { reason: "a report".into() })).await;
    let may = format!(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S') \
         AND (CASE c.relkind WHEN 'r' THEN has_any_column_privilege('{name}', c.oid, 'INSERT, UPDATE') \
         OR has_table_privilege('{name}', c.oid, 'DELETE, TRUNCATE, TRIGGER, REFERENCES') ELSE has_sequence_privilege('{name}', c.oid, 'USAGE, UPDATE') END)"
    );
    assert_eq!(sql.all(&may).await, Vec::<String>::new());
    assert_eq!(sql.all("SELECT job FROM rylie_job_runs").await, Vec::<String>::new());
    assert!(sql.try_run("SELECT who_salt FROM rylie_audit_leaf").await.is_err());
    assert!(sql.try_run("SELECT login FROM rylie_logins").await.is_err());
}

pub(crate) async fn an_unsafe_login_is_refused(url: &str) {
    deploy(url).await;
    let app = name(url, "app").await;
    let mut sql = Sql::connect(url).await;
    for (make, reason) in [
        ("SUPERUSER", "superuser"),
        ("NOSUPERUSER BYPASSRLS", "exempt"),
        ("NOBYPASSRLS CREATEROLE", "may create roles"),
    ] {
        let exists = sql.all(&format!("SELECT rolname::text FROM pg_roles WHERE rolname = '{app}'")).await.len();
        sql.run(&format!("{} ROLE \"{app}\" LOGIN {make}", if exists == 0 { "CREATE" } else { "ALTER" })).await;
        let outcome = migrations(url).await.provision(&Provision { app: login(&app), ..Provision::default() }).await;
        match outcome {
            Err(Error::Refused(refusal @ Refusal::UnsafeRole { .. })) => assert!(refusal.to_string().contains(reason)),
            other => panic!("{other:?}"),
        }
    }
    for odd in ["", "rylie_platform", "pg_monitor", "a_name_that_is_longer_than_what_a_policy_has_room_for"] {
        let wanted = Provision { app: login(odd), ..Provision::default() };
        assert!(migrations(url).await.provision(&wanted).await.is_err(), "{odd}");
    }
    sql.run(&format!("DROP ROLE \"{app}\"")).await;
}

pub(crate) async fn the_server_gets_a_verifier_that_lets_the_login_in(url: &str) {
    deploy(url).await;
    let app = name(url, "app").await;
    let password = Some(Password::new("p 'quoted' \\ $1").unwrap());
    let wanted = Provision { app: Some(Login { name: app.clone(), password }), ..Provision::default() };
    migrations(url).await.provision(&wanted).await.unwrap();

    let mut sql = Sql::connect(url).await;
    let kept = sql.one(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{app}'")).await;
    assert!(kept.starts_with("SCRAM-SHA-256$4096:"));
    let options: PgConnectOptions = url_as(url, &app).parse().unwrap();
    assert!(options.clone().password("wrong").connect().await.is_err());
    options.password("p 'quoted' \\ $1").connect().await.unwrap().close().await.unwrap();
}

/// Lists every entity field of a secret type.
#[test]
fn no_secret_column_of_the_entities_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/entities/src");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        let Some((_, rest)) = text.split_once("table_name = \"") else { continue };
        let table = rest.split('"').next().unwrap().to_owned();
        let camel = rest.lines().next().unwrap().contains("camelCase");
        let mut name: Option<String> = None;
        for line in text.lines().map(str::trim) {
            name = line
                .split_once("column_name = \"")
                .map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
                .or(name);
            let Some((field, kind)) = line.strip_prefix("pub ").and_then(|line| line.split_once(": ")) else {
                continue;
            };
            let column = name.take().unwrap_or_else(|| if camel { in_camel_case(field) } else { field.to_owned() });
            if kind.contains("SealedColumn") || kind.contains("Token") {
                found.push((table.clone(), column));
            }
        }
    }
    assert!(found.len() >= 10, "the entities are not written as this test reads them: {found:?}");
    for (table, column) in found {
        let known = SECRET_COLUMNS.iter().any(|(name, columns)| *name == table && columns.contains(&&*column));
        assert!(known, "{table}.{column} is a secret, and not in SECRET_COLUMNS");
    }
}

fn in_camel_case(field: &str) -> String {
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}
