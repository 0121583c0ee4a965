//! The audit log: recorded in the transaction of the change, never changed after.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_audit::{Action, Event};
use rylie_entities::audit_log::{ActiveModel, Column, Entity};
use rylie_entities::{AuditLog, AuditLogId, TenantId, Timestamp};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, Condition};
use serde::Serialize;

use crate::fence::Tx;
use crate::{KeysetPage, KeysetRequest, Page, PageRequest, Result};

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
        if !self.records(&event).await? {
            return Ok(());
        }
        // No `RETURNING`: at some doors the log can be written and not be read.
        self.insert_many::<Entity>(vec![row(self, &event)]).await.map(|_| ())
    }

    async fn list(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditLog>> {
        let rows = self.rows::<Entity>().filter(filter.condition());
        rows.listed(Order::Desc).page(page).await
    }

    async fn list_after(&self, filter: AuditFilter, page: KeysetRequest) -> Result<KeysetPage<AuditLog>> {
        self.rows::<Entity>().filter(filter.clone().condition()).walk(Order::Desc, &filter, &page).await
    }
}

impl Tx {
    /// Records the same of each of many rows.
    pub(crate) async fn record_each(&self, action: &Action, resource: &'static str, ids: Vec<String>) -> Result<()> {
        let event = |id: String| row(self, &Event::new(action.clone()).on(resource, &id));
        let rows = ids.into_iter().map(event).collect();
        self.insert_many::<Entity>(rows).await.map(|_| ())
    }
}

fn row(tx: &Tx, event: &Event) -> ActiveModel {
    let who = tx.who();
    ActiveModel {
        id: Set(AuditLogId::generate(tx.env())),
        user_id: Set(who.actor.to_text()),
        action: Set(event.action().as_str().to_owned()),
        resource: Set(event.resource().to_owned()),
        resource_id: Set(event.resource_id().map(str::to_owned)),
        details: Set(Some(event.details().into())),
        ip_address: Set(who.origin.address.map(|address| address.to_string())),
        user_agent: Set(who.origin.stored_user_agent()),
        created_at: Set(tx.now()),
        tenant_id: Set(tx.tenant_or(TenantId::platform())),
        position: NotSet,
        on_behalf_of: Set(who.actor.on_behalf_of().map(ToString::to_string)),
        correlation_id: Set(who.origin.stored_correlation()),
    }
}
