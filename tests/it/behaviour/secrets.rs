//! Secrets are sealed at rest, and opened by an explicit call.

use rylie_db::prelude::*;
use rylie_db::repositories::{Error, NewAccount, NewGa4Connection, NewSearchConsoleConnection};

use crate::support::sql::Sql;

use super::world;

fn ga4(access: &str, refresh: Option<&str>) -> NewGa4Connection {
    NewGa4Connection {
        user: None,
        access_token: Secret::from(access),
        refresh_token: refresh.map(Secret::from),
        expires: None,
        property_id: None,
        property_name: None,
    }
}

#[tokio::test]
async fn a_token_is_stored_sealed_and_opens_again() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let me = agency.admin.user.id.clone();

    let saved = unit.ga4_connections().save(ga4("canary-access", Some("canary-refresh"))).await.unwrap();
    unit.commit().await.unwrap();

    let shown = format!("{saved:?} {}", serde_json::json!(saved));
    assert!(!shown.contains("canary"), "{shown}");
    assert!(saved.access_token.stored().starts_with("rylie1."));
    let unit = agency.unit().await.unwrap();
    let opened = unit.ga4_connections().open_tokens(&me).await.unwrap().unwrap();
    assert!(opened.access == Secret::from("canary-access"));
    assert!(opened.refresh.unwrap() == Secret::from("canary-refresh"));
}

#[tokio::test]
async fn a_second_save_replaces_the_first() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let me = agency.admin.user.id.clone();

    let first = unit.ga4_connections().save(ga4("one", Some("refresh"))).await.unwrap();
    let second = unit.ga4_connections().save(ga4("two", None)).await.unwrap();

    assert_eq!(first.id, second.id);
    let opened = unit.ga4_connections().open_tokens(&me).await.unwrap().unwrap();
    assert!(opened.access == Secret::from("two") && opened.refresh.is_none());
    unit.ga4_connections().remove(&me).await.unwrap();
    assert!(unit.ga4_connections().find(&me).await.unwrap().is_none());
    assert!(matches!(unit.ga4_connections().remove(&me).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_sealed_token_does_not_open_in_another_row() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    for agency in [&ours, &theirs] {
        let unit = agency.unit().await.unwrap();
        unit.ga4_connections().save(ga4("token", None)).await.unwrap();
        unit.commit().await.unwrap();
    }
    let mut sql = Sql::connect(world.url()).await;
    let (from, to) = (&ours.admin.user.id, &theirs.admin.user.id);
    sql.run(&format!(
        r#"UPDATE "GA4Connection" SET "accessToken" = (SELECT "accessToken" FROM "GA4Connection" WHERE "userId" = '{from}') WHERE "userId" = '{to}'"#
    ))
    .await;

    let unit = theirs.unit().await.unwrap();
    assert!(matches!(unit.ga4_connections().open_tokens(to).await, Err(Error::Secret(_))));
}

#[tokio::test]
async fn a_sealed_token_opens_after_its_user_left_the_agency() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.ga4_connections().save(ga4("token", None)).await.unwrap();
    unit.commit().await.unwrap();
    let unit = world.platform().await.unwrap();
    unit.agency_administration().remove(&agency.agency.id).await.unwrap();
    unit.commit().await.unwrap();

    let unit = world.platform().await.unwrap();
    let opened = unit.ga4_connections().open_tokens(&agency.admin.user.id).await.unwrap().unwrap();
    assert!(opened.access == Secret::from("token"));
}

#[tokio::test]
async fn search_console_and_account_tokens_are_sealed_too() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let me = user.user.id.clone();
    let unit = user.unit().await.unwrap();
    let new = NewSearchConsoleConnection {
        user: None,
        access_token: Secret::from("canary"),
        refresh_token: None,
        expires: None,
        site_url: Some("https://a.example".into()),
        site_name: None,
    };
    let saved = unit.search_console_connections().save(new).await.unwrap();
    assert!(saved.access_token.stored().starts_with("rylie1."));
    assert!(unit.search_console_connections().open_tokens(&me).await.unwrap().is_some());
    unit.commit().await.unwrap();

    let identity = world.store().identity().await.unwrap();
    let new = NewAccount {
        user: me.clone(),
        kind: "oauth".into(),
        provider: "google".into(),
        provider_account: "1".into(),
        refresh_token: Some(Secret::from("canary-refresh")),
        access_token: Some(Secret::from("canary-access")),
        id_token: None,
        expires_at: None,
        scope: None,
    };
    let account = identity.accounts().link(new).await.unwrap();
    assert!(account.refresh_token.unwrap().stored().starts_with("rylie1."));
    let opened = identity.accounts().open_access_token(&account.id).await.unwrap().unwrap();
    assert!(opened == Secret::from("canary-access"));
    assert_eq!(identity.accounts().list_of(&me).await.unwrap().len(), 1);
    identity.accounts().unlink(&account.id).await.unwrap();
}

#[tokio::test]
async fn without_a_keyring_secrets_are_refused_and_the_rest_works() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let bare = Database::connect(Config::new(world.url()).unwrap()).await.unwrap();
    // The world's clock stands still, so its sessions have expired by the system clock. Therefore the scope is reused.
    let unit = bare.store().tenant(&agency.scope()).await.unwrap();

    assert!(matches!(unit.ga4_connections().save(ga4("token", None)).await, Err(Error::NoKeyring)));
    let new = NewRequest::new("t", RequestKind::Page);
    unit.requests().add(new).await.unwrap();
}
