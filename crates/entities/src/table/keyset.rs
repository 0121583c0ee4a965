//! Tables with a keyset walk, and their sort orders.

use chrono::DateTime;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Value};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait};

use super::Decoded;
use crate::{TenantOwned, Timestamp};

/// The last row of a page, in the order of the list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeysetKey {
    /// The sort key as a number; for a time, its milliseconds since 1970.
    pub key: i64,
    /// The tie-breaker.
    pub id: String,
}

impl KeysetKey {
    /// Creates a position in a list sorted by time.
    #[must_use]
    pub fn at(time: Timestamp, id: &str) -> Self {
        Self { key: time.utc().timestamp_millis(), id: id.to_owned() }
    }

    /// Returns the time, in a list sorted by time; `None` for a number that is no time.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        DateTime::from_timestamp_millis(self.key).map(Into::into)
    }
}

/// A table with a keyset walk.
pub trait KeysetTable: TenantOwned + Decoded {
    /// Returns the sort columns; the last one breaks ties.
    fn in_order(order: Order) -> Vec<(Self::Column, Order)>;

    /// Returns the condition for the rows after a position: one comparison that an index in the sort order serves. It
    /// also works under row-level security, because comparisons of text, time and numbers are leak-proof. `None` if
    /// the position cannot belong to this list.
    fn after(place: KeysetKey, order: &Order) -> Option<Expr>;

    /// As [`after`](Self::after), where the engines differ.
    #[must_use]
    fn after_on(_engine: DbBackend, place: KeysetKey, order: &Order) -> Option<Expr> {
        Self::after(place, order)
    }
}

/// A row with a position in the walk.
pub trait KeysetRow {
    /// Returns its position.
    fn place(&self) -> KeysetKey;
}

/// Returns the condition that a row follows another one, whose values in these columns are given.
pub fn beyond<E: ColumnTrait>(columns: &[E], values: Vec<Value>, order: &Order) -> Expr {
    let row = Expr::tuple(columns.iter().map(|column| column.into_expr()).collect::<Vec<_>>());
    let place = Expr::tuple(values.into_iter().map(Expr::val).collect::<Vec<_>>());
    if matches!(order, Order::Desc) { row.lt(place) } else { row.gt(place) }
}

impl KeysetTable for crate::monthly_usage::Entity {
    fn in_order(latest_first: Order) -> Vec<(<Self as EntityTrait>::Column, Order)> {
        use crate::monthly_usage::Column::{Id, Month, Year};
        vec![(Year, latest_first.clone()), (Month, latest_first), (Id, Order::Asc)]
    }

    fn after(place: KeysetKey, _latest_first: &Order) -> Option<Expr> {
        use crate::monthly_usage::Column::{Id, Month, Year};
        let (year, month) = year_and_month(place.key);
        let row = || Expr::tuple([Year.into_expr(), Month.into_expr()]);
        let place_of_month = || Expr::tuple([Expr::val(year), Expr::val(month)]);
        // The first comparison is the index condition; the second one separates rows of the same month.
        let within = row().lt(place_of_month()).or(Id.gt(place.id));
        Some(row().lte(place_of_month()).and(within))
    }
}

impl KeysetRow for crate::monthly_usage::Model {
    fn place(&self) -> KeysetKey {
        KeysetKey { key: (i64::from(self.year) << 32) | i64::from(self.month.cast_unsigned()), id: self.id.to_string() }
    }
}

/// Splits a sort key into year and month; accepts any numbers of an old row.
fn year_and_month(key: i64) -> (i32, i32) {
    let halves = key.to_be_bytes();
    let half = |from: usize| i32::from_be_bytes([halves[from], halves[from + 1], halves[from + 2], halves[from + 3]]);
    (half(0), half(4))
}
