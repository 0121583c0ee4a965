//! Checksums that reveal edited migrations.

use ring::digest::{Context, SHA256};

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// Returns the SHA-256, in hexadecimal, of a migration's steps in both directions on one engine. White space outside
/// quotes counts as one space, so that a new line break is no edit.
#[must_use]
pub fn checksum(migration: &dyn Migration, engine: Engine) -> String {
    let mut hash = Context::new(&SHA256);
    for (direction, steps) in [("up", migration.up(engine)), ("down", migration.down(engine))] {
        feed(&mut hash, direction);
        for step in &steps {
            feed_step(&mut hash, step);
        }
    }
    hexadecimal(hash)
}

/// Returns a migration's link in the hash chain. Each link includes its predecessor, so a migration cannot be changed,
/// removed or inserted without changing all later links.
pub(crate) fn chain(previous: &str, name: &str, checksum: &str) -> String {
    let mut hash = Context::new(&SHA256);
    for part in [previous, name, checksum] {
        feed(&mut hash, part);
    }
    hexadecimal(hash)
}

fn feed_step(hash: &mut Context, step: &Step) {
    feed(hash, step.kind());
    feed(hash, &normalised(step.statement()));
}

/// Hashes a part with its length, so that distinct lists of parts have distinct hashes.
fn feed(hash: &mut Context, part: &str) {
    hash.update(&(part.len() as u64).to_be_bytes());
    hash.update(part.as_bytes());
}

/// Replaces each run of white space outside quotes by one space.
fn normalised(sql: &str) -> String {
    let (mut text, mut quoted) = (String::with_capacity(sql.len()), false);
    for letter in sql.trim().chars() {
        quoted ^= letter == '\'';
        match letter {
            space if space.is_whitespace() && !quoted => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            other => text.push(other),
        }
    }
    text
}

fn hexadecimal(hash: Context) -> String {
    let bytes: Vec<_> = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::migrations::MIGRATIONS;

    #[test]
    fn a_line_break_is_no_edit_and_a_letter_is() {
        assert_eq!(normalised("CREATE  TABLE\n a (b text)"), normalised("CREATE TABLE a (b text) "));
        assert_ne!(normalised("SELECT 'a  b'"), normalised("SELECT 'a b'"));
        assert_ne!(normalised("SELECT a"), normalised("SELECT b"));
    }

    /// The newest released migration; each release moves it. Later ones may still be edited.
    const NEWEST_RELEASED: &str = "m20261125_000023_leave_room_in_users";

    /// The file contains the checksums of released migrations. `UPDATE_SNAPSHOTS=1` adds missing ones and changes none.
    #[test]
    fn the_file_of_checksums_is_what_was_released() {
        let mut released: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(include_str!("checksums.json")).unwrap();
        let updating = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
        for (engine, word) in [(Engine::Postgres, "postgres"), (Engine::Sqlite, "sqlite")] {
            let known = released.entry(word.to_owned()).or_default();
            for migration in MIGRATIONS.iter().filter(|migration| migration.name() <= NEWEST_RELEASED) {
                let (name, now) = (migration.name(), checksum(*migration, engine));
                let then =
                    known.entry(name.to_owned()).or_insert_with(|| if updating { now.clone() } else { String::new() });
                assert_eq!(*then, now, "{name} was released and is edited, or not in the file yet, on {word}");
            }
            let gone = known.keys().find(|name| MIGRATIONS.iter().all(|migration| migration.name() != *name));
            assert_eq!(gone, None, "a released migration was removed");
        }
        if updating {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/history/checksums.json");
            std::fs::write(path, serde_json::to_string_pretty(&released).unwrap() + "\n").unwrap();
        }
    }
}
