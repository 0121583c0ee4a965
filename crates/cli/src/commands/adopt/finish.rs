//! `rylie adopt --finish`

use rylie_db::migration::{LoginRights, State};
use serde_json::json;

use crate::arguments::Global;
use crate::commands::{audit, existing, migrations_of};
use crate::failure::Result;
use crate::progress;
use crate::report::Report;

/// `pg_dump` turns row-level security off, and fails if it would see fewer rows. With the flag it dumps the visible
/// rows: none.
const OF_DUMPS: &str = "from now on `pg_dump` as the table owner fails, and with `--enable-row-security` it writes a dump without rows and exits with 0; \
     run `rylie roles provision --backup NAME` as a login that may give BYPASSRLS and make backups with that login (`RYLIE_BACKUP_URL`), or as a superuser";

/// The answers that the command line gave in advance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers {
    /// Finish although logins that lose all rows have open sessions, or no service's login could be provisioned.
    pub(super) yes: bool,
    /// Finish although no recent backup is proven.
    pub(super) without_backup: bool,
}

pub(super) async fn run(global: &Global, answers: Answers) -> Result<Report> {
    let settings = existing(global).await?;
    let mut migrations = migrations_of(&settings, global).await?;
    let mut logins = Vec::new();
    if migrations.mark().await?.is_some_and(|mark| mark.state == State::Coexistence) {
        logins = migrations.logins().await?;
        if !answers.yes {
            migrations.refuse_open_sessions().await?;
            migrations.refuse_unserved().await?;
        }
        if !answers.without_backup {
            let mut trusted = settings.known_audit_keys()?;
            trusted.extend(audit::signing_key_if_any(None, &settings)?.map(|key| key.public()));
            settings.refuse_stale_backup(&trusted).await?;
        }
    }
    let finished = migrations.finish_adoption(&mut progress::lines(global)).await?;
    if !finished {
        return Ok(Report::new(
            json!({ "finished": true, "changed": false }),
            "nothing to do: the adoption is finished",
        ));
    }
    if global.json {
        progress::line(global, &format!("warning: {OF_DUMPS}"));
    }
    let mut lines = vec!["the adoption is finished: row-level security applies to the table owner too".to_owned()];
    lines.extend(logins.iter().flat_map(of_login));
    lines.push(OF_DUMPS.to_owned());
    let mut json = json!({ "finished": true });
    let concerned = |login: &&LoginRights| {
        login.via != ["owner"] && !(login.loses_at_finish.is_empty() && login.keeps_after_finish.is_empty())
    };
    let others: Vec<&LoginRights> = logins.iter().filter(concerned).collect();
    if !others.is_empty() {
        json["logins"] = json!(others);
    }
    Ok(Report::new(json, lines.join("\n")))
}

/// Says what a login has lost, and how to take the rest.
fn of_login(login: &LoginRights) -> Vec<String> {
    let LoginRights { login, loses_at_finish: lost, keeps_after_finish: kept, .. } = login;
    let lost = (!lost.is_empty()).then(|| format!("login {login} has lost access to all rows of {}", lost.join(", ")));
    let kept = (!kept.is_empty()).then(|| {
        format!("login {login} keeps rights that row-level security does not cover; revoke them: `{}`", kept.join("; "))
    });
    lost.into_iter().chain(kept).collect()
}
