//! Rows by their ids: a row out of reach gives exactly the answer for a missing one.

use rylie_db::entities::{AgencyId, Env, Ga4Connection, RequestStatus, SeoWorksTaskMappingId, TaskStatus, TaskType};
use rylie_db::prelude::{
    Action, NewTask, PageRequest, RequestId, Secret, TaskId, TenantScope, TenantUnit, UserId, UserRole,
};
use rylie_db::repositories::{
    AgencyChanges, AuditFilter, PreferencesChanges, RequestChanges, Result as Reported, UserChanges,
};

use crate::Result;
use crate::attacks::fixture::{Fixture, Side, ga4, mapped_to, search_console};
use crate::attacks::log::{Answer, Log, Seen};

/// The ids that a call can name.
#[derive(Clone)]
struct Names {
    request: RequestId,
    deleted_request: RequestId,
    task: TaskId,
    deleted_task: TaskId,
    user: UserId,
    agency: AgencyId,
    mapping: SeoWorksTaskMappingId,
    seoworks_task: String,
}

impl Names {
    fn of(side: &Side<'_>) -> Self {
        Self {
            request: side.request.id.clone(),
            deleted_request: side.deleted_request.id.clone(),
            task: side.task.id.clone(),
            deleted_task: side.deleted_task.id.clone(),
            user: side.agency.admin.user.id.clone(),
            agency: side.agency.agency.id.clone(),
            mapping: side.mapping.id.clone(),
            seoworks_task: side.mapping.seoworks_task_id.clone(),
        }
    }

    fn of_nothing(env: &dyn Env) -> Self {
        Self {
            request: RequestId::generate(env),
            deleted_request: RequestId::generate(env),
            task: TaskId::generate(env),
            deleted_task: TaskId::generate(env),
            user: UserId::generate(env),
            agency: AgencyId::generate(env),
            mapping: SeoWorksTaskMappingId::generate(env),
            seoworks_task: "seoworks-none".to_owned(),
        }
    }
}

/// A unit of the attacker, ids out of its reach, and ids that do not exist.
struct Attempt<'a> {
    unit: &'a dyn TenantUnit,
    foreign: Names,
    missing: Names,
    /// A row of the victim.
    connection: Ga4Connection,
    seen: Seen,
}

impl Attempt<'_> {
    async fn alike(&mut self, what: &str, call: impl AsyncFn(Names) -> Reported<bool>) {
        let foreign = Answer::of(call(self.foreign.clone()).await);
        let missing = Answer::of(call(self.missing.clone()).await);
        self.seen.alike(what, &foreign, &missing);
    }
}

pub(super) async fn attack(fixture: &Fixture<'_>, log: &mut Log) {
    let missing = Names::of_nothing(fixture.world().env());
    let foreign = Names::of(&fixture.victim);
    let by_another_tenant = attempt(fixture, fixture.attacker.scope(), foreign.clone(), missing.clone());
    log.note("another tenant's row gives the answers for a missing row", by_another_tenant.await);

    // Every user sees the agency, except one without an agency.
    let foreign = Names { agency: missing.agency.clone(), ..foreign };
    let by_a_colleague = attempt(fixture, fixture.victim.member.scope(), foreign, missing);
    log.note("a colleague's row gives a user of role USER the answers for a missing row", by_a_colleague.await);
    log.note("refusals to that user are in the audit log", recorded(&fixture.victim).await);
}

async fn attempt(fixture: &Fixture<'_>, scope: TenantScope, foreign: Names, missing: Names) -> Result<Seen> {
    let (unit, connection) = (fixture.unit(&scope).await?, fixture.victim.connection.clone());
    let mut attempt = Attempt { unit: &*unit, foreign, missing, connection, seen: Seen::default() };
    requests(&mut attempt).await;
    tasks(&mut attempt).await;
    users(&mut attempt).await;
    rows_of_a_user(&mut attempt).await;
    mappings(&mut attempt).await;
    let seen = attempt.seen;
    // Commit, so that the later comparison of the victim's rows finds any change.
    unit.commit().await?;
    Ok(seen)
}

async fn requests(attempt: &mut Attempt<'_>) {
    let requests = attempt.unit.requests();
    attempt.alike("requests.find", async |n| Ok(requests.find(&n.request).await?.is_some())).await;
    attempt.alike("requests.get", async |n| requests.get(&n.request).await.map(|_| true)).await;
    attempt.alike("requests.get_with_tasks", async |n| requests.get_with_tasks(&n.request).await.map(|_| true)).await;
    let renamed = || RequestChanges { title: Some("mine".to_owned()), ..RequestChanges::default() };
    attempt.alike("requests.update", async |n| requests.update(&n.request, renamed()).await.map(|_| true)).await;
    let status = RequestStatus::Cancelled;
    attempt.alike("requests.set_status", async |n| requests.set_status(&n.request, status).await.map(|_| true)).await;
    attempt.alike("requests.remove", async |n| requests.remove(&n.request).await.map(|()| true)).await;
    attempt.alike("requests.restore", async |n| requests.restore(&n.deleted_request).await.map(|_| true)).await;
    attempt.alike("requests.purge", async |n| requests.purge(&n.deleted_request).await.map(|()| true)).await;
}

