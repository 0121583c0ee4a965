//! First and repeated seeding.

use rylie_db::entities::UserRole;
use rylie_db::maintenance::{Seed, Seeded};

use super::world;

const FILE: &str = r#"{
    "settings": { "maxUsersPerAgency": 7 },
    "agencies": [{ "name": "North", "domain": "north.example", "users": [{ "email": "ann@north.example", "role": "AGENCY_ADMIN" }] }],
    "users": [{ "email": "solo@example.com", "package": "SILVER" }]
}"#;

#[tokio::test]
async fn the_default_seed_makes_the_super_admin_and_the_settings_once() {
    let world = world().await;

    assert_eq!(world.database().seed(&Seed::default()).await.unwrap(), Seeded { created: 2, updated: 0 });
    assert_eq!(world.database().seed(&Seed::default()).await.unwrap(), Seeded::default());

    let unit = world.platform().await.unwrap();
    let admin = unit.identities().find_by_email("admin@example.com").await.unwrap().unwrap();
    assert_eq!(
        (admin.role, admin.name.as_deref(), admin.onboarding_completed),
        (UserRole::SuperAdmin, Some("System Admin"), true)
    );
    let settings = unit.settings().find().await.unwrap().unwrap();
    assert!(!settings.maintenance_mode && settings.new_user_registration && settings.audit_logging);
}

#[tokio::test]
async fn a_database_with_a_super_admin_gets_no_second_one() {
    let world = world().await;
    let named = Seed::from_json(r#"{ "superAdmin": { "email": "root@example.com" } }"#).unwrap();
    assert_eq!(world.database().seed(&named).await.unwrap(), Seeded { created: 2, updated: 0 });

    assert_eq!(world.database().seed(&Seed::default()).await.unwrap(), Seeded::default());

    let unit = world.platform().await.unwrap();
    assert!(unit.identities().find_by_email("admin@example.com").await.unwrap().is_none());
}

#[tokio::test]
async fn a_file_is_seeded_once_and_its_changes_are_applied() {
    let world = world().await;
    let seed = Seed::from_json(FILE).unwrap();
    assert_eq!(world.database().seed(&seed).await.unwrap(), Seeded { created: 5, updated: 0 });
    assert_eq!(world.database().seed(&seed).await.unwrap(), Seeded::default());

    let changed = Seed::from_json(&FILE.replace("AGENCY_ADMIN", "USER").replace('7', "8")).unwrap();
    assert_eq!(world.database().seed(&changed).await.unwrap(), Seeded { created: 0, updated: 2 });

    let unit = world.platform().await.unwrap();
    let ann = unit.identities().find_by_email("ann@north.example").await.unwrap().unwrap();
    assert_eq!(ann.role, UserRole::User);
    assert!(ann.agency_id.is_some());
    assert_eq!(unit.settings().find().await.unwrap().unwrap().max_users_per_agency, 8);
}

#[tokio::test]
async fn a_seed_that_fails_leaves_nothing() {
    let world = world().await;
    let bad = Seed::from_json(r#"{ "users": [{ "email": "good@example.com" }, { "email": "no address" }] }"#).unwrap();

    assert!(world.database().seed(&bad).await.is_err());

    let unit = world.platform().await.unwrap();
    assert!(unit.identities().find_by_email("good@example.com").await.unwrap().is_none());
    assert!(unit.settings().find().await.unwrap().is_none());
}

#[tokio::test]
async fn nobody_gets_a_role_in_another_agency_than_the_file_names() {
    let world = world().await;
    world.database().seed(&Seed::from_json(FILE).unwrap()).await.unwrap();

    let moved = Seed::from_json(&FILE.replace("north.example\", \"users", "south.example\", \"users")).unwrap();

    assert!(world.database().seed(&moved).await.is_err());
}
