//! The parts of a statement that telemetry may contain: its kind and its table, never a value.

/// Returns the first word if it is a known one, else `OTHER`.
pub(super) fn operation(sql: &str) -> &'static str {
    let word = sql.split_whitespace().next().unwrap_or_default();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].into_iter().find(|known| *known == word).unwrap_or("OTHER")
}

/// Returns the table, if the statement names only one.
pub(super) fn collection(sql: &str) -> Option<&str> {
    let mut words = sql.split_ascii_whitespace();
    let mut tables = std::iter::from_fn(|| {
        while let Some(word) = words.next() {
            if matches!(word, "FROM" | "JOIN" | "INTO" | "UPDATE")
                && let Some(table) = words.clone().next().and_then(table)
            {
                return Some(table);
            }
        }
        None
    });
    let first = tables.next()?;
    tables.all(|other| other == first).then_some(first)
}

/// Returns the quoted name at the start of a word, unless it qualifies a column (`IS DISTINCT FROM "a"."b"`).
fn table(word: &str) -> Option<&str> {
    let (name, rest) = word.strip_prefix('"')?.split_once('"')?;
    (!rest.starts_with('.')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{collection, operation};

    #[test]
    fn a_statement_is_reported_by_its_kind() {
        assert_eq!(operation("SELECT 'canary'"), "SELECT");
        assert_eq!(operation("WITH a AS (SELECT 1) SELECT 1"), "WITH");
        assert_eq!(operation("canary"), "OTHER");
        assert_eq!(operation(""), "OTHER");
    }

    #[test]
    fn the_one_table_is_reported_and_nothing_else() {
        for (sql, table) in [
            (r#"SELECT "a" FROM "User" WHERE "a" = $1"#, Some("User")),
            (r#"INSERT INTO "User" ("FROM") VALUES ($1) ON CONFLICT ("a") DO UPDATE SET "a" = $2"#, Some("User")),
            ("UPDATE\n  \"User\" SET \"a\" = $1 WHERE \"b\" IS DISTINCT FROM \"User\".\"c\"", Some("User")),
            (r#"DELETE FROM "User" WHERE "id" IN (SELECT "id" FROM "User" FOR UPDATE)"#, Some("User")),
            (r#"SELECT 1 FROM "User" LEFT JOIN "Request" ON true"#, None),
            ("SELECT 1 FROM (SELECT 1)", None),
            ("SELECT 1", None),
        ] {
            assert_eq!(collection(sql), table, "{sql}");
        }
    }
}
