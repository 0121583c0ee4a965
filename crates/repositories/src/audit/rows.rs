//! Conversion of log rows into sealed records, and statements on the seals.

use chrono::NaiveDateTime;
use rylie_audit::{ActorPart, Commitments, Digest, Document, Format, Record, Salt, TargetPart};
use rylie_entities::Timestamp;
use sea_orm::{DbBackend, QueryResult, TryGetable, Value};

use crate::Result;
use crate::tx::Tx;

/// Returns the columns of a record to seal or verify, of the log as `a`. Details are selected as text. No row makes its
/// reader fail.
pub(crate) fn columns(engine: DbBackend) -> String {
    const TEXTS: [&str; 9] =
        ["id", "tenantId", "action", "resource", "userId", "onBehalfOf", "ipAddress", "userAgent", "correlationId"];
    if engine != DbBackend::Sqlite {
        let texts = TEXTS.map(|name| format!("a.\"{name}\"")).join(", ");
        return format!(
            "{texts}, a.\"resourceId\", a.position, CAST(a.details AS text) AS details, {}",
            time_columns(engine)
        );
    }
    let texts = TEXTS.map(|name| format!("{} AS \"{name}\"", sqlite_text(name))).join(", ");
    format!(
        "{texts}, {} AS \"resourceId\", CASE WHEN typeof(a.position) = 'integer' THEN a.position END AS position, \
         {} AS details, {}",
        sqlite_text("resourceId"),
        sqlite_text("details"),
        time_columns(engine)
    )
}

/// Returns the columns that [`unreadable`] reads, of the log as `a`. A time outside the supported range, such as
/// `infinity`, is null, with its text in `oddTime`.
pub(crate) fn time_columns(engine: DbBackend) -> String {
    const TIME: &str =
        "CASE WHEN a.\"createdAt\" BETWEEN '0001-01-01' AND '9999-12-31' THEN a.\"createdAt\" END AS \"createdAt\"";
    if engine != DbBackend::Sqlite {
        return format!(
            "{TIME}, CASE WHEN a.\"createdAt\" NOT BETWEEN '0001-01-01' AND '9999-12-31' THEN to_jsonb(a.\"createdAt\") #>> '{{}}' END AS \"oddTime\""
        );
    }
    format!(
        "{TIME}, {} AS \"oddTime\", CASE WHEN typeof(a.position) NOT IN ('integer', 'null') \
         THEN typeof(a.position) || ' ' || hex(a.position) END AS \"oddPosition\"",
        sqlite_text("createdAt")
    )
}

/// Returns the text of a column on SQLite, which stores values of any type.
fn sqlite_text(name: &str) -> String {
    format!(
        "CASE WHEN typeof(a.\"{name}\") IN ('text', 'null') THEN a.\"{name}\" ELSE typeof(a.\"{name}\") || ' ' || hex(a.\"{name}\") END"
    )
}

/// Returns the salts and commitments of a leaf.
pub(crate) fn commitments(row: &QueryResult) -> Result<Commitments> {
    let salt = |name| -> Result<Option<Salt>> {
        Ok(row.try_get::<Option<Vec<u8>>>("", name)?.and_then(|bytes| bytes.try_into().ok().map(Salt)))
    };
    let digest = |name| -> Result<Option<Digest>> {
        Ok(row.try_get::<Option<Vec<u8>>>("", name)?.and_then(|bytes| Digest::from_bytes(&bytes)))
    };
    Ok(Commitments {
        who_salt: salt("who_salt")?,
        what_salt: salt("what_salt")?,
        who: digest("who")?,
        what: digest("what")?,
    })
}

/// Converts the selected [`columns`] into the record that a batch of this format hashes.
pub(crate) fn record(row: &QueryResult, commitments: &Commitments, format: Format) -> Result<Record> {
    let (created_at, unreadable) = time(row, format)?;
    let who = ActorPart {
        actor: text(row, "userId")?.unwrap_or_default(),
        on_behalf_of: text(row, "onBehalfOf")?,
        address: text(row, "ipAddress")?,
        user_agent: text(row, "userAgent")?,
        correlation: text(row, "correlationId")?,
    };
    let details = text(row, "details")?.map(|text| Document::of(format, text));
    let what = TargetPart { resource_id: text(row, "resourceId")?, details };
    Ok(Record {
        id: text(row, "id")?.unwrap_or_default(),
        tenant: text(row, "tenantId")?.unwrap_or_default(),
        created_at,
        position: row.try_get("", "position")?,
        action: text(row, "action")?.unwrap_or_default(),
        resource: text(row, "resource")?.unwrap_or_default(),
        who: commitments.who(who),
        what: commitments.what(what),
        unreadable,
    })
}

