//! Upserts through the tenant filter.
//!
//! `ON CONFLICT DO UPDATE` is not used: for a row that a policy hides, some minor versions of PostgreSQL skip it and
//! others fail (15.20: SQLSTATE 42501). `ON CONFLICT DO NOTHING` and a plain `UPDATE` behave the same in all versions.

use std::collections::HashSet;

use rylie_entities::TenantOwned;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoIden, OnConflict, TableRef, Value, ValueTuple};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, IdenStatic, Iterable, QueryFilter, QueryTrait,
};

use crate::error::{Error, Result};
use crate::filter::Tx;

/// How often an upsert is attempted before the row counts as another tenant's: a row may appear or disappear between
/// two statements.
const ATTEMPTS: usize = 2;

/// The rows of an `UPDATE … FROM (VALUES …)`; its columns are `column1`, `column2` and so on, on both engines.
const GIVEN: &str = "given";

impl Tx {
    /// Adds a row, or updates the one with the same values in the columns of a unique index if this unit reaches it.
    /// Fails with [`Error::NotFound`] if the row belongs to another tenant or user.
    pub async fn upsert<E: TenantOwned>(
        &self,
        row: E::ActiveModel,
        unique: &[E::Column],
        update: &[E::Column],
    ) -> Result<E::Model> {
        let row = self.in_tenant::<E>(row);
        let mut same = Condition::all();
        for column in unique {
            same = same.add(column.eq(row.get(*column).into_value().ok_or_else(without_key)?));
        }
        for _ in 0..ATTEMPTS {
            let set = only::<E>(row.clone(), update);
            if let Some(updated) = self.update::<E>(set, same.clone()).await?.pop() {
                return Ok(updated);
            }
            let insert =
                E::insert(row.clone()).on_conflict(OnConflict::columns(unique.iter().copied()).do_nothing().to_owned());
            match insert.exec_with_returning(self.connection().await?).await {
                Err(DbErr::RecordNotInserted) => {}
                done => return Ok(done?),
            }
        }
        Err(Error::NotFound { entity: "row" })
    }

    /// Adds rows, or updates those with the same `unique` text column that this unit reaches. `of` are the columns of
    /// the unique index.
    ///
    /// Returns how many were added or updated; the others are out of reach. One statement if all are new, two if this
    /// unit reaches all.
    pub async fn upsert_many<E: TenantOwned>(
        &self,
        rows: Vec<E::ActiveModel>,
        (unique, of): (E::Column, &[E::Column]),
        update: &[E::Column],
    ) -> Result<u64> {
        let mut saved = 0;
        for mut left in self.in_statements::<E>(rows) {
            let asked = left.len();
            for _ in 0..ATTEMPTS {
                let added = self.add_new::<E>(left.clone(), unique, of).await?;
                without::<E>(&mut left, unique, &added)?;
                if left.is_empty() {
                    break;
                }
                let updated = self.update_given::<E>(&left, unique, update).await?;
                without::<E>(&mut left, unique, &updated)?;
                if left.is_empty() {
                    break;
                }
            }
            saved += (asked - left.len()) as u64;
        }
        Ok(saved)
    }

    /// Adds the rows whose `unique` value does not exist yet. Returns their `unique` values.
    async fn add_new<E: TenantOwned>(
        &self,
        rows: Vec<E::ActiveModel>,
        unique: E::Column,
        of: &[E::Column],
    ) -> Result<HashSet<String>> {
        let mut insert = E::insert_many(rows).into_query();
        insert.on_conflict(OnConflict::columns(of.iter().copied()).do_nothing().to_owned()).returning_col(unique);
        let rows = self.connection().await?.query_all(&insert).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }

    /// Updates the rows that this unit reaches. Returns their `unique` values.
    async fn update_given<E: TenantOwned>(
        &self,
        rows: &[E::ActiveModel],
        unique: E::Column,
        update: &[E::Column],
    ) -> Result<HashSet<String>> {
        let value = |row: &E::ActiveModel, column: E::Column| row.get(column).into_value().ok_or_else(without_key);
        let given = rows.iter().map(|row| {
            let columns = std::iter::once(&unique).chain(update);
            Ok(ValueTuple::Many(columns.map(|column| value(row, *column)).collect::<Result<Vec<Value>>>()?))
        });
        let given = given.collect::<Result<Vec<_>>>()?;
        let column = |number: usize| Expr::col((Alias::new(GIVEN), Alias::new(format!("column{number}"))));
        let same = unique.into_expr().eq(column(1));
        let mut query = E::update_many().filter(same).filter(self.kind.condition::<E>()).into_query();
        query.from(TableRef::ValuesList(given, Alias::new(GIVEN).into_iden())).returning_col(unique);
        for (number, set) in (2..).zip(update) {
            query.value(*set, set.save_as(column(number)));
        }
        let rows = self.connection().await?.query_all(&query).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }
}

/// Returns the row with only these columns set.
fn only<E: TenantOwned>(mut row: E::ActiveModel, columns: &[E::Column]) -> E::ActiveModel {
    for column in E::Column::iter().filter(|column| columns.iter().all(|kept| kept.as_str() != column.as_str())) {
        row.not_set(column);
    }
    row
}

/// Removes the rows whose `unique` value is in `done`.
fn without<E: TenantOwned>(rows: &mut Vec<E::ActiveModel>, unique: E::Column, done: &HashSet<String>) -> Result<()> {
    let mut left = Vec::new();
    for row in rows.drain(..) {
        match row.get(unique).into_value() {
            Some(Value::String(Some(key))) if done.contains(&key) => {}
            Some(Value::String(Some(_))) => left.push(row),
            _ => return Err(without_key()),
        }
    }
    *rows = left;
    Ok(())
}

fn without_key() -> Error {
    Error::Invalid { what: "a row", reason: "it must have its unique column and those that are updated" }
}
