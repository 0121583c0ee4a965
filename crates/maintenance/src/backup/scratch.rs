//! A scratch database for a drill: made for it, and removed after it.
//!
//! This file is long because one state makes, fills, compares and removes the database.

mod structure;

use std::time::{Duration, Instant};

use rylie_repositories::Progress;
use sqlx::{Connection, PgConnection};

use super::address::Address;
use super::attacks::attack;
use super::check::BackupCheck;
use super::checksum::random;
use super::create::{FILE, open};
use super::manifest::Manifest;
use super::new_database::{create, major, may_not_create, refuse_lacking, sweep};
use super::open::OpenBackup;
use super::private_folder::PrivateFolder;
use super::private_server::{PrivateServer, ServerPrograms};
use super::restore::restore_into;
use super::survey::{STORED, Survey, TEXT_FORM, survey_postgres, survey_sqlite};
use crate::engine::{Engine, Session, run_postgres};
use crate::error::{Error, Result};

use structure::{amcheck, foreign_keys, sqlite_structure};

/// How the name of each scratch database begins.
const PREFIX: &str = "rylie_drill_";

/// The roles of the units. One that has no right on an object is not among the roles of a backup.
const UNIT_ROLES: [&str; 5] = ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors", "rylie_sealer"];

/// Held while scratch databases are made and swept, so that none is swept before its drill is connected. A lock belongs to
/// the database of the session, so drills from one database sweep only what drills from it left.
const LOCK: &str = "SET lock_timeout = '60s'; SELECT pg_advisory_lock(7231640192337)";

/// Scratch databases of this login that no drill is connected to: killed drills left them.
const LEFT: &str = "SELECT quote_ident(datname) FROM pg_database d WHERE datname LIKE 'rylie\\_drill\\_' || left(md5(current_database()), 8) || '\\_%' \
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
    Private {
        server: PrivateServer,
    },
    Sqlite {
        _folder: PrivateFolder,
    },
}

impl Scratch {
    /// Makes a scratch database for a backup. Removes what killed drills left.
    ///
    /// SQLite: a file beside the database `own`. PostgreSQL: a database on the server `named`, whose login must be a
    /// superuser. Without that name on a private server, if the programs of the backup's major version are installed. It
    /// takes no login, archives nothing and is removed with its data. Otherwise on the server of `own`.
    ///
    /// [`Error::ScratchLacks`] if the server lacks a role, an extension or a right that the restore needs, or is older than
    /// the server that was backed up. That error states nothing about the backup.
    pub async fn open(named: Option<&str>, own: &str, manifest: &Manifest) -> Result<Self> {
        if manifest.is_sqlite() {
            let folder = PrivateFolder::beside(own)?;
            let text = folder.file(FILE)?;
            return Ok(Self {
                url: format!("sqlite://{text}"),
                server: format!("SQLite {}", manifest.server),
                place: Place::Sqlite { _folder: folder },
            });
        }
        if named.is_none()
            && let Some(programs) = ServerPrograms::find(major(&manifest.server)).await
        {
            return Self::private(&programs, manifest).await;
        }
        Self::on_server(named.unwrap_or(own), manifest).await
    }

    /// On a private server, which has the roles of the backup by their names alone.
    async fn private(programs: &ServerPrograms, manifest: &Manifest) -> Result<Self> {
        let server = PrivateServer::start(programs).await?;
        let failed = || Error::engine("preparing a private server");
        let (mut connection, _) = Engine::new(&server.url("postgres")?)?.connect_postgres("the private server").await?;
        let has_units = manifest.roles.iter().any(|role| UNIT_ROLES.contains(&role.as_str()));
        let units = if has_units { UNIT_ROLES.to_vec() } else { Vec::new() };
        let sql = "SELECT DISTINCT format('CREATE ROLE %I NOINHERIT', wanted) FROM unnest($1::text[] || $2::text[]) AS wanted \
             WHERE wanted NOT LIKE 'pg\\_%' AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)";
        let roles: Vec<String> = sqlx::query_scalar(sql)
            .bind(&manifest.roles)
            .bind(&units[..])
            .fetch_all(&mut connection)
            .await
            .map_err(failed())?;
        for role in roles {
            run_postgres(&mut connection, &role).await.map_err(failed())?;
        }
        let version = refuse_lacking(&mut connection, manifest).await?;
        let name = format!("{PREFIX}{}", random()?);
        run_postgres(&mut connection, &create(&name, manifest)).await.map_err(may_not_create)?;
        let url = server.url(&name)?;
        Ok(Self { url, server: format!("PostgreSQL {version}"), place: Place::Private { server } })
    }

