//! Keeps row-level security in force.
//!
//! It is a state and not an event. Roles belong to the server, so they can be missing although the migrations are on
//! record. The login may lack the right to create them, or a dump was restored on another server. Every deploy
//! therefore checks with one query, and creates what is missing if it may.

pub(crate) mod unit_roles;

use crate::connection::{Connection, TAKE};
use crate::deploy::coexistence;
use crate::error::{Error, Refusal, Result};
use crate::history::record;
use crate::marker::{self, State};
use crate::migrations::MIGRATIONS;
use crate::migrations::m20261123_000008_enable_row_level_security::TABLES;
use crate::migrations::m20261128_000086_keep_request_counts::recount;
use crate::options::{DeployProgress, Listener};
use crate::session::Migrations;
use crate::step::{Engine, Target};
use crate::{guard, owners};

/// Finds the first missing item: a role, a membership, then a table's setting, policy or grant.
const MISSING: &str = include_str!("row_security/missing.sql");

/// Returns why row-level security is not in force; `None` if it is, and on SQLite, which has none.
pub(crate) async fn missing(connection: &mut Connection) -> Result<Option<String>> {
    missing_for(connection, "true").await
}

/// As [`missing`], for a login that opens no units and so needs none of their roles.
pub(crate) async fn missing_without_units(connection: &mut Connection) -> Result<Option<String>> {
    missing_for(connection, "false").await
}

async fn missing_for(connection: &mut Connection, opens_units: &str) -> Result<Option<String>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(None);
    }
    let applied = record::applied(connection).await?;
    let mut row_security = MIGRATIONS.iter().filter(|migration| migration.builds_row_security());
    if let Some(pending) = row_security.find(|migration| applied.iter().all(|name| name != migration.name())) {
        return Ok(Some(format!("migration {} is pending", pending.name())));
    }
    let tables: Vec<_> = TABLES
        .iter()
        .chain(&["UsageEvent", "IdempotencyKey", "RequestCount"])
        .map(|table| format!("'{table}'"))
        .collect();
    let tables = tables.join(", ");
    let sql = MISSING.replace("$tables", &tables).replace("$take", TAKE).replace("$units", opens_units);
    connection.ask(&sql, "looking for roles and policies").await
}

/// Returns the first missing part, if this login may create it.
pub(crate) async fn can_be_fixed(connection: &mut Connection) -> Result<Option<String>> {
    let Some(missing) = missing(connection).await? else { return Ok(None) };
    Ok(unit_roles::may_build(connection).await?.then_some(missing))
}

/// Creates what is missing, if the login may. Call it under the migration lock.
pub(crate) async fn build(migrations: &mut Migrations, progress: Listener<'_>) -> Result<()> {
    if let Some(missing) = &can_be_fixed(&mut migrations.connection).await? {
        progress(DeployProgress::RestoringRowSecurity { missing });
        build_again(migrations, progress).await?;
    }
    Ok(())
}

/// Reports what is missing, if anything.
pub(crate) async fn report(connection: &mut Connection, progress: Listener<'_>) -> Result<()> {
    if let Some(reason) = &missing(connection).await? {
        tracing::warn!(
            reason,
            "row-level security is not in force: deploy as a superuser, or as an owner who may create roles"
        );
        progress(DeployProgress::WithoutRowSecurity { reason });
    }
    Ok(())
}

async fn build_again(migrations: &mut Migrations, progress: Listener<'_>) -> Result<()> {
    let list = std::sync::Arc::clone(&migrations.list);
    for migration in list.iter().filter(|migration| migration.builds_row_security()) {
        migrations.run_again(*migration, progress).await?;
    }
    Ok(())
}

impl Migrations {
    /// Ends the coexistence with the old service: row-level security applies to the table owner from now on. The old
    /// service usually logs in as that owner. Deploys pending migrations first. Returns `false` if the coexistence had
    /// ended before.
    pub async fn finish_adoption(&mut self, progress: &mut (dyn FnMut(DeployProgress<'_>) + Send)) -> Result<bool> {
        self.connection.refuse_sqlite()?;
        self.lock(progress).await?;
        let outcome = self.finish_locked(progress).await;
        self.unlock().await;
        self.explained(outcome)
    }

    /// Returns `false` if the coexistence had ended before.
    async fn finish_locked(&mut self, progress: Listener<'_>) -> Result<bool> {
        self.refuse_strangers().await?;
        if guard::is_empty(&mut self.connection).await? {
            return Err(Refusal::NothingToAdopt.into());
        }
        guard::refuse_unadopted(&mut self.connection).await?;
        let Some(mark) = marker::read(&mut self.connection).await? else { return Err(Refusal::NotOurs.into()) };
        self.apply_pending(progress).await?;
        if let Some(reason) = missing(&mut self.connection).await? {
            return Err(Refusal::NoRowSecurity { reason }.into());
        }
        if mark.state == State::Fresh {
            // The end may have been interrupted.
            recount(&mut self.connection).await?;
            return Ok(false);
        }
        // Change the environment marker first: if the rest is interrupted, the next deploy detects that the tables do
        // not match it.
        let failed = Error::doing("ending the coexistence");
        self.connection.execute("UPDATE rylie_database SET state = 'fresh'").await.map_err(failed)?;
        build_again(self, progress).await?;
        coexistence::settle(self, progress).await?;
        owners::refuse_strangers(&mut self.connection).await?;
        Ok(true)
    }
}
