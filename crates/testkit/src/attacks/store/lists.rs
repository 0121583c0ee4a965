//! Lists, totals, related rows, filters and cursors.

use rylie_db::prelude::{KeysetRequest, PageRequest, RequestFilter, TaskFilter, TenantScope, TenantUnit};
use rylie_db::repositories::{AuditFilter, Error, UserFilter};

use crate::Result;
use crate::attacks::fixture::{Fixture, whole_list};
use crate::attacks::log::{Log, Seen};

pub(super) async fn attack(fixture: &Fixture<'_>, log: &mut Log) {
    log.note("lists and their totals contain only own rows", lists(fixture).await);
    log.note("walks contain only own rows", walks(fixture).await);
    log.note("related rows are own rows", related(fixture).await);
    log.note("a filter by another tenant's row finds nothing", filters(fixture).await);
    log.note("a cursor is valid only for its user, list and filter", cursors(fixture).await);
    log.note("lists of a user of role USER contain only that user's rows", own_reach(fixture).await);
}

/// Records every tenant other than the expected one.
fn only<'a>(seen: &mut Seen, what: &str, own: &str, tenants: impl IntoIterator<Item = &'a str>) {
    let tenants: Vec<_> = tenants.into_iter().collect();
    seen.unless(!tenants.is_empty(), format_args!("{what}: own rows are missing"));
    seen.unless(tenants.iter().all(|tenant| *tenant == own), format_args!("{what}: rows of {tenants:?}"));
}

/// Applies the same check to each table's lists, by page and by walk.
macro_rules! only_own {
    ($seen:ident, $own:expr, $($what:literal: $page:expr),+ $(,)?) => {
        $(
            let page = $page;
            only(&mut $seen, $what, $own, page.items.iter().map(|row| row.tenant_id.as_str()));
        )+
    };
}

async fn lists(fixture: &Fixture<'_>) -> Result<Seen> {
    let (unit, own, mut seen) =
        (fixture.unit(&fixture.attacker.scope()).await?, fixture.attacker.tenant(), Seen::default());
    let deleted = RequestFilter { deleted: true, ..RequestFilter::default() };
    only_own!(
        seen, own,
        "requests": unit.requests().list(RequestFilter::default(), whole_list()).await?,
        "deleted requests": unit.requests().list(deleted, whole_list()).await?,
        "tasks": unit.tasks().list(TaskFilter::default(), whole_list()).await?,
        "users": unit.users().list(UserFilter::default(), whole_list()).await?,
        "agencies": unit.agencies().list(whole_list()).await?,
        "mappings": unit.seoworks_mappings().list(whole_list()).await?,
        "usage": unit.usage().list(None, whole_list()).await?,
        "audit": unit.audit().list(AuditFilter::default(), whole_list()).await?,
    );
    let users = unit.users().list(UserFilter::default(), whole_list()).await?;
    seen.same("the total of users", &users.total, &(users.items.len() as u64));
    let agencies = unit.agencies().list(whole_list()).await?;
    seen.same("the total of agencies", &agencies.total, &1);
    let summaries = unit.users().summaries().await?;
    let own_users = [&fixture.attacker.agency.admin.user.id, &fixture.attacker.member.user.id];
    let foreign = summaries.iter().filter(|summary| !own_users.contains(&&summary.id)).count();
    seen.same("summaries of others", &foreign, &0);
    Ok(seen)
}

async fn walks(fixture: &Fixture<'_>) -> Result<Seen> {
    let (unit, own, mut seen) =
        (fixture.unit(&fixture.attacker.scope()).await?, fixture.attacker.tenant(), Seen::default());
    let all = || KeysetRequest::first(PageRequest::MAX_LIMIT);
    only_own!(
        seen, own,
        "requests": unit.requests().list_after(RequestFilter::default(), all()).await?,
        "tasks": unit.tasks().list_after(TaskFilter::default(), all()).await?,
        "users": unit.users().list_after(UserFilter::default(), all()).await?,
        "agencies": unit.agencies().list_after(all()).await?,
        "mappings": unit.seoworks_mappings().list_after(all()).await?,
        "usage": unit.usage().list_after(None, all()).await?,
        "audit": unit.audit().list_after(AuditFilter::default(), all()).await?,
    );
    Ok(seen)
}

async fn related(fixture: &Fixture<'_>) -> Result<Seen> {
    let (unit, own, mut seen) = (fixture.unit(&fixture.attacker.scope()).await?, &fixture.attacker, Seen::default());
    let loaded = unit.requests().get_with_tasks(&own.request.id).await?;
    only(&mut seen, "tasks of a request", own.tenant(), loaded.tasks.iter().map(|task| task.tenant_id.as_str()));
    only(&mut seen, "user of a request", own.tenant(), loaded.user.iter().map(|user| user.tenant_id.as_str()));
    let overview = unit.requests().overview(RequestFilter::default(), KeysetRequest::default()).await?;
    let (admin, member) = (&own.agency.admin.user.id, &own.member.user.id);
    for row in &overview.items {
        seen.unless(
            [admin, member].contains(&&row.request.user_id),
            format_args!("the overview shows the request {}", row.request.id),
        );
        let user = row.user.as_ref().map(|user| &user.id);
        seen.unless(user.is_none_or(|user| user == &row.request.user_id), "the overview shows another user");
    }
    Ok(seen)
}

