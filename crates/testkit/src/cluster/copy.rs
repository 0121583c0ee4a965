//! Copies a running server to a replica by the server's own functions. This needs `initdb` and `postgres` only: not
//! every folder of programs has `pg_basebackup`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection};

use super::process::User;
use super::server_url::ServerUrl;
use crate::{Error, Result};

/// Files of the running server that must not be copied.
const NOT_COPIED: [&str; 3] = ["pg_wal", "postmaster.opts", "postmaster.pid"];

/// Makes `to` the folder of a replica that follows the server at `url`, whose folder is `from`.
pub(super) async fn copy_to_replica(url: &ServerUrl, from: &Path, to: &Path, user: Option<&User>) -> Result<()> {
    let failed = || Error::sql("copying a private server");
    // The copy is valid only if this session lives from its beginning to its end.
    let mut session = PgConnection::connect(&url.database("postgres")).await.map_err(failed())?;
    sqlx::query("SELECT pg_backup_start('replica', true)").execute(&mut session).await.map_err(failed())?;
    copy_files(from, to, user).map_err(Error::io("copying the files of a private server"))?;
    let stop = sqlx::query_scalar("SELECT labelfile FROM pg_backup_stop(false)");
    let label: String = stop.fetch_one(&mut session).await.map_err(failed())?;
    session.close().await.map_err(failed())?;
    // The replica streams the WAL from the start of the copy.
    let follow = format!("primary_conninfo = '{}'\n", url.conninfo());
    for (name, text) in [("backup_label", label), ("standby.signal", String::new()), ("postgresql.auto.conf", follow)] {
        let file = to.join(name);
        fs::write(&file, text)
            .and_then(|()| user.map_or(Ok(()), |user| chown(&file, Some(user.uid), Some(user.gid))))
            .map_err(Error::io("writing the configuration of a replica"))?;
    }
    Ok(())
}

fn copy_files(from: &Path, to: &Path, user: Option<&User>) -> std::io::Result<()> {
    for folder in [to.to_owned(), to.join("pg_wal")] {
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        user.map_or(Ok(()), |user| chown(&folder, Some(user.uid), Some(user.gid)))?;
    }
    let mut copy = Command::new("cp");
    copy.arg("-R").stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = user {
        copy.uid(user.uid).gid(user.gid);
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if NOT_COPIED.iter().all(|name| entry.file_name() != *name) {
            copy.arg(entry.path());
        }
    }
    // The replica does not need a file that disappears during the copy. A missing one shows when it starts.
    copy.arg(to).current_dir(to).status().map(|_| ())
}
