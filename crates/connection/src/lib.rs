#![doc = include_str!("../README.md")]

mod bounds;
mod cache;
mod endpoint;
mod error;
mod holders;
mod log_position;
mod measures;
mod opening;
mod pool;
mod pool_options;
mod prepared;
mod probe;
mod replicas;
mod retry;
mod server;
mod transaction;
mod unit_costs;
mod unit_options;

pub use error::{Error, Fault, Result};
pub use holders::{CallSite, Holder};
pub use log_position::LogPosition;
pub use opening::{
    auditing, begin, begin_deferred, begin_next, begin_on_replica, holds_sessions, meter, read_in_text,
    read_single_statement, reads_single_statement, signs_in_by_single_statement, write_single_statement,
    writes_by_single_statement,
};
pub use pool::{Auditing, DbRole, HeldSession, Pool, SingleStatement, StoredMarker, WritingFunction};
pub use pool_options::PoolOptions;
pub use replicas::{ReplicaStatus, Replicas};
pub use retry::{Retry, Retryable, retry};
pub use server::Server;
pub use transaction::{Transaction, refuse_unstorable};
pub use unit_costs::{StatementLoop, TenantUnits, UnitMeter};
pub use unit_options::UnitOptions;
