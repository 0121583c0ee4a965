//! Takes over a live PostgreSQL database that Prisma created.
//!
//! All checks run before the first write. Then the base is recorded as applied, the environment marker is set and the
//! other migrations are deployed as usual. The next run continues an interrupted one.

mod catalog;
mod closed;
mod compare;
mod difference;
mod expected;
mod links;
mod preflight;
mod taken;
mod undo;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::connection::Connection;
use crate::deploy::coexistence::{self, LoginRights};
use crate::deploy::row_security;
use crate::deploy::runner::Run;
use crate::error::{Error, Refusal, Result};
use crate::guard;
use crate::history::History;
use crate::history::{checksum, journal, record};
use crate::marker::{self, State};
use crate::migrations::{BASE, BASE_TABLES, MARK, MIGRATIONS};
use crate::options::{DeployProgress, Listener};
use crate::roles;
use crate::session::Migrations;
use crate::step::{Direction, Engine, Target};

pub use catalog::{Catalog, Column, Table};
pub use difference::Difference;
pub use preflight::{Forecast, Preflight, PreflightFinding};
pub use undo::UndoLosses;

/// Options of an adoption.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AdoptOptions {
    /// Check and report only; write nothing.
    pub dry_run: bool,
}

/// The findings and effects of an adoption.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Adoption {
    /// The number of rows of each table of the base.
    pub tables: BTreeMap<String, u64>,
    /// Objects beyond the base and our schema. They are left unchanged.
    pub extra: Vec<String>,
    /// Differences from the base that do not prevent the adoption.
    pub differences: Vec<Difference>,
    /// The migrations that this call recorded and applied.
    pub applied: Vec<String>,
    /// The migrations that a call without `dry_run` would record and apply.
    pub pending: Vec<String>,
    /// The logins with rights on the tables, and what each loses when the adoption is finished; empty afterwards.
    pub logins: Vec<LoginRights>,
    /// The forecast and the conditions that the adoption will meet; only of a dry run with migrations to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
    /// Why row-level security is not in force for our units; `None` if it is, and while migrations are pending.
    pub missing_row_security: Option<String>,
}

