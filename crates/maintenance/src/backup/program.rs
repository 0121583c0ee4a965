//! PostgreSQL's own programs: which of the installed ones fits, and running it.

use std::env;
use std::ffi::OsString;
use std::io::{PipeReader, PipeWriter};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::address::Address;
use crate::answer::answer_of;
use crate::error::{Error, Result};

/// Folders that hold one folder a version; the second text is the path below that.
const VERSIONED: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/libexec", ""),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
];

/// The longest wait for a program that only prints its version.
const ANSWER: Duration = Duration::from_secs(10);

/// How often progress is reported.
const TICK: Duration = Duration::from_millis(500);

/// Variables that would lead a program elsewhere than its arguments and [`Address::variables`] say.
pub(super) const FOREIGN: [&str; 4] = ["PGOPTIONS", "PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR"];

/// An installed program.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    path: PathBuf,
    /// Major and minor version.
    pub(crate) version: (u32, u32),
}

impl Program {
    /// The oldest installed program that is not older than `major`. [`Error::BackupRefused`] if all are older, and
    /// [`Error::Program`] if there is none.
    pub(crate) async fn find(name: &'static str, major: u32) -> Result<Self> {
        let mut found = Vec::new();
        for folder in folders() {
            let path = folder.join(name);
            if path.is_file() && found.iter().all(|program: &Self| program.path != path) {
                found.extend(version(&path).await.map(|version| Self { name, path, version }));
            }
        }
        let newest = found.iter().map(|program| program.version).max();
        let fits = found.into_iter().filter(|program| program.version.0 >= major);
        if let Some(program) = fits.min_by_key(|program| (program.version.0, u32::MAX - program.version.1)) {
            return Ok(program);
        }
        let install = format!("install the client programs of PostgreSQL {major}, such as postgresql-client-{major}");
        match newest {
            Some((found, minor)) => Err(Error::BackupRefused {
                reason: format!(
                    "{name} {found}.{minor} is older than the server, which is PostgreSQL {major}; {install}"
                ),
            }),
            None => Err(Error::Program { program: name, reason: format!("it is not installed; {install}") }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its name and version, such as `pg_dump 15.18`.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}.{}", self.name, self.version.0, self.version.1)
    }

    /// As [`find`](Self::find), of exactly this major version: for programs that read the files of a server.
    pub(crate) async fn of_server(name: &'static str, major: u32) -> Result<Self> {
        let program = Self::find(name, major).await?;
        if program.version.0 == major {
            return Ok(program);
        }
        let reason =
            format!("{} cannot read the files of PostgreSQL {major}; install postgresql-{major}", program.shown());
        Err(Error::Program { program: name, reason })
    }

    /// The command without arguments. It is killed when its child is dropped.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("PGCONNECT_TIMEOUT", "10").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs it and waits for its end; it is killed when the future is dropped. `tick` is called twice a second. The error
    /// holds the program's first error, without values of rows.
    pub(crate) async fn run(&self, arguments: &[OsString], at: &Address, tick: impl FnMut()) -> Result<()> {
        self.run_with(arguments, at, Stdio::null(), Stdio::null(), tick).await
    }

    /// As [`run`](Self::run), with an input and an output.
    pub(super) async fn run_with(
        &self,
        arguments: &[OsString],
        at: &Address,
        input: Stdio,
        output: Stdio,
        tick: impl FnMut(),
    ) -> Result<()> {
        let mut command = self.command();
        command.args(arguments).envs(at.variables()).stdin(input).stdout(output);
        self.ended(command, tick).await
    }

    /// As [`run`](Self::run), for a program that connects to no server.
    pub(crate) async fn run_here(&self, arguments: &[OsString]) -> Result<()> {
        let mut command = self.command();
        command.args(arguments);
        self.complete(command, || ()).await
    }

    /// Runs a command of this program and waits for its end. Its output is not read.
    pub(crate) async fn complete(&self, mut command: Command, tick: impl FnMut()) -> Result<()> {
        command.stdout(Stdio::null());
        self.ended(command, tick).await
    }

    async fn ended(&self, mut command: Command, mut tick: impl FnMut()) -> Result<()> {
        let failed = |reason: String| Error::Program { program: self.name, reason };
        command.stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| failed(format!("it cannot be started: {error}")))?;
        // It holds this process's ends of the program's pipes: their other ends would see no end.
        drop(command);
        let ended = child.wait_with_output();
        tokio::pin!(ended);
        let output = loop {
            tokio::select! {
                biased;
                output = &mut ended => break output,
                () = tokio::time::sleep(TICK) => tick(),
            }
        };
        let output = output.map_err(|error| failed(format!("it cannot be waited for: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = first_error(&String::from_utf8_lossy(&output.stderr));
        Err(failed(said.unwrap_or_else(|| format!("it ended with {}", output.status))))
    }
}

/// A pipe to or from a program.
pub(super) fn pipe() -> Result<(PipeReader, PipeWriter)> {
    std::io::pipe().map_err(|source| Error::File { doing: "making a pipe".to_owned(), source })
}

/// Packages put the programs where not every path leads.
fn folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for (parent, below) in VERSIONED {
        let entries = Path::new(parent).read_dir().into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path().join(below)));
    }
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    folders
}

