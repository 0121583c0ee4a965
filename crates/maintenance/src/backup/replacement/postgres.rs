//! A PostgreSQL database that takes another one's name.

use std::time::Duration;

use rylie_driver::{code_of, quoted};
use sqlx::PgConnection;

use crate::backup::address::{Address, encoded};
use crate::backup::checksum::random;
use crate::backup::manifest::Manifest;
use crate::backup::new_database::{create, may_not_create, refuse_lacking, sweep};
use crate::engine::{Engine, run_postgres};
use crate::error::{Error, Result};

/// The comment of an unfinished database; as in [`LEFT`].
const UNFINISHED: &str = "rylie: an unfinished restore";

/// Databases to which a session is opened to work on others.
const OTHERS: [&str; 2] = ["postgres", "template1"];

/// Held while an unfinished database has no session, and by each sweep: one restore cannot remove another's. The swap of
/// another restore holds it for at most thirty seconds.
const LOCK: &str =
    "SET lock_timeout = '60s'; SELECT pg_advisory_lock(hashtextextended('rylie unfinished restores', 0))";

/// The pause between two attempts to end the sessions of the old database.
const PAUSE: Duration = Duration::from_millis(100);

/// Unfinished databases of this login without a session: killed restores left them.
const LEFT: &str = "SELECT quote_ident(datname) FROM pg_database d WHERE shobj_description(oid, 'pg_database') = 'rylie: an unfinished restore' \
     AND pg_has_role(datdba, 'USAGE') AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)";

/// Owner, limit, settings and rights of the database $1, as statements for the database $2.
const PROPERTIES: &str = "SELECT format('ALTER DATABASE %I OWNER TO %I', $2::text, pg_get_userbyid(datdba)) FROM pg_database WHERE datname = $1 \
     UNION ALL SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', $2::text, datconnlimit) FROM pg_database WHERE datname = $1 \
     UNION ALL SELECT CASE setrole WHEN 0 THEN format('ALTER DATABASE %I ', $2::text) \
         ELSE format('ALTER ROLE %I IN DATABASE %I ', pg_get_userbyid(setrole), $2::text) END || format('SET %I TO ', name) || \
         CASE WHEN lower(name) IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries') \
         THEN value ELSE quote_literal(value) END \
       FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) AS setting, \
         LATERAL (SELECT split_part(setting, '=', 1) AS name, substr(setting, strpos(setting, '=') + 1) AS value) parts \
       WHERE datname = $1 \
     UNION ALL SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text) FROM pg_database \
       WHERE datname = $1 AND datacl IS NOT NULL \
     UNION ALL SELECT format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, $2::text, \
         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, \
         CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) \
       FROM pg_database, aclexplode(datacl) WHERE datname = $1";

pub(super) struct PostgresReplacement {
    server: Engine,
    old: String,
    new: String,
    url: String,
    kept_as: String,
    end_sessions: bool,
    /// While it is open, no other restore sweeps the database.
    held: Option<Box<PgConnection>>,
}