impl Migrations {
    /// Adopts a live database that Prisma created.
    ///
    /// Each wait for a lock has a limit. A statement that does not get its lock fails with [`Error::Waited`] or
    /// [`Error::Blocked`], which name the sessions that hold it.
    pub async fn adopt(
        &mut self,
        options: AdoptOptions,
        progress: &mut (dyn FnMut(DeployProgress<'_>) + Send),
    ) -> Result<Adoption> {
        self.connection.refuse_sqlite()?;
        if options.dry_run {
            let outcome = self.look().await;
            return self.explained(outcome);
        }
        self.lock(progress).await?;
        let outcome = adopt_locked(self, progress).await;
        self.unlock().await;
        self.explained(outcome)
    }

    /// Returns the current schema. PostgreSQL.
    pub async fn catalog(&mut self) -> Result<Catalog> {
        let catalog = Catalog::read(&mut self.connection).await;
        self.explained(catalog)
    }

    async fn look(&mut self) -> Result<Adoption> {
        self.refuse_strangers().await?;
        let mut adoption = look(&mut self.connection).await?;
        if !adoption.pending.is_empty() {
            adoption.preflight = Some(Preflight::read(self, &adoption.logins).await?);
        }
        Ok(adoption)
    }
}

async fn adopt_locked(migrations: &mut Migrations, progress: Listener<'_>) -> Result<Adoption> {
    migrations.connection.become_owner().await?;
    guard::refuse_not_owner(&mut migrations.connection).await?;
    migrations.refuse_strangers().await?;
    guard::refuse_exempt(&mut migrations.connection).await?;
    let mut adoption = look(&mut migrations.connection).await?;
    if !adoption.pending.is_empty() {
        let preflight = Preflight::read(migrations, &adoption.logins).await?;
        progress(DeployProgress::Adopting { preflight: &preflight });
        if let Some(PreflightFinding { detail, fix, .. }) = preflight.blocking().cloned() {
            return Err(Refusal::Prevented { detail, fix }.into());
        }
    }
    record::install(&mut migrations.connection).await?;
    journal::install(&mut migrations.connection).await?;
    let applied = record::applied(&mut migrations.connection).await?;
    if applied.iter().all(|name| name != BASE.name()) {
        record_base(migrations, progress).await?;
        adoption.applied = vec![BASE.name().to_owned(), MARK.name().to_owned()];
    }
    adoption.applied.extend(migrations.deploy_locked(progress).await?);
    adoption.pending.clear();
    adoption.missing_row_security = row_security::missing(&mut migrations.connection).await?;
    adoption.tables = count_rows(&mut migrations.connection).await?;
    Ok(adoption)
}

/// Records the base and sets the environment marker in one transaction, so that no recorded base lacks the marker.
async fn record_base(migrations: &mut Migrations, progress: Listener<'_>) -> Result<()> {
    let base = journal::applied(Engine::Postgres, BASE, "", true);
    let link = checksum::chain("", BASE.name(), &checksum::checksum(BASE, Engine::Postgres));
    let Migrations { connection, options, .. } = migrations;
    let (direction, epilogue) = (Direction::Up, [base.as_str(), marker::ADOPTED]);
    let run = Run { connection, options, migration: MARK, direction, previous: Some(&link), epilogue: &epilogue };
    run.go(progress).await.map(drop)
}

/// Compares and counts; writes nothing.
async fn look(connection: &mut Connection) -> Result<Adoption> {
    let history = History::read(connection, MIGRATIONS.into()).await?;
    if guard::is_empty(connection).await? {
        return Err(Refusal::NothingToAdopt.into());
    }
    let live = Catalog::read(connection).await?;
    let recorded = record::applied(connection).await?.iter().any(|name| name == BASE.name());
    let mut comparison = compare::compare(&live, recorded);
    comparison.differences.extend(failed_prisma_migrations(connection).await?);
    if !recorded {
        comparison.differences.extend(closed::tables(connection).await?);
        comparison.differences.extend(closed::logins(connection).await?);
        comparison.differences.extend(taken::names(connection).await?);
    }
    let blocked = comparison.differences.iter().any(|difference| difference.blocking);
    if !blocked {
        comparison.differences.extend(links::across_tenants(connection).await?);
    }
    if blocked {
        return Err(Error::NotTheBase { differences: comparison.differences });
    }
    let pending: Vec<String> = history.pending().iter().map(|migration| migration.name().to_owned()).collect();
    Ok(Adoption {
        tables: count_rows(connection).await?,
        extra: comparison.extra,
        differences: comparison.differences,
        applied: Vec::new(),
        missing_row_security: if pending.is_empty() { roles::missing_row_security(connection).await? } else { None },
        pending,
        logins: logins(connection).await?,
        preflight: None,
    })
}

async fn logins(connection: &mut Connection) -> Result<Vec<LoginRights>> {
    match marker::read(connection).await? {
        Some(mark) if mark.state == State::Fresh => Ok(Vec::new()),
        _ => coexistence::logins(connection).await,
    }
}

async fn count_rows(connection: &mut Connection) -> Result<BTreeMap<String, u64>> {
    let failed = Error::doing("counting rows");
    begin_to_see_all(connection).await?;
    let counted = count_each(connection).await;
    connection.execute("ROLLBACK").await.map_err(&failed)?;
    counted.map_err(failed)
}

/// Begins a transaction that sees every row. Once the adoption is finished, only the platform role does; the owner sees
/// none.
async fn begin_to_see_all(connection: &mut Connection) -> Result<()> {
    let protected = row_security::missing(connection).await?.is_none();
    let begin = if protected { "BEGIN; SET LOCAL ROLE rylie_platform; SET LOCAL row_security = on" } else { "BEGIN" };
    connection.execute(begin).await.map_err(Error::doing("counting rows"))
}

async fn count_each(connection: &mut Connection) -> sqlx::Result<BTreeMap<String, u64>> {
    let mut rows = BTreeMap::new();
    for table in BASE_TABLES {
        let count = connection.value(&format!("SELECT count(*)::text FROM \"{table}\"")).await?;
        rows.insert(table.to_owned(), count.and_then(|count| count.parse().ok()).unwrap_or_default());
    }
    Ok(rows)
}

/// Returns Prisma's failed migrations. They do not prevent the adoption: the schema itself is compared, so a half-done
/// change shows there.
async fn failed_prisma_migrations(connection: &mut Connection) -> Result<Vec<Difference>> {
    let failed = Error::doing("reading Prisma's record of migrations");
    // The table is not ours, so it may have another shape or be unreadable.
    let readable = "SELECT 'yes' FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = '_prisma_migrations' \
         AND has_table_privilege(c.oid, 'SELECT') AND 3 = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid \
         AND a.attname IN ('migration_name', 'finished_at', 'rolled_back_at'))";
    if connection.value(readable).await.map_err(&failed)?.is_none() {
        return Ok(Vec::new());
    }
    let sql = "SELECT migration_name::text FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL ORDER BY 1";
    let names = connection.values(sql).await.map_err(&failed)?;
    Ok(names
        .into_iter()
        .map(|name| Difference {
            object: format!("Prisma migration {name}"),
            expected: "finished or rolled back".to_owned(),
            found: "failed".to_owned(),
            blocking: false,
        })
        .collect())
}
