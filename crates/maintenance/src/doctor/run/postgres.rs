//! A run on PostgreSQL.

use super::{Run, measure};
use crate::doctor::check::{CheckSpec, Look};
use crate::doctor::report::Outcome;
use crate::doctor::session::placeholders::{fill, wrapped};
use crate::doctor::session::{Session, outcome, texts};
use crate::doctor::{application, isolation, queries, server, shardable};
use crate::engine::Engine;

pub(super) async fn run(engine: &Engine, run: &mut Run<'_>) -> Result<(), String> {
    let (mut session, version) = Session::open(engine, run.options.deep).await?;
    run.server = version;
    for spec in run.open(false) {
        let outcome = match run.out_of_time() {
            Some(outcome) => outcome,
            None => check(&mut session, spec, run).await,
        };
        if let Some(outcome) = spec_has_outcome(spec, outcome) {
            run.outcomes.insert(spec.id, outcome);
        }
    }
    measure::postgres(&mut session, run).await;
    session.close().await;
    Ok(())
}

/// A check by code of another crate has none here.
fn spec_has_outcome(spec: &CheckSpec, outcome: Outcome) -> Option<Outcome> {
    let empty = outcome.detail.is_none() && outcome.reason.is_none() && outcome.evidence.is_empty();
    (!empty || !matches!(spec.look, Look::Code | Look::PostgresCode)).then_some(outcome)
}

async fn check(session: &mut Session, spec: &CheckSpec, run: &Run<'_>) -> Outcome {
    if let Some(reason) = spec.needs.iter().find_map(|need| session.rights.lacks(*need)) {
        return Outcome::not_checked(reason);
    }
    let sql = match spec.look {
        Look::Postgres(sql) | Look::Both(sql) | Look::Each(sql, _) => sql,
        Look::Versions(before, from_17) => {
            if session.rights.version >= 170_000 {
                from_17
            } else {
                before
            }
        }
        Look::PostgresCode | Look::Code => return by_code(session, spec, run).await,
        Look::Sqlite(_) | Look::SqliteCode => return Outcome::default(),
    };
    let sql = wrapped(&fill(sql, run.facts, &run.limit(spec.id), false));
    match session.rows(session.rights.role_for(spec.needs), &sql).await {
        Ok(rows) => outcome(rows.iter().filter_map(|row| texts(row).ok())),
        Err(failed) => failed.outcome(),
    }
}

async fn by_code(session: &mut Session, spec: &CheckSpec, run: &Run<'_>) -> Outcome {
    match spec.id {
        "isolation.probe-tenant" => isolation::probe_tenant(session).await,
        "isolation.probe-identity" => isolation::probe_identity(session).await,
        "isolation.probe-platform" => isolation::probe_platform(session).await,
        "server.replica" => server::replica_outcome(session.rights.in_recovery),
        "server.minor-version" => server::minor_version_outcome(session.rights.version),
        "shardable.version" => shardable::version_outcome(session.rights.version),
        "server.clock" => server::clock(session, &run.limit(spec.id)).await,
        "server.certificate" => server::certificate(session, run.facts.at, &run.limit(spec.id)).await,
        "queries.plans" => queries::plans(session, &run.limit(spec.id)).await,
        "queries.missing-index" => queries::advice(session, &run.limit(spec.id)).await,
        "application.orphans" => application::orphans(session, run.options.deep).await,
        _ => Outcome::default(),
    }
}
