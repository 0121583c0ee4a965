//! The diagnosis: planted faults, missing rights, and what it must not do.

mod activity;
mod catalog;
mod causes;
mod evidence;
mod file;
mod fixes;
mod given;
mod job;
mod operators;
mod planted;
mod plants;
mod reads_only;
mod rights;
mod schema;

use rylie_db::maintenance::{DoctorOptions, DoctorReport, Verdict};
use rylie_db::{Config, Database};
use rylie_testkit::{Cluster, PostgresDatabase};

use crate::support::sql::deploy;

/// A migrated and seeded database on a server.
async fn seeded(cluster: &Cluster) -> PostgresDatabase {
    let template = cluster.template("doctor", |url| async move { fill(&url).await }).await.unwrap();
    cluster.clone_of(&template).await.unwrap()
}

async fn fill(url: &str) -> Result<(), rylie_db::Error> {
    deploy(url).await;
    let database = Database::connect(Config::new(url)?).await?;
    database.seed(&rylie_db::maintenance::Seed::default()).await?;
    database.close().await;
    Ok(())
}

/// Runs the checks or groups. None: all.
async fn diagnose(url: &str, only: &[&str]) -> DoctorReport {
    diagnose_with(&Config::new(url).unwrap(), only, &[]).await
}

async fn diagnose_with(config: &Config, only: &[&str], thresholds: &[&str]) -> DoctorReport {
    let options = DoctorOptions {
        only: only.iter().map(|name| (*name).to_owned()).collect(),
        thresholds: thresholds.iter().map(|text| text.parse().unwrap()).collect(),
        ..DoctorOptions::default()
    };
    config.doctor(&options).await.unwrap()
}

/// The ids of the findings without a root cause among the others.
fn found(report: &DoctorReport) -> Vec<&str> {
    let causes = report.checks.iter().filter(|check| check.status.is_finding() && check.root_cause.is_none());
    causes.map(|check| check.id.as_str()).collect()
}

fn status(report: &DoctorReport, id: &str) -> Verdict {
    report.check(id).unwrap_or_else(|| panic!("no check {id}")).status
}
