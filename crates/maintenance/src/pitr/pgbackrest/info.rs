//! The output of `pgbackrest info`.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{PgBackRestStatus, failed};
use crate::error::Result;

#[derive(Deserialize)]
pub(super) struct Stanza {
    pub(super) name: String,
    #[serde(default)]
    pub(super) archive: Vec<Archive>,
    #[serde(default)]
    pub(super) backup: Vec<Backup>,
    #[serde(default)]
    pub(super) db: Vec<Db>,
    pub(super) status: Status,
}

#[derive(Deserialize)]
pub(super) struct Archive {
    database: Id,
    max: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Id {
    id: u32,
}

#[derive(Deserialize)]
pub(super) struct Db {
    id: u32,
    #[serde(rename = "system-id")]
    system_id: u64,
}

#[derive(Deserialize)]
pub(super) struct Backup {
    pub(super) label: String,
    #[serde(default)]
    error: Option<bool>,
    pub(super) timestamp: Timestamp,
    pub(super) lsn: Option<Positions>,
    pub(super) info: Option<Size>,
    pub(super) prior: Option<String>,
}

/// Seconds since 1970.
#[derive(Deserialize)]
pub(super) struct Timestamp {
    pub(super) start: i64,
    pub(super) stop: i64,
}

#[derive(Deserialize)]
pub(super) struct Positions {
    pub(super) start: String,
    pub(super) stop: String,
}

#[derive(Deserialize)]
pub(super) struct Size {
    pub(super) size: u64,
}

#[derive(Deserialize)]
pub(super) struct Status {
    code: i64,
    message: String,
}

impl Stanza {
    /// The identifier of its newest database cluster.
    pub(super) fn cluster(&self) -> Option<String> {
        self.db.iter().max_by_key(|db| db.id).map(|db| db.system_id.to_string())
    }
}

pub(super) fn stanza_in(text: &str, stanza: &str) -> Result<Stanza> {
    let stanzas: Vec<Stanza> = serde_json::from_str(text)
        .map_err(|_| failed("its output has a form that this version does not know".to_owned()))?;
    let found = stanzas.into_iter().find(|found| found.name == stanza);
    found.ok_or_else(|| failed(format!("it knows no stanza {stanza}")))
}

pub(super) fn read_info(text: &str, stanza: &str, now: DateTime<Utc>) -> Result<PgBackRestStatus> {
    let found = stanza_in(text, stanza)?;
    let mut status = PgBackRestStatus { bases: found.backup.len(), ..PgBackRestStatus::default() };
    if found.status.code != 0 {
        status.problems.push(format!("stanza {stanza}: {}", found.status.message));
    }
    status.system_identifier = found.cluster();
    let newest = found.db.iter().max_by_key(|db| db.id);
    let archives = found.archive.into_iter().filter(|archive| newest.is_none_or(|db| db.id == archive.database.id));
    status.last_wal = archives.filter_map(|archive| archive.max).max();
    for backup in found.backup.iter().filter(|backup| backup.error == Some(true)) {
        status.problems.push(format!("the backup {} has pages with a wrong checksum", backup.label));
    }
    let stops = || found.backup.iter().filter_map(|backup| DateTime::from_timestamp(backup.timestamp.stop, 0));
    status.window_start = stops().min();
    status.last_base_age_seconds = stops().max().map(|newest| (now - newest).num_seconds());
    status.last_base =
        found.backup.iter().max_by_key(|backup| backup.timestamp.stop).map(|backup| backup.label.clone());
    if status.bases == 0 && status.problems.is_empty() {
        status.problems.push(format!("stanza {stanza} has no backup; run `rylie pitr base --via pgbackrest`"));
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// The form of pgBackRest 2.55, from its documentation of `info`.
    const INFO: &str = r#"[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"00000001000000000000000B",
        "min":"000000010000000000000001"}],"backup":[{"annotation":null,"archive":{"start":"000000010000000000000002",
        "stop":"000000010000000000000003"},"backrest":{"format":5,"version":"2.55.1"},"database":{"id":1,"repo-key":1},
        "error":false,"info":{"delta":1,"repository":{"delta":1},"size":2},"label":"20261126-010000F","lsn":{"start":"0/2000028",
        "stop":"0/3000050"},"prior":null,"reference":null,"timestamp":{"start":1795654800,"stop":1795654860},"type":"full"}],
        "cipher":"none","db":[{"id":1,"repo-key":1,"system-id":7712584064178346937,"version":"15"}],"name":"platform",
        "repo":[{"cipher":"none","key":1,"status":{"code":0,"message":"ok"}}],
        "status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}]"#;

    #[test]
    fn the_state_of_a_stanza_is_read() {
        let now = DateTime::from_timestamp(1_795_654_960, 0).unwrap();
        let status = read_info(INFO, "platform", now).unwrap();

        assert_eq!(status.last_wal.as_deref(), Some("00000001000000000000000B"));
        assert_eq!((status.bases, status.last_base_age_seconds), (1, Some(100)));
        assert_eq!(status.window_start, DateTime::from_timestamp(1_795_654_860, 0));
        assert_eq!(status.system_identifier.as_deref(), Some("7712584064178346937"));
        assert!(status.problems.is_empty());
    }

    #[test]
    fn a_stanza_without_a_backup_is_a_problem_and_another_stanza_an_error() {
        let empty = r#"[{"archive":[],"backup":[],"db":[],"name":"platform","status":{"code":2,"message":"no valid backups"}}]"#;
        let status = read_info(empty, "platform", DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(status.problems, ["stanza platform: no valid backups"]);
        for text in [INFO, "{}", "", "[{}]"] {
            assert!(matches!(read_info(text, "other", DateTime::UNIX_EPOCH), Err(Error::Program { .. })), "{text}");
        }
    }
}
