//! Conversion of log rows into sealed records, and statements on the seals.

use chrono::NaiveDateTime;
use rylie_audit::{ActorPart, Commitments, Digest, Document, Format, Record, Salt, TargetPart};
use sea_orm::{DbBackend, QueryResult, TryGetable, Value};

use crate::Result;
use crate::tx::Tx;

/// Returns the columns of a record to seal or verify, of the log as `a`, in the order that [`record`] reads. Details are
/// selected as text. No row makes its reader fail.
pub(crate) fn columns(engine: DbBackend) -> String {
    const TEXTS: [&str; 10] = [
        "id",
        "tenantId",
        "action",
        "resource",
        "userId",
        "onBehalfOf",
        "ipAddress",
        "userAgent",
        "correlationId",
        "resourceId",
    ];
    if engine != DbBackend::Sqlite {
        let texts = TEXTS.map(|name| format!("a.\"{name}\"")).join(", ");
        return format!("{texts}, a.position, CAST(a.details AS text) AS details, {}", time_columns(engine));
    }
    let texts = TEXTS.map(|name| format!("{} AS \"{name}\"", sqlite_text(name))).join(", ");
    format!(
        "{texts}, CASE WHEN typeof(a.position) = 'integer' THEN a.position END AS position, {} AS details, {}",
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

/// Returns the clause after a text that lets it be compared by its bytes. No declared collation of a column is evidence:
/// a superuser may have set one under which different texts are equal.
///
/// The default collation of a PostgreSQL database never does that, and the indexes have it.
pub(crate) fn by_bytes(engine: DbBackend) -> &'static str {
    if engine == DbBackend::Sqlite { "COLLATE BINARY" } else { "COLLATE \"default\"" }
}

/// Returns the key of the record of a leaf `l`. On SQLite an id may be a blob, or a text that is not UTF-8. Its leaf has
/// the text that was hashed instead, so its bytes are read from that text, unless a record that does not wait has the
/// text as its id.
pub(crate) fn key_of_leaf(engine: DbBackend) -> &'static str {
    if engine != DbBackend::Sqlite {
        return "l.record_id COLLATE \"default\"";
    }
    "CASE WHEN (l.record_id GLOB 'blob *' OR l.record_id GLOB 'bytes *') AND NOT EXISTS (SELECT 1 FROM \"AuditLog\" t \
     WHERE t.id = l.record_id COLLATE BINARY \
     AND NOT EXISTS (SELECT 1 FROM rylie_audit_pending w WHERE w.record_id = l.record_id COLLATE BINARY)) \
     THEN CASE WHEN l.record_id GLOB 'blob *' THEN unhex(substr(l.record_id, 6)) ELSE CAST(unhex(substr(l.record_id, 7)) AS TEXT) END \
     ELSE l.record_id END COLLATE BINARY"
}

/// Returns the salts and commitments of a leaf, which are the four columns from `first` on. A value of another length
/// is no salt and no commitment.
pub(crate) fn commitments(row: &QueryResult, first: usize) -> Result<Commitments> {
    let bytes = |at: usize| row.try_get_by_index::<Option<Vec<u8>>>(first + at);
    let salt = |at| -> Result<Option<Salt>> { Ok(bytes(at)?.and_then(|bytes| bytes.try_into().ok().map(Salt))) };
    let digest = |at| -> Result<Option<Digest>> { Ok(bytes(at)?.and_then(|bytes| Digest::from_bytes(&bytes))) };
    Ok(Commitments { who_salt: salt(0)?, what_salt: salt(1)?, who: digest(2)?, what: digest(3)? })
}

/// As [`commitments`]. `None` if a value has another length, which only tampering gives it.
pub(crate) fn whole_commitments(row: &QueryResult, first: usize) -> Option<Commitments> {
    let bytes = |at: usize| row.try_get_by_index::<Option<Vec<u8>>>(first + at).ok();
    let salt = |at| bytes(at)?.map_or(Some(None), |bytes| bytes.try_into().ok().map(|bytes| Some(Salt(bytes))));
    let digest = |at| bytes(at)?.map_or(Some(None), |bytes| Digest::from_bytes(&bytes).map(Some));
    Some(Commitments { who_salt: salt(0)?, what_salt: salt(1)?, who: digest(2)?, what: digest(3)? })
}

