//! The report of a diagnosis. `docs/doctor.schema.json` describes its JSON form.
//!
//! This file is long because its types are one document, that of `rylie doctor --json`.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::data::DoctorData;

/// The outcome of a check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Looked at, and healthy.
    Ok,
    /// Not looked at, or not completely; the reason says why.
    NotChecked,
    /// To be fixed at working hours.
    Warning,
    /// To be fixed now.
    Critical,
}

impl Verdict {
    /// Returns the word of the JSON form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotChecked => "not-checked",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Returns whether it is a warning or critical.
    #[must_use]
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Warning | Self::Critical)
    }
}

/// The worst outcome that a check can have.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// At most a warning.
    Warning,
    /// May be critical.
    Critical,
}

/// The subject of a check; its id begins with it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckGroup {
    /// Sessions, locks and transactions.
    Activity,
    /// Statements and their plans.
    Queries,
    /// Tables and indexes.
    Tables,
    /// The server and its settings.
    Server,
    /// Isolation of the tenants.
    Isolation,
    /// The application's data and operation.
    Application,
    /// The SQLite file.
    Sqlite,
    /// Obstacles to a move to Citus.
    Shardable,
}

impl CheckGroup {
    /// All groups, in the order of the report.
    pub const ALL: [Self; 8] = [
        Self::Activity,
        Self::Queries,
        Self::Tables,
        Self::Server,
        Self::Isolation,
        Self::Application,
        Self::Sqlite,
        Self::Shardable,
    ];

    /// Returns the first part of the ids.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Queries => "queries",
            Self::Tables => "tables",
            Self::Server => "server",
            Self::Isolation => "isolation",
            Self::Application => "application",
            Self::Sqlite => "sqlite",
            Self::Shardable => "shardable",
        }
    }
}

/// The thresholds of a check.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Limits {
    /// A warning from this value on.
    pub warning: f64,
    /// Critical from this value on.
    pub critical: f64,
    /// The unit of both.
    pub unit: Cow<'static, str>,
}

impl Limits {
    pub(crate) const fn fixed(warning: f64, critical: f64, unit: &'static str) -> Self {
        Self { warning, critical, unit: Cow::Borrowed(unit) }
    }
}

/// A command that fixes a finding.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fix {
    /// An SQL statement, a command of `rylie`, or an instruction.
    pub command: String,
    /// The lock that it takes, and its effect on others.
    pub lock: String,
}

/// One object that a check found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// `warning`, `critical`, or `not-checked` for a part that could not be looked at.
    pub level: Verdict,
    /// The object, such as `table Task` or `pid 4711`.
    pub object: String,
    /// The finding, without values of rows.
    pub detail: String,
    /// The fix for this object.
    pub fix: Option<Fix>,
}

/// A check with its outcome.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CheckResult {
    /// The stable id, such as `activity.blocking`.
    pub id: String,
    /// The subject.
    pub group: CheckGroup,
    /// The worst status that it can have.
    pub severity: Severity,
    /// The outcome.
    pub status: Verdict,
    /// The meaning of a finding, one sentence.
    pub meaning: String,
    /// The finding, or the healthy state.
    pub detail: String,
    /// Why it was not checked; `None` otherwise.
    pub reason: Option<String>,
    /// The id of the check that explains this finding; `None` for a root cause and for a healthy check.
    pub root_cause: Option<String>,
    /// A command that fixes it; `None` if nothing needs fixing.
    pub fix: Option<Fix>,
    /// The thresholds, if it has any.
    pub limits: Option<Limits>,
    /// The objects found, the worst first; at most twenty.
    pub evidence: Vec<Evidence>,
}

/// The outcome of a check by code, before it is part of a report.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The detail of a healthy check, if it has its own.
    pub detail: Option<String>,
    /// The findings. None means healthy.
    pub evidence: Vec<Evidence>,
    /// Why it was not checked.
    pub reason: Option<String>,
}

impl Outcome {
    /// Healthy.
    #[must_use]
    pub fn ok(detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::default() }
    }

    /// Not checked, and why.
    #[must_use]
    pub fn not_checked(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }

    /// One finding.
    #[must_use]
    pub fn found(level: Verdict, object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::default().with(level, object, detail)
    }

    /// Adds a finding.
    #[must_use]
    pub fn with(mut self, level: Verdict, object: impl Into<String>, detail: impl Into<String>) -> Self {
        self.evidence.push(Evidence { level, object: object.into(), detail: detail.into(), fix: None });
        self
    }

    /// Gives the last finding its own fix.
    #[must_use]
    pub fn fixed_by(mut self, command: impl Into<String>, lock: impl Into<String>) -> Self {
        if let Some(last) = self.evidence.last_mut() {
            last.fix = Some(Fix { command: command.into(), lock: lock.into() });
        }
        self
    }
}

/// A value that differs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Change {
    /// The check, setting, table or list.
    pub name: String,
    /// The earlier value; `None` if it is new.
    pub before: Option<String>,
    /// The present value; `None` if it is gone.
    pub after: Option<String>,
}

/// The differences from an earlier run.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Changes {
    /// When the earlier run began.
    pub since: DateTime<Utc>,
    /// Whether the earlier run was of another database.
    pub other_database: bool,
    /// Checks whose status differs, new findings first.
    pub checks: Vec<Change>,
    /// Settings of the server.
    pub settings: Vec<Change>,
    /// Plans of the library's lists.
    pub plans: Vec<Change>,
    /// Tables whose size differs by a tenth and by a megabyte.
    pub sizes: Vec<Change>,
}

/// The report of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DoctorReport {
    /// The version of this form; 1.
    pub format: u32,
    /// When the run began.
    pub at: DateTime<Utc>,
    /// `postgres` or `sqlite`.
    pub engine: String,
    /// The version of the server, or of SQLite; empty if it was not reached.
    pub server: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The checks in a stable order.
    pub checks: Vec<CheckResult>,
    /// The measurements.
    pub data: DoctorData,
    /// The differences from an earlier run, if one was given.
    pub changes: Option<Changes>,
}

impl DoctorReport {
    /// Returns the number of checks with a status.
    #[must_use]
    pub fn count(&self, status: Verdict) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// Returns whether no check found anything. Checks that were not made count as no finding.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.checks.iter().any(|check| check.status.is_finding())
    }

    /// Returns the findings that no other one explains, the worst first. Each comes with the worst status of itself and of
    /// the findings that it explains.
    #[must_use]
    pub fn root_causes(&self) -> Vec<(Verdict, &CheckResult)> {
        let causes = self.checks.iter().filter(|check| check.status.is_finding() && check.root_cause.is_none());
        let worst = |check: &CheckResult| {
            let explained = self.explained_by(&check.id).map(|symptom| symptom.status);
            explained.chain([check.status]).max().unwrap_or(check.status)
        };
        let mut causes: Vec<_> = causes.map(|check| (worst(check), check)).collect();
        causes.sort_by_key(|(worst, _)| std::cmp::Reverse(*worst));
        causes
    }

    /// Returns the checks whose root cause has this id: findings, and checks that could not be made.
    pub fn explained_by<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a CheckResult> {
        self.checks.iter().filter(move |check| check.root_cause.as_deref() == Some(id))
    }

    /// Returns a check by its id.
    #[must_use]
    pub fn check(&self, id: &str) -> Option<&CheckResult> {
        self.checks.iter().find(|check| check.id == id)
    }
}
