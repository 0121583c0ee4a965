//! Refuses a description that cannot be created, before a database does.

use std::collections::BTreeSet;

use crate::migrations::Migration;
use crate::new_table::{ColumnKind, NewTable, Parent};
use crate::table_change::TableChange;

/// PostgreSQL cuts longer names.
const LONGEST_NAME: usize = 63;

/// Returns the first of a service's migrations that describes a table that cannot be created, and why.
#[must_use]
pub fn own_problem(own: &[&'static dyn Migration]) -> Option<(&'static str, String)> {
    let mut tables: Vec<NewTable> = Vec::new();
    for migration in own {
        if let Some(table) = migration.own_table() {
            let earlier: Vec<_> = tables.iter().map(NewTable::name).collect();
            if let Some(reason) = parents(&table, &earlier).or_else(|| shape(&table)).or_else(|| stays(&table, &tables))
            {
                return Some((migration.name(), reason));
            }
            tables.push(table);
        }
        if let Some(change) = migration.own_change() {
            let Some(table) = tables.iter_mut().find(|table| table.name() == change.table) else {
                return Some((migration.name(), format!("no earlier migration creates the table {}", change.table)));
            };
            if let Some(reason) = relabelled(&change, table) {
                return Some((migration.name(), reason));
            }
            change.extend(table);
            if let Some(reason) = shape(table) {
                return Some((migration.name(), reason));
            }
        }
    }
    None
}

fn parents(table: &NewTable, earlier: &[&str]) -> Option<String> {
    let known = |parent: &str| ["Request", "Task", table.name()].contains(&parent) || earlier.contains(&parent);
    let unknown = table.references.iter().find(|key| key.of == Parent::OfTenant && !known(key.parent))?;
    Some(format!(
        "{} refers to {}; a table refers to Request, Task, itself or a table of an earlier migration, and to a user by \
         `user`",
        unknown.column, unknown.parent
    ))
}

fn relabelled(change: &TableChange, table: &NewTable) -> Option<String> {
    change.relabelled.iter().find_map(|new| {
        let column = table.columns.iter().find(|column| column.name == new.column);
        match column.map(|column| column.kind) {
            Some(ColumnKind::Labels(labels)) if labels == new.before => None,
            Some(ColumnKind::Labels(labels)) => {
                Some(format!("the labels of {} are {} before this migration", new.column, labels.join(", ")))
            }
            _ => Some(format!("{} has no column {} of labels", table.name(), new.column)),
        }
    })
}

/// A row that follows its user to another agency leaves a parent that stays, and its key forbids that.
fn stays(table: &NewTable, earlier: &[NewTable]) -> Option<String> {
    let follower = table.followed_user()?;
    let follows = |parent: &&NewTable| parent.followed_user().is_none();
    let staying = table.references.iter().filter(|key| key.of == Parent::OfTenant && key.parent != table.name());
    let parent = staying.filter_map(|key| earlier.iter().find(|parent| parent.name() == key.parent)).find(follows)?;
    Some(format!(
        "a row follows the user in {follower} to another agency, and refers to {}, whose rows stay; use `user` instead \
         of `follows_user`, or let {} follow the user as well",
        parent.name(),
        parent.name()
    ))
}

fn shape(table: &NewTable) -> Option<String> {
    if table.name().to_ascii_lowercase().starts_with("sqlite_") {
        return Some("SQLite keeps names that begin with sqlite_ for itself".to_owned());
    }
    let mut names = BTreeSet::from(["id", "tenantId"]);
    let mut letters = BTreeSet::from(["id".to_owned(), "tenantid".to_owned()]);
    for column in &table.columns {
        if !is_word(column.name) {
            return Some(format!("the column {:?} has other letters than a to z, digits and underscores", column.name));
        }
        names.insert(column.name);
        // SQLite ignores the case of names.
        if !letters.insert(column.name.to_ascii_lowercase()) {
            return Some(format!("the column {} occurs twice", column.name));
        }
        if let ColumnKind::Labels(labels) = column.kind
            && (labels.is_empty() || !labels.iter().all(|label| is_word(label)))
        {
            return Some(format!("the labels of {} must be words of letters, digits and underscores", column.name));
        }
    }
    let unknown = table.unique.iter().chain(&table.indexes).flatten().find(|name| !names.contains(*name));
    if let Some(name) = unknown {
        return Some(format!("an index names {name}, which is no column"));
    }
    let keys = table.references.iter().map(|reference| table.key(reference));
    let functions = table.users().map(|user| table.visible(user));
    let indexes = table.all_indexes().into_iter().map(|index| index.name);
    let long = keys.chain(functions).chain(indexes).find(|name| name.len() > LONGEST_NAME)?;
    Some(format!("the name {long} has more than {LONGEST_NAME} letters; use shorter columns, or fewer in the index"))
}

fn is_word(name: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(letters) && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::own_problem;
    use crate::migrations::Migration;
    use crate::new_table::{ColumnKind, NewTable};
    use crate::own::{AlterTable, CreateTable};
    use crate::table_change::TableChange;

    fn refused(own: &[&'static dyn Migration], reason: &str) {
        let (name, found) = own_problem(own).unwrap();
        assert!(found.contains(reason), "{name}: {found}");
    }

    #[test]
    fn a_table_that_cannot_be_created_is_refused_by_name() {
        const GOOD: CreateTable = CreateTable::new("own_m1_good", || {
            NewTable::new("Good")
                .text("a")
                .times()
                .soft_delete()
                .user("by")
                .may_belong_to("above", "Good")
                .index(&["a"])
        });
        const FAR: CreateTable = CreateTable::new("own_m2_far", || NewTable::new("Far").belongs_to("a", "Agency"));
        const TWICE: CreateTable = CreateTable::new("own_m2_twice", || NewTable::new("Twice").text("id"));
        const QUOTED: CreateTable = CreateTable::new("own_m2_quoted", || NewTable::new("Quoted").text("a\" int; --"));
        const UNKNOWN: CreateTable = CreateTable::new("own_m2_unknown", || NewTable::new("Unknown").index(&["b"]));
        const LABELS: CreateTable =
            CreateTable::new("own_m2_labels", || NewTable::new("L").column("a", ColumnKind::Labels(&["it's"])));
        const LONG: CreateTable = CreateTable::new("own_m2_long", || {
            NewTable::new("Long")
                .text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
                .text("bbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
                .unique(&["aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb"])
        });
        const LOST: AlterTable = AlterTable::new("own_m3_lost", || TableChange::of("Other").flag("a"));
        const AGAIN: AlterTable = AlterTable::new("own_m3_again", || TableChange::of("Good").flag("a"));

        const MOOD: CreateTable =
            CreateTable::new("own_m2_mood", || NewTable::new("M").column("a", ColumnKind::Labels(&["A", "B"])));
        const WIDEN: AlterTable =
            AlterTable::new("own_m3_widen", || TableChange::of("M").labels("a", &["A", "B"], &["A", "B", "C"]));
        const STALE: AlterTable =
            AlterTable::new("own_m4_stale", || TableChange::of("M").labels("a", &["A", "B"], &["B"]));
        const NO_LABELS: AlterTable =
            AlterTable::new("own_m4_none", || TableChange::of("M").labels("b", &["A"], &["B"]));
        const EMPTY: AlterTable =
            AlterTable::new("own_m3_empty", || TableChange::of("M").labels("a", &["A", "B"], &[]));

        const STAYS: CreateTable =
            CreateTable::new("own_m4_stays", || NewTable::new("Stays").follows_user("u").belongs_to("a", "Good"));
        const FOLLOWS: CreateTable = CreateTable::new("own_m4_follows", || {
            NewTable::new("Follows").follows_user("u").belongs_to("r", "Request").may_belong_to("f", "Follows")
        });
        const SAME: CreateTable = CreateTable::new("own_m2_same", || NewTable::new("Same").text("a").text("A"));
        const OF_SQLITE: CreateTable = CreateTable::new("own_m2_sqlite", || NewTable::new("sqlite_x"));

        refused(&[&GOOD, &STAYS], "refers to Good, whose rows stay");
        assert_eq!(own_problem(&[&FOLLOWS]), None);
        refused(&[&SAME], "A occurs twice");
        refused(&[&OF_SQLITE], "sqlite_");
        assert_eq!(own_problem(&[&GOOD]), None);
        assert_eq!(own_problem(&[&MOOD, &WIDEN]), None);
        refused(&[&MOOD, &WIDEN, &STALE], "the labels of a are A, B, C before");
        refused(&[&MOOD, &NO_LABELS], "no column b of labels");
        refused(&[&MOOD, &EMPTY], "the labels of a must");
        refused(&[&GOOD, &FAR], "a refers to Agency");
        refused(&[&TWICE], "id occurs twice");
        refused(&[&QUOTED], "other letters");
        refused(&[&UNKNOWN], "b, which is no column");
        refused(&[&LABELS], "the labels of a");
        refused(&[&LONG], "more than 63 letters");
        refused(&[&GOOD, &LOST], "creates the table Other");
        refused(&[&GOOD, &AGAIN], "a occurs twice");
    }
}
