//! The columns that the unit sets: key, tenant, owner and times.

use rylie_entities::{RepositoryTable, RowId, TenantId};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, IdenStatic, Iterable, Value};

use super::Table;
use crate::error::{Error, Result};
use crate::scope::Reach;

impl<E: RepositoryTable> Table<'_, E> {
    /// Fills in what the caller left open. In a tenant unit the tenant is the unit's, and the owner of a unit that
    /// reaches only its user's rows is that user.
    pub(super) fn filled(&self, mut row: E::ActiveModel) -> Result<E::ActiveModel> {
        let now = self.tx.now();
        default_to::<E>(&mut row, E::ID, || E::Id::generated(self.tx.env()).to_string().into());
        for time in [E::OWN.created_at, E::UPDATED_AT].into_iter().flatten() {
            default_to::<E>(&mut row, time, || now.into());
        }
        if let Some(soft) = E::SOFT {
            row.set(soft.deleted, false.into());
            row.set(soft.deleted_at, null::<E>(soft.deleted_at));
        }
        match self.tx.scope() {
            Some(scope) => {
                row.set(E::TENANT, scope.tenant().into());
                if let Some(owner) = E::OWN.owner {
                    let own = || Value::from(scope.user().id());
                    match scope.reach() {
                        Reach::Own => row.set(owner, own()),
                        Reach::Tenant => default_to::<E>(&mut row, owner, own),
                    }
                }
            }
            None => refuse_without_tenant::<E>(&row)?,
        }
        for column in E::Column::iter().filter(|column| column.def().is_null()) {
            default_to::<E>(&mut row, column, || null::<E>(column));
        }
        Ok(row)
    }

    /// Removes from a change what it must not change. Sets the time of the change.
    pub(super) fn change(&self, mut set: E::ActiveModel) -> Result<E::ActiveModel> {
        refuse_append_only::<E>()?;
        for column in self.kept() {
            set.not_set(column);
        }
        if E::Column::iter().all(|column| !matches!(set.get(column), ActiveValue::Set(_))) {
            return Err(Error::Invalid { what: "the change", reason: "it changes nothing" });
        }
        if let Some(updated_at) = E::UPDATED_AT {
            set.set(updated_at, self.tx.now().into());
        }
        Ok(set)
    }

    /// Returns a change that an expression of this column completes. Fails if a change does not set the column.
    pub(super) fn change_by(&self, column: E::Column) -> Result<E::ActiveModel> {
        refuse_append_only::<E>()?;
        let never = self.kept().chain(E::UPDATED_AT).chain(E::OWN.audited.iter().copied());
        if never.chain(E::OWN.sealed.iter().copied()).any(|kept| kept.as_str() == column.as_str()) {
            return Err(Error::Invalid { what: "the column", reason: "no expression may set it" });
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
