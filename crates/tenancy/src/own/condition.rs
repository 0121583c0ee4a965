//! Checks a caller's condition: only what concerns the row itself may be in it.
//!
//! A sub-query reads without the tenant filter, and SQLite has no other layer. SQL text and functions by name can do
//! more: on PostgreSQL `set_config` changes the unit's role and tenant.

use rylie_entities::RepositoryTable;
use sea_orm::sea_query::{BinOper, ColumnRef, Expr, Func, FunctionCall, Keyword, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, IdenStatic, Iterable};

use super::Refused;

/// The deepest nesting. A deeper condition would exhaust the stack of the server, or ours.
const DEPTH: usize = 64;

const WHAT: &str = "the condition";

/// Returns the condition if it uses only columns of the table, values and operators.
pub(super) fn checked<E: RepositoryTable>(condition: Condition) -> Result<Condition, Refused> {
    if condition.is_empty() {
        return Ok(condition);
    }
    check::<E>(&SimpleExpr::from(condition.clone()), 0)?;
    Ok(condition)
}

/// Fails unless the expression uses only columns of the table, values and operators.
pub(super) fn expression<E: RepositoryTable>(expression: &Expr) -> Result<(), Refused> {
    check::<E>(expression, 0)
}

fn check<E: RepositoryTable>(expression: &Expr, depth: usize) -> Result<(), Refused> {
    if depth > DEPTH {
        return Err(Refused(WHAT, "it is nested too deeply"));
    }
    let inner = |inner: &Expr| check::<E>(inner, depth + 1);
    match expression {
        Expr::Value(_) | Expr::Values(_) | Expr::Constant(_) | Expr::Keyword(Keyword::Null) => Ok(()),
        Expr::Column(column) => check_column::<E>(column),
        Expr::Tuple(items) => items.iter().try_for_each(inner),
        Expr::Unary(_, operand) => inner(operand),
        Expr::Binary(left, operator, right) => {
            check_operator(operator)?;
            inner(left)?;
            inner(right)
        }
        Expr::FunctionCall(call) => {
            check_function(call)?;
            call.get_args().iter().try_for_each(inner)
        }
        Expr::AsEnum(name, value) => {
            let name = name.to_string();
            let is_ours = E::Column::iter().any(|column| column.enum_type_name().is_some_and(|known| known == name));
            if is_ours { inner(value) } else { Err(Refused(WHAT, "it converts to a type that no column has")) }
        }
        Expr::SubQuery(..) => Err(Refused(
            WHAT,
            "a sub-query would read without the tenant filter; read the other rows first and filter by their ids",
        )),
        Expr::Custom(_) | Expr::CustomWithExpr(..) => {
            Err(Refused(WHAT, "SQL text is not checked for the tenant; use the columns of the entity"))
        }
        _ => Err(Refused(WHAT, "it has a part that is not checked for the tenant; use columns, values and operators")),
    }
}

fn check_column<E: RepositoryTable>(column: &ColumnRef) -> Result<(), Refused> {
    let ColumnRef::Column(name) = column else {
        return Err(Refused(WHAT, "it names all columns; name one of the entity"));
    };
    let own_table = name.0.as_ref().is_none_or(|table| table.0.is_none() && table.1.to_string() == E::TABLE);
    let wanted = name.1.to_string();
    if own_table && E::Column::iter().any(|known| known.as_str() == wanted) {
        return Ok(());
    }
    Err(Refused(WHAT, "it names a column of another table; read the other rows first and filter by their ids"))
}

/// Operators that take text of the caller, or call functions, are refused.
fn check_operator(operator: &BinOper) -> Result<(), Refused> {
    match operator {
        BinOper::Custom(_) | BinOper::As => Err(Refused(WHAT, "it has an operator that is not checked")),
        _ => Ok(()),
    }
}

fn check_function(call: &FunctionCall) -> Result<(), Refused> {
    let harmless = matches!(
        call.get_func(),
        Func::Abs | Func::CharLength | Func::Coalesce | Func::IfNull | Func::Lower | Func::Upper | Func::Round
    );
    if harmless && call.get_filter().is_none() {
        return Ok(());
    }
    Err(Refused(WHAT, "it calls a function that is not checked for the tenant"))
}
