//! Writes all migrations as one SQL file for an empty database.

use crate::deploy::row_security::unit_roles;
use crate::history::checksum::{chain, checksum};
use crate::history::journal;
use crate::history::record;
use crate::migrations::{MIGRATIONS, Migration};
use crate::own::is_own;
use crate::owners;
use crate::session::Migrations;
use crate::step::{Engine, Step};

/// Returns one transaction that creates the migrations' schema and records in an empty database, for `psql -1` or
/// `sqlite3`, and to read. In an empty database, indexes are built without `CONCURRENTLY` and no old rows need filling.
#[must_use]
pub fn squash(engine: Engine) -> String {
    squash_of(engine, MIGRATIONS)
}

/// As [`squash`], with the migrations of a service after ours. Names and order are as [`Migrations::with_own`] has them.
#[must_use]
pub fn squash_with(engine: Engine, own: &[&'static dyn Migration]) -> String {
    squash_of(engine, &[MIGRATIONS, own].concat())
}

impl Migrations {
    /// As [`squash`], with the migrations of a service that this has in addition.
    #[must_use]
    pub fn squash(&self, engine: Engine) -> String {
        squash_of(engine, &self.list)
    }
}

fn squash_of(engine: Engine, list: &[&'static dyn Migration]) -> String {
    let mut lines = vec![
        format!("-- All migrations of rylie-db {} for an empty database.", env!("CARGO_PKG_VERSION")),
        match engine {
            Engine::Postgres => format!("BEGIN;\n{};\nSET LOCAL search_path = public, pg_temp;", owners::check()),
            Engine::Sqlite => "PRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;".to_owned(),
        },
        format!("{};", record::CREATE),
        format!("{};", journal::create(engine)),
    ];
    let (mut link, mut own) = (String::new(), false);
    for migration in list {
        if is_own(migration.name()) != own {
            (link, own) = (String::new(), !own);
        }
        lines.push(format!("\n-- {}", migration.name()));
        if engine == Engine::Postgres && migration.builds_row_security() {
            lines.push(format!("{};", unit_roles::OPEN));
        }
        lines.extend(migration.up(engine).iter().filter_map(in_an_empty_database).map(|sql| format!("{sql};")));
        lines.push(format!("{};", journal::applied(engine, *migration, &link, false)));
        link = chain(&link, migration.name(), &checksum(*migration, engine));
    }
    if engine == Engine::Postgres {
        lines.push(format!("{};", owners::check()));
    }
    lines.push("COMMIT;\n".to_owned());
    lines.join("\n")
}

fn in_an_empty_database(step: &Step) -> Option<String> {
    match step {
        Step::Batches(_) => None,
        Step::Patient(sql) | Step::ConcurrentIndex { sql, .. } => Some(sql.replacen(" CONCURRENTLY", "", 1)),
        other => Some(other.statement().to_owned()),
    }
}
