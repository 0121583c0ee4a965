//! Checks of the structure of a restored copy.

use sqlx::PgConnection;

use crate::backup::check::BackupCheck;
use crate::engine::{Engine, check_integrity, run_postgres};
use crate::error::Result;

/// A restore checks each foreign key that is marked as valid.
pub(super) async fn foreign_keys(connection: &mut PgConnection) -> sqlx::Result<BackupCheck> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE NOT convalidated), min(conname::text) FILTER (WHERE NOT convalidated) \
         FROM pg_constraint WHERE contype = 'f'";
    let (all, unchecked, first): (i64, i64, Option<String>) = sqlx::query_as(sql).fetch_one(connection).await?;
    Ok(match first {
        Some(first) => BackupCheck::not_checked("foreign_keys", format!("{unchecked} of {all} are not valid: {first}")),
        None => BackupCheck::ok("foreign_keys", format!("{all} foreign keys hold")),
    })
}

/// Compares each index with its table.
pub(super) async fn amcheck(connection: &mut PgConnection) -> BackupCheck {
    const SQL: &str = "SELECT bt_index_check(c.oid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND n.nspname NOT LIKE 'pg\\_%'";
    if run_postgres(connection, "CREATE EXTENSION IF NOT EXISTS amcheck").await.is_err() {
        return BackupCheck::not_checked("amcheck", "the extension amcheck is not available on the scratch server");
    }
    match run_postgres(connection, SQL).await {
        Ok(()) => BackupCheck::ok("amcheck", "every index matches its table"),
        Err(error) => match error.as_database_error() {
            Some(error) => BackupCheck::failed("amcheck", error.message().to_owned()),
            None => BackupCheck::not_checked("amcheck", "the scratch server does not answer"),
        },
    }
}

pub(super) async fn sqlite_structure(engine: &Engine) -> Result<Vec<BackupCheck>> {
    let damage = check_integrity(engine).await?.damage;
    let (keys, rest): (Vec<_>, Vec<_>) = damage.into_iter().partition(|line| line.contains(" refers to nothing in "));
    let check = |id: &str, found: Vec<String>, fine: &str| match found.into_iter().next() {
        Some(first) => BackupCheck::failed(id, first),
        None => BackupCheck::ok(id, fine),
    };
    Ok(vec![check("foreign_keys", keys, "every row has its parent"), check("integrity", rest, "the file is sound")])
}
