//! An agency for a first look, and three calls that work.

use std::net::SocketAddr;

use chrono::TimeDelta;
use rylie_db::maintenance::Seed;
use rylie_db::prelude::*;

use crate::Result;

const DOMAIN: &str = "first-look.example";
const ADMIN: &str = "ann@first-look.example";

/// Creates the agency and its administrator if they are missing, begins a session, and prints the calls.
pub(crate) async fn print(database: &Database, address: SocketAddr) -> Result<()> {
    // In production a session begins by signing in only.
    if database.guard_destructive("create a first look").await.is_err() {
        return Err("the database is marked as production: start with FIRST_LOOK=off".into());
    }
    database.seed(&Seed::default()).await?;
    let unit = database.platform(Grant::job("web-service", "creates the agency of the first look")?).await?;
    let domain = Some(DOMAIN.to_owned());
    if unit.agency_administration().find_by_domain(DOMAIN).await?.is_none() {
        let agency = unit.agency_administration().add(NewAgency { name: "First look".to_owned(), domain }).await?;
        let (role, package) = (Some(UserRole::AgencyAdmin), Some(PackageType::Gold));
        unit.users().add(NewUser { role, package, agency: Some(agency.id), ..NewUser::new(ADMIN) }).await?;
    }
    unit.commit().await?;

    let unit = database.identity().await?;
    let ann = unit.identities().find_by_email(ADMIN).await?.ok_or("the administrator of the first look is missing")?;
    let token = unit.sessions().begin(&ann.id, SystemEnv.now() + TimeDelta::hours(8)).await?;
    unit.commit().await?;
    let (url, token) = (format!("http://{address}/api/requests"), token.expose().to_owned());
    println!("\nThree calls as {ADMIN}; the API is described at http://{address}/docs\n");
    println!("curl -H 'Authorization: Bearer {token}' {url}");
    println!(
        "curl -H 'Authorization: Bearer {token}' -H 'Idempotency-Key: first' --json \
         '{{\"request\":{{\"title\":\"Pages about SUVs\",\"type\":\"page\"}},\"tasks\":[{{\"title\":\"Write it\",\"type\":\"PAGE\"}}]}}' {url}"
    );
    println!("curl -H 'Authorization: Bearer {token}' '{url}?status=PENDING&limit=10'");
    Ok(())
}
