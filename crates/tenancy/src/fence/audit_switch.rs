//! Whether ordinary events are recorded, as the platform's settings say.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rylie_audit::Event;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::Result;
use crate::fence::Tx;

/// How long a process goes by what it read: within that time all processes follow a change.
const KEPT: Duration = Duration::from_secs(10);

/// The setting as it was last read.
#[derive(Default)]
pub(crate) struct AuditSwitch(Mutex<Option<(Instant, bool)>>);

impl AuditSwitch {
    pub(super) fn forget(&self) {
        *self.state() = None;
    }

    fn known(&self) -> Option<bool> {
        let (read, on) = (*self.state())?;
        (read.elapsed() < KEPT).then_some(on)
    }

    fn state(&self) -> MutexGuard<'_, Option<(Instant, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tx {
    /// Whether an event is recorded: always, unless it is an ordinary one and the setting is off.
    pub(super) async fn records(&self, event: &Event) -> Result<bool> {
        if !event.action().is_ordinary() {
            return Ok(true);
        }
        let switch = &self.surroundings().audit;
        // What this unit has changed holds within it, and for nobody else before its commit.
        let changed = self.has_changed_settings();
        if let Some(on) = switch.known().filter(|_| !changed) {
            return Ok(on);
        }
        let connection = self.connection().await?;
        let engine = connection.get_database_backend();
        let sql = match engine {
            DbBackend::Sqlite => {
                "SELECT coalesce((SELECT \"auditLogging\" FROM \"SystemSettings\" WHERE id = 'default'), 1) <> 0"
            }
            _ => "SELECT public.rylie_audit_logging()",
        };
        let row = connection.query_one_raw(Statement::from_string(engine, sql)).await?;
        let on = row.map_or(Ok(true), |row| row.try_get_by_index(0))?;
        if !changed {
            *switch.state() = Some((Instant::now(), on));
        }
        Ok(on)
    }
}
