//! How audit records are selected for lists. Another writer stores values of any type on SQLite, of any size on both
//! engines, and null where a constraint was dropped. None of them stops a list: each text is the one that is hashed, and a
//! long one is shortened with a mark.

use sea_orm::sea_query::Expr;
use sea_orm::{DbBackend, DbErr, QueryResult, TryGetable, Value};

use super::{AuditLogId, Entity, Model};
use crate::{Decoded, Details, TenantId, Timestamp, nullable};

/// The maximum number of bytes of a text that is listed as it is. Longer ones end with their length, such as
/// ` [... 70000 bytes]`.
const SHOWN: u32 = 64 << 10;

/// The same for details. An erasure names many records.
const SHOWN_DETAILS: u32 = 256 << 10;

/// The same for ids, by which a walk goes on. The index of PostgreSQL has none that is longer.
const SHOWN_ID: u32 = 1 << 20;

/// How many characters of a longer text are shown.
const BEGINNING: u32 = 1_000;

impl Decoded for Entity {
    fn selected(engine: DbBackend) -> Option<String> {
        let text = |name: &str, most| match engine {
            DbBackend::Sqlite => on_sqlite(&column(name), most),
            _ => shortened(&column(name), most),
        };
        let details = match engine {
            DbBackend::Sqlite => on_sqlite(&column("details"), SHOWN_DETAILS),
            _ => shortened(&format!("CAST({} AS text)", column("details")), SHOWN_DETAILS),
        };
        let short = |name: &str, condition: &str| match engine {
            DbBackend::Sqlite => format!("CASE WHEN {condition} THEN {0} END", column(name)),
            _ => column(name),
        };
        Some(
            [
                text("id", SHOWN_ID),
                text("userId", SHOWN),
                text("action", SHOWN),
                text("resource", SHOWN),
                text("resourceId", SHOWN),
                details,
                text("ipAddress", SHOWN),
                text("userAgent", SHOWN),
                short("createdAt", "octet_length(\"AuditLog\".\"createdAt\") <= 64"),
                text("tenantId", SHOWN),
                short("position", "typeof(\"AuditLog\".position) = 'integer'"),
                text("onBehalfOf", SHOWN),
                text("correlationId", SHOWN),
            ]
            .join(", "),
        )
    }

    fn decoded(row: &QueryResult) -> Result<Model, DbErr> {
        let required = |at| text(row, at).map(Option::unwrap_or_default);
        Ok(Model {
            id: AuditLogId(required(0)?),
            user_id: required(1)?,
            action: required(2)?,
            resource: required(3)?,
            resource_id: text(row, 4)?,
            details: text(row, 5)?.map(Details::of_text),
            ip_address: text(row, 6)?,
            user_agent: text(row, 7)?,
            created_at: nullable(row, 8)?.unwrap_or_else(Timestamp::first),
            tenant_id: TenantId::stored(required(9)?),
            position: nullable(row, 10)?,
            on_behalf_of: text(row, 11)?,
            correlation_id: text(row, 12)?,
        })
    }
}

fn column(name: &str) -> String {
    format!("\"AuditLog\".\"{name}\"")
}

fn shortened(text: &str, most: u32) -> String {
    format!(
        "CASE WHEN octet_length({text}) > {most} THEN substr({text}, 1, {BEGINNING}) || ' [... ' || \
         CAST(octet_length({text}) AS text) || ' bytes]' ELSE {text} END"
    )
}

/// Returns the text of a value of any type. The length is that of the value.
fn on_sqlite(value: &str, most: u32) -> String {
    format!(
        "CASE WHEN typeof({value}) IN ('text', 'null') THEN {} WHEN octet_length({value}) > {most} \
         THEN typeof({value}) || ' ' || hex(substr({value}, 1, {BEGINNING})) || ' [... ' || octet_length({value}) || ' bytes]' \
         ELSE typeof({value}) || ' ' || hex({value}) END",
        shortened(value, most)
    )
}

/// Returns a text column; bytes that are not UTF-8 become hexadecimal digits.
fn text(row: &QueryResult, at: usize) -> Result<Option<String>, DbErr> {
    nullable(row, at).or_else(|error| match Option::<Vec<u8>>::try_get_by(row, at) {
        Ok(bytes) => {
            Ok(bytes.map(|bytes| bytes.iter().fold("bytes ".to_owned(), |text, byte| text + &format!("{byte:02x}"))))
        }
        Err(_) => Err(error),
    })
}

/// Returns the id that is listed as `id` on SQLite: a text, unless no record has it and it spells the bytes of an id that is
/// none.
pub(super) fn stored_id(id: &str) -> Expr {
    let spelled = [("blob ", "?"), ("bytes ", "CAST(? AS TEXT)")];
    let bytes = spelled.into_iter().find_map(|(label, bound)| Some((bytes(id.strip_prefix(label)?)?, bound)));
    let Some((bytes, bound)) = bytes else { return Expr::val(id) };
    let sql = format!("CASE WHEN EXISTS (SELECT 1 FROM \"AuditLog\" WHERE id = ?) THEN ? ELSE {bound} END");
    Expr::cust_with_values(sql, [Value::from(id), Value::from(id), Value::from(bytes)])
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pair = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    digits.len().is_multiple_of(2).then(|| (0..digits.len()).step_by(2).map(pair).collect())?
}
