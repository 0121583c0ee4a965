//! The rows that the calls work on.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rylie_db::audit::SigningKey;
use rylie_db::entities::{
    AccountId, Env, Ga4Connection, SearchConsoleConnection, SeoWorksTaskMappingId, TENANT_TABLES, TenantTable,
};
use rylie_db::prelude::*;
use rylie_db::repositories::{
    Lease, NewAccount, NewGa4Connection, NewSearchConsoleConnection, NewSeoWorksMapping, PreferencesChanges, TenantRow,
};
use rylie_testkit::World;

/// Rows of one agency in every table, and other arguments of the calls.
pub(crate) struct Rows {
    pub(crate) scope: TenantScope,
    pub(crate) tenant: TenantId,
    pub(crate) agency: AgencyId,
    /// An agency without a user.
    pub(crate) empty: AgencyId,
    pub(crate) admin: UserId,
    pub(crate) member: UserId,
    /// A user whom no row names.
    pub(crate) leaver: UserId,
    pub(crate) email: String,
    pub(crate) request: RequestId,
    /// A request without a task or a mapping.
    pub(crate) bare: RequestId,
    pub(crate) deleted: RequestId,
    pub(crate) task: TaskId,
    pub(crate) deleted_task: TaskId,
    pub(crate) mapping: SeoWorksTaskMappingId,
    pub(crate) session: Token,
    pub(crate) one_time: Token,
    pub(crate) account: AccountId,
    pub(crate) api_key: Secret<String>,
    /// The connections of a colleague.
    pub(crate) ga4: Ga4Connection,
    pub(crate) search_console: SearchConsoleConnection,
    pub(crate) signer: SigningKey,
    /// A running job.
    pub(crate) lease: Lease,
    /// A running job whose lease has ended.
    pub(crate) ended: Lease,
    pub(crate) delivery: String,
    pub(crate) targets: Vec<String>,
    pub(crate) now: DateTime<Utc>,
    /// A row of a request that was removed for good, and its table.
    pub(crate) removed: (TenantTable, TenantRow),
    pub(crate) seal: String,
    _folder: tempfile::TempDir,
}

pub(crate) const CLAIMED: &str = "a claimed key";
pub(crate) const DIGEST: &str = "a digest";
pub(crate) const IDENTIFIER: &str = "one@example.com";
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

