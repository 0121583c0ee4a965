//! The times of commits in the WAL, read by `pg_waldump`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::wal::{Segment, WalArchive};
use crate::backup::program::Program;
use crate::error::{Error, Result};

/// The longest wait for one segment.
const ONE: Duration = Duration::from_mins(1);

/// The part of the output that is searched for the last commit.
const TAIL: u64 = 1 << 16;

/// Reads commits of the segments of an archive.
pub(super) struct CommitTimes<'a> {
    archive: &'a WalArchive,
    program: Program,
}

impl<'a> CommitTimes<'a> {
    /// Finds the program of the server's major version.
    pub(super) async fn of(archive: &'a WalArchive, major: u32) -> Result<Self> {
        Ok(Self { archive, program: Program::of_server("pg_waldump", major).await? })
    }

    /// The last commit in these segments. Reads from their end.
    pub(super) async fn last(&self, segments: &[Segment]) -> Result<Option<DateTime<Utc>>> {
        for segment in segments.iter().rev() {
            if let Some(time) = self.last_of(*segment).await? {
                return Ok(Some(time));
            }
        }
        Ok(None)
    }

    /// How many of the segments are needed to reach a commit after `time`; `None` if they hold none. Takes as many runs
    /// as a binary search.
    pub(super) async fn needed(&self, segments: &[Segment], time: DateTime<Utc>) -> Result<Option<usize>> {
        let (mut low, mut high) = (0, segments.len());
        while low < high {
            let middle = low.midpoint(high);
            let last = self.last(&segments[low..=middle]).await?;
            if last.is_some_and(|last| last > time) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        // A record may end in the next segment.
        Ok((low < segments.len()).then(|| segments.len().min(low + 2)))
    }

    async fn last_of(&self, segment: Segment) -> Result<Option<DateTime<Utc>>> {
        let Some(file) = self.archive.segments.get(&segment) else { return Ok(None) };
        let failed = Error::file("reading commits of", &file.path);
        // The program does not know the name of a segment that is being received.
        let folder = tempfile::tempdir().map_err(&failed)?;
        let link = folder.path().join(self.archive.name(segment));
        std::os::unix::fs::symlink(file.present(), &link).map_err(&failed)?;
        let mut output = tempfile::tempfile().map_err(&failed)?;
        let mut command = self.program.command();
        command.arg("--rmgr=Transaction").arg(&link).env("TZ", "UTC").current_dir(folder.path());
        command.stdout(Stdio::from(output.try_clone().map_err(&failed)?)).stderr(Stdio::null());
        // It fails at the end of the WAL, which is no error here.
        let ended = tokio::time::timeout(ONE, command.status()).await;
        let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "pg_waldump does not end");
        ended.map_err(|_| late()).and_then(|status| status).map_err(&failed)?;
        last_time(&mut output).map_err(&failed)
    }
}

fn last_time(output: &mut File) -> std::io::Result<Option<DateTime<Utc>>> {
    let length = output.seek(SeekFrom::End(0))?;
    output.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    output.read_to_end(&mut tail)?;
    Ok(String::from_utf8_lossy(&tail).lines().rev().find_map(parse))
}

/// The time of a commit or rollback, from `… desc: COMMIT 2026-11-26 20:45:18.630066 UTC; …`.
fn parse(line: &str) -> Option<DateTime<Utc>> {
    let (_, description) = line.split_once(" desc: ")?;
    let mut words = description.split([' ', ';']).peekable();
    let kind = words.next()?;
    if !kind.starts_with("COMMIT") && !kind.starts_with("ABORT") {
        return None;
    }
    // Of a prepared transaction the id comes first.
    words.next_if(|word| word.ends_with(':'));
    let text = format!("{} {}", words.next()?, words.next()?);
    Some(NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_time_of_a_commit_is_read() {
        let head = "rmgr: Transaction len (rec/tot):     34/    34, tx:        727, lsn: 0/030000D0, prev 0/03000090";
        for end in [
            "COMMIT 2026-11-26 20:45:18.630066 UTC",
            "COMMIT 2026-11-26 20:45:18.630066 UTC; inval msgs: catcache 55",
            "ABORT 2026-11-26 20:45:18.630066 UTC",
            "COMMIT_PREPARED 745: 2026-11-26 20:45:18.630066 UTC",
        ] {
            let time = parse(&format!("{head}, desc: {end}")).unwrap();
            assert_eq!(time.to_rfc3339(), "2026-11-26T20:45:18.630066+00:00", "{end}");
        }
        assert_eq!(parse(&format!("{head}, desc: ASSIGNMENT xtop 5: subxacts: 6")), None);
        assert_eq!(parse("COMMIT 2026-11-26 20:45:18"), None);
    }
}
