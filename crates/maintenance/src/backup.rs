//! Backups, each proven by restoring it.
//!
//! A backup is a folder, or a prefix in object storage: the copy of the database, a manifest that states what the copy must contain, and after a drill a
//! signed recovery certificate. A drill restores the copy into a scratch database and compares it with the manifest.

pub(crate) mod address;
mod attacks;
mod backup_folder;
mod certificate;
mod check;
pub(crate) mod checksum;
mod closed_database;
mod create;
mod encryption;
mod erasures;
mod manifest;
mod new_database;
mod open;
mod place;
mod private_folder;
mod private_server;
pub(crate) mod program;
mod prune;
mod replacement;
mod restore;
mod scratch;
mod stream;
pub(crate) mod survey;

pub use backup_folder::{Backup, BackupFolder, ListedBackup};
pub use certificate::RecoveryCertificate;
pub use check::{BackupCheck, CheckStatus};
pub use closed_database::ClosedDatabase;
pub use create::{CreateOptions, create_backup};
pub use encryption::{EncryptTo, Unlock};
pub use erasures::{Erasure, RepeatedErasures, note_erasures, repeat_erasures};
pub use manifest::{BackupEncryption, BackupFile, Locale, Manifest};
pub use open::OpenBackup;
pub use prune::{PruneRule, prune_backups};
pub use replacement::Replacement;
pub use restore::restore_into;
pub use scratch::Scratch;
