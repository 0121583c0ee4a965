//! Common parts of a private server and a pooler: a folder, a user, and a script that stops them with this process.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::{Error, Result};

/// Kilobytes that must be free in memory to put a server there. Containers often have far less.
const ROOMY: u64 = 2 * 1024 * 1024;

/// Runs a script that stops its program when its standard input closes.
pub(super) fn run_by_script(script: &str, arguments: &[&OsStr], folder: &Path, user: Option<&User>) -> Result<Script> {
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .args(arguments)
        // The user of the program may have no access to our working directory.
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not reached by Ctrl-C: the script must survive it to clean up.
        .process_group(0);
    for name in ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGOPTIONS", "PGDATABASE"] {
        command.env_remove(name);
    }
    if let Some(User { uid, gid }) = user {
        command.uid(*uid).gid(*gid);
    }
    command.spawn().map(Script).map_err(Error::io("starting a private server"))
}

/// A script that runs a program. Dropping it stops the program.
#[derive(Debug)]
pub(super) struct Script(Child);

impl Script {
    /// Waits until the program accepts connections. Fails with the end of its log when it has exited or `patience` is
    /// over.
    pub(super) async fn wait_until_ready(
        &mut self,
        options: &PgConnectOptions,
        patience: Duration,
        doing: &'static str,
        log: &Path,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let refusal = match options.connect().await {
                Ok(connection) => {
                    // It answered; errors on closing do not matter.
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(refusal) => refusal,
            };
            let gone = self.0.try_wait().map_err(Error::io(doing))?;
            if gone.is_some() || begun.elapsed() > patience {
                return Err(Error::NotStarted { refusal, log: last_lines(log) });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the script of a stopped program ends.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        // `wait` would close standard input, and the script would then delete the folder.
        let _input = self.0.stdin.take();
        self.0.wait().map(drop)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Takes a few milliseconds: the program stops immediately. If waiting fails, the script still stops it.
        let _ = self.0.wait();
    }
}

/// Returns the last lines of a log.
fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The user for a program that refuses to run as root.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Creates a folder that only the program's user may enter, with one file in it. Access to the server's socket in it
/// needs no password. Also returns the user, if it must differ from ours.
pub(super) fn own_folder(file: &str, text: &str) -> Result<(TempDir, Option<User>)> {
    let doing = "creating a folder for a private server";
    let folder = make_folder().map_err(Error::io(doing))?;
    let file = folder.path().join(file);
    fs::write(&file, text)
        .and_then(|()| fs::set_permissions(folder.path(), Permissions::from_mode(0o700)))
        .map_err(Error::io(doing))?;
    if fs::metadata(folder.path()).map_err(Error::io(doing))?.uid() != 0 {
        return Ok((folder, None));
    }
    let user = unprivileged_user()?;
    for path in [folder.path(), &file] {
        chown(path, Some(user.uid), Some(user.gid)).map_err(Error::io(doing))?;
    }
    Ok((folder, Some(user)))
}

fn make_folder() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("rylie-").tempdir_in(parent_folder())
}

/// Returns the parent folder. It is in memory if there is enough space: a database is three hundred small files, and
/// creating them on a disk takes twenty times as long. Otherwise the temporary folder, if a socket's path in it stays
/// below a hundred bytes.
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

/// Returns the user for programs if this process is root.
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

pub(super) fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::io("looking for a free port"))
}