/// Returns the unreadable value of a quarantined record, from [`time_columns`].
pub(crate) fn unreadable(row: &QueryResult, format: Format) -> Result<Option<String>> {
    time(row, format).map(|(_, unreadable)| unreadable)
}

/// Returns the time of the record, and the text of an invalid time. In a batch of the first format a time is read as
/// the driver reads it. In later formats SQLite's must have the driver's spelling, so that no offset changes its
/// meaning.
fn time(row: &QueryResult, format: Format) -> Result<(i64, Option<String>)> {
    let odd = text(row, "oddTime")?;
    let sqlite = row.try_as_pg_row().is_none();
    let read = || row.try_get::<Option<Timestamp>>("", "createdAt").ok().flatten();
    let time = match &odd {
        Some(text) if sqlite && format == Format::Two => canonical(text),
        Some(_) if !sqlite => None,
        _ => read().map(|time| time.utc().timestamp_millis()),
    };
    let position = if sqlite { text(row, "oddPosition")? } else { None };
    let unreadable: Vec<String> = [odd.filter(|_| time.is_none()), position].into_iter().flatten().collect();
    Ok((time.unwrap_or_default(), (!unreadable.is_empty()).then(|| unreadable.join("\n"))))
}

/// Parses a time in the driver's spelling, or with three digits after the seconds as the column's default has. Second
/// 60 is unreadable: it would be equal to the first second of the next minute.
pub(crate) fn canonical(text: &str) -> Option<i64> {
    const WRITTEN: [&str; 2] = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.3f"];
    let time = NaiveDateTime::parse_from_str(text, WRITTEN[0]).ok()?;
    let is_written = WRITTEN.iter().any(|form| time.format(form).to_string() == text);
    let nanoseconds = time.and_utc().timestamp_subsec_nanos();
    let is_whole = nanoseconds % 1_000_000 == 0 && nanoseconds < 1_000_000_000;
    (is_written && is_whole).then(|| time.and_utc().timestamp_millis())
}

/// Returns a text column; bytes that are not text become hexadecimal digits.
fn text(row: &QueryResult, name: &str) -> Result<Option<String>> {
    row.try_get("", name).or_else(|error| match row.try_get::<Option<Vec<u8>>>("", name) {
        Ok(bytes) => {
            Ok(bytes.map(|bytes| bytes.iter().fold("bytes ".to_owned(), |text, byte| format!("{text}{byte:02x}"))))
        }
        Err(_) => Err(error.into()),
    })
}

impl Tx {
    /// Returns a list of texts as a table `list(value)`, bound as one value.
    pub(crate) fn list_of(&self, texts: &[String]) -> (&'static str, Value) {
        match self.engine() {
            DbBackend::Sqlite => {
                let json = serde_json::Value::Array(texts.iter().map(|text| text.as_str().into()).collect());
                ("json_each($1) AS list", json.to_string().into())
            }
            _ => ("unnest($1::text[]) AS list(value)", texts.to_vec().into()),
        }
    }
}

/// Returns a count or number that this service wrote. It is never negative.
pub(crate) fn unsigned(row: &QueryResult, name: &str) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64>("", name)?).unwrap_or_default())
}

/// Returns a column's value, or the default if it cannot be read. Planted values then fail verification, not the read.
pub(crate) fn lenient<T: TryGetable + Default>(row: &QueryResult, name: &str) -> T {
    row.try_get("", name).unwrap_or_default()
}

/// Converts a number for the database. No count comes near the limit.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn a_time_is_read_in_the_forms_that_are_written_alone() {
        let noon = canonical("2026-01-15 12:00:00").unwrap();

        assert_eq!(canonical("2026-01-15 12:00:00.000"), Some(noon));
        assert_eq!(canonical("2026-01-15 12:00:00.120"), Some(noon + 120));
        for odd in [
            "2026-01-15 12:00:00+05:00",
            "2026-01-15T12:00:00",
            "2026-01-15 12:00:00.1",
            "2026-01-15 12:00:00.120000",
            "2026-01-15 12:00:60",
            "2026-01-15 12:00:60.120",
            "2026-06-30 23:59:60",
            "never",
        ] {
            assert_eq!(canonical(odd), None, "{odd}");
        }
    }
}