    async fn on_server(url: &str, manifest: &Manifest) -> Result<Self> {
        let address = Address::parse(url).map_err(|_| Error::ScratchLacks {
            reason: "the backup is of PostgreSQL, and needs a PostgreSQL server; name one with --scratch".to_owned(),
        })?;
        let server = Engine::new(url)?;
        let (mut connection, watch) = server.connect_postgres("the scratch server").await?;
        let version = refuse_lacking(&mut connection, manifest).await?;
        let origin: String = sqlx::query_scalar("SELECT left(md5(current_database()), 8)")
            .fetch_one(&mut connection)
            .await
            .map_err(Error::engine("reading the name of the database"))?;
        let name = format!("{PREFIX}{origin}_{}", random()?);
        let url = address.url_of(&name);
        let making = async {
            run_postgres(&mut connection, LOCK).await.map_err(Error::engine("waiting for another drill to begin"))?;
            sweep(&mut connection, LEFT).await?;
            run_postgres(&mut connection, &create(&name, manifest)).await.map_err(may_not_create)
        };
        watch.over(making).await?;
        let held = Box::new(Engine::new(&url)?.connect_postgres("the scratch server").await?.0);
        // It answered: how it takes the goodbye does not matter.
        let _ = connection.close().await;
        Ok(Self { url, server: format!("PostgreSQL {version}"), place: Place::Postgres { server, name, _held: held } })
    }

    /// The URL of the scratch database.
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
    pub async fn restore(&self, backup: &OpenBackup, jobs: u32, progress: &Progress) -> Result<Duration> {
        let begun = Instant::now();
        restore_into(backup, &self.url, jobs, progress).await?;
        Ok(begun.elapsed())
    }

    /// Lets the owners of the restored tables create more in it, as a migration does. In the database that was backed up
    /// they may because they own it, which no backup contains.
    pub async fn let_owners_create(&self) -> Result<()> {
        const OWNERS: &str = "SELECT DISTINCT format('GRANT CREATE ON SCHEMA public TO %I', pg_get_userbyid(relowner)) FROM pg_class \
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";
        let failed = || Error::engine("preparing the restored copy for migrations");
        let Session::Postgres(mut connection, watch) = Engine::new(&self.url)?.connect().await? else { return Ok(()) };
        let granting = async {
            let grants: Vec<String> = sqlx::query_scalar(OWNERS).fetch_all(&mut connection).await.map_err(failed())?;
            for grant in grants {
                run_postgres(&mut connection, &grant).await.map_err(failed())?;
            }
            Ok(())
        };
        watch.over(granting).await
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
                    survey_postgres(&mut connection, STORED).await.map_err(failed())
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

    /// Attacks tenant isolation in the restored copy by SQL in the tenant's role, rolled back. SQLite has no roles: not
    /// checked there.
    pub async fn attack(&self) -> Result<BackupCheck> {
        match Engine::new(&self.url)?.connect().await? {
            Session::Postgres(mut connection, watch) => {
                let failed = Error::engine("attacking the restored copy");
                watch.over(async { attack(&mut connection).await.map_err(failed) }).await
            }
            Session::Sqlite(_) => Ok(BackupCheck::not_checked("attacks", "SQLite has no roles")),
        }
    }

    /// Removes it.
    pub async fn remove(self) -> Result<()> {
        let (server, name, held) = match self.place {
            Place::Postgres { server, name, _held: held } => (server, name, held),
            Place::Private { server } => {
                server.stop().await;
                return Ok(());
            }
            Place::Sqlite { .. } => return Ok(()),
        };
        drop(held);
        let (mut connection, watch) = server.connect_postgres("the scratch server").await?;
        let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        let failed = Error::engine(format!("dropping the scratch database {name}"));
        watch.over(async { run_postgres(&mut connection, &drop).await.map_err(failed) }).await
    }
}
