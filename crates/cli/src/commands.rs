//! The commands, one family per file.

mod adopt;
mod audit;
mod backup;
mod completions;
mod config;
mod doctor;
mod drift;
mod environment;
mod keys;
mod maintain;
mod migrate;
mod pitr;
mod roles;
mod seed;
mod size;
mod superuser;
mod tenant;

use clap::Subcommand;
use rylie_db::Database;
use rylie_db::maintenance::Engine;
use rylie_db::migration::Migrations;

use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::Report;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply, inspect and revert migrations
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    Adopt(adopt::Adopt),
    Drift(drift::Drift),
    Seed(seed::Seed),
    /// The environment marker, which destructive commands obey
    #[command(subcommand)]
    Environment(environment::Environment),
    /// The logins of the service and of readers
    #[command(subcommand)]
    Roles(roles::Roles),
    /// The keyring for secrets
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The audit log: read, seal, verify, prove
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Maintenance jobs: one now, or all at their due times
    #[command(subcommand)]
    Maintain(maintain::Maintain),
    Size(size::Size),
    Doctor(Box<doctor::Doctor>),
    /// Backups, proven by restoring them
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Point-in-time recovery of PostgreSQL: receive the WAL, make bases, restore to a time
    #[command(subcommand)]
    Pitr(pitr::Pitr),
    /// One whole tenant: export, import, erase
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// The settings in force
    #[command(subcommand)]
    Config(config::Config),
    Completions(completions::Completions),
}

impl Command {
    /// Returns whether an interrupted run continues when the command is run again.
    pub(crate) fn resumes(&self) -> bool {
        matches!(self, Self::Migrate(_) | Self::Adopt(_))
    }
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
        Command::Doctor(doctor) => doctor.run(global).await,
        Command::Backup(backup) => backup.run(global).await,
        Command::Pitr(pitr) => pitr.run(global).await,
        Command::Tenant(tenant) => tenant.run(global).await,
        Command::Config(config) => config.run(global),
        Command::Completions(completions) => Ok(completions.run()),
    }
}

/// Returns the settings of an existing database. Only the commands that create a database may leave a new file.
async fn existing(global: &Global) -> Result<rylie_db::Config> {
    let settings = global.settings()?;
    if settings.is_file_missing() {
        let advice = "there is no database file at this address; run `rylie migrate deploy` to create one, or name another \
                      with --database-url";
        return Err(Failure::NotReady(advice.to_owned()));
    }
    begin(global, &settings).await?;
    Ok(settings)
}

/// Opens the migrations without `Database`: they need neither a pool nor the keys, which may be created later.
async fn migrations(global: &Global) -> Result<Migrations> {
    migrations_of(&existing(global).await?, global).await
}

/// As [`migrations`], with settings that were read before.
async fn migrations_of(settings: &rylie_db::Config, global: &Global) -> Result<Migrations> {
    Ok(settings.migrations().await?.reporting_waits_to(progress::waits(global)))
}

/// As [`migrations`], for commands that may create the database.
async fn migrations_or_new(global: &Global) -> Result<Migrations> {
    let settings = global.settings()?;
    if settings.is_default_database() && settings.is_file_missing() {
        let warning = "warning: no database is named, so the SQLite file rylie.db is created in the working directory; set \
                       DATABASE_URL or --database-url to name another";
        progress::line(global, warning);
    }
    begin(global, &settings).await?;
    match settings.migrations().await {
        // SQLite reports only that it cannot open the file.
        Err(error) if is_unreachable(&error) && settings.is_file_missing() => Err(Failure::NoFile(Box::new(error))),
        migrations => Ok(migrations?.reporting_waits_to(progress::waits(global))),
    }
}

fn is_unreachable(error: &rylie_db::Error) -> bool {
    matches!(error, rylie_db::Error::Migration(error) if matches!(**error, rylie_db::migration::Error::Connect(_)))
}

/// As [`migrations`], for read-only commands: no file is created, and nothing can be written.
async fn migrations_to_read(global: &Global) -> Result<Migrations> {
    let settings = global.settings()?;
    begin(global, &settings).await?;
    Ok(settings.migrations_to_read().await?.reporting_waits_to(progress::waits(global)))
}

/// Names the database, and refuses to run code of other roles as a superuser.
async fn begin(global: &Global, settings: &rylie_db::Config) -> Result<()> {
    name_target(global, settings);
    superuser::refuse_foreign_code(settings).await
}

/// Prints the database once to standard error: a wrong one is noticed before it is changed. A malformed URL is reported
/// when it is used.
fn name_target(global: &Global, settings: &rylie_db::Config) {
    if let (Ok(target), Ok(())) = (settings.target(), global.named.set(())) {
        progress::line(global, &target);
    }
}

/// Returns the engine of the database, with reports of long statements on standard error.
fn engine_of(database: &Database, global: &Global) -> Result<Engine> {
    Ok(database.engine()?.reporting_waits_to(progress::waits(global)))
}

/// Connects to the database, for commands on its rows.
async fn migrated_database(global: &Global) -> Result<Database> {
    let database = Database::connect(existing(global).await?).await?;
    if database.health().await?.is_ready() {
        return Ok(database);
    }
    Err(Failure::NotReady(
        "the database is not migrated; run `rylie migrate deploy`, or `rylie adopt` if Prisma created it".to_owned(),
    ))
}
