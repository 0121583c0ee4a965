//! The place of backups: a folder, or a prefix in object storage.

#[cfg(feature = "object-storage")]
mod host_lock;
mod incomplete;
#[cfg(feature = "object-storage")]
mod objects;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::files;

pub(super) use incomplete::Incomplete;
#[cfg(feature = "object-storage")]
use objects::{ObjectBackup, Objects};

/// The file in a folder of backups that is locked while one is written or removed.
const LOCK: &str = ".lock";

/// The prefix of a place in object storage.
const OBJECTS: &str = "s3://";

/// A place of backups. Names of files are relative to it: `<id>/manifest.json`.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Folder(PathBuf),
    #[cfg(feature = "object-storage")]
    Objects(Objects),
}

impl Place {
    /// Reads a place from its text. [`Error::Invalid`] for any other address, and for object storage without the feature
    /// `object-storage`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = |reason| Error::invalid("the place of backups", reason);
        match text.strip_prefix(OBJECTS) {
            #[cfg(feature = "object-storage")]
            Some(place) => Ok(Self::Objects(Objects::new(place)?)),
            #[cfg(not(feature = "object-storage"))]
            Some(_) => Err(wrong("the feature `object-storage` is not built in")),
            None if text.is_empty() || text.contains("://") => Err(wrong("it must be a folder, or s3://bucket/prefix")),
            None => Ok(Self::Folder(text.into())),
        }
    }

    /// The address of a file, or with an empty name of the place.
    pub(super) fn address(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) if name.is_empty() => folder.display().to_string(),
            Self::Folder(folder) => folder.join(name).display().to_string(),
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => objects.address(name),
        }
    }

    /// The path of a file, if the place is a folder.
    #[cfg_attr(
        not(feature = "object-storage"),
        expect(clippy::unnecessary_wraps, reason = "an object of object storage has no path")
    )]
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.join(name)),
            #[cfg(feature = "object-storage")]
            Self::Objects(_) => None,
        }
    }

    /// The names of the backups, in no order. Empty where the folder does not exist. A backup that is being written has none.
    pub(super) async fn ids(&self) -> Result<Vec<String>> {
        match self {
            Self::Folder(folder) => files::names(folder, |name| !name.starts_with('.') && folder.join(name).is_dir()),
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => objects.ids().await,
        }
    }

    /// The size of each file of a backup that is there, by its name within the backup.
    pub(super) async fn sizes(&self, id: &str, names: &[&String]) -> Result<BTreeMap<String, u64>> {
        match self {
            Self::Folder(folder) => {
                let size = |name: &&String| Some(((*name).clone(), folder.join(id).join(name).metadata().ok()?.len()));
                Ok(names.iter().filter_map(size).collect())
            }
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => objects.sizes(id).await,
        }
    }

    /// Reads a small file; `None` if there is none.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(folder) => files::read(&folder.join(name)),
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => objects.read(name).await,
        }
    }

    /// Writes a small file over an older one. It is durable when this returns.
    pub(super) async fn write(&self, name: &str, text: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                files::make_private(folder)?;
                files::write_file(&folder.join(name), text)
            }
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => objects.write(name, text.as_bytes().to_vec()).await,
        }
    }

    /// Removes a file, if there is one.
    pub(super) async fn remove_file(&self, name: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => files::remove_file(&folder.join(name)),
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => objects.remove(name).await,
        }
    }

    /// Removes a backup: it is gone from every list first.
    pub(super) async fn remove_backup(&self, id: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => files::remove_entry(folder, &folder.join(LOCK), id),
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => objects.remove_backup(id).await,
        }
    }

    /// Reads a file of any size in constant memory. To be read on a thread that may block. Call it within a runtime.
    pub(super) fn reader(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let file = std::fs::File::open(&path).map_err(Error::file("reading", &path))?;
                Ok(Box::new(file))
            }
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => Ok(Box::new(objects.reader(name))),
        }
    }

    /// Begins a backup that no list shows. Removes what killed runs left.
    #[cfg_attr(not(feature = "object-storage"), expect(unused_variables, reason = "a folder makes its names itself"))]
    pub(super) async fn begin(&self, id: &str) -> Result<Incomplete> {
        match self {
            Self::Folder(folder) => {
                files::make_private(folder)?;
                Ok(Incomplete::Folder(files::begin_entry(folder, &folder.join(LOCK))?))
            }
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => Ok(Incomplete::Objects(ObjectBackup::begin(objects, id).await?)),
        }
    }
}
