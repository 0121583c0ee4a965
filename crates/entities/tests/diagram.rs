//! `docs/schema.md` contains the entity-relationship diagram generated from the entities.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use rylie_entities::{EntityTable, tables};

const INTRODUCTION: &str = "# Schema\n\n\
This diagram is generated from the entities of `crates/entities`.\n\
`UPDATE_SNAPSHOTS=1 cargo test -p rylie-entities --test diagram` writes it again after a change.\n\n\
`PK` marks the primary key. A column with `\"null\"` accepts null.\n\
Relations follow the foreign keys of the platform's tables.\n\
`AuditLog` has no foreign key on purpose: its records outlive the users that they name.\n\n";

fn is_nullable(table: &EntityTable, name: &str) -> bool {
    table.columns.iter().any(|column| column.name == name && column.nullable)
}

fn diagram() -> String {
    let mut text = format!("{INTRODUCTION}```mermaid\nerDiagram\n");
    for table in tables() {
        writeln!(text, "    {} {{", table.name).unwrap();
        for column in &table.columns {
            let kind = column.kind.replace(' ', "_").replace(['"', '(', ')'], "");
            let key = if table.key.contains(&column.name) { " PK" } else { "" };
            let null = if column.nullable { " \"null\"" } else { "" };
            writeln!(text, "        {kind} {}{key}{null}", column.name).unwrap();
        }
        writeln!(text, "    }}").unwrap();
    }
    for table in tables() {
        for reference in &table.references {
            let optional = reference.columns.iter().all(|name| is_nullable(&table, name));
            let end = if optional { "|o" } else { "||" };
            let (parent, child, columns) = (&reference.table, &table.name, reference.columns.join(" "));
            writeln!(text, "    {parent} {end}--o{{ {child} : {columns}").unwrap();
        }
    }
    text + "```\n"
}

#[test]
fn the_file_of_the_diagram_is_current() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema.md");
    let made = diagram();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(file, &made).unwrap();
    }

    let held = std::fs::read_to_string(file).unwrap_or_default();

    assert!(held == made, "docs/schema.md is out of date: run this test with UPDATE_SNAPSHOTS=1");
}

#[test]
fn every_relation_of_the_platform_is_drawn() {
    let text = diagram();

    for relation in ["Agency |o--o{ User : agencyId", "User ||--o{ Request : userId", "Request ||--o{ Task : requestId"]
    {
        assert!(text.contains(relation), "{relation} is missing from\n{text}");
    }
    assert!(text.contains("        text id PK\n"), "{text}");
}
