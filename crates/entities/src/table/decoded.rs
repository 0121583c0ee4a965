//! Decodes rows into models by column index. Looking up names, and building an error for each null, dominates the
//! decoding otherwise.

use sea_orm::{DbBackend, DbErr, EntityTrait, FromQueryResult, QueryResult, TryGetable};
use sqlx::{Row, ValueRef};

/// Decodes a row with all columns of the table, in their order, into its model.
pub trait Decoded: EntityTrait {
    /// Returns the expressions of the columns, in their order, where these are not the columns themselves.
    #[must_use]
    fn selected(_engine: DbBackend) -> Option<String> {
        None
    }

    /// Decodes a row.
    fn decoded(row: &QueryResult) -> Result<Self::Model, DbErr> {
        Self::Model::from_query_result(row, "")
    }
}

/// Returns the value at this place, or `None` for null.
pub fn nullable<T: TryGetable>(row: &QueryResult, place: usize) -> Result<Option<T>, DbErr> {
    let null = match (row.try_as_pg_row(), row.try_as_sqlite_row()) {
        (Some(row), _) => row.try_get_raw(place).is_ok_and(|value| value.is_null()),
        (_, Some(row)) => row.try_get_raw(place).is_ok_and(|value| value.is_null()),
        _ => false,
    };
    if null { Ok(None) } else { row.try_get_by_index(place).map(Some) }
}
