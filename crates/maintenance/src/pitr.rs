//! Point-in-time recovery of PostgreSQL, by its own programs or by pgBackRest.
//!
//! A folder holds base copies of a database cluster and the write-ahead log (WAL) since the oldest of them. `pg_receivewal`
//! streams the WAL there through a replication slot. A restore replays the WAL over a base up to a time.

mod base;
mod base_manifest;
mod commit_times;
mod files;
mod folder;
mod lsn;
mod noted_state;
mod pgbackrest;
mod private_server;
mod prune;
mod ready;
mod receive;
mod restore;
mod restored_directory;
mod server;
mod status;
mod target;
mod verify;
mod wal;
mod work_folder;

pub use base::{BaseOptions, make_base};
pub use base_manifest::BaseManifest;
pub use folder::{Base, ListedBase, PitrFolder, PitrManifest};
pub use lsn::Lsn;
pub use noted_state::{NotedState, note_state};
pub use pgbackrest::{PgBackRest, PgBackRestStatus, barman_version};
pub use private_server::PrivateServer;
pub use prune::Pruned;
pub use ready::{Arrival, Readiness, init_pitr, pitr_ready, wait_for_wal};
pub use receive::receive_wal;
pub use restore::{Replayed, RestoreOptions, Restored, replay_pitr, restore_pitr};
pub use status::{PitrStatus, WalFinding, pitr_status};
pub use target::{RestoreTarget, Window};
