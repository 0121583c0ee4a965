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
use crate::prepared::name;

/// The longest word and the most items of an array: a text is for few short values.
const MAX: usize = 64;

/// A statement with its values in the text.
pub(crate) struct Text {
    plain: String,
    /// The same as a call of a prepared statement.
    call: Option<Call>,
}

/// A statement to prepare, and the values of a call. Ids, times and limits are parameters. Truth values and other numbers
/// stay in the statement, as a partial index requires.
struct Call {
    statement: String,
    types: Vec<&'static str>,
    arguments: Vec<String>,
}

impl Text {
    /// Returns the statement, or `None` if one of its values may not stand in a text.
    pub(crate) fn of(statement: &Statement, prepares: bool) -> Option<Self> {
        let plain = in_text(statement, |_, value| literal(value))?;
        Some(Self { plain, call: if prepares { Call::of(statement) } else { None } })
    }

    /// Sends the statement after `before`, in one text. Returns the rows of all its statements.
    pub(super) async fn rows(
        &self,
        leased: &mut LeasedConnection<Postgres>,
        before: &str,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let Some((call, prepared)) = self.call.as_ref().zip(leased.prepared()) else {
            return sent([before, &self.plain].concat(), leased).await;
        };
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
            return sent(["ROLLBACK; ", before, &self.plain].concat(), leased).await;
        }
        let Some(number) = prepared.begin() else { return sent([before, &self.plain].concat(), leased).await };
        let name = name(number);
        let rows = sent([before, &call.prepare(&name), "; ", &call.execute(&name)].concat(), leased).await;
        if let (Ok(_), Some(prepared)) = (&rows, leased.prepared()) {
            prepared.done(call.statement.clone(), number);
        }
        rows
    }
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

/// Returns the statement with a text for each of its values, or `None` without one. `place` gets the text before the
/// value.
fn in_text(statement: &Statement, mut place: impl FnMut(&str, &Value) -> Option<String>) -> Option<String> {
    let Statement { sql, values, .. } = statement;
    let none = Values(Vec::new());
    let values = &values.as_ref().unwrap_or(&none).0;
    // These begin literals whose end this function does not know.
    if sql.contains(['\\', ';']) || sql.contains("--") || sql.contains("/*") {
        return None;
    }
    let mut text = String::with_capacity(sql.len() + 32 * values.len());
    let mut rest = sql.as_str();
    while let Some(at) = rest.find(['$', '\'', '"']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        rest = match from.as_bytes().first()? {
            b'$' => {
                let digits = from[1..].bytes().take_while(u8::is_ascii_digit).count();
                let number: usize = from[1..=digits].parse().ok()?;
                let value = place(&text, values.get(number.checked_sub(1)?)?)?;
                text.push_str(&value);
                &from[1 + digits..]
            }
            // A literal or a name: a doubled quote inside ends it and begins another.
            quote => {
                let end = 2 + from[1..].find(char::from(*quote))?;
                text.push_str(&from[..end]);
                &from[end..]
            }
        };
    }
    text.push_str(rest);
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

    use super::{Call, Text};

    fn statement(sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    }

    fn text(sql: &str, values: Vec<Value>) -> Option<String> {
        Text::of(&statement(sql, values), false).map(|text| text.plain)
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
