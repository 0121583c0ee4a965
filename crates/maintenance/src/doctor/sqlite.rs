//! The SQLite file.

mod file;
mod pages;
mod schema;

use std::path::Path;

use sqlx::SqliteConnection;

use super::check::{CheckSpec, Look, by_code};
use super::report::{Limits, Outcome};

pub(super) use pages::{is_damage, measure};

pub(super) static CHECKS: [CheckSpec; 15] = [
    by_code("sqlite.integrity", "The file is damaged.", Look::SqliteCode)
        .fix("rylie backup restore the newest verified backup; keep the damaged file", "none"),
    by_code("sqlite.foreign-key-rows", "Rows refer to rows that do not exist.", Look::SqliteCode)
        .fix("PRAGMA foreign_key_check names them; restore the parent or remove the row", "the write lock"),
    by_code("sqlite.foreign-keys", "Foreign keys are not enforced in the sessions of this URL.", Look::SqliteCode)
        .fix("remove foreign_keys=off from the URL", "none"),
    by_code(
        "sqlite.journal-mode",
        "The file does not use the write-ahead log, so writers and readers block each other.",
        Look::SqliteCode,
    )
    .warns()
    .fix("PRAGMA journal_mode = WAL", "an exclusive lock for a moment"),
    by_code(
        "sqlite.wal-size",
        "The write-ahead log is large, because a reader prevents its checkpoint.",
        Look::SqliteCode,
    )
    .limits(67_108_864.0, 1_073_741_824.0, "bytes")
    .fix("end the long reader, then PRAGMA wal_checkpoint(TRUNCATE)", "the write lock for a moment"),
    by_code("sqlite.free-pages", "Much of the file is free space.", Look::SqliteCode)
        .limits(25.0, 75.0, "percent")
        .warns()
        .fix("rylie maintain vacuum", "an exclusive lock while the file is rewritten"),
    by_code("sqlite.file-rights", "Other users of the machine may read the database.", Look::SqliteCode)
        .fix("chmod 600 the file, and the files with -wal and -shm", "none"),
    by_code("sqlite.folder-rights", "Other users of the machine may replace the database.", Look::SqliteCode)
        .fix("chmod 700 the folder of the file", "none"),
    by_code(
        "sqlite.writable",
        "The file cannot be written: a right is missing, or another process keeps the write lock.",
        Look::SqliteCode,
    )
    .fix("give the file and its folder to the service's user; `fuser FILE` names the process with a lock", "none"),
    by_code("sqlite.network-file", "The file is on a network file system, whose locks do not work.", Look::SqliteCode)
        .fix("move the file to a local disk", "none"),
    schema::STATISTICS,
    schema::TENANT_COLUMN,
    schema::TENANT_INDEX,
    schema::AUDIT_TRIGGERS,
    schema::NO_PRIMARY_KEY,
];

/// Makes a check by code.
pub(super) async fn by_code_of(
    connection: &mut SqliteConnection,
    id: &str,
    limits: &Limits,
    path: Option<&Path>,
    deep: bool,
) -> Outcome {
    match (id, path) {
        ("sqlite.integrity", _) => pages::integrity(connection, deep).await,
        ("sqlite.foreign-key-rows", _) => pages::foreign_key_rows(connection, deep).await,
        ("sqlite.foreign-keys", _) => pages::foreign_keys(connection).await,
        ("sqlite.free-pages", _) => pages::free_pages(connection, limits).await,
        (_, None) => Outcome::not_checked("the database is in memory, without a file"),
        ("sqlite.journal-mode", _) => pages::journal_mode(connection).await,
        ("sqlite.wal-size", Some(path)) => file::wal_size(path, limits),
        ("sqlite.file-rights", Some(path)) => file::rights(path),
        ("sqlite.folder-rights", Some(path)) => file::folder_rights(path),
        ("sqlite.writable", Some(path)) => match file::writable(path) {
            outcome if outcome.evidence.is_empty() => pages::write_lock(connection).await,
            outcome => outcome,
        },
        ("sqlite.network-file", Some(path)) => file::network(path),
        _ => Outcome::not_checked("it was not looked at"),
    }
}
