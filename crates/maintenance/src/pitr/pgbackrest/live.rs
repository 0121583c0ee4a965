//! The live server's answer about a stanza: whether it is its own, and whether its WAL arrives.

use chrono::{DateTime, Utc};

use super::info::stanza_in;
use super::{PgBackRest, PgBackRestStatus};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::pitr::server::Server;

const SQL: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::text, current_setting('archive_mode') <> 'off', \
     (SELECT setting::bigint FROM pg_settings WHERE name = 'archive_timeout'), last_archived_wal, \
     coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), last_failed_wal, \
     extract(epoch FROM clock_timestamp() - last_archived_time)::bigint FROM pg_stat_archiver";

/// The state of the live server's archiver.
struct Archiver {
    /// The identifier of the database cluster.
    cluster: String,
    is_on: bool,
    /// Seconds; zero for none.
    timeout: i64,
    archived: Option<String>,
    is_failing: bool,
    failed: Option<String>,
    /// The seconds since the last segment was archived.
    since: Option<i64>,
}

impl PgBackRest {
    /// As [`status`](Self::status), with the state of the live server: `problems` also names a server that is not reached, a
    /// stanza of another database cluster, and WAL that does not arrive in the repository.
    pub async fn watch(&self, live: &Engine, now: DateTime<Utc>) -> Result<PgBackRestStatus> {
        let mut status = self.status(now).await?;
        match archiver(live).await {
            Ok(archiver) => status.add(archiver),
            Err(error) => status.problems.push(format!("server: {error}")),
        }
        Ok(status)
    }

    /// [`Error::PitrRefused`] if the stanza is that of another database cluster.
    pub async fn refuse_other(&self, live: &Engine) -> Result<()> {
        let (stanza, archiver) = (stanza_in(&self.info().await?, &self.stanza)?, archiver(live).await?);
        match other(stanza.cluster().as_deref(), &archiver) {
            Some(reason) => Err(Error::PitrRefused { reason }),
            None => Ok(()),
        }
    }

    /// The seconds after which the live server archives a segment that is not full; `None` if it waits until it is.
    pub async fn archive_timeout(live: &Engine) -> Result<Option<i64>> {
        let timeout = archiver(live).await?.timeout;
        Ok((timeout > 0).then_some(timeout))
    }
}

impl PgBackRestStatus {
    fn add(&mut self, archiver: Archiver) {
        if let Some(problem) = other(self.system_identifier.as_deref(), &archiver) {
            self.problems.push(format!("cluster: {problem}"));
            return;
        }
        let Archiver { is_on, archived, is_failing, failed, since, .. } = archiver;
        if !is_on {
            self.problems.push("archiver: archive_mode is off, so no WAL arrives".to_owned());
        } else if is_failing {
            let segment = failed.unwrap_or_default();
            self.lag_seconds = since;
            self.problems
                .push(format!("archiver: the archive_command fails for {segment}; the server's log has the cause"));
        } else if let Some(archived) = archived.filter(|archived| is_missing(self.last_wal.as_deref(), archived)) {
            self.lag_seconds = since;
            let newest = self.last_wal.as_deref().unwrap_or("none");
            self.problems.push(format!(
                "archiver: the server archived {archived}, and the newest segment in the repository is {newest}; \
                 archive_command must be that of pgBackRest"
            ));
        } else {
            self.lag_seconds = Some(0);
        }
    }
}

/// The problem if the stanza is that of another cluster.
fn other(stanza: Option<&str>, archiver: &Archiver) -> Option<String> {
    let live = &archiver.cluster;
    let stanza = stanza.filter(|stanza| stanza != live)?;
    Some(format!("the stanza is that of the database cluster {stanza}, and the server is {live}"))
}

/// Whether an archived segment is not in the repository. Other files, as histories of timelines, do not count.
fn is_missing(newest: Option<&str>, archived: &str) -> bool {
    archived.len() == 24 && newest.is_none_or(|newest| newest < archived)
}

async fn archiver(live: &Engine) -> Result<Archiver> {
    type Row = (String, bool, i64, Option<String>, bool, Option<String>, Option<i64>);
    let mut server = Server::connect(live).await?;
    let read: sqlx::Result<Row> = sqlx::query_as(SQL).fetch_one(server.session()).await;
    server.close().await;
    let (cluster, is_on, timeout, archived, is_failing, failed, since) =
        read.map_err(Error::engine("reading the state of the archiver"))?;
    Ok(Archiver { cluster, is_on, timeout, archived, is_failing, failed, since })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Archiver {
        let archived = Some("00000001000000000000000B".to_owned());
        let cluster = "7".to_owned();
        Archiver { cluster, is_on: true, timeout: 60, archived, is_failing: false, failed: None, since: Some(9) }
    }

    fn status(archiver: Archiver) -> PgBackRestStatus {
        let mut status = PgBackRestStatus {
            last_wal: Some("00000001000000000000000B".to_owned()),
            system_identifier: Some("7".to_owned()),
            ..PgBackRestStatus::default()
        };
        status.add(archiver);
        status
    }

    #[test]
    fn another_cluster_and_wal_that_does_not_arrive_are_named() {
        assert_eq!((status(fine()).problems, status(fine()).lag_seconds), (Vec::new(), Some(0)));
        let later = Some("00000001000000000000000C".to_owned());
        for (archiver, expected) in [
            (Archiver { cluster: "8".to_owned(), ..fine() }, "cluster: the stanza is that of the database cluster 7"),
            (Archiver { is_on: false, ..fine() }, "archive_mode is off"),
            (Archiver { is_failing: true, failed: later.clone(), ..fine() }, "fails for 00000001000000000000000C"),
            (
                Archiver { archived: later, ..fine() },
                "the newest segment in the repository is 00000001000000000000000B",
            ),
        ] {
            let problems = status(archiver).problems;
            assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?}");
        }
    }
}
