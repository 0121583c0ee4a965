//! The long texts of a record: their lengths and digests, so that a row of any size is read in bounded memory.
//!
//! A page has null in their place. PostgreSQL computes the digest itself. On SQLite a value is read in pieces; the engine
//! holds it whole meanwhile.

use rylie_audit::{LongText, Text, TextDigest};
use sea_orm::{DbBackend, QueryResult, Value};

use crate::audit::log_row::{LogRow, LongTexts};
use crate::audit::rows::{details, digest, lenient, long_key, measured, signed};
use crate::tx::Tx;
use crate::{Error, Result};

/// Number of bytes of a value that are read at a time on SQLite.
const PIECE: usize = 32 << 20;

/// Reads the long texts of rows, whose [columns](crate::audit::rows::columns) begin at `first`. No statement for ordinary
/// rows.
pub(crate) async fn complete(tx: &Tx, rows: Vec<QueryResult>, first: usize) -> Result<Vec<LogRow>> {
    let mut complete = Vec::with_capacity(rows.len());
    for row in rows {
        let long = read(tx, long_key(tx.engine(), &row, first)?).await?;
        complete.push(LogRow { row, long });
    }
    Ok(complete)
}

/// Reads the long texts of the row with this key; without a key there are none. A statement for the lengths, and one for
/// each long text, or more on SQLite.
pub(crate) async fn read(tx: &Tx, key: Option<String>) -> Result<LongTexts> {
    let Some(key) = key else { return Ok(LongTexts::default()) };
    let columns = measured(tx.engine());
    let lengths: Vec<String> = columns.iter().map(|(_, column)| format!("octet_length({column})")).collect();
    let from = From::row(tx.engine(), &key)?;
    let sql = format!("SELECT {} {}", lengths.join(", "), from.sql);
    let rows = tx.across_tenants()?.rows(&sql, vec![from.key.clone()]).await?;
    let mut long = LongTexts::default();
    let Some(row) = rows.first() else { return Ok(long) };
    for (at, (place, column)) in columns.iter().enumerate() {
        let length = row.try_get_by_index::<Option<i32>>(at)?.unwrap_or_default();
        if u64::from(length.unsigned_abs()) > Text::LONGEST {
            let text = match tx.engine() {
                DbBackend::Sqlite => by_pieces(tx, &from, column, i64::from(length)).await?,
                _ => by_server(tx, &from, column).await?,
            };
            long.insert(*place, text);
        }
    }
    Ok(long)
}

/// The clause that selects one row, and the value to bind.
struct From {
    sql: String,
    key: Value,
}

impl From {
    fn row(engine: DbBackend, key: &str) -> Result<Self> {
        let details = details(engine);
        if engine != DbBackend::Sqlite {
            let sql = format!("FROM \"AuditLog\" a{details} WHERE a.ctid = CAST(CAST($1 AS text) AS tid)");
            return Ok(Self { sql, key: key.into() });
        }
        let (kind, digits) = key.split_once(' ').ok_or(UNREADABLE)?;
        let bytes = hex::decode(digits).map_err(|_| UNREADABLE)?;
        let id = if kind == "blob" { "$1" } else { "CAST($1 AS TEXT)" };
        Ok(Self { sql: format!("FROM \"AuditLog\" a WHERE a.id = {id} COLLATE BINARY LIMIT 1"), key: bytes.into() })
    }
}

const UNREADABLE: Error = Error::Internal { what: "the record", reason: "its long text changed while it was read" };

async fn by_server(tx: &Tx, from: &From, column: &str) -> Result<LongText> {
    let sql = format!(
        "SELECT octet_length(long.bytes) AS bytes, sha256(long.bytes) AS sha256 FROM \
         (SELECT convert_to({column}, 'UTF8'::name) AS bytes {} OFFSET 0) AS long",
        from.sql
    );
    let rows = tx.across_tenants()?.rows(&sql, vec![from.key.clone()]).await?;
    let row = rows.first().ok_or(UNREADABLE)?;
    let bytes = lenient::<i32>(row, "bytes").unsigned_abs();
    LongText::new(bytes.into(), digest(row, "sha256")).ok_or(UNREADABLE)
}

