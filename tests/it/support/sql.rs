//! Plain SQL on either engine, like another writer of the database.

use rylie_migration::{Engine, MIGRATIONS, Migrations};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

/// A plain connection, without this project's code.
pub(crate) enum Sql {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Sql {
    pub(crate) async fn connect(url: &str) -> Self {
        if is_sqlite(url) {
            Self::Sqlite(SqliteConnection::connect(url).await.unwrap())
        } else {
            Self::Postgres(PgConnection::connect(url).await.unwrap())
        }
    }

    /// Closes the connection and waits for it.
    pub(crate) async fn close(self) {
        match self {
            Self::Postgres(connection) => connection.close().await.unwrap(),
            Self::Sqlite(connection) => connection.close().await.unwrap(),
        }
    }

    pub(crate) async fn try_run(&mut self, sql: &str) -> sqlx::Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop),
        }
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        if let Err(error) = self.try_run(sql).await {
            panic!("{error}: {sql}");
        }
    }

    /// Returns the first column of every row.
    pub(crate) async fn all(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(connection) => sqlx::query_scalar(sql).persistent(false).fetch_all(connection).await,
            Self::Sqlite(connection) => sqlx::query_scalar(sql).persistent(false).fetch_all(connection).await,
        }
        .unwrap()
    }

    /// Returns the only value of the only row.
    pub(crate) async fn one(&mut self, sql: &str) -> String {
        let mut values = self.all(sql).await;
        assert_eq!(values.len(), 1, "{sql}");
        values.remove(0)
    }

    /// Makes the database refuse to delete rows of a table, with the error `kept`.
    pub(crate) async fn refuse_removal(&mut self, table: &str) {
        let (function, body) = match self {
            Self::Postgres(_) => (
                "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''kept''; END'; ",
                "FOR EACH ROW EXECUTE FUNCTION kept()",
            ),
            Self::Sqlite(_) => ("", "BEGIN SELECT RAISE(ABORT, 'kept'); END"),
        };
        self.run(&format!("{function}CREATE TRIGGER kept BEFORE DELETE ON \"{table}\" {body}")).await;
    }

    pub(crate) async fn tenant(&mut self, table: &str, id: &str) -> String {
        self.one(&format!("SELECT \"tenantId\" FROM \"{table}\" WHERE id = '{id}'")).await
    }
}

pub(crate) fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}

pub(crate) fn engine(url: &str) -> Engine {
    if is_sqlite(url) { Engine::Sqlite } else { Engine::Postgres }
}

/// Applies all migrations. Returns their names.
pub(crate) async fn deploy(url: &str) -> Vec<String> {
    migrations(url).await.deploy(&mut |_| ()).await.unwrap()
}

/// Counts the migrations from this one on. Reverting that many reverts this one last.
pub(crate) fn from(migration: &str) -> usize {
    let behind = MIGRATIONS.iter().rev().position(|other| other.name().contains(migration));
    behind.unwrap_or_else(|| panic!("no migration has the name {migration}")) + 1
}

pub(crate) async fn migrations(url: &str) -> Migrations {
    Migrations::connect(url).await.unwrap()
}

/// Returns the schema as text, without SeaORM's own table and SQLite's internal one.
pub(crate) async fn schema(url: &str) -> String {
    if is_sqlite(url) {
        let sql = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_schema WHERE tbl_name NOT IN ('seaql_migrations', 'rylie_migrations', 'sqlite_sequence') ORDER BY type, name";
        return Sql::connect(url).await.all(sql).await.join("\n");
    }
    let catalog = migrations(url).await.catalog().await.unwrap();
    serde_json::to_string_pretty(&catalog).unwrap()
}