impl Rows {
    pub(crate) async fn fill(world: &World) -> Self {
        // This user's billing period ends before the clock stops.
        let early = world.user().package(PackageType::Silver).build().await.unwrap();
        world.env().forward(TimeDelta::days(32));
        let agency = world.agency().await.unwrap();
        let member = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
        let leaver = agency.user().await.unwrap();
        let (admin, now) = (agency.admin.user.id.clone(), world.env().now());
        let tenant = TenantId::of_agency(&agency.agency.id);

        let unit = agency.unit().await.unwrap();
        let request = unit.requests().add(new_request("kept")).await.unwrap().id;
        let bare = unit.requests().add(new_request("bare")).await.unwrap().id;
        let deleted = unit.requests().add(new_request("deleted")).await.unwrap().id;
        unit.requests().remove(&deleted).await.unwrap();
        let gone = unit.requests().add(new_request("gone")).await.unwrap().id;
        let task = unit.tasks().add(&request, NewTask::new("kept", TaskType::Page)).await.unwrap().id;
        let deleted_task = unit.tasks().add(&request, NewTask::new("deleted", TaskType::Page)).await.unwrap().id;
        unit.tasks().remove(&deleted_task).await.unwrap();
        let mapping = NewSeoWorksMapping::new(request.clone(), "seoworks-1", "page");
        let mapping = unit.seoworks_mappings().add(mapping).await.unwrap().id;
        unit.preferences().save(&admin, PreferencesChanges::default()).await.unwrap();
        connect(&*unit, None).await;
        let (ga4, search_console) = connect(&*unit, Some(member.user.id.clone())).await;
        let api_key = unit.api_keys().issue(&admin).await.unwrap();
        unit.usage().use_page(&member.user.id, "counted").await.unwrap();
        unit.idempotency().claim(CLAIMED, "a fingerprint").await.unwrap();
        unit.commit().await.unwrap();

        let unit = world.store().identity().await.unwrap();
        let account = NewAccount {
            access_token: Some(secret()),
            refresh_token: Some(secret()),
            id_token: Some(secret()),
            ..NewAccount::new(admin.clone(), "oauth", "google", "g-1")
        };
        let account = unit.accounts().link(account).await.unwrap().id;
        let one_time = unit.verification_tokens().issue(IDENTIFIER, now + TimeDelta::hours(1)).await.unwrap();
        unit.commit().await.unwrap();

        let unit = world.store().operations().await.unwrap();
        for job in ["running", "late"] {
            unit.job_runs().register(job, now - TimeDelta::hours(1)).await.unwrap();
        }
        let lease = unit.job_runs().claim("running", now, false, "a holder", MINUTE).await.unwrap().unwrap();
        let ended = unit.job_runs().claim("late", now, false, "a holder", MINUTE).await.unwrap().unwrap();
        unit.job_runs().release(&ended).await.unwrap();
        let targets = vec!["https://hook.example.com".to_owned()];
        unit.alerts().check("size", 10, 11, &targets).await.unwrap().unwrap();
        let delivery = unit.alerts().undelivered().await.unwrap().remove(0).id;
        unit.commit().await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        let signer = SigningKey::create(&folder.path().join("key")).unwrap();
        let table = *TENANT_TABLES.iter().find(|table| table.name == "Request").unwrap();
        let unit = world.platform().await.unwrap();
        let empty = unit
            .agency_administration()
            .add(NewAgency { name: "empty".into(), domain: Some("empty.example.com".into()) });
        let empty = empty.await.unwrap().id;
        unit.settings().ensure().await.unwrap();
        unit.usage().list(None, PageRequest::default()).await.unwrap();
        let row = unit.tenant_transfer().rows_after(table, &tenant, None, 100).await.unwrap();
        let row = row.rows.into_iter().find(|row| row["id"] == gone.as_str()).unwrap();
        unit.requests().remove(&gone).await.unwrap();
        unit.requests().purge(&gone).await.unwrap();
        let seal = unit.tenant_transfer().seal_file(DIGEST).await.unwrap().unwrap();
        unit.commit().await.unwrap();
        let unit = world.platform().await.unwrap();
        unit.audit_seals().seal(&signer, 5, 0).await.unwrap().unwrap();
        unit.commit().await.unwrap();
        drop(early);

        Self {
            scope: agency.scope(),
            tenant,
            agency: agency.agency.id.clone(),
            empty,
            member: member.user.id.clone(),
            leaver: leaver.user.id.clone(),
            email: agency.admin.user.email.clone(),
            session: agency.admin.session.clone(),
            admin,
            request,
            bare,
            deleted,
            task,
            deleted_task,
            mapping,
            one_time,
            account,
            api_key,
            ga4,
            search_console,
            signer,
            lease,
            ended,
            delivery,
            targets,
            now,
            removed: (table, row),
            seal,
            _folder: folder,
        }
    }
}

pub(crate) fn new_request(title: &str) -> NewRequest {
    NewRequest::new(title, RequestKind::Page)
}

pub(crate) fn secret() -> Secret<String> {
    Secret::from("a token")
}

/// Saves both connections of a user.
async fn connect(unit: &dyn TenantUnit, user: Option<UserId>) -> (Ga4Connection, SearchConsoleConnection) {
    let ga4 = NewGa4Connection { user: user.clone(), ..NewGa4Connection::new(secret()) };
    let search_console = NewSearchConsoleConnection { user, ..NewSearchConsoleConnection::new(secret()) };
    let ga4 = unit.ga4_connections().save(ga4).await.unwrap();
    (ga4, unit.search_console_connections().save(search_console).await.unwrap())
}
