//! The tasks within requests.

mod many;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_entities::task::{ActiveModel, Column, Entity};
use rylie_entities::{
    Request, RequestId, RequestPriority, Task, TaskId, TaskStatus, TaskType, TenantId, UserId, request,
};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::prelude::Json;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, Condition, DerivePartialModel};
use serde::{Deserialize, Serialize};

use crate::label::labelled;
use crate::limits::{self, not_empty};
use crate::tx::Tx;
use crate::{BulkOutcome, KeysetPage, KeysetRequest, Page, PageRequest, Result};

/// Tasks: a tenant unit reaches those within its scope, a platform unit all.
///
/// Soft-deleted tasks are excluded, unless a method says otherwise.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TaskRepository: Send + Sync {
    /// Returns the task, or `None` if there is no such task within reach.
    async fn find(&self, id: &TaskId) -> Result<Option<Task>>;

    /// Returns those of the tasks that exist within reach, in no particular order. One statement for any number.
    async fn find_many(&self, ids: &[TaskId]) -> Result<Vec<Task>>;

    /// Returns one page, newest first.
    async fn list(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>>;

    /// As [`list`](Self::list), as a keyset walk: one statement per page at any depth, and no total.
    async fn list_after(&self, filter: TaskFilter, page: KeysetRequest) -> Result<KeysetPage<Task>>;

    /// Adds a task to a request. Fails with [`Error::NotFound`](crate::Error::NotFound) if the request is not within
    /// reach. Fails with [`Error::Invalid`](crate::Error::Invalid) for an empty title, and for a text or document that
    /// is too long.
    async fn add(&self, request: &RequestId, new: NewTask) -> Result<Task>;

    /// Changes the status. `startedAt` is set when it first becomes `IN_PROGRESS`. `completedAt` is set when it becomes
    /// `COMPLETED` and cleared when it is no longer.
    ///
    /// Fails with [`Error::NotFound`](crate::Error::NotFound) if there is no such task within reach.
    async fn set_status(&self, id: &TaskId, status: TaskStatus) -> Result<Task>;

    /// Soft-deletes the task. Recorded. Fails with [`Error::NotFound`](crate::Error::NotFound) if it is already
    /// soft-deleted.
    async fn remove(&self, id: &TaskId) -> Result<()>;

    /// Restores a soft-deleted task. Recorded. Fails with [`Error::NotFound`](crate::Error::NotFound) if it is not
    /// soft-deleted.
    async fn restore(&self, id: &TaskId) -> Result<Task>;

    /// Deletes a soft-deleted task permanently. Recorded. Administrators only: fails with
    /// [`Error::Forbidden`](crate::Error::Forbidden) for a scope that reaches only its own rows. Fails with
    /// [`Error::NotFound`](crate::Error::NotFound) if it is not soft-deleted.
    async fn purge(&self, id: &TaskId) -> Result<()>;

    /// Adds many tasks to requests, all or none. A task of a request that is not within reach is skipped and counts as
    /// not found. Fails with [`Error::Invalid`](crate::Error::Invalid) as [`add`](Self::add) does. Fails with
    /// [`Error::NotFound`](crate::Error::NotFound) if a request is deleted during the call.
    async fn add_many(&self, new: Vec<(RequestId, NewTask)>) -> Result<BulkOutcome>;

    /// As [`set_status`](Self::set_status), for any number of tasks, all or none. Two statements per 5,000.
    async fn set_status_many(&self, ids: &[TaskId], status: TaskStatus) -> Result<BulkOutcome>;

    /// As [`remove`](Self::remove), for any number of tasks, all or none. Each is recorded.
    async fn remove_many(&self, ids: &[TaskId]) -> Result<BulkOutcome>;

    /// As [`restore`](Self::restore), for any number of tasks, all or none. One statement per 5,000, and the statements
    /// that record them. A task that is not soft-deleted counts as not found.
    async fn restore_many(&self, ids: &[TaskId]) -> Result<BulkOutcome>;

    /// As [`purge`](Self::purge), for any number of tasks, all or none. A task that is not soft-deleted counts as not
    /// found. Fails with [`Error::Forbidden`](crate::Error::Forbidden) for a scope that reaches only its own rows.
    async fn purge_many(&self, ids: &[TaskId]) -> Result<BulkOutcome>;
}

/// A task to create. As JSON it has the names of the model (`type`, `targetUrl`, `dueDate`); unknown fields are refused.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTask {
    /// Not empty; 4,096 bytes at most.
    pub title: String,
    /// The kind of work.
    #[serde(rename = "type")]
    pub kind: TaskType,
    /// The work to be done.
    pub description: Option<String>,
    /// Its priority; the request's priority by default.
    pub priority: Option<RequestPriority>,
    /// The page to work on.
    pub target_url: Option<String>,
    /// When it is due.
    #[serde(rename = "dueDate")]
    pub due: Option<DateTime<Utc>>,
    /// Free-form data of programs.
    pub metadata: Option<Json>,
}

impl NewTask {
    /// Creates a task with a title and a kind only.
    pub fn new(title: impl Into<String>, kind: TaskType) -> Self {
        let title = title.into();
        Self { title, kind, description: None, priority: None, target_url: None, due: None, metadata: None }
    }
}

/// Selects tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TaskFilter {
    /// Only tasks of this request.
    pub request: Option<RequestId>,
    /// Only tasks with this status.
    pub status: Option<TaskStatus>,
    /// Only tasks of this kind.
    pub kind: Option<TaskType>,
    /// Only tasks due before this instant.
    pub due_before: Option<DateTime<Utc>>,
    /// Only soft-deleted tasks, instead of the others.
    pub deleted: bool,
}

