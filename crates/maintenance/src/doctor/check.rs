//! The definition of a check.

use super::report::{CheckGroup, Limits, Severity};

/// The id of the check that explains everything that was not checked.
pub(crate) const REACHABLE: &str = "server.reachable";

/// The id of the check of the migrations, which explains everything in a database that is not ours.
pub(crate) const MIGRATIONS: &str = "application.migrations";

/// The object of a finding that concerns the database as a whole.
pub const WHOLE_DATABASE: &str = "database";

/// A check: what it looks at, what the finding means, and what an operator does about it.
pub(crate) struct CheckSpec {
    /// The stable id: group, dot, name.
    pub(crate) id: &'static str,
    /// One sentence.
    pub(crate) meaning: &'static str,
    /// The worst status of the check.
    pub(crate) severity: Severity,
    /// The detail of an `ok` without its own words.
    pub(crate) healthy: &'static str,
    /// The default thresholds, which can be set: warning, critical, unit.
    pub(crate) limits: Option<(f64, f64, &'static str)>,
    /// The requirements of the check.
    pub(crate) needs: &'static [Need],
    /// How it is looked at.
    pub(crate) look: Look,
    /// The default fix and its lock. A finding may have its own.
    pub(crate) fix: (&'static str, &'static str),
    /// Whether it runs only when it is named, as the checks for a move to Citus.
    pub(crate) on_request: bool,
}

/// How a check is looked at.
///
/// A statement returns the text columns level, object, detail, fix and lock. The level is `ok`, `warning`, `critical`,
/// `not-checked` or null, which counts as nothing. `run/placeholders.rs` lists the words in braces.
pub(crate) enum Look {
    /// A statement for PostgreSQL.
    Postgres(&'static str),
    /// A statement for PostgreSQL before 17, and one from 17 on.
    Versions(&'static str, &'static str),
    /// A statement for SQLite.
    Sqlite(&'static str),
    /// One statement for both.
    Both(&'static str),
    /// A statement for PostgreSQL, and one for SQLite.
    Each(&'static str, &'static str),
    /// Code, for PostgreSQL.
    PostgresCode,
    /// Code, for SQLite.
    SqliteCode,
    /// Code, for both.
    Code,
}

/// A requirement of a check. Without it the check is not made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// The right to see other logins' sessions: `pg_read_all_stats`.
    Statistics,
    /// The right to read the rows of every tenant.
    EveryTenant,
    /// An installed extension.
    Extension(&'static str),
    /// A migrated database with this table.
    Table(&'static str),
    /// A primary server.
    Primary,
}

/// A check by code, or by what else `look` names.
pub(crate) const fn by_code(id: &'static str, meaning: &'static str, look: Look) -> CheckSpec {
    CheckSpec {
        id,
        meaning,
        severity: Severity::Critical,
        healthy: "nothing found",
        limits: None,
        needs: &[],
        look,
        fix: ("", ""),
        on_request: false,
    }
}

/// A check by a statement on PostgreSQL.
pub(crate) const fn postgres(id: &'static str, meaning: &'static str, sql: &'static str) -> CheckSpec {
    by_code(id, meaning, Look::Postgres(sql))
}

/// A check by a statement on SQLite.
pub(crate) const fn sqlite(id: &'static str, meaning: &'static str, sql: &'static str) -> CheckSpec {
    by_code(id, meaning, Look::Sqlite(sql))
}

/// A check by one statement on both engines.
pub(crate) const fn both(id: &'static str, meaning: &'static str, sql: &'static str) -> CheckSpec {
    by_code(id, meaning, Look::Both(sql))
}

/// A check by a statement for each engine.
pub(crate) const fn each(
    id: &'static str,
    meaning: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
) -> CheckSpec {
    by_code(id, meaning, Look::Each(postgres, sqlite))
}

impl CheckSpec {
    pub(crate) const fn warns(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    pub(crate) const fn healthy(self, healthy: &'static str) -> Self {
        Self { healthy, ..self }
    }

    pub(crate) const fn limits(self, warning: f64, critical: f64, unit: &'static str) -> Self {
        Self { limits: Some((warning, critical, unit)), ..self }
    }

    pub(crate) const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    pub(crate) const fn fix(self, command: &'static str, lock: &'static str) -> Self {
        Self { fix: (command, lock), ..self }
    }

    pub(crate) const fn on_request(self) -> Self {
        Self { on_request: true, ..self }
    }

    /// Returns the default thresholds.
    pub(crate) fn default_limits(&self) -> Option<Limits> {
        self.limits.map(|(warning, critical, unit)| Limits::fixed(warning, critical, unit))
    }

    /// Returns whether an engine has this check.
    pub(crate) fn applies(&self, is_sqlite: bool) -> bool {
        match self.look {
            Look::Postgres(_) | Look::Versions(..) | Look::PostgresCode => !is_sqlite,
            Look::Sqlite(_) | Look::SqliteCode => is_sqlite,
            Look::Both(_) | Look::Each(..) | Look::Code => true,
        }
    }

    pub(crate) fn group(&self) -> CheckGroup {
        let name = self.id.split('.').next().unwrap_or_default();
        CheckGroup::ALL.into_iter().find(|group| group.as_str() == name).unwrap_or(CheckGroup::Application)
    }
}
