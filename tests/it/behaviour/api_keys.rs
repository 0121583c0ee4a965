//! API keys: issued once, sealed, found by blind index.

use rylie_db::maintenance::reencrypt;
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error};

use crate::support::secrets::{database, rotate};
use crate::support::sql::Sql;

use super::world;

async fn issued(user: &rylie_testkit::TestUser<'_>, database: &Database) -> Secret<String> {
    let unit = database.store().tenant(&user.scope()).await.unwrap();
    let key = unit.api_keys().issue(&user.user.id).await.unwrap();
    unit.commit().await.unwrap();
    key
}

async fn found(database: &Database, key: &Secret<String>) -> Option<UserId> {
    let identity = database.store().identity().await.unwrap();
    identity.api_keys().signed_in(key).await.unwrap().map(|user| user.id().clone())
}

#[tokio::test]
async fn an_issued_key_finds_its_user_and_is_stored_sealed() {
    let world = world().await;
    let user = world.user().build().await.unwrap();

    let key = issued(&user, world.database()).await;

    assert_eq!(found(world.database(), &key).await, Some(user.user.id.clone()));
    let mut sql = Sql::connect(world.url()).await;
    let stored = sql.one(r#"SELECT "apiKey" FROM "User" WHERE "apiKey" IS NOT NULL"#).await;
    let index = sql.one(r#"SELECT "apiKeyIndex" FROM "User" WHERE "apiKey" IS NOT NULL"#).await;
    assert!(stored.starts_with("rylie1.") && index.starts_with("ryidx1."));
    assert_eq!(found(world.database(), &Secret::from(stored)).await, None, "the stored text is no key");
    assert_eq!(found(world.database(), &Secret::from(index)).await, None, "nor is its index");
}

#[tokio::test]
async fn a_row_shows_neither_the_key_nor_its_index() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    issued(&user, world.database()).await;

    let unit = user.unit().await.unwrap();
    let row = unit.users().get(&user.user.id).await.unwrap();

    let shown = format!("{row:?} {}", serde_json::json!(row));
    assert!(!shown.contains("rylie1") && !shown.contains("ryidx1") && !shown.contains("rk_"), "{shown}");
}

#[tokio::test]
async fn another_key_takes_the_place_of_the_first() {
    let world = world().await;
    let user = world.user().build().await.unwrap();

    let (first, second) = (issued(&user, world.database()).await, issued(&user, world.database()).await);

    assert_eq!(found(world.database(), &first).await, None);
    assert_eq!(found(world.database(), &second).await, Some(user.user.id.clone()));
}

#[tokio::test]
async fn a_revoked_key_and_texts_that_are_none_find_nobody() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let key = issued(&user, world.database()).await;
    let unit = user.unit().await.unwrap();
    unit.api_keys().revoke(&user.user.id).await.unwrap();
    unit.api_keys().revoke(&user.user.id).await.unwrap();
    unit.commit().await.unwrap();

    for text in [key.expose(), "", "%", "x' OR '1'='1", "rylie1.x.y", &"k".repeat(100_000)] {
        assert_eq!(found(world.database(), &Secret::from(text)).await, None);
    }
    let unit = user.unit().await.unwrap();
    let revoked = AuditFilter { action: Some("API_KEY_REVOKED".to_owned()), ..AuditFilter::default() };
    assert_eq!(unit.audit().list(revoked, PageRequest::default()).await.unwrap().total, 1);
}

#[tokio::test]
async fn a_key_is_confirmed_for_its_user_alone() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (one, two) = (agency.user().await.unwrap(), agency.user().await.unwrap());
    let key = issued(&one, world.database()).await;

    let unit = agency.unit().await.unwrap();
    assert!(unit.api_keys().confirm(&one.user.id, &key).await.unwrap());
    assert!(!unit.api_keys().confirm(&one.user.id, &"rk_other".into()).await.unwrap());
    assert!(!unit.api_keys().confirm(&two.user.id, &key).await.unwrap());
}

