//! The expected schema of a service's tables, for the comparison with the live one. PostgreSQL.

use super::snapshot::{Column, Definitions, Function, Snapshot, Table, Trigger};
use crate::new_table::{ColumnKind, NewTable, TASK_KEY};
use crate::own::postgres::{self, kind, reference, rights};

/// Adds a service's table to the expected schema. Definitions that equal the live ones but for quotes take the live
/// spelling: only the server knows which names it quotes.
pub(crate) fn add(expected: &mut Snapshot, new: &NewTable, live: &Snapshot) {
    let mut table = described(new);
    if let Some(found) = live.tables.get(new.name()) {
        for (ours, theirs) in [
            (&mut table.indexes, &found.indexes),
            (&mut table.constraints, &found.constraints),
            (&mut table.policies, &found.policies),
        ] {
            respell(ours, theirs);
        }
        // Compared by their names: the server rewrites their conditions.
        for (name, trigger) in &mut table.triggers {
            if let Some(live) = found.triggers.get(name) {
                trigger.clone_from(live);
            }
        }
    }
    for (name, definition) in postgres::functions(new) {
        let made = Function { definition, for_everybody: true };
        let function = live.functions.get(&name).cloned().unwrap_or(made);
        expected.functions.insert(name, function);
    }
    expected.tables.insert(new.name().to_owned(), table);
    if new.refers_to_tasks() {
        let made = format!("CREATE UNIQUE INDEX \"{TASK_KEY}\" ON public.\"Task\" USING btree (id, \"tenantId\")");
        let index =
            live.tables.get("Task").and_then(|task| task.indexes.get(TASK_KEY)).filter(|it| bare(it) == bare(&made));
        if let Some(task) = expected.tables.get_mut("Task") {
            task.indexes.insert(TASK_KEY.to_owned(), index.cloned().unwrap_or(made));
        }
    }
}

fn respell(ours: &mut Definitions, theirs: &Definitions) {
    for (name, definition) in ours {
        if let Some(found) = theirs.get(name).filter(|found| bare(found) == bare(definition)) {
            definition.clone_from(found);
        }
    }
}

fn bare(definition: &str) -> String {
    definition.chars().filter(|letter| !matches!(letter, '"' | '(' | ')' | ' ')).collect()
}

fn described(new: &NewTable) -> Table {
    let name = new.name();
    let column = |kind: &str, nullable: bool, default: Option<&str>| Column {
        kind: kind.to_owned(),
        nullable,
        default: default.map(str::to_owned),
        generated: None,
    };
    let mut table = Table { row_security: "forced".to_owned(), ..Table::default() };
    for key in ["id", "tenantId"] {
        table.columns.insert(key.to_owned(), column("text", false, None));
    }
    for new in &new.columns {
        table.columns.insert(new.name.to_owned(), column(kind(new.kind), new.nullable, new.default));
        if let ColumnKind::Labels(labels) = new.kind {
            let labels: Vec<_> = labels.iter().map(|label| format!("'{label}'::text")).collect();
            let holds = match labels.as_slice() {
                [one] => format!("CHECK ((\"{}\" = {one}))", new.name),
                _ => format!("CHECK ((\"{}\" = ANY (ARRAY[{}])))", new.name, labels.join(", ")),
            };
            table.constraints.insert(format!("{name}_{}_check", new.name), holds);
        }
    }
    table.constraints.insert(format!("{name}_pkey"), "PRIMARY KEY (id)".to_owned());
    table.constraints.insert(format!("{name}_tenantId_check"), "CHECK ((\"tenantId\" <> ''::text))".to_owned());
    for (name, definition) in new.users().flat_map(|user| postgres::triggers(new, user)) {
        table.triggers.insert(name, Trigger { definition, state: "enabled".to_owned() });
    }
    for key in &new.references {
        table.constraints.insert(new.key(key), reference(new, key));
    }
    let index = |name: &str, unique: bool, on: &str| {
        let unique = if unique { "UNIQUE " } else { "" };
        format!("CREATE {unique}INDEX \"{name}\" ON public.\"{}\" USING btree {on}", new.name())
    };
    table.indexes.insert(format!("{name}_pkey"), index(&format!("{name}_pkey"), true, "(id)"));
    for made in new.all_indexes() {
        table.indexes.insert(made.name.clone(), index(&made.name, made.unique, &made.on()));
    }
    let tenant = "(\"tenantId\" = current_setting('rylie.tenant'::text, true))";
    for (role, holds) in [("rylie_tenant", tenant), ("rylie_platform", "true")] {
        table
            .policies
            .insert(role.to_owned(), format!("AS PERMISSIVE FOR ALL TO {role} USING ({holds}) WITH CHECK ({holds})"));
    }
    let sorted = |rights: &str| {
        let mut rights: Vec<_> = rights.split(", ").collect();
        rights.sort_unstable();
        rights.join(", ")
    };
    table.grants.insert("rylie_tenant".to_owned(), sorted(rights(new)));
    table.grants.insert("rylie_platform".to_owned(), "DELETE, INSERT, SELECT, UPDATE".to_owned());
    table
}
