//! What the small examples share: a database in memory, and a signed-in administrator of an agency.

use std::error::Error;
use std::path::Path;

use chrono::TimeDelta;
use rylie_db::crypto::{KeyFile, Keyring};
use rylie_db::prelude::*;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Opens a migrated database in memory, with a new keyring in `folder`.
pub(crate) async fn database(folder: &Path) -> Result<Database> {
    let keyring = folder.join("keyring.json");
    KeyFile::new(&keyring).create(&Keyring::generate()?)?;
    let config = Config::builder().set("database_url", "sqlite::memory:")?.set("keyring", keyring.display())?;
    let database = Database::connect(config.build()?).await?;
    database.migrate().await?;
    Ok(database)
}

/// Creates an agency with an administrator, and returns a session of that administrator.
#[allow(dead_code, reason = "not every example signs in")]
pub(crate) async fn sign_in(database: &Database, name: &str) -> Result<Token> {
    let unit = database.platform(Grant::job("example", "creates an agency")?).await?;
    let agency = unit.agency_administration().add(NewAgency::new(name)).await?;
    let email = format!("admin@{}.example", name.to_lowercase());
    let (role, package) = (Some(UserRole::AgencyAdmin), Some(PackageType::Gold));
    let admin = unit.users().add(NewUser { role, package, agency: Some(agency.id), ..NewUser::new(email) }).await?;
    let token = unit.sessions().begin(&admin.id, SystemEnv.now() + TimeDelta::hours(1)).await?;
    unit.commit().await?;
    Ok(token)
}
