//! A scratch database for a drill: made for it, and removed after it.

use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use rylie_repositories::Progress;
use sqlx::{Connection, PgConnection};

use super::address::Address;
use super::backup_folder::{Backup, BackupFolder, Incomplete};
use super::check::BackupCheck;
use super::create::{FILE, open};
use super::manifest::Manifest;
use super::restore::restore_into;
use super::survey::{Survey, TEXT_FORM, survey_postgres, survey_sqlite};
use crate::engine::{Engine, Session, check_integrity, run_postgres};
use crate::error::{Error, Result};

/// How the name of each scratch database begins.
const PREFIX: &str = "rylie_drill_";

/// Held while scratch databases are made and swept, so that none is swept before its drill is connected.
const LOCK: &str = "SET lock_timeout = '60s'; SELECT pg_advisory_lock(7231640192337)";

/// Scratch databases of this login that no drill is connected to: killed drills left them.
const LEFT: &str = "SELECT quote_ident(datname) FROM pg_database d WHERE datname LIKE 'rylie\\_drill\\_%' \
     AND pg_has_role(datdba, 'USAGE') AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)";

/// An empty database that a backup is restored into.
pub struct Scratch {
    url: String,
    server: String,
    place: Place,
}

enum Place {
    Postgres {
        server: Engine,
        name: String,
        /// While it is open, no other drill sweeps the database.
        _held: Box<PgConnection>,
    },
    Sqlite {
        _folder: Incomplete,
    },
}

impl Scratch {
    /// Makes a scratch database for a backup: on the PostgreSQL server of `url`, whose login must be a superuser, or a
    /// file in the folder of the backups. Removes what killed drills left.
    ///
    /// [`Error::ScratchLacks`] if the server lacks a role, an extension or a right that the restore needs, or is older than
    /// the server that was backed up. That error states nothing about the backup.
    pub async fn open(url: &str, folder: &BackupFolder, manifest: &Manifest) -> Result<Self> {
        if manifest.is_sqlite() {
            let folder = folder.begin()?;
            let path = folder.path().join(FILE);
            let text = path.to_str().ok_or_else(|| Error::invalid("the place of backups", "its path must be UTF-8"))?;
            return Ok(Self {
                url: format!("sqlite://{text}"),
                server: format!("SQLite {}", manifest.server),
                place: Place::Sqlite { _folder: folder },
            });
        }
        let address = Address::parse(url).map_err(|_| Error::ScratchLacks {
            reason: "the backup is of PostgreSQL, and needs a PostgreSQL server; name one with --scratch".to_owned(),
        })?;
        let server = Engine::new(url)?;
        let Session::Postgres(mut connection, watch) = server.connect().await? else {
            return Err(Error::invalid("the scratch server", "it must be postgres://user@host/database"));
        };
        let version = refuse_lacking(&mut connection, manifest).await?;
        let name = format!("{PREFIX}{}", random()?);
        let url = address.url_of(&name);
        let making = async {
            run_postgres(&mut connection, LOCK).await.map_err(Error::engine("waiting for another drill to begin"))?;
            sweep(&mut connection).await?;
            run_postgres(&mut connection, &create(&name, manifest)).await.map_err(may_not_create)
        };
        watch.over(making).await?;
        let held = match Engine::new(&url)?.connect().await? {
            Session::Postgres(held, _) => Box::new(held),
            Session::Sqlite(_) => return Err(Error::invalid("the scratch server", "it must be PostgreSQL")),
        };
        // It answered: how it takes the goodbye does not matter.
        let _ = connection.close().await;
        Ok(Self { url, server: format!("PostgreSQL {version}"), place: Place::Postgres { server, name, _held: held } })
    }

    /// Where the scratch database is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The version of its server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Restores the backup into it, and returns how long that took.
    pub async fn restore(&self, backup: &Backup, jobs: u32, progress: &Progress) -> Result<Duration> {
        let begun = Instant::now();
        restore_into(backup, &self.url, jobs, progress).await?;
        Ok(begun.elapsed())
    }

    /// Compares the restored copy with the manifest: what it is, its rows, tenants and contents.
    pub async fn compare(&self, manifest: &Manifest) -> Result<Vec<BackupCheck>> {
        Ok(self.survey().await?.compare(manifest))
    }

