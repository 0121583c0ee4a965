//! One private PostgreSQL server: a process of ours, in a folder of its own.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::process::{free_port, last_lines, own_folder, run_by_script};
use super::random::random_hex;
use super::server_url::ServerUrl;
use crate::{Error, Result};

/// Starts the server and ends it with us; see there.
const SCRIPT: &str = include_str!("server.sh");

/// A busy machine with two cores needs some seconds; far beyond that, something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a port may be taken by somebody else between our finding it and the server's binding it.
const ATTEMPTS: usize = 3;

/// A running server. Dropping the value stops it.
#[derive(Debug)]
pub(super) struct Server {
    script: Child,
    url: ServerUrl,
    // After `script`: the folder goes when the server is gone.
    folder: TempDir,
}

impl Server {
    pub(super) async fn start(programs: &Path) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_start(programs).await {
                Err(Error::NotStarted { log, .. }) if attempt < ATTEMPTS && log.contains("could not bind") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_start(programs: &Path) -> Result<Self> {
        let (password, port) = (random_hex(), free_port()?);
        let (folder, user) = own_folder("password", &password)?;
        let port_text = port.to_string();
        let arguments: [&OsStr; 3] = [programs.as_ref(), folder.path().as_ref(), port_text.as_ref()];
        let script = run_by_script(SCRIPT, &arguments, folder.path(), user.as_ref())?;
        let url = ServerUrl::local(&password, port, &folder.path().to_string_lossy());
        let mut server = Self { script, url, folder };
        server.wait_until_ready().await?;
        Ok(server)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        let url = self.url.database("postgres");
        loop {
            let refusal = match PgConnection::connect(&url).await {
                Ok(connection) => {
                    // It answered: how it takes the goodbye does not matter.
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(refusal) => refusal,
            };
            let gone = self.script.try_wait().map_err(Error::io("watching the private PostgreSQL server"))?;
            if gone.is_some() || begun.elapsed() > PATIENCE {
                return Err(Error::NotStarted { refusal, log: last_lines(&self.folder.path().join("log")) });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // A few milliseconds: the server is told to stop at once. Should waiting fail, the script still does its work.
        let _ = self.script.wait();
    }
}
