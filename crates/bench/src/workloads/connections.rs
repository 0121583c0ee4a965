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
            let access = Secret::new(format!("ya29.{}{number}", "a".repeat(180)));
            let new = NewGa4Connection {
                user: Some(user.clone()),
                access_token: access.clone(),
                refresh_token: Some(Secret::new(format!("1//{}{number}", "r".repeat(90)))),
                expires: None,
                property_id: None,
                property_name: None,
            };
            let unit = store.tenant(scope).deferred().await?;
            unit.ga4_connections().save(new).await?;
            unit.commit().await?;
            let unit = store.tenant(scope).read_only().deferred().await?;
            let opened = unit.ga4_connections().open_tokens(&user).await?.ok_or("no connection")?;
            if opened.access == access { Ok(()) } else { Err("the opened token differs".into()) }
        }
    })
    .await?;
    run_as_owner(CLEAN).await
}
