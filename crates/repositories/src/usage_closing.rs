//! Closing months of usage: archive and reset together, each user's own billing period.

use async_trait::async_trait;
use rylie_audit::{Action, Event};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::Result;
use crate::audit::AuditRepository;
use crate::fence::Tx;

/// Closing the billing periods that have ended.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait UsageClosing: Send + Sync {
    /// Closes the period of at most `batch` users whose period has ended by now: archives their counters under the
    /// month in which the period began, sets them to zero and begins the next period where the last one ended.
    ///
    /// One statement on PostgreSQL and two on SQLite, however many users. It can be called again and by several
    /// processes at once: a period is closed once, and rows that another process holds are left to it. A second
    /// close of the same month adds to the archived row. A period that ended months ago takes as many
    /// calls. Recorded, if anything was closed.
    async fn close_ended(&self, batch: u64) -> Result<ClosedUsage>;
}

/// What a call of [`UsageClosing::close_ended`] did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClosedUsage {
    /// Users whose period was closed.
    pub users: u64,
}

/// Archives and resets in one statement; `$1` is now, `$2` the batch.
const POSTGRES: &str = include_str!("usage_closing/postgres.sql");
/// SQLite has no data-modifying CTE. The unit holds the write lock from its beginning, so both statements meet the same rows.
const SQLITE_ARCHIVE: &str = include_str!("usage_closing/sqlite_archive.sql");
const SQLITE_RESET: &str = include_str!("usage_closing/sqlite_reset.sql");

#[async_trait]
impl UsageClosing for Tx {
    async fn close_ended(&self, batch: u64) -> Result<ClosedUsage> {
        let values = || vec![self.now().into(), i64::try_from(batch).unwrap_or(i64::MAX).into()];
        let users = match self.across_tenants()?.get_database_backend() {
            DbBackend::Sqlite => {
                self.run_across_tenants(SQLITE_ARCHIVE, values()).await?;
                self.run_across_tenants(SQLITE_RESET, values()).await?
            }
            _ => self.run_across_tenants(POSTGRES, values()).await?,
        };
        if users > 0 {
            self.record(Event::new(Action::UsageClosed).with("users", users)).await?;
        }
        Ok(ClosedUsage { users })
    }
}
