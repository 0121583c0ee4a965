//! `rylie adopt`

use clap::Args;
use rylie_db::migration::{AdoptOptions, Adoption, Difference, Error, LoginRights};
use serde_json::json;

use super::{migrations, migrations_to_read};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::Report;

/// Take over a PostgreSQL database that Prisma created
///
/// Compares it with the schema that Prisma creates, and lists every difference. Any other database is left untouched
/// (exit code 4). Otherwise the base is recorded and the environment marker is set to production. The additions are
/// applied with short locks while the old service continues to work. Unknown tables and columns stay. A second run
/// changes nothing. Exit code 3 if row-level security is not in force afterwards.
///
/// Until `--finish` each login of the old service keeps its access: the table owner, and every login with rights by
/// grants. The report lists these logins, and what each one loses then. `--finish` is refused while one of them has an
/// open session (exit code 4).
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie adopt --dry-run")]
pub(crate) struct Adopt {
    /// Compare and count, change nothing
    #[arg(long)]
    dry_run: bool,

    /// After the old service is gone: apply row-level security to the table owner too
    #[arg(long, conflicts_with = "dry_run")]
    finish: bool,

    /// Finish although logins that lose all rows have open sessions
    #[arg(long, requires = "finish")]
    yes: bool,
}

impl Adopt {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        if self.finish {
            return finish(global, self.yes).await;
        }
        let options = AdoptOptions { dry_run: self.dry_run };
        let mut migrations = if self.dry_run { migrations_to_read(global).await? } else { migrations(global).await? };
        match migrations.adopt(options, &mut progress::lines(global)).await {
            Ok(adoption) => {
                let report = Report::new(json!(adoption), in_words(&adoption, self.dry_run));
                Ok(report.with_verdict(adoption.missing_row_security.as_deref().map(not_in_force)))
            }
            Err(error) => refused(error),
        }
    }
}

/// `pg_dump` turns row-level security off, and fails if it would see fewer rows. With the flag it dumps the visible
/// rows: none.
const OF_DUMPS: &str = "from now on `pg_dump` as the table owner fails, and with `--enable-row-security` it writes a dump without rows and exits with 0; \
     make backups as a superuser or as a role with BYPASSRLS";

async fn finish(global: &Global, yes: bool) -> Result<Report> {
    let mut migrations = migrations(global).await?;
    let losing = migrations.losing_logins().await?;
    if !yes {
        migrations.refuse_open_sessions().await?;
    }
    let finished = migrations.finish_adoption(&mut progress::lines(global)).await?;
    if !finished {
        return Ok(Report::new(json!({ "finished": false }), "nothing to do: the adoption is finished"));
    }
    let mut lines = vec!["the adoption is finished: row-level security applies to the table owner too".to_owned()];
    lines.extend(losing.iter().map(|login| {
        format!("login {} has lost access to all rows of {}", login.login, login.loses_at_finish.join(", "))
    }));
    lines.push(OF_DUMPS.to_owned());
    let mut json = json!({ "finished": true });
    let others: Vec<&LoginRights> = losing.iter().filter(|login| login.via != ["owner"]).collect();
    if !others.is_empty() {
        json["logins"] = json!(others);
    }
    Ok(Report::new(json, lines.join("\n")))
}

fn not_in_force(reason: &str) -> Failure {
    Failure::Found(format!(
        "row-level security is not in force for the service's units: {reason}; run `rylie migrate deploy` as a superuser, \
         or as an owner who may create roles"
    ))
}

/// The differences are the command's result, so they are its output. Tables and rows were not counted.
fn refused(error: Error) -> Result<Report> {
    let Error::NotTheBase { differences } = &error else { return Err(error.into()) };
    let adoption = Adoption { differences: differences.clone(), ..Adoption::default() };
    let report = Report::new(json!(adoption), differences.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(report.with_verdict(Some(error.into())))
}

fn in_words(adoption: &Adoption, dry_run: bool) -> String {
    let rows: u64 = adoption.tables.values().sum();
    let mut lines = vec![format!("{} tables with {rows} rows", adoption.tables.len())];
    lines.extend(adoption.differences.iter().map(line));
    lines.extend(adoption.extra.iter().map(|extra| format!("left alone: {extra}")));
    lines.extend(adoption.logins.iter().map(login));
    let (verb, names) = if dry_run { ("would apply", &adoption.pending) } else { ("applied", &adoption.applied) };
    lines.extend(names.iter().map(|name| format!("{verb} {name}")));
    if names.is_empty() {
        lines.push("nothing to do: the database is adopted".to_owned());
    }
    lines.join("\n")
}

/// Describes a login's rights, and what `--finish` removes.
fn login(login: &LoginRights) -> String {
    let LoginRights { login, via, rights, loses_at_finish } = login;
    let loses = match loses_at_finish.as_slice() {
        [] => "loses nothing at --finish".to_owned(),
        tables => format!("loses at --finish every row of {}", tables.join(", ")),
    };
    format!("login {login} (by {}) works as before; it {loses}; its rights: {}", via.join(", "), rights.join("; "))
}

fn line(difference: &Difference) -> String {
    format!("{}: {difference}", if difference.blocking { "blocking" } else { "harmless" })
}
