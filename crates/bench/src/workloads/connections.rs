//! A Google connection: sealed, saved, read and opened.

use std::sync::Arc;

use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;

use crate::Result;
use crate::dataset::{run_as_owner, user};
use crate::measure::counted;
use crate::service::Service;

const CLEAN: &str = "TRUNCATE \"GA4Connection\";\n";

/// Saves each user's first connection, as the agency's administrator.
pub(crate) async fn save_and_read(name: &str) -> Result<()> {
    run_as_owner(CLEAN).await?;
    let service = Service::connect().await?;
    let (store, scopes) = (service.store.clone(), Arc::new(service.scopes(1..201).await?));
    counted(name, 3_000, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            let scope = &scopes[usize::try_from(number)? % scopes.len()];
            let user = user(1 + number)?;
            let (access, new) = connection(number, Some(user.clone()));
            store.save_ga4_connection(scope, new).await?;
            // A replica may not have the connection yet.
            let unit = store.tenant(scope).read_only().on_primary().deferred().await?;
            let opened = unit.ga4_connections().open_tokens(&user).await?.ok_or("no connection")?;
            if opened.access == access { Ok(()) } else { Err("the opened token differs".into()) }
        }
    })
    .await?;
    run_as_owner(CLEAN).await
}

/// Saves each user's first connection, as that user, and opens the tokens that the server returned.
pub(crate) async fn save_and_open(name: &str) -> Result<()> {
    run_as_owner(CLEAN).await?;
    let service = Service::connect().await?;
    let (store, scopes) = (service.store.clone(), Arc::new(service.scopes(1..3_001).await?));
    counted(name, 3_000, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            let scope = &scopes[usize::try_from(number)? % scopes.len()];
            let (access, new) = connection(number, None);
            let saved = store.save_ga4_connection(scope, new).await?;
            let opened = store.tenant(scope).deferred().await?.ga4_connections().open(&saved).await?;
            if opened.access == access { Ok(()) } else { Err("the opened token differs".into()) }
        }
    })
    .await?;
    run_as_owner(CLEAN).await
}

/// Returns a connection with tokens of the usual lengths, and its access token.
fn connection(number: u64, user: Option<UserId>) -> (Secret<String>, NewGa4Connection) {
    let access = Secret::new(format!("ya29.{}{number}", "a".repeat(180)));
    let new = NewGa4Connection {
        user,
        access_token: access.clone(),
        refresh_token: Some(Secret::new(format!("1//{}{number}", "r".repeat(90)))),
        expires: None,
        property_id: None,
        property_name: None,
    };
    (access, new)
}
