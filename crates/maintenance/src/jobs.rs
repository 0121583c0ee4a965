//! The jobs that need nothing but the store, as the scheduler runs them.

mod sessions;
mod usage;

pub use sessions::RemoveExpired;
pub use usage::CloseUsage;
