//! Attacker and victim, and what they have.

use rylie_db::entities::{MonthlyUsage, Request, Task, TaskType};
use rylie_db::prelude::{NewRequest, NewTask, Progress, Secret, TenantScope, TenantUnit};
use rylie_db::repositories::{NewGa4Connection, NewSearchConsoleConnection, NewSeoWorksMapping, PreferencesChanges};

use super::raw::Raw;
use crate::{Result, TestAgency, TestUser, World};

/// Two agencies of one database: one attacks the other. Each has rows in every table of the platform.
pub struct Stage<'w> {
    world: &'w World,
    /// Whose rows are to stay unseen and untouched.
    pub victim: Side<'w>,
    /// Who tries.
    pub attacker: Side<'w>,
}

/// One agency with its people and rows.
pub struct Side<'w> {
    /// The agency, with an administrator who is signed in.
    pub agency: TestAgency<'w>,
    /// Another user of it, with the role `USER`.
    pub member: TestUser<'w>,
    /// A request of the administrator's, with tasks.
    pub request: Request,
    /// A task of that request.
    pub task: Task,
    /// A soft-deleted request.
    pub deleted_request: Request,
    /// A soft-deleted task.
    pub deleted_task: Task,
    /// The task at SEOWorks that is mapped to the request.
    pub seoworks_task: String,
    /// A closed month of the administrator's.
    pub usage: MonthlyUsage,
}

impl<'w> Stage<'w> {
    pub(super) async fn set(world: &'w World) -> Result<Self> {
        Ok(Self { world, victim: Side::make(world).await?, attacker: Side::make(world).await? })
    }

    /// The database under attack.
    #[must_use]
    pub fn world(&self) -> &'w World {
        self.world
    }
}

impl<'w> Side<'w> {
    async fn make(world: &'w World) -> Result<Self> {
        let agency = world.agency().await?;
        let member = agency.user().await?;
        let admin = agency.admin.user.id.clone();
        let unit = agency.unit().await?;
        let request = unit.requests().add(new_request("kept")).await?;
        let deleted_request = unit.requests().add(new_request("deleted")).await?;
        unit.requests().remove(deleted_request.id.clone()).await?;
        let task = unit.tasks().add(request.id.clone(), NewTask::new("kept", TaskType::Page)).await?;
        let deleted_task = unit.tasks().add(request.id.clone(), NewTask::new("deleted", TaskType::Page)).await?;
        unit.tasks().remove(deleted_task.id.clone()).await?;
        let seoworks_task = format!("seoworks-{}", request.id);
        let mapping = NewSeoWorksMapping { request: request.id.clone(), seoworks_task: seoworks_task.clone(), kind: "page".into() };
        unit.seoworks_mappings().save_many(vec![mapping], Progress::none()).await?;
        unit.preferences().save(admin.clone(), PreferencesChanges::default()).await?;
        unit.ga4_connections().save(ga4(None)).await?;
        unit.search_console_connections().save(search_console(None)).await?;
        unit.commit().await?;
        let usage = close_a_month(world, &agency).await?;
        Ok(Self { agency, member, request, task, deleted_request, deleted_task, seoworks_task, usage })
    }

    /// The tenant's key, as it is in `"tenantId"`.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.agency.agency.id.as_str()
    }

    /// The administrator's scope: all rows of the agency.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        self.agency.scope()
    }

    /// A unit within the administrator's reach.
    pub async fn unit(&self) -> Result<Box<dyn TenantUnit>> {
        self.agency.unit().await
    }
}

/// Of a month long past, so that it is no matter what the world's clock says. By SQL: what closes months is a job for all
/// tenants at once.
async fn close_a_month(world: &World, agency: &TestAgency<'_>) -> Result<MonthlyUsage> {
    let (user, tenant) = (&agency.admin.user.id, &agency.agency.id);
    let insert = format!(
        r#"INSERT INTO "MonthlyUsage" (id, "userId", month, year, "packageType", "tenantId", "archivedAt", "pagesUsed")
           VALUES ('usage-{user}', '{user}', 1, 2020, 'GOLD', '{tenant}', '2020-02-01 00:00:00', 7)"#
    );
    Raw::connect(world.url()).await?.run(&insert).await?;
    let unit = agency.unit().await?;
    let usage = unit.usage().find(user.clone(), 2020, 1).await?;
    Ok(usage.ok_or(rylie_db::repositories::Error::NotFound { entity: "MonthlyUsage" })?)
}

pub(super) fn new_request(title: &str) -> NewRequest {
    NewRequest { title: title.to_owned(), kind: "page".to_owned(), ..NewRequest::default() }
}

pub(super) fn ga4(user: Option<rylie_db::prelude::UserId>) -> NewGa4Connection {
    let access_token = Secret::from("token");
    NewGa4Connection { user, access_token, refresh_token: None, expires: None, property_id: None, property_name: None }
}

pub(super) fn search_console(user: Option<rylie_db::prelude::UserId>) -> NewSearchConsoleConnection {
    NewSearchConsoleConnection { user, access_token: Secret::from("token"), refresh_token: None, expires: None, site_url: None, site_name: None }
}
