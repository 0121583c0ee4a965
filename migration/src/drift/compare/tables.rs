//! Comparison of tables and their parts.

use rylie_driver::quoted;

use super::{Comparison, NOTHING, OF_LOGINS};
use crate::drift::fix;
use crate::drift::snapshot::{Column, Definitions, Snapshot, Table};
use crate::migrations::BASE_TABLES;

impl Comparison {
    pub(super) fn tables(&mut self, expected: &Snapshot, live: &Snapshot) {
        let both = || expected.tables.iter().filter_map(|(name, table)| Some((name, table, live.tables.get(name)?)));
        for (name, table) in expected.tables.iter().filter(|(name, _)| !live.tables.contains_key(*name)) {
            self.differ(format!("table {name}"), "a table", NOTHING, fix::table(name, table, self.protected));
        }
        for (name, table, found) in both() {
            self.columns(name, table, found);
        }
        for (name, table, found) in both() {
            self.indexes(name, table, found);
        }
        // Unique and primary keys come first, because foreign keys refer to them.
        for foreign in [false, true] {
            for (name, table, found) in both() {
                self.constraints(name, table, found, foreign);
            }
        }
        for (name, table, found) in both() {
            self.switches(name, table, found);
            self.triggers(name, table, found);
            self.dangerous(&format!("rule {name}."), "", &table.rules, &found.rules, |rule| {
                fix::rule(name, rule, table.rules.get(rule))
            });
            if self.protected {
                self.row_security(name, table, found);
            }
        }
        self.unknown("table ", &expected.tables, &live.tables);
    }

    fn columns(&mut self, name: &str, table: &Table, found: &Table) {
        for (column, expected) in &table.columns {
            let object = format!("column {name}.{column}");
            match found.columns.get(column) {
                None => {
                    let note = (!expected.nullable && expected.default.is_none() && expected.generated.is_none())
                        .then_some("fill the column before the statements that make it NOT NULL");
                    let fix = fix::add_column(name, column, expected);
                    self.note(object, &fix::column(expected), NOTHING, fix, note);
                }
                Some(found) => self.column(object, name, column, expected, found),
            }
        }
        self.unknown(&format!("column {name}."), &table.columns, &found.columns);
    }

    fn column(&mut self, object: String, table: &str, column: &str, expected: &Column, found: &Column) {
        if expected.kind != found.kind {
            let fix = fix::column_type(table, column, expected);
            let note = "it rewrites the table under an exclusive lock, and fails on values that do not convert; drop policies, triggers and views \
                        that use the column before, and create them again after; on a big table, add a new column instead";
            self.note(object.clone(), &expected.kind, &found.kind, fix, Some(note));
        }
        if expected.generated != found.generated {
            let words = |column: &Column| column.generated.clone().unwrap_or_else(|| "not generated".to_owned());
            let note = "the generation of a column cannot be changed in place: add a new column";
            self.note(object.clone(), &words(expected), &words(found), Vec::new(), Some(note));
        } else if expected.default != found.default {
            let words = |column: &Column| {
                column.default.as_ref().map_or("no default".to_owned(), |sql| format!("default {sql}"))
            };
            self.differ(object.clone(), &words(expected), &words(found), fix::column_default(table, column, expected));
        }
        if expected.nullable != found.nullable {
            let words = |column: &Column| if column.nullable { "nullable" } else { "not null" };
            let note = (!expected.nullable).then_some("it fails on rows without a value: fill them first");
            self.note(object, words(expected), words(found), fix::nullability(table, column, expected.nullable), note);
        }
    }

    /// Compares indexes. A constraint creates its own index, so that index is reported with the constraint.
    fn indexes(&mut self, name: &str, table: &Table, found: &Table) {
        for (index, definition) in &table.indexes {
            let live = found.indexes.get(index);
            let of_constraint =
                table.constraints.contains_key(index) && table.constraints.get(index) != found.constraints.get(index);
            if live == Some(definition) || of_constraint {
                continue;
            }
            let object = format!("index {name}.{index}");
            let other = same_under_another_name(definition, index, &table.indexes, &found.indexes);
            if let (None, Some(other)) = (live, other) {
                let fix = vec![fix::rename_index(other, index)];
                self.differ(object, &format!("the name {index}"), &format!("the name {other}"), fix);
            } else {
                let fix = fix::index(index, definition, live.is_some(), table.constraints.get(index));
                self.differ(object, definition, live.map_or(NOTHING, String::as_str), fix);
            }
        }
        self.unknown(&format!("index {name}."), &table.indexes, &found.indexes);
    }

