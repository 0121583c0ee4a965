//! Inputs and results of the calls on requests.

use crate::Patch;
use crate::label::labelled;
use rylie_entities::request::Column;
use rylie_entities::{PackageType, Request, RequestKind, RequestPriority, RequestStatus, Task, User, UserId};
use sea_orm::prelude::Json;
use sea_orm::{ColumnTrait, Condition};
use serde::Serialize;

/// A request to create.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The ordering user; the signed-in user by default. Only administrators may name another.
    pub user: Option<UserId>,
    /// A single line; not empty.
    pub title: String,
    /// The work to be done.
    pub description: String,
    /// The kind of work; not empty.
    pub kind: RequestKind,
    /// Its priority; [`RequestPriority::Medium`] by default.
    pub priority: Option<RequestPriority>,
    /// The package that is charged.
    pub package: Option<PackageType>,
    /// Search terms.
    pub keywords: Option<Json>,
    /// The page to work on.
    pub target_url: Option<String>,
}

impl NewRequest {
    /// Creates a request of the signed-in user with a title and a kind only.
    pub fn new(title: impl Into<String>, kind: RequestKind) -> Self {
        Self {
            user: None,
            title: title.into(),
            description: String::new(),
            kind,
            priority: None,
            package: None,
            keywords: None,
            target_url: None,
        }
    }
}

/// Changes of a request; `None` and [`Patch::Keep`] keep the value.
#[derive(Clone, Debug, Default)]
pub struct RequestChanges {
    /// A single line; not empty.
    pub title: Option<String>,
    /// The work to be done.
    pub description: Option<String>,
    /// Its priority.
    pub priority: Option<RequestPriority>,
    /// URL of the result.
    pub content_url: Patch<String>,
    /// Title of the result.
    pub page_title: Patch<String>,
}

/// Selects requests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RequestFilter {
    /// Only requests with this status.
    pub status: Option<RequestStatus>,
    /// Only requests of this user.
    pub user: Option<UserId>,
    /// Only requests of this kind.
    pub kind: Option<RequestKind>,
    /// Only soft-deleted requests, instead of the others.
    pub deleted: bool,
}

/// A request with its user and its tasks.
#[derive(Clone, Debug)]
pub struct RequestWithTasks {
    /// The request.
    pub request: Request,
    /// The ordering user; `None` if the user has since moved to another tenant.
    pub user: Option<User>,
    /// Its tasks that are not soft-deleted, oldest first.
    pub tasks: Vec<Task>,
}

impl RequestFilter {
    pub(super) fn condition(self) -> Condition {
        Condition::all()
            .add(Column::Deleted.eq(self.deleted))
            .add_option(self.status.map(|status| labelled(Column::Status, &status)))
            .add_option(self.user.map(|user| Column::UserId.eq(user)))
            .add_option(self.kind.map(|kind| Column::Kind.eq(kind.as_str())))
    }
}
