//! One private PostgreSQL server: a process of ours, in a folder of its own.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::random::random_hex;
use super::server_url::ServerUrl;
use crate::{Error, Result};

/// Starts the server and ends it with us; see there.
const SCRIPT: &str = include_str!("server.sh");

/// A busy machine with two cores needs some seconds; far beyond that, something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a port may be taken by somebody else between our finding it and the server's binding it.
const ATTEMPTS: usize = 3;

/// Kilobytes that must be free in memory for a server to be put there; containers often have far less.
const ROOMY: u64 = 2 * 1024 * 1024;

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
        let (folder, user) = own_folder(&password)?;
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "server.sh"])
            .args([programs, folder.path()])
            .arg(port.to_string())
            // Ours may be closed to the user that runs the server.
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C, which the script must survive to clean up.
            .process_group(0);
        for name in ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGOPTIONS", "PGDATABASE"] {
            command.env_remove(name);
        }
        if let Some(User { uid, gid }) = user {
            command.uid(uid).gid(gid);
        }
        let script = command.spawn().map_err(Error::io("starting the private PostgreSQL server"))?;
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
                let log = self.log();
                return Err(Error::NotStarted { refusal, log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// The last lines of the log.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // A few milliseconds: the server is told to stop at once. Should waiting fail, the script still does its work.
        let _ = self.script.wait();
    }
}

struct User {
    uid: u32,
    gid: u32,
}

/// A folder that only the server's user may enter: whoever reaches the socket inside is let in without a password.
/// Beside it, the user, if it has to be another than ours.
fn own_folder(password: &str) -> Result<(TempDir, Option<User>)> {
    let doing = "making a folder for the private PostgreSQL server";
    let folder = make_folder().map_err(Error::io(doing))?;
    let password_file = folder.path().join("password");
    fs::write(&password_file, password)
        .and_then(|()| fs::set_permissions(folder.path(), Permissions::from_mode(0o700)))
        .map_err(Error::io(doing))?;
    if fs::metadata(folder.path()).map_err(Error::io(doing))?.uid() != 0 {
        return Ok((folder, None));
    }
    let user = unprivileged_user()?;
    for path in [folder.path(), &password_file] {
        chown(path, Some(user.uid), Some(user.gid)).map_err(Error::io(doing))?;
    }
    Ok((folder, Some(user)))
}

fn make_folder() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("rylie-").tempdir_in(parent_folder())
}

/// In memory where that is roomy: a database is three hundred small files, and making them on a disk took twenty
/// times as long. Otherwise in the folder for temporary files, if it leaves a socket's path below a hundred bytes.
fn parent_folder() -> PathBuf {
    let (memory, temporary) = (PathBuf::from("/dev/shm"), std::env::temp_dir());
    if free_kilobytes(&memory).is_some_and(|free| free >= ROOMY) {
        memory
    } else if temporary.as_os_str().len() <= 60 {
        temporary
    } else {
        PathBuf::from("/tmp")
    }
}

fn free_kilobytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Whom the server runs as when we are root.
fn unprivileged_user() -> Result<User> {
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some(User { uid: id("-u", name)?, gid: id("-g", name)? }))
        .ok_or(Error::NoUnprivilegedUser)
}

fn id(option: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([option, user]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::io("looking for a free port"))
}
