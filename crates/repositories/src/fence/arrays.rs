//! Many rows in one statement on PostgreSQL: each column travels as one array, so the text is the same for any number of
//! rows and stays prepared, and their number meets no limit of the protocol.

use chrono::NaiveDateTime;
use sea_orm::sea_query::{ColumnType, OptionEnum};
use sea_orm::{ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IdenStatic, Iterable, Value};
use sqlx::Arguments;
use sqlx::postgres::PgArguments;

use super::storable::{UNSTORABLE, is_unstorable};

/// The arrays that a statement binds.
#[derive(Default)]
pub(super) struct Arrays {
    pub(super) arguments: PgArguments,
    bound: usize,
}

impl Arrays {
    /// `INSERT INTO … SELECT … FROM UNNEST(…)` of the columns that are set in any of the rows.
    pub(super) fn insert<E: EntityTrait>(&mut self, mut rows: Vec<E::ActiveModel>) -> Result<String, DbErr> {
        let (mut names, mut read, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
        for column in E::Column::iter() {
            let values: Vec<_> = rows.iter_mut().map(|row| row.take(column).into_value()).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            if values.iter().flatten().any(is_unstorable) {
                return Err(DbErr::Type(UNSTORABLE.to_owned()));
            }
            let (name, column_type) = (column.as_str(), column.def().get_column_type().clone());
            let item = add(&mut self.arguments, &column_type, values)?;
            self.bound += 1;
            arrays.push(format!("${}::{item}[]", self.bound));
            read.push(match &column_type {
                ColumnType::Enum { name: of, .. } => format!(r#"r."{name}"::"{of}""#),
                _ => format!(r#"r."{name}""#),
            });
            names.push(format!(r#""{name}""#));
        }
        let table = E::default().table_name();
        let (names, read, arrays) = (names.join(", "), read.join(", "), arrays.join(", "));
        Ok(format!(r#"INSERT INTO "{table}" ({names}) SELECT {read} FROM UNNEST({arrays}) AS r({names})"#))
    }
}

/// Binds a column's values; returns the type of the array's items.
fn add(
    arguments: &mut PgArguments,
    column_type: &ColumnType,
    values: Vec<Option<Value>>,
) -> Result<&'static str, DbErr> {
    macro_rules! array {
        ($item:ty, $($read:pat => $value:expr),+) => {{
            let item = |value| match value {
                $($read => Ok($value),)+
                // Unset in this row, or null.
                None => Ok(None),
                Some(_) => Err(DbErr::Type("a value that is not of its column's type".to_owned())),
            };
            let items: Vec<Option<$item>> = values.into_iter().map(item).collect::<Result<_, _>>()?;
            arguments.add(items)
        }};
    }
    let (name, added) = match column_type {
        ColumnType::Text | ColumnType::String(_) => ("text", array!(String, Some(Value::String(text)) => text)),
        ColumnType::Enum { .. } => (
            "text",
            array!(
                String,
                Some(Value::String(text)) => text,
                Some(Value::Enum(OptionEnum::Some(label))) => Some(label.value.into_owned()),
                Some(Value::Enum(OptionEnum::None(_))) => None
            ),
        ),
        ColumnType::Integer => ("int4", array!(i32, Some(Value::Int(number)) => number)),
        ColumnType::BigInteger => ("int8", array!(i64, Some(Value::BigInt(number)) => number)),
        ColumnType::Boolean => ("bool", array!(bool, Some(Value::Bool(truth)) => truth)),
        ColumnType::Timestamp | ColumnType::DateTime => {
            ("timestamp", array!(NaiveDateTime, Some(Value::ChronoDateTime(at)) => at))
        }
        ColumnType::JsonBinary | ColumnType::Json => {
            ("jsonb", array!(serde_json::Value, Some(Value::Json(json)) => json.map(|json| *json)))
        }
        _ => return Err(DbErr::Type("a column of a type that no array was made for".to_owned())),
    };
    added.map_err(|error| DbErr::Type(error.to_string()))?;
    Ok(name)
}
