//! Pages of a tenant's requests: 50 rows, newest first.

use std::sync::Arc;

use rylie_db::prelude::*;

use crate::Result;
use crate::dataset::scatter;
use crate::measure::looped;
use crate::service::Service;

/// The number of agencies whose administrators sign in.
const SMALL: u64 = 198;

/// Reads the first page and the total of small agencies.
pub(crate) async fn of_small_tenants(name: &str, callers: usize) -> Result<()> {
    let service = Service::connect().await?;
    let scopes = service.scopes(3..3 + SMALL).await?;
    pages(name, callers, &service, scopes, PageRequest::new(50, 0)).await
}

/// Signs in by a session's token and reads the first page and the total, as a web call does.
pub(crate) async fn of_a_token(name: &str, callers: usize) -> Result<()> {
    let service = Service::connect().await?;
    let mut tokens = Vec::new();
    for agency in 3..3 + SMALL {
        tokens.push(service.token(agency).await?);
    }
    let (store, tokens) = (service.store.clone(), Arc::new(tokens));
    looped(name, callers, move |number| {
        let (store, tokens) = (Arc::clone(&store), Arc::clone(&tokens));
        async move {
            let token = &tokens[place(number, tokens.len())];
            let read = async |unit: TenantAccess| unit.requests().list(completed(), PageRequest::new(50, 0)).await;
            let page = store.read_as(token, Origin::default(), read).await?;
            if page.items.len() == 50 && page.total >= 50 { Ok(()) } else { Err("the page is incomplete".into()) }
        }
    })
    .await
}

/// Reads a page and the total of the large agency.
pub(crate) async fn of_the_large_tenant(name: &str, page: PageRequest) -> Result<()> {
    let service = Service::connect().await?;
    let scopes = service.scopes(1..2).await?;
    pages(name, 1, &service, scopes, page).await
}

/// Reads the first page of a walk through small agencies' lists.
pub(crate) async fn keyset_of_small_tenants(name: &str) -> Result<()> {
    let service = Service::connect().await?;
    let scopes = service.scopes(3..3 + SMALL).await?;
    walks(name, &service, scopes, completed(), KeysetRequest::first(50)).await
}

/// Reads a page of a walk through the large agency's list, `skipped` rows from its beginning.
pub(crate) async fn keyset_of_the_large_tenant(name: &str, skipped: u64) -> Result<()> {
    let service = Service::connect().await?;
    let scope = service.scope(1).await?;
    let mut page = KeysetRequest::first(50);
    if skipped > 0 {
        let unit = service.store.tenant(&scope).read_only().await?;
        let mut walked = 0;
        while walked < skipped {
            let next = unit.requests().list_after(completed(), page).await?;
            walked += next.items.len() as u64;
            page = KeysetRequest::after(50, next.next.ok_or("the list ends too soon")?);
        }
    }
    walks(name, &service, vec![scope], completed(), page).await
}

/// Reads the newest requests of the large agency, of any status or completed, without a total.
pub(crate) async fn newest(name: &str, by_status: bool) -> Result<()> {
    let service = Service::connect().await?;
    let scopes = service.scopes(1..2).await?;
    let filter = if by_status { completed() } else { RequestFilter::default() };
    walks(name, &service, scopes, filter, KeysetRequest::first(50)).await
}

async fn pages(
    name: &str,
    callers: usize,
    service: &Service,
    scopes: Vec<TenantScope>,
    page: PageRequest,
) -> Result<()> {
    let (store, scopes) = (service.store.clone(), Arc::new(scopes));
    looped(name, callers, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            let unit = store.tenant(&scopes[place(number, scopes.len())]).read_only().autocommit().await?;
            let page = unit.requests().list(completed(), page).await?;
            if page.items.len() == 50 && page.total >= 50 { Ok(()) } else { Err("the page is incomplete".into()) }
        }
    })
    .await
}

async fn walks(
    name: &str,
    service: &Service,
    scopes: Vec<TenantScope>,
    filter: RequestFilter,
    page: KeysetRequest,
) -> Result<()> {
    let (store, scopes) = (service.store.clone(), Arc::new(scopes));
    looped(name, 1, move |number| {
        let (store, scopes, filter, page) = (Arc::clone(&store), Arc::clone(&scopes), filter.clone(), page.clone());
        async move {
            let unit = store.tenant(&scopes[place(number, scopes.len())]).read_only().autocommit().await?;
            let page = unit.requests().list_after(filter, page).await?;
            if page.items.len() == 50 { Ok(()) } else { Err("the page is incomplete".into()) }
        }
    })
    .await
}

fn completed() -> RequestFilter {
    RequestFilter { status: Some(RequestStatus::Completed), ..Default::default() }
}

/// Returns the place of an operation's tenant among so many.
pub(super) fn place(number: u64, of: usize) -> usize {
    usize::try_from(scatter(number, of as u64)).unwrap_or_default()
}
