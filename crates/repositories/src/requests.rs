//! Requests for SEO work.

mod many;
mod overview;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use rylie_audit::{Action, Event};
use rylie_entities::request::{ActiveModel, Column, Entity};
use rylie_entities::{
    PackageType, Request, RequestId, RequestPriority, RequestStatus, Task, TenantId, User, UserId, task, user,
};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::prelude::Json;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, Condition};
use serde::Serialize;

use crate::audit::AuditRepository;
use crate::fence::Tx;
use crate::soft_deletion::{self, SoftDeletable};
use crate::tasks::{self, NewTask};
use crate::{BulkOutcome, Error, KeysetPage, KeysetRequest, Page, PageRequest, Progress, Result};

pub use overview::{RequestOverview, RequestSummary};

/// Requests: at the tenant's door those within the scope's reach, at the platform's all.
///
/// Soft-deleted requests are left out, except where a method says so.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait RequestRepository: Send + Sync {
    /// The request, or `None` if there is no such request within reach.
    async fn find(&self, id: RequestId) -> Result<Option<Request>>;

    /// As [`find`](Self::find), or [`Error::NotFound`].
    async fn get(&self, id: RequestId) -> Result<Request>;

    /// The request with its user and its tasks, oldest first: three statements, however many tasks.
    async fn get_with_tasks(&self, id: RequestId) -> Result<RequestWithTasks>;

    /// The newest first.
    async fn list(&self, filter: RequestFilter, page: PageRequest) -> Result<Page<Request>>;

    /// As [`list`](Self::list), as a walk by cursor: one statement a page, however far, and no total.
    async fn list_after(&self, filter: RequestFilter, page: KeysetRequest) -> Result<KeysetPage<Request>>;

    /// As [`list_after`](Self::list_after), as a dashboard shows it: only the short columns, with who ordered each and
    /// how many tasks it has. Three statements, however many rows.
    async fn overview(&self, filter: RequestFilter, page: KeysetRequest) -> Result<KeysetPage<RequestOverview>>;

    /// Makes a request.
    async fn add(&self, new: NewRequest) -> Result<Request>;

    /// Makes a request and its tasks: two statements, up to some thousand tasks.
    async fn add_with_tasks(&self, new: NewRequest, tasks: Vec<NewTask>) -> Result<RequestWithTasks>;

    /// Changes what is named in `changes`.
    async fn update(&self, id: RequestId, changes: RequestChanges) -> Result<Request>;

    /// Changes the status; `completedAt` is set when it becomes `COMPLETED` and cleared when it is no longer.
    async fn set_status(&self, id: RequestId, status: RequestStatus) -> Result<Request>;

    /// Soft-deletes the request. Recorded. [`Error::NotFound`] if it already is.
    async fn remove(&self, id: RequestId) -> Result<()>;

    /// Brings a soft-deleted request back. Recorded. [`Error::NotFound`] if it is not soft-deleted.
    async fn restore(&self, id: RequestId) -> Result<Request>;

    /// Makes many requests, all or none. Those for a user who is not within reach are not made and count as not found.
    async fn add_many(&self, new: Vec<NewRequest>, progress: Progress) -> Result<BulkOutcome>;

    /// As [`set_status`](Self::set_status), for any number of requests, all or none: two statements for every 5,000.
    async fn set_status_many(
        &self,
        ids: Vec<RequestId>,
        status: RequestStatus,
        progress: Progress,
    ) -> Result<BulkOutcome>;

    /// As [`remove`](Self::remove), for any number of requests, all or none. Each is recorded.
    async fn remove_many(&self, ids: Vec<RequestId>, progress: Progress) -> Result<BulkOutcome>;

    /// As [`restore`](Self::restore), for any number of requests, all or none. Each is recorded.
    async fn restore_many(&self, ids: Vec<RequestId>, progress: Progress) -> Result<BulkOutcome>;

    /// Removes any number of soft-deleted requests for good, with their tasks, all or none. Each is recorded. Administrators only.
    /// Those that are not soft-deleted count as not found.
    async fn purge_many(&self, ids: Vec<RequestId>, progress: Progress) -> Result<BulkOutcome>;

    /// Removes a soft-deleted request for good, with its tasks. Recorded. Administrators only.
    async fn purge(&self, id: RequestId) -> Result<()>;
}

