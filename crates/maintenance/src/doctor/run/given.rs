//! One check on given rows instead of the server's, for faults that cannot be planted on a test's server.

use std::collections::BTreeMap;

use super::{Run, result};
use crate::doctor::all_checks;
use crate::doctor::check::Look;
use crate::doctor::data::DoctorData;
use crate::doctor::facts::DoctorFacts;
use crate::doctor::options::{DoctorOptions, Threshold};
use crate::doctor::report::CheckResult;
use crate::doctor::session::placeholders::{fill, given};
use crate::doctor::session::{Session, outcome, texts};
use crate::engine::Engine;

/// Makes a check of PostgreSQL with views of the catalog replaced by statements. `None` if the check has no statement.
///
/// A name in the clause WITH hides the view of the same name, so the statement of the check itself runs on these rows.
#[doc(hidden)]
pub async fn check_given(
    engine: &Engine,
    id: &str,
    views: &[(&str, &str)],
    thresholds: &[Threshold],
) -> Option<CheckResult> {
    let spec = all_checks().find(|spec| spec.id == id)?;
    let facts = DoctorFacts::default();
    let options = DoctorOptions { thresholds: thresholds.to_vec(), ..DoctorOptions::default() };
    let run = Run {
        facts: &facts,
        options: &options,
        limits: options.limits_by_id(),
        begun: std::time::Instant::now(),
        outcomes: BTreeMap::new(),
        data: DoctorData::default(),
        server: String::new(),
    };
    let (mut session, _) = Session::open(engine, false).await.ok()?;
    let sql = match spec.look {
        Look::Postgres(sql) | Look::Both(sql) | Look::Each(sql, _) => sql,
        Look::Versions(_, from_17) if session.rights.version >= 170_000 => from_17,
        Look::Versions(before, _) => before,
        _ => return None,
    };
    let sql = given(&fill(sql, run.facts, &run.limit(id), false), views);
    let outcome = match session.rows("", &sql).await {
        Ok(rows) => outcome(rows.iter().filter_map(|row| texts(row).ok())),
        Err(failed) => failed.outcome(),
    };
    session.close().await;
    Some(result(spec, outcome, run.limits.get(id).cloned()))
}