/// Converts the selected [`columns`], from the column `first` on, into the record that a batch of this format hashes.
/// Columns are read by their place: looking up twenty names took longer than the hash of the record.
pub(crate) fn record(row: &QueryResult, first: usize, commitments: &Commitments, format: Format) -> Result<Record> {
    let text = |at: usize| text(row, first + at);
    let (created_at, unreadable) = time(row, first + 12, format)?;
    let who = ActorPart {
        actor: text(4)?.unwrap_or_default(),
        on_behalf_of: text(5)?,
        address: text(6)?,
        user_agent: text(7)?,
        correlation: text(8)?,
    };
    let what = TargetPart { resource_id: text(9)?, details: text(11)?.map(|text| Document::of(format, text)) };
    Ok(Record {
        id: text(0)?.unwrap_or_default(),
        tenant: text(1)?.unwrap_or_default(),
        created_at,
        position: row.try_get_by_index(first + 10)?,
        action: text(2)?.unwrap_or_default(),
        resource: text(3)?.unwrap_or_default(),
        who: commitments.who(who),
        what: commitments.what(what),
        unreadable,
    })
}

/// Returns the unreadable value of a quarantined record, from [`time_columns`] at `first`.
pub(crate) fn unreadable(row: &QueryResult, first: usize, format: Format) -> Result<Option<String>> {
    time(row, first, format).map(|(_, unreadable)| unreadable)
}

/// Returns the time of the record, and the text of an invalid time. In a batch of the first format a time is read as
/// the driver reads it. In later formats SQLite's must have the driver's spelling, so that no offset changes its
/// meaning.
fn time(row: &QueryResult, first: usize, format: Format) -> Result<(i64, Option<String>)> {
    let odd = text(row, first + 1)?;
    let sqlite = row.try_as_pg_row().is_none();
    let read = || row.try_get_by_index::<Option<NaiveDateTime>>(first).ok().flatten();
    let time = match &odd {
        Some(text) if sqlite && format == Format::Two => canonical(text),
        Some(_) if !sqlite => None,
        _ => read().map(|time| time.and_utc().timestamp_millis()),
    };
    let position = if sqlite { text(row, first + 2)? } else { None };
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
fn text(row: &QueryResult, at: usize) -> Result<Option<String>> {
    row.try_get_by_index(at).or_else(|error| match row.try_get_by_index::<Option<Vec<u8>>>(at) {
        Ok(bytes) => Ok(bytes.map(|bytes| format!("bytes {}", hex(&bytes)))),
        Err(_) => Err(error.into()),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |hex, byte| hex + &format!("{byte:02x}"))
}

impl Tx {
    /// Returns a list of texts as a table `list(value)`, bound as one value. On SQLite the texts travel as hexadecimal
    /// digits, because a text of another writer may have a character that JSON cannot carry there, NUL.
    pub(crate) fn list_of(&self, texts: &[String]) -> (&'static str, Value) {
        match self.engine() {
            DbBackend::Sqlite => {
                let json: Vec<String> = texts.iter().map(|text| hex(text.as_bytes())).collect();
                let list = "(SELECT CAST(unhex(value) AS TEXT) AS value FROM json_each($1)) AS list";
                (list, serde_json::json!(json).to_string().into())
            }
            _ => ("unnest($1::text[]) AS list(value)", texts.to_vec().into()),
        }
    }

    /// Returns the value to bind for a text in `CAST($n AS TEXT)`. On SQLite it is bound as bytes, so that it may have a
    /// NUL.
    pub(crate) fn text_of(&self, text: &str) -> Value {
        match self.engine() {
            DbBackend::Sqlite => text.as_bytes().to_vec().into(),
            _ => text.into(),
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
