//! The second wall is a state and not an event: roles belong to the server, so they can be missing although the
//! migrations are on record (no right to make them, or a dump restored on another server) and come later.
//!
//! So every deploy looks, with one query, and builds what is missing where it may.

pub(crate) mod doors;

use crate::connection::{Connection, TAKE};
use crate::deploy::coexistence;
use crate::deploy::{Listener, Migrations, Progress};
use crate::error::{Error, Refusal, Result};
use crate::history::record;
use crate::mark::{self, State};
use crate::migrations::MIGRATIONS;
use crate::migrations::m20261123_000008_enable_row_level_security::TABLES;
use crate::step::{Engine, Target};

/// What is missing first: a role, a membership, then something of a table.
const MISSING: &str = include_str!("walls/missing.sql");

/// What keeps the wall from standing, in words; `None` where it stands, and on SQLite, which has none.
pub(crate) async fn missing(connection: &mut Connection) -> Result<Option<String>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(None);
    }
    let applied = record::applied(connection).await?;
    let mut walls = MIGRATIONS.iter().filter(|migration| migration.builds_walls());
    if let Some(pending) = walls.find(|migration| applied.iter().all(|name| name != migration.name())) {
        return Ok(Some(format!("migration {} is pending", pending.name())));
    }
    let tables: Vec<_> = TABLES.iter().chain(&["UsageEvent"]).map(|table| format!("'{table}'")).collect();
    let tables = tables.join(", ");
    let sql = MISSING.replace("$tables", &tables).replace("$take", TAKE);
    connection.ask(&sql, "looking for roles and policies").await
}

/// Whether something is missing that this login may build.
pub(crate) async fn can_be_mended(connection: &mut Connection) -> Result<bool> {
    Ok(missing(connection).await?.is_some() && doors::may_build(connection).await?)
}

/// Builds what is missing, where the login may. Under the migration lock.
pub(crate) async fn build(migrations: &mut Migrations, progress: Listener<'_>) -> Result<()> {
    if can_be_mended(&mut migrations.connection).await? {
        build_again(migrations, progress).await?;
    }
    Ok(())
}

/// Tells what is missing, if anything is.
pub(crate) async fn tell(connection: &mut Connection, progress: Listener<'_>) -> Result<()> {
    if let Some(reason) = &missing(connection).await? {
        tracing::warn!(
            reason,
            "row-level security is not in force: deploy as a superuser, or as an owner who may create roles"
        );
        progress(Progress::WithoutWall { reason });
    }
    Ok(())
}

async fn build_again(migrations: &mut Migrations, progress: Listener<'_>) -> Result<()> {
    for migration in migrations.list.iter().filter(|migration| migration.builds_walls()) {
        migrations.run_again(*migration, progress).await?;
    }
    Ok(())
}

/// Ends the coexistence with the old service: the policies bind the tables' owner from here on. `false` if it had ended.
pub(crate) async fn finish_adoption(migrations: &mut Migrations, progress: Listener<'_>) -> Result<bool> {
    migrations.refuse_strangers().await?;
    let Some(mark) = mark::read(&mut migrations.connection).await? else { return Err(Refusal::NotOurs.into()) };
    migrations.apply_pending(progress).await?;
    if let Some(reason) = missing(&mut migrations.connection).await? {
        return Err(Refusal::NoWall { reason }.into());
    }
    if mark.state == State::Fresh {
        return Ok(false);
    }
    // The mark first: if what follows is interrupted, the next deploy sees that the tables do not agree with it.
    let failed = Error::doing("marking the database as ours alone");
    migrations.connection.execute("UPDATE rylie_database SET state = 'fresh'").await.map_err(failed)?;
    build_again(migrations, progress).await?;
    coexistence::settle(migrations, progress).await?;
    Ok(true)
}