/// Computes the digest of the text that a value counts as: a valid text is itself, the bytes of others are written as
/// hexadecimal digits.
async fn by_pieces(tx: &Tx, from: &From, column: &str, length: i64) -> Result<LongText> {
    let kind = format!("SELECT typeof({column}) AS kind {}", from.sql);
    let kind = tx.across_tenants()?.rows(&kind, vec![from.key.clone()]).await?;
    let is_text = kind.first().is_some_and(|row| lenient::<String>(row, "kind") == "text");
    let mut whole = if is_text { Spelling::Utf8(Utf8::default()) } else { Spelling::Upper };
    loop {
        let mut digest = TextDigest::default().add(whole.label());
        for begin in (1..=length).step_by(PIECE) {
            let sql = format!("SELECT substr(CAST({column} AS BLOB), $2, $3) {}", from.sql);
            let rows = tx
                .across_tenants()?
                .rows(&sql, vec![from.key.clone(), begin.into(), signed(PIECE as u64).into()])
                .await?;
            let piece: Vec<u8> = rows.first().ok_or(UNREADABLE)?.try_get_by_index(0)?;
            digest = match &mut whole {
                Spelling::Utf8(utf8) => {
                    utf8.add(&piece);
                    digest.add(&piece)
                }
                Spelling::Upper => digest.add(hex::encode_upper(&piece).as_bytes()),
                Spelling::Lower => digest.add(hex::encode(&piece).as_bytes()),
            };
        }
        match whole {
            Spelling::Utf8(utf8) if !utf8.is_valid() => whole = Spelling::Lower,
            _ => return digest.long().ok_or(UNREADABLE),
        }
    }
}

/// How the text of a value is spelled.
enum Spelling {
    /// As it is, if it is valid.
    Utf8(Utf8),
    /// A text that is not valid.
    Lower,
    /// A blob.
    Upper,
}

impl Spelling {
    fn label(&self) -> &'static [u8] {
        match self {
            Self::Utf8(_) => b"",
            Self::Lower => b"bytes ",
            Self::Upper => b"blob ",
        }
    }
}

/// Checks pieces of a text.
#[derive(Default)]
struct Utf8 {
    /// The beginning of a character at the end of the last piece.
    rest: Vec<u8>,
    is_invalid: bool,
}

impl Utf8 {
    fn add(&mut self, piece: &[u8]) {
        let bytes = [std::mem::take(&mut self.rest).as_slice(), piece].concat();
        self.rest = self.check(&bytes);
    }

    /// Returns the incomplete character at the end.
    fn check(&mut self, bytes: &[u8]) -> Vec<u8> {
        match std::str::from_utf8(bytes) {
            Ok(_) => Vec::new(),
            Err(error) => {
                self.is_invalid |= error.error_len().is_some();
                bytes.get(error.valid_up_to()..).filter(|_| !self.is_invalid).unwrap_or_default().to_vec()
            }
        }
    }

    fn is_valid(&self) -> bool {
        !self.is_invalid && self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8;

    #[test]
    fn a_text_in_pieces_is_valid_as_the_whole_is() {
        let valid = "aé€😀z".repeat(3).into_bytes();
        let cases = [valid.clone(), [&valid[..], b"\xff", &valid[..]].concat(), valid[..valid.len() - 3].to_vec()];
        for bytes in cases {
            for size in 1..12 {
                let mut pieces = Utf8::default();
                bytes.chunks(size).for_each(|piece| pieces.add(piece));
                assert_eq!(pieces.is_valid(), std::str::from_utf8(&bytes).is_ok(), "{bytes:?} by {size}");
            }
        }
    }
}
