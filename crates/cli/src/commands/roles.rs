//! `rylie roles`

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rylie_db::migration::{CheckStatus, Login, Password, Provision, Provisioned, RoleCheck, Sees};
use serde_json::json;

use super::superuser::warn_of_open_schema;
use super::{migrations, migrations_to_read};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{Report, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie roles check")]
pub(crate) enum Roles {
    Provision(Box<ProvisionArgs>),

    /// Show the provisioned logins, and what they see
    #[command(after_help = "Example:\n  rylie roles show --json")]
    Show,

    /// Check that the isolation layers apply to the login of the URL; exit code 3 if a check fails
    ///
    /// Run it with the service's own URL: its login must be neither owner nor superuser nor exempt from row-level
    /// security. A warning alone exits with 0: a sealer, a reader and a login for backups each have one by design.
    #[command(after_help = "Example:\n  rylie roles check --database-url postgres://app@localhost/rylie")]
    Check,
}

/// Create or update the logins of the service, the sealer and a reader
///
/// The service's login assumes the database roles of the units and has no other right. Only the sealer's login may also
/// seal the audit log, remove old batches and erase persons. The reader's login reads the rows of one tenant, without
/// columns that hold secrets, and cannot change that tenant. Each deploy opens new tables to them. Run it as the table
/// owner with the right to create roles, or as a superuser. A second run changes nothing. It is recorded in the audit
/// log.
///
/// A password is the first line of its file. Without a file it is a line of standard input, the app's first. An empty
/// line leaves the current password unchanged, and is refused for a login that has none (4). The server gets a SCRAM
/// verifier, never the password.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    rylie roles provision --app rylie_app --app-password-file app.txt\n  \
    rylie roles provision --sealer rylie_seals --sealer-password-file sealer.txt\n  \
    rylie roles provision --backup rylie_backup --backup-password-file backup.txt\n  \
    rylie roles provision --readonly reports --readonly-password-file reports.txt --tenant agency-1")]
pub(crate) struct ProvisionArgs {
    /// The service's login
    #[arg(long, value_name = "NAME", required_unless_present_any = ["readonly", "sealer", "backup"])]
    app: Option<String>,
    /// Its password is the first line of this file
    #[arg(long, value_name = "FILE", requires = "app")]
    app_password_file: Option<PathBuf>,
    /// Limit the service's login to tenant and identity units: jobs and administration use another login, named in
    /// `RYLIE_PLATFORM_URL`
    #[arg(long, requires = "app")]
    no_platform: bool,
    /// The login of the process that seals: `audit seal`, `audit erase`, `maintain audit`, `maintain run`
    #[arg(long, value_name = "NAME")]
    sealer: Option<String>,
    /// Its password is the first line of this file
    #[arg(long, value_name = "FILE", requires = "sealer")]
    sealer_password_file: Option<PathBuf>,
    /// The login of backups: reads every row of every table, also of tables to come. Making it takes a superuser
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    /// Its password is the first line of this file
    #[arg(long, value_name = "FILE", requires = "backup")]
    backup_password_file: Option<PathBuf>,
    /// The reader's login
    #[arg(long, value_name = "NAME")]
    readonly: Option<String>,
    /// Its password is the first line of this file
    #[arg(long, value_name = "FILE", requires = "readonly")]
    readonly_password_file: Option<PathBuf>,
    /// The reader sees the rows of this tenant, which must exist [default: unchanged; at first no tenant]
    #[arg(long, value_name = "ID", requires = "readonly", conflicts_with = "cross_tenant")]
    tenant: Option<String>,
    /// The reader sees the rows of every tenant
    #[arg(long, requires = "readonly", requires = "reason")]
    cross_tenant: bool,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT", requires = "cross_tenant")]
    reason: Option<String>,
}

impl Roles {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        match self {
            Self::Provision(wanted) => {
                let wanted = wanted.read()?;
                let provisioned = migrations(global).await?.provision(&wanted).await?;
                warn_of_open_schema(global).await?;
                Ok(report(&provisioned))
            }
            Self::Show => Ok(report(&migrations_to_read(global).await?.provisioned().await?)),
            Self::Check => Ok(checked(&migrations_to_read(global).await?.check_roles().await?)),
        }
    }
}

