//! SQL without the tenant filter, in a unit's database role.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

/// Rows, or the error's code.
pub(crate) type Outcome = Result<Vec<String>, String>;

pub(crate) const DENIED: &str = "42501";

/// A connection without the tenant filter.
pub(crate) struct Raw(PgConnection);

impl Raw {
    pub(crate) async fn connect(url: &str) -> Self {
        Self(PgConnection::connect(url).await.unwrap())
    }

    /// Returns the first column of every row, as text.
    pub(crate) async fn rows(&mut self, sql: &str) -> Outcome {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.0).await.map_err(|e| code(&e))?;
        Ok(rows.iter().map(|row| row.try_get_unchecked::<Option<String>, _>(0).unwrap().unwrap_or_default()).collect())
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        self.rows(sql).await.unwrap_or_else(|code| panic!("{code}: {sql}"));
    }

    /// Runs SQL in a transaction of the tenant role, which is rolled back.
    pub(crate) async fn as_tenant(&mut self, tenant: &str, sql: &str) -> Outcome {
        self.as_role("rylie_tenant", &format!("SELECT set_config('rylie.tenant', '{tenant}', true)"), sql).await
    }

    /// Runs SQL in a transaction of a role, after a first statement, and rolls it back.
    pub(crate) async fn as_role(&mut self, role: &str, first: &str, sql: &str) -> Outcome {
        self.run(&format!("BEGIN; SET LOCAL ROLE {role}")).await;
        self.run(first).await;
        let outcome = self.rows(sql).await;
        self.run("ROLLBACK").await;
        outcome
    }

    /// Returns the answer to a tenant's `COPY … TO STDOUT`, line by line.
    pub(crate) async fn copied_out(&mut self, tenant: &str, sql: &str) -> Outcome {
        self.run(&format!("BEGIN; SET LOCAL ROLE rylie_tenant; SET LOCAL rylie.tenant = '{tenant}'")).await;
        let copied = match self.0.copy_out_raw(sql).await {
            Ok(stream) => stream.try_collect::<Vec<_>>().await,
            Err(error) => Err(error),
        };
        self.run("ROLLBACK").await;
        let lines = copied.map_err(|error| code(&error))?.concat();
        Ok(String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect())
    }
}

fn code(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.unwrap_or_else(|| error.to_string())
}
