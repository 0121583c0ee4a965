//! What logins of the old service can no longer do from the adoption on, although their rows stay within reach.

use super::PreflightFinding;
use crate::deploy::coexistence::LoginRights;

pub(super) fn findings(logins: &[LoginRights]) -> impl Iterator<Item = PreflightFinding> {
    let filtered = named(logins, |login| {
        !login.via.iter().any(|via| via == "owner") && login.rights.iter().any(|right| !right.starts_with("AuditLog:"))
    });
    let changing = named(logins, |login| {
        let of_log = login.rights.iter().find_map(|right| right.strip_prefix("AuditLog:"));
        of_log.is_some_and(|rights| ["UPDATE", "DELETE", "TRUNCATE"].iter().any(|right| rights.contains(right)))
    });
    [
        filtered.map(|logins| PreflightFinding {
            id: "unfiltered".to_owned(),
            blocking: false,
            detail: format!(
                "pg_dump and COPY FROM will be refused for {logins} from the adoption on, because row-level security \
                 filters these logins"
            ),
            fix: "take backups as the table owner, or with a login of `rylie roles provision --backup NAME`".to_owned(),
        }),
        changing.map(|logins| PreflightFinding {
            id: "audit-log".to_owned(),
            blocking: false,
            detail: format!(
                "from the adoption on, the audit log is only added to: {logins} will change or remove no record"
            ),
            fix: "stop jobs that remove old records; `rylie maintain audit` removes them".to_owned(),
        }),
    ]
    .into_iter()
    .flatten()
}

fn named(logins: &[LoginRights], which: impl Fn(&LoginRights) -> bool) -> Option<String> {
    let names: Vec<_> = logins.iter().filter(|login| which(login)).map(|login| login.login.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
