//! Writes to own tables.
//!
//! This file is long because each write stands with the filter and the record that belong to it.

use std::collections::BTreeMap;

use rylie_audit::{Action, Event};
use rylie_entities::RepositoryTable;
use sea_orm::sea_query::{ExprTrait, SimpleExpr};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, Condition, DbBackend, IdenStatic, Iterable, ModelTrait, TryIntoModel,
    Value,
};

use super::{Refused, Table, condition, fill};
use crate::bulk::{Bulk, BulkOutcome, Change, change_many};
use crate::error::{Error, Result};

impl<E: RepositoryTable> Table<'_, E>
where
    E::ActiveModel: TryIntoModel<E::Model>,
{
    /// Adds a row. Columns without a value get their defaults: a new id, the unit's tenant and user, the time, null.
    /// One statement.
    ///
    /// Fails with [`Error::Reference`] for a parent that does not exist in this tenant, and with [`Error::Conflict`] if
    /// a unique value is taken. Fails with [`Error::InvalidColumn`] for another tenant or owner than the unit's, and
    /// for a value outside a check of the table. It also does for a text or a JSON document that is too long: 262,144
    /// bytes, or `max_bytes` of the entity. Fails with [`Error::Invalid`] if a unit across tenants sets no tenant.
    pub async fn add(self, row: E::ActiveModel) -> Result<E::Model> {
        self.whole()?;
        let row = self.filled(row)?;
        if E::Column::iter().any(|column| row.get(column).is_not_set()) {
            // A column has a default in the database.
            return self.tx.insert::<E>(row).await;
        }
        self.tx.insert_many::<E>(vec![row.clone()]).await?;
        Ok(row.try_into_model()?)
    }

    /// Adds rows, all or none, and returns how many. One statement per 5,000 rows on PostgreSQL. Fails as
    /// [`add`](Self::add) does.
    pub async fn add_many(self, rows: Vec<E::ActiveModel>) -> Result<u64> {
        self.whole()?;
        let rows = rows.into_iter().map(|row| self.filled(row)).collect::<Result<Vec<_>>>()?;
        let mut bulk = Bulk::begin(self.tx, rows).await?;
        while let Some(rows) = bulk.next() {
            let (asked, mut added) = (rows.len(), 0);
            for rows in alike::<E>(rows) {
                added += self.tx.insert_many::<E>(rows).await?;
            }
            bulk.done(asked, added, added);
        }
        Ok(bulk.finish().await?.changed)
    }

    /// Adds a row, unless one exists with the same value in a unique index. Returns whether it was added. Waits for a
    /// concurrent unit that adds the same. One statement. Fails as [`add`](Self::add) does, except with
    /// [`Error::Conflict`].
    pub async fn add_unless_there(self, row: E::ActiveModel) -> Result<bool> {
        self.whole()?;
        self.tx.insert_unless_there::<E>(self.filled(row)?).await
    }

    /// Changes the row with this id, if it meets the condition. One statement. If an audited column is set, two, and on
    /// SQLite three.
    ///
    /// Fails with [`Error::NotFound`] if there is no such row within reach, or it does not meet the condition. Fails
    /// with [`Error::InvalidColumn`] for a change of id, tenant, time of creation or soft delete. It also does for a
    /// text or a JSON document that is too long. A unit that reaches only its user's rows may not change the owner
    /// either.
    ///
    /// Fails with [`Error::Invalid`] for a change of nothing, and for a table whose rows are only added. Fails with
    /// [`Error::Conflict`] and [`Error::Reference`] as [`add`](Self::add) does. Fails with [`Error::Contention`] if
    /// another unit changes an audited column at the same time.
    pub async fn update(self, id: &E::Id, set: E::ActiveModel) -> Result<E::Model> {
        let at_once = self.at_once;
        let (set, condition) = (self.change(Some(id), set)?, self.of_row(id)?);
        if !Self::is_audited(&set) {
            return if at_once {
                let changed = self.tx.update_at_once::<E>(set, condition).await?.pop();
                changed.ok_or(Error::NotFound { entity: E::TABLE })
            } else {
                self.tx.update_one::<E>(set, condition, E::TABLE).await
            };
        }
        let before = self.tx.rows::<E>().filter(condition.clone()).get(E::TABLE).await?;
        let event = Event::new(Action::Other(format!("{}_CHANGED", E::TABLE.to_uppercase())));
        let (mut event, mut changed) = (event.on_row(E::TABLE, &id.to_string()), false);
        // Only where they are still what was read, so that no change is missing in the record. SQLite compares the text of
        // a document, which another writer may have spelled differently; there this unit has the write lock.
        let mut unchanged = condition;
        for column in E::OWN.audited {
            let (ActiveValue::Set(new), old) = (set.get(*column), before.get(*column)) else { continue };
            if !(matches!(old, Value::Json(_)) && self.tx.engine() == DbBackend::Sqlite) {
                unchanged = unchanged.add(if is_null(&old) { column.is_null() } else { column.eq(old.clone()) });
            }
            if old != new {
                changed = true;
                let sealed = E::OWN.sealed.iter().any(|sealed| sealed.as_str() == column.as_str());
                event = event.with(column.as_str(), serde_json::json!([shown(&old, sealed), shown(&new, sealed)]));
            }
        }
        let updated = if changed {
            self.tx.update_recorded::<E>(set, unchanged, event).await?
        } else {
            self.tx.update::<E>(set, unchanged).await?
        };
        updated.into_iter().next().ok_or(Error::Contention)
    }

    /// Sets one column of the row with this id to an expression of its columns, if it meets the condition:
    /// `Column::Views.into_expr().add(1)`, by SeaORM's `ExprTrait`. No change between a read and the write is lost. One
    /// statement. The expression has the rules of a condition.
    ///
    /// Fails with [`Error::InvalidColumn`], and the unit with it, if the column cannot have the result: another type, a
    /// fraction in a column of whole numbers on SQLite (PostgreSQL rounds it), a text that is too long. It also does
    /// for a column that no change sets, and for an audited or sealed one; the unit then continues.
    ///
    /// Fails with [`Error::NotFound`] as [`update`](Self::update) does. Fails with [`Error::Invalid`] for an expression
    /// that a condition may not have, and for a table whose rows are only added.
    pub async fn update_expr(self, id: &E::Id, column: E::Column, expression: SimpleExpr) -> Result<E::Model> {
        condition::expression::<E>(&expression).map_err(Refused::error)?;
        let condition = self.of_row(id)?;
        let set = self.change_by(column)?;
        let updated = self.tx.update_expr::<E>(set, (column, expression), condition, E::TABLE).await;
        let misfit = match &updated {
            Ok(model) => fill::misfit::<E>(column, &model.get(column)),
            // The statement was carried out, but its row cannot be read.
            Err(Error::Database(_)) if !self.tx.has_failed()? => {
                Some("the expression has a value that the column cannot have")
            }
            Err(_) => None,
        };
        match misfit {
            Some(reason) => {
                self.tx.fail()?;
                Err(fill::refused::<E>(column, reason))
            }
            None => updated,
        }
    }

    /// Changes all rows of the condition, and returns how many. One statement.
    ///
    /// Fails with [`Error::InvalidColumn`] if an audited column is set, because a change of many rows has no record of
    /// each. Otherwise it fails as [`update`](Self::update) does, but never because of a missing row.
    pub async fn update_many(self, set: E::ActiveModel) -> Result<u64> {
        let set = self.unrecorded(set)?;
        self.tx.update_many::<E>(set, Vec::new(), self.wanted()?).await
    }

    /// Changes the rows with these ids, all or none. A row that has the new values already counts as found and not as
    /// changed. One or two statements per 5,000 rows. Fails as [`update_many`](Self::update_many) does.
    pub async fn update_each(self, ids: &[E::Id], set: E::ActiveModel) -> Result<BulkOutcome> {
        self.whole()?;
        let set = self.unrecorded(set)?;
        let differs = |column: E::Column| match set.get(column) {
            ActiveValue::Set(new) if E::UPDATED_AT.is_none_or(|at| at.as_str() != column.as_str()) => {
                Some(if is_null(&new) { column.is_not_null() } else { column.ne(new).or(column.is_null()) })
            }
            _ => None,
        };
        let changing = E::Column::iter().filter_map(differs).fold(Condition::any(), Condition::add).into();
        change_many::<E>(self.tx, ids, Change { set, expressions: Vec::new(), changing }).await
    }

    /// Adds a row, or changes the one with the same values in the columns `unique` if this unit reaches it. These are
    /// the key, or the columns of one `unique` of the migration. Only the columns `update` change. One to four
    /// statements.
    ///
    /// Fails with [`Error::NotFound`] if the row is another tenant's or user's, or soft-deleted: restore or purge it
    /// first. Fails with [`Error::InvalidColumn`] if the migration has no such `unique`, and for an audited column in
    /// `update`. Fails with [`Error::Invalid`] without columns in `update`, and for a row without a column of `unique`.
    /// Otherwise it fails as [`add`](Self::add) and [`update`](Self::update) do.
    pub async fn upsert(self, row: E::ActiveModel, unique: &[E::Column], update: &[E::Column]) -> Result<E::Model> {
        self.whole()?;
        let update = self.upserted(&row, update)?;
        let (unique_index, mut present) = (within_tenant::<E>(unique), self.wanted()?);
        if self.tx.scope().is_none()
            && let ActiveValue::Set(tenant) = row.get(E::TENANT)
        {
            // A unit across tenants must not change the row of another tenant than it names.
            present = present.add(E::TENANT.eq(tenant));
        }
        let saved = self.tx.upsert::<E>(self.filled(row)?, &unique_index, &update, present).await;
        saved.map_err(|error| match error {
            Error::NotFound { .. } => Error::NotFound { entity: E::TABLE },
            error => without_unique::<E>(error, unique),
        })
    }

    /// As [`upsert`](Self::upsert), for any number of rows, all or none. A row that is out of reach or soft-deleted
    /// counts as not found. One or two statements for some thousand rows. Every row sets `unique` and the columns
    /// `update`, and no two have the same `unique`. Null is not equal to null, so no column of `unique` may be null.
    ///
    /// Fails with [`Error::Invalid`] if a row lacks one of these columns. It also does in a unit across tenants, unless
    /// `unique` is the key.
    pub async fn upsert_many(
        self,
        rows: Vec<E::ActiveModel>,
        unique: &[E::Column],
        update: &[E::Column],
    ) -> Result<BulkOutcome> {
        self.whole()?;
        let of = within_tenant::<E>(unique);
        if self.tx.scope().is_none() && of.len() > 1 {
            let reason = "a unit across tenants knows rows by their key only, because tenants may have equal values";
            return Err(Error::Invalid { what: "the upsert", reason });
        }
        let Some(first) = rows.first() else { return Ok(BulkOutcome::default()) };
        let update = self.upserted(first, update)?;
        let mut rows = rows.into_iter().map(|row| self.filled(row)).collect::<Result<Vec<_>>>()?;
        let present = self.wanted()?;
        // A unit across tenants must not change the row of another tenant than it names.
        let across = self.tx.scope().is_none().then_some(E::TENANT);
        let compared: Vec<_> = unique.iter().copied().chain(across).collect();
        // In one order: two calls with the same rows then wait for each other, and no deadlock ends one.
        rows.sort_by_cached_key(|row| {
            unique.iter().map(|column| format!("{:?}", row.get(*column))).collect::<Vec<_>>()
        });
        let mut bulk = Bulk::begin(self.tx, rows).await?;
        while let Some(rows) = bulk.next() {
            let (asked, mut saved) = (rows.len(), 0);
            for rows in alike::<E>(rows) {
                let some = self.tx.upsert_many::<E>(rows, (&compared, &of), &update, &present).await;
                saved += some.map_err(|error| without_unique::<E>(error, unique))?;
            }
            bulk.done(asked, saved, saved);
        }
        bulk.finish().await
    }

    /// Returns the columns that an upsert changes, with the time of the change.
    fn upserted(&self, row: &E::ActiveModel, update: &[E::Column]) -> Result<Vec<E::Column>> {
        if update.is_empty() {
            let reason = "it updates no column; use `add_unless_there` to add a row unless it exists";
            return Err(Error::Invalid { what: "the upsert", reason });
        }
        let mut only = <E::ActiveModel as ActiveModelTrait>::default();
        for column in update {
            if let ActiveValue::Set(value) | ActiveValue::Unchanged(value) = row.get(*column) {
                only.set(*column, value);
            }
        }
        let allowed = self.unrecorded(only)?;
        Ok(E::Column::iter().filter(|column| matches!(allowed.get(*column), ActiveValue::Set(_))).collect())
    }

    /// Returns a change that has no record of each row.
    fn unrecorded(&self, set: E::ActiveModel) -> Result<E::ActiveModel> {
        let audited = E::OWN.audited.iter().find(|column| matches!(set.get(**column), ActiveValue::Set(_)));
        if let Some(column) = audited {
            return Err(fill::refused::<E>(
                *column,
                "it is audited: use `update` for each row, which records the values",
            ));
        }
        self.change(None, set)
    }

    fn is_audited(set: &E::ActiveModel) -> bool {
        E::OWN.audited.iter().any(|column| matches!(set.get(*column), ActiveValue::Set(_)))
    }
}