async fn filters(fixture: &Fixture<'_>) -> Result<Seen> {
    let (unit, victim, mut seen) = (fixture.unit(&fixture.attacker.scope()).await?, &fixture.victim, Seen::default());
    let user = || Some(victim.agency.admin.user.id.clone());
    let by_user = RequestFilter { user: user(), ..RequestFilter::default() };
    let by_request = TaskFilter { request: Some(victim.request.id.clone()), ..TaskFilter::default() };
    let by_agency = UserFilter { agency: Some(victim.agency.agency.id.clone()), ..UserFilter::default() };
    let by_actor = AuditFilter { actor: user().map(|user| user.to_string()), ..AuditFilter::default() };
    let by_row = AuditFilter { resource_id: Some(victim.deleted_request.id.to_string()), ..AuditFilter::default() };
    for (what, total) in [
        ("requests by user", unit.requests().list(by_user.clone(), whole_list()).await?.total),
        ("requests by user, walked", found(&unit.requests().list_after(by_user.clone(), first()).await?.items)),
        ("the overview by user", found(&unit.requests().overview(by_user, first()).await?.items)),
        ("tasks by request", unit.tasks().list(by_request.clone(), whole_list()).await?.total),
        ("tasks by request, walked", found(&unit.tasks().list_after(by_request, first()).await?.items)),
        ("users by agency", unit.users().list(by_agency, whole_list()).await?.total),
        ("usage by user", unit.usage().list(user(), whole_list()).await?.total),
        ("records by actor", unit.audit().list(by_actor, whole_list()).await?.total),
        ("records by row", unit.audit().list(by_row, whole_list()).await?.total),
    ] {
        seen.same(what, &total, &0);
    }
    Ok(seen)
}

fn first() -> KeysetRequest {
    KeysetRequest::default()
}

fn found<T>(items: &[T]) -> u64 {
    items.len() as u64
}

async fn cursors(fixture: &Fixture<'_>) -> Result<Seen> {
    let (victim, attacker, mut seen) = (&fixture.victim, &fixture.attacker, Seen::default());
    let page = fixture
        .unit(&victim.scope())
        .await?
        .requests()
        .list_after(RequestFilter::default(), KeysetRequest::first(1))
        .await?;
    let Some(cursor) = page.next else {
        seen.add("a list of two requests gave no cursor");
        return Ok(seen);
    };
    let after = || KeysetRequest::after(1, cursor.clone());
    let at = async |scope: TenantScope| fixture.read_only(&scope).await;
    for (whose, unit) in [
        ("another tenant's", at(attacker.scope()).await?),
        ("the same user's with less reach", at(victim.scope().own()).await?),
        ("a colleague's", at(victim.member.scope()).await?),
    ] {
        let walked = unit.requests().list_after(RequestFilter::default(), after()).await;
        seen.unless(is_refused(&walked), format_args!("it was accepted in {whose} unit"));
    }
    let unit = fixture.unit(&victim.scope()).await?;
    let filtered = RequestFilter { deleted: true, ..RequestFilter::default() };
    seen.unless(is_refused(&unit.requests().list_after(filtered, after()).await), "it was accepted for another filter");
    seen.unless(is_refused(&unit.tasks().list_after(TaskFilter::default(), after()).await), "… for another list");
    let own = unit.requests().list_after(RequestFilter::default(), after()).await;
    seen.unless(own.is_ok(), "it was rejected by its own list");
    Ok(seen)
}

fn is_refused<T>(walked: &Result<T, Error>) -> bool {
    matches!(walked, Err(Error::Invalid { .. }))
}

/// A user must not reach the administrator's rows.
async fn own_reach(fixture: &Fixture<'_>) -> Result<Seen> {
    let member = &fixture.victim.member;
    let (unit, mut seen) = (fixture.unit(&member.scope()).await?, Seen::default());
    for (what, total, expected) in totals(&*unit).await? {
        seen.same(what, &total, &expected);
    }
    let records = unit.audit().list(AuditFilter::default(), whole_list()).await?;
    let member = member.user.id.to_string();
    let foreign = records.items.iter().filter(|record| record.user_id != member).count();
    seen.same("records of other users' actions", &foreign, &0);
    Ok(seen)
}

/// Returns each total with the number of the member's own rows.
async fn totals(unit: &dyn TenantUnit) -> Result<Vec<(&'static str, u64, u64)>> {
    Ok(vec![
        ("requests", unit.requests().list(RequestFilter::default(), whole_list()).await?.total, 0),
        ("tasks", unit.tasks().list(TaskFilter::default(), whole_list()).await?.total, 0),
        ("users", unit.users().list(UserFilter::default(), whole_list()).await?.total, 1),
        ("summaries", found(&unit.users().summaries().await?), 1),
        ("mappings", unit.seoworks_mappings().list(whole_list()).await?.total, 0),
        ("usage", unit.usage().list(None, whole_list()).await?.total, 0),
    ])
}
