//! Usage counts once for each event, and a period closes once: `cargo run --example usage_close`.

mod common;

use rylie_db::maintenance::{Sweep, close_usage};
use rylie_db::prelude::*;

#[tokio::main(flavor = "current_thread")]
async fn main() -> common::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = common::database(folder.path()).await?;
    let token = common::sign_in(&database, "North").await?;

    let unit = database.tenant_of(&token, Origin::default()).await?;
    let user = unit.user().id().clone();
    for event in ["task-1", "task-2", "task-2"] {
        let counted = unit.usage().use_page(&user, event).await?;
        println!(
            "{event}: {} of {} pages{}",
            counted.used,
            counted.limit,
            if counted.repeated { ", counted before" } else { "" }
        );
    }
    unit.commit().await?;

    // The job `usage` of the scheduler does this every hour. No period has ended yet.
    let closed = close_usage(&*database.store(), None, &Sweep::default()).await?;
    assert_eq!(closed.users, 0);
    println!("{} billing periods closed", closed.users);
    Ok(())
}
