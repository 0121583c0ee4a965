//! The commands, one family a file.

mod adopt;
mod audit;
mod backup;
mod completions;
mod config;
mod drift;
mod environment;
mod keys;
mod maintain;
mod migrate;
mod roles;
mod seed;
mod size;
mod tenant;

use clap::Subcommand;
use rylie_db::Database;
use rylie_db::migration::Migrations;

use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::Report;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply, inspect and take back migrations
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    Adopt(adopt::Adopt),
    Drift(drift::Drift),
    Seed(seed::Seed),
    /// What the database is used for, which destructive commands obey
    #[command(subcommand)]
    Environment(environment::Environment),
    /// The logins of the service and of readers
    #[command(subcommand)]
    Roles(roles::Roles),
    /// The keyring that seals secrets
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The audit log: read, seal, verify, prove
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Maintenance: one job now, or all of them when they are due
    #[command(subcommand)]
    Maintain(maintain::Maintain),
    Size(size::Size),
    /// Backups, proven by restoring them
    #[command(subcommand)]
    Backup(backup::Backup),
    /// One tenant, whole: export, import, erase
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// The settings in force
    #[command(subcommand)]
    Config(config::Config),
    Completions(completions::Completions),
}

pub(crate) async fn run(command: &Command, global: &Global) -> Result<Report> {
    match command {
        Command::Migrate(migrate) => migrate.run(global).await,
        Command::Adopt(adopt) => adopt.run(global).await,
        Command::Drift(drift) => drift.run(global).await,
        Command::Seed(seed) => seed.run(global).await,
        Command::Environment(environment) => environment.run(global).await,
        Command::Roles(roles) => roles.run(global).await,
        Command::Keys(keys) => keys.run(global).await,
        Command::Audit(audit) => audit.run(global).await,
        Command::Maintain(maintain) => maintain.run(global).await,
        Command::Size(size) => size.run(global).await,
        Command::Backup(backup) => backup.run(global).await,
        Command::Tenant(tenant) => tenant.run(global).await,
        Command::Config(config) => config.run(global),
        Command::Completions(completions) => Ok(completions.run()),
    }
}

/// The settings of a database that is there: but for what makes one, no command leaves an empty file behind.
fn existing(global: &Global) -> Result<rylie_db::Config> {
    let settings = global.settings()?;
    if settings.is_file_missing() {
        let advice = "there is no database file at this address; run `rylie migrate deploy` to make one, or name another \
                      with --database-url";
        return Err(Failure::NotReady(advice.to_owned()));
    }
    Ok(settings)
}

/// The migrations of the database. Not by way of `Database`: they need neither a pool nor the keys, which may come later.
async fn migrations(global: &Global) -> Result<Migrations> {
    Ok(existing(global)?.migrations().await?)
}

/// Likewise, for commands that make the database where there is none.
async fn migrations_or_new(global: &Global) -> Result<Migrations> {
    let settings = global.settings()?;
    match settings.migrations().await {
        // SQLite says no more than that it cannot open the file.
        Err(error) if is_unreachable(&error) && settings.is_file_missing() => Err(Failure::NoFile(Box::new(error))),
        migrations => Ok(migrations?),
    }
}

fn is_unreachable(error: &rylie_db::Error) -> bool {
    matches!(error, rylie_db::Error::Migration(error) if matches!(**error, rylie_db::migration::Error::Connect(_)))
}

/// Likewise, for commands that only look: no file is made, and nothing can be written.
async fn migrations_to_read(global: &Global) -> Result<Migrations> {
    Ok(global.settings()?.migrations_to_read().await?)
}

/// The database, for commands that work on its rows.
async fn migrated_database(global: &Global) -> Result<Database> {
    let database = Database::connect(existing(global)?).await?;
    if database.health().await?.is_ready() {
        return Ok(database);
    }
    Err(Failure::NotReady(
        "the database is not migrated; run `rylie migrate deploy`, or `rylie adopt` if Prisma made it".to_owned(),
    ))
}
