//! One request by its id.

use std::sync::Arc;

use rylie_db::entities::Request;
use rylie_db::prelude::*;

use crate::dataset::{request, scatter};
use crate::measure::looped;
use crate::service::Service;
use crate::{Result, settings};

/// Requests of all agencies, each read in the scope of its agency's administrator.
pub(crate) async fn by_id(name: &str, callers: usize) -> Result<()> {
    let service = Service::connect().await?;
    let scopes = Arc::new([service.scope(1).await?, service.scope(2).await?]);
    let store = service.store.clone();
    looped(name, callers, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            // A fifth of all requests are agency 1's, one in a hundred is agency 2's: twenty to one, as there.
            let of_second = number % 21 == 20;
            let id =
                if of_second { 1 + 100 * scatter(number, settings::requests() / 100) } else { large_tenants(number) };
            let unit = store.tenant_with(&scopes[usize::from(of_second)], UnitOptions::autocommit()).await?;
            let id = request(id)?;
            let found = unit.requests().get(id.clone()).await?;
            if found.id == id { Ok(()) } else { Err("another request".into()) }
        }
    })
    .await?;
    drop(service);
    Ok(())
}

/// Requests of the large tenant, each in a unit of its own, opened with these options.
pub(crate) async fn of_one_tenant(name: &str, callers: usize, options: UnitOptions) -> Result<()> {
    let service = Service::connect().await?;
    let scope = Arc::new(service.scope(1).await?);
    policies_bind(&service, &scope).await?;
    let store = service.store.clone();
    looped(name, callers, move |number| {
        let (store, scope) = (Arc::clone(&store), Arc::clone(&scope));
        async move {
            let unit = store.tenant_with(&scope, options).await?;
            let found = unit.requests().get(request(large_tenants(number))?).await?;
            if found.agency_id.as_ref() == scope.user().agency() { Ok(()) } else { Err("another tenant's".into()) }
        }
    })
    .await?;
    drop(service);
    Ok(())
}

/// Requests of the large tenant, gathered by a loader that all callers share.
pub(crate) async fn gathered(name: &str, callers: usize) -> Result<()> {
    let service = Service::connect().await?;
    let loader = Arc::new(Loader::<Request>::new(service.store.clone(), service.scope(1).await?));
    looped(name, callers, move |number| {
        let loader = Arc::clone(&loader);
        async move {
            let id = request(large_tenants(number))?;
            if loader.get(id.clone()).await?.id == id { Ok(()) } else { Err("another request".into()) }
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
    let unit = service.store.tenant_read_only(scope).await?;
    let (own, other) = (unit.requests().find(request(5)?).await?, unit.requests().find(request(1)?).await?);
    if own.is_some() && other.is_none() { Ok(()) } else { Err("the walls do not stand".into()) }
}
