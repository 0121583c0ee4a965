//! A handwritten tenant file can affect rows of its tenant, and nothing else.

use rylie_db::maintenance::{Error, ImportedTenant};
use rylie_db::prelude::*;
use rylie_testkit::{TestAgency, TestUser, World};
use serde_json::{Value, json};

use crate::support::sql::Sql;
use crate::support::tenant_rows::{dump, seal, tables_with_a_tenant};

use super::world;

/// An exported and erased tenant, and a second one that stayed.
struct Exported<'w> {
    world: &'w World,
    folder: tempfile::TempDir,
    tenant: TenantId,
    lines: Vec<String>,
    theirs: TestAgency<'w>,
}

impl<'w> Exported<'w> {
    async fn agency(world: &'w World) -> Self {
        let ours = world.agency().await.unwrap();
        let user = world.user().of(&ours.agency).package(PackageType::Gold).build().await.unwrap();
        let tenant = ours.agency.tenant_id.clone();
        Self::of(world, tenant, &user).await
    }

    async fn of(world: &'w World, tenant: TenantId, user: &TestUser<'_>) -> Self {
        let theirs = world.agency().await.unwrap();
        theirs.request().await.unwrap();
        let request = user.request().await.unwrap();
        let unit = user.unit().await.unwrap();
        unit.tasks().add(&request.id, NewTask::new("a task", TaskType::Page)).await.unwrap();
        unit.usage().use_page(&user.user.id, "event").await.unwrap();
        unit.commit().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tenant.jsonl");
        world.database().export_tenant(&tenant, &file, None, &Progress::none()).await.unwrap();
        world.database().erase_tenant(&tenant).await.unwrap();
        let lines = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
        Self { world, folder, tenant, lines, theirs }
    }

    /// Returns the file with one changed value in the first row of a table, and with a matching digest.
    fn forged(&self, table: &str, column: &str, value: &Value) -> Vec<String> {
        let mut lines = self.lines.clone();
        let of_table = format!("\"table\":\"{table}\"");
        let line = lines.iter_mut().find(|line| line.contains(&of_table)).unwrap();
        let mut row: Value = serde_json::from_str(line).unwrap();
        assert!(row["row"].get(column).is_some(), "{table}.{column}");
        row["row"][column] = value.clone();
        *line = row.to_string();
        seal(lines)
    }

    async fn import(&self, lines: &[String]) -> Result<ImportedTenant, rylie_db::Error> {
        let file = self.folder.path().join("forged.jsonl");
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        self.world.database().import_tenant(&file, &Progress::none()).await
    }

    async fn rows(&self) -> Vec<String> {
        let (mut sql, url) = (Sql::connect(self.world.url()).await, self.world.url());
        let mut rows = Vec::new();
        for table in tables_with_a_tenant(&mut sql, url).await.iter().filter(|table| *table != "AuditLog") {
            rows.extend(dump(&mut sql, url, table, "true").await);
        }
        rows
    }
}

#[tokio::test]
async fn a_file_that_makes_a_super_admin_is_refused_by_name() {
    let world = world().await;
    let exported = Exported::agency(&world).await;
    let before = exported.rows().await;

    let refused = exported.import(&exported.forged("User", "role", &json!("SUPER_ADMIN"))).await.unwrap_err();

    assert!(refused.is_refusal() && refused.to_string().contains("a super admin"), "{refused}");
    assert!(matches!(refused, rylie_db::Error::Maintenance(Error::SuperAdminInFile { .. })), "{refused:?}");
    assert_eq!(exported.rows().await, before);
}

#[tokio::test]
async fn no_row_of_a_file_reaches_beyond_its_tenant() {
    let world = world().await;
    let exported = Exported::agency(&world).await;
    let before = exported.rows().await;
    let (agency, user) = (exported.theirs.agency.id.clone(), exported.theirs.admin.user.id.clone());
    for (table, column, value) in [
        ("Agency", "id", json!("a-new-agency")),
        ("Agency", "id", json!(agency)),
        ("User", "agencyId", json!(agency)),
        ("User", "agencyId", json!("platform")),
        ("User", "agencyId", Value::Null),
        ("User", "role", json!("EMPEROR")),
        ("User", "pagesUsedThisPeriod", json!(-1_000_000)),
        ("Session", "userId", json!(user)),
        ("UsageEvent", "userId", json!(user)),
        ("Request", "userId", json!(user)),
        ("Request", "agencyId", json!(agency)),
        ("Request", "agencyId", Value::Null),
        ("Task", "userId", json!(user)),
    ] {
        let imported = exported.import(&exported.forged(table, column, &value)).await;
        let refused = matches!(imported, Err(rylie_db::Error::Maintenance(Error::BeyondTenant { .. })));
        assert!(refused, "{table}.{column} = {value}: {imported:?}");
        assert_eq!(exported.rows().await, before, "{table}.{column} = {value}");
    }
}

