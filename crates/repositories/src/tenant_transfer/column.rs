//! A column of the live database, and how its values are transferred: as text in SQL, by type in JSON.

use chrono::{NaiveDateTime, SubsecRound};
use rylie_entities::TenantTable;
use sea_orm::{DbBackend, Value};
use serde_json::Value as Json;

use super::{audit_text, invalid};
use crate::Result;
use crate::audit::canonical;
use crate::tx::Tx;

/// A column of the live database.
pub(super) struct Column {
    pub(super) name: String,
    /// The type, as the catalog names it.
    sql_type: String,
    pub(super) kind: Kind,
    /// The value of rows that do not name one, as the catalog writes it.
    default: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Integer,
    Boolean,
    Timestamp,
    /// The time of an audit record; null if it is unreadable.
    AuditTime,
    /// The position of an audit record; null if it is unreadable.
    AuditPosition,
    /// A text of an audit record, with its place there.
    AuditText(usize),
    /// Any other type: enums, JSON and types of an adopted database.
    Text,
}

const POSTGRES: &str = "SELECT attname::text, format_type(atttypid, atttypmod), pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute \
     LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum \
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attname COLLATE \"C\"";
const SQLITE: &str = "SELECT name, lower(type), dflt_value FROM pragma_table_info($1) ORDER BY name";

impl Column {
    pub(super) async fn of(tx: &Tx, table: TenantTable) -> Result<Vec<Self>> {
        let (sql, name) = match tx.engine() {
            DbBackend::Sqlite => (SQLITE, table.name.to_owned()),
            _ => (POSTGRES, format!("public.\"{}\"", table.name)),
        };
        let rows = tx.across_tenants()?.rows(sql, vec![name.into()]).await?;
        let column = |row: &sea_orm::QueryResult| {
            let sql_type: String = row.try_get_by_index(1)?;
            let kind = match sql_type.as_str() {
                "smallint" | "integer" | "bigint" => Kind::Integer,
                "boolean" => Kind::Boolean,
                text if text == "timestamp"
                    || text.starts_with("timestamp(") && text.ends_with("without time zone") =>
                {
                    Kind::Timestamp
                }
                _ => Kind::Text,
            };
            let name: String = row.try_get_by_index(0)?;
            let kind = match (table.name, name.as_str()) {
                ("AuditLog", "createdAt") => Kind::AuditTime,
                ("AuditLog", "position") => Kind::AuditPosition,
                (audit_text::LOG, name) => audit_text::place(name).map_or(kind, Kind::AuditText),
                _ => kind,
            };
            Ok(Self { name, sql_type, kind, default: row.try_get_by_index(2)? })
        };
        rows.iter().map(column).collect()
    }

    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.sql_type.as_str(), "json" | "jsonb" | "json_text")
    }

    /// Returns the value of a row of an own table that does not name one: that of a flag or an amount; else null.
    pub(super) fn default(&self) -> Json {
        let default = self.default.as_deref().unwrap_or_default();
        match self.kind {
            Kind::Boolean => default.parse::<bool>().map_or(Json::Null, Json::from),
            Kind::Integer => default.trim_matches('\'').parse::<i64>().map_or(Json::Null, Json::from),
            _ => Json::Null,
        }
    }

    /// Returns whether a whole number is in the range of the column. SQLite has one range for all.
    pub(super) fn has_room_for(&self, value: &Json) -> bool {
        self.sql_type != "integer" || value.as_i64().is_none_or(|number| i32::try_from(number).is_ok())
    }

    /// Returns the SQL expression of the value as text.
    pub(super) fn read(&self, engine: DbBackend) -> String {
        let name = self.quoted();
        match (engine, self.kind) {
            (DbBackend::Sqlite, Kind::AuditTime) => {
                format!(
                    "CASE WHEN octet_length({name}) <= 64 AND typeof({name}) = 'text' AND {name} NOT GLOB '*[^-+0-9:. ]*' THEN {name} END"
                )
            }
            (DbBackend::Sqlite, Kind::AuditPosition) => {
                format!("CASE WHEN typeof({name}) = 'integer' THEN CAST({name} AS TEXT) END")
            }
            (DbBackend::Sqlite, _) => format!("CAST({name} AS TEXT)"),
            // Independent of `DateStyle`.
            (_, Kind::AuditTime) => format!(
                "CASE WHEN {name} BETWEEN '0001-01-01' AND '9999-12-31' THEN to_char({name}, 'YYYY-MM-DD HH24:MI:SS.US') END"
            ),
            (_, Kind::Timestamp) => format!("to_char({name}, 'YYYY-MM-DD HH24:MI:SS.US')"),
            _ => format!("{name}::text"),
        }
    }

    /// Returns the SQL expression of the bound parameter of this number.
    pub(super) fn write(&self, engine: DbBackend, number: usize) -> String {
        match (engine, self.kind) {
            (DbBackend::Sqlite, _) => format!("${number}"),
            _ => format!("CAST(CAST(${number} AS text) AS {})", self.sql_type),
        }
    }

    pub(super) fn to_json(&self, engine: DbBackend, text: Option<String>) -> Result<Json> {
        let Some(text) = text else { return Ok(Json::Null) };
        match self.kind {
            Kind::Text | Kind::AuditText(_) => Ok(Json::String(text)),
            Kind::Integer | Kind::AuditPosition => text.parse::<i64>().map(Json::from).map_err(|_| unreadable()),
            Kind::Boolean => match text.as_str() {
                "true" | "1" => Ok(Json::Bool(true)),
                "false" | "0" => Ok(Json::Bool(false)),
                _ => Err(unreadable()),
            },
            Kind::AuditTime if engine == DbBackend::Sqlite && canonical(&text).is_none() => Ok(Json::Null),
            Kind::Timestamp | Kind::AuditTime => {
                // SQLite's text stays unchanged. PostgreSQL's gets the form that the driver writes to SQLite.
                let text = if engine == DbBackend::Sqlite { &text } else { without_zeros(&text) };
                parse_time(text).ok_or_else(unreadable)?;
                Ok(Json::String(format!("{}Z", text.replacen(' ', "T", 1))))
            }
        }
    }

    /// Returns the value to bind; `None` if it does not fit the type of the column.
    pub(super) fn value_of(&self, engine: DbBackend, json: &Json) -> Option<Value> {
        let text = match (self.kind, json) {
            (Kind::AuditText(_), _) => return audit_text::stored(&self.name, json),
            (_, Json::Null) => return Some(Value::String(None)),
            (Kind::Integer | Kind::AuditPosition, Json::Number(number)) if engine == DbBackend::Sqlite => {
                return number.as_i64().map(Value::from);
            }
            (Kind::Boolean, Json::Bool(yes)) if engine == DbBackend::Sqlite => return Some(Value::from(*yes)),
            (Kind::Integer | Kind::AuditPosition, Json::Number(number)) if number.is_i64() => number.to_string(),
            (Kind::Boolean, Json::Bool(yes)) => yes.to_string(),
            (Kind::Timestamp | Kind::AuditTime, Json::String(text)) => stored_time(text)?,
            // SQLite would store PostgreSQL's words for them as texts, and has no value that is no number.
            (Kind::Text, Json::String(text)) if engine == DbBackend::Sqlite && self.sql_type == "real" => {
                let number = text.parse::<f64>().ok().filter(|number| !number.is_nan())?;
                return Some(number.into());
            }
            (Kind::Text, Json::String(text)) if self.is_json() && engine == DbBackend::Sqlite => compact(text),
            (Kind::Text, Json::String(text)) => text.clone(),
            _ => return None,
        };
        Some(text.into())
    }
}

