//! The operating-system user for a private server: PostgreSQL refuses to run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::error::{Error, Result};

/// The longest wait for a program that only prints an id.
const ANSWER: Duration = Duration::from_secs(10);

/// A user of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct OsUser {
    uid: u32,
    gid: u32,
}

impl OsUser {
    /// The user for a private server; `None` where this process is not root and the server runs as its user. As root it is
    /// `postgres`, else `nobody`. `folder` is one that this process made.
    pub(super) async fn for_server(folder: &Path) -> Result<Option<Self>> {
        let ours = fs::metadata(folder).map_err(Error::file("reading", folder))?.uid();
        if ours != 0 {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id("-u", name).await, id("-g", name).await) {
                return Ok(Some(Self { uid, gid }));
            }
        }
        let reason =
            "PostgreSQL does not run as root, and this machine has no user `postgres`; run this as another user";
        Err(Error::PitrRefused { reason: reason.to_owned() })
    }

    /// Makes a command run as this user.
    pub(super) fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a folder and everything in it to this user.
    pub(super) fn own(self, path: &Path) -> Result<()> {
        let failed = Error::file("changing the owner of", path);
        lchown(path, Some(self.uid), Some(self.gid)).map_err(&failed)?;
        if path.is_symlink() || !path.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(path).map_err(&failed)? {
            self.own(&entry.map_err(&failed)?.path())?;
        }
        Ok(())
    }

    /// Whether this user may enter a folder by its path.
    pub(super) fn may_enter(self, folder: &Path) -> bool {
        folder.ancestors().filter(|path| !path.as_os_str().is_empty()).all(|path| {
            fs::metadata(path).is_ok_and(|found| {
                let mode = found.permissions().mode();
                mode & 0o001 != 0 || (found.uid() == self.uid && mode & 0o100 != 0)
            })
        })
    }
}

async fn id(option: &str, user: &str) -> Option<u32> {
    let mut command = Command::new("id");
    command.args([option, user]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ANSWER, command.output()).await.ok()?.ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
