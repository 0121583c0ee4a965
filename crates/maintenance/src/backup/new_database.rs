//! A new database on a PostgreSQL server, for a restore: whether the server fits, and making it.

use rylie_driver::{code_of, literal};
use sqlx::PgConnection;

use super::manifest::Manifest;
use crate::engine::run_postgres;
use crate::error::{Error, Result};

pub(super) fn create(name: &str, manifest: &Manifest) -> String {
    let locale = manifest.locale.as_ref().map(|locale| {
        let (encoding, collate, ctype) = (literal(&locale.encoding), literal(&locale.collate), literal(&locale.ctype));
        format!(" ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}")
    });
    format!("CREATE DATABASE \"{name}\" TEMPLATE template0{}", locale.unwrap_or_default())
}

pub(super) fn may_not_create(error: sqlx::Error) -> Error {
    match code_of(&error).as_deref() {
        Some("42501") => Error::ScratchLacks {
            reason: "this login may not create databases; name another server or login with --scratch".to_owned(),
        },
        Some("22023" | "42809") => Error::ScratchLacks {
            reason: "the scratch server lacks the locale or encoding of the database that was backed up".to_owned(),
        },
        _ => Error::engine("creating a scratch database")(error),
    }
}

/// Returns the version of the server, if the backup can be restored there.
pub(super) async fn refuse_lacking(connection: &mut PgConnection, manifest: &Manifest) -> Result<String> {
    let failed = || Error::engine("looking at the scratch server");
    let lacks = |reason: String| Error::ScratchLacks { reason };
    let sql = "SELECT current_setting('server_version'), rolsuper FROM pg_roles WHERE rolname = current_user";
    let (version, superuser): (String, bool) =
        sqlx::query_as(sql).fetch_one(&mut *connection).await.map_err(failed())?;
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    if major(&version) < major(&manifest.server) {
        return Err(lacks(format!(
            "the scratch server is PostgreSQL {version}, older than {} of the backup; name a newer one with --scratch",
            manifest.server
        )));
    }
    if !superuser {
        let reason = "a restore gives each object its owner, and this login is no superuser of the scratch server; \
                      name another login with --scratch";
        return Err(lacks(reason.to_owned()));
    }
    let missing = "SELECT wanted FROM unnest($1::text[]) AS wanted WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)";
    let roles: Vec<String> =
        sqlx::query_scalar(missing).bind(&manifest.roles).fetch_all(&mut *connection).await.map_err(failed())?;
    if let Some(role) = roles.first() {
        return Err(lacks(format!("the scratch server lacks the role {role}; create it, or name the server it is on")));
    }
    let missing = "SELECT wanted FROM unnest($1::text[]) AS wanted \
         WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = wanted)";
    let extensions: Vec<String> =
        sqlx::query_scalar(missing).bind(&manifest.extensions).fetch_all(&mut *connection).await.map_err(failed())?;
    match extensions.first() {
        Some(extension) => Err(lacks(format!("the scratch server lacks the extension {extension}; install it there"))),
        None => Ok(version),
    }
}

/// The major version of a server.
pub(super) fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}

/// Drops the databases that a statement names, unless they are in use: killed runs left them.
pub(super) async fn sweep(connection: &mut PgConnection, left: &'static str) -> Result<()> {
    let failed = || Error::engine("looking for databases that killed runs left");
    let left: Vec<String> = sqlx::query_scalar(left).fetch_all(&mut *connection).await.map_err(failed())?;
    for name in left {
        match run_postgres(connection, &format!("DROP DATABASE IF EXISTS {name}")).await {
            Err(error) if error.as_database_error().is_none() => return Err(failed()(error)),
            // In use after all.
            _ => {}
        }
    }
    Ok(())
}
