//! The same migrations for SeaORM's `MigratorTrait` and its command line, for development.
//!
//! SeaORM's loop has no lock and does not retry; use `Migrations::deploy` for a live database.

use std::path::Path;

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement,
};
use sea_orm_migration::{
    IntoSchemaManagerConnection, MigrationName, MigrationTrait, MigratorTrait, SchemaManager, SchemaManagerConnection,
};
use sqlx::sqlite::SqliteJournalMode;

use crate::deploy::row_security::unit_roles;
use crate::error::Refusal;
use crate::history::equivalents::steps_sent;
use crate::history::journal;
use crate::migrations::{MIGRATIONS, Migration};
use crate::owners;
use crate::step::{self, Direction, Engine, Step, Target};

/// The migrations for SeaORM. Commands that lose data are refused in production.
#[derive(Debug)]
pub struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Unguarded::migrations()
    }

    async fn fresh<'c, C: IntoSchemaManagerConnection<'c>>(db: C) -> Result<(), DbErr> {
        Unguarded::fresh(guarded(db).await?).await
    }

    async fn refresh<'c, C: IntoSchemaManagerConnection<'c>>(db: C) -> Result<(), DbErr> {
        Unguarded::refresh(guarded(db).await?).await
    }

    async fn reset<'c, C: IntoSchemaManagerConnection<'c>>(db: C) -> Result<(), DbErr> {
        Unguarded::reset(guarded(db).await?).await
    }

    async fn down<'c, C: IntoSchemaManagerConnection<'c>>(db: C, steps: Option<u32>) -> Result<(), DbErr> {
        Unguarded::down(guarded(db).await?, steps).await
    }
}

/// SeaORM's behaviour without our checks.
struct Unguarded;

impl MigratorTrait for Unguarded {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        MIGRATIONS.iter().map(|migration| Box::new(Adapted(*migration)) as Box<dyn MigrationTrait>).collect()
    }
}

async fn guarded<'c, C: IntoSchemaManagerConnection<'c>>(db: C) -> Result<SchemaManagerConnection<'c>, DbErr> {
    let db = db.into_database_executor();
    let backend = db.get_database_backend();
    let table = match backend {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'rylie_database'",
        _ => {
            "SELECT 1 FROM pg_class WHERE relname = 'rylie_database' AND relnamespace = current_schema()::regnamespace"
        }
    };
    let production = "SELECT 1 FROM rylie_database WHERE environment = 'production'";
    if db.query_one_raw(Statement::from_string(backend, table)).await?.is_some()
        && db.query_one_raw(Statement::from_string(backend, production)).await?.is_some()
    {
        return Err(DbErr::Custom(Refusal::Production.to_string()));
    }
    let record = table.replace("rylie_database", journal::TABLE);
    let adopted = "SELECT 1 FROM rylie_migrations WHERE adopted";
    if db.query_one_raw(Statement::from_string(backend, record)).await?.is_some()
        && db.query_one_raw(Statement::from_string(backend, adopted)).await?.is_some()
    {
        return Err(DbErr::Custom(Refusal::Adopted.to_string()));
    }
    Ok(db)
}

struct Adapted(&'static dyn Migration);

impl Adapted {
    /// Runs the steps and writes our record, before SeaORM writes its own.
    async fn apply(&self, direction: Direction, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let engine = engine(manager);
        let mut steps = match direction {
            Direction::Up => steps_sent(self.0, engine),
            Direction::Down => self.0.down(engine),
        };
        steps.insert(0, Step::sql(journal::create(engine)));
        if engine == Engine::Postgres {
            if self.0.builds_row_security() && direction == Direction::Up {
                steps.insert(0, Step::sql(unit_roles::OPEN));
            }
            // Check before and after, since this path has no transaction around a step and its check.
            steps.insert(0, Step::sql(owners::check_and_go_on()));
            steps.push(Step::sql(owners::check_and_go_on()));
        }
        steps.extend(self.record(direction, manager).await?);
        if self.0.in_transaction(engine) == self.0.in_transaction(Engine::Postgres) {
            return apply_to(manager, &steps).await;
        }
        // SeaORM asks about transactions without naming the engine and got the answer for PostgreSQL.
        let transaction = manager.begin().await?;
        apply_to(&transaction, &steps).await?;
        transaction.commit().await
    }
}

impl Adapted {
    /// Returns the steps that write our record. They omit SeaORM's row, which it inserts afterwards and which must not
    /// exist yet.
    async fn record(&self, direction: Direction, manager: &SchemaManager<'_>) -> Result<Vec<Step>, DbErr> {
        let engine = engine(manager);
        if direction == Direction::Down {
            return Ok(vec![Step::sql(journal::forgotten(self.0.name()))]);
        }
        let mut target = SeaOrm(manager.get_connection());
        target.execute(&journal::create(engine)).await?;
        let previous = target.text(journal::LAST_LINK, self.0.name()).await?.unwrap_or_default();
        Ok(vec![Step::sql(journal::remembered(engine, self.0, &previous, false))])
    }
}

async fn apply_to(manager: &SchemaManager<'_>, steps: &[Step]) -> Result<(), DbErr> {
    let mut target = SeaOrm(manager.get_connection());
    for step in steps {
        step::apply(&mut target, step).await?;
    }
    Ok(())
}

impl MigrationName for Adapted {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[async_trait]
impl MigrationTrait for Adapted {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.apply(Direction::Up, manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.apply(Direction::Down, manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(self.0.in_transaction(Engine::Postgres))
    }
}

fn engine(manager: &SchemaManager<'_>) -> Engine {
    match manager.get_database_backend() {
        DbBackend::Sqlite => Engine::Sqlite,
        _ => Engine::Postgres,
    }
}

struct SeaOrm<'a, 'c>(&'a SchemaManagerConnection<'c>);

#[async_trait]
impl Target for SeaOrm<'_, '_> {
    type Error = DbErr;

    async fn execute(&mut self, sql: &str) -> Result<(), DbErr> {
        self.0.execute_unprepared(sql).await.map(drop)
    }

    async fn text(&mut self, sql: &str, value: &str) -> Result<Option<String>, DbErr> {
        let statement = Statement::from_sql_and_values(self.0.get_database_backend(), sql, [value.into()]);
        match self.0.query_one_raw(statement).await? {
            Some(row) => row.try_get_by_index(0),
            None => Ok(None),
        }
    }
}

/// Connects for migrations: a single connection, which is one session, with a short lock timeout.
pub async fn connect(url: String, schema: String) -> Result<DatabaseConnection, DbErr> {
    if let Some((file, _)) = url.strip_prefix("sqlite://").and_then(|rest| rest.split_once("?mode=rwc")) {
        rylie_driver::create_private(Path::new(file));
    }
    let mut options = ConnectOptions::new(url);
    options
        .min_connections(1)
        .max_connections(1)
        .set_schema_search_path(schema)
        .map_sqlx_sqlite_opts(|options| options.foreign_keys(true).journal_mode(SqliteJournalMode::Wal))
        .map_sqlx_postgres_opts(|options| options.options([("lock_timeout", "10s")]));
    Database::connect(options).await
}
