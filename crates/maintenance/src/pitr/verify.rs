//! Checking a base by `pg_verifybackup`.

use std::ffi::OsString;
use std::path::Path;

use super::folder::{Base, PitrFolder};
use crate::backup::checksum::sha256;
use crate::backup::program::Program;
use crate::error::{Error, Result};

/// PostgreSQL's manifest of a base, which has the checksum of each file.
pub(super) const BACKUP_MANIFEST: &str = "backup_manifest";

/// Compares every file of a data directory with PostgreSQL's manifest of it, and parses the WAL that it needs.
pub(super) async fn verify_data(data: &Path, major: u32) -> Result<()> {
    let program = Program::of_server("pg_verifybackup", major).await?;
    let arguments: [OsString; 2] = ["--quiet".into(), data.into()];
    program.run_here(&arguments).await
}

impl Base {
    /// Reads every byte of the base. [`Error::BackupDamaged`] names the first file that differs.
    pub async fn verify(&self) -> Result<()> {
        let damaged = |reason: String| Error::BackupDamaged { id: self.manifest.id.clone(), reason };
        let manifest = self.data().join(BACKUP_MANIFEST);
        let text = std::fs::read(&manifest).map_err(|error| damaged(format!("{BACKUP_MANIFEST}: {error}")))?;
        if sha256(&text) != self.manifest.backup_manifest {
            return Err(damaged(format!("{BACKUP_MANIFEST} was changed")));
        }
        match verify_data(&self.data(), self.manifest.major()).await {
            Err(Error::Program { program: "pg_verifybackup", reason }) => Err(damaged(reason)),
            done => done,
        }
    }

    /// The base and those of which it holds the changes, the full one first.
    pub(super) fn lineage(&self, folder: &PitrFolder) -> Result<Vec<Self>> {
        let mut lineage = vec![self.clone()];
        while let Some(parent) = lineage.last().and_then(|base| base.manifest.parent.clone()) {
            if lineage.iter().any(|base| base.manifest.id == parent) {
                let reason = "it is a change of itself".to_owned();
                return Err(Error::BackupDamaged { id: parent, reason });
            }
            lineage.push(folder.base(&parent)?);
        }
        lineage.reverse();
        Ok(lineage)
    }
}
