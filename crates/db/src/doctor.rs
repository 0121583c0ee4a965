//! The diagnosis of the configured database: the checks of the engine, and those of migrations, keys, audit log, jobs,
//! backups and alerts.

mod audit;
mod job;
mod operation;
mod schema;
mod secrets;

use std::time::Duration;

use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    DoctorFacts, DoctorOptions, DoctorReport, Engine, Outcome, TenantCost, TenantWork, WHOLE_DATABASE, check_ids,
    diagnose, loop_outcome, pool_outcome,
};
use rylie_migration::{Snapshot, coexistence_index_names, own_index_names};

use crate::config::Config;
use crate::database::Database;
use crate::error::Result;

pub(crate) use job::Diagnose;

/// Maximum time of one part that is not the engine's.
const PART: Duration = Duration::from_secs(5);

/// Maximum wait for a lock: a diagnosis must not join the queue that it reports.
const LOCK: Duration = Duration::from_millis(300);

/// Most tenants of a report.
const MOST_TENANTS: usize = 40;

/// Maximum time of a part in a deep run.
const DEEP: Duration = Duration::from_hours(1);

impl Config {
    /// Diagnoses the configured database: every check of the engine with its outcome, and their root causes.
    ///
    /// Reads only. The writes of the isolation probe are refused or rolled back. A deep run opens secrets, which is
    /// recorded in the audit log. A part without its right, its extension or its time is
    /// reported as not checked. A database that cannot be reached is a finding, and no error. Takes a few seconds at
    /// most, unless the run is deep.
    ///
    /// Fails with [`Error::Maintenance`](crate::Error::Maintenance) ([`Invalid`](rylie_maintenance::Error::Invalid))
    /// for wrong options or a wrong URL. It also fails with [`Error::Config`](crate::Error::Config) where the setting
    /// `behind_pooler` hides the server: name the server itself then. There is no other error.
    pub async fn doctor(&self, options: &DoctorOptions) -> Result<DoctorReport> {
        let options = self.with_thresholds(options);
        options.refuse_unknown()?;
        let engine = Engine::new(self.direct_platform_url()?)?;
        // Boxed, so that the futures of all callers stay small.
        let facts = Box::pin(self.facts(&options)).await;
        Ok(Box::pin(diagnose(&engine, &facts, &options)).await)
    }

    /// Returns the ids of the checks that [`doctor`](Self::doctor) makes for this engine.
    #[must_use]
    pub fn doctor_checks(&self) -> Vec<&'static str> {
        check_ids(self.url.starts_with("sqlite:"))
    }

    /// The thresholds of the settings come first, so that those of the caller override them.
    fn with_thresholds(&self, options: &DoctorOptions) -> DoctorOptions {
        let mut options = options.clone();
        options.thresholds = self.doctor.thresholds.iter().cloned().chain(options.thresholds).collect();
        options.disk_capacity = options.disk_capacity.or(self.doctor.disk_capacity);
        options
    }

    async fn facts(&self, options: &DoctorOptions) -> DoctorFacts {
        let expected = Snapshot::expected();
        let mut facts = DoctorFacts {
            at: SystemEnv.now(),
            own_indexes: expected
                .index_names()
                .map(str::to_owned)
                .chain(own_index_names(self.schema.migrations()))
                .chain(coexistence_index_names().map(str::to_owned))
                .collect(),
            own_functions: expected.function_names().map(str::to_owned).collect(),
            quotas: quotas(self),
            ..DoctorFacts::default()
        };
        let part = if options.deep { DEEP } else { PART };
        let wanted = Wanted { options, limits: options.limits_by_id() };
        Box::pin(schema::look(self, &wanted, part, &mut facts)).await;
        let usable = secrets::look(self, &wanted, &mut facts);
        audit::key(self, &wanted, &mut facts);
        operation::files(self, &wanted, &mut facts).await;
        operation::wal(self, &wanted, part, &mut facts).await;
        let logs = self.logs_ahead();
        let reachable = facts.outcomes.get("application.migrations").is_none_or(|outcome| {
            outcome.reason.is_none() && outcome.evidence.iter().all(|found| found.object != WHOLE_DATABASE)
        });
        if reachable && logs && !self.is_file_missing() {
            Box::pin(self.with_store(usable, &wanted, part, &mut facts)).await;
        }
        facts
    }

    /// Whether a SQLite file uses the write-ahead log, as its header says. To open another one with a store would change
    /// it.
    fn logs_ahead(&self) -> bool {
        let Some(file) = Engine::new(&self.url).ok().and_then(|engine| engine.sqlite_file()) else { return true };
        let mut header = [0; 20];
        let read = std::fs::File::open(file).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut header));
        read.is_err() || header[18..] == [2, 2]
    }

    /// Makes the checks that need a store. Without keys, the store opens no secret, and everything else works.
    async fn with_store(&self, usable: bool, wanted: &Wanted<'_>, part: Duration, facts: &mut DoctorFacts) {
        let ids = [
            "application.jobs-late",
            "application.audit-log",
            "application.audit-checkpoint",
            "application.secrets-open",
            "tables.growth",
            "tables.disk-full",
            "application.marker",
        ];
        if !ids.iter().any(|id| wanted.has(id)) {
            return;
        }
        let mut config = self.clone();
        if !usable {
            config.keyring = None;
        }
        config.replicas.urls.clear();
        config.pool.lock_timeout = LOCK;
        let database = match limited(PART, Database::connect(config)).await {
            Ok(database) => database,
            Err(reason) => {
                for id in ids {
                    facts.outcomes.entry(id).or_insert_with(|| Outcome::not_checked(reason.clone()));
                }
                return;
            }
        };
        operation::jobs(&database, wanted, part, facts).await;
        operation::growth(&database, wanted, facts).await;
        audit::look(&database, wanted, part, facts).await;
        secrets::open(&database, usable, wanted, part, facts).await;
        database.close().await;
    }
}

