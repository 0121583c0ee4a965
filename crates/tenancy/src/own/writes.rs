//! Writes to own tables.

use rylie_audit::{Action, Event};
use rylie_entities::{OwnTable, SoftDeleted};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, IdenStatic, Iterable, ModelTrait, TryIntoModel, Value};

use super::{Refused, Table};
use crate::bulk::{Bulk, BulkOutcome};
use crate::error::{Error, Result};
use crate::soft_delete::SoftDeleteOp;
use crate::soft_deleted::{among, one};

impl<E: OwnTable> Table<'_, E>
where
    E::ActiveModel: TryIntoModel<E::Model>,
{
    /// Adds a row. Columns without a value get their defaults: a new id, the unit's tenant and user, the time, null.
    /// One statement.
    ///
    /// Fails with [`Error::Reference`] for a parent that does not exist in this tenant.
    pub async fn add(self, row: E::ActiveModel) -> Result<E::Model> {
        self.wanted()?;
        let row = self.filled(row)?;
        if E::Column::iter().any(|column| row.get(column).is_not_set()) {
            // A column has a default in the database.
            return self.tx.insert::<E>(row).await;
        }
        self.tx.insert_many::<E>(vec![row.clone()]).await?;
        Ok(row.try_into_model()?)
    }

    /// Adds rows, all or none, and returns how many. One statement per 5,000 rows on PostgreSQL.
    pub async fn add_many(self, rows: Vec<E::ActiveModel>) -> Result<u64> {
        self.wanted()?;
        let rows = rows.into_iter().map(|row| self.filled(row)).collect::<Result<Vec<_>>>()?;
        let mut bulk = Bulk::begin(self.tx, rows).await?;
        while let Some(rows) = bulk.next() {
            let asked = rows.len();
            let added = self.tx.insert_many::<E>(rows).await?;
            bulk.done(asked, added, added);
        }
        Ok(bulk.finish().await?.changed)
    }

    /// Changes the row with this id. Id, tenant, the time of creation and the soft delete always stay. The owner stays
    /// in a unit that reaches only its user's rows. One statement, and two more if an audited column is set.
    pub async fn update(self, id: &E::Id, set: E::ActiveModel) -> Result<E::Model> {
        let (set, condition) = (self.change(set)?, self.wanted()?.add(E::ID.eq(id.to_string())));
        let audited: Vec<_> =
            E::OWN.audited.iter().copied().filter(|column| matches!(set.get(*column), ActiveValue::Set(_))).collect();
        if audited.is_empty() {
            return self.tx.update_one::<E>(set, condition, E::TABLE).await;
        }
        let before = self.tx.rows::<E>().filter(condition.clone()).get(E::TABLE).await?;
        // Only where they are still what was read, so that no change is missing in the record.
        let unchanged = audited.iter().fold(condition, |condition, column| {
            let value = before.get(*column);
            condition.add(if is_null(&value) { column.is_null() } else { column.eq(value) })
        });
        let after = self.tx.update::<E>(set, unchanged).await?.pop().ok_or(Error::Contention)?;
        let mut event = Event::new(Action::Other(format!("{}_CHANGED", E::TABLE.to_uppercase())));
        event = event.on_row(E::TABLE, &id.to_string());
        let mut changed = false;
        for column in audited {
            let (old, new) = (before.get(column), after.get(column));
            if old != new {
                changed = true;
                let sealed = E::OWN.sealed.iter().any(|sealed| sealed.as_str() == column.as_str());
                event = event.with(column.as_str(), serde_json::json!([shown(&old, sealed), shown(&new, sealed)]));
            }
        }
        if changed {
            self.tx.record(event).await?;
        }
        Ok(after)
    }

    /// Changes all rows of the condition, and returns how many. One statement. Fails if an audited column is set: a
    /// change of many rows has no record of each.
    pub async fn update_many(self, set: E::ActiveModel) -> Result<u64> {
        let set = self.change(set)?;
        if E::OWN.audited.iter().any(|column| matches!(set.get(*column), ActiveValue::Set(_))) {
            return Err(Refused("the change", "it sets an audited column; update each row").error());
        }
        self.tx.update_many::<E>(set, Vec::new(), self.wanted()?).await
    }

    /// Adds a row, or changes the one with the same value in the `unique` column if this unit reaches it. Only the
    /// columns `update` change. One to four statements. Fails with [`Error::NotFound`] if the row is another tenant's.
    pub async fn upsert(self, row: E::ActiveModel, unique: E::Column, update: &[E::Column]) -> Result<E::Model> {
        self.wanted()?;
        let mut only = <E::ActiveModel as ActiveModelTrait>::default();
        for column in update {
            if let ActiveValue::Set(value) | ActiveValue::Unchanged(value) = row.get(*column) {
                only.set(*column, value);
            }
        }
        let allowed = self.change(only)?;
        let update: Vec<_> =
            E::Column::iter().filter(|column| matches!(allowed.get(*column), ActiveValue::Set(_))).collect();
        if E::OWN.audited.iter().any(|audited| update.iter().any(|column| column.as_str() == audited.as_str())) {
            return Err(Refused("the upsert", "it changes an audited column; find the row and update it").error());
        }
        self.tx.upsert::<E>(self.filled(row)?, unique, &update).await
    }

    /// Removes the row with this id: soft-deletes it, or deletes it where the table has no soft delete. Recorded. Two
    /// statements. Fails with [`Error::NotFound`] if there is no such row, or if it is already soft-deleted.
    pub async fn remove(self, id: &E::Id) -> Result<()> {
        self.wanted()?;
        Self::refuse_append_only()?;
        if E::SOFT.is_some() {
            return self.tx.soft_delete::<E>(id).await;
        }
        self.tx.delete_one::<E>(one::<E>(id, false), E::TABLE).await?;
        self.tx.record(Event::new(Action::Deleted).on_row(E::TABLE, &id.to_string())).await
    }

    /// As [`remove`](Self::remove), for any number of rows, all or none. Each is recorded.
    pub async fn remove_many(self, ids: &[E::Id]) -> Result<BulkOutcome> {
        self.wanted()?;
        Self::refuse_append_only()?;
        if E::SOFT.is_some() {
            return self.tx.apply_many::<E>(SoftDeleteOp::SoftDelete, ids).await;
        }
        let mut bulk = Bulk::on_each(self.tx, ids).await?;
        while let Some(ids) = bulk.next() {
            let gone = self.tx.delete_returning::<E>(among::<E>(self.tx, &ids, false), E::ID).await?;
            let removed = gone.len() as u64;
            self.tx.record_each(&Action::Deleted, E::TABLE, gone).await?;
            bulk.done(ids.len(), removed, removed);
        }
        bulk.finish().await
    }

    fn refuse_append_only() -> Result<()> {
        if E::OWN.append_only {
            return Err(Error::Invalid { what: "the removal", reason: "rows of this table are only added" });
        }
        Ok(())
    }
}

