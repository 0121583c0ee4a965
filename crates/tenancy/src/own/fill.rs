//! The columns that the unit sets: key, tenant, owner and times. Values that no call may set, and too long ones, are
//! refused.

use rylie_entities::{RepositoryTable, RowId, TenantId};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, IdenStatic, Iterable, Value};

use super::Table;
use crate::error::{Error, Result};
use crate::limits::{MAX_JSON_BYTES, MAX_TEXT_BYTES, json_fits};
use crate::scope::Reach;

impl<E: RepositoryTable> Table<'_, E> {
    /// Fills in what the caller left open. In a tenant unit the tenant is the unit's, and the owner of a unit that
    /// reaches only its user's rows is that user: another value is refused, as a row that is soft-deleted already.
    pub(super) fn filled(&self, mut row: E::ActiveModel) -> Result<E::ActiveModel> {
        fits::<E>(&row)?;
        let now = self.tx.now();
        default_to::<E>(&mut row, E::ID, || E::Id::generated(self.tx.env()).to_string().into());
        for time in [E::OWN.created_at, E::UPDATED_AT].into_iter().flatten() {
            default_to::<E>(&mut row, time, || now.into());
        }
        for (column, value, reason) in self.fixed(false) {
            only::<E>(&row, column, Some(&value), reason)?;
            row.set(column, value);
        }
        match self.tx.scope() {
            Some(scope) => {
                if let Some(owner) = E::OWN.owner {
                    default_to::<E>(&mut row, owner, || scope.user().id().into());
                }
            }
            None => refuse_without_tenant::<E>(&row)?,
        }
        for column in E::Column::iter().filter(|column| column.def().is_null()) {
            default_to::<E>(&mut row, column, || null::<E>(column));
        }
        Ok(row)
    }

    /// Returns the columns that have one value in each row of this unit: tenant, owner and soft delete. Each with the
    /// reason for which another value is refused.
    fn fixed(&self, deleted: bool) -> Vec<(E::Column, Value, &'static str)> {
        let mut fixed = Vec::new();
        if let Some(scope) = self.tx.scope() {
            fixed.push((E::TENANT, scope.tenant().into(), TENANT));
            if let (Some(owner), Reach::Own) = (E::OWN.owner, scope.reach()) {
                fixed.push((owner, scope.user().id().into(), OWNER));
            }
        }
        if let Some(soft) = E::SOFT {
            fixed.push((soft.deleted, deleted.into(), SOFT_DELETE));
            if !deleted {
                fixed.push((soft.deleted_at, null::<E>(soft.deleted_at), SOFT_DELETE));
            }
        }
        fixed
    }

    /// Refuses a value that a change must not set: another id, tenant or owner, a time of creation, soft delete. Sets
    /// the time of the change. `id` is that of the row, if the change has one row.
    pub(super) fn change(&self, id: Option<&E::Id>, mut set: E::ActiveModel) -> Result<E::ActiveModel> {
        refuse_append_only::<E>()?;
        only::<E>(&set, E::ID, id.map(|id| id.to_string().into()).as_ref(), ID)?;
        let fixed = self.fixed(self.deleted);
        for column in self.kept() {
            let known = fixed.iter().find(|(fixed, ..)| fixed.as_str() == column.as_str());
            match known {
                Some((_, value, reason)) => only::<E>(&set, column, Some(value), reason)?,
                None if column.as_str() != E::ID.as_str() => only::<E>(&set, column, None, KEPT)?,
                None => {}
            }
            set.not_set(column);
        }
        if E::Column::iter().all(|column| !matches!(set.get(column), ActiveValue::Set(_))) {
            return Err(Error::Invalid { what: "the change", reason: "it changes nothing" });
        }
        fits::<E>(&set)?;
        if let Some(updated_at) = E::UPDATED_AT {
            set.set(updated_at, self.tx.now().into());
        }
        Ok(set)
    }

    /// Returns a change that an expression of this column completes. Fails if a change does not set the column.
    pub(super) fn change_by(&self, column: E::Column) -> Result<E::ActiveModel> {
        refuse_append_only::<E>()?;
        let is = |known: E::Column| known.as_str() == column.as_str();
        let reason = if self.kept().chain(E::UPDATED_AT).any(is) {
            Some(KEPT)
        } else if E::OWN.sealed.iter().copied().any(is) {
            Some("it is sealed: `seal` the value and use `update`")
        } else if E::OWN.audited.iter().copied().any(is) {
            Some("it is audited, and the record needs the value: use `update`")
        } else {
            None
        };
        if let Some(reason) = reason {
            return Err(refused::<E>(column, reason));
        }
        let mut set = <E::ActiveModel as ActiveModelTrait>::default();
        if let Some(updated_at) = E::UPDATED_AT {
            set.set(updated_at, self.tx.now().into());
        }
        Ok(set)
    }

    /// Returns the columns that no change sets.
    fn kept(&self) -> impl Iterator<Item = E::Column> {
        let soft = E::SOFT.map(|soft| [soft.deleted, soft.deleted_at]);
        let own = self.tx.scope().is_some_and(|scope| scope.reach() == Reach::Own);
        let owner = E::OWN.owner.filter(|_| own);
        [E::ID, E::TENANT].into_iter().chain(E::OWN.created_at).chain(owner).chain(soft.into_iter().flatten())
    }
}

