//! Events that are counted as usage, and audit records.

use std::sync::Arc;
use std::time::Duration;

use rylie_db::maintenance::{Sweep, remove_usage_events};
use rylie_db::prelude::*;
use rylie_db::repositories::AuditFilter;

use super::bulk::with_owners;
use super::lists::place;
use crate::dataset::{request, run_as_owner, scatter, user};
use crate::measure::{bulk, looped};
use crate::service::Service;
use crate::{Result, settings};

/// Replaces all usage events, half of them a hundred days old. All rows are valid, so the keys are not checked.
const EVENTS: &str = "TRUNCATE \"UsageEvent\";\nSET session_replication_role = replica;\n\
    INSERT INTO \"UsageEvent\" (\"id\",\"userId\",\"key\",\"kind\",\"countedAt\",\"tenantId\",\"countedIn\") \
    SELECT 'e' || n, u.\"id\", 'event-' || md5(n::text), 'PAGE', \
    (now() AT TIME ZONE 'UTC') - (CASE WHEN n % 2 = 0 THEN 100 ELSE 10 END) * interval '1 day', u.\"tenantId\", u.\"tenantId\" \
    FROM generate_series(1, $ROWS) n JOIN $OWNERS u ON u.place = 1 + n % $NUMBER;\nANALYZE \"UsageEvent\";\n";

/// Removes the usage events that are older than 90 days, half of all.
pub(crate) async fn remove_events(name: &str) -> Result<()> {
    let service = Service::timed().await?;
    let store = &service.store;
    let events = settings::events();
    bulk(name, events / 2, &with_owners(EVENTS, events), |_, progress| async move {
        let age = Duration::from_hours(90 * 24);
        Ok(remove_usage_events(&**store, age, &Sweep { progress, ..Sweep::default() }).await?)
    })
    .await
}

/// Counts a new event of a user, next to those that were counted before.
pub(crate) async fn count_use(name: &str) -> Result<()> {
    const BEFORE: &str = "UPDATE \"User\" SET \"pagesUsedThisPeriod\" = 0, \"currentBillingPeriodStart\" = now() AT TIME ZONE 'UTC', \
        \"currentBillingPeriodEnd\" = now() AT TIME ZONE 'UTC' + interval '1 month' WHERE \"role\" = 'AGENCY_ADMIN';\n\
        VACUUM (ANALYZE) \"User\", \"UsageEvent\";\n";
    run_as_owner(&(with_owners(EVENTS, settings::events()) + BEFORE)).await?;
    let service = Service::connect().await?;
    let (store, scopes) = (service.store.clone(), Arc::new(service.scopes(1..201).await?));
    looped(name, 1, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            let agency = scatter(number, scopes.len() as u64);
            let unit = store.tenant(&scopes[usize::try_from(agency)?]).deferred().await?;
            let used = unit.usage().use_page(&user(agency + 1)?, &format!("new-{number}")).await?;
            unit.commit().await?;
            if used.repeated { Err("the event was counted before".into()) } else { Ok(()) }
        }
    })
    .await?;
    run_as_owner("TRUNCATE \"UsageEvent\";\n").await
}

/// Adds one record to the audit log. The log keeps it.
pub(crate) async fn append_record(name: &str) -> Result<()> {
    let service = Service::connect().await?;
    let (store, scopes) = (service.store.clone(), Arc::new(service.scopes(1..201).await?));
    looped(name, 1, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            let unit = store.tenant(&scopes[place(number, scopes.len())]).deferred().await?;
            unit.audit().record(record(number)?).await?;
            Ok(unit.commit().await?)
        }
    })
    .await
}

/// Reads the newest 50 audit records of a tenant, after it has added as many for each.
pub(crate) async fn newest_records(name: &str) -> Result<()> {
    let service = Service::connect().await?;
    let (store, scopes) = (service.store.clone(), Arc::new(service.scopes(1..201).await?));
    for scope in scopes.iter() {
        let unit = store.tenant(scope).await?;
        for number in 0..50 {
            unit.audit().record(record(number)?).await?;
        }
        unit.commit().await?;
    }
    looped(name, 1, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            let unit = store.tenant(&scopes[place(number, scopes.len())]).read_only().await?;
            let page = unit.audit().list_after(AuditFilter::default(), KeysetRequest::first(50)).await?;
            if page.items.len() == 50 { Ok(()) } else { Err("the page is incomplete".into()) }
        }
    })
    .await
}

fn record(number: u64) -> Result<Event> {
    let event = Event::new(Action::Other("SENT".to_owned())).on(&request(number)?);
    Ok(event.changed("title", "One", "Another title"))
}
