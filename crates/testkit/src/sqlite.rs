//! A SQLite file for one test.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Error, Result};

/// An empty SQLite database in a temporary folder. Dropping the value deletes the folder with the file and SQLite's
/// auxiliary files.
#[derive(Debug)]
pub struct SqliteDatabase {
    path: PathBuf,
    _folder: TempDir,
}

impl SqliteDatabase {
    /// Returns a database that does not exist yet. The first connection creates the file.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("rylie-")
            .tempdir()
            .map_err(Error::io("creating a folder for a SQLite file"))?;
        Ok(Self { path: folder.path().join("rylie.db"), _folder: folder })
    }

    /// Returns the URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.path.display())
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
