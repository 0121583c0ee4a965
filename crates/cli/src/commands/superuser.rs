//! Before a superuser's session runs anything: does schema `public` have code of other roles that it would run?

use rylie_db::Config;
use rylie_db::maintenance::{Engine, foreign_code, is_schema_open};

use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::progress;

/// Refuses if a login of the settings is a superuser, and its session would run code of other roles. A database that cannot
/// be reached is left to the command. One connection for each login.
pub(super) async fn refuse_foreign_code(settings: &Config) -> Result<()> {
    let mut urls = vec![settings.database_url(), settings.platform_url(), settings.backup_url().unwrap_or_default()];
    urls.retain(|url| url.starts_with("postgres"));
    urls.sort_unstable();
    urls.dedup();
    for url in urls {
        let Ok(engine) = Engine::new(url) else { continue };
        let found = foreign_code(&engine).await.unwrap_or_default();
        if !found.is_empty() {
            return Err(Failure::Refused(format!(
                "this login is a superuser, and its session would run code of other roles in place of the server's own: {}; \
                 read and drop it with DROP FUNCTION or DROP OPERATOR, or run the command as a login that is no superuser",
                found.join(", ")
            )));
        }
    }
    Ok(())
}

/// Warns if every login may create objects in schema `public`, and with them code that other sessions run.
pub(super) async fn warn_of_open_schema(global: &Global) -> Result<()> {
    let settings = global.settings()?;
    let Ok(engine) = Engine::new(settings.database_url()) else { return Ok(()) };
    if is_schema_open(&engine).await.unwrap_or_default() {
        let warning = "warning: every login may create objects in schema public, and so code that other sessions run; revoke \
                       it as the owner of the schema with REVOKE CREATE ON SCHEMA public FROM PUBLIC. If the old service \
                       creates its tables by that right, grant CREATE to its login first";
        progress::line(global, warning);
    }
    Ok(())
}
