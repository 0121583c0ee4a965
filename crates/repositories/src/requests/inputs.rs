//! Inputs and results of the calls on requests.

use crate::Patch;
use crate::label::labelled;
use rylie_entities::request::Column;
use rylie_entities::{PackageType, Request, RequestKind, RequestPriority, RequestStatus, Task, User, UserId};
use sea_orm::prelude::Json;
use sea_orm::{ColumnTrait, Condition};
use serde::{Deserialize, Serialize, Serializer};

/// A request to create. As JSON it has the names of the model (`type`, `packageType`, `targetUrl`). JSON cannot set the
/// user, and unknown fields are refused.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRequest {
    /// The ordering user; the signed-in user by default. Only administrators may name another.
    #[serde(skip)]
    pub user: Option<UserId>,
    /// Not empty; 4,096 bytes at most.
    pub title: String,
    /// The work to be done.
    #[serde(default)]
    pub description: String,
    /// The kind of work; not empty.
    #[serde(rename = "type")]
    pub kind: RequestKind,
    /// Its priority; [`RequestPriority::Medium`] by default.
    pub priority: Option<RequestPriority>,
    /// The package that is charged.
    #[serde(rename = "packageType")]
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

/// Changes of a request; `None` and [`Patch::Keep`] keep the value. JSON with unknown fields is refused.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestChanges {
    /// Not empty; 4,096 bytes at most.
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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

/// A request with its user and its tasks. In JSON the request's fields are followed by `user`, with `id`, `name` and
/// `email`, and by `tasks`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestWithTasks {
    /// The request.
    #[serde(flatten)]
    pub request: Request,
    /// The ordering user; `None` if the user has since moved to another tenant.
    #[serde(serialize_with = "briefly")]
    pub user: Option<User>,
    /// Its tasks that are not soft-deleted, oldest first.
    pub tasks: Vec<Task>,
}

/// The part of a user that readers of a request see.
#[derive(Serialize)]
struct Brief<'a> {
    id: &'a UserId,
    name: Option<&'a str>,
    email: &'a str,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn briefly<S: Serializer>(user: &Option<User>, to: S) -> Result<S::Ok, S::Error> {
    let brief = user.as_ref().map(|user| Brief { id: &user.id, name: user.name.as_deref(), email: &user.email });
    brief.serialize(to)
}

impl RequestFilter {
    /// Returns whether the filter selects all requests that are not soft-deleted, or those of them with a status.
    pub(super) fn selects_by_status_only(&self) -> bool {
        *self == Self { status: self.status, ..Self::default() }
    }

    pub(super) fn condition(self) -> Condition {
        Condition::all()
            .add(Column::Deleted.eq(self.deleted))
            .add_option(self.status.map(|status| labelled(Column::Status, &status)))
            .add_option(self.user.map(|user| Column::UserId.eq(user)))
            .add_option(self.kind.map(|kind| Column::Kind.eq(kind.as_str())))
    }
}
