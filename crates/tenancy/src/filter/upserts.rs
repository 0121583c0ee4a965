//! Upserts through the tenant filter.
//!
//! `ON CONFLICT DO UPDATE` is not used: for a row that a policy hides, some minor versions of PostgreSQL skip it and
//! others fail (15.20: SQLSTATE 42501). `ON CONFLICT DO NOTHING` and a plain `UPDATE` behave the same in all versions.

use std::collections::HashSet;

use rylie_entities::{TenantOwned, Timestamp};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoIden, OnConflict, Query, TableRef, Value, ValueTuple};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, IdenStatic, Iterable, QueryFilter, QueryResult,
    QueryTrait,
};

use crate::error::{Error, Result};
use crate::filter::Tx;

/// How often an upsert is attempted before the row counts as another tenant's: a row may appear or disappear between
/// two statements.
const ATTEMPTS: usize = 2;

/// The rows of an `UPDATE … FROM (VALUES …)`; its columns are `column1`, `column2` and so on, on both engines.
const GIVEN: &str = "given";

impl Tx {
    /// Adds a row, or updates the one with the same values in the columns of a unique index. That one is updated if
    /// this unit reaches it and it meets the condition. Fails with [`Error::NotFound`] if there is another such row.
    /// Fails with [`Error::Invalid`] if the row lacks a column of the index.
    pub async fn upsert<E: TenantOwned>(
        &self,
        row: E::ActiveModel,
        unique: &[E::Column],
        update: &[E::Column],
        condition: Condition,
    ) -> Result<E::Model> {
        let row = self.in_tenant::<E>(row);
        let mut same = condition;
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
                Err(DbErr::RecordNotInserted | DbErr::RecordNotFound(_)) => {}
                done => return Ok(done?),
            }
        }
        Err(Error::NotFound { entity: "row" })
    }

    /// Adds rows, or updates those with the same values in the columns `unique` that this unit reaches and that meet the
    /// condition. `of` are the columns of the unique index: `unique`, and the tenant where it is one of them.
    ///
    /// Returns how many were added or updated; the others are out of reach. One statement if all are new, two if this
    /// unit reaches all.
    ///
    /// Fails with [`Error::Invalid`] if a row lacks a column of the index, or one that is updated.
    pub async fn upsert_many<E: TenantOwned>(
        &self,
        rows: Vec<E::ActiveModel>,
        (unique, of): (&[E::Column], &[E::Column]),
        update: &[E::Column],
        condition: &Condition,
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
                let updated = self.update_given::<E>(&left, unique, update, condition).await?;
                without::<E>(&mut left, unique, &updated)?;
                if left.is_empty() {
                    break;
                }
            }
            saved += (asked - left.len()) as u64;
        }
        Ok(saved)
    }

    /// Adds the rows whose `unique` values do not exist yet. Returns their keys.
    async fn add_new<E: TenantOwned>(
        &self,
        rows: Vec<E::ActiveModel>,
        unique: &[E::Column],
        of: &[E::Column],
    ) -> Result<HashSet<Key>> {
        let mut insert = E::insert_many(rows).into_query();
        insert.on_conflict(OnConflict::columns(of.iter().copied()).do_nothing().to_owned());
        insert.returning(Query::returning().columns(unique.iter().copied()));
        returned_keys(&self.connection().await?.query_all(&insert).await?, unique)
    }

    /// Updates the rows that this unit reaches. Returns their keys.
    async fn update_given<E: TenantOwned>(
        &self,
        rows: &[E::ActiveModel],
        unique: &[E::Column],
        update: &[E::Column],
        condition: &Condition,
    ) -> Result<HashSet<Key>> {
        let value = |row: &E::ActiveModel, column: E::Column| row.get(column).into_value().ok_or_else(without_key);
        let given = rows.iter().map(|row| {
            let columns = unique.iter().chain(update);
            Ok(ValueTuple::Many(columns.map(|column| value(row, *column)).collect::<Result<Vec<Value>>>()?))
        });
        let given = given.collect::<Result<Vec<_>>>()?;
        let column = |number: usize| Expr::col((Alias::new(GIVEN), Alias::new(format!("column{number}"))));
        let mut same = condition.clone();
        for (number, unique) in (1..).zip(unique) {
            same = same.add(unique.into_expr().eq(column(number)));
        }
        let mut query = E::update_many().filter(same).filter(self.kind.condition::<E>()).into_query();
        query.from(TableRef::ValuesList(given, Alias::new(GIVEN).into_iden()));
        query.returning(Query::returning().exprs(unique.iter().map(|unique| unique.into_expr())));
        for (number, set) in (1 + unique.len()..).zip(update) {
            query.value(*set, set.save_as(column(number)));
        }
        returned_keys(&self.connection().await?.query_all(&query).await?, unique)
    }
}

/// The values of the unique columns of a row, as texts.
type Key = Vec<String>;

/// Reads the keys that a statement returned.
fn returned_keys<C: ColumnTrait>(rows: &[QueryResult], unique: &[C]) -> Result<HashSet<Key>> {
    let key = |row: &QueryResult| unique.iter().enumerate().map(|(at, column)| returned(row, at, column)).collect();
    rows.iter().map(key).collect()
}

/// Reads one value of a key in the type of its column. A JSON document has no unique index.
fn returned<C: ColumnTrait>(row: &QueryResult, at: usize, column: &C) -> Result<String> {
    use sea_orm::sea_query::ColumnType as Type;
    Ok(text(&match column.def().get_column_type() {
        Type::Integer => row.try_get_by_index::<i32>(at)?.into(),
        Type::BigInteger => row.try_get_by_index::<i64>(at)?.into(),
        Type::Boolean => row.try_get_by_index::<bool>(at)?.into(),
        Type::Double => row.try_get_by_index::<f64>(at)?.into(),
        Type::Timestamp | Type::DateTime => row.try_get_by_index::<Timestamp>(at)?.into(),
        _ => row.try_get_by_index::<String>(at)?.into(),
    }))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(Some(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// Returns the row with only these columns set.
fn only<E: TenantOwned>(mut row: E::ActiveModel, columns: &[E::Column]) -> E::ActiveModel {
    for column in E::Column::iter().filter(|column| columns.iter().all(|kept| kept.as_str() != column.as_str())) {
        row.not_set(column);
    }
    row
}

/// Removes the rows whose keys are in `done`.
fn without<E: TenantOwned>(rows: &mut Vec<E::ActiveModel>, unique: &[E::Column], done: &HashSet<Key>) -> Result<()> {
    let mut left = Vec::new();
    for row in rows.drain(..) {
        let part = |column: &E::Column| match row.get(*column).into_value() {
            Some(value) if value != value.as_null() => Ok(text(&value)),
            _ => Err(without_key()),
        };
        if !done.contains(&unique.iter().map(part).collect::<Result<Key>>()?) {
            left.push(row);
        }
    }
    *rows = left;
    Ok(())
}

fn without_key() -> Error {
    Error::Invalid {
        what: "a row",
        reason: "it must have its unique columns, none of them null, and those that are updated",
    }
}
