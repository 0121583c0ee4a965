//! The contents of a database: read from the snapshot of a backup, and again from its restored copy.

mod postgres;
mod sqlite;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rylie_repositories::SecretColumn;

use super::check::BackupCheck;
use super::manifest::{FORMAT, Locale, Manifest};

pub(crate) use postgres::{LOGGED, STORED, TEXT_FORM, refuse_filtered, survey_postgres, tables};
pub(super) use sqlite::survey_sqlite;

/// The refusal of a database without a marker.
pub(crate) const NO_MARKER: &str =
    "the database has no environment marker; run `rylie migrate deploy` or `rylie adopt` first";

/// What a database holds. The fields are those of the [`Manifest`].
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) fingerprint: Option<String>,
    pub(crate) migrations: Vec<String>,
    pub(crate) rows: BTreeMap<String, u64>,
    pub(crate) contents: BTreeMap<String, String>,
    pub(crate) tenants: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) checkpoint: Option<String>,
    pub(crate) public_keys: Vec<String>,
    pub(crate) keys: BTreeSet<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) extensions: Vec<String>,
    pub(crate) locale: Option<Locale>,
    pub(crate) log_position: Option<String>,
}

const CHECKPOINT: &str = "SELECT checkpoint FROM rylie_audit_batch ORDER BY batch DESC LIMIT 1";

/// The line of the key in a checkpoint: `ed25519:` and 43 characters.
fn public_keys(position: &str) -> String {
    format!(
        "SELECT DISTINCT substr(checkpoint, {position} + 5, 51) FROM rylie_audit_batch WHERE {position} > 0 ORDER BY 1"
    )
}

/// The columns whose values begin with the id of a key: `rylie1.<key>.` and `ryidx1.<key>.`.
fn sealed_columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    SecretColumn::known().into_iter().flat_map(|column| {
        std::iter::once(column.column()).chain(column.index()).map(move |name| (column.table(), name))
    })
}

impl Survey {
    /// The manifest of these contents, without a name, programs and files. `None` without an environment marker.
    pub(crate) fn into_manifest(self, made_at: DateTime<Utc>) -> Option<Manifest> {
        Some(Manifest {
            format: FORMAT,
            id: String::new(),
            made_at,
            engine: "postgres".to_owned(),
            server: String::new(),
            tool: String::new(),
            fingerprint: self.fingerprint?,
            migrations: self.migrations,
            log_position: self.log_position,
            rows: self.rows,
            contents: self.contents,
            tenants: self.tenants,
            checkpoint: self.checkpoint,
            public_keys: self.public_keys,
            keys: self.keys.into_iter().collect(),
            roles: self.roles,
            extensions: self.extensions,
            locale: self.locale,
            encryption: None,
            files: BTreeMap::new(),
        })
    }

    /// Compares a restored copy with its manifest: four checks.
    pub(crate) fn compare(&self, manifest: &Manifest) -> Vec<BackupCheck> {
        vec![self.database(manifest), self.rows(manifest), self.tenants(manifest), self.contents(manifest)]
    }

    fn database(&self, manifest: &Manifest) -> BackupCheck {
        let migrations = manifest.migrations.len();
        if self.fingerprint.as_ref() != Some(&manifest.fingerprint) {
            return BackupCheck::failed("copy", "the copy is that of another database than its manifest");
        }
        if self.migrations != manifest.migrations {
            return BackupCheck::failed("copy", "the copy has other migrations than its manifest");
        }
        BackupCheck::ok("copy", format!("fingerprint and {migrations} migrations"))
    }

    fn rows(&self, manifest: &Manifest) -> BackupCheck {
        let wanted: u64 = manifest.rows.values().sum();
        if self.tenants.is_empty() && !manifest.tenants.is_empty() {
            let reason = "the copy holds no row of any tenant: it was made by a login that row-level security filters";
            return BackupCheck::failed("rows", reason);
        }
        let differing: Vec<String> = manifest
            .rows
            .iter()
            .filter_map(|(table, wanted)| match self.rows.get(table) {
                None => Some(format!("{table} is missing")),
                Some(0) if *wanted > 0 => Some(format!("{table} is empty, expected {wanted} rows")),
                Some(found) if found != wanted => Some(format!("{table} has {found} rows, expected {wanted}")),
                Some(_) => None,
            })
            .collect();
        let more = self.rows.keys().filter(|table| !manifest.rows.contains_key(*table));
        let differing: Vec<String> =
            differing.into_iter().chain(more.map(|table| format!("{table} is not expected"))).collect();
        outcome("rows", differing, || format!("{wanted} rows in {} tables", manifest.rows.len()))
    }

    fn tenants(&self, manifest: &Manifest) -> BackupCheck {
        let differing = manifest
            .tenants
            .iter()
            .filter_map(|(tenant, wanted)| match self.tenants.get(tenant) {
                None => Some(format!("tenant {tenant} is missing")),
                Some(found) if found != wanted => Some(format!("tenant {tenant} has other numbers of rows")),
                Some(_) => None,
            })
            .collect();
        outcome("tenants", differing, || format!("{} tenants", manifest.tenants.len()))
    }

    fn contents(&self, manifest: &Manifest) -> BackupCheck {
        let differing = manifest
            .contents
            .iter()
            .filter(|(table, wanted)| self.contents.get(*table).is_some_and(|found| found != *wanted))
            .map(|(table, _)| format!("{table} has other contents"))
            .collect();
        outcome("contents", differing, || "every row is as it was".to_owned())
    }
}

/// The first differences in words.
fn outcome(id: &str, differing: Vec<String>, fine: impl FnOnce() -> String) -> BackupCheck {
    const MOST: usize = 5;
    if differing.is_empty() {
        return BackupCheck::ok(id, fine());
    }
    let more = differing.len().saturating_sub(MOST);
    let first = differing.into_iter().take(MOST).collect::<Vec<_>>().join(", ");
    BackupCheck::failed(id, if more > 0 { format!("{first}, and {more} more") } else { first })
}
