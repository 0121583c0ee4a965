//! The audit log: recorded in the transaction of the change, never changed after.

use async_trait::async_trait;
use rylie_audit::Event;
use rylie_entities::audit_log::{ActiveModel, Column, Entity};
use rylie_entities::{AuditLog, AuditLogId, TenantId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, Condition};

use crate::fence::Tx;
use crate::{Page, PageRequest, Result};

/// The audit log: a tenant's unit reads and writes the tenant's part.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuditRepository: Send + Sync {
    /// Records an event, with who acts in this unit and from where. It commits with the unit.
    async fn record(&self, event: Event) -> Result<()>;

    /// The newest first.
    async fn list(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditLog>>;
}

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only this action.
    pub action: Option<String>,
    /// Only of this table.
    pub resource: Option<String>,
    /// Only of this row.
    pub resource_id: Option<String>,
}

impl AuditFilter {
    fn condition(self) -> Condition {
        Condition::all()
            .add_option(self.action.map(|action| Column::Action.eq(action)))
            .add_option(self.resource.map(|resource| Column::Resource.eq(resource)))
            .add_option(self.resource_id.map(|id| Column::ResourceId.eq(id)))
    }
}

#[async_trait]
impl AuditRepository for Tx {
    async fn record(&self, event: Event) -> Result<()> {
        let who = self.who();
        let row = ActiveModel {
            id: Set(AuditLogId::generate(self.env())),
            user_id: Set(who.actor.to_text()),
            action: Set(event.action().as_str().to_owned()),
            resource: Set(event.resource().to_owned()),
            resource_id: Set(event.resource_id().map(str::to_owned)),
            details: Set(Some(event.details())),
            ip_address: Set(who.origin.address.map(|address| address.to_string())),
            user_agent: Set(who.origin.stored_user_agent()),
            created_at: Set(self.now()),
            tenant_id: Set(self.tenant_or(TenantId::platform())),
        };
        // No `RETURNING`: at some doors the log can be written and not be read.
        self.insert_many::<Entity>(vec![row]).await.map(|_| ())
    }

    async fn list(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditLog>> {
        let rows = self.rows::<Entity>().filter(filter.condition());
        rows.order(Order::Desc, Column::CreatedAt, Column::Id).page(page).await
    }
}
