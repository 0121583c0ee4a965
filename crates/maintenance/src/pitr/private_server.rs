//! A server on a restored data directory. It is reached by a socket in a private folder only, and sends nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;
use tokio::process::Child;

use super::base_manifest::BaseManifest;
use crate::backup::address::encoded;
use crate::backup::program::Program;
use crate::error::{Error, Result};
use crate::files::temporary_folder;
use crate::os_user::OsUser;

/// The name of the socket; its folder is private.
const PORT: u16 = 5432;

/// The longest wait for one attempt to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// How often the server is looked at while it replays.
const LOOK: Duration = Duration::from_millis(100);

/// How long a fast shutdown may take before the server is killed.
const STOP_SECONDS: &str = "600";

/// Settings that keep the server from everything outside: connections, archives, publishers, libraries, commands.
const APART: [&str; 29] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "ssl=off",
    "archive_mode=off",
    "archive_command=",
    "archive_library=",
    "archive_cleanup_command=",
    "recovery_end_command=",
    "primary_conninfo=",
    "primary_slot_name=",
    "synchronous_standby_names=",
    "max_logical_replication_workers=0",
    "shared_preload_libraries=",
    "session_preload_libraries=",
    "local_preload_libraries=",
    "logging_collector=off",
    "log_destination=stderr",
    "log_line_prefix=",
    "log_min_messages=warning",
    "lc_messages=C",
    "log_timezone=UTC",
    "timezone=UTC",
    "shared_buffers=128MB",
    "huge_pages=off",
    "autovacuum=off",
    "jit=off",
    "hot_standby=off",
    "wal_level=replica",
    "max_connections=50",
];

/// A running private server. Dropping it kills it.
pub struct PrivateServer {
    child: Child,
    /// Configuration and socket.
    folder: TempDir,
    data: PathBuf,
    superuser: String,
    database: String,
    programs: Programs,
    user: Option<OsUser>,
}

/// The programs of the server's version.
pub(super) struct Programs {
    postgres: Program,
    pg_ctl: Program,
}

impl Programs {
    pub(super) async fn of(major: u32) -> Result<Self> {
        Ok(Self {
            postgres: Program::of_server("postgres", major).await?,
            pg_ctl: Program::of_server("pg_ctl", major).await?,
        })
    }
}

impl PrivateServer {
    /// Starts a server on a data directory and returns when it takes connections, so after it has replayed the WAL.
    /// `settings` come on top of those that keep it apart. [`Error::TargetNotReached`] with the server's reason if it
    /// ends instead.
    pub(super) async fn start(
        data: &Path,
        base: &BaseManifest,
        programs: Programs,
        user: Option<OsUser>,
        settings: &[String],
        within: Duration,
    ) -> Result<Self> {
        let folder = configuration()?;
        if let Some(user) = user {
            user.own(folder.path())?;
        }
        let log = fs::File::create(folder.path().join("log")).map_err(Error::file("writing in", folder.path()))?;
        let mut command = programs.postgres.command();
        command.arg("-D").arg(data).current_dir(data).process_group(0);
        command.env_remove("PGDATA");
        for (name, file) in [
            ("config_file", "conf"),
            ("hba_file", "hba"),
            ("ident_file", "ident"),
            ("external_pid_file", "pid"),
            ("unix_socket_directories", ""),
        ] {
            command.arg("-c").arg(format!("{name}={}", folder.path().join(file).display()));
        }
        let prepared = format!("max_prepared_transactions={}", base.max_prepared_transactions);
        let port = format!("port={PORT}");
        let all = APART.iter().copied().chain([prepared.as_str(), port.as_str()]);
        for setting in all.chain(settings.iter().map(String::as_str)) {
            command.arg("-c").arg(setting);
        }
        command.stdout(Stdio::null()).stderr(Stdio::from(log));
        if let Some(user) = user {
            user.run(command.as_std_mut());
        }
        let failed = |error| Error::Program { program: "postgres", reason: format!("it cannot be started: {error}") };
        let child = command.spawn().map_err(failed)?;
        let (superuser, database) = (base.superuser.clone(), base.database.clone());
        let mut server = Self { child, folder, data: data.to_owned(), superuser, database, programs, user };
        server.wait(within).await?;
        Ok(server)
    }

