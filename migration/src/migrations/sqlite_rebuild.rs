//! Rebuilds a table on SQLite, which cannot add a constraint: creates it again, fills it and renames it.
//!
//! Only for tables of the base that no other table refers to, since dropping the old table may affect the referring
//! rows.

use crate::migrations::m20261123_000001_create_base_tables::SQLITE;
use crate::step::{Step, statements};

/// A table of the base to rebuild with changes; without any, as the base has it.
pub(crate) struct Rebuild {
    table: &'static str,
    lines: Vec<String>,
    names: Vec<String>,
    values: Vec<String>,
}

impl Rebuild {
    pub(crate) fn of(table: &'static str) -> Self {
        let start = format!("CREATE TABLE \"{table}\" (");
        let lines: Vec<String> = base()
            .find(|sql| sql.starts_with(&start))
            .map(|sql| sql.lines().map(|line| line.trim().trim_end_matches(',').to_owned()).collect())
            .unwrap_or_default();
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.starts_with("CREATE") && line != ")").collect();
        let names: Vec<String> = lines.iter().filter(|line| is_column(line)).map(|line| first_word(line)).collect();
        let values = names.iter().map(|name| format!("old.{name}")).collect();
        Self { table, lines, names, values }
    }

    /// Adds a column with the value for each row `old` of the table.
    pub(crate) fn column(mut self, definition: &str, value: &str) -> Self {
        let end = self.lines.iter().take_while(|line| is_column(line)).count();
        self.lines.insert(end, definition.to_owned());
        self.names.push(first_word(definition));
        self.values.push(value.to_owned());
        self
    }

    /// Adds a constraint.
    pub(crate) fn constraint(mut self, definition: &str) -> Self {
        self.lines.push(definition.to_owned());
        self
    }

    /// Removes the constraint of this name.
    pub(crate) fn without_constraint(mut self, name: &str) -> Self {
        self.lines.retain(|line| !line.starts_with(&format!("CONSTRAINT \"{name}\"")));
        self
    }

    /// Returns the steps: create the new table, fill it, replace the old one, and create the base's indexes.
    pub(crate) fn steps(self) -> Vec<Step> {
        let Self { table, lines, names, values } = self;
        let mut steps = vec![
            Step::sql(format!("CREATE TABLE \"{table}__new\" (\n    {}\n)", lines.join(",\n    "))),
            Step::sql(format!(
                "INSERT INTO \"{table}__new\" ({}) SELECT {} FROM \"{table}\" old",
                names.join(", "),
                values.join(", ")
            )),
            Step::sql(format!("DROP TABLE \"{table}\"")),
            Step::sql(format!("ALTER TABLE \"{table}__new\" RENAME TO \"{table}\"")),
        ];
        let on = format!(" ON \"{table}\" ");
        steps.extend(base().filter(|sql| !sql.starts_with("CREATE TABLE") && sql.contains(&on)).map(Step::sql));
        steps
    }
}

fn base() -> impl Iterator<Item = String> {
    statements(SQLITE).into_iter().map(|step| step.statement().to_owned())
}

fn is_column(line: &str) -> bool {
    !line.starts_with("CONSTRAINT")
}

fn first_word(line: &str) -> String {
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_before_constraints_and_rows_are_copied() {
        let steps =
            Rebuild::of("Session").column("extra TEXT", "'x'").without_constraint("Session_userId_fkey").steps();
        let sql: Vec<&str> = steps.iter().map(Step::statement).collect();

        assert_eq!(
            sql,
            [
                "CREATE TABLE \"Session__new\" (\n    id TEXT NOT NULL,\n    \"sessionToken\" TEXT NOT NULL,\n    \"userId\" TEXT NOT NULL,\n    \
                 expires TIMESTAMP NOT NULL,\n    extra TEXT,\n    CONSTRAINT \"Session_pkey\" PRIMARY KEY (id)\n)",
                "INSERT INTO \"Session__new\" (id, \"sessionToken\", \"userId\", expires, extra) \
                 SELECT old.id, old.\"sessionToken\", old.\"userId\", old.expires, 'x' FROM \"Session\" old",
                "DROP TABLE \"Session\"",
                "ALTER TABLE \"Session__new\" RENAME TO \"Session\"",
                "CREATE UNIQUE INDEX \"Session_sessionToken_key\" ON \"Session\" (\"sessionToken\")",
                "CREATE INDEX \"Session_userId_idx\" ON \"Session\" (\"userId\")",
            ]
        );
    }
}
