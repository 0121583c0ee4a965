//! Writes through the tenant filter.

use rylie_entities::{TenantOwned, system_settings, verification_token};
use sea_orm::sea_query::{IntoCondition, OnConflict, SimpleExpr};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter};

use super::arrays::Arrays;
use super::columns::number_of_columns;
use super::unfiltered::Unfiltered;
use crate::error::{Error, Result};
use crate::filter::{Tx, UnitKind};

/// A table whose rows belong to no tenant.
///
/// Sealed: a tenant's table declared as shared would be read without the tenant filter.
pub trait Shared:
    EntityTrait<Model: IntoActiveModel<<Self as EntityTrait>::ActiveModel> + Send + Sync, ActiveModel: Send>
    + sealed::Sealed
{
}
impl Shared for system_settings::Entity {}
impl Shared for verification_token::Entity {}

mod sealed {
    /// Implemented in this crate only.
    pub trait Sealed {}
    impl Sealed for rylie_entities::system_settings::Entity {}
    impl Sealed for rylie_entities::verification_token::Entity {}
}

/// The maximum number of bound values in a statement: 65,535 on PostgreSQL (16 bits in the protocol), 32,766 on SQLite.
const MAX_BINDS: usize = 32_766;

impl Tx {
    /// Adds a row to the unit's tenant, regardless of the tenant in the model. Fails with [`Error::Conflict`] if a
    /// unique value is taken, and with [`Error::Reference`] for a parent that does not exist.
    pub async fn insert<E: TenantOwned>(&self, row: E::ActiveModel) -> Result<E::Model> {
        let row = self.in_tenant::<E>(row);
        Ok(E::insert(row).exec_with_returning(self.connection().await?).await?)
    }

    /// Like [`Tx::insert`], but returns `false` if a unique value already exists. Waits for a concurrent unit that
    /// inserts the same value.
    pub async fn insert_unless_there<E: TenantOwned>(&self, row: E::ActiveModel) -> Result<bool> {
        let conflict = OnConflict::new().do_nothing().to_owned();
        let insert = E::insert_many([self.in_tenant::<E>(row)]).on_conflict(conflict);
        Ok(insert.exec_without_returning(self.connection().await?).await? > 0)
    }

    /// Adds rows to the unit's tenant and returns how many. One statement on PostgreSQL; on SQLite as few as the limit
    /// on bound values allows. Fails as [`insert`](Self::insert) does.
    pub async fn insert_many<E: TenantOwned>(&self, rows: Vec<E::ActiveModel>) -> Result<u64> {
        let connection = self.connection().await?;
        if connection.get_database_backend() == DbBackend::Postgres && !rows.is_empty() {
            let rows = rows.into_iter().map(|row| self.in_tenant::<E>(row)).collect();
            let mut arrays = Arrays::default();
            let sql = arrays.insert::<E>(rows)?;
            return Ok(connection.execute_arrays(sql.to_string(), arrays.arguments).await?);
        }
        let mut inserted = 0;
        for some in self.in_statements::<E>(rows) {
            inserted += E::insert_many(some).exec_without_returning(connection).await?;
        }
        Ok(inserted)
    }

    /// Returns the rows, assigned to the unit's tenant, in chunks that one statement can bind.
    pub(super) fn in_statements<E: TenantOwned>(
        &self,
        rows: Vec<E::ActiveModel>,
    ) -> impl Iterator<Item = Vec<E::ActiveModel>> {
        let per_statement = MAX_BINDS / number_of_columns::<E>();
        let mut rows = rows.into_iter().map(|row| self.in_tenant::<E>(row));
        std::iter::from_fn(move || {
            let some: Vec<_> = rows.by_ref().take(per_statement).collect();
            (!some.is_empty()).then_some(some)
        })
    }

    /// Updates the matching rows that this unit reaches, and returns them. The tenant cannot be set. Fails with
    /// [`Error::Conflict`] and [`Error::Reference`] as [`insert`](Self::insert) does.
    pub async fn update<E: TenantOwned>(
        &self,
        set: E::ActiveModel,
        condition: impl IntoCondition,
    ) -> Result<Vec<E::Model>> {
        let update = E::update_many().set(without_tenant::<E>(set)).filter(condition);
        let update = update.filter(self.kind.condition::<E>());
        Ok(update.exec_with_returning(self.connection().await?).await?)
    }

