//! `rylie doctor cancel` and `terminate`

use std::time::Duration;

use clap::Args;
use rylie_db::maintenance::{EndedSession, Engine, SessionEnd, SessionTarget, end_sessions, sessions_to_end};
use serde_json::json;

use super::confirm::confirm;
use crate::arguments::Global;
use crate::commands::begin;
use crate::commands::maintain::age;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Cancel the statement of a session; the session stays
///
/// Asks first. Refuses autovacuum, replication, backups and migrations without `--force`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie doctor cancel 4711")]
pub(super) struct Cancel {
    /// The process id on the server, as `rylie doctor --only activity` shows it
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pid: i32,
    #[command(flatten)]
    guard: Guard,
}

/// End a session, or every session that has worked or idled in a transaction for too long
///
/// Asks first. Autovacuum, replication, backups and migrations are left without `--force`. The transaction of an ended
/// session is rolled back.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie doctor terminate 4711\n  rylie doctor terminate --older-than 5m --yes")]
pub(super) struct Terminate {
    /// The process id on the server
    #[arg(value_parser = clap::value_parser!(i32).range(1..), required_unless_present = "older_than", conflicts_with = "older_than")]
    pid: Option<i32>,
    /// Every session of this database in the same state for longer: a number with s, m, h or d
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
    #[command(flatten)]
    guard: Guard,
}

#[derive(Args, Debug)]
struct Guard {
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    /// End autovacuum, replication, backup and migration sessions too
    #[arg(long)]
    force: bool,
}

impl Cancel {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        self.guard.end(global, SessionTarget::Process(self.pid), SessionEnd::Cancel).await
    }
}

impl Terminate {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let target = match (self.pid, self.older_than) {
            (Some(pid), _) => SessionTarget::Process(pid),
            (None, age) => SessionTarget::OlderThan(age.unwrap_or_default()),
        };
        self.guard.end(global, target, SessionEnd::Terminate).await
    }
}

impl Guard {
    async fn end(&self, global: &Global, target: SessionTarget, how: SessionEnd) -> Result<Report> {
        let settings = global.settings()?;
        begin(global, &settings).await?;
        let engine = Engine::new(settings.database_url())?;
        let mut sessions = sessions_to_end(&engine, target).await?;
        let protected = sessions.iter().find(|session| session.protected.is_some()).filter(|_| !self.force);
        if let Some(process) = sessions.iter().find(|session| session.is_server_process()) {
            let kind = process.protected.as_deref().unwrap_or_default();
            return Err(Failure::Refused(format!("the process {} is {kind}, which no command ends", process.pid)));
        }
        if let (Some(session), SessionTarget::Process(_)) = (protected, target) {
            let kind = session.protected.as_deref().unwrap_or_default();
            return Err(Failure::Refused(format!(
                "the process {} is {kind}; --force ends it all the same",
                session.pid
            )));
        }
        let willing = sessions.iter().filter(|session| self.force || session.protected.is_none());
        let lines: Vec<String> = willing.map(line).collect();
        if !lines.is_empty() {
            let verb = if how == SessionEnd::Cancel { "cancel the statement of" } else { "end" };
            confirm(&format!("{verb} {}", lines.join("; ")), self.yes)?;
            end_sessions(&engine, &mut sessions, how, self.force).await?;
        }
        Ok(report(&sessions, how))
    }
}

fn line(session: &EndedSession) -> String {
    let application = if session.application.is_empty() { "unnamed" } else { &session.application };
    format!("{} ({}, {application}, {} for {} s)", session.pid, session.login, session.state, session.seconds)
}

fn report(sessions: &[EndedSession], how: SessionEnd) -> Report {
    let done = if how == SessionEnd::Cancel { "cancelled the statement of" } else { "ended" };
    let outcome = |session: &EndedSession| match (session.ended, &session.protected) {
        (Some(true), _) => format!("{done} {}", line(session)),
        (Some(false), _) => format!("gone before: {}", line(session)),
        (None, Some(kind)) => format!("left, because it is {kind}: {}", line(session)),
        (None, None) => format!("left, because this login may not end it: {}", line(session)),
    };
    let lines: Vec<String> = sessions.iter().map(outcome).collect();
    let text = if lines.is_empty() { "no session is that old".to_owned() } else { lines.join("\n") };
    let left = sessions.iter().filter(|session| session.ended.is_none() && session.protected.is_none()).count();
    let verdict = (left > 0).then(|| Failure::Refused(format!("{left} sessions are left")));
    Report::new(json!({ "sessions": sessions }), text).with_verdict(verdict)
}
