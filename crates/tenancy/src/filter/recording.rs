//! Records audit events in the unit's own transaction.

use rylie_audit::{Action, Event};
use rylie_connection::{DbRole, UnitOptions, begin_next};
use rylie_entities::audit_log::{ActiveModel, Entity};
use rylie_entities::{AuditLogId, TenantId};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{EntityTrait, QueryTrait};
use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::filter::Tx;

impl Tx {
    /// Records an event with the unit's caller and origin. It commits with the unit. Skips an ordinary event while the
    /// platform's settings say so.
    pub async fn record(&self, event: Event) -> Result<()> {
        if !self.should_record(&event).await? {
            return Ok(());
        }
        // No `RETURNING`: some database roles may write the log but not read it.
        self.insert_many::<Entity>(vec![row(self, &event)]).await.map(|_| ())
    }

    /// Records an event as the only statement of this unit across tenants, commits, and begins the next one; one round
    /// trip. PostgreSQL only. Fails with [`Error::OutcomeUnknown`] if the connection breaks.
    pub(crate) async fn record_and_begin(mut self, event: &Event, options: UnitOptions) -> Result<Self> {
        let record = self.engine().build(&Entity::insert(row(&self, event)).into_query());
        let begun = self.transaction.take().ok_or(Error::Internal { what: "the unit", reason: "it has not begun" })?;
        let next = begin_next(&self.unit_context.pool, begun, &record, &DbRole::Platform, options).await?;
        self.transaction = OnceCell::new_with(Some(next));
        Ok(self)
    }

    /// Records the same event for each of many rows.
    pub async fn record_each(&self, action: &Action, resource: &'static str, ids: Vec<String>) -> Result<()> {
        let event = |id: String| row(self, &Event::new(action.clone()).on_row(resource, &id));
        let rows = ids.into_iter().map(event).collect();
        self.insert_many::<Entity>(rows).await.map(|_| ())
    }
}

pub(super) fn row(tx: &Tx, event: &Event) -> ActiveModel {
    let caller = tx.caller();
    ActiveModel {
        id: Set(AuditLogId::generate(tx.env())),
        user_id: Set(caller.actor.to_text()),
        action: Set(event.action().as_str().to_owned()),
        resource: Set(event.resource().to_owned()),
        resource_id: Set(event.resource_id().map(str::to_owned)),
        details: Set(Some(event.details().into())),
        ip_address: Set(caller.origin.address.map(|address| address.to_string())),
        user_agent: Set(caller.origin.stored_user_agent()),
        created_at: Set(tx.now()),
        tenant_id: Set(tx.tenant_or(TenantId::platform())),
        position: NotSet,
        on_behalf_of: Set(caller.actor.on_behalf_of().map(ToString::to_string)),
        correlation_id: Set(caller.origin.stored_correlation()),
    }
}
