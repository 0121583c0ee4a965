//! The folder in which a cluster is restored. It is removed however this process ends.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::error::{Error, Result};
use crate::files::temporary_folder;
use crate::os_user::OsUser;

/// How its name begins.
const PREFIX: &str = ".rylie-restore-";

/// Waits until this process has ended, then ends the programs on the folder and removes it.
const WATCHDOG: &str = include_str!("watchdog.sh");

/// A private folder beside the result, so that the result can be renamed.
pub(super) struct WorkFolder {
    folder: TempDir,
    /// Holds the other end of the watchdog's standard input.
    _watchdog: Child,
}

impl WorkFolder {
    /// Makes one. As root it is one that the server's user may enter, who is returned.
    pub(super) async fn new(parent: &Path) -> Result<(Self, Option<OsUser>)> {
        let parent = &std::path::absolute(parent).map_err(Error::file("finding", parent))?;
        let folder = temporary_folder(PREFIX, parent)?;
        let reason =
            "PostgreSQL does not run as root, and this machine has no user `postgres`; run this as another user";
        let missing = || Error::PitrRefused { reason: reason.to_owned() };
        let user = OsUser::for_server(folder.path(), missing).await?;
        let Some(user) = user else { return Ok((Self::watched(folder)?, None)) };
        let folder = if user.may_enter(parent) { folder } else { temporary_folder(PREFIX, &std::env::temp_dir())? };
        Ok((Self::watched(folder)?, Some(user)))
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes it.
    pub(super) fn close(self) -> Result<()> {
        let path = self.folder.path().to_owned();
        self.folder.close().map_err(Error::file("removing", &path))
    }

    fn watched(folder: TempDir) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHDOG, "sh"]).arg(folder.path()).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A signal to the group of this process must not end it.
        command.process_group(0);
        let failed = Error::file("starting the watchdog of", folder.path());
        Ok(Self { _watchdog: command.spawn().map_err(failed)?, folder })
    }
}
