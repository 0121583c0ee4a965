//! Running services detect changes of the keyring's file.

use std::fs;
use std::time::Duration;

use rylie_db::crypto::{KeyFile, Keyring, Sealed};
use rylie_db::maintenance::reencrypt;
use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;
use rylie_testkit::TestUser;

use crate::support::secrets::{database, rotate};

use super::world;

fn new(token: &str) -> NewGa4Connection {
    NewGa4Connection::new(Secret::from(token))
}

/// Saves a token with one process, and returns the key that it was sealed under.
async fn saved(database: &Database, user: &TestUser<'_>, token: &str) -> String {
    let unit = database.store().tenant(&user.scope()).await.unwrap();
    let saved = unit.ga4_connections().save(new(token)).await.unwrap();
    unit.commit().await.unwrap();
    Sealed::parse(saved.access_token.stored()).unwrap().key_id().to_owned()
}

async fn opened(database: &Database, user: &TestUser<'_>) -> String {
    let unit = database.store().tenant(&user.scope()).await.unwrap();
    let tokens = unit.ga4_connections().open_tokens(&user.user.id).await.unwrap().unwrap();
    tokens.access.expose().clone()
}

#[tokio::test]
async fn a_rotation_takes_hold_in_a_process_that_was_not_notified() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let (one, other) = (database(&world, &[]).await, database(&world, &[]).await);
    let before = saved(&one, &user, "first").await;

    assert_eq!(rotate(&world).as_str(), before);

    let after = saved(&one, &user, "second").await;
    assert_ne!(after, before, "new values take the new key");
    assert_eq!(opened(&other, &user).await, "second", "and open where it was never heard of");
}

#[tokio::test]
async fn a_key_is_destroyed_while_services_run_on() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let running = database(&world, &[]).await;
    saved(&running, &user, "token").await;
    let old = rotate(&world);
    reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap();

    world.database().destroy_key(&old).await.unwrap();

    assert_eq!(opened(&running, &user).await, "token");
    assert_ne!(saved(&running, &user, "token").await, old.as_str());
}

#[tokio::test]
async fn a_key_under_which_a_unit_is_still_writing_is_not_destroyed() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let slow = world.store().tenant(&user.scope()).await.unwrap();
    slow.ga4_connections().save(new("token")).await.unwrap();
    let old = rotate(&world);

    let (refused, ()) = tokio::join!(world.database().destroy_key(&old), async {
        // Enough time for a count that does not wait.
        tokio::time::sleep(Duration::from_millis(300)).await;
        slow.commit().await.unwrap();
    });

    assert!(refused.unwrap_err().is_refusal());
    assert_eq!(opened(world.database(), &user).await, "token");
}

#[tokio::test]
async fn a_keyring_whose_keys_are_wrapped_elsewhere_seals_and_opens() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let elsewhere = Keyring::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::wrapped(folder.path().join("wrapped.json"), &elsewhere);
    file.create(&Keyring::generate().unwrap()).unwrap();
    let keyless = Database::connect(Config::new(world.url()).unwrap()).await.unwrap();

    keyless.use_keyring(file.load().unwrap()).unwrap();
    let before = saved(&keyless, &user, "token").await;
    file.update(Keyring::rotate).unwrap();
    keyless.use_keyring(file.load().unwrap()).unwrap();
    keyless.reload_keys().unwrap();

    assert_eq!(opened(&keyless, &user).await, "token");
    assert_ne!(saved(&keyless, &user, "token").await, before);
}

#[tokio::test]
async fn while_the_file_cannot_be_read_the_keys_from_before_go_on() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let running = database(&world, &[]).await;
    let before = saved(&running, &user, "token").await;
    let whole = fs::read(world.keyring()).unwrap();

    fs::write(world.keyring(), &whole[..whole.len() / 2]).unwrap();
    assert_eq!(opened(&running, &user).await, "token");
    assert!(running.reload_keys().is_err(), "whoever asks is told");
    fs::remove_file(world.keyring()).unwrap();
    assert_eq!(saved(&running, &user, "token").await, before);

    fs::write(world.keyring(), &whole).unwrap();
    #[cfg(unix)]
    fs::set_permissions(world.keyring(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let new = KeyFile::new(world.keyring()).update(Keyring::rotate).unwrap();
    assert_eq!(saved(&running, &user, "token").await, new.as_str());
}
