//! In coexistence, columns that the old service reads stay readable to it.

use rylie_db::crypto::StoredForm;
use rylie_db::maintenance::reencrypt;
use rylie_db::prelude::*;
use rylie_db::repositories::{NewAccount, NewGa4Connection};
use rylie_testkit::World;

use crate::support::secrets::database;
use crate::support::sql::Sql;

async fn forms(world: &World) -> [StoredForm; 3] {
    let mut sql = Sql::connect(world.url()).await;
    let mut forms = [StoredForm::Damaged; 3];
    for (form, column) in forms.iter_mut().zip([
        r#"SELECT "accessToken" FROM "GA4Connection""#,
        r#"SELECT "access_token" FROM "Account""#,
        r#"SELECT "apiKey" FROM "User" WHERE "apiKey" IS NOT NULL"#,
    ]) {
        *form = StoredForm::of(&sql.one(column).await);
    }
    forms
}

#[tokio::test]
async fn nothing_configured_writes_for_the_old_service_until_the_adoption_is_finished() {
    let world = World::postgres().await.unwrap();
    let user = world.user().build().await.unwrap();
    let me = user.user.id.clone();
    let mut sql = Sql::connect(world.url()).await;
    sql.run("UPDATE rylie_database SET state = 'coexistence'").await;
    let shared = database(&world, &[]).await;

    let unit = shared.store().tenant(&user.scope()).await.unwrap();
    let new = NewGa4Connection::new(Secret::from("google"));
    unit.ga4_connections().save(new).await.unwrap();
    let key = unit.api_keys().issue(&me).await.unwrap();
    unit.commit().await.unwrap();
    let identity = shared.store().identity().await.unwrap();
    let new = NewAccount {
        user: me.clone(),
        kind: "oauth".into(),
        provider: "google".into(),
        provider_account: "1".into(),
        refresh_token: None,
        access_token: Some(Secret::from("account")),
        id_token: None,
        expires_at: None,
        scope: None,
    };
    let account = identity.accounts().link(new).await.unwrap().id;
    identity.commit().await.unwrap();
    reencrypt(&*shared.store(), 10, &Progress::none()).await.unwrap();

    assert_eq!(forms(&world).await, [StoredForm::LegacyGcm, StoredForm::Plain, StoredForm::Plain]);
    assert_eq!(sql.one(r#"SELECT "apiKey" FROM "User" WHERE "apiKey" IS NOT NULL"#).await, *key.expose());

    sql.run("UPDATE rylie_database SET state = 'fresh'").await;
    let ours = database(&world, &[]).await;
    reencrypt(&*ours.store(), 10, &Progress::none()).await.unwrap();

    assert_eq!(forms(&world).await, [StoredForm::Sealed; 3]);
    let identity = ours.store().identity().await.unwrap();
    assert!(identity.accounts().open_access_token(&account).await.unwrap().unwrap() == Secret::from("account"));
    assert_eq!(identity.api_keys().signed_in(&key).await.unwrap().unwrap().id(), &me);
}

#[tokio::test]
async fn without_the_old_services_key_a_shared_database_takes_no_google_token() {
    let world = World::postgres().await.unwrap();
    let user = world.user().build().await.unwrap();
    Sql::connect(world.url()).await.run("UPDATE rylie_database SET state = 'coexistence'").await;
    let config = Config::builder().set("database_url", world.url()).unwrap();
    let keyless = config.set("keyring", world.keyring().display()).unwrap().build().unwrap();
    let keyless = Database::connect(keyless).await.unwrap();

    let unit = keyless.store().tenant(&user.scope()).await.unwrap();
    let new = NewGa4Connection::new(Secret::from("google"));
    let error = unit.ga4_connections().save(new).await.unwrap_err();

    assert!(matches!(error, rylie_db::repositories::Error::Secret(rylie_db::crypto::Error::LegacyKeyMissing)));
}
