//! Export, erasure and import of a whole tenant.

use std::path::{Path, PathBuf};

use rylie_db::entities::TENANT_TABLES;
use rylie_db::maintenance::{Error, ImportedTenant};
use rylie_db::migration::Environment;
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error as Refused, KEPT_USERS, TenantCounts};
use rylie_testkit::World;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::sql::{Sql, migrations};
use crate::support::tenant_rows::{dump, everything, full_agency, tables_with_a_tenant};

use super::world;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tenant.jsonl")
    }

    fn lines(&self) -> Vec<String> {
        std::fs::read_to_string(self.file()).unwrap().lines().map(str::to_owned).collect()
    }

    fn rewrite(&self, lines: &[String]) {
        std::fs::write(self.file(), lines.join("\n") + "\n").unwrap();
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }
}

async fn export(world: &World, tenant: &TenantId, place: &Place) -> TenantCounts {
    world.database().export_tenant(tenant, &place.file(), None, &Progress::none()).await.unwrap()
}

async fn import(world: &World, file: &Path) -> Result<ImportedTenant, rylie_db::Error> {
    world.database().import_tenant(file, &Progress::none()).await
}

fn job_error(error: rylie_db::Error) -> Error {
    match error {
        rylie_db::Error::Maintenance(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn export_erase_and_import_give_equal_rows_and_touch_no_other_tenant() {
    let world = world().await;
    let (ours, _theirs) = (full_agency(&world).await, full_agency(&world).await);
    let tenant = ours.agency.tenant_id.clone();
    let place = Place::new();
    let before = everything(&world, &tenant).await;

    let exported = export(&world, &tenant, &place).await;
    assert!(exported.values().all(|rows| *rows > 0), "a table without a row proves nothing: {exported:?}");
    let erased = world.database().erase_tenant(&tenant).await.unwrap();
    assert_eq!(everything(&world, &tenant).await, [vec![], before[1].clone()]);
    let imported = import(&world, &place.file()).await.unwrap();

    assert_eq!(everything(&world, &tenant).await, before);
    assert_eq!((&imported.rows, &imported.tenant), (&erased, &tenant));
    let mut all_but_the_log = exported;
    all_but_the_log.remove("AuditLog");
    assert_eq!(erased, all_but_the_log);
}

#[tokio::test]
async fn sealed_values_stay_sealed_and_open_again_after_the_import() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let place = Place::new();

    export(&world, &ours.agency.tenant_id, &place).await;
    world.database().erase_tenant(&ours.agency.tenant_id).await.unwrap();
    import(&world, &place.file()).await.unwrap();

    assert!(!std::fs::read_to_string(place.file()).unwrap().contains("canary-access"));
    let unit = world.platform().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    let user = sql.one(r#"SELECT "userId" FROM "GA4Connection""#).await.parse().unwrap();
    let tokens = unit.ga4_connections().open_tokens(&user).await.unwrap().unwrap();
    assert_eq!(tokens.access.expose(), "canary-access");
}

#[tokio::test]
async fn a_user_of_no_agency_is_a_tenant_too() {
    let world = world().await;
    let (solo, other) = (world.user().build().await.unwrap(), world.user().build().await.unwrap());
    solo.request().await.unwrap();
    other.request().await.unwrap();
    let tenant = rylie_db::maintenance::tenant_named(&format!("user:{}", solo.user.id)).unwrap();
    let before = everything(&world, &tenant).await;
    let place = Place::new();

    let rows = export(&world, &tenant, &place).await;
    world.database().erase_tenant(&tenant).await.unwrap();
    import(&world, &place.file()).await.unwrap();

    assert_eq!((rows["User"], rows["Request"], rows["Agency"]), (1, 1, 0));
    assert_eq!(everything(&world, &tenant).await, before);
}

#[tokio::test]
async fn the_audit_log_keeps_the_tenants_records_and_reports_the_transfer() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let tenant = &ours.agency.tenant_id;
    let place = Place::new();
    let mut sql = Sql::connect(world.url()).await;
    let of_tenant = format!("\"tenantId\" = '{}'", tenant.as_str());
    let before = dump(&mut sql, world.url(), "AuditLog", &of_tenant).await;

    export(&world, tenant, &place).await;
    world.database().erase_tenant(tenant).await.unwrap();
    import(&world, &place.file()).await.unwrap();

    assert_eq!(dump(&mut sql, world.url(), "AuditLog", &of_tenant).await, before);
    let unit = world.platform().await.unwrap();
    let about = AuditFilter {
        resource_id: Some(tenant.as_str().to_owned()),
        resource: Some("Tenant".into()),
        ..Default::default()
    };
    let mut actions: Vec<_> = unit
        .audit()
        .list(about, PageRequest::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|row| row.action)
        .collect();
    actions.sort();
    assert_eq!(actions, ["TENANT_ERASED", "TENANT_EXPORTED", "TENANT_IMPORTED"]);
}

#[tokio::test]
async fn a_tenant_that_is_there_is_not_imported_over() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let place = Place::new();
    export(&world, &ours.agency.tenant_id, &place).await;
    let before = everything(&world, &ours.agency.tenant_id).await;

    let error = job_error(import(&world, &place.file()).await.unwrap_err());

    assert!(matches!(error, Error::Data { source: Refused::Conflict { .. }, .. }), "{error:?}");
    assert_eq!(everything(&world, &ours.agency.tenant_id).await, before);
}

#[tokio::test]
async fn a_value_that_somebody_else_took_meanwhile_leaves_nothing_half_imported() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let place = Place::new();
    let tenant = &ours.agency.tenant_id;
    export(&world, tenant, &place).await;
    world.database().erase_tenant(tenant).await.unwrap();
    world.user().email(&ours.admin.user.email).build().await.unwrap();
    let before = everything(&world, tenant).await;

    let error = job_error(import(&world, &place.file()).await.unwrap_err());

    assert!(matches!(error, Error::Row { source: Refused::Conflict { .. }, .. }), "{error:?}");
    assert_eq!(everything(&world, tenant).await, before);
}

