//! Compares a live schema with the base, and lists objects beyond both schemas.

use std::collections::BTreeMap;

use super::catalog::{Catalog, Column, Table};
use super::difference::Difference;
use crate::deploy::coexistence;

#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) differences: Vec<Difference>,
    pub(crate) extra: Vec<String>,
}

const MISSING: &str = "nothing";
const FREE: &str = "this name to be free";

/// Compares. In a database that is already ours (`recorded`), objects that our migrations dropped are not reported.
pub(crate) fn compare(live: &Catalog, recorded: bool) -> Comparison {
    let (base, current) = (Catalog::base(), Catalog::current());
    let mut found = Comparison::default();
    for (name, labels) in &base.enums {
        let live = live.enums.get(name).map_or(MISSING.to_owned(), |labels| labels.join(", "));
        found.expect(&format!("enum {name}"), &labels.join(", "), &live, true);
    }
    for (name, table) in &base.tables {
        match live.tables.get(name) {
            Some(live) => found.table(name, table, current.tables.get(name), live, recorded),
            None => found.expect(&format!("table {name}"), "a table", MISSING, true),
        }
    }
    if !recorded {
        found.taken_names(live, &base, &current);
    }
    found.unknown(live, &base, &current);
    found
}

impl Comparison {
    fn expect(&mut self, object: &str, expected: &str, found: &str, blocking: bool) {
        if expected != found {
            let (object, expected, found) = (object.to_owned(), expected.to_owned(), found.to_owned());
            self.differences.push(Difference { object, expected, found, blocking });
        }
    }

    fn table(&mut self, name: &str, base: &Table, current: Option<&Table>, live: &Table, recorded: bool) {
        for (column, expected) in &base.columns {
            self.column(&format!("column {name}.{column}"), expected, live.columns.get(column));
        }
        // A column under one of our names is taken for ours; another type shows that it is not.
        let ours = current
            .filter(|_| recorded)
            .into_iter()
            .flat_map(|table| &table.columns)
            .filter(|(column, _)| !base.columns.contains_key(*column));
        for (column, expected) in ours {
            if let Some(live) = live.columns.get(column) {
                self.expect(&format!("column {name}.{column}"), &expected.kind, &live.kind, true);
            }
        }
        let taken_away = |kind: fn(&Table) -> &BTreeMap<String, String>, object: &str| {
            recorded && current.is_some_and(|table| !kind(table).contains_key(object))
        };
        for (constraint, definition) in &base.constraints {
            // A unique constraint is compared by its index: Prisma created some as constraints and some as indexes.
            if !definition.starts_with("UNIQUE") && !taken_away(|table| &table.constraints, constraint) {
                self.definition("constraint", name, constraint, definition, &live.constraints, true);
            }
        }
        for (index, definition) in &base.indexes {
            let unique = definition.starts_with("CREATE UNIQUE");
            if !taken_away(|table| &table.indexes, index) {
                self.definition("index", name, index, definition, &live.indexes, unique);
            }
        }
    }

    fn column(&mut self, object: &str, expected: &Column, live: Option<&Column>) {
        let Some(live) = live else {
            return self.expect(object, &shape(expected), MISSING, true);
        };
        self.expect(object, &shape(expected), &shape(live), true);
        let default =
            |column: &Column| column.default.clone().map_or("no default".to_owned(), |sql| format!("default {sql}"));
        self.expect(object, &default(expected), &default(live), false);
    }

    /// Compares by name, else looks for the same definition under another name. A rename is reported but does not
    /// prevent the adoption.
    fn definition(
        &mut self,
        kind: &str,
        table: &str,
        name: &str,
        expected: &str,
        live: &BTreeMap<String, String>,
        blocking: bool,
    ) {
        let object = format!("{kind} {table}.{name}");
        if let Some(found) = live.get(name) {
            return self.expect(&object, expected, found, blocking);
        }
        let wanted = without_name(name, expected);
        match live.iter().find(|(other, definition)| without_name(other, definition) == wanted) {
            Some((other, _)) => self.expect(&object, "this name", &format!("the name {other}"), false),
            None => self.expect(&object, expected, MISSING, blocking),
        }
    }