impl<E: OwnTable + SoftDeleted> Table<'_, E> {
    /// Restores a soft-deleted row. Recorded. Two statements.
    pub async fn restore(self, id: &E::Id) -> Result<E::Model> {
        self.wanted()?;
        self.tx.restore_one::<E>(id).await
    }

    /// Deletes a soft-deleted row permanently. Recorded. Administrators only. Two statements.
    pub async fn purge(self, id: &E::Id) -> Result<()> {
        self.wanted()?;
        self.tx.purge_one::<E>(id).await
    }

    /// As [`restore`](Self::restore), for any number of rows, all or none.
    pub async fn restore_many(self, ids: &[E::Id]) -> Result<BulkOutcome> {
        self.wanted()?;
        self.tx.apply_many::<E>(SoftDeleteOp::Restore, ids).await
    }

    /// As [`purge`](Self::purge), for any number of rows, all or none.
    pub async fn purge_many(self, ids: &[E::Id]) -> Result<BulkOutcome> {
        self.wanted()?;
        self.tx.apply_many::<E>(SoftDeleteOp::Purge, ids).await
    }
}

fn is_null(value: &Value) -> bool {
    value.as_null() == *value
}

/// Returns a value as the audit log shows it. A sealed one is not shown.
fn shown(value: &Value, sealed: bool) -> serde_json::Value {
    if sealed {
        return "[sealed]".into();
    }
    match value {
        Value::Bool(Some(yes)) => (*yes).into(),
        Value::Int(Some(number)) => (*number).into(),
        Value::BigInt(Some(number)) => (*number).into(),
        Value::Double(Some(number)) => (*number).into(),
        Value::String(Some(text)) => text.as_str().into(),
        Value::Json(Some(json)) => (**json).clone(),
        value if is_null(value) => serde_json::Value::Null,
        other => other.to_string().trim_matches('\'').into(),
    }
}
