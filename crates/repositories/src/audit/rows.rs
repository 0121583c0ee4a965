//! Conversion of log rows into sealed records, and statements on the seals.
//!
//! This file is long because selecting the columns of a record and reading them by number must agree.

use chrono::NaiveDateTime;
use rylie_audit::{ActorPart, Commitments, Digest, Document, Format, LongText, Record, Salt, TargetPart, Text};
use sea_orm::{DbBackend, QueryResult, TryGetable, Value};

use crate::Result;
use crate::audit::log_row::{LogRow, LongTexts};
use crate::tx::Tx;

/// The text columns of a record, in the order of [`columns`].
pub(crate) const TEXTS: [&str; 10] = [
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

/// The places of further columns of a record. PostgreSQL has no odd positions.
const POSITION: usize = 10;
pub(crate) const DETAILS: usize = 11;
const TIME: usize = 12;
pub(crate) const ODD_TIME: usize = 13;
pub(crate) const ODD_POSITION: usize = 14;

/// Maximum number of bytes of the texts before a row of a page. Rows after it are left to the next page, so that they do
/// not fill the memory.
pub(crate) const TEXT: u64 = 8 << 20;

/// Returns the columns of a record to seal or verify, of the log as `a` joined with [`details`], in the order that
/// [`record`] reads. Details are selected as text. No row makes its reader fail: a long text is null, and the last column
/// has a key for [`long_texts`](crate::audit::long_texts) then. A record with a long id or tenant has no id.
pub(crate) fn columns(engine: DbBackend) -> String {
    let (sqlite, longest) = (engine == DbBackend::Sqlite, Text::LONGEST);
    let text = |name: &str| if sqlite { sqlite_text(name) } else { short(&format!("a.\"{name}\"")) };
    let id = format!("CASE WHEN coalesce(octet_length(a.\"tenantId\"), 0) <= {longest} THEN {} END AS id", text("id"));
    let texts = TEXTS[1..].iter().map(|name| format!("{} AS \"{name}\"", text(name)));
    let texts = [id].into_iter().chain(texts).collect::<Vec<_>>().join(", ");
    let (times, long) = (time_columns(engine), long_key_of(engine));
    if !sqlite {
        return format!("{texts}, a.position, {} AS details, {times}, {long} AS long", short("d.log_details"));
    }
    format!(
        "{texts}, CASE WHEN typeof(a.position) = 'integer' THEN a.position END AS position, {} AS details, {times}, {long} AS long",
        sqlite_text("details")
    )
}

/// The key of a record on SQLite, where an id may be a blob.
pub(crate) const SQLITE_KEY: &str = "typeof(a.id) || ' ' || hex(a.id)";

/// Returns the key of a row that has long texts, of the log as `a` joined with [`details`]; null for other rows.
pub(crate) fn long_key_of(engine: DbBackend) -> String {
    let (longest, key) = if engine == DbBackend::Sqlite { ("max", SQLITE_KEY) } else { ("greatest", "a.ctid::text") };
    key_if_long(longest, measured(engine).iter().map(|(_, column)| column.as_str()), key)
}

fn key_if_long<'a>(longest: &str, columns: impl Iterator<Item = &'a str>, key: &str) -> String {
    let lengths: Vec<String> = columns.map(|column| format!("coalesce(octet_length({column}), 0)")).collect();
    format!("CASE WHEN {longest}({}) > {} THEN {key} END", lengths.join(", "), Text::LONGEST)
}

/// Returns the columns that may be long, each with its place. A record with a long id or tenant is not read.
pub(crate) fn measured(engine: DbBackend) -> Vec<(usize, String)> {
    let texts = TEXTS.iter().enumerate().skip(2).map(|(place, name)| (place, format!("a.\"{name}\"")));
    let mut columns: Vec<_> = texts.collect();
    if engine == DbBackend::Sqlite {
        columns.push((DETAILS, "a.details".to_owned()));
        columns.extend([ODD_TIME, ODD_POSITION].into_iter().zip(TIME_AND_POSITION.map(str::to_owned)));
    } else {
        columns.push((DETAILS, "d.log_details".to_owned()));
    }
    columns
}

