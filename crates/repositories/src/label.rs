//! Labels of enums in conditions.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{ActiveEnum, ColumnTrait};

/// That a column holds this label, which is written out: a bound one is a text that PostgreSQL casts when it runs the statement, too
/// late to see that a partial index is for that label.
pub(crate) fn labelled<L: ActiveEnum<Value = String>>(column: impl ColumnTrait, label: &L) -> SimpleExpr {
    column.into_expr().eq(Expr::cust(format!("'{}'", label.to_value().replace('\'', "''"))))
}
