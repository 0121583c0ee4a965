//! The jobs as the scheduler runs them, one per file.

mod analyze;
mod audit;
mod books;
mod integrity;
mod purge;
mod reencrypt;
mod reindex;
mod sessions;
mod size;
mod usage;
mod usage_events;
mod vacuum;

pub use analyze::Analyze;
pub use audit::SealAudit;
pub use books::TidyBooks;
pub use integrity::CheckIntegrity;
pub use purge::PurgeDeleted;
pub use reencrypt::Reencrypt;
pub use reindex::Reindex;
pub use sessions::RemoveExpired;
pub use size::CaptureSize;
pub use usage::CloseUsage;
pub use usage_events::RemoveUsageEvents;
pub use vacuum::Vacuum;
