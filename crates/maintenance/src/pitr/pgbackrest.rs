//! The path by pgBackRest: the same steps, done by an installed and configured pgBackRest.
//!
//! This file is long because each call of pgBackRest stands with the reading of its answer.

mod info;
mod live;
mod replay;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::process::Command;

use super::restore::RestoreOptions;
use super::target::{RestoreTarget, Window};
use crate::answer::answer_of;
use crate::error::{Error, Result};
use crate::os_user::OsUser;

use info::read_info;

/// 2.45 of Debian 12 predates PostgreSQL 16.
const OLDEST: (u32, u32) = (2, 55);

/// The longest wait for a program that only prints something.
const ANSWER: Duration = Duration::from_mins(1);

/// The longest backup or restore.
const LONGEST: Duration = Duration::from_hours(24);

/// An installed pgBackRest with a configured stanza.
#[derive(Clone, Debug)]
pub struct PgBackRest {
    stanza: String,
    /// Major and minor version.
    version: (u32, u32),
}

/// The state of a stanza.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct PgBackRestStatus {
    /// The newest WAL segment in the repository.
    pub last_wal: Option<String>,
    /// When the oldest backup was complete, UTC.
    pub window_start: Option<DateTime<Utc>>,
    /// The number of backups.
    pub bases: usize,
    /// The label of the newest backup.
    pub last_base: Option<String>,
    /// The age of the newest backup in seconds.
    pub last_base_age_seconds: Option<i64>,
    /// For how long no WAL has arrived: zero while it arrives, `None` where that is not known.
    pub lag_seconds: Option<i64>,
    /// The system identifier of the newest database of the stanza.
    pub system_identifier: Option<String>,
    /// Everything that is wrong.
    pub problems: Vec<String>,
}

impl PgBackRest {
    /// The installed program. [`Error::Program`] if there is none, [`Error::PitrRefused`] for a version before 2.55,
    /// and [`Error::Invalid`] for a name of a stanza that is none.
    pub async fn find(stanza: &str) -> Result<Self> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if stanza.is_empty() || stanza.starts_with('-') || !stanza.chars().all(plain) {
            return Err(Error::invalid("pitr_stanza", "it must be the name of a stanza of pgBackRest"));
        }
        let missing =
            || failed("it is not installed; install pgBackRest 2.55 or newer, or use the native path".to_owned());
        let version = version_of("pgbackrest", "pgBackRest").await.ok_or_else(missing)?;
        if version < OLDEST {
            let (major, minor) = version;
            let reason = format!(
                "pgBackRest {major}.{minor} is older than 2.55, which the newest PostgreSQL needs; install a newer one, or \
                 use the native path"
            );
            return Err(Error::PitrRefused { reason });
        }
        Ok(Self { stanza: stanza.to_owned(), version })
    }

    /// Its name and version.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("pgBackRest {}.{}", self.version.0, self.version.1)
    }

    /// `stanza-create`: makes the stanza in the repository. What exists stays.
    pub async fn init(&self) -> Result<()> {
        self.run(&["stanza-create"], LONGEST).await.map(drop)
    }

    /// `check`: forces a segment switch and waits until it is in the repository.
    pub async fn check(&self) -> Result<()> {
        self.run(&["check"], Duration::from_mins(10)).await.map(drop)
    }

    /// `backup`: full, or the changes since the newest one.
    pub async fn base(&self, incremental: bool) -> Result<()> {
        let kind = if incremental { "--type=incr" } else { "--type=full" };
        self.run(&[kind, "--start-fast", "backup"], LONGEST).await.map(drop)
    }

    /// `info`: the state of the stanza.
    pub async fn status(&self, now: DateTime<Utc>) -> Result<PgBackRestStatus> {
        read_info(&self.info().await?, &self.stanza, now)
    }

    async fn info(&self) -> Result<String> {
        self.run(&["--output=json", "info"], ANSWER).await
    }

    /// `restore --type=time`: restores to a new data directory, which must not exist or be empty. The server that is
    /// started on it replays the WAL, and promotes at the target. Of the options `base` and `timeline` count: a label and
    /// a number. [`Error::OutsideWindow`] for a time before the first backup or in the future.
    pub async fn restore(
        &self,
        target: RestoreTarget,
        into: &Path,
        options: &RestoreOptions,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let into = std::path::absolute(into).map_err(Error::file("finding", into))?;
        if into.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::FileExists { path: into });
        }
        let start = self.status(now).await?.window_start;
        let window = Window { start, end: Some(now) };
        if let RestoreTarget::Time(time) = target
            && (start.is_none_or(|start| time < start) || time >= now)
        {
            return Err(Error::OutsideWindow { asked: target.to_string(), window: window.to_string() });
        }
        let timeline = options.timeline.map(|timeline| format!("--target-timeline={timeline}"));
        let words = restore_words(target, &into, options.base.as_deref(), timeline);
        self.run(&words, LONGEST).await.map(drop)
    }

    async fn run(&self, words: &[impl AsRef<OsStr>], within: Duration) -> Result<String> {
        let output = self.run_as(None, None, words, within).await?;
        String::from_utf8(output).map_err(|_| failed("its output is no text".to_owned()))
    }

    /// Runs it as a user. While it runs, the file `pid` has the number of its process group, for the watchdog.
    async fn run_as(
        &self,
        user: Option<OsUser>,
        pid: Option<&Path>,
        words: &[impl AsRef<OsStr>],
        within: Duration,
    ) -> Result<Vec<u8>> {
        let mut command = Command::new("pgbackrest");
        command.arg(format!("--stanza={}", self.stanza)).args(words).env("LC_ALL", "C");
        command.stdin(Stdio::null()).kill_on_drop(true);
        if let Some(user) = user {
            user.run(command.as_std_mut());
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if pid.is_some() {
            command.process_group(0);
        }
        let unstarted = |error| failed(format!("it cannot be started: {error}"));
        let child = command.spawn().map_err(unstarted)?;
        if let (Some(path), Some(group)) = (pid, child.id()) {
            fs::write(path, group.to_string()).map_err(Error::file("writing", path))?;
        }
        let ended = tokio::time::timeout(within, child.wait_with_output()).await;
        let output = ended.map_err(|_| failed(format!("it does not end within {} s", within.as_secs())))?;
        if let Some(path) = pid {
            fs::remove_file(path).map_err(Error::file("removing", path))?;
        }
        let output = output.map_err(unstarted)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let line = said.iter().flat_map(|text| text.lines()).find_map(|line| line.split_once("ERROR: "));
        let reason = line.map_or_else(|| format!("it ended with {}", output.status), |(_, reason)| reason.to_owned());
        Err(failed(reason))
    }
}