#[tokio::test]
async fn a_file_that_was_changed_is_refused_by_its_line() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let place = Place::new();
    export(&world, &ours.agency.tenant_id, &place).await;
    world.database().erase_tenant(&ours.agency.tenant_id).await.unwrap();
    let good = place.lines();
    let last = good.len();
    let before = everything(&world, &ours.agency.tenant_id).await;
    let edit = |line: usize, from: &str, to: &str| {
        let mut lines = good.clone();
        assert!(lines[line - 1].contains(from), "{}", lines[line - 1]);
        lines[line - 1] = lines[line - 1].replace(from, to);
        lines
    };
    let without = |line: usize| {
        let mut lines = good.clone();
        lines.remove(line - 1);
        lines
    };
    let tenant = ours.agency.tenant_id.as_str();
    let cases = [
        ("an edited row", edit(2, "Agency ", "Agencx "), last),
        ("a row less", without(3), last - 1),
        ("no last line", without(last), last),
        ("no first line", without(1), 1),
        ("something behind", [good.clone(), vec![String::from("{}")]].concat(), last + 1),
        ("another tenant's row", edit(2, &format!("\"tenantId\":\"{tenant}\""), "\"tenantId\":\"another\""), 2),
        ("an unknown table", edit(2, "\"table\":\"Agency\"", "\"table\":\"pg_authid\""), 2),
        ("broken JSON", edit(4, "{", "["), 4),
        ("another form", edit(1, "\"rylie_tenant_format\":1", "\"rylie_tenant_format\":2"), 1),
        ("nothing", vec![], 1),
    ];
    for (what, lines, expected) in cases {
        place.rewrite(&lines);
        match job_error(import(&world, &place.file()).await.unwrap_err()) {
            Error::TenantFile { line, .. } => assert_eq!(line, expected as u64, "{what}"),
            other => panic!("{what}: {other}"),
        }
        assert_eq!(everything(&world, &ours.agency.tenant_id).await, before, "{what}");
    }
    let whole = good.join("\n");
    std::fs::write(place.file(), &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(job_error(import(&world, &place.file()).await.unwrap_err()), Error::TenantFile { .. }));
}

