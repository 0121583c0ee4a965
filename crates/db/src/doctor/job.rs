//! The job of the scheduler that diagnoses the database.

use std::sync::Arc;

use rylie_entities::Env;
use rylie_maintenance::{DoctorOptions, JobContext, Notifier, Result, Verdict, check_findings, deliver_alerts};
use serde_json::{Value, json};

use crate::backup::failed;
use crate::database::Database;

/// `doctor`: diagnoses the database, with the pool and the units of this process, and sends an alert if something is
/// critical. Hourly.
pub(crate) struct Diagnose {
    pub(crate) database: Database,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) notifiers: Vec<Notifier>,
}

impl Diagnose {
    pub(crate) async fn run(&self, context: &JobContext) -> Result<Value> {
        let report = Box::pin(self.database.doctor(&DoctorOptions::default())).await.map_err(failed)?;
        let causes = |level| {
            let of_level = report.root_causes().into_iter().filter(move |(worst, _)| *worst == level);
            of_level.map(|(_, check)| check.id.clone()).collect::<Vec<_>>()
        };
        let (critical, warnings) = (causes(Verdict::Critical), causes(Verdict::Warning));
        let number = i64::try_from(critical.len()).unwrap_or(i64::MAX);
        check_findings(context.store(), number, &self.notifiers).await?;
        let undelivered = deliver_alerts(context.store(), &*self.env, &self.notifiers).await?.len();
        Ok(json!({ "critical": critical, "warnings": warnings, "undelivered": undelivered }))
    }
}
