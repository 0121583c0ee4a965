//! Types that are regretted later.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::SyntaxNode;

use super::{COLUMNS, Rule};
use crate::script::Part;
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "char-column",
        like: "squawk `ban-char-field`",
        harm: "values are padded with blanks, which comparisons then ignore or do not",
        fix: "text, with a CHECK on its length if it has one",
        fails: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS country char(2);",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS country text;",
        check: |_, part| columns(part).iter().any(|column| column.has(K::CHARACTER_TYPE)),
    },
    &Rule {
        id: "varchar-with-limit",
        like: "squawk `prefer-text-field`",
        harm: "another limit is another type: a shorter one reads the whole table under a lock",
        fix: "text, with a CHECK on its length, which can be changed beside writers",
        fails: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note varchar(100);",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text;",
        check: |_, part| {
            columns(part).iter().any(|column| column.child(K::VARCHAR_TYPE).is_some_and(|kind| kind.has(K::ARG_LIST)))
        },
    },
    &Rule {
        id: "json-column",
        like: "strong_migrations `add_column_json`",
        harm: "json has no equality: DISTINCT, GROUP BY and UNION over the table fail, and nothing in it can be indexed",
        fix: "jsonb",
        fails: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS extra json;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS extra jsonb;",
        check: |_, part| columns(part).iter().any(|column| type_name(column) == "json"),
    },
    &Rule {
        id: "serial",
        like: "squawk `prefer-identity`",
        harm: "its sequence has rights and an owner of its own, which grants and dumps forget",
        fix: "bigint GENERATED ALWAYS AS IDENTITY, or text ids made by the service",
        fails: "CREATE TABLE IF NOT EXISTS rylie_note (id text PRIMARY KEY, number bigserial);",
        passes: "CREATE TABLE IF NOT EXISTS rylie_note (id text PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY);",
        check: |_, part| part.is(K::CREATE_TABLE) && columns(part).iter().any(crate::locks::is_serial),
    },
    &Rule {
        id: "integer-key",
        like: "squawk `prefer-bigint-over-int`, strong_migrations `create_table`",
        harm: "a key of four bytes runs out after two thousand million rows, and to widen it rewrites everything that refers to it",
        fix: "bigint, or text ids made by the service",
        fails: "CREATE TABLE IF NOT EXISTS rylie_note (id integer PRIMARY KEY);",
        passes: "CREATE TABLE IF NOT EXISTS rylie_note (id bigint PRIMARY KEY);",
        check: |_, part| part.is(K::CREATE_TABLE) && has_integer_key(&part.node),
    },
];

fn columns(part: &Part) -> Vec<SyntaxNode> {
    COLUMNS.iter().flat_map(|kind| part.node.all(*kind).collect::<Vec<_>>()).collect()
}

fn type_name(column: &SyntaxNode) -> String {
    column.child(K::PATH_TYPE).map(|kind| kind.name()).unwrap_or_default()
}

/// A key of one column of a small type, unless a check bounds it.
fn has_integer_key(table: &SyntaxNode) -> bool {
    const SMALL: [&str; 9] =
        ["int", "integer", "int4", "smallint", "int2", "serial", "serial4", "smallserial", "serial2"];
    let keys: Vec<SyntaxNode> = table.all(K::PRIMARY_KEY_CONSTRAINT).collect();
    let checked = table.all(K::CHECK_CONSTRAINT).flat_map(|check| check.names(K::NAME_REF)).collect::<Vec<_>>();
    let mut small = table.all(K::COLUMN).filter(|column| SMALL.contains(&type_name(column).as_str()));
    small.any(|column| {
        let name = column.child(K::COLUMN_NAME).map(|name| name.name()).unwrap_or_default();
        let is_key = keys
            .iter()
            .any(|key| key.parent().as_ref() == Some(&column) || key.names(K::COLUMN_NAME_REF) == [name.clone()]);
        is_key && !checked.contains(&name)
    })
}
