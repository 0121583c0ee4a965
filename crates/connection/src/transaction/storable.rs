//! Checks of the values that a statement binds.

use std::ops::RangeInclusive;

use sea_orm::sea_query::prelude::chrono::{Datelike, Timelike};
use sea_orm::{DbErr, Statement, Value, Values};
use sea_query_sqlx::SqlxValues;

use crate::error::{UNSTORABLE, UNSTORABLE_TIME};

/// Splits a statement into text and values. Refuses a NUL character in text on both engines, because PostgreSQL cannot
/// store it and SQLite can. Refuses JSON that could not be read back, too.
pub(super) fn parts(stmt: Statement) -> Result<(String, SqlxValues), DbErr> {
    let values = stmt.values.unwrap_or_else(|| Values(Vec::new()));
    refuse_unstorable(&values.0)?;
    Ok((stmt.sql, SqlxValues(values)))
}

/// Fails if one of the values cannot be stored, not be read back, or not be compared.
pub fn refuse_unstorable<'v>(values: impl IntoIterator<Item = &'v Value>) -> Result<(), DbErr> {
    for value in values {
        if is_unstorable(value) {
            return Err(DbErr::Type(UNSTORABLE.to_owned()));
        }
        if is_unstorable_time(value) {
            return Err(DbErr::Type(UNSTORABLE_TIME.to_owned()));
        }
    }
    Ok(())
}

/// As [`refuse_unstorable`], for texts.
pub(super) fn refuse_nul(texts: &[String]) -> Result<(), DbErr> {
    if texts.iter().any(|text| text.contains('\0')) { Err(DbErr::Type(UNSTORABLE.to_owned())) } else { Ok(()) }
}

/// Returns whether a value cannot be stored or not be read back.
fn is_unstorable(value: &Value) -> bool {
    match value {
        Value::String(Some(text)) => text.contains('\0'),
        Value::Json(Some(json)) => json_is_unstorable(json, MAX_JSON_DEPTH),
        Value::Array(_, Some(items)) => items.iter().any(is_unstorable),
        _ => false,
    }
}

/// Returns whether a time is outside the years 1 to 9999, or a leap second. SQLite compares times as text, and the text
/// of other years sorts wrongly; PostgreSQL stores only a part of them, and a leap second as the next one.
fn is_unstorable_time(value: &Value) -> bool {
    let is = |year: i32, nanosecond: u32| !YEARS.contains(&year) || nanosecond >= 1_000_000_000;
    match value {
        Value::ChronoDateTime(Some(at)) => is(at.year(), at.nanosecond()),
        Value::ChronoDateTimeUtc(Some(at)) => is(at.year(), at.nanosecond()),
        Value::Array(_, Some(items)) => items.iter().any(is_unstorable_time),
        _ => false,
    }
}

const YEARS: RangeInclusive<i32> = 1..=9999;

/// Deeper JSON could be written but not read: `serde_json` stops at 128 levels.
const MAX_JSON_DEPTH: u32 = 100;

fn json_is_unstorable(json: &serde_json::Value, levels_left: u32) -> bool {
    use serde_json::Value;
    let Some(below) = levels_left.checked_sub(1) else { return true };
    match json {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(|item| json_is_unstorable(item, below)),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || json_is_unstorable(value, below))
        }
        _ => false,
    }
}
