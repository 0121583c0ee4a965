//! Finds the conditions that an adoption will meet, before it begins. Reads the catalog only.

mod findings;
mod forecast;
mod sessions;

use crate::connection::Connection;
use crate::deploy::row_security::unit_roles;
use crate::error::{Error, Result};
use crate::{guard, owners};

pub use findings::{Forecast, Preflight, PreflightFinding};

const DOING: &str = "looking for what an adoption would meet";

impl Preflight {
    /// Reads it. Needs no right but to log in; takes a second where the ages of transactions are not visible.
    pub(super) async fn read(connection: &mut Connection) -> Result<Self> {
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
            findings.push(without_row_security());
        }
        findings.extend(sessions::read(connection).await?);
        let rest: Vec<PreflightFinding> = connection.documents(RIGHTS, DOING).await?;
        findings.extend(rest);
        findings.extend(owners::creators(connection).await?.iter().map(|role| creator(role)));
        Ok(Self { forecast: Forecast::read(connection).await?, findings })
    }
}

const RIGHTS: &str = include_str!("preflight/rights.sql");

fn blocking(id: &str, detail: &str) -> PreflightFinding {
    let detail = detail.trim_start_matches("refused: ").to_owned();
    PreflightFinding { id: id.to_owned(), blocking: true, detail, fix: String::new() }
}

fn without_row_security() -> PreflightFinding {
    PreflightFinding {
        id: "row-security".to_owned(),
        blocking: false,
        detail:
            "this login may not create the database roles of the units, so row-level security will not be in force: \
                 the tenant filter alone will separate tenants, and `rylie adopt` will exit with 3"
                .to_owned(),
        fix: "adopt as a superuser or as an owner with CREATEROLE, or run `rylie migrate deploy` as one afterwards"
            .to_owned(),
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