    /// Reports foreign objects under our names, before the first of our migrations. A migration would keep such an
    /// object as its own, or replace it.
    fn taken_names(&mut self, live: &Catalog, base: &Catalog, current: &Catalog) {
        for (name, table) in &current.tables {
            let (old, live_table) = (base.tables.get(name), live.tables.get(name));
            if let (None, Some(_)) = (old, live_table) {
                self.expect(&format!("table {name}"), FREE, "a table that is not ours", true);
            }
            for (index, definition) in table.indexes.iter().filter(|(index, _)| is_new(old, index, |t| &t.indexes)) {
                let taken = live.tables.iter().find_map(|(on, table)| Some((on, table.indexes.get(index)?)));
                match taken {
                    Some((_, found)) => self.expect(&format!("index {name}.{index}"), definition, found, true),
                    None => self.same_index(name, index, definition, live_table),
                }
            }
            let (Some(old_table), Some(live_table)) = (old, live_table) else { continue };
            // The way back would drop that column with its data.
            let ours = table.columns.keys().filter(|column| !old_table.columns.contains_key(*column));
            for column in ours.filter(|column| live_table.columns.contains_key(*column)) {
                self.expect(&format!("column {name}.{column}"), FREE, "a column that is not ours", true);
            }
            for (kind, of) in [("constraint", constraints as Part), ("trigger", triggers as Part)] {
                for (object, definition) in of(table).iter().filter(|(object, _)| is_new(old, object, of)) {
                    let found = of(live_table).get(object).unwrap_or(definition);
                    self.expect(&format!("{kind} {name}.{object}"), definition, found, true);
                }
            }
        }
        for (function, definition) in current.functions.iter().filter(|(name, _)| !base.functions.contains_key(*name)) {
            let found = live.functions.get(function).unwrap_or(definition);
            self.expect(&format!("function {function}"), definition, found, true);
        }
    }

    /// Reports an index with the same definition as one of ours. Ours is created as well, so one of the two is
    /// superfluous.
    fn same_index(&mut self, table: &str, name: &str, definition: &str, live: Option<&Table>) {
        let wanted = without_name(name, definition);
        let others = live.into_iter().flat_map(|table| &table.indexes);
        if let Some((other, _)) = others.into_iter().find(|(other, found)| without_name(other, found) == wanted) {
            let found = format!("the name {other}; it can be dropped afterwards");
            self.expect(&format!("index {table}.{name}"), "this name", &found, false);
        }
    }

    /// Lists objects that neither the base nor our migrations created.
    fn unknown(&mut self, live: &Catalog, base: &Catalog, current: &Catalog) {
        let known_enum = |name: &String| base.enums.contains_key(name) || current.enums.contains_key(name);
        self.extra.extend(live.enums.keys().filter(|name| !known_enum(name)).map(|name| format!("enum {name}")));
        for (name, table) in &live.tables {
            let known: Vec<&Table> = [base, current].into_iter().filter_map(|schema| schema.tables.get(name)).collect();
            if known.is_empty() {
                self.extra.push(format!("table {name}"));
                continue;
            }
            let objects = parts(table).filter(|part| {
                !coexistence::is_own(part.1) && !known.iter().any(|table| parts(table).any(|other| other == *part))
            });
            self.extra.extend(objects.map(|(kind, part)| format!("{kind} {name}.{part}")));
        }
        self.extra.extend(live.views.iter().map(|name| format!("view {name}")));
    }
}

type Part = fn(&Table) -> &BTreeMap<String, String>;

fn constraints(table: &Table) -> &BTreeMap<String, String> {
    &table.constraints
}

fn triggers(table: &Table) -> &BTreeMap<String, String> {
    &table.triggers
}

/// Returns whether our migrations add the object to the base.
fn is_new(base: Option<&Table>, object: &str, part: Part) -> bool {
    base.is_none_or(|table| !part(table).contains_key(object))
}