/// A matching digest does not help a forger: the rows must fit the tenant and the tables.
#[tokio::test]
async fn a_forged_file_brings_in_nothing_that_does_not_fit() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let theirs = full_agency(&world).await;
    let place = Place::new();
    let tenant = &ours.agency.tenant_id;
    export(&world, tenant, &place).await;
    world.database().erase_tenant(tenant).await.unwrap();
    let good = place.lines();
    let before = everything(&world, tenant).await;
    let forge = |column: &'static str, value: Value| {
        let mut lines = good.clone();
        let user = lines.iter().position(|line| line.contains("\"table\":\"User\"")).unwrap();
        let mut row: Value = serde_json::from_str(&lines[user]).unwrap();
        row["row"][column] = value;
        lines[user] = row.to_string();
        crate::support::tenant_rows::seal(lines)
    };
    for (column, value) in [
        ("agencyId", json!(theirs.agency.id)),
        ("onboardingCompleted", json!("yes")),
        ("pagesUsedThisPeriod", json!("1; DROP TABLE")),
        ("createdAt", json!("yesterday")),
        ("role", json!("EMPEROR")),
        ("made\" up", json!(1)),
    ] {
        place.rewrite(&forge(column, value));
        let imported = import(&world, &place.file()).await;
        assert!(imported.is_err(), "{column}: {imported:?}");
        assert_eq!(everything(&world, tenant).await, before, "{column}");
    }
    place.rewrite(&crate::support::tenant_rows::seal(good));
    import(&world, &place.file()).await.unwrap();
}

#[tokio::test]
async fn a_file_of_another_schema_is_refused() {
    let world = world().await;
    let ours = world.agency().await.unwrap();
    let place = Place::new();
    let (store, out) = (world.store(), place.file());
    rylie_db::maintenance::export_tenant(&*store, &ours.agency.tenant_id, "m2020", &out, None, &Progress::none())
        .await
        .unwrap();

    let error = job_error(import(&world, &out).await.unwrap_err());

    assert!(matches!(error, Error::OtherSchema { .. }), "{error}");
}

#[tokio::test]
async fn an_export_is_for_its_owner_alone_and_never_overwrites() {
    use std::os::unix::fs::PermissionsExt;
    let world = world().await;
    let ours = world.agency().await.unwrap();
    let place = Place::new();
    export(&world, &ours.agency.tenant_id, &place).await;
    let before = std::fs::read(place.file()).unwrap();

    let again = world.database().export_tenant(&ours.agency.tenant_id, &place.file(), None, &Progress::none()).await;

    assert!(matches!(job_error(again.unwrap_err()), Error::FileExists { .. }));
    assert_eq!(std::fs::read(place.file()).unwrap(), before);
    assert_eq!(std::fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.files(), 1, "no other file is left");
}

