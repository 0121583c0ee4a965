//! The scheduler of all jobs as a task of a service:
//! `cargo run -p rylie-examples-with-features --example maintenance_in_a_service`.

#[path = "../common.rs"]
mod common;

use rylie_db::maintenance::SchedulerOptions;

#[tokio::main]
async fn main() -> common::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = common::database(folder.path()).await?;
    let scheduler = database.scheduler(Vec::new(), SchedulerOptions::default())?;
    for job in scheduler.upcoming().await? {
        println!("{job:?}");
    }

    // Any number of processes may run one: each due time has one effect.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let jobs = tokio::spawn(async move { scheduler.run(async move { drop(stopped.await) }).await });
    // The service takes calls here. When it ends, the jobs end, then the connections.
    drop(stop);
    jobs.await?;
    database.close().await;
    Ok(())
}
