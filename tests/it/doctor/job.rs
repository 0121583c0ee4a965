//! The scheduler's job `doctor`.

use std::path::Path;

use rylie_db::maintenance::{RunOutcome, SchedulerOptions};
use rylie_db::{Config, Database};
use serde_json::{Value, json};

use super::file::{file, run};
use crate::support::loopback::Webhook;

const TRIGGER: &str = "CREATE TRIGGER \"AuditLog_no_update\"";

async fn diagnosed(database: &Database) -> Value {
    let scheduler = database.scheduler(Vec::new(), SchedulerOptions::default()).unwrap();
    match scheduler.run_now("doctor").await.unwrap().outcome {
        RunOutcome::Done { report } => report,
        other => panic!("{other:?}"),
    }
}

/// The test servers of PostgreSQL have critical settings, so this is about a file.
#[tokio::test]
async fn the_job_alerts_once_when_something_is_critical_and_once_when_nothing_is() {
    let (hook, database) = (Webhook::start().await, file().await);
    let config = Config::builder().set("database_url", database.url()).unwrap();
    let config = config.set("size_notify", hook.url()).unwrap().build().unwrap();
    let service = Database::connect(config).await.unwrap();
    assert_eq!(diagnosed(&service).await["critical"], json!([]));
    assert!(hook.documents().is_empty());

    let trigger = definition(database.path()).await;
    run(database.path(), "DROP TRIGGER \"AuditLog_no_update\"").await;
    for _ in 0..2 {
        let report = diagnosed(&service).await;
        assert_eq!(report["critical"], json!(["sqlite.audit-triggers"]));
        assert_eq!(report["undelivered"], 0);
    }
    assert_eq!(hook.documents().len(), 1);
    assert_eq!((&hook.documents()[0]["event"], &hook.documents()[0]["value"]), (&"crossed".into(), &1.into()));

    run(database.path(), &trigger).await;
    assert_eq!(diagnosed(&service).await["critical"], json!([]));
    assert_eq!(hook.documents()[1]["event"], "recovered");
}

async fn definition(path: &Path) -> String {
    let mut sql = crate::support::sql::Sql::connect(&format!("sqlite://{}", path.display())).await;
    let found = sql.one("SELECT sql FROM sqlite_schema WHERE name = 'AuditLog_no_update'").await;
    assert!(found.starts_with(TRIGGER), "{found}");
    found
}
