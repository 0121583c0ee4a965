//! A scope comes from a session, and no other tenant's row is found: `cargo run --example tenant_scope`.

mod common;

use rylie_db::prelude::*;

#[tokio::main(flavor = "current_thread")]
async fn main() -> common::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = common::database(folder.path()).await?;
    let (north, south) = (common::sign_in(&database, "North").await?, common::sign_in(&database, "South").await?);

    let unit = database.tenant_of(&north, Origin::default()).await?;
    let request = unit.requests().add(NewRequest::new("A page about the north", RequestKind::Page)).await?;
    unit.commit().await?;

    let unit = database.tenant_of(&south, Origin::default()).await?;
    assert_eq!(unit.requests().find(&request.id).await?, None);
    let refused = unit.requests().set_status(&request.id, RequestStatus::Cancelled).await;
    println!("the south asks for the north's request: {}", refused.map_or("no such request", |_| "changed"));
    Ok(())
}