    async fn wait(&mut self, within: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            if let Ok(Ok(connection)) = tokio::time::timeout(CONNECT, self.options().connect()).await {
                // It answered: how it takes the goodbye does not matter.
                let _ = connection.close().await;
                return Ok(());
            }
            let ended = self.child.try_wait().map_err(Error::file("waiting for a server on", &self.data))?;
            if ended.is_some() {
                return Err(Error::TargetNotReached { reason: self.reason() });
            }
            if begun.elapsed() > within {
                let reason = format!("the replay took longer than {} s", within.as_secs());
                return Err(Error::TargetNotReached { reason });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host(&self.folder.path().to_string_lossy()).port(PORT);
        options.username(&self.superuser).database(&self.database).disable_statement_logging()
    }

    /// Why the server ended: its last error, and before it what it found wrong with the WAL.
    fn reason(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        reason_in(&log)
    }

    /// A connection as superuser to the configured database.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        self.options().connect().await.map_err(Error::engine("connecting to the restored server"))
    }

    /// The URL of the configured database, as superuser.
    #[must_use]
    pub fn url(&self) -> String {
        let folder = encoded(&self.folder.path().to_string_lossy());
        let (user, database) = (encoded(&self.superuser), encoded(&self.database));
        format!("postgres://{user}@localhost:{PORT}/{database}?host={folder}")
    }

    /// Ends the server in order. Everything is in its files when this returns.
    pub async fn stop(mut self) -> Result<()> {
        let program = &self.programs.pg_ctl;
        let mut command = program.command();
        command.args(["stop", "--mode=fast", "--wait", "--timeout", STOP_SECONDS, "-D"]).arg(&self.data);
        command.current_dir(self.folder.path());
        if let Some(user) = self.user {
            user.run(command.as_std_mut());
        }
        program.complete(command, || ()).await?;
        let ended = self.child.wait().await;
        ended.map(drop).map_err(Error::file("waiting for a server on", &self.data))
    }

    /// Leaves the server running after this process, and returns its URL.
    #[must_use]
    pub fn leave(self) -> String {
        let url = self.url();
        // The socket stays, and nothing waits for the child: dropping it would kill the server.
        let _ = self.folder.keep();
        std::mem::forget(self.child);
        url
    }
}

/// A private folder with an empty configuration, which lets every local login of the folder's owner in.
fn configuration() -> Result<TempDir> {
    // The path of a socket is limited to about a hundred bytes.
    let temporary = std::env::temp_dir();
    let parent = if temporary.as_os_str().len() <= 60 { temporary.as_path() } else { Path::new("/tmp") };
    let folder = temporary_folder("rylie-pitr-", parent)?;
    let failed = Error::file("writing in", folder.path());
    for (name, text) in [("conf", ""), ("hba", "local all all trust\n"), ("ident", "")] {
        fs::write(folder.path().join(name), text).map_err(&failed)?;
    }
    Ok(folder)
}

/// The last error of a server's log, and the last complaint about the WAL that it replayed.
fn reason_in(log: &str) -> String {
    const WORDS: [&str; 8] = [
        "invalid ",
        "incorrect ",
        "unexpected ",
        "out-of-sequence",
        "could not ",
        "contrecord",
        "not from this database system",
        "WAL file is from different",
    ];
    let message = |line: &'_ str, kind: &str| line.split_once(kind).map(|(_, text)| text.trim().to_owned());
    let fatal = log.lines().rev().find_map(|line| message(line, "FATAL: ").or_else(|| message(line, "PANIC: ")));
    let mut complaints = log.lines().filter_map(|line| message(line, "LOG: "));
    let complaint = complaints.rfind(|text| WORDS.iter().any(|word| text.contains(word)));
    match (fatal, complaint) {
        (Some(fatal), Some(complaint)) => format!("{fatal} ({complaint})"),
        (Some(reason), None) | (None, Some(reason)) => reason,
        (None, None) => "the server ended without an error".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::reason_in;

    #[test]
    fn the_reason_is_the_last_error_with_the_complaint_about_the_log() {
        let log = "LOG:  redo starts at 0/2000028\nLOG:  invalid magic number 0000 in log segment 000000010000000000000004, offset 0\n\
                   FATAL:  recovery ended before configured recovery target was reached\nLOG:  startup process (PID 1) exited\n";
        let reason = reason_in(log);
        assert!(
            reason.starts_with("recovery ended before configured recovery target was reached (invalid magic"),
            "{reason}"
        );
        assert_eq!(reason_in(""), "the server ended without an error");
    }
}