/// The columns whose values may be of any type and length on SQLite.
const TIME_AND_POSITION: [&str; 2] = ["a.\"createdAt\"", "a.position"];

/// Returns the join that follows the log as `a`. On PostgreSQL it converts the details once, as `d.log_details`.
pub(crate) fn details(engine: DbBackend) -> &'static str {
    match engine {
        DbBackend::Sqlite => "",
        _ => " LEFT JOIN LATERAL (SELECT CAST(a.details AS text) AS log_details OFFSET 0) AS d ON true",
    }
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
    let longest = Text::LONGEST;
    format!(
        "CASE WHEN octet_length(a.\"createdAt\") <= {longest} AND a.\"createdAt\" BETWEEN '0001-01-01' AND '9999-12-31' \
         THEN a.\"createdAt\" END AS \"createdAt\", {} AS \"oddTime\", \
         CASE WHEN typeof(a.position) NOT IN ('integer', 'null') AND octet_length(a.position) <= {longest} \
         THEN typeof(a.position) || ' ' || hex(a.position) END AS \"oddPosition\"",
        sqlite_text("createdAt")
    )
}

/// Returns the key of a row whose time or position is long, of the log as `a`. Only SQLite has them.
pub(crate) fn long_time_key(engine: DbBackend) -> String {
    match engine {
        DbBackend::Sqlite => key_if_long("max", TIME_AND_POSITION.into_iter(), SQLITE_KEY),
        _ => "CAST(NULL AS text)".to_owned(),
    }
}

/// Returns a text, or null for a long one.
pub(crate) fn short(column: &str) -> String {
    format!("CASE WHEN octet_length({column}) <= {} THEN {column} END", Text::LONGEST)
}

/// Returns the text of a column of the log as `a` on SQLite, which stores values of any type. Null for a long value.
pub(crate) fn sqlite_text(name: &str) -> String {
    format!(
        "CASE WHEN octet_length(a.\"{name}\") > {} THEN NULL WHEN typeof(a.\"{name}\") IN ('text', 'null') THEN a.\"{name}\" \
         ELSE typeof(a.\"{name}\") || ' ' || hex(a.\"{name}\") END",
        Text::LONGEST
    )
}

/// Returns the number of bytes of the texts that a row has, of the [`columns`] of `from`. It counts what is read, not what
/// is stored: a long text is not.
pub(crate) fn bytes_of(from: &str) -> String {
    let all = TEXTS.iter().chain(&["details"]).map(|name| format!("coalesce(octet_length({from}.\"{name}\"), 0)"));
    all.collect::<Vec<_>>().join(" + ")
}

/// Returns the statement for the rows of a page in this order, up to those before which the texts are too many. The first
/// row is always one of them.
pub(crate) fn cut(page: &str, order: &str) -> String {
    format!(
        "SELECT * FROM (SELECT page.*, sum({}) OVER (ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before \
         FROM ({page}) AS page) AS counted WHERE coalesce(before, 0) < {TEXT} ORDER BY {order}",
        bytes_of("page")
    )
}