    async fn survey(&self) -> Result<Survey> {
        let failed = || Error::engine("reading the restored copy");
        match Engine::new(&self.url)?.connect().await? {
            Session::Postgres(mut connection, watch) => {
                let reading = async {
                    let begin = format!("BEGIN READ ONLY; {TEXT_FORM}");
                    run_postgres(&mut connection, &begin).await.map_err(failed())?;
                    survey_postgres(&mut connection).await.map_err(failed())
                };
                watch.over(reading).await
            }
            Session::Sqlite(connection) => {
                drop(connection);
                let mut copy = open(std::path::Path::new(self.url.trim_start_matches("sqlite://"))).await?;
                survey_sqlite(&mut copy).await.map_err(failed())
            }
        }
    }

    /// Checks foreign keys and the structure of the restored copy: by `amcheck`, or by SQLite's own check.
    pub async fn check_structure(&self) -> Result<Vec<BackupCheck>> {
        let engine = Engine::new(&self.url)?;
        let (mut connection, watch) = match engine.connect().await? {
            Session::Postgres(connection, watch) => (connection, watch),
            Session::Sqlite(_) => return sqlite_structure(&engine).await,
        };
        let keys = foreign_keys(&mut connection).await.map_err(Error::engine("reading the foreign keys"))?;
        let amcheck = watch.over(async { Ok(amcheck(&mut connection).await) }).await?;
        Ok(vec![keys, amcheck])
    }

    /// Removes it.
    pub async fn remove(self) -> Result<()> {
        let Place::Postgres { server, name, _held: held } = self.place else { return Ok(()) };
        drop(held);
        let Session::Postgres(mut connection, watch) = server.connect().await? else { return Ok(()) };
        let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        let failed = Error::engine(format!("dropping the scratch database {name}"));
        watch.over(async { run_postgres(&mut connection, &drop).await.map_err(failed) }).await
    }
}

fn random() -> Result<String> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::invalid("the system's randomness", "it must be available"))?;
    Ok(hex::encode(bytes))
}

fn create(name: &str, manifest: &Manifest) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let locale = manifest.locale.as_ref().map(|locale| {
        let (encoding, collate, ctype) = (literal(&locale.encoding), literal(&locale.collate), literal(&locale.ctype));
        format!(" ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}")
    });
    format!("CREATE DATABASE \"{name}\" TEMPLATE template0{}", locale.unwrap_or_default())
}

fn may_not_create(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    match code.as_deref() {
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
async fn refuse_lacking(connection: &mut PgConnection, manifest: &Manifest) -> Result<String> {
    let failed = || Error::engine("looking at the scratch server");
    let lacks = |reason: String| Error::ScratchLacks { reason };
    let sql = "SELECT current_setting('server_version'), rolsuper FROM pg_roles WHERE rolname = current_user";
    let (version, superuser): (String, bool) =
        sqlx::query_as(sql).fetch_one(&mut *connection).await.map_err(failed())?;
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    let major =
        |version: &str| version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
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

async fn sweep(connection: &mut PgConnection) -> Result<()> {
    let failed = || Error::engine("looking for scratch databases of killed drills");
    let left: Vec<String> = sqlx::query_scalar(LEFT).fetch_all(&mut *connection).await.map_err(failed())?;
    for name in left {
        match run_postgres(connection, &format!("DROP DATABASE IF EXISTS {name}")).await {
            Err(error) if error.as_database_error().is_none() => return Err(failed()(error)),
            // In use after all.
            _ => {}
        }
    }
    Ok(())
}

/// A restore checks each foreign key that is marked as valid.
async fn foreign_keys(connection: &mut PgConnection) -> sqlx::Result<BackupCheck> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE NOT convalidated), min(conname::text) FILTER (WHERE NOT convalidated) \
         FROM pg_constraint WHERE contype = 'f'";
    let (all, unchecked, first): (i64, i64, Option<String>) = sqlx::query_as(sql).fetch_one(connection).await?;
    Ok(match first {
        Some(first) => BackupCheck::not_checked("foreign_keys", format!("{unchecked} of {all} are not valid: {first}")),
        None => BackupCheck::ok("foreign_keys", format!("{all} foreign keys hold")),
    })
}

/// Compares each index with its table.
async fn amcheck(connection: &mut PgConnection) -> BackupCheck {
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

async fn sqlite_structure(engine: &Engine) -> Result<Vec<BackupCheck>> {
    let damage = check_integrity(engine).await?.damage;
    let (keys, rest): (Vec<_>, Vec<_>) = damage.into_iter().partition(|line| line.contains(" refers to nothing in "));
    let check = |id: &str, found: Vec<String>, fine: &str| match found.into_iter().next() {
        Some(first) => BackupCheck::failed(id, first),
        None => BackupCheck::ok(id, fine),
    };
    Ok(vec![check("foreign_keys", keys, "every row has its parent"), check("integrity", rest, "the file is sound")])
}
