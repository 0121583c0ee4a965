//! The source text of a migration.

use super::difference::Difference;

/// `add_due_date` → `AddDueDate`.
pub(super) fn type_name(what: &str) -> String {
    what.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

pub(super) fn write(name: &str, what: &str, difference: &Difference) -> String {
    let (policies, down) = (difference.policies(), down(difference));
    let row_security = !policies.is_empty();
    let imports = if row_security { "use crate::m20261123_000007_create_door_roles::DOORS_OPEN;\n" } else { "" };
    let mut postgres = steps(&difference.postgres());
    postgres.extend(policies.iter().map(|policy| {
        format!("Step::sql(format!(r#\"DO $$ BEGIN IF {{DOORS_OPEN}} THEN {policy} END IF; END $$\"#))")
    }));
    let builds_row_security = if row_security { BUILDS_WALLS } else { "" };
    format!(
        "//! State in one sentence what changes, and why.\n{remarks}\n{imports}use crate::migrations::Migration;\nuse crate::step::{{Engine, Step}};\n\n\
         pub(crate) struct {type_name};\n\n\
         impl Migration for {type_name} {{\n    fn name(&self) -> &'static str {{\n        \"{name}\"\n    }}\n\n\
         {up}\n{down}{builds_row_security}}}\n",
        remarks = remarks(difference),
        type_name = type_name(what),
        up = method("up", &postgres, &steps(&difference.sqlite())),
        down = method("down", &steps(&down.0), &steps(&down.1)),
    )
}

const BUILDS_WALLS: &str = "\n    fn builds_row_security(&self) -> bool {\n        true\n    }\n";

fn remarks(difference: &Difference) -> String {
    if difference.remarks.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = difference.remarks.iter().map(|remark| format!("// {remark}\n")).collect();
    format!("\n// Differences that are not proposed:\n{}", lines.join(""))
}

/// Returns the statements that revert the proposal, for both engines.
fn down(difference: &Difference) -> (Vec<String>, Vec<String>) {
    let tables = difference.new_tables.iter().rev().map(|table| table.name.as_str());
    let columns = difference.new_columns.iter().rev();
    let postgres = tables.clone().map(|table| format!("DROP TABLE IF EXISTS \"{table}\"")).chain(
        columns
            .clone()
            .map(|(table, column)| format!("ALTER TABLE \"{table}\" DROP COLUMN IF EXISTS \"{}\"", column.name)),
    );
    let sqlite = tables
        .map(|table| format!("DROP TABLE \"{table}\""))
        .chain(columns.map(|(table, column)| format!("ALTER TABLE \"{table}\" DROP COLUMN \"{}\"", column.name)));
    (postgres.collect(), sqlite.collect())
}

/// Returns the statements as steps of a migration. A concurrent index is a separate kind of step.
fn steps(statements: &[String]) -> Vec<String> {
    statements.iter().map(|sql| step(sql)).collect()
}

fn step(sql: &str) -> String {
    let index = sql.strip_prefix("CREATE INDEX ").map(|rest| rest.trim_start_matches("CONCURRENTLY IF NOT EXISTS "));
    if let Some((name, on)) = index.and_then(|rest| rest.split_once(" ON ")) {
        return format!("Step::index(engine, {name}, r#\"{on}\"#)");
    }
    format!("Step::sql(r#\"{sql}\"#)")
}

fn method(name: &str, postgres: &[String], sqlite: &[String]) -> String {
    let list = |steps: &[String]| {
        let lines: Vec<String> = steps.iter().map(|step| format!("                {step},\n")).collect();
        if lines.is_empty() { "vec![]".to_owned() } else { format!("vec![\n{}            ]", lines.join("")) }
    };
    format!(
        "    fn {name}(&self, engine: Engine) -> Vec<Step> {{\n        match engine {{\n            Engine::Postgres => {},\n            \
         Engine::Sqlite => {},\n        }}\n    }}\n",
        list(postgres),
        list(sqlite)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_after_the_file() {
        assert_eq!(type_name("add_ga4_due_date"), "AddGa4DueDate");
    }
}
