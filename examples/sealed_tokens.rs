//! Tokens are sealed, and still open after a rotation of the keys: `cargo run --example sealed_tokens`.

mod common;

use rylie_db::crypto::{KeyFile, Keyring};
use rylie_db::maintenance::reencrypt;
use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;

#[tokio::main(flavor = "current_thread")]
async fn main() -> common::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = common::database(folder.path()).await?;
    let token = common::sign_in(&database, "North").await?;

    let unit = database.tenant_of(&token, Origin::default()).await?;
    let saved = unit.ga4_connections().save(NewGa4Connection::new(Secret::from("ya29.example"))).await?;
    unit.commit().await?;
    println!("stored: {}…", &saved.access_token.stored()[..24]);

    // New values get the new key at once. The job moves the old ones.
    KeyFile::new(folder.path().join("keyring.json")).update(Keyring::rotate)?;
    let done = reencrypt(&*database.store(), 1_000, &Progress::none()).await?;
    println!("re-encrypted: {done:?}");

    let unit = database.tenant_of(&token, Origin::default()).read_only().await?;
    let opened = unit.ga4_connections().open_tokens(unit.user().id()).await?.ok_or("no connection")?;
    assert_eq!(opened.access, Secret::from("ya29.example"));
    println!("the token opens under the new key");
    Ok(())
}
