//! Requests for SEO work.

mod at_once;
mod inputs;
mod many;
mod overview;
mod present;
mod seoworks_mappings;
mod status;

use async_trait::async_trait;
use rylie_entities::request::{ActiveModel, Column, Entity};
use rylie_entities::{
    AgencyId, Request, RequestId, RequestPriority, RequestStatus, TenantId, User, UserId, task, user,
};
use rylie_tenancy::{Change, change_many};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, DbBackend, TryIntoModel};

use crate::limits::{self, not_empty};
use crate::tasks::{self, NewTask};
use crate::tx::Tx;
use crate::{BulkOutcome, Error, KeysetPage, KeysetRequest, Page, PageRequest, Result};

pub(crate) use at_once::{add_and_commit, add_in_unit};
pub use inputs::{NewRequest, RequestChanges, RequestFilter, RequestWithTasks};
pub use overview::{RequestOverview, RequestSummary};
pub(crate) use present::present_among;
pub use seoworks_mappings::*;
pub(crate) use status::{set_status_and_commit, set_status_in_unit};
use status::{set_status_recorded, with_status};

/// Requests: a tenant unit reaches those within its scope, a platform unit all.
///
/// Soft-deleted requests are excluded, unless a method says otherwise.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait RequestRepository: Send + Sync {
    /// Returns the request, or `None` if there is no such request within reach.
    async fn find(&self, id: &RequestId) -> Result<Option<Request>>;

    /// Returns those of the requests that exist within reach, in no particular order. One statement for any number.
    async fn find_many(&self, ids: &[RequestId]) -> Result<Vec<Request>>;

    /// As [`find`](Self::find), but fails with [`Error::NotFound`].
    async fn get(&self, id: &RequestId) -> Result<Request>;

    /// As [`get`](Self::get), and locks the request until the unit ends. For a change that depends on the present
    /// state: another unit's change comes before the read or after this unit. On PostgreSQL a read-only unit cannot
    /// lock, and the call fails with [`Error::Invalid`].
    async fn get_for_update(&self, id: &RequestId) -> Result<Request>;

    /// Returns the request with its user and its tasks, oldest first. Three statements for any number of tasks. Fails
    /// with [`Error::NotFound`] as [`get`](Self::get) does.
    async fn get_with_tasks(&self, id: &RequestId) -> Result<RequestWithTasks>;

    /// Returns one page, newest first. The database keeps the total of a tenant's requests, and of those with a status: it
    /// costs the same for any length. Another filter counts the rows, and so do a scope that reaches only its own rows and
    /// a database that the old service shares.
    async fn list(&self, filter: RequestFilter, page: PageRequest) -> Result<Page<Request>>;

    /// As [`list`](Self::list), as a keyset walk: one statement per page at any depth, and no total.
    async fn list_after(&self, filter: RequestFilter, page: KeysetRequest) -> Result<KeysetPage<Request>>;

    /// As [`list_after`](Self::list_after), for a dashboard: only the short columns, with the user and the number of
    /// tasks of each request. Three statements for any number of rows.
    async fn overview(&self, filter: RequestFilter, page: KeysetRequest) -> Result<KeysetPage<RequestOverview>>;

    /// Creates a request.
    ///
    /// Fails with [`Error::NotFound`] if the ordering user is not within reach. Fails with [`Error::Forbidden`] for a
    /// super admin other than the caller within a tenant. Fails with [`Error::Invalid`] for an empty title or kind of
    /// work, and for a text or document that is too long. In a platform unit it also does without a user.
    async fn add(&self, new: NewRequest) -> Result<Request>;

    /// Creates a request and its tasks. On PostgreSQL one statement for any number of tasks in a tenant unit, and two
    /// in a platform unit. On SQLite three for some thousand tasks.
    ///
    /// Fails as [`add`](Self::add) does, and with [`Error::Invalid`] for a task with an empty title, or with a text or
    /// document that is too long.
    async fn add_with_tasks(&self, new: NewRequest, tasks: Vec<NewTask>) -> Result<RequestWithTasks>;

    /// Applies `changes`. Fails with [`Error::NotFound`] if there is no such request within reach, and with
    /// [`Error::Invalid`] for an empty title or a text that is too long.
    async fn update(&self, id: &RequestId, changes: RequestChanges) -> Result<Request>;

    /// Changes the status. `completedAt` is set when it becomes `COMPLETED` and cleared when it is no longer. Fails
    /// with [`Error::NotFound`] if there is no such request within reach.
    async fn set_status(&self, id: &RequestId, status: RequestStatus) -> Result<Request>;

    /// As [`set_status`](Self::set_status), and records `REQUEST_STATUS_CHANGED` unless the request has the status.
    async fn set_status_recorded(&self, id: &RequestId, status: RequestStatus) -> Result<Request>;

    /// Soft-deletes the request. Recorded. Fails with [`Error::NotFound`] if it is already soft-deleted.
    async fn remove(&self, id: &RequestId) -> Result<()>;

    /// Restores a soft-deleted request. Recorded. Fails with [`Error::NotFound`] if it is not soft-deleted.
    async fn restore(&self, id: &RequestId) -> Result<Request>;

    /// Deletes a soft-deleted request permanently, with its tasks. Recorded. Administrators only: fails with
    /// [`Error::Forbidden`] for a scope that reaches only its own rows. Fails with [`Error::NotFound`] if it is not
    /// soft-deleted.
    async fn purge(&self, id: &RequestId) -> Result<()>;

    /// Creates many requests, all or none. A request for a user who is not within reach is skipped and counts as not
    /// found. Fails with [`Error::Forbidden`] and [`Error::Invalid`] as [`add`](Self::add) does.
    async fn add_many(&self, new: Vec<NewRequest>) -> Result<BulkOutcome>;

    /// As [`set_status`](Self::set_status), for any number of requests, all or none. Two statements per 5,000.
    async fn set_status_many(&self, ids: &[RequestId], status: RequestStatus) -> Result<BulkOutcome>;

    /// As [`remove`](Self::remove), for any number of requests, all or none. Each is recorded.
    async fn remove_many(&self, ids: &[RequestId]) -> Result<BulkOutcome>;

    /// As [`restore`](Self::restore), for any number of requests, all or none. One statement per 5,000, and the
    /// statements that record them. A request that is not soft-deleted counts as not found.
    async fn restore_many(&self, ids: &[RequestId]) -> Result<BulkOutcome>;

    /// As [`purge`](Self::purge), for any number of requests, all or none. A request that is not soft-deleted counts as
    /// not found. Fails with [`Error::Forbidden`] for a scope that reaches only its own rows.
    async fn purge_many(&self, ids: &[RequestId]) -> Result<BulkOutcome>;
}

