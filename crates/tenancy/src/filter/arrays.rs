//! Inserts many rows in one statement on PostgreSQL. Each column is sent as one array, so the text is the same for any
//! number of rows and stays prepared. The protocol's limit on bound values does not apply.

use std::sync::Arc;

use chrono::NaiveDateTime;
use rylie_connection::refuse_unstorable;
use sea_orm::sea_query::{ColumnType, OptionEnum};
use sea_orm::{ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IdenStatic, Iterable, Value};
use sqlx::Arguments;
use sqlx::postgres::PgArguments;

use super::texts::Texts;

/// The table, a bit for each set column, and the number of values bound before the arrays.
type Key = (&'static str, u64, usize);

/// One entry per combination of columns that is inserted.
static TEXTS: Texts<Key> = Texts::new();

/// The arrays that a statement binds.
#[derive(Default)]
pub(super) struct Arrays {
    pub(super) arguments: PgArguments,
    bound: usize,
}

impl Arrays {
    /// Binds one text in addition to the arrays. Returns its placeholder.
    pub(super) fn bind(&mut self, text: &str) -> Result<String, DbErr> {
        self.arguments.add(text).map_err(|error| DbErr::Type(error.to_string()))?;
        self.bound += 1;
        Ok(format!("${}", self.bound))
    }

    /// Returns `INSERT INTO … SELECT … FROM UNNEST(…)` for the columns that any of the rows sets.
    pub(super) fn insert<E: EntityTrait>(&mut self, mut rows: Vec<E::ActiveModel>) -> Result<Arc<str>, DbErr> {
        let (before, mut set) = (self.bound, Vec::new());
        let mut bits = 0;
        for (place, column) in E::Column::iter().enumerate() {
            let values: Vec<_> = rows.iter_mut().map(|row| row.take(column).into_value()).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            refuse_unstorable(values.iter().flatten())?;
            add(&mut self.arguments, column.def().get_column_type(), values)?;
            self.bound += 1;
            bits |= 1 << place;
            set.push(column);
        }
        let key = (E::default().table_name(), bits, before);
        Ok(TEXTS.get(&key).unwrap_or_else(|| TEXTS.keep(key, &text::<E>(&set, before))))
    }
}

fn text<E: EntityTrait>(set: &[E::Column], bound_before: usize) -> String {
    let (mut names, mut read, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
    for (place, column) in (1 + bound_before..).zip(set) {
        let (name, definition) = (column.as_str(), column.def());
        let item = item(definition.get_column_type());
        arrays.push(format!("${place}::{item}[]"));
        read.push(match definition.get_column_type() {
            ColumnType::Enum { name: of, .. } => format!(r#"r."{name}"::"{of}""#),
            _ => format!(r#"r."{name}""#),
        });
        names.push(format!(r#""{name}""#));
    }
    let table = E::default().table_name();
    let (names, read, arrays) = (names.join(", "), read.join(", "), arrays.join(", "));
    format!(r#"INSERT INTO "{table}" ({names}) SELECT {read} FROM UNNEST({arrays}) AS r({names})"#)
}

/// Returns the type of the array's items.
fn item(column_type: &ColumnType) -> &'static str {
    match column_type {
        ColumnType::Integer => "int4",
        ColumnType::BigInteger => "int8",
        ColumnType::Boolean => "bool",
        ColumnType::Double => "float8",
        ColumnType::Timestamp | ColumnType::DateTime => "timestamp",
        ColumnType::JsonBinary | ColumnType::Json => "jsonb",
        _ => "text",
    }
}

/// Binds a column's values.
fn add(arguments: &mut PgArguments, column_type: &ColumnType, values: Vec<Option<Value>>) -> Result<(), DbErr> {
    macro_rules! array {
        ($item:ty, $($read:pat => $value:expr),+) => {{
            let item = |value| match value {
                $($read => Ok($value),)+
                // Unset in this row, or null.
                None => Ok(None),
                Some(_) => Err(DbErr::Type("a value does not have its column's type".to_owned())),
            };
            let items: Vec<Option<$item>> = values.into_iter().map(item).collect::<Result<_, _>>()?;
            arguments.add(items)
        }};
    }
    let added = match column_type {
        ColumnType::Text | ColumnType::String(_) => array!(String, Some(Value::String(text)) => text),
        ColumnType::Enum { .. } => array!(
            String,
            Some(Value::String(text)) => text,
            Some(Value::Enum(OptionEnum::Some(label))) => Some(label.value.into_owned()),
            Some(Value::Enum(OptionEnum::None(_))) => None
        ),
        ColumnType::Integer => array!(i32, Some(Value::Int(number)) => number),
        ColumnType::BigInteger => array!(i64, Some(Value::BigInt(number)) => number),
        ColumnType::Boolean => array!(bool, Some(Value::Bool(truth)) => truth),
        ColumnType::Double => array!(f64, Some(Value::Double(number)) => number),
        ColumnType::Timestamp | ColumnType::DateTime => {
            array!(NaiveDateTime, Some(Value::ChronoDateTime(at)) => at)
        }
        ColumnType::JsonBinary | ColumnType::Json => {
            array!(serde_json::Value, Some(Value::Json(json)) => json.map(|json| *json))
        }
        _ => return Err(DbErr::Type("a column type that cannot be sent as an array".to_owned())),
    };
    added.map_err(|error| DbErr::Type(error.to_string()))
}