#[tokio::test]
async fn another_tenants_user_gets_no_key() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());

    let unit = ours.unit().await.unwrap();

    let them = theirs.admin.user.id.clone();
    assert!(matches!(unit.api_keys().issue(&them).await, Err(Error::NotFound { .. })));
    assert!(matches!(unit.api_keys().revoke(&them).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_plain_key_of_the_old_service_is_found_until_plain_is_refused() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    sql.run(&format!(r#"UPDATE "User" SET "apiKey" = 'old-service-key' WHERE "id" = '{}'"#, user.user.id)).await;
    let key = Secret::from("old-service-key");
    let strict = database(&world, &[("secrets.User.apiKey.accepts", "none")]).await;

    assert_eq!(found(world.database(), &key).await, Some(user.user.id.clone()));
    assert_eq!(found(&strict, &key).await, None);

    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();
    assert_eq!(found(&strict, &key).await, Some(user.user.id.clone()), "sealed and indexed now");
    assert!(sql.one(r#"SELECT "apiKey" FROM "User" WHERE "apiKey" IS NOT NULL"#).await.starts_with("rylie1."));
}

#[tokio::test]
async fn a_key_is_found_all_through_a_rotation() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let key = issued(&user, world.database()).await;
    let me = Some(user.user.id.clone());

    let old = rotate(&world);
    assert_eq!(found(world.database(), &key).await, me, "by the old key's index");
    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();
    assert_eq!(found(world.database(), &key).await, me, "by the new key's");

    world.database().destroy_key(&old).await.unwrap();
    assert_eq!(found(world.database(), &key).await, me);
}

#[tokio::test]
async fn every_key_of_a_filled_table_is_found_while_it_is_reencrypted() {
    let world = world().await;
    let mut sql = Sql::connect(world.url()).await;
    let mut keys = Vec::new();
    for number in 0..8 {
        let user = world.user().build().await.unwrap();
        let me = user.user.id.clone();
        keys.push((me.clone(), issued(&user, world.database()).await));
        let user = world.user().build().await.unwrap();
        let me = user.user.id.clone();
        sql.run(&format!(r#"UPDATE "User" SET "apiKey" = 'old-{number}' WHERE "id" = '{me}'"#)).await;
        keys.push((me, Secret::from(format!("old-{number}"))));
    }
    let old = rotate(&world);

    let store = world.store();
    let work = tokio::spawn(async move { reencrypt(&*store, 1, &Progress::none()).await.unwrap() });
    let mut rounds = 0;
    while !work.is_finished() || rounds < 2 {
        for (user, key) in &keys {
            assert_eq!(found(world.database(), key).await.as_ref(), Some(user));
        }
        rounds += 1;
    }

    assert_eq!(work.await.unwrap().reencrypted, 16);
    world.database().destroy_key(&old).await.unwrap();
    for (user, key) in &keys {
        assert_eq!(found(world.database(), key).await.as_ref(), Some(user));
    }
}

#[tokio::test]
async fn a_key_that_the_old_service_replaced_or_took_away_finds_nobody() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    let replaced = issued(&user, world.database()).await;

    // The old service does not update the index.
    sql.run(r#"UPDATE "User" SET "apiKey" = 'newer' WHERE "apiKey" IS NOT NULL"#).await;
    assert_eq!(found(world.database(), &replaced).await, None);
    assert_eq!(found(world.database(), &"newer".into()).await, Some(user.user.id.clone()));

    sql.run(r#"UPDATE "User" SET "apiKey" = NULL"#).await;
    assert_eq!(found(world.database(), &replaced).await, None);
    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();
    assert_eq!(sql.one(r#"SELECT CAST(count(*) AS TEXT) FROM "User" WHERE "apiKeyIndex" IS NOT NULL"#).await, "0");
}