/// Returns the key of a row that has long texts, from the [`columns`] at `first`.
pub(crate) fn long_key(engine: DbBackend, row: &QueryResult, first: usize) -> Result<Option<String>> {
    let last = if engine == DbBackend::Sqlite { ODD_POSITION + 1 } else { ODD_TIME + 1 };
    Ok(row.try_get_by_index(first + last)?)
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
pub(crate) fn record(row: &LogRow, first: usize, commitments: &Commitments, format: Format) -> Result<Record> {
    let LogRow { row, long } = row;
    let text = |at: usize| -> Result<Option<Text>> {
        match long.get(at) {
            Some(long) => Ok(Some(long.into())),
            None => Ok(text(row, first + at)?.map(Text::from)),
        }
    };
    let whole = |at: usize| self::text(row, first + at).map(Option::unwrap_or_default);
    let (created_at, unreadable) = time(row, first + TIME, format, long)?;
    let who = ActorPart {
        actor: text(4)?.unwrap_or_default(),
        on_behalf_of: text(5)?,
        address: text(6)?,
        user_agent: text(7)?,
        correlation: text(8)?,
    };
    let what = TargetPart { resource_id: text(9)?, details: text(DETAILS)?.map(|text| Document::of(format, text)) };
    Ok(Record {
        id: whole(0)?,
        tenant: whole(1)?,
        created_at,
        position: row.try_get_by_index(first + POSITION)?,
        action: text(2)?.unwrap_or_default(),
        resource: text(3)?.unwrap_or_default(),
        who: commitments.who(who),
        what: commitments.what(what),
        unreadable,
    })
}

/// Returns the unreadable value of a quarantined record, from [`time_columns`] at `first`.
pub(crate) fn unreadable(row: &QueryResult, first: usize, format: Format, long: &LongTexts) -> Result<Option<String>> {
    time(row, first, format, long).map(|(_, unreadable)| unreadable)
}

/// Returns the time of the record, and the text of an invalid time. In a batch of the first format a time is read as
/// the driver reads it. In later formats SQLite's must have the driver's spelling, so that no offset changes its
/// meaning. A long value is spelled as its length and digest.
fn time(row: &QueryResult, first: usize, format: Format, long: &LongTexts) -> Result<(i64, Option<String>)> {
    let long = |place| long.get(place).map(spelled);
    let odd = long(ODD_TIME).map_or_else(|| text(row, first + 1), |long| Ok(Some(long)))?;
    let sqlite = row.try_as_pg_row().is_none();
    let read = || row.try_get_by_index::<Option<NaiveDateTime>>(first).ok().flatten();
    let time = match &odd {
        Some(text) if sqlite && format == Format::Two => canonical(text),
        Some(_) if !sqlite => None,
        _ => read().map(|time| time.and_utc().timestamp_millis()),
    };
    let position = || if sqlite { text(row, first + 2) } else { Ok(None) };
    let position = long(ODD_POSITION).map_or_else(position, |long| Ok(Some(long)))?;
    let unreadable: Vec<String> = [odd.filter(|_| time.is_none()), position].into_iter().flatten().collect();
    Ok((time.unwrap_or_default(), (!unreadable.is_empty()).then(|| unreadable.join("\n"))))
}

/// Returns what stands for a long text where a text is needed.
pub(crate) fn spelled(long: LongText) -> String {
    format!("long {} {}", long.bytes(), long.sha256())
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
pub(crate) fn text(row: &QueryResult, at: usize) -> Result<Option<String>> {
    row.try_get_by_index(at).or_else(|error| match row.try_get_by_index::<Option<Vec<u8>>>(at) {
        Ok(bytes) => Ok(bytes.map(|bytes| format!("bytes {}", hex::encode(bytes)))),
        Err(_) => Err(error.into()),
    })
}

impl Tx {
    /// Returns a list of texts as a table `list(value)`, bound as one value. On SQLite the texts travel as hexadecimal
    /// digits, because a text of another writer may have a character that JSON cannot carry there, NUL.
    pub(crate) fn list_of(&self, texts: &[String]) -> (&'static str, Value) {
        match self.engine() {
            DbBackend::Sqlite => {
                let json: Vec<String> = texts.iter().map(|text| hex::encode(text.as_bytes())).collect();
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

/// Returns a digest. A digest of the wrong length matches nothing.
pub(crate) fn digest(row: &QueryResult, name: &str) -> Digest {
    Digest::from_bytes(&lenient::<Vec<u8>>(row, name)).unwrap_or(Digest::NONE)
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
