//! Statements with their values in the text.
//!
//! Only plain words, numbers, times and truth values are written into a text. A plain word consists of ASCII letters,
//! digits, `_` and `-`, as ids and labels do. It can contain neither a quote nor a backslash, so it cannot leave its
//! literal under any setting of the server. Any other value makes the statement travel with bound values.

use sea_orm::sea_query::{ArrayType, OptionEnum, Value};
use sea_orm::{Statement, Values};
use sqlx::error::DatabaseError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Postgres};

use crate::cache::LeasedConnection;
use crate::pool::batch;
use crate::prepared::name;

/// The longest word and the most items of an array: a text is for few short values.
const MAX: usize = 64;

/// A statement with its values in the text.
pub(crate) enum Text<'s> {
    Plain(String),
    /// The same as a call of a prepared statement.
    Call(Call, &'s Statement),
}

/// A statement to prepare, and the values of a call. Ids, times and limits are parameters. Truth values and other numbers
/// stay in the statement, as a partial index requires.
pub(crate) struct Call {
    statement: String,
    types: Vec<&'static str>,
    arguments: Vec<String>,
}

impl<'s> Text<'s> {
    /// Returns the statement, or `None` if one of its values may not stand in a text.
    pub(crate) fn of(statement: &'s Statement, prepares: bool) -> Option<Self> {
        if prepares && let Some(call) = Call::of(statement) {
            return Some(Self::Call(call, statement));
        }
        plain(statement).map(Self::Plain)
    }

    /// Sends the statement after `before`, in one text. Returns the rows of all its statements.
    pub(super) async fn rows(
        &self,
        leased: &mut LeasedConnection<Postgres>,
        before: &str,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let (call, statement) = match self {
            Self::Plain(plain) => return sent([before, plain].concat(), leased).await,
            Self::Call(call, statement) => (call, statement),
        };
        let plainly = || plainly(before, statement);
        let Some(prepared) = leased.prepared() else { return sent(plainly()?, leased).await };
        if let Some(name) = prepared.name(&call.statement) {
            let rows = sent([before, &call.execute(&name)].concat(), leased).await;
            let Err(error) = &rows else { return rows };
            if !is_stale(error) {
                return rows;
            }
            if let Some(prepared) = leased.prepared() {
                prepared.forget(&call.statement);
            }
            // The failed text may have begun a transaction, and had no effect.
            return sent(["ROLLBACK; ", &plainly()?].concat(), leased).await;
        }
        let Some(number) = prepared.begin() else { return sent(plainly()?, leased).await };
        let name = name(number);
        let rows = sent([before, &call.prepare(&name), "; ", &call.execute(&name)].concat(), leased).await;
        if let (Ok(_), Some(prepared)) = (&rows, leased.prepared()) {
            prepared.done(call.statement.clone(), number);
        }
        rows
    }
}

/// Returns the text of a statement that has a call: what may stand in a call may stand in a text.
fn plainly(before: &str, statement: &Statement) -> Result<String, sqlx::Error> {
    Ok([before, &plain(statement).ok_or(sqlx::Error::WorkerCrashed)?].concat())
}

/// Returns whether a prepared statement no longer fits its table, or was deallocated.
fn is_stale(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| matches!(&*code, "0A000" | "26000"))
}

async fn sent(text: String, leased: &mut LeasedConnection<Postgres>) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(leased.conn()?).await
}

