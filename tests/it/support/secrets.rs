//! Helpers for tests of secrets.

use rylie_db::crypto::{KeyFile, KeyId, Keyring};
use rylie_db::{Config, Database};
use rylie_testkit::World;

/// The key with which node's crypto wrote [`CBC`] and [`GCM`] (crates/crypto/tests/vectors).
pub(crate) const ENCRYPTION_KEY: &str = "vector-Zk3q9X7w1B5n8M2c4V6t-ours-only-ümlaut";
/// Both decrypt to `short`.
pub(crate) const CBC: &str = "869465ce9113385d10ce2fc9bb0815d1:06606ebe0efc2266cb2bebb72074b2b2";
pub(crate) const GCM: &str = "a7517ecd74b6eb3346ba44e0e94d9677:8174dc9dd0ce1708a9313ec30a246f1f:38c48e700f";

/// Connects like another process to the world's database, with its keyring and the old service's key.
pub(crate) async fn database(world: &World, settings: &[(&str, &str)]) -> Database {
    let mut config = Config::builder().set("database_url", world.url()).unwrap();
    config = config.set("keyring", world.keyring().display()).unwrap();
    config = config.set("encryption_key", ENCRYPTION_KEY).unwrap();
    for (name, value) in settings {
        config = config.set(name, value).unwrap();
    }
    Database::connect(config.build().unwrap()).await.unwrap()
}

/// Rotates the keyring. Returns the previous key.
pub(crate) fn rotate(world: &World) -> KeyId {
    let file = KeyFile::new(world.keyring());
    let old = file.load().unwrap().active().unwrap().clone();
    file.update(Keyring::rotate).unwrap();
    old
}