/// A request to be made.
#[derive(Clone, Debug, Default)]
pub struct NewRequest {
    /// Who orders it: the signed-in user unless another is named, which only administrators may.
    pub user: Option<UserId>,
    /// One line; not empty.
    pub title: String,
    /// What is wanted.
    pub description: String,
    /// The kind of work, such as `page`; not empty.
    pub kind: String,
    /// How urgent it is; [`RequestPriority::Medium`] unless named.
    pub priority: Option<RequestPriority>,
    /// The package it is charged to.
    pub package: Option<PackageType>,
    /// Search terms.
    pub keywords: Option<Json>,
    /// The page to work on.
    pub target_url: Option<String>,
}

/// What to change of a request; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct RequestChanges {
    /// One line; not empty.
    pub title: Option<String>,
    /// What is wanted.
    pub description: Option<String>,
    /// How urgent it is.
    pub priority: Option<RequestPriority>,
    /// Where the result is.
    pub content_url: Option<String>,
    /// Title of the result.
    pub page_title: Option<String>,
}

/// Which requests to list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RequestFilter {
    /// Only those with this status.
    pub status: Option<RequestStatus>,
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Soft-deleted ones instead of the others.
    pub deleted: bool,
}

/// A request, who ordered it, and its tasks.
#[derive(Clone, Debug)]
pub struct RequestWithTasks {
    /// The request.
    pub request: Request,
    /// Who ordered it; `None` if the user has since moved to another tenant.
    pub user: Option<User>,
    /// Its tasks that are not soft-deleted, oldest first.
    pub tasks: Vec<Task>,
}

impl RequestFilter {
    fn condition(self) -> Condition {
        Condition::all()
            .add(Column::Deleted.eq(self.deleted))
            .add_option(self.status.map(|status| Column::Status.eq(status)))
            .add_option(self.user.map(|user| Column::UserId.eq(user)))
            .add_option(self.kind.map(|kind| Column::Kind.eq(kind)))
    }
}

#[async_trait]
impl RequestRepository for Tx {
    async fn find(&self, id: RequestId) -> Result<Option<Request>> {
        self.rows::<Entity>().filter(present(&id)).one().await
    }

    async fn get(&self, id: RequestId) -> Result<Request> {
        self.rows::<Entity>().filter(present(&id)).get("Request").await
    }

    async fn get_with_tasks(&self, id: RequestId) -> Result<RequestWithTasks> {
        let request = RequestRepository::get(self, id).await?;
        let user = self.rows::<user::Entity>().filter(user::Column::Id.eq(&request.user_id)).one().await?;
        let tasks = self.rows::<task::Entity>().filter(tasks::present_in(&request.id));
        let tasks = tasks.order(Order::Asc, task::Column::CreatedAt, task::Column::Id).all().await?;
        Ok(RequestWithTasks { request, user, tasks })
    }

    async fn list(&self, filter: RequestFilter, page: PageRequest) -> Result<Page<Request>> {
        let rows = self.rows::<Entity>().filter(filter.condition());
        rows.order(Order::Desc, Column::CreatedAt, Column::Id).page(page).await
    }

    async fn list_after(&self, filter: RequestFilter, page: KeysetRequest) -> Result<KeysetPage<Request>> {
        self.rows::<Entity>().filter(filter.clone().condition()).walk(Order::Desc, &filter, &page).await
    }

    async fn overview(&self, filter: RequestFilter, page: KeysetRequest) -> Result<KeysetPage<RequestOverview>> {
        overview::page(self, filter, &page).await
    }

    async fn add(&self, new: NewRequest) -> Result<Request> {
        let owner = self.owner(new.user.clone()).await?;
        self.insert::<Entity>(row(self, new, &owner)?).await
    }

    async fn add_with_tasks(&self, new: NewRequest, tasks: Vec<NewTask>) -> Result<RequestWithTasks> {
        let user = self.owner(new.user.clone()).await?;
        let request = self.insert::<Entity>(row(self, new, &user)?).await?;
        let tasks = tasks::insert(self, &request, tasks).await?;
        Ok(RequestWithTasks { request, user: Some(user), tasks })
    }

    async fn update(&self, id: RequestId, changes: RequestChanges) -> Result<Request> {
        let mut set = ActiveModel { updated_at: Set(self.now()), ..Default::default() };
        if let Some(title) = changes.title {
            set.title = Set(not_empty("the title", title)?);
        }
        set.description = changes.description.map_or(NotSet, Set);
        set.priority = changes.priority.map_or(NotSet, Set);
        set.content_url = changes.content_url.map_or(NotSet, |url| Set(Some(url)));
        set.page_title = changes.page_title.map_or(NotSet, |title| Set(Some(title)));
        self.update_one::<Entity>(set, present(&id), "Request").await
    }

