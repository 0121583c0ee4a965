//! Finds the conditions that an adoption will meet, before it begins. Reads the catalog only.

mod findings;
mod forecast;
mod logins;
mod replication;
mod sessions;
mod tenants;
mod triggers;

use crate::deploy::coexistence::LoginRights;
use crate::deploy::row_security::unit_roles;
use crate::error::{Error, Result};
use crate::roles::rights::{self, Lacking};
use crate::session::Migrations;
use crate::{guard, owners};

pub use findings::{Forecast, Preflight, PreflightFinding};

const DOING: &str = "looking for what an adoption would meet";

impl Preflight {
    /// Reads it. Needs no right but to log in; takes a second where the ages of transactions are not visible.
    pub(super) async fn read(migrations: &mut Migrations, old_logins: &[LoginRights]) -> Result<Self> {
        let Migrations { connection, options, .. } = migrations;
        let mut findings = Vec::new();
        for refusal in [guard::refuse_not_owner(connection).await, guard::refuse_exempt(connection).await] {
            match refusal {
                Ok(()) => {}
                Err(Error::Refused(refusal)) => findings.push(blocking("owner", &refusal.to_string())),
                Err(error) => return Err(error),
            }
        }
        if !guard::may_create(connection).await? {
            findings.push(PreflightFinding {
                fix: "run `GRANT CREATE ON SCHEMA public TO` the table owner".to_owned(),
                ..blocking("schema", "this login may not create objects in schema public")
            });
        }
        if !unit_roles::may_build(connection).await? {
            findings.push(without_row_security(rights::lacking(connection).await?));
        }
        if !options.fire_triggers {
            findings.extend(triggers::read(connection).await?);
        }
        findings.extend(sessions::read(connection).await?);
        findings.extend(replication::read(connection).await?);
        findings.extend(tenants::read(connection).await?);
        findings.extend(logins::findings(old_logins));
        for sql in [SETTINGS, RIGHTS] {
            let found: Vec<PreflightFinding> = connection.documents(sql, DOING).await?;
            findings.extend(found);
        }
        findings.extend(owners::creators(connection).await?.iter().map(|role| creator(role)));
        Ok(Self { forecast: Forecast::read(connection).await?, findings })
    }
}

const RIGHTS: &str = include_str!("preflight/rights.sql");
const SETTINGS: &str = include_str!("preflight/settings.sql");

fn blocking(id: &str, detail: &str) -> PreflightFinding {
    let detail = detail.trim_start_matches("refused: ").to_owned();
    PreflightFinding { id: id.to_owned(), blocking: true, detail, fix: String::new() }
}

fn without_row_security(lacking: Option<Lacking>) -> PreflightFinding {
    let lacking = lacking.unwrap_or_else(|| Lacking {
        reason: "this login may not assume the database roles of the units".to_owned(),
        fix: "adopt as a superuser or as an owner with CREATEROLE".to_owned(),
    });
    PreflightFinding {
        id: "row-security".to_owned(),
        blocking: false,
        detail: format!(
            "{}, so row-level security will not be in force: the tenant filter alone will separate tenants, and `rylie adopt` \
             will exit with 3",
            lacking.reason
        ),
        fix: format!("{}; or run `rylie migrate deploy` as a superuser afterwards", lacking.fix),
    }
}

fn creator(role: &str) -> PreflightFinding {
    PreflightFinding {
        id: "creators".to_owned(),
        blocking: false,
        detail: format!("{role} may create objects in schema public, also under the names that the adoption needs"),
        fix: format!("run `REVOKE CREATE ON SCHEMA public FROM {role}`"),
    }
}
