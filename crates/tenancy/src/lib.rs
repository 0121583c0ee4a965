#![doc = include_str!("../README.md")]

mod bulk;
mod cursor;
mod error;
mod filter;
mod grant;
mod keyset;
mod known_sessions;
mod limits;
mod opener;
mod own;
mod page;
mod page_item;
mod progress;
mod public_error;
mod scope;
mod soft_deleted;
mod stream;

pub use bulk::{Bulk, BulkOutcome, Change, change_many};
pub use cursor::{Cursor, CursorKeys, derived_keys};
pub use error::{Error, Result};
pub use filter::{Rows, SavedRow, Savepoint, Shared, Tx, Unfiltered};
pub use grant::Grant;
pub use keyset::{KeysetPage, KeysetRequest};
pub use known_sessions::Confirmed;
pub use limits::{MAX_JSON_BYTES, MAX_TEXT_BYTES, json_fits};
pub use opener::Opener;
pub use own::Table;
pub use page::{Page, PageRequest};
pub use page_item::PageItem;
pub use progress::Progress;
pub use scope::{Reach, SignedInUser, TenantScope};
pub use stream::{RowStream, stream_of};

// The parts of `rylie-connection` that other layers need; none of them sends a statement.
pub use rylie_connection::{
    CallSite, Error as ConnectionError, Fault, Holder, LogPosition, Pool, PoolOptions, ReplicaStatus, Replicas, Retry,
    Retryable, Server, StatementLoop, StoredMarker, TenantUnits, UnitOptions, WritingFunction, retry,
};