impl PostgresReplacement {
    pub(super) async fn begin(url: &str, manifest: &Manifest, suffix: &str, end_sessions: bool) -> Result<Self> {
        let address = Address::parse(url)?;
        let (server, mut connection, old) = session(&address).await?;
        refuse_lacking(&mut connection, manifest).await?;
        if !end_sessions {
            refuse_used(&mut connection, &old).await?;
        }
        run_postgres(&mut connection, LOCK).await.map_err(Error::engine("waiting for another restore to begin"))?;
        sweep(&mut connection, LEFT).await?;
        let new = format!("{}_restoring_{}", shortened(&old, 26), random()?);
        let kept_as = format!("{}_{suffix}", shortened(&old, suffix.len() + 1));
        let comment = format!("COMMENT ON DATABASE \"{new}\" IS '{UNFINISHED}'");
        run_postgres(&mut connection, &create(&new, manifest)).await.map_err(may_not_create)?;
        run_postgres(&mut connection, &comment).await.map_err(Error::engine("naming the new database"))?;
        let url = address.url_of(&encoded(&new));
        let held = Some(Box::new(connected(&Engine::new(&url)?).await?));
        Ok(Self { server, old, new, url, kept_as, end_sessions, held })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn kept_as(&self) -> &str {
        &self.kept_as
    }

    pub(super) async fn swap(&mut self) -> Result<()> {
        let failed = || Error::engine("replacing the database");
        let (mut connection, mut ending) = (connected(&self.server).await?, connected(&self.server).await?);
        let properties: Vec<String> = sqlx::query_scalar(PROPERTIES)
            .bind(&self.old)
            .bind(&self.new)
            .fetch_all(&mut connection)
            .await
            .map_err(failed())?;
        for property in properties {
            run_postgres(&mut connection, &property).await.map_err(failed())?;
        }
        run_postgres(&mut connection, LOCK).await.map_err(Error::engine("waiting for another restore to end"))?;
        self.held = None;
        let [old, new, kept] = [&self.old, &self.new, &self.kept_as].map(|name| quoted(name));
        // A rename waits five seconds for sessions to end, and lets none begin.
        let rename = format!(
            "BEGIN; SET LOCAL lock_timeout = '30s'; ALTER DATABASE {old} RENAME TO {kept}; \
             ALTER DATABASE {new} RENAME TO {old}; COMMENT ON DATABASE {old} IS NULL; COMMIT"
        );
        let ends = self.end_sessions;
        let end_sessions = async {
            let names = [self.old.clone(), self.new.clone()];
            loop {
                if ends {
                    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = ANY($1)";
                    // The rename tells whether it helped.
                    let _ = sqlx::query(sql).bind(&names[..]).execute(&mut ending).await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let renamed = tokio::select! {
            biased;
            renamed = run_postgres(&mut connection, &rename) => renamed,
            () = end_sessions => return Ok(()),
        };
        renamed.map_err(|error| match code_of(&error).as_deref() {
            Some("55006") => used(&self.old),
            _ => failed()(error),
        })
    }

    pub(super) async fn remove(mut self) -> Result<()> {
        self.held = None;
        let mut connection = connected(&self.server).await?;
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.new));
        let failed = Error::engine(format!("dropping the unfinished database {}", self.new));
        run_postgres(&mut connection, &drop).await.map_err(failed)
    }
}

/// A session to another database of the server, and the name of the database of the address.
async fn session(address: &Address) -> Result<(Engine, PgConnection, String)> {
    let old = address.database();
    let mut refused = None;
    for name in OTHERS.into_iter().filter(|name| *name != old) {
        let server = Engine::new(&address.url_of(name))?;
        match connected(&server).await {
            Ok(connection) => return Ok((server, connection, old)),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| Error::invalid("the target", "it must not be a database of the server itself")))
}

async fn connected(server: &Engine) -> Result<PgConnection> {
    Ok(server.connect_postgres("the target").await?.0)
}

async fn refuse_used(connection: &mut PgConnection, database: &str) -> Result<()> {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    let sessions: i64 = sqlx::query_scalar(sql)
        .bind(database)
        .fetch_one(connection)
        .await
        .map_err(Error::engine("looking for sessions"))?;
    if sessions == 0 { Ok(()) } else { Err(used(database)) }
}

fn used(database: &str) -> Error {
    let reason = format!(
        "sessions use the database {database}; stop the services that use it, or end their sessions with --end-sessions"
    );
    Error::BackupRefused { reason }
}

/// A name short enough that a suffix of so many bytes still fits into PostgreSQL's 63.
fn shortened(name: &str, suffix: usize) -> String {
    let mut end = name.len().min(63_usize.saturating_sub(suffix));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_names_are_cut_between_letters() {
        assert_eq!(shortened("platform", 26), "platform");
        assert_eq!(shortened(&"ü".repeat(40), 26).len(), 36);
    }
}