/// Returns an index definition without the name, to compare its effect.
fn without_name(name: &str, definition: &str) -> String {
    let quoted = definition.replacen(&format!("INDEX \"{name}\" ON"), "INDEX ON", 1);
    quoted.replacen(&format!("INDEX {name} ON"), "INDEX ON", 1)
}

/// Lists the parts of a table. A constraint and its index share a name, which is listed once.
fn parts(table: &Table) -> impl Iterator<Item = (&'static str, &String)> {
    let constraints = table.constraints.keys().filter(|name| !table.indexes.contains_key(*name));
    let columns = table.columns.keys().map(|name| ("column", name));
    columns
        .chain(table.indexes.keys().map(|name| ("index", name)))
        .chain(constraints.map(|name| ("constraint", name)))
        .chain(table.triggers.keys().map(|name| ("trigger", name)))
        .chain(table.policies.keys().map(|name| ("policy", name)))
}

fn shape(column: &Column) -> String {
    format!("{}{}", column.kind, if column.nullable { "" } else { " not null" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_base() {
        let found = compare(&Catalog::base(), false);

        assert_eq!(found.differences, []);
        assert_eq!(found.extra, Vec::<String>::new());
    }

    #[test]
    fn what_the_migrations_made_of_it_is_ours() {
        let found = compare(&Catalog::current(), true);

        assert_eq!(found.differences, []);
        assert_eq!(found.extra, Vec::<String>::new());
    }

    #[test]
    fn a_missing_column_and_a_wrong_type_are_in_the_way() {
        let mut live = Catalog::base();
        let users = live.tables.get_mut("User").unwrap();
        users.columns.remove("apiKey");
        users.columns.get_mut("email").unwrap().kind = "integer".to_owned();

        let found = compare(&live, false);

        let objects: Vec<_> = found.differences.iter().map(|found| (found.object.as_str(), found.blocking)).collect();
        assert_eq!(objects, [("column User.apiKey", true), ("column User.email", true)]);
    }

    #[test]
    fn a_missing_plain_index_and_another_default_are_named_and_not_in_the_way() {
        let mut live = Catalog::base();
        live.tables.get_mut("Request").unwrap().indexes.remove("Request_userId_status_idx");
        live.tables.get_mut("Agency").unwrap().columns.get_mut("settings").unwrap().default = None;

        let found = compare(&live, false);

        let objects: Vec<_> = found.differences.iter().map(|found| (found.object.as_str(), found.blocking)).collect();
        assert_eq!(objects, [("column Agency.settings", false), ("index Request.Request_userId_status_idx", false)]);
    }

    #[test]
    fn the_same_foreign_key_under_another_name_is_not_in_the_way() {
        let mut live = Catalog::base();
        let constraints = &mut live.tables.get_mut("Task").unwrap().constraints;
        let definition = constraints.remove("Task_userId_fkey").unwrap();
        constraints.insert("tasks_user".to_owned(), definition);

        let found = compare(&live, false);

        assert_eq!(found.differences.len(), 1);
        assert!(!found.differences[0].blocking);
        assert_eq!(found.extra, ["constraint Task.tasks_user"]);
    }

    #[test]
    fn a_column_of_our_name_is_in_the_way() {
        let ours = Catalog::current().tables["Task"].columns["deleted"].clone();
        let other = Column { kind: "integer".to_owned(), nullable: true, default: None };
        for column in [ours, other] {
            let mut live = Catalog::base();
            live.tables.get_mut("Task").unwrap().columns.insert("deleted".to_owned(), column);

            let found = compare(&live, false).differences;

            assert_eq!(found.len(), 1);
            assert!(found[0].blocking && found[0].object == "column Task.deleted", "{found:?}");
        }
    }

    #[test]
    fn a_column_of_another_type_is_in_the_way_of_a_resumed_adoption() {
        let mut live = Catalog::current();
        live.tables.get_mut("Task").unwrap().columns.get_mut("deleted").unwrap().kind = "integer".to_owned();

        assert!(compare(&live, true).differences[0].blocking);
    }
}