impl Call {
    /// Returns `None` if a parameter would have no type: the server infers it from what the value is compared with.
    fn of(statement: &Statement) -> Option<Self> {
        let (mut types, mut arguments) = (Vec::new(), Vec::new());
        let statement = in_text(statement, |before, value| {
            let before = before.trim_end_matches([' ', '(']);
            let limits = before.ends_with("LIMIT") || before.ends_with("OFFSET");
            let of = match value {
                Value::String(Some(_)) => "unknown",
                Value::Array(..) => "text[]",
                Value::ChronoDateTime(Some(_)) => "timestamp",
                Value::BigUnsigned(Some(_)) if limits => "int8",
                _ => return literal(value),
            };
            let compared = before.ends_with(['=', '<', '>']) || before.ends_with("ANY");
            // The next part of a place in a list: `(a, b) < ($1, $2)`.
            let follows = !arguments.is_empty() && before.strip_suffix(&format!("${},", arguments.len())).is_some();
            if !(compared || follows || limits) {
                return None;
            }
            types.push(of);
            arguments.push(literal(value)?);
            Some(format!("${}", arguments.len()))
        })?;
        Some(Self { statement, types, arguments })
    }

    fn prepare(&self, name: &str) -> String {
        ["PREPARE ", name, &listed(&self.types.join(", ")), " AS ", &self.statement].concat()
    }

    fn execute(&self, name: &str) -> String {
        ["EXECUTE ", name, &listed(&self.arguments.join(", "))].concat()
    }
}

fn listed(items: &str) -> String {
    if items.is_empty() { String::new() } else { format!("({items})") }
}

fn plain(statement: &Statement) -> Option<String> {
    in_text(statement, |_, value| literal(value))
}

/// Returns the statement with any values in its text, or `None` if there is a number or a list among them. A text is
/// quoted, whatever it contains.
pub(crate) fn quoted(statement: &Statement) -> Option<String> {
    in_text(statement, |_, value| {
        Some(match value {
            Value::String(Some(text)) => batch::literal(text),
            Value::ChronoDateTime(Some(at)) => batch::literal(&format!("{at:?}")),
            Value::Json(Some(json)) => batch::literal(&json.to_string()),
            Value::String(None) | Value::ChronoDateTime(None) | Value::Json(None) => "NULL".to_owned(),
            _ => return None,
        })
    })
}

/// Returns the statement with a text for each of its values, or `None` without one. `place` gets the text before the
/// value.
fn in_text(statement: &Statement, mut place: impl FnMut(&str, &Value) -> Option<String>) -> Option<String> {
    let Statement { sql, values, .. } = statement;
    let none = Values(Vec::new());
    let values = &values.as_ref().unwrap_or(&none).0;
    let mut text = String::with_capacity(sql.len() + 32 * values.len());
    let (bytes, mut copied, mut at) = (sql.as_bytes(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'$' => {
                let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number: usize = sql[at..end].parse().ok()?;
                text.push_str(&sql[copied..at - 1]);
                let value = place(&text, values.get(number.checked_sub(1)?)?)?;
                text.push_str(&value);
                (copied, at) = (end, end);
            }
            // A literal or a name: a doubled quote inside ends it and begins another.
            quote @ (b'\'' | b'"') => {
                let length = bytes[at..].iter().position(|byte| byte == quote)?;
                if bytes[at..at + length].contains(&b'\\') {
                    return None;
                }
                at += length + 1;
            }
            // These begin literals and comments whose end this function does not know, or another statement.
            b'\\' | b';' => return None,
            b'-' | b'/' if matches!(&bytes[at - 1..=at.min(bytes.len() - 1)], b"--" | b"/*") => return None,
            _ => {}
        }
    }
    text.push_str(&sql[copied..]);
    Some(text)
}

fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(Some(truth)) => truth.to_string(),
        Value::Int(Some(number)) => format!("'{number}'::int4"),
        Value::BigInt(Some(number)) => format!("'{number}'::int8"),
        Value::BigUnsigned(Some(number)) => format!("'{}'::int8", i64::try_from(*number).ok()?),
        Value::String(Some(word)) if is_plain(word) => format!("'{word}'"),
        Value::Enum(OptionEnum::Some(label)) if is_plain(&label.value) => format!("'{}'", label.value),
        Value::ChronoDateTime(Some(at)) => format!("'{}'::timestamp", at.format("%Y-%m-%dT%H:%M:%S%.6f")),
        Value::Array(ArrayType::String, Some(items)) if items.len() <= MAX => {
            let words = items.iter().map(|item| match item {
                Value::String(Some(word)) if is_plain(word) => Some(format!("'{word}'")),
                _ => None,
            });
            format!("ARRAY[{}]::text[]", words.collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::String(None) | Value::ChronoDateTime(None) => "NULL".to_owned(),
        _ => return None,
    })
}

