//! Proposes the next migration from the differences between the entities and the migrated schema.

mod difference;
mod own;
mod source;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rylie_entities::{EntityTable, Env};
use rylie_migration::{Catalog, MIGRATIONS, own_catalog};

use difference::Difference;

use crate::schema::Schema;

/// A migration to write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewMigration {
    /// Its name, which is also the file's name without `.rs`: `m20261201_000021_add_due_date`.
    pub name: String,
    /// The text of the file.
    pub source: String,
    /// The lines that list it, each with its place.
    pub listing: Vec<(String, String)>,
    /// The statements proposed for PostgreSQL.
    pub postgres: Vec<String>,
    /// The statements proposed for SQLite.
    pub sqlite: Vec<String>,
    /// Differences between schema and entities that need a decision and are not proposed.
    pub remarks: Vec<String>,
}

/// Why a migration was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unwritten {
    /// The name does not fit a file and a type.
    #[error(
        "`{0}` cannot name a migration: use lower-case words joined by `_`, verb first, at most 60 letters, as in `add_due_date`"
    )]
    Name(String),

    /// The folder cannot be read.
    #[error("{folder} is not a folder of migrations; run this in the root of the project, or name the folder by --dir")]
    Folder {
        /// The folder.
        folder: String,
        /// Why it cannot be read.
        source: io::Error,
    },

    /// The file exists. Files are never overwritten.
    #[error("{file} exists and is not overwritten; choose another name")]
    Exists {
        /// The file.
        file: String,
    },

    /// The file cannot be written.
    #[error("writing {file}")]
    Write {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
}

impl NewMigration {
    /// Proposes a migration from the entities of this program and the schema of its migrations. Needs no database.
    /// `what` is the name without date and number. The number follows the highest in the folder and among this
    /// program's migrations.
    ///
    /// Fails with [`Unwritten::Name`] for a name that fits no file, and with [`Unwritten::Folder`] if the folder cannot
    /// be read.
    pub fn propose(what: &str, folder: &Path, env: &dyn Env) -> Result<Self, Unwritten> {
        Self::between(what, folder, env, &rylie_entities::tables(), &Catalog::current())
    }

    /// As [`propose`](Self::propose), between other entities and another schema.
    pub fn between(
        what: &str,
        folder: &Path,
        env: &dyn Env,
        entities: &[EntityTable],
        schema: &Catalog,
    ) -> Result<Self, Unwritten> {
        if !is_name(what) {
            return Err(Unwritten::Name(what.to_owned()));
        }
        let known = MIGRATIONS.iter().map(|migration| migration.name());
        let name = format!("m{}_{:06}_{what}", env.now().format("%Y%m%d"), next_number(folder, "m", known)?);
        let difference = Difference::between(entities, schema);
        Ok(Self {
            source: source::write(&name, what, &difference),
            listing: listing(&name, what),
            postgres: difference.postgres(),
            sqlite: difference.sqlite(),
            remarks: difference.remarks,
            name,
        })
    }

    /// Proposes a migration of a service: what the entities of `schema` have and its migrations do not make. Without
    /// such a difference the name decides: `create_label` begins the table `Label`, `add_due_to_label` adds to it, and
    /// another name has steps to write. Needs no database. The number follows the highest in the folder and in `schema`.
    ///
    /// Fails as [`propose`](Self::propose) does.
    pub fn of_service(what: &str, folder: &Path, env: &dyn Env, schema: &Schema) -> Result<Self, Unwritten> {
        if !is_name(what) {
            return Err(Unwritten::Name(what.to_owned()));
        }
        let known = schema.migrations().iter().map(|migration| migration.name());
        let number = next_number(folder, "own_m", known)?;
        let name = format!("own_m{}_{number:06}_{what}", env.now().format("%Y%m%d"));
        let entities: Vec<_> = schema.tables().iter().map(|table| table.entity.clone()).collect();
        let difference = Difference::between(&entities, &own_catalog(schema.migrations()));
        let source = own::write(&name, what, &difference, schema);
        let undescribed = difference
            .new_tables
            .iter()
            .map(|table| format!("table {}: its migration describes no columns, so they are not compared", table.name));
        Ok(Self {
            listing: vec![
                (folder_module(folder), format!("pub(crate) mod {name};")),
                ("the `Schema`".to_owned(), format!(".{}(&…::{name}::{})", source.listed_by, source.constant)),
            ],
            remarks: source.remarks.into_iter().chain(difference.remarks).chain(undescribed).collect(),
            source: source.text,
            postgres: Vec::new(),
            sqlite: Vec::new(),
            name,
        })
    }

    /// Writes the file durably, only if it does not exist, and returns its path. Fails with [`Unwritten::Exists`] if it
    /// does, and with [`Unwritten::Write`] if it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, Unwritten> {
        let path = folder.join(format!("{}.rs", self.name));
        let file = || path.display().to_string();
        let opened = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let mut new = opened.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Unwritten::Exists { file: file() },
            _ => Unwritten::Write { file: file(), source },
        })?;
        let written = new.write_all(self.source.as_bytes()).and_then(|()| new.sync_all());
        if let Err(source) = written {
            // An incomplete file would be taken for a migration. If removing it also fails, the error is enough.
            drop(fs::remove_file(&path));
            return Err(Unwritten::Write { file: file(), source });
        }
        Ok(path)
    }
}

fn is_name(what: &str) -> bool {
    let words = what.split('_').all(|word| {
        !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    });
    words && what.len() <= 60 && what.starts_with(|letter: char| letter.is_ascii_lowercase())
}

/// Returns the module that declares the files of a folder.
fn folder_module(folder: &Path) -> String {
    if folder.ends_with("src") { "src/lib.rs".to_owned() } else { format!("{}.rs", folder.display()) }
}

fn next_number<'n>(folder: &Path, prefix: &str, known: impl Iterator<Item = &'n str>) -> Result<u32, Unwritten> {
    let unreadable = |source| Unwritten::Folder { folder: folder.display().to_string(), source };
    let mut names: Vec<String> = known.map(str::to_owned).collect();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names.iter().filter_map(|name| number_of(name.strip_prefix(prefix)?)).max().unwrap_or_default() + 1)
}

/// Returns the number in a name without its prefix: 9 for `20261124_000009_add_x`.
fn number_of(name: &str) -> Option<u32> {
    let (date, rest) = name.split_once('_')?;
    let number = rest.split('_').next()?;
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|letter| letter.is_ascii_digit());
    (digits(date, 8) && digits(number, 6)).then(|| number.parse().ok()).flatten()
}

fn listing(name: &str, what: &str) -> Vec<(String, String)> {
    let place = "migration/src/migrations.rs, at the end of `migrations!`";
    vec![(place.to_owned(), format!("{name}::{},", source::type_name(what)))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_words() {
        for good in ["add_due_date", "x", "add_ga4_token2"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(61);
        for bad in [
            "", "_", "add__x", "add_", "_add", "Add", "add-x", "add x", "../x", "add/x", "2fa", "añadir", "a\0b", &long,
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_number_is_the_six_digits_behind_the_date() {
        assert_eq!(number_of("20261124_000012_add_x.rs"), Some(12));
        for other in ["ain.rs", "ark.rs", "2026_1_x.rs", "igrations.rs", "20261124_00001_x.rs"] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
