//! Checks a caller's condition: only what concerns the row itself may be in it.
//!
//! A sub-query reads without the tenant filter, and SQLite has no other layer. SQL text and functions by name can do
//! more: on PostgreSQL `set_config` changes the unit's role and tenant.

use rylie_entities::RepositoryTable;
use sea_orm::sea_query::{BinOper, ColumnRef, Expr, Func, FunctionCall, Keyword, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, IdenStatic, Iterable, Value};

use super::Refused;

/// The largest depth of all conditions of a call together. Conditions side by side are a chain that is as deep as it is
/// long. A deeper one would exhaust the stack of the server, or ours.
const DEPTH: usize = 200;

/// The largest number of values of all conditions of a call together. SQLite has the lowest limit, 32,766.
const VALUES: usize = 30_000;

/// The longest pattern of SQLite.
const PATTERN_BYTES: usize = 50_000;

const WHAT: &str = "the condition";

/// What the conditions of a call have together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// The number of conditions.
    parts: usize,
    /// The depth of the deepest one.
    depth: usize,
    values: usize,
}

impl Size {
    /// Adds another condition.
    pub(super) fn and(self, other: Self) -> Result<Self, Refused> {
        let (parts, values) = (self.parts + 1, self.values + other.values);
        Self { parts, depth: self.depth.max(other.depth), values }.checked()
    }

    fn checked(self) -> Result<Self, Refused> {
        if self.parts + self.depth > DEPTH {
            return Err(Refused(WHAT, "it has more than 200 parts; use `among` or `is_in` for a list of values"));
        }
        if self.values > VALUES {
            return Err(Refused(WHAT, "it has more than 30,000 values; use `among` for a list of texts"));
        }
        Ok(self)
    }
}

/// Returns the size of the condition if it uses only columns of the table, values and operators.
pub(super) fn checked<E: RepositoryTable>(condition: &Condition) -> Result<Size, Refused> {
    if condition.is_empty() {
        return Ok(Size::default());
    }
    let expression = SimpleExpr::from(condition.clone());
    let size = self::expression::<E>(&expression);
    take_apart(expression);
    size
}

/// Returns the size of the expression if it uses only columns of the table, values and operators.
pub(super) fn expression<E: RepositoryTable>(expression: &Expr) -> Result<Size, Refused> {
    let (mut size, mut unread) = (Size::default(), vec![(expression, 0)]);
    while let Some((expression, depth)) = unread.pop() {
        size.depth = size.depth.max(depth);
        size.values += usize::from(matches!(expression, Expr::Value(_)));
        size.checked()?;
        unread.extend(parts::<E>(expression)?.into_iter().map(|part| (part, depth + 1)));
    }
    Ok(size)
}

/// Drops an expression part by part. Dropped whole, a long chain would exhaust the stack.
fn take_apart(expression: Expr) {
    let mut left = vec![expression];
    while let Some(expression) = left.pop() {
        match expression {
            Expr::Unary(_, operand) => left.push(*operand),
            Expr::Binary(first, _, second) => left.extend([*first, *second]),
            _ => {}
        }
    }
}

/// Returns the parts of an expression. Fails if it is not one that a condition may have.
fn parts<E: RepositoryTable>(expression: &Expr) -> Result<Vec<&Expr>, Refused> {
    match expression {
        Expr::Value(_) | Expr::Values(_) | Expr::Constant(_) | Expr::Keyword(Keyword::Null) => Ok(Vec::new()),
        Expr::Column(column) => check_column::<E>(column).map(|()| Vec::new()),
        Expr::Tuple(items) => Ok(items.iter().collect()),
        Expr::Unary(_, operand) => Ok(vec![operand]),
        Expr::Binary(left, operator, right) => {
            check_operator(operator, right)?;
            Ok(vec![left, right])
        }
        Expr::FunctionCall(call) => {
            check_function(call)?;
            Ok(call.get_args().iter().collect())
        }
        Expr::AsEnum(name, value) => {
            let name = name.to_string();
            let is_ours = E::Column::iter().any(|column| column.enum_type_name().is_some_and(|known| known == name));
            if is_ours { Ok(vec![value]) } else { Err(Refused(WHAT, "it converts to a type that no column has")) }
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
fn check_operator(operator: &BinOper, right: &Expr) -> Result<(), Refused> {
    match operator {
        BinOper::Custom(_) | BinOper::As => Err(Refused(WHAT, "it has an operator that is not checked")),
        BinOper::Like | BinOper::NotLike if is_long(right) => Err(Refused(WHAT, "a pattern has 50,000 bytes at most")),
        _ => Ok(()),
    }
}

fn is_long(pattern: &Expr) -> bool {
    match pattern {
        Expr::Value(Value::String(Some(text))) => text.len() > PATTERN_BYTES,
        // A pattern with its escape character.
        Expr::Binary(pattern, _, _) => is_long(pattern),
        _ => false,
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