    fn constraints(&mut self, name: &str, table: &Table, found: &Table, foreign: bool) {
        let wanted =
            table.constraints.iter().filter(|(_, definition)| definition.starts_with("FOREIGN KEY") == foreign);
        for (constraint, definition) in wanted {
            let live = found.constraints.get(constraint);
            if live == Some(definition) {
                continue;
            }
            let object = format!("constraint {name}.{constraint}");
            let other = found
                .constraints
                .iter()
                .find(|(other, live)| *live == definition && !table.constraints.contains_key(*other));
            if let (None, Some((other, _))) = (live, other) {
                let fix = vec![fix::rename_constraint(name, other, constraint)];
                self.differ(object, &format!("the name {constraint}"), &format!("the name {other}"), fix);
            } else {
                let fix = fix::constraint(name, constraint, definition, live, found.indexes.contains_key(constraint));
                let note = (!definition.starts_with("PRIMARY") && !definition.starts_with("UNIQUE"))
                    .then_some("the validation fails on rows that violate it; its error names them");
                self.note(object, definition, live.map_or(NOTHING, String::as_str), fix, note);
            }
        }
        if foreign {
            let unknown = found
                .constraints
                .keys()
                .filter(|name| !table.constraints.contains_key(*name) && !table.indexes.contains_key(*name));
            unknown.for_each(|constraint| self.extra(format!("constraint {name}.{constraint}")));
        }
    }

    fn switches(&mut self, name: &str, table: &Table, found: &Table) {
        if table.unlogged != found.unlogged {
            let words = |unlogged| if unlogged { "unlogged" } else { "logged" };
            let fix = vec![format!("ALTER TABLE {} SET {}", quoted(name), words(table.unlogged).to_uppercase())];
            self.note(
                format!("table {name}"),
                words(table.unlogged),
                words(found.unlogged),
                fix,
                Some("it rewrites the table under an exclusive lock"),
            );
        }
        if table.foreign_keys_off != found.foreign_keys_off {
            let fix = fix::foreign_keys_on(name, table);
            let note =
                "rows written since were not checked: drop the foreign keys, add them NOT VALID, then validate them";
            self.note(
                format!("foreign keys of table {name}"),
                "checked",
                "not checked: their triggers are disabled",
                fix,
                Some(note),
            );
        }
    }

    fn triggers(&mut self, name: &str, table: &Table, found: &Table) {
        for (trigger, expected) in &table.triggers {
            let object = format!("trigger {name}.{trigger}");
            let Some(live) = found.triggers.get(trigger) else {
                self.differ(object, &expected.definition, NOTHING, fix::trigger(name, trigger, expected, false));
                continue;
            };
            if expected.definition != live.definition {
                let fix = fix::trigger(name, trigger, expected, true);
                self.differ(object, &expected.definition, &live.definition, fix);
            } else if expected.state != live.state {
                self.differ(
                    object,
                    &expected.state,
                    &live.state,
                    vec![fix::trigger_state(name, trigger, &expected.state)],
                );
            }
        }
        for trigger in found.triggers.keys().filter(|trigger| !table.triggers.contains_key(*trigger)) {
            if self.coexists && BASE_TABLES.contains(&name) {
                // The adoption named it, and left it to the old service.
                self.extra(format!("trigger {name}.{trigger}"));
                continue;
            }
            let fix = vec![format!("DROP TRIGGER {} ON {}", quoted(trigger), quoted(name))];
            let note = Some("it may run on every write to one of our tables: find its purpose first");
            self.note(format!("trigger {name}.{trigger}"), NOTHING, &found.triggers[trigger].definition, fix, note);
        }
    }

    fn row_security(&mut self, name: &str, table: &Table, found: &Table) {
        let live: Definitions = found
            .policies
            .iter()
            .filter(|(policy, definition)| {
                let of_login = OF_LOGINS.iter().any(|prefix| policy.starts_with(prefix));
                !(of_login && definition.contains(" FOR SELECT "))
            })
            .map(|(policy, definition)| (policy.clone(), definition.clone()))
            .collect();
        self.dangerous(&format!("policy {name}."), "", &table.policies, &live, |policy| {
            fix::policy(name, policy, table.policies.get(policy))
        });
        if table.row_security != found.row_security {
            let fix = vec![fix::row_security(name, &table.row_security)];
            self.differ(format!("row security of table {name}"), &table.row_security, &found.row_security, fix);
        }
        self.dangerous("rights of ", &format!(" on table {name}"), &table.grants, &found.grants, |role| {
            fix::grant(name, role, table.grants.get(role))
        });
    }

    /// Compares objects that change what others see or do: a surplus one is a difference, too.
    fn dangerous(
        &mut self,
        before: &str,
        behind: &str,
        expected: &Definitions,
        live: &Definitions,
        fix: impl Fn(&str) -> Vec<String>,
    ) {
        let mut names: Vec<&String> = expected.keys().chain(live.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (wanted, found) = (expected.get(name), live.get(name));
            if wanted != found {
                let words = |definition: Option<&String>| definition.map_or(NOTHING.to_owned(), Clone::clone);
                self.differ(format!("{before}{name}{behind}"), &words(wanted), &words(found), fix(name));
            }
        }
    }
}

/// Finds an index with the same definition under another name, as Prisma or an operator may have named it.
fn same_under_another_name<'a>(
    definition: &str,
    name: &str,
    expected: &Definitions,
    live: &'a Definitions,
) -> Option<&'a String> {
    let without_name = |name: &str, definition: &str| {
        let quoted = definition.replacen(&format!("INDEX \"{name}\" ON"), "INDEX ON", 1);
        quoted.replacen(&format!("INDEX {name} ON"), "INDEX ON", 1)
    };
    let wanted = without_name(name, definition);
    let mut others = live.iter().filter(|(other, _)| !expected.contains_key(*other));
    others.find(|(other, definition)| without_name(other, definition) == wanted).map(|(other, _)| other)
}
