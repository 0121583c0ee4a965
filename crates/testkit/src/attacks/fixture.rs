//! Attacker and victim, and their rows.

use std::panic::Location;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rylie_db::entities::{Ga4Connection, MonthlyUsage, PackageType, Request, SeoWorksTaskMapping, Task, TaskType};
use rylie_db::prelude::{
    NewRequest, NewTask, PageRequest, Patch, RequestFilter, RequestId, RequestKind, Secret, StoreExt, TaskFilter,
    TenantScope, TenantUnit, UnitOptions, UserId,
};
use rylie_db::repositories::{
    NewAccount, NewGa4Connection, NewSearchConsoleConnection, NewSeoWorksMapping, PreferencesChanges, Server,
    UserChanges, UserFilter,
};

use crate::{Error, Result, TestAgency, TestUser, World};

/// The longest wait for a replica to show the rows under attack.
const PATIENCE: Duration = Duration::from_mins(1);

/// Two agencies of one database: one attacks the other. Each has rows in every table of the platform.
pub struct Fixture<'w> {
    world: &'w World,
    /// The options of units on a replica; `None` for attacks on the primary.
    on_replicas: Option<UnitOptions>,
    /// The side whose rows must stay invisible and unchanged.
    pub victim: Side<'w>,
    /// The attacking side.
    pub attacker: Side<'w>,
}

/// One agency with its users and rows.
pub struct Side<'w> {
    /// The agency, with a signed-in administrator.
    pub agency: TestAgency<'w>,
    /// Another user of the agency, with the role `USER`.
    pub member: TestUser<'w>,
    /// A request of the administrator, with tasks.
    pub request: Request,
    /// A task of that request.
    pub task: Task,
    /// A soft-deleted request.
    pub deleted_request: Request,
    /// A soft-deleted task.
    pub deleted_task: Task,
    /// The task at SEOWorks that is mapped to the request.
    pub mapping: SeoWorksTaskMapping,
    /// The administrator's connection to Google Analytics 4.
    pub connection: Ga4Connection,
    /// A closed month of the administrator.
    pub usage: MonthlyUsage,
}

impl<'w> Fixture<'w> {
    pub(super) async fn set(world: &'w World) -> Result<Self> {
        Ok(Self { world, on_replicas: None, victim: Side::make(world).await?, attacker: Side::make(world).await? })
    }

    /// Builds the same and waits until a replica shows it.
    pub(super) async fn set_on_replicas(world: &'w World) -> Result<Self> {
        let fixture = Self::set(world).await?;
        let position = fixture.attacker.unit().await?.log_position().await?;
        let on_replicas = Some(UnitOptions::read_only().after(position));
        let (fixture, begun) = (Self { on_replicas, ..fixture }, Instant::now());
        while let Err(error) = fixture.unit(&fixture.attacker.scope()).await {
            if begun.elapsed() > PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(fixture)
    }

    /// Opens a unit for an attack.
    pub(super) async fn unit(&self, scope: &TenantScope) -> Result<Box<dyn TenantUnit>> {
        self.open(scope, UnitOptions::default()).await
    }

    /// Opens one of several concurrent read-only units.
    pub(super) async fn read_only(&self, scope: &TenantScope) -> Result<Box<dyn TenantUnit>> {
        self.open(scope, UnitOptions::read_only()).await
    }

    async fn open(&self, scope: &TenantScope, options: UnitOptions) -> Result<Box<dyn TenantUnit>> {
        let unit =
            self.world.store().open_tenant(scope, self.on_replicas.unwrap_or(options), Location::caller()).await?;
        if self.on_replicas.is_some() && unit.server() == Server::Primary {
            return Err(Error::NotOnReplica);
        }
        Ok(unit)
    }

    /// Returns the database under attack.
    #[must_use]
    pub fn world(&self) -> &'w World {
        self.world
    }
}

impl<'w> Side<'w> {
    async fn make(world: &'w World) -> Result<Self> {
        let mut agency = world.agency().await?;
        let member = agency.user().await?;
        let admin = agency.admin.user.id.clone();
        let unit = agency.unit().await?;
        let request = unit.requests().add(new_request("kept")).await?;
        unit.requests().add(new_request("another")).await?;
        let deleted_request = unit.requests().add(new_request("deleted")).await?;
        unit.requests().remove(&deleted_request.id).await?;
        let task = unit.tasks().add(&request.id, NewTask::new("kept", TaskType::Page)).await?;
        let deleted_task = unit.tasks().add(&request.id, NewTask::new("deleted", TaskType::Page)).await?;
        unit.tasks().remove(&deleted_task.id).await?;
        let mapping =
            unit.seoworks_mappings().add(mapped_to(request.id.clone(), &format!("seoworks-{}", request.id))).await?;
        unit.preferences().save(&admin, PreferencesChanges::default()).await?;
        let connection = unit.ga4_connections().save(ga4(None)).await?;
        unit.search_console_connections().save(search_console(None)).await?;
        unit.commit().await?;
        link_account(world, &admin).await?;
        let usage = close_a_month(world, &agency).await?;
        // Sign in again: closing a month moved the clock past the session's expiry.
        agency.admin = world.sign_in(&agency.admin.user).await?;
        let member = world.sign_in(&member.user).await?;
        Ok(Self { agency, member, request, task, deleted_request, deleted_task, mapping, connection, usage })
    }