const ID: &str = "the key of a row does not change; leave it open";
const TENANT: &str = "the unit sets it; leave it open";
const OWNER: &str = "a unit that reaches only its user's rows sets it to that user; leave it open";
const SOFT_DELETE: &str = "`remove` and `restore` set it; leave it open";
const KEPT: &str = "it stays as it is, or the library sets it; leave it open";

/// Fails if the row sets the column to another value than this one.
fn only<E: RepositoryTable>(
    row: &E::ActiveModel,
    column: E::Column,
    value: Option<&Value>,
    reason: &'static str,
) -> Result<()> {
    match row.get(column) {
        ActiveValue::Set(set) if Some(&set) != value => Err(refused::<E>(column, reason)),
        _ => Ok(()),
    }
}

/// Returns the refusal of a column.
pub(super) fn refused<E: RepositoryTable>(column: E::Column, reason: &'static str) -> Error {
    Error::InvalidColumn { table: E::TABLE.to_owned(), column: column.as_str().to_owned(), reason }
}

/// Fails for a value that its column cannot have.
fn fits<E: RepositoryTable>(row: &E::ActiveModel) -> Result<()> {
    for column in E::Column::iter() {
        if let ActiveValue::Set(value) = row.get(column)
            && let Some(reason) = misfit::<E>(column, &value)
        {
            return Err(refused::<E>(column, reason));
        }
    }
    Ok(())
}

/// Returns why the column cannot have this value: a text or a JSON document is longer than it allows, or a number is
/// none, which SQLite would store as null.
pub(super) fn misfit<E: RepositoryTable>(column: E::Column, value: &Value) -> Option<&'static str> {
    let declared = E::OWN.max_bytes?;
    let limit = declared.iter().find(|(limited, _)| limited.as_str() == column.as_str()).map(|(_, most)| *most);
    let fits = match value {
        Value::Double(Some(number)) if number.is_nan() => return Some("it is not a number"),
        Value::String(Some(text)) => text.len() <= limit.unwrap_or(MAX_TEXT_BYTES),
        Value::Json(Some(json)) => json_fits(json, limit.unwrap_or(MAX_JSON_BYTES)),
        _ => true,
    };
    match limit {
        _ if fits => None,
        Some(_) => Some("it has more bytes than `max_bytes` of the entity allows"),
        None => Some("it must have 262,144 bytes at most; the entity may declare another limit by `max_bytes`"),
    }
}

pub(super) fn refuse_append_only<E: RepositoryTable>() -> Result<()> {
    if E::OWN.append_only {
        return Err(Error::Invalid { what: "the table", reason: "its rows are only added" });
    }
    Ok(())
}

fn default_to<E: RepositoryTable>(row: &mut E::ActiveModel, column: E::Column, value: impl FnOnce() -> Value) {
    if row.get(column).is_not_set() {
        row.set(column, value());
    }
}

/// Returns null of the column's type.
fn null<E: RepositoryTable>(column: E::Column) -> Value {
    use sea_orm::sea_query::ColumnType as Type;
    match column.def().get_column_type() {
        Type::Integer => Value::Int(None),
        Type::BigInteger => Value::BigInt(None),
        Type::Boolean => Value::Bool(None),
        Type::Double => Value::Double(None),
        Type::Json | Type::JsonBinary => Value::Json(None),
        Type::Timestamp | Type::DateTime => Value::ChronoDateTime(None),
        _ => Value::String(None),
    }
}

/// A unit across tenants cannot know the tenant of a new row.
fn refuse_without_tenant<E: RepositoryTable>(row: &E::ActiveModel) -> Result<()> {
    let missing =
        Error::Invalid { what: "the tenant", reason: "a unit across tenants must set it, from a row that it read" };
    match row.get(E::TENANT).into_value() {
        Some(Value::String(Some(tenant))) if tenant != TenantId::platform().as_str() => Ok(()),
        _ => Err(missing),
    }
}
