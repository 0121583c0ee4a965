//! One private PostgreSQL server: a child process with its folder.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use super::copy::copy_to_replica;
use super::process::{Script, User, free_port, own_folder, run_by_script};
use super::random::random_hex;
use super::server_url::ServerUrl;
use crate::{Error, Result};

/// Starts the server and stops it with this process; see the script.
const SCRIPT: &str = include_str!("server.sh");

/// A busy machine with two cores needs some seconds. A much longer start is an error.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often another process may take a port between our search and the server's bind.
const ATTEMPTS: usize = 3;

/// A running server. Dropping the value stops it.
#[derive(Debug)]
pub(super) struct Server {
    script: Script,
    url: ServerUrl,
    port: u16,
    user: Option<User>,
    // Declared after `script`, so the folder is deleted after the server ends.
    folder: TempDir,
}

/// The input for starting a server.
struct Setup<'a> {
    programs: &'a Path,
    folder: &'a Path,
    port: u16,
    user: Option<User>,
}

impl Server {
    pub(super) async fn start(programs: &Path) -> Result<Self> {
        Self::start_of(programs, None).await
    }

    /// Starts a streaming replica of this server.
    pub(super) async fn replica(&self, programs: &Path) -> Result<Self> {
        Self::start_of(programs, Some(self)).await
    }

    async fn start_of(programs: &Path, primary: Option<&Self>) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_start(programs, primary).await {
                Err(Error::NotStarted { log, .. }) if attempt < ATTEMPTS && log.contains("could not bind") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_start(programs: &Path, primary: Option<&Self>) -> Result<Self> {
        // A replica has the primary's passwords.
        let password = primary.map_or_else(random_hex, |primary| primary.url.login().1.to_owned());
        let port = free_port()?;
        let (folder, user) = own_folder("password", &password)?;
        if let Some(primary) = primary {
            copy_to_replica(&primary.url, &primary.data(), &folder.path().join("data"), user.as_ref()).await?;
        }
        let script = Setup { programs, folder: folder.path(), port, user }.run()?;
        let url = ServerUrl::local(&password, port, &folder.path().to_string_lossy());
        let mut server = Self { script, url, port, user, folder };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Ends the server by a signal, and returns when it is gone. Its folder remains.
    pub(super) fn end_by(&mut self, signal: &str) -> Result<()> {
        let doing = "ending a private server";
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).map_err(Error::io(doing))?;
        let process = file.lines().next().unwrap_or_default();
        // The server's child processes would survive for a moment, and still answer.
        let children = if signal == "-KILL" { children(process).map_err(Error::io(doing))? } else { Vec::new() };
        Command::new("kill").args([signal, process]).args(children).status().map_err(Error::io(doing))?;
        self.script.wait().map_err(Error::io(doing))
    }

    /// Starts the server again, in the same folder and on the same port.
    pub(super) async fn start_again(&mut self, programs: &Path) -> Result<()> {
        let mut attempt = 1;
        loop {
            let setup = Setup { programs, folder: self.folder.path(), port: self.port, user: self.user };
            self.script = setup.run()?;
            match self.wait_until_ready().await {
                // The former child processes end one by one when they notice that their parent is gone.
                Err(Error::NotStarted { .. }) if attempt < 50 => {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                done => return done,
            }
        }
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let doing = "watching the private PostgreSQL server";
        let options = PgConnectOptions::from_str(&self.url.database("postgres")).map_err(Error::sql(doing))?;
        self.script.wait_until_ready(&options, PATIENCE, doing, &self.folder.path().join("log")).await
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

fn children(process: &str) -> io::Result<Vec<String>> {
    let listed = Command::new("ps").args(["-A", "-o", "pid=", "-o", "ppid="]).output()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let pairs = listed.lines().filter_map(|line| line.trim().split_once(' '));
    Ok(pairs.filter(|(_, parent)| parent.trim() == process).map(|(child, _)| child.to_owned()).collect())
}

impl Setup<'_> {
    fn run(&self) -> Result<Script> {
        let port = self.port.to_string();
        let arguments: [&OsStr; 3] = [self.programs.as_ref(), self.folder.as_ref(), port.as_ref()];
        run_by_script(SCRIPT, &arguments, self.folder, self.user.as_ref())
    }
}