#[async_trait]
impl RequestRepository for Tx {
    async fn find(&self, id: &RequestId) -> Result<Option<Request>> {
        self.of::<Entity>().find(id).await
    }

    async fn find_many(&self, ids: &[RequestId]) -> Result<Vec<Request>> {
        self.of::<Entity>().find_many(ids).await
    }

    async fn get(&self, id: &RequestId) -> Result<Request> {
        self.of::<Entity>().get(id).await
    }

    async fn get_for_update(&self, id: &RequestId) -> Result<Request> {
        self.of::<Entity>().get_for_update(id).await
    }

    async fn get_with_tasks(&self, id: &RequestId) -> Result<RequestWithTasks> {
        let request = RequestRepository::get(self, id).await?;
        let user = self.rows::<user::Entity>().filter(user::Column::Id.eq(&request.user_id)).at_once().one().await?;
        let tasks = self.rows::<task::Entity>().filter(tasks::present_in(&request.id)).at_once();
        let tasks = tasks.listed(Order::Asc).all().await?;
        Ok(RequestWithTasks { request, user, tasks })
    }

    async fn list(&self, filter: RequestFilter, page: PageRequest) -> Result<Page<Request>> {
        let rows = self.rows::<Entity>().filter(filter.clone().condition()).listed(Order::Desc).at_once();
        let rows = if filter.selects_by_status_only() { rows.with_kept_total(filter.status) } else { rows };
        rows.page(page).await
    }

    async fn list_after(&self, filter: RequestFilter, page: KeysetRequest) -> Result<KeysetPage<Request>> {
        self.rows::<Entity>().filter(filter.clone().condition()).at_once().walk(Order::Desc, &filter, &page).await
    }

    async fn overview(&self, filter: RequestFilter, page: KeysetRequest) -> Result<KeysetPage<RequestOverview>> {
        overview::page(self, filter, &page).await
    }

    async fn add(&self, new: NewRequest) -> Result<Request> {
        Ok(self.add_with_tasks(new, Vec::new()).await?.request)
    }

    async fn add_with_tasks(&self, new: NewRequest, tasks: Vec<NewTask>) -> Result<RequestWithTasks> {
        let named = new.user.clone();
        let Some(scope) = self.scope().filter(|_| self.engine() == DbBackend::Postgres) else {
            let user = self.owner(named.as_ref()).await?;
            let (request, tasks) = rows(self, new, tasks, &user.id, user.agency_id.as_ref())?;
            self.insert_many::<Entity>(vec![request.clone()]).await?;
            self.insert_many::<task::Entity>(tasks.clone()).await?;
            return made(request, Some(user), tasks);
        };
        // A user of the scope's tenant belongs to the scope's agency.
        let id = self.user_or_own(named.as_ref())?;
        let (request, tasks) = rows(self, new, tasks, &id, scope.user().agency())?;
        let user = self.insert_for::<Entity, task::Entity>(scope, &id, request.clone(), tasks.clone()).await?;
        made(request, Some(user), tasks)
    }