/// On both engines an id of another tenant is a conflict, and its row is not overwritten.
#[tokio::test]
async fn an_id_that_another_tenant_has_is_a_conflict() {
    let world = world().await;
    let exported = Exported::agency(&world).await;
    let before = exported.rows().await;
    let taken = Sql::connect(world.url()).await.one(r#"SELECT id FROM "Request""#).await;

    let imported = exported.import(&exported.forged("Request", "id", &json!(taken))).await;

    assert!(imported.is_err(), "{imported:?}");
    assert_eq!(exported.rows().await, before);
}

#[tokio::test]
async fn the_platform_is_no_tenant_of_a_file() {
    let world = world().await;
    let exported = Exported::agency(&world).await;
    let before = exported.rows().await;
    let lines = exported.lines.iter().map(|line| line.replace(exported.tenant.as_str(), "platform")).collect();

    let imported = exported.import(&seal(lines)).await;

    assert!(matches!(imported, Err(rylie_db::Error::Maintenance(Error::BeyondTenant { line: 1, .. }))), "{imported:?}");
    assert_eq!(exported.rows().await, before);
}

#[tokio::test]
async fn a_file_of_one_user_brings_no_agency_and_no_other_user() {
    let world = world().await;
    let solo = world.user().package(PackageType::Gold).build().await.unwrap();
    let exported = Exported::of(&world, solo.user.tenant_id.clone(), &solo).await;
    let before = exported.rows().await;
    for (table, column, value) in [
        ("User", "id", json!("another")),
        ("User", "agencyId", json!(exported.theirs.agency.id)),
        ("Request", "agencyId", json!("x")),
    ] {
        let imported = exported.import(&exported.forged(table, column, &value)).await;
        assert!(imported.is_err(), "{table}.{column} = {value}: {imported:?}");
        assert_eq!(exported.rows().await, before);
    }
    exported.import(&exported.lines).await.unwrap();
}

#[tokio::test]
async fn a_session_or_a_plain_key_in_a_file_signs_nobody_in() {
    let world = world().await;
    let exported = Exported::agency(&world).await;
    let key = "rk_known-to-whoever-wrote-the-file";
    let mut lines = exported.forged("User", "apiKey", &json!(key));
    let session = lines.iter().position(|line| line.contains("\"table\":\"Session\"")).unwrap();
    let mut row: Value = serde_json::from_str(&lines[session]).unwrap();
    row["row"]["sessionToken"] = json!("known");
    row["row"]["expires"] = json!("2199-01-01T00:00:00Z");
    lines[session] = row.to_string();

    let imported = exported.import(&seal(lines)).await.unwrap();

    assert_eq!(imported.left_out.get("User.apiKey"), Some(&1));
    assert!(imported.left_out["Session"] > 0 && imported.rows["Session"] == 0, "{imported:?}");
    let identity = world.store().identity().await.unwrap();
    assert!(identity.api_keys().signed_in(&Secret::from(key)).await.unwrap().is_none());
    assert!(identity.sessions().signed_in(&Token::new("known")).await.unwrap().is_none());
    let planted = r#"SELECT CAST(count(*) AS text) FROM "User" WHERE "apiKey" IS NOT NULL"#;
    assert_eq!(Sql::connect(world.url()).await.one(planted).await, "0");
}

#[tokio::test]
async fn sessions_come_back_from_a_file_that_this_keyring_sealed() {
    let world = world().await;
    let exported = Exported::agency(&world).await;

    let imported = exported.import(&exported.lines).await.unwrap();

    assert!(imported.left_out.is_empty() && imported.rows["Session"] > 0, "{imported:?}");
}

/// The seal covers the whole file; a change makes it invalid.
#[tokio::test]
async fn a_file_that_was_changed_is_not_sealed_any_more() {
    let world = world().await;
    let exported = Exported::agency(&world).await;

    let imported = exported.import(&exported.forged("Agency", "name", &json!("another name"))).await.unwrap();

    assert!(imported.rows["Session"] == 0 && imported.left_out["Session"] > 0, "{imported:?}");
}

/// An event marked as counted in another tenant would prevent its counting there.
#[tokio::test]
async fn an_event_of_a_file_is_counted_in_no_other_tenant() {
    let world = world().await;
    let exported = Exported::agency(&world).await;
    let customer = world.user().of(&exported.theirs.agency).package(PackageType::Gold).build().await.unwrap();
    let elsewhere = json!(exported.theirs.agency.tenant_id);

    exported.import(&exported.forged("UsageEvent", "countedIn", &elsewhere)).await.unwrap();

    let unit = customer.unit().await.unwrap();
    let used = unit.usage().use_page(&customer.user.id, "event").await.unwrap();
    assert!(!used.repeated, "{used:?}");
}
