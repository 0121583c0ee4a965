//! What the platform's jobs and its care of the database work on and write down.

mod alerts;
mod expiry;
#[cfg_attr(feature = "mock", expect(clippy::ref_option_ref, reason = "what mockall adds compares references"))]
mod job_runs;
mod protection;
mod settings;
mod size_history;

pub use alerts::*;
pub use expiry::*;
pub use job_runs::*;
pub use settings::*;
pub use size_history::*;
