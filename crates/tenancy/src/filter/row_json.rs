//! Rows as JSON, as the functions that write take them.

use chrono::{Datelike, NaiveDateTime, Timelike};
use sea_orm::sea_query::OptionEnum;
use sea_orm::{ActiveModelTrait, DbErr, EntityTrait, IdenStatic, Iterable, Value};
use serde::Serialize;

use crate::error::Result;

/// Appends the row's object; see [`object`]. Returns whether it could.
fn push<E: EntityTrait>(json: &mut Vec<u8>, row: &E::ActiveModel) -> Result<bool> {
    json.push(b'{');
    for column in E::Column::iter() {
        let Some(value) = row.get(column).into_value() else { continue };
        rylie_connection::refuse_unstorable([&value])?;
        if matches!(&value, Value::Json(Some(document)) if document.is_null()) {
            return Ok(false);
        }
        let start = json.len();
        json.extend_from_slice(if json.last() == Some(&b'{') { b"\"" } else { b",\"" });
        json.extend_from_slice(column.as_str().as_bytes());
        json.extend_from_slice(b"\":");
        match &value {
            Value::Bool(Some(truth)) => push_as(json, truth)?,
            Value::Int(Some(number)) => push_as(json, number)?,
            Value::String(Some(text)) => push_as(json, text)?,
            Value::Enum(OptionEnum::Some(label)) => push_as(json, &label.value)?,
            Value::ChronoDateTime(Some(at)) => push_time(json, at),
            Value::Json(Some(document)) => push_as(json, document)?,
            Value::String(None) | Value::ChronoDateTime(None) | Value::Json(None) => json.truncate(start),
            value if *value == value.as_null() => json.truncate(start),
            _ => return Err(DbErr::Type("a column type that cannot be sent as JSON".to_owned()).into()),
        }
    }
    json.push(b'}');
    Ok(true)
}

fn push_as(json: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<()> {
    Ok(serde_json::to_writer(json, value).map_err(|error| DbErr::Json(error.to_string()))?)
}

/// Appends a time of the years 1 to 9999 as RFC 3339 without a zone, to the microsecond. A tenth of the instructions of
/// chrono's own format, and a row has up to six times.
fn push_time(json: &mut Vec<u8>, at: &NaiveDateTime) {
    let parts = [
        (b'"', at.year().unsigned_abs(), 4),
        (b'-', at.month(), 2),
        (b'-', at.day(), 2),
        (b'T', at.hour(), 2),
        (b':', at.minute(), 2),
        (b':', at.second(), 2),
        (b'.', at.nanosecond() / 1_000, 6),
    ];
    for (before, number, digits) in parts {
        json.push(before);
        for place in (0..digits).rev() {
            json.extend(char::from_digit(number / 10_u32.pow(place) % 10, 10).map(|digit| digit as u8));
        }
    }
    json.push(b'"');
}

/// Returns the set columns of a row that are not null. Returns `None` if a column has the JSON document `null`, which
/// the function would store as no value.
pub(super) fn object<E: EntityTrait>(row: &E::ActiveModel) -> Result<Option<String>> {
    let mut json = Vec::new();
    let complete = push::<E>(&mut json, row)?;
    text(json, complete)
}

/// Returns the list of the rows' objects, or `None` as [`object`] does.
pub(super) fn list<E: EntityTrait>(rows: &[E::ActiveModel]) -> Result<Option<String>> {
    let (mut json, mut complete) = (vec![b'['], true);
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        complete = complete && push::<E>(&mut json, row)?;
    }
    json.push(b']');
    text(json, complete)
}

fn text(json: Vec<u8>, complete: bool) -> Result<Option<String>> {
    let text = String::from_utf8(json).map_err(|error| DbErr::Json(error.to_string()))?;
    Ok(complete.then_some(text))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

    use super::push_time;

    #[test]
    fn a_time_is_written_to_the_microsecond() {
        for text in ["2026-11-29T00:05:09.001234", "0001-01-01T00:00:00.000000", "9999-12-31T23:59:59.999999"] {
            let mut json = Vec::new();
            push_time(&mut json, &text.parse::<NaiveDateTime>().unwrap());
            assert_eq!(String::from_utf8(json).unwrap(), format!("\"{text}\""));
        }
    }
}
