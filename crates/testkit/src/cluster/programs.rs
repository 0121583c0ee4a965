//! Finds PostgreSQL's programs: in the folder that a variable names, or the newest installed ones.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Result};

/// The oldest major version that the workspace supports.
const OLDEST: u32 = 15;

/// Folders with one subfolder for each version, and the path below the subfolder.
const VERSIONED: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", "bin"), // Debian, Ubuntu
    ("/usr/libexec", ""),           // Alpine: /usr/libexec/postgresql17
    ("/usr", "bin"),                // Red Hat: /usr/pgsql-17/bin
    ("/opt/homebrew/opt", "bin"),   // Homebrew: postgresql@17
    ("/usr/local/opt", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "bin"),
];

/// Names the folder of the programs to use.
const FOLDER: &str = "RYLIE_TEST_POSTGRES";

/// Returns the folder of `initdb` and `postgres` that tests use.
pub(super) fn chosen() -> Result<PathBuf> {
    match env::var_os(FOLDER) {
        Some(folder) if !folder.is_empty() => named(folder.into()),
        _ => newest(),
    }
}

/// Checks the given folder. It never falls back to another one.
fn named(folder: PathBuf) -> Result<PathBuf> {
    match version(&folder).filter(|_| folder.join("initdb").is_file()) {
        Some(version) => supported(version, folder),
        None => Err(Error::PostgresNotThere { path: folder }),
    }
}

/// Returns the newest programs: in `PATH`, where `pg_config` points, or where packages install them.
fn newest() -> Result<PathBuf> {
    let (version, path) = candidates()
        .into_iter()
        .filter(|folder| folder.join("initdb").is_file())
        .filter_map(|folder| Some((version(&folder)?, folder)))
        .max()
        .ok_or(Error::PostgresMissing)?;
    supported(version, path).map(behind_links)
}

fn supported(version: (u32, u32), path: PathBuf) -> Result<PathBuf> {
    if version.0 < OLDEST {
        return Err(Error::PostgresTooOld { path, found: version.0, required: OLDEST });
    }
    Ok(path)
}

/// Resolves links: a folder of links may lack some programs, their target has all.
fn behind_links(folder: PathBuf) -> PathBuf {
    let target = folder.join("postgres").canonicalize().ok();
    let all = target.and_then(|program| program.parent().map(Path::to_owned));
    all.filter(|all| all.join("initdb").is_file()).unwrap_or(folder)
}

fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    folders.extend(said_by_pg_config());
    for (parent, below) in VERSIONED {
        let entries = Path::new(parent).read_dir().into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path().join(below)));
    }
    folders
}

fn said_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// Parses major and minor version from `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(folder: &Path) -> Option<(u32, u32)> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    parse_version(text.split_once("(PostgreSQL)")?.1)
}

/// Parses `17.2`, and also `18beta1`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().split(|letter: char| !letter.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::{named, parse_version};
    use crate::Error;

    #[test]
    fn a_folder_without_the_programs_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();

        let refused = named(folder.path().to_owned());

        assert!(matches!(refused, Err(Error::PostgresNotThere { path }) if path == folder.path()));
    }

    #[test]
    fn versions_of_releases_and_betas_are_read() {
        assert_eq!(parse_version(" 15.18 (Debian 15.18-0+deb12u1)\n"), Some((15, 18)));
        assert_eq!(parse_version(" 18beta1\n"), Some((18, 0)));
        assert_eq!(parse_version(" devel\n"), None);
    }
}
