//! `rylie adopt`

mod finish;
mod undo;

use clap::Args;
use rylie_db::migration::{
    AdoptOptions, Adoption, Difference, Error, LoginRights, Preflight, PreflightFinding, Refusal,
};
use serde_json::json;

use super::superuser::warn_of_open_schema;
use super::{migrations, migrations_to_read};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::preflight;
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
/// grants. The report lists these logins, and what each one loses then. `--finish` is refused (exit code 4) while one of
/// them has an open session. It is also refused while the folder of backups holds no verified one of the last day.
///
/// Until `--finish`, `--undo` returns to the base that Prisma created. It lists what would be lost and asks. The old
/// service works before, during and after it. Stop the new service first.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie adopt --dry-run\n  rylie adopt --undo --dry-run")]
pub(crate) struct Adopt {
    /// Compare, count and forecast, change nothing; with `--undo`: list what would be lost
    #[arg(long)]
    dry_run: bool,

    /// Adopt although triggers of the old service would fire for every row: the fill of the tenant key updates each one
    #[arg(long, conflicts_with = "end")]
    fire_triggers: bool,

    /// After the old service is gone: apply row-level security to the table owner too
    #[arg(long, group = "end", conflicts_with = "dry_run")]
    finish: bool,

    /// Finish although no backup of the last day is verified: what is lost afterwards may then be lost for good
    #[arg(long, requires = "finish")]
    without_backup: bool,

    /// Return to the base that Prisma created, until `--finish`: drops our tables, columns and policies
    #[arg(long, group = "end")]
    undo: bool,

    /// Finish although logins that lose all rows have open sessions, or although this login could provision no login for the
    /// service; undo without asking
    #[arg(long, requires = "end")]
    yes: bool,
}

impl Adopt {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        if self.finish {
            let answers = finish::Answers { yes: self.yes, without_backup: self.without_backup };
            return finish::run(global, answers).await;
        }
        if self.undo {
            return undo::run(global, self.yes, self.dry_run).await;
        }
        let options = AdoptOptions { dry_run: self.dry_run };
        let mut migrations = if self.dry_run { migrations_to_read(global).await? } else { migrations(global).await? };
        if self.fire_triggers {
            migrations = migrations.firing_triggers();
        }
        match migrations.adopt(options, &mut progress::lines(global)).await {
            Ok(adoption) => {
                warn_of_open_schema(global).await?;
                let report = Report::new(json!(adoption), in_words(&adoption, self.dry_run));
                let prevented = adoption.preflight.as_ref().and_then(Preflight::blocking).map(prevents);
                Ok(report.with_verdict(prevented.or(adoption.missing_row_security.as_deref().map(not_in_force))))
            }
            Err(error) => refused(error),
        }
    }
}

fn not_in_force(reason: &str) -> Failure {
    Failure::Found(format!(
        "row-level security is not in force for the service's units: {reason}; run `rylie migrate deploy` as a superuser, \
         or as an owner who may create roles"
    ))
}

fn prevents(finding: &PreflightFinding) -> Failure {
    Failure::Refused(format!("{}; nothing was changed", finding.detail))
}

/// The differences are the command's result, so they are its output. Tables and rows were not counted.
fn refused(error: Error) -> Result<Report> {
    if let Error::Refused(Refusal::Strangers { found }) = &error {
        let lines: Vec<String> = found
            .iter()
            .map(|stranger| format!("blocking: {} {}: {}", stranger.object, stranger.reason, stranger.fix))
            .collect();
        let report = Report::new(json!({ "strangers": found }), lines.join("\n"));
        return Ok(report.with_verdict(Some(error.into())));
    }
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
    lines.extend(adoption.preflight.iter().flat_map(preflight::in_words));
    let (verb, names) = if dry_run { ("would apply", &adoption.pending) } else { ("applied", &adoption.applied) };
    lines.extend(names.iter().map(|name| format!("{verb} {name}")));
    if names.is_empty() {
        lines.push("nothing to do: the database is adopted".to_owned());
    }
    lines.join("\n")
}

/// Describes a login's rights, and what `--finish` removes.
fn login(login: &LoginRights) -> String {
    let LoginRights { login, via, rights, loses_at_finish, keeps_after_finish } = login;
    let loses = match loses_at_finish.as_slice() {
        [] => "loses nothing at --finish".to_owned(),
        tables => format!("loses at --finish every row of {}", tables.join(", ")),
    };
    let keeps = match keeps_after_finish.len() {
        0 => "",
        _ => ", and keeps rights that row-level security does not cover",
    };
    format!(
        "login {login} (by {}) works as before; it {loses}{keeps}; its rights: {}",
        via.join(", "),
        rights.join("; ")
    )
}

fn line(difference: &Difference) -> String {
    format!("{}: {difference}", if difference.blocking { "blocking" } else { "harmless" })
}
