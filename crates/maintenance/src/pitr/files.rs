//! Copying folders of files.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files::make_private;

/// Copies the content of a folder into a new one. A link is refused: a base has none.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let failed = Error::file("copying", from);
    make_private(to)?;
    for entry in fs::read_dir(from).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(&failed)?);
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy_folder(&path, &target)?;
        } else if kind.is_file() {
            fs::copy(&path, &target).map_err(Error::file("copying", &path))?;
        } else {
            let reason = format!("{} is no file; a base with links is not restored", path.display());
            return Err(Error::PitrRefused { reason });
        }
    }
    Ok(())
}

/// The bytes in the files of a folder.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
