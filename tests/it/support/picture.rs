//! The content of a whole database as one value, to compare before and after.

use super::sql::{Sql, is_sqlite};

/// A statement that returns every column of every row of every table.
pub(crate) struct Picture {
    sql: Sql,
    asked: String,
}

impl Picture {
    pub(crate) async fn of(url: &str) -> Self {
        let mut sql = Sql::connect(url).await;
        let mut parts = Vec::new();
        if is_sqlite(url) {
            let tables =
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
            for table in sql.all(tables).await {
                let columns =
                    sql.all(&format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')")).await;
                parts.push(format!(
                    "coalesce((SELECT group_concat(t, char(10)) FROM (SELECT {} AS t FROM \"{table}\" ORDER BY 1)), '')",
                    columns.join(" || ',' || ")
                ));
            }
        } else {
            let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \
                 ORDER BY 1";
            for table in sql.all(tables).await {
                parts.push(format!(
                    "coalesce((SELECT string_agg(t::text, chr(10) ORDER BY t::text) FROM \"{table}\" t), '')"
                ));
            }
        }
        assert!(parts.len() > 15, "the tables of the platform");
        Self { sql, asked: format!("SELECT {}", parts.join(" || '|' || ")) }
    }

    pub(crate) async fn take(&mut self) -> String {
        self.sql.one(&self.asked).await
    }
}
