//! A SQLite file of a test's own.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Error, Result};

/// An empty SQLite database in a folder of its own. Dropping the value deletes the folder, and so the file and
/// whatever SQLite keeps beside it.
#[derive(Debug)]
pub struct SqliteDatabase {
    path: PathBuf,
    _folder: TempDir,
}

impl SqliteDatabase {
    /// A database that does not exist yet: the first connection makes the file.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("rylie-")
            .tempdir()
            .map_err(Error::io("making a folder for a SQLite file"))?;
        Ok(Self { path: folder.path().join("rylie.db"), _folder: folder })
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.path.display())
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
