//! Enum labels in conditions.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{ActiveEnum, ColumnTrait};

/// Builds the condition that a column equals this label, written out in the SQL. PostgreSQL casts a bound label only
/// when it runs the statement, too late to choose a partial index for that label.
pub(crate) fn labelled<L: ActiveEnum<Value = String>>(column: impl ColumnTrait, label: &L) -> SimpleExpr {
    column.into_expr().eq(Expr::cust(format!("'{}'", label.to_value().replace('\'', "''"))))
}