    async fn update(&self, id: &RequestId, changes: RequestChanges) -> Result<Request> {
        let mut set = ActiveModel { updated_at: Set(self.now()), ..Default::default() };
        if let Some(title) = changes.title {
            set.title = Set(not_empty("the title", title)?);
        }
        if let Some(description) = changes.description {
            set.description = Set(limits::text("the description", description)?);
        }
        set.priority = changes.priority.map_or(NotSet, Set);
        set.content_url = changes.content_url.checked(|url| limits::line("the address", url))?.into_active();
        set.page_title = changes.page_title.checked(|title| limits::line("the page's title", title))?.into_active();
        self.of::<Entity>().update(id, set).await
    }

    async fn set_status(&self, id: &RequestId, status: RequestStatus) -> Result<Request> {
        // The first completion time is kept.
        let changing = self.of::<Entity>().filter(Column::Status.ne(status)).at_once();
        match changing.update(id, with_status(self, status)).await {
            Err(Error::NotFound { .. }) => RequestRepository::get(self, id).await,
            done => done,
        }
    }

    async fn set_status_recorded(&self, id: &RequestId, status: RequestStatus) -> Result<Request> {
        set_status_recorded(self, id, status).await
    }

    async fn remove(&self, id: &RequestId) -> Result<()> {
        self.of::<Entity>().remove(id).await
    }

    async fn restore(&self, id: &RequestId) -> Result<Request> {
        self.of::<Entity>().restore(id).await
    }

    async fn purge(&self, id: &RequestId) -> Result<()> {
        self.of::<Entity>().purge(id).await
    }

    async fn add_many(&self, new: Vec<NewRequest>) -> Result<BulkOutcome> {
        many::add(self, new).await
    }

    async fn set_status_many(&self, ids: &[RequestId], status: RequestStatus) -> Result<BulkOutcome> {
        let changing = Column::Status.ne(status);
        let change = Change { set: with_status(self, status), expressions: Vec::new(), changing };
        change_many::<Entity>(self, ids, change).await
    }

    async fn remove_many(&self, ids: &[RequestId]) -> Result<BulkOutcome> {
        self.of::<Entity>().remove_many(ids).await
    }

    async fn restore_many(&self, ids: &[RequestId]) -> Result<BulkOutcome> {
        self.of::<Entity>().restore_many(ids).await
    }

    async fn purge_many(&self, ids: &[RequestId]) -> Result<BulkOutcome> {
        self.of::<Entity>().purge_many(ids).await
    }
}

fn rows(
    tx: &Tx,
    new: NewRequest,
    tasks: Vec<NewTask>,
    user: &UserId,
    agency: Option<&AgencyId>,
) -> Result<(ActiveModel, Vec<task::ActiveModel>)> {
    let request = row(tx, new, user, agency)?;
    let parent = tasks::Parent::of(&request.clone().try_into_model()?);
    let tasks = tasks.into_iter().map(|task| tasks::row(tx, &parent, task)).collect::<Result<_>>()?;
    Ok((request, tasks))
}

fn made(request: ActiveModel, user: Option<User>, tasks: Vec<task::ActiveModel>) -> Result<RequestWithTasks> {
    let tasks = tasks.into_iter().map(|task| Ok(task.try_into_model()?)).collect::<Result<_>>()?;
    Ok(RequestWithTasks { request: request.try_into_model()?, user, tasks })
}

/// Builds the row. Every column is set, so that the row is known without reading it back.
fn row(tx: &Tx, new: NewRequest, user: &UserId, agency: Option<&AgencyId>) -> Result<ActiveModel> {
    let now = tx.now();
    Ok(ActiveModel {
        id: Set(RequestId::generate(tx.env())),
        tenant_id: Set(TenantId::of_user(user, agency)),
        user_id: Set(user.clone()),
        agency_id: Set(agency.cloned()),
        title: Set(not_empty("the title", new.title)?),
        description: Set(limits::text("the description", new.description)?),
        kind: Set(not_empty("the kind of work", new.kind.to_string())?),
        priority: Set(new.priority.unwrap_or(RequestPriority::Medium)),
        status: Set(RequestStatus::Pending),
        package_type: Set(new.package),
        keywords: Set(new.keywords.map(|keywords| limits::json("the keywords", keywords)).transpose()?),
        target_url: Set(new.target_url.map(|url| limits::line("the address", url)).transpose()?),
        pages_completed: Set(0),
        blogs_completed: Set(0),
        gbp_posts_completed: Set(0),
        improvements_completed: Set(0),
        target_cities: Set(None),
        target_models: Set(None),
        completed_tasks: Set(None),
        content_url: Set(None),
        page_title: Set(None),
        completed_at: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
        seoworks_task_id: Set(None),
        deleted: Set(false),
        deleted_at: Set(None),
    })
}
