//! The file and those next to it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bytes::pretty_bytes;
use crate::doctor::report::{Limits, Outcome, Verdict};

fn next_to(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn wal_size(path: &Path, limits: &Limits) -> Outcome {
    let bytes = match fs::metadata(next_to(path, "-wal")) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Outcome::not_checked(format!("its size cannot be read: {error}")),
    };
    let detail = format!("the log has {}", pretty_bytes(i64::try_from(bytes).unwrap_or(i64::MAX)));
    #[expect(clippy::cast_precision_loss, reason = "a size, for a threshold")]
    let size = bytes as f64;
    if size >= limits.critical {
        Outcome::found(Verdict::Critical, "file -wal", detail)
    } else if size >= limits.warning {
        Outcome::found(Verdict::Warning, "file -wal", detail)
    } else {
        Outcome::ok(detail)
    }
}

fn mode(path: &Path) -> std::io::Result<u32> {
    Ok(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path)?.permissions()) & 0o777)
}

pub(super) fn rights(path: &Path) -> Outcome {
    let mut outcome = Outcome::ok("the file is for its owner only");
    for suffix in ["", "-wal", "-shm"] {
        // The other two get the rights of the file, and may be of this session only.
        if !outcome.evidence.is_empty() {
            break;
        }
        match mode(&next_to(path, suffix)) {
            Ok(mode) if mode & 0o077 != 0 => {
                let level = if mode & 0o022 != 0 { Verdict::Critical } else { Verdict::Warning };
                outcome = outcome.with(
                    level,
                    format!("file {suffix}").trim_end().to_owned(),
                    format!("has the rights {mode:04o}"),
                );
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !suffix.is_empty() => {}
            Err(error) => return Outcome::not_checked(format!("its rights cannot be read: {error}")),
        }
    }
    outcome
}

pub(super) fn folder_rights(path: &Path) -> Outcome {
    match mode(folder(path)) {
        Ok(mode) if mode & 0o022 != 0 => Outcome::found(
            Verdict::Warning,
            "folder",
            format!("has the rights {mode:04o}, so others may replace the file"),
        ),
        Ok(mode) => Outcome::ok(format!("only the owner may replace the file: {mode:04o}")),
        Err(error) => Outcome::not_checked(format!("its rights cannot be read: {error}")),
    }
}

pub(super) fn writable(path: &Path) -> Outcome {
    // Opening changes nothing.
    match fs::OpenOptions::new().append(true).open(path) {
        Ok(_) if fs::metadata(folder(path)).is_ok_and(|folder| folder.permissions().readonly()) => {
            Outcome::found(Verdict::Critical, "folder", "cannot be written, so no log can be created")
        }
        Ok(_) => Outcome::ok("the file can be written"),
        Err(error) => Outcome::found(Verdict::Critical, "file", format!("cannot be written: {error}")),
    }
}

/// Finds the mount of the file by the longest prefix.
pub(super) fn network(path: &Path) -> Outcome {
    let (Ok(mounts), Ok(path)) = (fs::read_to_string("/proc/self/mounts"), fs::canonicalize(path)) else {
        return Outcome::not_checked("the mounts of this machine cannot be read");
    };
    on_network(&mounts, &path)
}

fn on_network(mounts: &str, path: &Path) -> Outcome {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.replace("\\040", " "), words.next()?.to_owned()))
    });
    let mount = mounts.filter(|(place, _)| path.starts_with(place)).max_by_key(|(place, _)| place.len());
    match mount {
        Some((_, kind))
            if ["nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs"].contains(&kind.as_str()) =>
        {
            Outcome::found(Verdict::Critical, "file", format!("is on a file system of the kind {kind}"))
        }
        Some((_, kind)) => Outcome::ok(format!("the file system is {kind}")),
        None => Outcome::not_checked("the mount of the file is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_critical() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rylie.db");
        fs::write(&file, "x").unwrap();
        assert!(writable(&file).evidence.is_empty());
        // Neither a folder nor an absent file can be opened for writing, by any user.
        assert_eq!(writable(folder.path()).evidence[0].level, Verdict::Critical);
        assert_eq!(writable(&folder.path().join("absent")).evidence[0].level, Verdict::Critical);
    }

    #[test]
    fn a_file_on_a_network_file_system_is_found_by_its_longest_mount() {
        let mounts = "/dev/sda / ext4 rw 0 0\nhost:/x /srv/data nfs4 rw 0 0\n";
        assert!(on_network(mounts, Path::new("/srv/rylie.db")).evidence.is_empty());
        assert_eq!(on_network(mounts, Path::new("/srv/data/rylie.db")).evidence[0].level, Verdict::Critical);
        assert!(on_network("", Path::new("/srv/rylie.db")).reason.is_some());
    }
}
