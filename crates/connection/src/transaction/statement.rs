//! The parts of a statement that telemetry may contain: its kind and its table, never a value.

/// Returns the first word if it is a known one, else `OTHER`.
pub(super) fn operation(sql: &str) -> &'static str {
    let word = write(sql).unwrap_or(sql).split_whitespace().next().unwrap_or_default();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].into_iter().find(|known| *known == word).unwrap_or("OTHER")
}

/// Numbers that a page of requests reads with its rows.
const KEPT_TOTALS: &str = "RequestCount";

/// Returns the table, if the statement names only one, apart from kept totals.
pub(super) fn collection(sql: &str) -> Option<&str> {
    let mut words = write(sql).unwrap_or(sql).split_ascii_whitespace();
    let mut tables = std::iter::from_fn(|| {
        while let Some(word) = words.next() {
            if matches!(word, "FROM" | "JOIN" | "INTO" | "UPDATE")
                && let Some(table) = words.clone().next().and_then(table)
                && table != KEPT_TOTALS
            {
                return Some(table);
            }
        }
        None
    });
    let first = tables.next()?;
    tables.all(|other| other == first).then_some(first)
}

/// Returns the write of a statement that also records it.
fn write(sql: &str) -> Option<&str> {
    let (write, _) = sql.strip_prefix("WITH \"written\" AS (")?.split_once("\"recorded\" AS (")?;
    Some(write)
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
        let recorded = r#"WITH "written" AS (INSERT INTO "T" ("a") VALUES ($1)), "recorded" AS (INSERT INTO "AuditLog" ("a") SELECT 1)"#;
        assert_eq!(operation(recorded), "INSERT");
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
            (r#"SELECT "a", (SELECT 1 FROM "RequestCount") FROM "Request""#, Some("Request")),
            ("SELECT 1 FROM (SELECT 1)", None),
            ("SELECT 1", None),
            (
                r#"WITH "written" AS (UPDATE "User" SET "a" = $1), "recorded" AS (INSERT INTO "AuditLog" ("a") SELECT 1 FROM "written") SELECT * FROM "written""#,
                Some("User"),
            ),
        ] {
            assert_eq!(collection(sql), table, "{sql}");
        }
    }
}