impl Database {
    /// As [`Config::doctor`], and with the pool of this process, whose callers no other process sees.
    pub async fn doctor(&self, options: &DoctorOptions) -> Result<DoctorReport> {
        let (open, idle, waiting, holders) = self.pool_state();
        let mut report = self.config().doctor(options).await?;
        report.set_outcome("activity.pool", pool_outcome(open, idle, waiting, &holders));
        let (tenants, loops) = (self.tenant_work(), self.statement_loops());
        let limits = report.check("queries.loops").and_then(|check| check.limits.clone());
        if let Some(limits) = limits {
            report.set_outcome("queries.loops", loop_outcome(&loops, &limits));
        }
        add_work(&mut report, tenants);
        Ok(report)
    }
}

/// Adds the work of the tenants' units; tenants with the most time come first.
fn add_work(report: &mut DoctorReport, tenants: Vec<(String, TenantWork)>) {
    for (tenant, work) in tenants {
        let is_full = report.data.tenants.len() >= MOST_TENANTS;
        match report.data.tenants.iter_mut().find(|known| known.tenant == tenant) {
            Some(known) => known.work = Some(work),
            None if !is_full => {
                report.data.tenants.push(TenantCost { tenant, work: Some(work), ..TenantCost::default() });
            }
            None => {}
        }
    }
}

/// The subjects and thresholds of a run.
struct Wanted<'a> {
    options: &'a DoctorOptions,
    limits: std::collections::BTreeMap<&'static str, rylie_maintenance::Limits>,
}

impl Wanted<'_> {
    fn has(&self, id: &str) -> bool {
        let group = id.split('.').next().unwrap_or_default();
        self.options.only.is_empty() || self.options.only.iter().any(|name| name == id || name == group)
    }

    fn limit(&self, id: &str) -> rylie_maintenance::Limits {
        self.limits.get(id).cloned().unwrap_or(rylie_maintenance::Limits {
            warning: 0.0,
            critical: 0.0,
            unit: "".into(),
        })
    }
}

/// Returns the outcome of a part, or why there is none, in words.
async fn limited<T, E: std::error::Error>(
    within: Duration,
    work: impl Future<Output = std::result::Result<T, E>>,
) -> std::result::Result<T, String> {
    match tokio::time::timeout(within, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(in_words(&error)),
        Err(_) => Err(format!("it took longer than {} s; --deep has no limit", within.as_secs())),
    }
}

/// Returns an error with its causes in one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // The driver repeats the server's message, and adds the line of the server's source code.
        let core = said.strip_prefix("error returned from database: ").unwrap_or(&said);
        let core = core.split(" at line ").next().unwrap_or_default();
        if !text.contains(core) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

fn quotas(config: &Config) -> Vec<(&'static str, [i64; 4])> {
    let of = |quota: rylie_repositories::Quota| {
        [quota.pages, quota.blogs, quota.gbp_posts, quota.improvements].map(i64::from)
    };
    vec![
        ("SILVER", of(config.quotas.silver)),
        ("GOLD", of(config.quotas.gold)),
        ("PLATINUM", of(config.quotas.platinum)),
    ]
}
