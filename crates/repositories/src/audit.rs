//! The audit log: records are written in the transaction of the change and never modified.

mod erasure;
mod leaf_page;
mod log_row;
pub(crate) mod long_texts;
mod reader;
mod relations;
mod rows;
mod seals;
mod shadows;
mod strays;
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

pub use leaf_page::{LeafPage, LeafPlace, PlacedLeaf, PlacedTenant};
pub(crate) use log_row::LongTexts;
pub use reader::{AuditExtent, AuditReader};
pub(crate) use rows::{
    DETAILS, SQLITE_KEY, TEXTS, canonical, cut, details, long_key_of, short, spelled, sqlite_text, text,
};
pub use seals::*;
pub use strays::StrayPage;

/// The audit log. A tenant unit reads and writes the tenant's part.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuditRepository: Send + Sync {
    /// Records an event with the caller and origin of this unit. It commits with the unit.
    ///
    /// [Ordinary](rylie_audit::Action::is_ordinary) events are skipped while the setting `auditLogging` is off. Other
    /// processes see a change of the setting within ten seconds.
    ///
    /// Fails with [`Error::Invalid`](crate::Error::Invalid) for a text of more than 1 MiB, and for details of more than
    /// 16 MiB.
    async fn record(&self, event: Event) -> Result<()>;

    /// Returns one page, newest first.
    async fn list(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditLog>>;

    /// As [`list`](Self::list), as a keyset walk: one statement per page at any depth, and no total.
    async fn list_after(&self, filter: AuditFilter, page: KeysetRequest) -> Result<KeysetPage<AuditLog>>;
}

/// Selects audit records.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AuditFilter {
    /// Only records of this action.
    pub action: Option<String>,
    /// Only records about this table.
    pub resource: Option<String>,
    /// Only records about this row.
    pub resource_id: Option<String>,
    /// Only records of this actor: a user's id, `job:<name>` or `platform:<name>`.
    pub actor: Option<String>,
    /// Only records of this call.
    pub correlation: Option<String>,
    /// Only records from this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Only records before this instant.
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
        self.rows::<Entity>().filter(filter.condition()).listed(Order::Desc).page(page).await
    }

    async fn list_after(&self, filter: AuditFilter, page: KeysetRequest) -> Result<KeysetPage<AuditLog>> {
        self.rows::<Entity>().filter(filter.clone().condition()).walk(Order::Desc, &filter, &page).await
    }
}
