//! A unit of work is one transaction: all of it or nothing: `cargo run --example unit_of_work`.

mod common;

use rylie_db::prelude::*;

#[tokio::main(flavor = "current_thread")]
async fn main() -> common::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = common::database(folder.path()).await?;
    let token = common::sign_in(&database, "North").await?;
    let new = || NewRequest::new("A page", RequestKind::Page);

    // Without a commit nothing remains.
    let unit = database.tenant_of(&token, Origin::default()).await?;
    unit.requests().add_with_tasks(new(), vec![NewTask::new("Write it", TaskType::Page)]).await?;
    drop(unit);

    // A savepoint undoes a part.
    let unit = database.tenant_of(&token, Origin::default()).await?;
    unit.requests().add(new()).await?;
    let savepoint = unit.savepoint().await?;
    unit.requests().add(new()).await?;
    drop(savepoint);
    unit.commit().await?;

    let unit = database.tenant_of(&token, Origin::default()).read_only().await?;
    let page = unit.requests().list(RequestFilter::default(), PageRequest::default()).await?;
    assert_eq!(page.total, 1);
    println!("one request of three was committed");
    Ok(())
}
