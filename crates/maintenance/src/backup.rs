//! Backups, each proven by restoring it.
//!
//! A backup is a folder: the copy of the database, a manifest that states what the copy must contain, and after a drill a
//! signed recovery certificate. A drill restores the copy into a scratch database and compares it with the manifest.

pub(crate) mod address;
mod backup_folder;
mod certificate;
mod check;
pub(crate) mod checksum;
mod create;
mod erasures;
mod manifest;
pub(crate) mod program;
mod prune;
mod restore;
mod scratch;
pub(crate) mod survey;

pub use backup_folder::{Backup, BackupFolder, ListedBackup};
pub use certificate::RecoveryCertificate;
pub use check::{BackupCheck, CheckStatus};
pub use create::{CreateOptions, create_backup};
pub use erasures::{Erasure, RepeatedErasures, note_erasures, repeat_erasures};
pub use manifest::{BackupFile, Locale, Manifest};
pub use prune::{PruneRule, prune_backups};
pub use restore::restore_into;
pub use scratch::Scratch;
