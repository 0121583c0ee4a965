//! The addresses of the replicas and the maximum age of their data.

use std::time::Duration;

use super::{Reader, wrong};
use crate::error::Result;

/// The settings of the replicas; none by default.
#[derive(Clone)]
pub(crate) struct ReplicaSettings {
    pub(crate) urls: Vec<String>,
    pub(crate) max_lag: Duration,
}

pub(super) fn read(read: &Reader<'_>, database_url: &str) -> Result<ReplicaSettings> {
    let list = read.text("replica_urls").filter(|list| *list != "none").unwrap_or_default();
    let urls: Vec<_> = list.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect();
    let is_postgres = |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
    let refused = |reason: &str| Err(wrong("replica_urls", reason.to_owned()));
    if !urls.is_empty() && !is_postgres(database_url) {
        return refused("only PostgreSQL has replicas, and database_url is not a PostgreSQL URL");
    }
    if !urls.iter().all(|url| is_postgres(url)) {
        return refused(
            "each URL must have the form postgres://user@host:port/database; write a comma within one as %2C",
        );
    }
    let seconds = read.number("replica_max_lag_seconds", 1..=86_400)?.unwrap_or(5);
    Ok(ReplicaSettings { urls, max_lag: Duration::from_secs(seconds.into()) })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const PRIMARY: &str = "postgres://me@primary/db";

    fn built(database: &str, replicas: &str) -> crate::Result<Config> {
        Config::builder().set("database_url", database)?.set("replica_urls", replicas)?.build()
    }

    #[test]
    fn a_list_names_replicas_and_an_empty_one_none() {
        let two = built(PRIMARY, "postgres://me@one/db, postgresql://me@two/db").unwrap();
        let addresses: Vec<_> = two.replicas.urls.iter().filter_map(|url| url.split('?').next()).collect();
        assert_eq!(addresses, ["postgres://me@one/db", "postgresql://me@two/db"]);
        for none in ["", "none"] {
            assert!(built(PRIMARY, none).unwrap().replicas.urls.is_empty());
            assert!(built("sqlite::memory:", none).is_ok());
        }
    }

    #[test]
    fn sqlite_has_no_replicas_and_a_replica_is_postgresql() {
        for (database, replicas) in [("sqlite::memory:", "postgres://me:canary@one/db"), (PRIMARY, "sqlite://canary")] {
            let error = built(database, replicas).unwrap_err();
            assert!(matches!(&error, crate::Error::Config { setting, .. } if setting == "replica_urls"), "{error:?}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn no_password_of_a_replica_is_shown() {
        let shown = format!("{:?}", built(PRIMARY, "postgres://me:canary@one/db,postgres://me:canary@two/db").unwrap());
        assert!(!shown.contains("canary") && shown.contains("@one/db, postgres://me:***@two/db"), "{shown}");
    }
}
