//! The operating-system user for a private server: PostgreSQL refuses to run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::answer::answer_of;
use crate::error::{Error, Result};

/// The longest wait for a program that only prints an id.
const ANSWER: Duration = Duration::from_secs(10);

/// A user of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OsUser {
    uid: u32,
    gid: u32,
}

impl OsUser {
    /// The user for a private server; `None` where this process is not root and the server runs as its user. As root it is
    /// `postgres`, else `nobody`, else the error `missing`. `folder` is one that this process made.
    pub(crate) async fn for_server(folder: &Path, missing: impl FnOnce() -> Error) -> Result<Option<Self>> {
        let ours = fs::metadata(folder).map_err(Error::file("reading", folder))?.uid();
        if ours != 0 {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id("-u", name).await, id("-g", name).await) {
                return Ok(Some(Self { uid, gid }));
            }
        }
        Err(missing())
    }

    /// Makes a command run as this user.
    pub(crate) fn run(self, command: &mut std::process::Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a folder and everything in it to this user.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
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
    pub(crate) fn may_enter(self, folder: &Path) -> bool {
        folder.ancestors().filter(|path| !path.as_os_str().is_empty()).all(|path| {
            fs::metadata(path).is_ok_and(|found| {
                let mode = found.permissions().mode();
                mode & 0o001 != 0 || (found.uid() == self.uid && mode & 0o100 != 0)
            })
        })
    }
}

async fn id(option: &str, user: &str) -> Option<u32> {
    answer_of(Command::new("id").args([option, user]), ANSWER).await?.trim().parse().ok()
}
