//! Whether ordinary events are recorded, according to the platform's settings.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rylie_audit::Event;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::Result;
use crate::filter::Tx;

/// How long a process caches the setting. Within that time all processes follow a change.
const KEPT: Duration = Duration::from_secs(10);

/// The setting as last read.
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
    /// Returns whether an event is recorded: always, except for an ordinary one while the setting is off.
    pub(super) async fn should_record(&self, event: &Event) -> Result<bool> {
        if !event.action().is_ordinary() {
            return Ok(true);
        }
        let switch = &self.unit_context().audit;
        // Until the commit, this unit's change of the setting applies to this unit only.
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