impl ProvisionArgs {
    fn read(&self) -> Result<Provision> {
        let mut input = StandardInput::default();
        let app = login(self.app.as_ref(), self.app_password_file.as_deref(), &mut input)?;
        let sealer = login(self.sealer.as_ref(), self.sealer_password_file.as_deref(), &mut input)?;
        let readonly = login(self.readonly.as_ref(), self.readonly_password_file.as_deref(), &mut input)?;
        let backup = login(self.backup.as_ref(), self.backup_password_file.as_deref(), &mut input)?;
        let sees = match (&self.tenant, self.cross_tenant) {
            (Some(tenant), _) => Some(Sees::Tenant(tenant.clone())),
            (None, true) => Some(Sees::EveryTenant { reason: self.reason.clone().unwrap_or_default() }),
            (None, false) => None,
        };
        Ok(Provision { app, no_platform: self.no_platform, sealer, readonly, sees, backup, require_passwords: true })
    }
}

/// Lines of standard input. A terminal would show a password, so it is never asked for one.
#[derive(Default)]
struct StandardInput(Option<Vec<String>>);

impl StandardInput {
    fn next(&mut self) -> Result<String> {
        if self.0.is_none() {
            let failed = |source| Failure::File { doing: "reading passwords from standard input".to_owned(), source };
            let lines = if io::stdin().is_terminal() {
                Vec::new()
            } else {
                io::stdin().lock().lines().take(4).collect::<io::Result<Vec<String>>>().map_err(failed)?
            };
            self.0 = Some(lines.into_iter().rev().collect());
        }
        Ok(self.0.as_mut().and_then(Vec::pop).unwrap_or_default())
    }
}

fn login(name: Option<&String>, file: Option<&Path>, input: &mut StandardInput) -> Result<Option<Login>> {
    let Some(name) = name else { return Ok(None) };
    let text = match file {
        Some(file) if file != Path::new("-") => {
            let failed =
                |source| Failure::File { doing: format!("reading the password file {}", file.display()), source };
            let text = std::fs::read_to_string(file).map_err(failed)?;
            let line = text.lines().next().unwrap_or_default().to_owned();
            if line.is_empty() {
                return Err(Failure::Usage(format!("the password file {} is empty", file.display())));
            }
            line
        }
        _ => input.next()?,
    };
    let password = if text.is_empty() { None } else { Some(Password::new(&text)?) };
    Ok(Some(Login { name: name.clone(), password }))
}

fn report(roles: &[Provisioned]) -> Report {
    let rows = roles.iter().map(|role| (role.login.as_str(), format!("{:8}  {}", role.kind, sees(role))));
    let text = if roles.is_empty() { "no login is provisioned".to_owned() } else { table(rows) };
    Report::new(json!({ "roles": roles }), text)
}

fn sees(role: &Provisioned) -> String {
    match (&role.tenant, role.every_tenant) {
        _ if role.kind == "app" && !role.platform => "by the roles of tenant and identity units".to_owned(),
        _ if role.kind == "app" => "by the roles of all units".to_owned(),
        _ if role.kind == "sealer" => "by the roles of all units, and seals".to_owned(),
        _ if role.kind == "backup" => "every row, for backups".to_owned(),
        (_, true) => format!("every tenant: {}", role.reason.as_deref().unwrap_or_default()),
        (Some(tenant), false) => format!("tenant {tenant}"),
        (None, false) => "no tenant".to_owned(),
    }
}

fn checked(checks: &[RoleCheck]) -> Report {
    let line = |check: &RoleCheck| {
        let fix = if check.fix.is_empty() { String::new() } else { format!(": {}", check.fix) };
        (check.id, format!("{}  {}{fix}", word(check.status), check.detail))
    };
    let text = if checks.is_empty() { "SQLite has no roles".to_owned() } else { table(checks.iter().map(line)) };
    let failed = checks.iter().filter(|check| check.status == CheckStatus::Fail).count();
    let verdict = (failed > 0).then(|| Failure::Found(format!("checks that failed: {failed}; each lists its fix")));
    Report::new(json!({ "checks": checks }), text).with_verdict(verdict)
}

fn word(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Ok => "ok  ",
        CheckStatus::Warn => "warn",
        CheckStatus::Fail => "fail",
    }
}
