//! Tables with a keyset walk, and their sort orders.

use rylie_entities::{TenantOwned, agency, audit_log, monthly_usage, request, seoworks_task_mapping, task, user};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Order, SimpleExpr};

use super::decoded::Decoded;
use crate::cursor::KeysetKey;
use crate::error::Result;

/// A table with a keyset walk.
pub trait KeysetTable: TenantOwned + Decoded {
    /// Returns the sort columns; the last one breaks ties.
    fn in_order(order: Order) -> Vec<(Self::Column, Order)>;

    /// Returns the condition for the rows after a position: one comparison that an index in the sort order serves. It
    /// also works under row-level security, because comparisons of text, time and numbers are leak-proof.
    fn after(place: KeysetKey, order: &Order) -> Result<SimpleExpr>;
}

/// Implements the walk for tables sorted by creation time.
macro_rules! listed_by_time {
    ($($table:ident),+) => {
        $(
            impl KeysetTable for $table::Entity {
                fn in_order(order: Order) -> Vec<(Self::Column, Order)> {
                    vec![($table::Column::CreatedAt, order.clone()), ($table::Column::Id, order)]
                }

                fn after(place: KeysetKey, order: &Order) -> Result<SimpleExpr> {
                    let row: [SimpleExpr; 2] = [$table::Column::CreatedAt.into_expr(), $table::Column::Id.into_expr()];
                    let place: [SimpleExpr; 2] = [Expr::val(place.time()?), Expr::val(place.id)];
                    let (row, place) = (Expr::tuple(row), Expr::tuple(place));
                    Ok(if matches!(order, Order::Desc) { row.lt(place) } else { row.gt(place) })
                }
            }

            impl KeysetRow for $table::Model {
                fn place(&self) -> KeysetKey {
                    KeysetKey::at(self.created_at, self.id.as_str())
                }
            }
        )+
    };
}
listed_by_time!(agency, audit_log, request, seoworks_task_mapping, task, user);

impl KeysetTable for monthly_usage::Entity {
    fn in_order(latest_first: Order) -> Vec<(monthly_usage::Column, Order)> {
        vec![
            (monthly_usage::Column::Year, latest_first.clone()),
            (monthly_usage::Column::Month, latest_first),
            (monthly_usage::Column::Id, Order::Asc),
        ]
    }

    fn after(place: KeysetKey, _latest_first: &Order) -> Result<SimpleExpr> {
        let (year, month) = year_and_month(place.key);
        let row = || Expr::tuple([monthly_usage::Column::Year.into_expr(), monthly_usage::Column::Month.into_expr()]);
        let place_of_month = || Expr::tuple([Expr::val(year), Expr::val(month)]);
        // The first comparison is the index condition; the second one separates rows of the same month.
        let within = row().lt(place_of_month()).or(monthly_usage::Column::Id.gt(place.id));
        Ok(row().lte(place_of_month()).and(within))
    }
}

impl KeysetRow for monthly_usage::Model {
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

/// A row with a position in the walk.
pub trait KeysetRow {
    /// Returns its position.
    fn place(&self) -> KeysetKey;
}
