//! A private PostgreSQL server for one drill: a socket in a folder, no archive, and nothing left afterwards.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::private_folder::PrivateFolder;
use super::program::{FOREIGN, Program};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::os_user::OsUser;

const SCRIPT: &str = include_str!("private_server.sh");

/// The longest wait for a server to start, on a slow disk.
const START: Duration = Duration::from_mins(2);
/// The longest wait for it to end: it ends without a checkpoint.
const STOP: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// The programs of a server.
pub(super) struct ServerPrograms {
    initdb: PathBuf,
    postgres: PathBuf,
}

/// A running server. It ends when the value is dropped, or when this process ends in any way.
pub(super) struct PrivateServer {
    script: Child,
    folder: PrivateFolder,
}

impl ServerPrograms {
    /// The installed programs of this major version; `None` if there are none.
    pub(super) async fn find(major: u32) -> Option<Self> {
        let initdb = Program::find("initdb", major).await.ok()?;
        let postgres = initdb.path().parent()?.join("postgres");
        let fits = initdb.version.0 == major && postgres.is_file();
        fits.then(|| Self { initdb: initdb.path().to_owned(), postgres })
    }
}

impl PrivateServer {
    /// Starts a server. [`Error::ScratchLacks`] if it does not start.
    pub(super) async fn start(programs: &ServerPrograms) -> Result<Self> {
        let folder = PrivateFolder::temporary()?;
        let failed = Error::file("starting a private server in", folder.path());
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(&programs.initdb).arg(&programs.postgres).arg(folder.path());
        // Its user may have no access to our folder. Ctrl-C must not reach it: the script cleans up.
        command.current_dir(folder.path()).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).env("LC_ALL", "C");
        for name in FOREIGN.into_iter().chain(["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE"]) {
            command.env_remove(name);
        }
        let reason =
            "a private server does not run as root, and there is no user postgres; name a server with --scratch";
        let missing = || Error::ScratchLacks { reason: reason.to_owned() };
        if let Some(user) = OsUser::for_server(folder.path(), missing).await? {
            user.own(folder.path())?;
            user.run(&mut command);
        }
        let script = command.spawn().map_err(&failed)?;
        let mut server = Self { script, folder };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// The URL of one of its databases.
    pub(super) fn url(&self, database: &str) -> Result<String> {
        let folder = self.folder.text()?;
        Ok(format!("postgres://postgres@localhost:5432/{database}?host={folder}"))
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let engine = Engine::new(&self.url("postgres")?)?;
        let begun = Instant::now();
        loop {
            if engine.connect().await.is_ok() {
                return Ok(());
            }
            let ended = self.script.try_wait().ok().flatten().is_some();
            if ended || begun.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it did not answer").to_owned();
                let reason = format!("no private server could be started: {last}; name a server with --scratch");
                return Err(Error::ScratchLacks { reason });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends it and removes its folder.
    pub(super) async fn stop(mut self) {
        drop(self.script.stdin.take());
        let begun = Instant::now();
        while matches!(self.script.try_wait(), Ok(None)) && begun.elapsed() < STOP {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // The script stops the server then, and removes the folder. It is waited for, as its folder goes with this
        // value.
        drop(self.script.stdin.take());
        let begun = Instant::now();
        while matches!(self.script.try_wait(), Ok(None)) && begun.elapsed() < STOP {
            std::thread::sleep(PAUSE);
        }
    }
}