    /// Returns the tenant key, as stored in `"tenantId"`.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.agency.agency.id.as_str()
    }

    /// Returns the administrator's scope: all rows of the agency.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        self.agency.scope()
    }

    /// Returns the agency's rows as its administrator sees them, so that changes by an attack show.
    pub(super) async fn picture(&self) -> Result<Vec<String>> {
        let (unit, page) = (self.unit().await?, whole_list());
        let admin = || self.agency.admin.user.id.clone();
        let mut picture = Vec::new();
        for deleted in [false, true] {
            let requests = unit.requests().list(RequestFilter { deleted, ..Default::default() }, page).await?;
            let tasks = unit.tasks().list(TaskFilter { deleted, ..Default::default() }, page).await?;
            picture.extend([format!("{:?}", requests.items), format!("{:?}", tasks.items)]);
        }
        picture.push(format!("{:?}", unit.users().list(UserFilter::default(), page).await?.items));
        picture.push(format!("{:?}", unit.agencies().list(page).await?.items));
        picture.push(format!("{:?}", unit.seoworks_mappings().list(page).await?.items));
        picture.push(format!("{:?}", unit.usage().list(None, page).await?.items));
        picture.push(format!("{:?}", unit.preferences().find(&admin()).await?));
        picture.push(format!("{:?}", unit.ga4_connections().find(&admin()).await?));
        picture.push(format!("{:?}", unit.search_console_connections().find(&admin()).await?));
        Ok(picture)
    }

    /// Opens a unit with the administrator's reach.
    pub async fn unit(&self) -> Result<Box<dyn TenantUnit>> {
        self.agency.unit().await
    }
}

/// Counts one use in this month and one in the next, which closes this month.
async fn close_a_month(world: &World, agency: &TestAgency<'_>) -> Result<MonthlyUsage> {
    let admin = &agency.admin.user.id;
    let unit = agency.unit().await?;
    let package = UserChanges { package: Patch::Set(PackageType::Gold), ..UserChanges::default() };
    unit.users().update(admin, package).await?;
    unit.idempotency().claim("a call", "its fingerprint").await?;
    unit.idempotency().answer("a call", "its answer").await?;
    unit.usage().use_page(admin, "this month's").await?;
    world.env().forward(TimeDelta::days(32));
    unit.usage().use_page(admin, "the next month's").await?;
    let closed = unit.usage().list(Some(admin.clone()), PageRequest::default()).await?.items.pop();
    unit.commit().await?;
    Ok(closed.ok_or(rylie_db::repositories::Error::NotFound { entity: "MonthlyUsage" })?)
}

async fn link_account(world: &World, user: &UserId) -> Result<()> {
    let unit = world.store().identity().await?;
    let account = NewAccount {
        user: user.clone(),
        kind: "oauth".to_owned(),
        provider: "google".to_owned(),
        provider_account: format!("google-{user}"),
        refresh_token: None,
        access_token: Some(Secret::from("token")),
        id_token: None,
        expires_at: None,
        scope: None,
    };
    unit.accounts().link(account).await?;
    Ok(unit.commit().await?)
}

pub(super) fn mapped_to(request: RequestId, seoworks_task: &str) -> NewSeoWorksMapping {
    NewSeoWorksMapping { request, seoworks_task: seoworks_task.to_owned(), kind: "page".to_owned() }
}

/// Returns a page that exceeds the rows of either side.
pub(super) fn whole_list() -> PageRequest {
    PageRequest::new(PageRequest::MAX_LIMIT, 0)
}

pub(super) fn new_request(title: &str) -> NewRequest {
    NewRequest::new(title.to_owned(), RequestKind::Page)
}

pub(super) fn ga4(user: Option<UserId>) -> NewGa4Connection {
    let access_token = Secret::from("token");
    NewGa4Connection { user, access_token, refresh_token: None, expires: None, property_id: None, property_name: None }
}

pub(super) fn search_console(user: Option<UserId>) -> NewSearchConsoleConnection {
    NewSearchConsoleConnection {
        user,
        access_token: Secret::from("token"),
        refresh_token: None,
        expires: None,
        site_url: None,
        site_name: None,
    }
}