/// Returns a document without the blanks between its parts, as the service writes it. SQLite compares its text.
fn compact(document: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let kept = |letter: &char| {
        let is_blank = !in_text && letter.is_ascii_whitespace();
        match letter {
            '"' if !escaped => in_text = !in_text,
            _ => {}
        }
        escaped = in_text && *letter == '\\' && !escaped;
        !is_blank
    };
    document.chars().filter(kept).collect()
}

fn without_zeros(text: &str) -> &str {
    text.strip_suffix(".000000").or_else(|| text.strip_suffix("000")).unwrap_or(text)
}

/// Returns the time in SQLite's spelling, with the precision of both engines.
fn stored_time(text: &str) -> Option<String> {
    let time = text.strip_suffix('Z').filter(|text| text.contains('T')).map(|text| text.replacen('T', " ", 1));
    let time = time.and_then(|text| parse_time(&text))?;
    Some(time.trunc_subsecs(3).format("%Y-%m-%d %H:%M:%S%.f").to_string())
}

fn parse_time(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()
}

fn unreadable() -> crate::Error {
    invalid("the database stores a value that does not fit the type of its column")
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn blanks_between_the_parts_of_a_document_go_and_those_of_its_texts_stay() {
        let spelled = r#"{"a b": [ 1.50, "x \" y\\", {}], "c":  "d : e"}"#;
        assert_eq!(compact(spelled), r#"{"a b":[1.50,"x \" y\\",{}],"c":"d : e"}"#);
    }
}
