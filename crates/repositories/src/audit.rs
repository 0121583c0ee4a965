//! The audit log: recorded in the transaction of the change, never changed after.

mod erasure;
mod reader;
mod rows;
mod seals;
mod structure;
mod tenant;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_audit::Event;
use rylie_entities::audit_log::{Column, Entity};
use rylie_entities::{AuditLog, Timestamp};
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, Condition};
use serde::Serialize;

use crate::tx::Tx;
use crate::{KeysetPage, KeysetRequest, Page, PageRequest, Result};

pub use reader::{AuditExtent, AuditReader, NumberedLeaf, StrayPage};
#[cfg(feature = "mock")]
pub use seals::MockAuditSealRepository;
pub use seals::{AuditSealRepository, NewSeal, RemovedBatches};

/// The audit log: a tenant's unit reads and writes the tenant's part.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuditRepository: Send + Sync {
    /// Records an event, with who acts in this unit and from where. It commits with the unit.
    ///
    /// An [ordinary](rylie_audit::Action::is_ordinary) event is left out while the setting `auditLogging` is off; other
    /// processes follow a change of it within ten seconds.
    async fn record(&self, event: Event) -> Result<()>;

    /// The newest first.
    async fn list(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditLog>>;

    /// As [`list`](Self::list), as a walk by cursor: one statement a page, however far, and no total.
    async fn list_after(&self, filter: AuditFilter, page: KeysetRequest) -> Result<KeysetPage<AuditLog>>;
}

/// Which records to list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AuditFilter {
    /// Only this action.
    pub action: Option<String>,
    /// Only of this table.
    pub resource: Option<String>,
    /// Only of this row.
    pub resource_id: Option<String>,
    /// Only what this actor did: a user's id, `job:<name>` or `platform:<name>`.
    pub actor: Option<String>,
    /// Only of this call.
    pub correlation: Option<String>,
    /// Only from this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Only before this instant.
    pub until: Option<DateTime<Utc>>,
}

impl AuditFilter {
    fn condition(self) -> Condition {
        Condition::all()
            .add_option(self.action.map(|action| Column::Action.eq(action)))
            .add_option(self.resource.map(|resource| Column::Resource.eq(resource)))
            .add_option(self.resource_id.map(|id| Column::ResourceId.eq(id)))
            .add_option(self.actor.map(|actor| Column::UserId.eq(actor)))
            .add_option(self.correlation.map(|correlation| Column::CorrelationId.eq(correlation)))
            .add_option(self.from.map(|from| Column::CreatedAt.gte(Timestamp::from(from))))
            .add_option(self.until.map(|until| Column::CreatedAt.lt(Timestamp::from(until))))
    }
}

#[async_trait]
impl AuditRepository for Tx {
    async fn record(&self, event: Event) -> Result<()> {
        rylie_tenancy::Tx::record(self, event).await
    }

    async fn list(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditLog>> {
        let rows = self.rows::<Entity>().filter(filter.condition());
        rows.listed(Order::Desc).page(page).await
    }

    async fn list_after(&self, filter: AuditFilter, page: KeysetRequest) -> Result<KeysetPage<AuditLog>> {
        self.rows::<Entity>().filter(filter.clone().condition()).walk(Order::Desc, &filter, &page).await
    }
}
