//! One request by its id.

use std::panic::Location;
use std::sync::Arc;

use rylie_db::entities::Request;
use rylie_db::prelude::*;

use crate::dataset::{request, scatter};
use crate::measure::looped;
use crate::service::Service;
use crate::{Result, settings};

/// Reads requests of two agencies, each in the scope of the agency's administrator.
pub(crate) async fn by_id(name: &str, callers: usize) -> Result<()> {
    let service = Service::connect().await?;
    let scopes = Arc::new([service.scope(1).await?, service.scope(2).await?]);
    let store = service.store.clone();
    looped(name, callers, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            // Agency 1 has a fifth of all requests, agency 2 one in a hundred: reads keep this ratio of twenty to one.
            let of_second = number % 21 == 20;
            let id =
                if of_second { 1 + 100 * scatter(number, settings::requests() / 100) } else { large_tenants(number) };
            let unit = store.tenant(&scopes[usize::from(of_second)]).read_only().autocommit().await?;
            let id = request(id)?;
            let found = unit.requests().get(&id).await?;
            if found.id == id { Ok(()) } else { Err("the wrong request was read".into()) }
        }
    })
    .await?;
    drop(service);
    Ok(())
}

/// Reads requests of the large tenant, each in a separate unit with these options.
pub(crate) async fn of_one_tenant(name: &str, callers: usize, options: UnitOptions) -> Result<()> {
    let service = Service::connect().await?;
    let scope = Arc::new(service.scope(1).await?);
    policies_bind(&service, &scope).await?;
    let store = service.store.clone();
    looped(name, callers, move |number| {
        let (store, scope) = (Arc::clone(&store), Arc::clone(&scope));
        async move {
            let unit = store.open_tenant(&scope, options, Location::caller()).await?;
            let found = unit.requests().get(&request(large_tenants(number))?).await?;
            if found.agency_id.as_ref() == scope.user().agency() {
                Ok(())
            } else {
                Err("a request of another tenant was read".into())
            }
        }
    })
    .await?;
    drop(service);
    Ok(())
}

/// Reads requests of the large tenant through a loader that all callers share.
pub(crate) async fn gathered(name: &str, callers: usize) -> Result<()> {
    let service = Service::connect().await?;
    let loader = Arc::new(Loader::<Request>::new(service.store.clone(), service.scope(1).await?));
    looped(name, callers, move |number| {
        let loader = Arc::clone(&loader);
        async move {
            let id = request(large_tenants(number))?;
            if loader.get(id.clone()).await?.id == id { Ok(()) } else { Err("the wrong request was read".into()) }
        }
    })
    .await?;
    drop(service);
    Ok(())
}

fn large_tenants(number: u64) -> u64 {
    5 * (1 + scatter(number, settings::requests() / 5))
}

async fn policies_bind(service: &Service, scope: &TenantScope) -> Result<()> {
    let unit = service.store.tenant(scope).read_only().await?;
    let (own, other) = (unit.requests().find(&request(5)?).await?, unit.requests().find(&request(1)?).await?);
    if own.is_some() && other.is_none() { Ok(()) } else { Err("the isolation layers do not apply".into()) }
}
