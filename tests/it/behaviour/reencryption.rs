//! Secrets in every form and under every key are re-encrypted to the current key and form.

use std::sync::{Arc, Mutex};

use rylie_db::crypto::StoredForm;
use rylie_db::maintenance::{key_report, reencrypt};
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, NewGa4Connection};

use crate::support::secrets::{CBC, GCM, database, rotate};
use crate::support::sql::Sql;

use super::world;

const COLUMN: &str = "GA4Connection.accessToken";

/// Adds a connection with this stored token text.
async fn stored(world: &rylie_testkit::World, text: &str) -> UserId {
    let user = world.user().build().await.unwrap();
    let unit = user.unit().await.unwrap();
    let new = NewGa4Connection::new(Secret::from("replaced"));
    unit.ga4_connections().save(new).await.unwrap();
    unit.commit().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    let id = user.user.id.clone();
    sql.run(&format!(r#"UPDATE "GA4Connection" SET "accessToken" = '{text}' WHERE "userId" = '{id}'"#)).await;
    id
}

async fn open(database: &Database, user: &UserId) -> Result<String, Error> {
    let unit = database.store().platform(Grant::job("test", "opens").unwrap()).await.unwrap();
    let tokens = unit.ga4_connections().open_tokens(user).await?;
    Ok(tokens.unwrap().access.expose().clone())
}

async fn text_of(world: &rylie_testkit::World, user: &UserId) -> String {
    let sql = format!(r#"SELECT "accessToken" FROM "GA4Connection" WHERE "userId" = '{user}'"#);
    Sql::connect(world.url()).await.one(&sql).await
}

#[tokio::test]
async fn every_old_form_is_sealed_and_opens_as_before() {
    let world = world().await;
    let users = [stored(&world, CBC).await, stored(&world, GCM).await, stored(&world, "short").await];
    let database = database(&world, &[]).await;
    let before = key_report(&*database.store(), &Progress::none()).await.unwrap();
    let counts = &before.columns[COLUMN];
    assert_eq!((counts["legacy-cbc"], counts["legacy-gcm"], counts["plain"], counts["unreadable"]), (1, 1, 1, 0));

    let done = reencrypt(&*database.store(), 2, &Progress::none()).await.unwrap();

    assert_eq!((done.reencrypted, done.unreadable.len()), (3, 0));
    for user in &users {
        assert_eq!(StoredForm::of(&text_of(&world, user).await), StoredForm::Sealed);
        assert_eq!(open(&database, user).await.unwrap(), "short");
    }
    let after = key_report(&*database.store(), &Progress::none()).await.unwrap();
    assert_eq!(after.columns[COLUMN].values().sum::<u64>(), 3);
    assert_eq!((after.columns[COLUMN]["legacy-cbc"], after.columns[COLUMN]["plain"]), (0, 0));
}

#[tokio::test]
async fn a_second_run_finds_nothing_to_do() {
    let world = world().await;
    stored(&world, "short").await;
    let old = rotate(&world);
    assert_eq!(reencrypt(&*world.store(), 1, &Progress::none()).await.unwrap().reencrypted, 1);

    let again = reencrypt(&*world.store(), 1, &Progress::none()).await.unwrap();

    assert_eq!((again.looked_at, again.reencrypted), (1, 0));
    assert!(key_report(&*world.store(), &Progress::none()).await.unwrap().under(old.as_str()).is_empty());
}

#[tokio::test]
async fn what_does_not_open_is_left_and_named_without_its_value() {
    let world = world().await;
    let good = stored(&world, CBC).await;
    let damaged = format!("{}00", &CBC[..CBC.len() - 4]);
    let bad = stored(&world, &damaged).await;
    let unknown = stored(&world, "rylie1.k.AAAA").await;
    let database = database(&world, &[]).await;

    let done = reencrypt(&*database.store(), 10, &Progress::none()).await.unwrap();

    assert_eq!((done.reencrypted, done.unreadable.len()), (1, 2));
    assert_eq!(open(&database, &good).await.unwrap(), "short");
    assert_eq!(text_of(&world, &bad).await, damaged);
    assert_eq!(text_of(&world, &unknown).await, "rylie1.k.AAAA");
    let named = serde_json::json!(done.unreadable).to_string();
    assert!(named.contains(COLUMN) && !named.contains(&damaged[..32]) && !named.contains("AAAA"), "{named}");
    let report = key_report(&*database.store(), &Progress::none()).await.unwrap();
    assert_eq!(report.columns[COLUMN]["unreadable"], 2);
}

#[tokio::test]
async fn a_form_that_is_switched_off_is_not_laundered_into_a_sealed_value() {
    let world = world().await;
    let forged = stored(&world, "forged-by-who-writes-the-table").await;
    let strict = database(&world, &[("secrets.GA4Connection.accessToken.accepts", "cbc, gcm")]).await;

    let done = reencrypt(&*strict.store(), 10, &Progress::none()).await.unwrap();

    assert_eq!((done.reencrypted, done.unreadable.len()), (0, 1));
    assert_eq!(text_of(&world, &forged).await, "forged-by-who-writes-the-table");
    assert!(matches!(open(&strict, &forged).await, Err(Error::Secret(_))));
    let report = key_report(&*strict.store(), &Progress::none()).await.unwrap();
    assert_eq!((report.columns[COLUMN]["plain"], report.columns[COLUMN]["unreadable"]), (1, 0), "it has a form");
}

#[tokio::test]
async fn under_compat_every_value_is_brought_to_what_the_old_service_reads() {
    let world = world().await;
    let users = [stored(&world, CBC).await, stored(&world, GCM).await, stored(&world, "short").await];
    let database = database(&world, &[("secrets.writes", "compat")]).await;

    let done = reencrypt(&*database.store(), 10, &Progress::none()).await.unwrap();

    assert_eq!(done.reencrypted, 2, "what was in its form already stays");
    for user in &users {
        assert_eq!(StoredForm::of(&text_of(&world, user).await), StoredForm::LegacyGcm);
        assert_eq!(open(&database, user).await.unwrap(), "short");
    }
    assert_eq!(text_of(&world, &users[1]).await, GCM);
}

#[tokio::test]
async fn compat_without_the_old_services_key_is_refused_before_anything_is_written() {
    let world = world().await;
    let config = Config::builder().set("keyring", world.keyring().display()).unwrap();

    let config = config.set("secrets.GA4Connection.accessToken.writes", "compat").unwrap();

    let error = config.build().unwrap_err().to_string();
    assert!(error.contains("secrets.GA4Connection.accessToken.writes") && error.contains("ENCRYPTION_KEY"), "{error}");
}

#[tokio::test]
async fn an_old_value_without_the_old_services_key_counts_by_its_form_and_says_what_is_missing() {
    let world = world().await;
    let user = stored(&world, CBC).await;

    let report = key_report(&*world.store(), &Progress::none()).await.unwrap();
    let done = reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();

    assert_eq!((report.columns[COLUMN]["legacy-cbc"], report.columns[COLUMN]["unreadable"]), (1, 0));
    assert_eq!(done.unreadable.len(), 1);
    assert!(done.unreadable[0].reason.contains("legacy key"), "{}", done.unreadable[0].reason);
    assert!(open(world.database(), &user).await.is_err());
}

#[tokio::test]
async fn a_key_is_destroyed_only_when_nothing_is_under_it() {
    let world = world().await;
    let user = stored(&world, "short").await;
    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();
    let old = rotate(&world);

    let refused = world.database().destroy_key(&old).await.unwrap_err();
    assert!(refused.is_refusal() && refused.to_string().contains(COLUMN), "{refused}");
    assert_eq!(open(world.database(), &user).await.unwrap(), "short");

    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();
    world.database().destroy_key(&old).await.unwrap();
    assert_eq!(open(world.database(), &user).await.unwrap(), "short");
    assert!(world.database().destroy_key(&old).await.is_err(), "once");
}

#[tokio::test]
async fn the_active_key_is_never_destroyed() {
    let world = world().await;
    let old = rotate(&world);
    let active = rotate(&world);
    let newest = rylie_db::crypto::KeyFile::new(world.keyring()).load().unwrap().active().unwrap().clone();

    assert!(world.database().destroy_key(&newest).await.unwrap_err().is_refusal());
    world.database().destroy_key(&old).await.unwrap();
    world.database().destroy_key(&active).await.unwrap();
}

#[tokio::test]
async fn a_key_that_a_damaged_value_names_is_not_destroyed() {
    let world = world().await;
    let user = stored(&world, "short").await;
    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();
    let moved = text_of(&world, &user).await;
    let elsewhere = stored(&world, &moved).await;
    let old = rotate(&world);
    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();

    let refused = world.database().destroy_key(&old).await.unwrap_err();

    assert!(refused.is_refusal(), "{refused}");
    assert_eq!(text_of(&world, &elsewhere).await, moved, "it can be put right while the key is there");
}

#[tokio::test]
async fn what_is_reencrypted_and_destroyed_is_on_record() {
    let world = world().await;
    stored(&world, "short").await;
    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();
    let old = rotate(&world);
    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();
    world.database().destroy_key(&old).await.unwrap();

    let unit = world.platform().await.unwrap();
    for (action, times) in [("SECRETS_REENCRYPTED", 2), ("KEY_DESTROYED", 1)] {
        let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
        assert_eq!(unit.audit().list(filter, PageRequest::default()).await.unwrap().total, times, "{action}");
    }
}

#[tokio::test]
async fn progress_ends_where_it_said_it_would() {
    let world = world().await;
    for _ in 0..3 {
        stored(&world, "short").await;
    }
    let reported = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reported);

    let progress = Progress::new(move |done, of| seen.lock().unwrap().push((done, of)));
    reencrypt(&*world.store(), 1, &progress).await.unwrap();

    let reported = reported.lock().unwrap();
    assert!(reported.is_sorted() && reported.len() > 3, "{reported:?}");
    assert_eq!(reported.last(), Some(&(3, 3)));
}
