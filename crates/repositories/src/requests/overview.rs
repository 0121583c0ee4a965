//! The overview of requests for a dashboard.

use std::collections::{BTreeMap, BTreeSet};

use rylie_entities::request::Entity;
use rylie_entities::{KeysetKey, KeysetRow, RequestId, RequestPriority, RequestStatus, Timestamp, UserId, task, user};
use rylie_tenancy::PageItem;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, Condition, DerivePartialModel};
use serde::Serialize;

use super::RequestFilter;
use crate::tx::Tx;
use crate::{KeysetPage, KeysetRequest, Result, UserSummary};

/// The short columns of a request.
#[derive(Clone, Debug, DerivePartialModel, Eq, PartialEq, Serialize)]
#[sea_orm(entity = "Entity")]
#[serde(rename_all = "camelCase")]
pub struct RequestSummary {
    /// The primary key.
    pub id: RequestId,
    /// The ordering user.
    pub user_id: UserId,
    /// The title; a single line.
    pub title: String,
    /// The kind of work.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its status.
    pub status: RequestStatus,
    /// Its priority.
    pub priority: RequestPriority,
    /// When the row was created.
    pub created_at: Timestamp,
    /// When it became `COMPLETED`.
    pub completed_at: Option<Timestamp>,
}

/// A request in a list, with its user. In JSON the request's fields are followed by `user` and `tasks`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RequestOverview {
    /// The request.
    #[serde(flatten)]
    pub request: RequestSummary,
    /// The ordering user; `None` if the user has since moved to another tenant.
    pub user: Option<UserSummary>,
    /// Number of tasks that are not soft-deleted.
    pub tasks: u64,
}

impl PageItem for RequestOverview {
    const PLURAL: &'static str = "requests";
}

impl KeysetRow for RequestSummary {
    fn place(&self) -> KeysetKey {
        KeysetKey::at(self.created_at, self.id.as_str())
    }
}

pub(super) async fn page(tx: &Tx, filter: RequestFilter, page: &KeysetRequest) -> Result<KeysetPage<RequestOverview>> {
    let rows = tx.rows::<Entity>().filter(filter.clone().condition());
    let KeysetPage { items, next } = rows.walk_as::<RequestSummary>(Order::Desc, &filter, page).await?;
    if items.is_empty() {
        return Ok(KeysetPage { items: Vec::new(), next });
    }
    let mut tasks = tasks(tx, &items).await?;
    let users = users(tx, &items).await?;
    let overview = |request: RequestSummary| RequestOverview {
        user: users.get(&request.user_id).cloned(),
        tasks: tasks.remove(request.id.as_str()).unwrap_or_default(),
        request,
    };
    Ok(KeysetPage { items: items.into_iter().map(overview).collect(), next })
}

async fn users(tx: &Tx, requests: &[RequestSummary]) -> Result<BTreeMap<UserId, UserSummary>> {
    let ids: BTreeSet<_> = requests.iter().map(|request| request.user_id.to_string()).collect();
    let users = tx.rows::<user::Entity>().filter(tx.one_of(user::Column::Id, ids)).all_as::<UserSummary>().await?;
    Ok(users.into_iter().map(|user| (user.id.clone(), user)).collect())
}

async fn tasks(tx: &Tx, requests: &[RequestSummary]) -> Result<BTreeMap<String, u64>> {
    let ids = requests.iter().map(|request| request.id.to_string());
    let present = Condition::all().add(tx.one_of(task::Column::RequestId, ids)).add(task::Column::Deleted.eq(false));
    let counts = tx.rows::<task::Entity>().filter(present).count_by(task::Column::RequestId).await?;
    Ok(counts.into_iter().map(|(request, tasks)| (request, tasks.unsigned_abs())).collect())
}