fn is_plain(word: &str) -> bool {
    word.len() <= MAX && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, Statement, Value};

    use super::{Call, plain};

    fn statement(sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    }

    fn text(sql: &str, values: Vec<Value>) -> Option<String> {
        plain(&statement(sql, values))
    }

    #[test]
    fn ids_and_limits_are_parameters_of_a_prepared_statement_and_truth_values_stay_in_it() {
        let sql = r#"SELECT * FROM "T" WHERE (id, d) < ($1, $1) AND (a) = ANY($2) AND b = ($3) AND c = $4 LIMIT $5"#;
        let values = vec!["i".into(), vec!["a".to_owned()].into(), "L".into(), false.into(), 50_u64.into()];

        let call = Call::of(&statement(sql, values)).unwrap();

        let expected = r#"PREPARE n(unknown, unknown, text[], unknown, int8) AS SELECT * FROM "T" WHERE (id, d) < ($1, $2) AND (a) = ANY($3) AND b = ($4) AND c = false LIMIT $5"#;
        assert_eq!(call.prepare("n"), expected);
        assert_eq!(call.execute("n"), "EXECUTE n('i', 'i', ARRAY['a']::text[], 'L', '50'::int8)");
    }

    #[test]
    fn a_value_that_is_compared_with_nothing_is_no_parameter() {
        for sql in ["SELECT $1", "SELECT $1 IS NULL", "SELECT a IN ($1)", "VALUES ($1)", "SELECT concat($1)"] {
            assert!(Call::of(&statement(sql, vec!["a".into()])).is_none(), "{sql}");
        }
    }

    #[test]
    fn plain_values_stand_in_the_text() {
        let sql = r#"SELECT "a$1" FROM "T" WHERE a = $1 AND b = '$2''$1' AND c = ANY($2) LIMIT $3"#;
        let values = vec!["id_1-x".into(), vec!["a".to_owned(), "b".to_owned()].into(), 50_u64.into()];

        let expected = r#"SELECT "a$1" FROM "T" WHERE a = 'id_1-x' AND b = '$2''$1' AND c = ANY(ARRAY['a', 'b']::text[]) LIMIT '50'::int8"#;
        assert_eq!(text(sql, values).as_deref(), Some(expected));
        assert_eq!(
            text("SELECT $1, $2", vec![true.into(), Option::<String>::None.into()]).unwrap(),
            "SELECT true, NULL"
        );
    }

    #[test]
    fn any_other_value_is_bound() {
        for value in ["'", "\\", "a b", "a'; DROP TABLE x", "ä", "user@host", "$1", "\0", &"x".repeat(65)] {
            assert_eq!(text("SELECT $1", vec![value.into()]), None, "{value}");
            assert_eq!(text("SELECT ANY($1)", vec![vec![value.to_owned()].into()]), None, "{value}");
        }
        assert_eq!(text("SELECT $1", vec![serde_json::json!({}).into()]), None);
        assert_eq!(text("SELECT $1", vec![u64::MAX.into()]), None);
    }

    #[test]
    fn a_statement_that_is_not_understood_is_bound() {
        for sql in [
            "SELECT $2",
            "SELECT $0",
            "SELECT $",
            "SELECT $a$x$a$",
            "SELECT E'\\''",
            "SELECT 'x",
            "SELECT 1; SELECT 2",
            "SELECT 1 -- $1",
            "SELECT /* $1 */ 1",
        ] {
            assert_eq!(text(sql, vec!["a".into()]), None, "{sql}");
        }
    }
}
