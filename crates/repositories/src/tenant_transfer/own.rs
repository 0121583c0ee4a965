//! The rows of a service's own tables in a tenant's file, and the users whom they name.

use sea_orm::DbBackend;

use super::UNNAMED;
use crate::Result;
use crate::tx::Tx;

/// Finds the columns with a foreign key to a user. `$1` is the table; the second column is whether the key is plain.
const POSTGRES: &str = "SELECT a.attname::text, array_length(c.conkey, 1) = 1 FROM pg_constraint c \
     JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f' \
     AND c.conrelid = to_regclass(format('public.%I', $1::text)) AND c.confrelid = to_regclass('public.\"User\"') ORDER BY 1";
const SQLITE: &str = "SELECT max(CASE WHEN seq = 0 THEN \"from\" END), count(*) = 1 FROM pragma_foreign_key_list($1) \
     WHERE \"table\" = 'User' GROUP BY id";

/// Returns the columns of an own table that name a user.
pub(super) async fn user_columns(tx: &Tx, table: &str) -> Result<Vec<String>> {
    Ok(keys_to_users(tx, table).await?.into_iter().map(|(column, _)| column).collect())
}

async fn keys_to_users(tx: &Tx, table: &str) -> Result<Vec<(String, bool)>> {
    let sql = if tx.engine() == DbBackend::Sqlite { SQLITE } else { POSTGRES };
    let rows = tx.across_tenants()?.rows(sql, vec![table.into()]).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// Returns the condition that no row names a user by a plain key. Rows that follow a user go with the user.
pub(super) async fn unnamed(tx: &Tx) -> Result<String> {
    let mut conditions = vec![UNNAMED.to_owned()];
    for table in tx.own_schema().tables() {
        for (column, _) in keys_to_users(tx, table.name).await?.into_iter().filter(|(_, plain)| *plain) {
            let name = table.name;
            conditions
                .push(format!(r#" AND NOT EXISTS (SELECT 1 FROM "{name}" WHERE "{name}"."{column}" = "User".id)"#));
        }
    }
    Ok(conditions.concat())
}

/// Defers the check of keys to the end of the unit, where a table may refer to itself.
pub(super) async fn check_keys_at_the_end(tx: &Tx) -> Result<()> {
    if tx.own_schema().tables().is_empty() {
        return Ok(());
    }
    let sql = match tx.engine() {
        DbBackend::Sqlite => "PRAGMA defer_foreign_keys = ON",
        _ => "SET CONSTRAINTS ALL DEFERRED",
    };
    tx.across_tenants()?.run(sql, vec![]).await.map(drop)
}
