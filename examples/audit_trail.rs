//! A record commits with the change that it describes: `cargo run --example audit_trail`.

mod common;

use rylie_db::prelude::*;
use rylie_db::repositories::AuditFilter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> common::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = common::database(folder.path()).await?;
    let token = common::sign_in(&database, "North").await?;
    let origin = Origin { correlation: Some("call-1".to_owned()), ..Origin::default() };

    let unit = database.tenant_of(&token, origin).await?;
    let carl = unit.users().add(NewUser::new("carl@north.example")).await?;
    unit.users().set_role(&carl.id, UserRole::AgencyAdmin).await?;
    // An event of the service.
    unit.audit().record(Event::new(Action::Other("WELCOME_SENT".to_owned())).on(&carl.id)).await?;
    unit.commit().await?;

    let unit = database.tenant_of(&token, Origin::default()).read_only().await?;
    let of_carl = AuditFilter { resource_id: Some(carl.id.to_string()), ..AuditFilter::default() };
    let records = unit.audit().list(of_carl, PageRequest::default()).await?;
    assert_eq!(records.total, 3);
    for record in records.items {
        println!(
            "{} in {}: {}",
            record.action,
            record.correlation_id.unwrap_or_default(),
            record.details.unwrap_or_default()
        );
    }
    Ok(())
}