#[tokio::test]
async fn a_tenant_that_is_not_there_is_neither_exported_nor_erased() {
    let world = world().await;
    let place = Place::new();
    for name in ["nobody", "user:nobody", "platform"] {
        let tenant = rylie_db::maintenance::tenant_named(name).unwrap();
        let exported =
            world.database().export_tenant(&tenant, &place.file(), None, &Progress::none()).await.unwrap_err();
        let erased = world.database().erase_tenant(&tenant).await.unwrap_err();
        for error in [exported, erased] {
            let error = job_error(error);
            assert!(matches!(error, Error::Data { source: Refused::NotFound { .. }, .. }), "{error:?}");
        }
    }
    assert_eq!(place.files(), 0);
    for name in ["", "user:", "a\0b"] {
        assert!(rylie_db::maintenance::tenant_named(name).is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn in_production_no_tenant_is_erased() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let before = everything(&world, &ours.agency.tenant_id).await;
    migrations(world.url()).await.mark_environment(Environment::Production, None).await.unwrap();

    let refused = world.database().erase_tenant(&ours.agency.tenant_id).await.unwrap_err();

    assert!(refused.is_refusal(), "{refused}");
    assert_eq!(everything(&world, &ours.agency.tenant_id).await, before);
}

/// The environment marker is set after the command has checked it.
#[tokio::test]
async fn a_mark_that_is_set_meanwhile_stops_the_erasing() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let tenant = ours.agency.tenant_id.clone();
    let before = everything(&world, &tenant).await;
    migrations(world.url()).await.mark_environment(Environment::Production, None).await.unwrap();

    let error = rylie_db::maintenance::erase_tenant(&*world.store(), &tenant).await.unwrap_err();

    assert!(matches!(error, Error::Data { source: Refused::Protected, .. }), "{error:?}");
    assert!(rylie_db::Error::from(error).is_refusal());
    assert_eq!(everything(&world, &tenant).await, before);
}

/// A request of another tenant that a user of this tenant ordered stays unchanged. Of the user only the id remains, as
/// the request's reference.
#[tokio::test]
async fn a_user_whom_another_tenants_request_names_does_not_keep_her_tenant_from_being_erased() {
    let world = world().await;
    let (ours, theirs) = (full_agency(&world).await, full_agency(&world).await);
    let mut sql = Sql::connect(world.url()).await;
    let (admin, tenant) = (ours.admin.user.id.as_str(), &ours.agency.tenant_id);
    let moved = format!(
        r#"UPDATE "Request" SET "userId" = '{admin}' WHERE "tenantId" = '{}'"#,
        theirs.agency.tenant_id.as_str()
    );
    sql.run(&moved).await;
    sql.run(&format!(r#"UPDATE "User" SET name = 'Ann', "apiKey" = 'hash' WHERE id = '{admin}'"#)).await;
    let before = everything(&world, tenant).await;

    let erased = world.database().erase_tenant(tenant).await.unwrap();

    assert_eq!(erased[KEPT_USERS], 1);
    assert_eq!(everything(&world, tenant).await[0], Vec::<String>::new());
    let others = everything(&world, tenant).await[1].clone();
    let kept: Vec<_> = others.iter().filter(|row| !before[1].contains(row)).collect();
    assert!(before[1].iter().all(|row| others.contains(row)), "another tenant's row was touched");
    assert_eq!(kept.len(), 1, "{kept:?}");
    let user = format!(
        r#"SELECT email || ' ' || coalesce(name, '-') || ' ' || coalesce("apiKey", '-') || ' ' || "tenantId" FROM "User" WHERE id = '{admin}'"#
    );
    assert_eq!(sql.one(&user).await, format!("erased-{admin}@erased.invalid - - user:{admin}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_stopped_half_way_leaves_all_or_nothing() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let tenant = ours.agency.tenant_id.clone();
    let place = Place::new();
    export(&world, &tenant, &place).await;
    let whole = everything(&world, &tenant).await;
    let gone = [vec![], whole[1].clone()];
    for yields in (0..400).step_by(13) {
        let store = world.store();
        let of = tenant.clone();
        let task = tokio::spawn(async move { rylie_db::maintenance::erase_tenant(&*store, &of).await.map(drop) });
        stop(task, yields).await;
        let now = everything(&world, &tenant).await;
        assert!(now == whole || now == gone, "after {yields} turns");
        if now == gone {
            import(&world, &place.file()).await.unwrap();
        }
    }
    assert_eq!(everything(&world, &tenant).await, whole);
}

async fn stop<T>(task: tokio::task::JoinHandle<T>, yields: u32) {
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
    task.abort();
    let _ = task.await;
}

#[tokio::test]
async fn the_list_of_a_tenants_tables_is_the_schemas() {
    let world = world().await;
    let mut sql = Sql::connect(world.url()).await;
    let mut listed: Vec<_> = TENANT_TABLES.iter().map(|table| table.name.to_owned()).collect();
    listed.sort();

    assert_eq!(tables_with_a_tenant(&mut sql, world.url()).await, listed);
}