/// The words of a restore into a data directory, of the given backup or the newest one; `more` are further options.
fn restore_words(
    target: RestoreTarget,
    data: &Path,
    base: Option<&str>,
    more: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let mut words = match target {
        RestoreTarget::Time(time) => {
            vec!["--type=time".to_owned(), format!("--target={}", time.format("%Y-%m-%d %H:%M:%S%.6f+00"))]
        }
        RestoreTarget::Position(lsn) => vec!["--type=lsn".to_owned(), format!("--target={lsn}")],
        RestoreTarget::Latest => vec!["--type=default".to_owned()],
    };
    if !matches!(target, RestoreTarget::Latest) {
        words.push("--target-action=promote".to_owned());
    }
    words.push(format!("--pg1-path={}", data.display()));
    words.extend(base.map(|base| format!("--set={base}")));
    words.extend(more);
    words.push("restore".to_owned());
    words
}

/// The version of an installed Barman, which this library does not drive.
pub async fn barman_version() -> Option<String> {
    version_of("barman", "").await.map(|(major, minor)| format!("{major}.{minor}"))
}

fn failed(reason: String) -> Error {
    Error::Program { program: "pgbackrest", reason }
}

/// Major and minor version, from `pgBackRest 2.55.1` or `3.4.0 Barman by EnterpriseDB`.
async fn version_of(program: &str, before: &str) -> Option<(u32, u32)> {
    let word = if before.is_empty() { "--version" } else { "version" };
    parse_version(&answer_of(Command::new(program).arg(word), ANSWER).await?, before)
}

fn parse_version(text: &str, before: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix(before)?.trim_start().split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("pgBackRest 2.55.1\n", "pgBackRest"), Some((2, 55)));
        assert_eq!(parse_version("pgBackRest 2.45\n", "pgBackRest"), Some((2, 45)));
        assert_eq!(parse_version("3.4.0 Barman by EnterpriseDB (www.enterprisedb.com)\n", ""), Some((3, 4)));
        assert_eq!(parse_version("bash: pgbackrest: no", "pgBackRest"), None);
    }
}