async fn tasks(attempt: &mut Attempt<'_>) {
    let tasks = attempt.unit.tasks();
    attempt.alike("tasks.find", async |n| Ok(tasks.find(&n.task).await?.is_some())).await;
    let new = || NewTask::new("mine", TaskType::Page);
    attempt.alike("tasks.add", async |n| tasks.add(&n.request, new()).await.map(|_| true)).await;
    let status = TaskStatus::Cancelled;
    attempt.alike("tasks.set_status", async |n| tasks.set_status(&n.task, status).await.map(|_| true)).await;
    attempt.alike("tasks.remove", async |n| tasks.remove(&n.task).await.map(|()| true)).await;
    attempt.alike("tasks.restore", async |n| tasks.restore(&n.deleted_task).await.map(|_| true)).await;
    attempt.alike("tasks.purge", async |n| tasks.purge(&n.deleted_task).await.map(|()| true)).await;
}

async fn users(attempt: &mut Attempt<'_>) {
    let (users, agencies) = (attempt.unit.users(), attempt.unit.agencies());
    attempt.alike("users.find", async |n| Ok(users.find(&n.user).await?.is_some())).await;
    attempt.alike("users.get", async |n| users.get(&n.user).await.map(|_| true)).await;
    let renamed = || UserChanges { name: "mine".into(), ..UserChanges::default() };
    attempt.alike("users.update", async |n| users.update(&n.user, renamed()).await.map(|_| true)).await;
    attempt.alike("users.set_role", async |n| users.set_role(&n.user, UserRole::User).await.map(|_| true)).await;
    attempt.alike("users.remove", async |n| users.remove(&n.user).await.map(|()| true)).await;
    attempt.alike("agencies.find", async |n| Ok(agencies.find(&n.agency).await?.is_some())).await;
    let renamed = || AgencyChanges { name: Some("mine".to_owned()), ..AgencyChanges::default() };
    attempt.alike("agencies.update", async |n| agencies.update(&n.agency, renamed()).await.map(|_| true)).await;
}

async fn rows_of_a_user(attempt: &mut Attempt<'_>) {
    let (unit, none) = (attempt.unit, PreferencesChanges::default);
    let (ga4s, consoles) = (unit.ga4_connections(), unit.search_console_connections());
    attempt.alike("preferences.find", async |n| Ok(unit.preferences().find(&n.user).await?.is_some())).await;
    attempt.alike("preferences.save", async |n| unit.preferences().save(&n.user, none()).await.map(|_| true)).await;
    attempt.alike("ga4_connections.find", async |n| Ok(ga4s.find(&n.user).await?.is_some())).await;
    attempt.alike("ga4_connections.save", async |n| ga4s.save(ga4(Some(n.user))).await.map(|_| true)).await;
    attempt.alike("ga4_connections.open_tokens", async |n| Ok(ga4s.open_tokens(&n.user).await?.is_some())).await;
    let connection = attempt.connection.clone();
    let of = |user| Ga4Connection { user_id: user, ..connection.clone() };
    attempt.alike("ga4_connections.open", async |n| ga4s.open(&of(n.user)).await.map(|_| true)).await;
    attempt.alike("ga4_connections.remove", async |n| ga4s.remove(&n.user).await.map(|()| true)).await;
    attempt.alike("search_console.find", async |n| Ok(consoles.find(&n.user).await?.is_some())).await;
    attempt
        .alike("search_console.save", async |n| consoles.save(search_console(Some(n.user))).await.map(|_| true))
        .await;
    attempt.alike("search_console.open_tokens", async |n| Ok(consoles.open_tokens(&n.user).await?.is_some())).await;
    attempt.alike("search_console.remove", async |n| consoles.remove(&n.user).await.map(|()| true)).await;
    attempt.alike("api_keys.issue", async |n| unit.api_keys().issue(&n.user).await.map(|_| true)).await;
    attempt.alike("api_keys.revoke", async |n| unit.api_keys().revoke(&n.user).await.map(|()| true)).await;
    let key = Secret::from("rk_guessed");
    attempt.alike("api_keys.confirm", async |n| unit.api_keys().confirm(&n.user, &key).await).await;
    attempt.alike("usage.find", async |n| Ok(unit.usage().find(&n.user, 2026, 1).await?.is_some())).await;
    attempt.alike("usage.use_page", async |n| unit.usage().use_page(&n.user, "mine").await.map(|_| true)).await;
}

async fn mappings(attempt: &mut Attempt<'_>) {
    let mappings = attempt.unit.seoworks_mappings();
    attempt
        .alike("mappings.find_by_task", async |n| Ok(mappings.find_by_task(&n.seoworks_task).await?.is_some()))
        .await;
    attempt.alike("mappings.add", async |n| mappings.add(mapped_to(n.request, "mine")).await.map(|_| true)).await;
    attempt.alike("mappings.set_status", async |n| mappings.set_status(&n.mapping, "mine").await.map(|_| true)).await;
    attempt.alike("mappings.remove", async |n| mappings.remove(&n.mapping).await.map(|()| true)).await;
}

async fn recorded(victim: &Side<'_>) -> Result<Seen> {
    let filter = AuditFilter {
        action: Some(Action::AccessRefused.as_str().to_owned()),
        actor: Some(victim.member.user.id.to_string()),
        ..AuditFilter::default()
    };
    let records = victim.unit().await?.audit().list(filter, PageRequest::default()).await?;
    let mut seen = Seen::default();
    seen.unless(records.total > 0, "the audit log has no record of a refusal");
    Ok(seen)
}
