//! How the rows of a table are decoded, found by key, sorted and soft-deleted. `#[derive(TenantOwned)]` implements all
//! of it, for the platform's entities and for a service's own ones.

mod decoded;
mod keyed;
mod keyset;
mod own;

pub use decoded::{Decoded, nullable};
pub use keyed::{Keyed, SoftDelete, SoftDeleted};
pub use keyset::{KeysetKey, KeysetRow, KeysetTable, beyond};
pub use own::{Labels, NoLabels, OwnColumns, OwnTable, Readable, RepositoryTable, TypedColumn};
