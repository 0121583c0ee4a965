//! Operational tables: job runs, sizes, alerts, settings, expiry.

mod alerts;
mod expiry;
#[cfg_attr(feature = "mock", expect(clippy::ref_option_ref, reason = "mockall's additions compare references"))]
mod job_runs;
mod protection;
mod settings;
mod size_history;

pub use alerts::{Alert, AlertEvent, AlertRepository, Delivery};
pub use expiry::{ExpiryRepository, Kept};
pub use job_runs::{JobRun, JobRunRepository, Lease, RunStatus};
pub use settings::{SettingsChanges, SettingsRepository};
pub use size_history::{KeptSize, PastSize, SizeHistory};

#[cfg(feature = "mock")]
pub use {
    alerts::MockAlertRepository, expiry::MockExpiryRepository, job_runs::MockJobRunRepository,
    settings::MockSettingsRepository, size_history::MockSizeHistory,
};
