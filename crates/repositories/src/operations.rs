//! Operational tables: job runs, sizes, alerts, settings, expiry.

mod alerts;
mod expiry;
#[cfg_attr(feature = "mock", expect(clippy::ref_option_ref, reason = "mockall's additions compare references"))]
mod job_runs;
mod protection;
mod settings;
mod size_history;

pub use alerts::*;
pub use expiry::*;
pub use job_runs::*;
pub use settings::*;
pub use size_history::*;