impl TaskFilter {
    fn condition(self) -> Condition {
        use rylie_entities::Timestamp;
        Condition::all()
            .add(Column::Deleted.eq(self.deleted))
            .add_option(self.request.map(|request| Column::RequestId.eq(request)))
            .add_option(self.status.map(|status| labelled(Column::Status, &status)))
            .add_option(self.kind.map(|kind| Column::Kind.eq(kind)))
            .add_option(self.due_before.map(|due| Column::DueDate.lt(Timestamp::from(due))))
    }
}

#[async_trait]
impl TaskRepository for Tx {
    async fn find(&self, id: &TaskId) -> Result<Option<Task>> {
        self.of::<Entity>().find(id).await
    }

    async fn find_many(&self, ids: &[TaskId]) -> Result<Vec<Task>> {
        self.of::<Entity>().find_many(ids).await
    }

    async fn list(&self, filter: TaskFilter, page: PageRequest) -> Result<Page<Task>> {
        self.rows::<Entity>().filter(filter.condition()).listed(Order::Desc).at_once().page(page).await
    }

    async fn list_after(&self, filter: TaskFilter, page: KeysetRequest) -> Result<KeysetPage<Task>> {
        self.rows::<Entity>().filter(filter.clone().condition()).at_once().walk(Order::Desc, &filter, &page).await
    }

    async fn add(&self, request: &RequestId, new: NewTask) -> Result<Task> {
        let request = self.of::<request::Entity>().get(request).await?;
        let row = row(self, &Parent::of(&request), new)?;
        self.of::<Entity>().add(row).await.map_err(|error| error.reference_is_missing("Request"))
    }

    async fn set_status(&self, id: &TaskId, status: TaskStatus) -> Result<Task> {
        let before = self.of::<Entity>().get(id).await?;
        let now = self.now();
        let starts = status == TaskStatus::InProgress && before.started_at.is_none();
        let completed_at = match status {
            TaskStatus::Completed => before.completed_at.or(Some(now)),
            TaskStatus::Pending | TaskStatus::InProgress | TaskStatus::Cancelled => None,
        };
        let set = ActiveModel {
            status: Set(status),
            started_at: if starts { Set(Some(now)) } else { NotSet },
            completed_at: Set(completed_at),
            updated_at: Set(now),
            ..Default::default()
        };
        self.of::<Entity>().update(id, set).await
    }

    async fn remove(&self, id: &TaskId) -> Result<()> {
        self.of::<Entity>().remove(id).await
    }

    async fn restore(&self, id: &TaskId) -> Result<Task> {
        self.of::<Entity>().restore(id).await
    }

    async fn purge(&self, id: &TaskId) -> Result<()> {
        self.of::<Entity>().purge(id).await
    }

    async fn add_many(&self, new: Vec<(RequestId, NewTask)>) -> Result<BulkOutcome> {
        many::add(self, new).await
    }

    async fn set_status_many(&self, ids: &[TaskId], status: TaskStatus) -> Result<BulkOutcome> {
        many::set_status(self, ids, status).await
    }

    async fn remove_many(&self, ids: &[TaskId]) -> Result<BulkOutcome> {
        self.of::<Entity>().remove_many(ids).await
    }

    async fn restore_many(&self, ids: &[TaskId]) -> Result<BulkOutcome> {
        self.of::<Entity>().restore_many(ids).await
    }

    async fn purge_many(&self, ids: &[TaskId]) -> Result<BulkOutcome> {
        self.of::<Entity>().purge_many(ids).await
    }
}

pub(crate) fn present_in(request: &RequestId) -> Condition {
    Condition::all().add(Column::RequestId.eq(request)).add(Column::Deleted.eq(false))
}

/// The values that a task copies from its request, which the unit read or created.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "request::Entity")]
pub(crate) struct Parent {
    id: RequestId,
    tenant_id: TenantId,
    user_id: UserId,
    priority: RequestPriority,
}

impl Parent {
    pub(crate) fn of(request: &Request) -> Self {
        let Request { id, tenant_id, user_id, priority, .. } = request.clone();
        Self { id, tenant_id, user_id, priority }
    }
}

/// Builds the row. Every column is set, so that the row is known without reading it back.
pub(crate) fn row(tx: &Tx, request: &Parent, new: NewTask) -> Result<ActiveModel> {
    let now = tx.now();
    Ok(ActiveModel {
        id: Set(TaskId::generate(tx.env())),
        tenant_id: Set(request.tenant_id.clone()),
        user_id: Set(request.user_id.clone()),
        request_id: Set(request.id.clone()),
        title: Set(not_empty("the task's title", new.title)?),
        description: Set(new.description.map(|text| limits::text("the task's description", text)).transpose()?),
        kind: Set(new.kind),
        status: Set(TaskStatus::Pending),
        priority: Set(new.priority.unwrap_or(request.priority)),
        target_url: Set(new.target_url.map(|url| limits::line("the task's address", url)).transpose()?),
        target_city: Set(None),
        target_model: Set(None),
        keywords: Set(None),
        completed_url: Set(None),
        completed_title: Set(None),
        completed_notes: Set(None),
        due_date: Set(new.due.map(Into::into)),
        started_at: Set(None),
        completed_at: Set(None),
        metadata: Set(new.metadata.map(|data| limits::json("the task's metadata", data)).transpose()?),
        created_at: Set(now),
        updated_at: Set(now),
        deleted: Set(false),
        deleted_at: Set(None),
    })
}
