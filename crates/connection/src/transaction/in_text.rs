//! Statements with their values in the text.
//!
//! Only plain words, numbers, times and truth values are written into a text. A plain word consists of ASCII letters,
//! digits, `_` and `-`, as ids and labels do. It can contain neither a quote nor a backslash, so it cannot leave its
//! literal under any setting of the server. Any other value makes the statement travel with bound values.

use sea_orm::sea_query::{ArrayType, OptionEnum, Value};
use sea_orm::{Statement, Values};

/// The longest word and the most items of an array: a text is for few short values.
const MAX: usize = 64;

/// Returns the statement with its values in the text, or `None` if one of them may not stand there.
pub(super) fn in_text(statement: &Statement) -> Option<String> {
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
                text.push_str(&literal(values.get(number.checked_sub(1)?)?)?);
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

    use super::in_text;

    fn text(sql: &str, values: Vec<Value>) -> Option<String> {
        in_text(&Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
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