/// Groups rows that set the same columns, in their order. In one statement an open column of some rows would be null,
/// instead of its default.
fn alike<E: RepositoryTable>(rows: Vec<E::ActiveModel>) -> Vec<Vec<E::ActiveModel>> {
    let mut groups: BTreeMap<Vec<bool>, Vec<E::ActiveModel>> = BTreeMap::new();
    for row in rows {
        let open = E::Column::iter().map(|column| row.get(column).is_not_set()).collect();
        groups.entry(open).or_default().push(row);
    }
    groups.into_values().collect()
}

/// Returns the columns of the unique index: the key, or the tenant and these columns.
fn within_tenant<E: RepositoryTable>(unique: &[E::Column]) -> Vec<E::Column> {
    let key = unique.iter().any(|column| column.as_str() == E::ID.as_str());
    if key { unique.to_vec() } else { std::iter::once(E::TENANT).chain(unique.iter().copied()).collect() }
}

/// Turns the database's refusal of an upsert into one that names the columns.
fn without_unique<E: RepositoryTable>(error: Error, unique: &[E::Column]) -> Error {
    match &error {
        Error::Database(fault) if fault.lacks_unique() => {
            let names: Vec<_> = unique.iter().map(IdenStatic::as_str).collect();
            let reason = "an upsert needs the key, or all columns of one `unique` of the migration";
            Error::InvalidColumn { table: E::TABLE.to_owned(), column: names.join(", "), reason }
        }
        _ => error,
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