    async fn set_status(&self, id: RequestId, status: RequestStatus) -> Result<Request> {
        let set = with_status(self, status);
        // Completed once stays completed at its first time.
        let changing = present(&id).add(Column::Status.ne(status));
        match self.update::<Entity>(set, changing).await?.pop() {
            Some(request) => Ok(request),
            None => RequestRepository::get(self, id).await,
        }
    }

    async fn remove(&self, id: RequestId) -> Result<()> {
        self.update_one::<Entity>(Entity::marked(self, true), present(&id), "Request").await?;
        self.record(Event::new(Action::Deleted).on("Request", &id)).await
    }

    async fn restore(&self, id: RequestId) -> Result<Request> {
        let request = self.update_one::<Entity>(Entity::marked(self, false), deleted(&id), "Request").await?;
        self.record(Event::new(Action::Restored).on("Request", &id)).await?;
        Ok(request)
    }

    async fn add_many(&self, new: Vec<NewRequest>, progress: Progress) -> Result<BulkOutcome> {
        many::add(self, new, progress).await
    }

    async fn set_status_many(
        &self,
        ids: Vec<RequestId>,
        status: RequestStatus,
        progress: Progress,
    ) -> Result<BulkOutcome> {
        many::set_status(self, ids, status, progress).await
    }

    async fn remove_many(&self, ids: Vec<RequestId>, progress: Progress) -> Result<BulkOutcome> {
        soft_deletion::remove::<Entity>(self, ids, progress).await
    }

    async fn restore_many(&self, ids: Vec<RequestId>, progress: Progress) -> Result<BulkOutcome> {
        soft_deletion::restore::<Entity>(self, ids, progress).await
    }

    async fn purge_many(&self, ids: Vec<RequestId>, progress: Progress) -> Result<BulkOutcome> {
        soft_deletion::purge::<Entity>(self, ids, progress).await
    }

    async fn purge(&self, id: RequestId) -> Result<()> {
        self.administrators_only("purge requests")?;
        self.delete_one::<Entity>(deleted(&id), "Request").await?;
        self.record(Event::new(Action::Purged).on("Request", &id)).await
    }
}

fn with_status(tx: &Tx, status: RequestStatus) -> ActiveModel {
    let now = tx.now();
    ActiveModel {
        status: Set(status),
        completed_at: Set((status == RequestStatus::Completed).then_some(now)),
        updated_at: Set(now),
        ..Default::default()
    }
}

impl SoftDeletable for Entity {
    const NAME: &'static str = "Request";
    const ID: Column = Column::Id;
    const DELETED: Column = Column::Deleted;

    fn marked(tx: &Tx, deleted: bool) -> ActiveModel {
        let now = tx.now();
        let deleted_at = deleted.then_some(now);
        ActiveModel { deleted: Set(deleted), deleted_at: Set(deleted_at), updated_at: Set(now), ..Default::default() }
    }
}

pub(crate) fn present(id: &RequestId) -> Condition {
    Condition::all().add(Column::Id.eq(id)).add(Column::Deleted.eq(false))
}

/// Those of the named requests that this unit reaches.
pub(crate) async fn present_among(
    tx: &Tx,
    ids: impl Iterator<Item = &RequestId>,
) -> Result<BTreeMap<RequestId, Request>> {
    let named: BTreeSet<_> = ids.map(ToString::to_string).collect();
    let among = Condition::all().add(tx.one_of(Column::Id, named)).add(Column::Deleted.eq(false));
    let requests = tx.rows::<Entity>().filter(among).all().await?;
    Ok(requests.into_iter().map(|request| (request.id.clone(), request)).collect())
}

fn deleted(id: &RequestId) -> Condition {
    Condition::all().add(Column::Id.eq(id)).add(Column::Deleted.eq(true))
}

fn row(tx: &Tx, new: NewRequest, owner: &User) -> Result<ActiveModel> {
    let now = tx.now();
    Ok(ActiveModel {
        id: Set(RequestId::generate(tx.env())),
        tenant_id: Set(TenantId::of_user(&owner.id, owner.agency_id.as_ref())),
        user_id: Set(owner.id.clone()),
        agency_id: Set(owner.agency_id.clone()),
        title: Set(not_empty("the title", new.title)?),
        description: Set(new.description),
        kind: Set(not_empty("the kind of work", new.kind)?),
        priority: Set(new.priority.unwrap_or(RequestPriority::Medium)),
        status: Set(RequestStatus::Pending),
        package_type: Set(new.package),
        keywords: Set(new.keywords),
        target_url: Set(new.target_url),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    })
}

pub(crate) fn not_empty(what: &'static str, text: String) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::Invalid { what, reason: "it must not be empty" });
    }
    Ok(text)
}