/// Major and minor version, from `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
async fn version(path: &Path) -> Option<(u32, u32)> {
    parse_version(answer_of(Command::new(path).arg("--version"), ANSWER).await?.split_once("(PostgreSQL)")?.1)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().split(|letter: char| !letter.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// The first error that a program printed, with the server's message. Lines of details are left out, as they may hold
/// values of rows.
pub(crate) fn first_error(stderr: &str) -> Option<String> {
    let after = |line: &str, word: &str| line.split_once(word).map(|(_, text)| text.trim().to_owned());
    let error = stderr.lines().find_map(|line| after(line, ": error: "))?;
    let server = stderr.lines().find_map(|line| after(line, ": detail: "));
    let error = match error.split_once(": ERROR:") {
        // The message may quote a value that the column does not take.
        Some((copy, _)) if copy.starts_with("COPY failed") => copy.to_owned(),
        _ => error,
    };
    Some(server.map_or(error.clone(), |server| format!("{error} {server}")))
}

#[cfg(test)]
mod tests {
    use super::{Program, first_error, parse_version};
    use crate::error::Error;

    #[tokio::test]
    async fn a_server_that_is_newer_than_every_program_is_refused() {
        let Err(Error::BackupRefused { reason }) = Program::find("pg_dump", 999).await else { panic!("it was found") };
        assert!(reason.contains("is older than the server, which is PostgreSQL 999"), "{reason}");
        let missing = Program::find("pg_no_such_program", 15).await;
        assert!(matches!(missing, Err(Error::Program { .. })), "{missing:?}");
    }

    #[test]
    fn versions_of_releases_and_betas_are_read() {
        assert_eq!(parse_version(" 15.18 (Debian 15.18-0+deb12u1)\n"), Some((15, 18)));
        assert_eq!(parse_version(" 18beta1\n"), Some((18, 0)));
        assert_eq!(parse_version(" devel\n"), None);
    }

    #[test]
    fn an_error_names_the_table_and_no_value_of_a_row() {
        for said in [
            "pg_restore: error: COPY failed for table \"User\": ERROR:  invalid input syntax for type integer: \"canary\"\nCONTEXT:  COPY User, line 1: \"canary\"",
            "pg_restore: while PROCESSING TOC:\npg_restore: error: could not execute query: ERROR:  insert or update on table \"User\" violates foreign key constraint \"fk\"\nDETAIL:  Key (id)=(canary) is not present.",
        ] {
            let error = first_error(said).unwrap();
            assert!(error.contains("\"User\"") && !error.contains("canary"), "{error}");
        }
        assert_eq!(first_error("pg_dump: warning: odd"), None);
    }
}