    /// Like [`Tx::update`], for exactly one row. Fails with [`Error::NotFound`] if there is none.
    pub async fn update_one<E: TenantOwned>(
        &self,
        set: E::ActiveModel,
        condition: impl IntoCondition,
        entity: &'static str,
    ) -> Result<E::Model> {
        self.update::<E>(set, condition).await?.pop().ok_or(Error::NotFound { entity })
    }

    /// Like [`Tx::update_one`], and sets one column to an expression, such as an increment.
    pub async fn update_expr<E: TenantOwned>(
        &self,
        set: E::ActiveModel,
        (column, value): (E::Column, SimpleExpr),
        condition: impl IntoCondition,
        entity: &'static str,
    ) -> Result<E::Model> {
        let update = E::update_many().set(without_tenant::<E>(set)).col_expr(column, value).filter(condition);
        let update = update.filter(self.kind.condition::<E>());
        update.exec_with_returning(self.connection().await?).await?.pop().ok_or(Error::NotFound { entity })
    }

    /// Deletes the matching rows that this unit reaches. Returns how many. Fails with [`Error::Reference`] while other
    /// rows refer to one.
    pub async fn delete<E: TenantOwned>(&self, condition: impl IntoCondition) -> Result<u64> {
        let delete = E::delete_many().filter(condition).filter(self.kind.condition::<E>());
        Ok(delete.exec(self.connection().await?).await?.rows_affected)
    }

    /// Like [`Tx::delete`], for exactly one row. Fails with [`Error::NotFound`] if there is none.
    pub async fn delete_one<E: TenantOwned>(&self, condition: impl IntoCondition, entity: &'static str) -> Result<()> {
        match self.delete::<E>(condition).await? {
            0 => Err(Error::NotFound { entity }),
            _ => Ok(()),
        }
    }

    /// Adds a row to a table that belongs to no tenant.
    pub async fn insert_shared<E: Shared>(&self, row: E::ActiveModel) -> Result<E::Model> {
        Ok(E::insert(row).exec_with_returning(self.connection().await?).await?)
    }

    /// Updates rows of a table that belongs to no tenant, and returns them.
    pub async fn update_shared<E: Shared>(
        &self,
        set: E::ActiveModel,
        condition: impl IntoCondition,
    ) -> Result<Vec<E::Model>> {
        Ok(E::update_many().set(set).filter(condition).exec_with_returning(self.connection().await?).await?)
    }

    /// Deletes rows of a table that belongs to no tenant. Returns how many.
    pub async fn delete_shared<E: Shared>(&self, condition: impl IntoCondition) -> Result<u64> {
        Ok(E::delete_many().filter(condition).exec(self.connection().await?).await?.rows_affected)
    }

    /// Returns the unfiltered connection, for SQL across all tenants. Fails with [`Error::Forbidden`] in any unit but a
    /// platform unit.
    pub fn across_tenants(&self) -> Result<Unfiltered<'_>> {
        match self.kind {
            UnitKind::Platform => self.begun().map(Unfiltered),
            UnitKind::Tenant(_) | UnitKind::Identity | UnitKind::Operations => Err(self.refuse("work across tenants")),
        }
    }

    /// Returns the unfiltered connection, for operational tables. Fails with [`Error::Forbidden`] in tenant and
    /// identity units.
    pub fn operations(&self) -> Result<Unfiltered<'_>> {
        match self.kind {
            UnitKind::Platform | UnitKind::Operations => self.begun().map(Unfiltered),
            UnitKind::Tenant(_) | UnitKind::Identity => Err(self.refuse("read operational tables")),
        }
    }

    pub(super) fn in_tenant<E: TenantOwned>(&self, mut row: E::ActiveModel) -> E::ActiveModel {
        if let UnitKind::Tenant(scope) = &self.kind {
            row.set(E::TENANT, scope.tenant().into());
        }
        row
    }
}

pub(super) fn without_tenant<E: TenantOwned>(mut set: E::ActiveModel) -> E::ActiveModel {
    set.not_set(E::TENANT);
    set
}
